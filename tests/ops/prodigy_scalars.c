/* prodigy_scalars.c - Prodigy's scalars against doubles. The matrices are f32 and what they round is theirs; so each step's
 * sums are taken, exactly, from the matrices that the device has, and d, the largest estimate, numerator and denominator
 * must follow from these as in exact arithmetic, but for what two floats lose. */
#include "core/device/device.h"
#include "core/device/ops.h"
#include "tests/harness/harness.h"
#include "tests/ops/ops_checks.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { ROWS = 300, MATS = 5 };

static void done(lop_status status)
{
    if (status != LOP_OK) fail_msg("%s", lop_error());
}

/* ---- the scalars in doubles, and how far two floats may lie off: every operation adds what its operands lie off and the
 * 2^-44 that it may lose itself (Higham 2002, section 3.3). */

typedef struct near {
    double at, off;
} near;

static near lossy(double at, double off)
{
    return (near){at, off + 0x1p-44 * (fabs(at) + off)};
}

static near times(near a, near b)
{
    return lossy(a.at * b.at, fabs(a.at) * b.off + fabs(b.at) * a.off + a.off * b.off);
}

static near over(near a, near b)
{
    const double at = a.at / b.at;
    return lossy(at, (a.off + fabs(at) * b.off) / (fabs(b.at) - b.off));
}

static near of(double at) /* a number of the call */
{
    return lossy(at, 0.0);
}

/* A sum of the device: the bound of any sum, with the eps of two floats. */
static near sum_of(double at, double magnitude, int32_t terms)
{
    return (near){at, 4.0 * 0x1p-48 * (1.0 + sqrt(terms)) * magnitude};
}

typedef struct scalars {
    near d, most, numerator, denominator;
} scalars;

static void scalars_step(scalars *s, const lop_prodigy_args *a, near along, near size)
{
    const near share = times(times(over(s->d, of(a->d0)), s->d), of(a->lr));
    const near old = times(of(sqrt(a->beta2)), s->numerator), moved = times(share, along);
    s->numerator = lossy(old.at - moved.at, old.off + moved.off + 0x1p-44 * (fabs(old.at) + fabs(moved.at)));
    s->denominator = size;
    const near estimate = over(times(of(a->d_coef), s->numerator), s->denominator);
    if (estimate.at + estimate.off >= s->most.at - s->most.off) {
        const bool sure = estimate.at - estimate.off > s->most.at + s->most.off;
        const double off = sure ? estimate.off : fmax(estimate.off, s->most.off);
        s->most = (near){fmax(estimate.at, s->most.at), off};
    }
    const near limit = times(s->d.at == a->d0 ? s->most : s->d, (near){(double)a->growth, 0.0});
    s->d = limit.at < s->most.at ? limit : s->most;
}

/* ---- the run: one parameter a row and gradients that are powers of two, so that a row's product and sum lose nothing.
 * They are constant, or point to a place that is another for each row and change their size at every step. */

typedef struct told {
    const char *name;
    int32_t rows, steps;
    bool turning;
    double lr, d_coef;
    float g_scale, growth;
    double allowed; /* of d, at most, at the end */
} told;
static const told runs[] = {
    {"constant, d_coef 1", 2, 10, false, 1.0, 1.0, 1.0f, INFINITY, 1e-9},
    {"constant, d_coef 5", 2, 10, false, 1.0, 5.0, 1.0f, INFINITY, 1e-9},
    {"constant, of limited growth", 2, 10, false, 1.0, 5.0, 1.0f, 1.5f, 1e-9},
    {"changing", ROWS, 60, true, 0.7, 2.2, 0.25f, INFINITY, 1e-8},
};

static void gradient(const told *t, uint32_t *random, const float *x, float *g)
{
    for (int32_t r = 0; r < t->rows; r++) {
        const float place = (r % 2 == 0 ? -1.0f : 1.0f) * (1.0f + (float)r / ROWS);
        *random = *random * 1664525u + 1013904223u;
        g[r] = r % 2 == 0 ? 1.0f : -2.0f;
        if (t->turning) g[r] = ldexpf(x[r] < place ? -1.0f : 1.0f, (int)(*random >> 24 & 7u) - 4);
    }
}

/* Holds the number at a place of the state to its bound, and its first float to be the nearest; returns its relative error. */
static double held(const char *name, int step, const float *state, int place, near want)
{
    const double got = (double)state[place] + (double)state[place + LOP_PRODIGY_REST], size = fabs(want.at);
    if (!(fabs(got - want.at) <= want.off) || (double)state[place] != (double)(float)got)
        fail_msg("%s, step %d: place %d is %.15g, expected %.15g to %.2g", name, step, place, got, want.at,
                 want.off);
    return size > 0.0 ? fabs(got - want.at) / size : 0.0;
}

static void run_check(harness *h, const told *t)
{
    float x[ROWS] = {0.0f}, g[ROWS], s[ROWS], state[LOP_PRODIGY_STATE];
    lop_buf buf;
    lop_queue *q = &h->queue;
    lop_prodigy_args a = lop_prodigy_usual();
    lop_mat *const mats[MATS] = {&a.x, &a.g, &a.m, &a.v, &a.s};
    uint32_t random = 1;
    double worst = 0.0;
    done(lop_buf_open(&h->device, LOP_ON_DEVICE, sizeof(float) * (MATS + 3) * ROWS, &buf));
    for (int i = 0; i < MATS; i++) *mats[i] = lop_mat_of(&buf, (int64_t)i * ROWS, t->rows, 1, LOP_F32);
    a.parts = lop_mat_of(&buf, (int64_t)MATS * ROWS, t->rows, 2, LOP_F32);
    a.state = lop_mat_of(&buf, (int64_t)(MATS + 2) * ROWS, 1, LOP_PRODIGY_STATE, LOP_F32);
    a.lr = t->lr, a.d_coef = t->d_coef, a.g_scale = t->g_scale, a.growth = t->growth;
    scalars want = {of(a.d0), of(a.d0), {0.0, 0.0}, {0.0, 0.0}};
    done(lop_upload(q, x, a.x));
    done(lop_prodigy_begin(q, &a));
    for (int step = 1; step <= t->steps; step++) {
        double along = 0.0, along_size = 0.0, size = 0.0;
        gradient(t, &random, x, g);
        done(lop_upload(q, g, a.g));
        done(lop_prodigy(q, &a));
        done(lop_download(q, a.s, s));
        done(lop_download(q, a.state, state));
        for (int32_t r = 0; r < t->rows; r++) {
            const double product = (double)t->g_scale * (double)g[r] * (double)x[r];
            along += product, along_size += fabs(product);
            size += fabs((double)s[r]);
        }
        scalars_step(&want, &a, sum_of(along, along_size, t->rows), sum_of(size, size, t->rows));
        worst = fmax(worst, held(t->name, step, state, LOP_PRODIGY_D, want.d));
        (void)held(t->name, step, state, LOP_PRODIGY_MOST, want.most);
        (void)held(t->name, step, state, LOP_PRODIGY_NUMERATOR, want.numerator);
        (void)held(t->name, step, state, LOP_PRODIGY_DENOMINATOR, want.denominator);
        done(lop_download(q, a.x, x));
    }
    print_message("%s: d grew to %.9g, off by %.1e of itself at most, allowed %.1e at the end\n", t->name,
                  want.d.at, worst, want.d.off / want.d.at);
    assert_true(want.d.at > 100.0 * a.d0 && want.d.off < t->allowed * want.d.at);
    lop_buf_close(&buf);
}

void prodigy_scalars(void **state)
{
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) run_check(*state, &runs[i]);
}
