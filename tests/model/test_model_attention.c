/* test_model_attention.c - attention forward and backward against double precision, in every word that the device's
 * products take, from views that its own way takes and from views that it does not; and the reference's gradients against
 * central differences. */
#include "core/model/attention_tiles.h"
#include "tests/harness/inputs.h"
#include "tests/harness/status_checks.h"
#include "tests/harness/views.h"
#include "tests/harness/words.h"
#include "tests/model/model_groups.h"
#include "tests/ref/ref_attention.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Sequences, tokens, first, heads, key heads, head size, window: head sizes with kernels of their own and odd ones, heads
 * that share keys, windows, tokens that fill no tile, queries behind a cache. */
static const ref_attention_sizes cases[] = {
    {1, 1, 0, 1, 1, 64, 0},     {2, 70, 0, 4, 2, 64, 0},     {1, 129, 0, 3, 1, 80, 0},
    {1, 300, 0, 2, 2, 128, 0},  {2, 257, 0, 4, 2, 128, 100}, {1, 130, 333, 4, 2, 128, 0},
    {2, 37, 90, 2, 1, 64, 50},  {1, 65, 0, 2, 2, 20, 0},     {3, 33, 0, 6, 3, 7, 5},
    {1, 600, 0, 1, 1, 64, 256}, {1, 1, 200, 8, 2, 80, 0},    {2, 64, 0, 2, 2, 80, 1},
};

/* Matrices of a call, in the order of names. */
enum { Q, K, V, D_OUT, OUT, LOG_SUM, DQ, DK, DV, DELTA, TILE, TILE_BACK, DK_SUM, DV_SUM, MATS };
static const char *const names[MATS] = {"q",  "k",  "v",     "d_out", "out",       "log_sum", "dq",
                                        "dk", "dv", "delta", "tile",  "tile_back", "dk_sum",  "dv_sum"};
enum { INPUTS = D_OUT + 1 };

typedef struct trial {
    lop_device device;
    lop_queue queue;
    ref_attention_sizes sizes;
    lop_type word;
    view views[MATS];
    int32_t rows[MATS], cols[MATS];
    double *input[INPUTS];
    ref_attention reference;
} trial;

static double *doubles(int64_t count)
{
    double *out = calloc((size_t)count + 1, sizeof *out);
    assert_non_null(out);
    return out;
}

static void shape(trial *t, int first, int last, int32_t rows, int32_t cols)
{
    for (int i = first; i <= last; i++) t->rows[i] = rows, t->cols[i] = cols;
}

static void shapes(trial *t)
{
    const ref_attention_sizes *z = &t->sizes;
    const int32_t P = z->first + z->tokens, wide = z->heads * z->head_dim, kv = z->kv_heads * z->head_dim;
    int32_t rows, cols;
    lop_attention_tile(z->heads, z->tokens, P, &rows, &cols);
    shape(t, Q, Q, z->sequences * z->tokens, wide);
    shape(t, D_OUT, OUT, z->sequences * z->tokens, wide);
    shape(t, DQ, DQ, z->sequences * z->tokens, wide);
    shape(t, K, V, z->sequences * P, kv);
    shape(t, DK, DV, z->sequences * P, kv);
    shape(t, LOG_SUM, LOG_SUM, z->sequences * z->heads, z->tokens);
    shape(t, DELTA, DELTA, z->sequences * z->heads, z->tokens);
    shape(t, TILE, TILE_BACK, rows, cols);
    shape(t, DK_SUM, DV_SUM, P, kv);
}

static int64_t elements(const trial *t, int i)
{
    return (int64_t)t->rows[i] * t->cols[i];
}

static lop_type type_of(const trial *t, int i)
{
    return i == LOG_SUM || i == DELTA || i == DK_SUM || i == DV_SUM ? LOP_F32 : t->word;
}

static ref_bounded bounded(const trial *t, int i)
{
    return (ref_bounded){doubles(elements(t, i)), doubles(elements(t, i))};
}

/* Inputs in (-2, 2), rounded to the word: scores then spread over some units. */
static void trial_open(trial *t, const ref_attention_sizes *sizes, lop_type word, uint64_t seed)
{
    draw d = {seed};
    t->sizes = *sizes;
    t->word = word;
    shapes(t);
    for (int i = 0; i < INPUTS; i++) {
        t->input[i] = doubles(elements(t, i));
        for (int64_t j = 0; j < elements(t, i); j++)
            t->input[i][j] = ref_word_round(word_of(word), 4.0 * draw_unit(&d) - 2.0);
    }
    t->reference = (ref_attention){.sizes = *sizes,
                                   .word = word_of(word),
                                   .q = t->input[Q],
                                   .k = t->input[K],
                                   .v = t->input[V],
                                   .d_out = t->input[D_OUT],
                                   .out = bounded(t, OUT),
                                   .dq = bounded(t, DQ),
                                   .dk = bounded(t, DK),
                                   .dv = bounded(t, DV),
                                   .log_sum = bounded(t, LOG_SUM)};
}

static void trial_close(trial *t)
{
    ref_attention *r = &t->reference;
    const ref_bounded written[] = {r->out, r->dq, r->dk, r->dv, r->log_sum};
    for (size_t i = 0; i < sizeof written / sizeof written[0]; i++)
        free(written[i].at), free(written[i].bound);
    for (int i = 0; i < INPUTS; i++) free(t->input[i]);
}

/* Inputs between red zones; everything else is red itself: NaN, or a number that is none of these. */
static void put(trial *t, view_place place, uint8_t red)
{
    for (int i = 0; i < MATS; i++) {
        view *v = &t->views[i];
        double *zeros = i < INPUTS ? NULL : doubles(elements(t, i));
        assert_ok(view_put(&t->queue, v, i >= TILE ? VIEW_ALIGNED : place, t->rows[i], t->cols[i],
                           type_of(t, i), red, i < INPUTS ? t->input[i] : zeros));
        free(zeros);
        if (i < INPUTS) continue;
        memset(v->image, red, v->bytes);
        assert_ok(lop_upload(&t->queue, v->image, lop_mat_of(&v->buf, 0, 1, (int32_t)v->bytes, LOP_U8)));
    }
}

static lop_attention_args args_of(const trial *t)
{
    const view *v = t->views;
    return (lop_attention_args){.q = v[Q].mat,
                                .k = v[K].mat,
                                .v = v[V].mat,
                                .out = v[OUT].mat,
                                .tile = v[TILE].mat,
                                .log_sum = v[LOG_SUM].mat,
                                .heads = t->sizes.heads,
                                .kv_heads = t->sizes.kv_heads,
                                .head_dim = t->sizes.head_dim,
                                .sequences = t->sizes.sequences,
                                .tokens = t->sizes.tokens,
                                .first = t->sizes.first,
                                .window = t->sizes.window};
}

static lop_attention_grads grads_of(const trial *t)
{
    const view *v = t->views;
    return (lop_attention_grads){.d_out = v[D_OUT].mat,
                                 .dq = v[DQ].mat,
                                 .dk = v[DK].mat,
                                 .dv = v[DV].mat,
                                 .tile = v[TILE_BACK].mat,
                                 .delta = v[DELTA].mat,
                                 .dk_sum = v[DK_SUM].mat,
                                 .dv_sum = v[DV_SUM].mat};
}

static void describe(const trial *t, view_place place, bool fast, char *out, size_t size)
{
    const ref_attention_sizes *z = &t->sizes;
    snprintf(out, size, "S %d, T %d, first %d, H %d, KV %d, hd %d, window %d, %s, %s view, %s", z->sequences,
             z->tokens, z->first, z->heads, z->kv_heads, z->head_dim, z->window, lop_type_name(t->word),
             place == VIEW_ODD ? "odd" : "aligned", fast ? "the device's own way" : "tile by tile");
}

static void compare(const trial *t, int mat, const ref_bounded *want, const char *where)
{
    const view *v = &t->views[mat];
    const size_t one = lop_type_bytes(v->mat.type);
    for (int32_t r = 0; r < v->mat.rows; r++)
        for (int32_t c = 0; c < v->mat.cols; c++) {
            const int64_t i = (int64_t)r * v->mat.cols + c;
            const double got = word_get(v->mat.type, (const char *)view_row(v, r) + (size_t)c * one);
            if (fabs(got - want->at[i]) <= want->bound[i]) continue;
            fail_msg("%s at (%d, %d): got %.9g, expected %.9g, off by %.3g, allowed %.3g\n    %s", names[mat],
                     r, c, got, want->at[i], got - want->at[i], want->bound[i], where);
        }
}

static void fetch(trial *t, bool fast, const char *where)
{
    for (int i = 0; i < MATS; i++) {
        view *v = &t->views[i];
        assert_ok(view_fetch(&t->queue, v));
        if (view_red_changed(v) >= 0) fail_msg("around %s: memory was written\n    %s", names[i], where);
        if (i < INPUTS && !view_unchanged(v)) fail_msg("%s was written\n    %s", names[i], where);
    }
    compare(t, OUT, &t->reference.out, where);
    compare(t, DQ, &t->reference.dq, where);
    compare(t, DK, &t->reference.dk, where);
    compare(t, DV, &t->reference.dv, where);
    if (fast) compare(t, LOG_SUM, &t->reference.log_sum, where);
}

/* The bytes of all four results, packed. */
static unsigned char *results(const trial *t, size_t *size)
{
    static const int mats[] = {OUT, DQ, DK, DV};
    const size_t one = lop_type_bytes(t->word);
    unsigned char *out = calloc((size_t)(2 * elements(t, OUT) + 2 * elements(t, DK)) + 1, one);
    assert_non_null(out);
    *size = 0;
    for (int i = 0; i < 4; i++)
        for (int32_t r = 0; r < t->rows[mats[i]]; r++) {
            const size_t bytes = (size_t)t->cols[mats[i]] * one;
            memcpy(out + *size, view_row(&t->views[mats[i]], r), bytes);
            *size += bytes;
        }
    return out;
}

static unsigned char *run(trial *t, view_place place, uint8_t red, size_t *size)
{
    char where[200];
    put(t, place, red);
    const lop_attention_args args = args_of(t);
    const lop_attention_grads grads = grads_of(t);
    const lop_attend_args call = lop_attention_call(&args, &grads);
    const bool fast = t->device.fast && t->device.fast->attend_takes(&t->device, &call);
    describe(t, place, fast, where, sizeof where);
    t->reference.tiles = !fast;
    ref_attention_run(&t->reference);
    assert_ok(lop_attention(&t->queue, &args));
    assert_ok(lop_attention_back(&t->queue, &args, &grads));
    assert_ok(lop_queue_wait(&t->queue));
    fetch(t, fast, where);
    return results(t, size);
}

static void open_queue(trial *t)
{
    memset(t, 0, sizeof *t);
    assert_ok(test_device_open(test_backend, &t->device));
    assert_ok(lop_queue_open(&t->device, &t->queue));
}

static void close_queue(trial *t)
{
    for (int i = 0; i < MATS; i++) view_close(&t->views[i]);
    lop_queue_close(&t->queue);
    lop_device_close(&t->device);
}

static void values(void **state)
{
    (void)state;
    static const lop_type words[] = {LOP_F32, LOP_F16, LOP_BF16};
    static trial t;
    open_queue(&t);
    for (int w = 0; w < 3; w++) {
        if (!(t.device.product_types >> words[w] & 1u)) continue;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            trial_open(&t, &cases[i], words[w], 17 * i + (uint64_t)w + 1);
            for (int place = 0; place < VIEW_PLACES; place++) {
                size_t size[2];
                unsigned char *first = run(&t, (view_place)place, 0xff, &size[0]);
                unsigned char *second = run(&t, (view_place)place, 0x5a, &size[1]);
                assert_memory_equal(first, second, size[0]);
                free(first), free(second);
            }
            trial_close(&t);
        }
    }
    close_queue(&t);
}

/* sum(out * d_out), which dq, dk and dv are the gradients of. */
static double loss(trial *t)
{
    double sum = 0.0;
    ref_attention_run(&t->reference);
    for (int64_t i = 0; i < elements(t, OUT); i++) sum += t->reference.out.at[i] * t->input[D_OUT][i];
    return sum;
}

static void differences_of(trial *t, int input, const double *gradient)
{
    const double step = 0x1p-16;
    for (int64_t i = 0; i < elements(t, input); i++) {
        const double x = t->input[input][i];
        t->input[input][i] = x + step;
        const double high = loss(t);
        t->input[input][i] = x - step;
        const double low = loss(t);
        t->input[input][i] = x;
        /* A central difference is off by step^2 / 6 of the third derivative, which is some units here. */
        assert_true(fabs((high - low) / (2.0 * step) - gradient[i]) < 1e-7);
    }
}

static void reference_has_the_gradients(void **state)
{
    (void)state;
    static const ref_attention_sizes small[] = {
        {1, 5, 0, 2, 2, 3, 0}, {2, 4, 3, 4, 2, 2, 0}, {1, 7, 0, 2, 1, 4, 3}};
    static const int inputs[] = {Q, K, V}, outputs[] = {DQ, DK, DV};
    static trial t;
    for (size_t i = 0; i < sizeof small / sizeof small[0]; i++) {
        memset(&t, 0, sizeof t);
        trial_open(&t, &small[i], LOP_F32, i + 1);
        ref_attention_run(&t.reference);
        const double *gradients[] = {t.reference.dq.at, t.reference.dk.at, t.reference.dv.at};
        for (int k = 0; k < 3; k++) {
            double *kept = doubles(elements(&t, outputs[k]));
            memcpy(kept, gradients[k], (size_t)elements(&t, outputs[k]) * sizeof *kept);
            differences_of(&t, inputs[k], kept);
            free(kept);
            (void)loss(&t);
        }
        trial_close(&t);
    }
}

static void refusals(void **state)
{
    (void)state;
    static trial t;
    const ref_attention_sizes sizes = {1, 8, 0, 4, 2, 8, 0};
    open_queue(&t);
    trial_open(&t, &sizes, LOP_F32, 1);
    put(&t, VIEW_ALIGNED, 0xff);
    lop_attention_args args = args_of(&t);
    lop_attention_grads grads = grads_of(&t);
    args.heads = 3;
    assert_failed(lop_attention(&t.queue, &args), LOP_E_ARGUMENT, "3 heads of 8 over 2 key heads");
    args.heads = 4;
    args.first = 1;
    assert_failed(lop_attention(&t.queue, &args), LOP_E_ARGUMENT, "k is (8, 16), expected (9, 16)");
    args.first = 0;
    args.out = args.q;
    assert_failed(lop_attention(&t.queue, &args), LOP_E_ARGUMENT, "shares memory");
    args.out = t.views[OUT].mat;
    args.log_sum = LOP_NONE;
    assert_failed(lop_attention_back(&t.queue, &args, &grads), LOP_E_ARGUMENT, "log_sum is absent");
    args.log_sum = t.views[LOG_SUM].mat;
    grads.dk = grads.dv;
    assert_failed(lop_attention_back(&t.queue, &args, &grads), LOP_E_ARGUMENT, "shares memory");
    trial_close(&t);
    close_queue(&t);
}

int test_model_attention(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values),
        cmocka_unit_test(reference_has_the_gradients),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests_name("attention", tests, NULL, NULL);
}
