/* sparsegpt_rig.c - inputs of each kind, and the way through the device. */
#include "tests/prune/sparsegpt_rig.h"

#include "core/base/random.h"
#include "core/device/device.h"
#include "tests/harness/test_groups.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static double uniform(uint64_t seed, uint32_t at)
{
    uint32_t words[4];
    const uint32_t counter[4] = {at, 0, 0, 0}, key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    lop_philox(counter, key, words);
    return (double)words[0] / 2147483648.0 - 1.0;
}

/* Token t, column c: neighbours have something in common. */
static double input_of(const solve_rig *r, rig_inputs inputs, uint64_t seed, int32_t t, int32_t c)
{
    const uint32_t n = (uint32_t)r->n, row = (uint32_t)t * (n + 1);
    if (inputs == RIG_NOTHING || (inputs == RIG_DEAD && c % 2 != 0)) return 0.0;
    if (inputs == RIG_TWINS) c = c / 2 * 2;
    const double size = 0.25 + 2.0 * (double)(c % 7) / 7.0;
    return size * (uniform(seed, row + (uint32_t)c) + 0.7 * uniform(seed, row + (uint32_t)c / 4 * 4 + 1) +
                   0.3 * uniform(seed, row + n));
}

static void gram_of(solve_rig *r, rig_inputs inputs, uint64_t seed)
{
    const int32_t n = r->n, tokens = inputs == RIG_FEW ? n / 2 : 2 * n;
    double *sum = calloc((size_t)n * (size_t)n, sizeof *sum), *x = calloc((size_t)n, sizeof *x);
    assert_true(sum != NULL && x != NULL);
    for (int32_t t = 0; t < tokens; t++) {
        for (int32_t c = 0; c < n; c++) x[c] = input_of(r, inputs, seed, t, c);
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j <= i; j++)
                if (i == j || inputs != RIG_ORTHOGONAL) sum[i * n + j] += x[i] * x[j];
    }
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++) r->gram[i * n + j] = j <= i ? (float)sum[i * n + j] : 0.0f;
    free(x);
    free(sum);
}

void solve_rig_open(solve_rig *r, int32_t rows, int32_t n, rig_inputs inputs, uint64_t seed)
{
    const size_t weights = (size_t)rows * (size_t)n, square = (size_t)n * (size_t)n;
    *r = (solve_rig){.rows = rows,
                     .n = n,
                     .w = calloc(weights, sizeof *r->w),
                     .q = calloc(weights, sizeof *r->q),
                     .kept = calloc(weights, sizeof *r->kept),
                     .gram = calloc(square, sizeof *r->gram),
                     .h = calloc(square, sizeof *r->h),
                     .target = {.ratio = 0.5, .exact = true},
                     .options = {.damping = 0.01, .panel = 128, .chooses = true}};
    assert_true(r->w != NULL && r->q != NULL && r->kept != NULL && r->gram != NULL && r->h != NULL);
    for (size_t i = 0; i < weights; i++) r->w[i] = (float)uniform(seed + 1, (uint32_t)i);
    gram_of(r, inputs, seed);
}

void solve_rig_close(solve_rig *r)
{
    free(r->h);
    free(r->gram);
    free(r->kept);
    free(r->q);
    free(r->w);
}

static void bits_of(const solve_rig *r, bool out, unsigned char *bits)
{
    const int64_t line = (r->n + 7) / 8;
    for (int64_t row = 0; row < r->rows; row++)
        for (int64_t c = 0; c < r->n; c++) {
            unsigned char *at = &bits[row * line + c / 8];
            const unsigned char bit = (unsigned char)(0x80u >> (c % 8));
            if (out)
                r->kept[row * r->n + c] = (*at & bit) != 0;
            else if (r->kept[row * r->n + c])
                *at |= bit;
        }
}

static lop_status place(solve_rig *r, lop_queue *q, lop_arena *a, lop_linear_view *view, lop_prune_block *b)
{
    lop_prune_linear *l = &b->linears[0];
    *view = (lop_linear_view){.name = "linear"};
    *b = (lop_prune_block){.count = 1, .queue = q, .arena = a, .tokens = 1, .log = r->log};
    *l = (lop_prune_linear){.view = view, .target = r->target};
    LOP_TRY(lop_arena_mat(a, r->rows, r->n, LOP_F32, &view->w));
    LOP_TRY(lop_arena_mat(a, r->rows, r->n, r->word, &l->spare));
    LOP_TRY(lop_arena_mat(a, r->n, r->n, LOP_F32, &l->gram));
    LOP_TRY(lop_arena_mat(a, r->rows, (r->n + 7) / 8, LOP_U8, &l->keep));
    LOP_TRY(lop_upload(q, r->w, view->w));
    return lop_upload(q, r->gram, l->gram);
}

static void tell_take(solve_rig *r, const json_t *learned)
{
    const json_t *line = json_array_get(json_object_get(learned, "solve"), 0);
    r->error = json_at(line, "error") * r->rows;
    r->factor = (lop_damped){.damping = json_at(line, "damping"),
                             .escalations = (int32_t)json_at(line, "escalations"),
                             .dead = (int64_t)json_at(line, "dead_columns")};
}

static lop_status run(solve_rig *r, lop_queue *q, lop_arena *a, unsigned char *bits)
{
    lop_linear_view view;
    lop_prune_block b;
    LOP_TRY(place(r, q, a, &view, &b));
    bits_of(r, false, bits);
    LOP_TRY(lop_upload(q, bits, b.linears[0].keep));
    b.learned[0] = json_object();
    lop_status status = lop_sparsegpt_run(&b, &r->options);
    if (status == LOP_OK && r->word == LOP_F32) status = lop_download(q, b.linears[0].changed, r->q);
    if (status == LOP_OK) status = lop_download(q, b.linears[0].keep, bits);
    if (status == LOP_OK) bits_of(r, true, bits);
    if (status == LOP_OK) tell_take(r, b.learned[0]);
    json_decref(b.learned[0]);
    return status;
}

lop_status solve_rig_run(solve_rig *r)
{
    lop_device device;
    lop_queue q;
    lop_arena *a = NULL;
    unsigned char *bits = calloc((size_t)r->rows * ((size_t)r->n / 8 + 1), 1);
    assert_non_null(bits);
    prune_ok(test_device_open(prune_backend, &device));
    prune_ok(lop_queue_open(&device, &q));
    prune_ok(lop_arena_open(&device, LOP_ON_DEVICE, 0, &a));
    const lop_status status = run(r, &q, a, bits);
    lop_error_record record;
    lop_error_save(&record);
    lop_queue_close(&q);
    lop_arena_close(a);
    lop_device_close(&device);
    lop_error_restore(&record);
    free(bits);
    return status;
}

void solve_rig_damp(solve_rig *r)
{
    const int64_t n = r->n;
    double mean = 0.0;
    int64_t living = 0;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++) r->h[i * n + j] = (double)r->gram[i > j ? i * n + j : j * n + i];
    for (int64_t i = 0; i < n; i++) {
        mean += r->h[i * (n + 1)];
        living += r->h[i * (n + 1)] != 0.0;
    }
    for (int64_t i = 0; i < n; i++) {
        double *at = &r->h[i * (n + 1)];
        *at = *at != 0.0 ? *at + r->factor.damping * mean / (double)living : 0x1p-80;
    }
}

double solve_rig_bound(const solve_rig *r, double condition, int32_t row)
{
    double length = 0.0;
    const double g = 4.0 * 0x1p-24 * (1.0 + sqrt(r->n));
    for (int32_t c = 0; c < r->n; c++) {
        const double w = (double)r->w[(int64_t)row * r->n + c];
        length += w * w;
    }
    return 2.0 * g * condition * sqrt(length);
}
