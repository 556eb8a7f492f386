/* sums_kept.c - lop_sq_error adds up rows in a pair of floats: what one float loses must be in the other. */
#include "core/device/ops.h"
#include "tests/harness/harness.h"
#include "tests/ops/ops_checks.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ROWS = 5000 };

typedef struct rig {
    harness *h;
    lop_buf buf;
    lop_mat a, zero, parts, out;
    float values[ROWS], sums[ROWS];
} rig;

static void done(lop_status status)
{
    if (status != LOP_OK) fail_msg("%s", lop_error());
}

/* Adds the squares of r->values to the pair and returns what it holds. */
static double add(rig *r)
{
    lop_queue *q = &r->h->queue;
    float pair[2];
    done(lop_upload(q, r->values, r->a));
    done(lop_sq_error(q, r->a, r->zero, r->parts, r->out));
    done(lop_download(q, r->out, pair));
    return lop_sum_value(pair);
}

/* 1, and after it what is too small to change it: powers of two, so that nothing is rounded in the pair. */
static void small_terms(rig *r)
{
    for (int i = 0; i < ROWS; i++) r->values[i] = i == 0 ? 1.0f : 0x1p-13f;
    const double once = 1.0 + (ROWS - 1) * 0x1p-26;
    assert_true(add(r) == once);
    assert_true(add(r) == 2.0 * once);
}

/* Rows' sums are floats; adding them up loses no more than the square of a float's rounding a term. */
static void any_terms(rig *r)
{
    uint32_t chance = 12345;
    double want = 0.0;
    for (int i = 0; i < ROWS; i++) {
        chance = chance * 1664525u + 1013904223u;
        r->values[i] = (float)(chance >> 8) / 16777216.0f;
    }
    const double got = add(r);
    done(lop_download(&r->h->queue, r->parts, r->sums));
    for (int i = 0; i < ROWS; i++) want += (double)r->sums[i];
    assert_true(fabs(got - want) <= 4.0 * 0x1p-48 * (1.0 + ROWS) * want);
}

void sums_kept(void **state)
{
    rig *r = calloc(1, sizeof *r);
    assert_non_null(r);
    r->h = *state;
    lop_queue *q = &r->h->queue;
    done(lop_buf_open(&r->h->device, LOP_ON_DEVICE, (3 * ROWS + 2) * sizeof(float), &r->buf));
    r->a = lop_mat_of(&r->buf, 0, ROWS, 1, LOP_F32);
    r->zero = lop_mat_of(&r->buf, ROWS, ROWS, 1, LOP_F32);
    r->parts = lop_mat_of(&r->buf, 2 * ROWS, ROWS, 1, LOP_F32);
    r->out = lop_mat_of(&r->buf, 3 * ROWS, 1, 2, LOP_F32);
    done(lop_upload(q, r->values, r->zero));
    done(lop_upload(q, r->values, r->out));
    small_terms(r);
    for (int i = 0; i < ROWS; i++) r->values[i] = 0.0f;
    done(lop_upload(q, r->values, r->out));
    any_terms(r);
    lop_buf_close(&r->buf);
    free(r);
}
