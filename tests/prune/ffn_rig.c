/* ffn_rig.c - made on the host in floats' own values, computed in double, handed to the device. */
#include "tests/prune/ffn_rig.h"

#include "core/base/random.h"
#include "core/device/device.h"
#include "tests/harness/test_groups.h"
#include "tests/ref/ref_ops.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { UP = LOP_SPARSELLM_UP, GATE = LOP_SPARSELLM_GATE, DOWN = LOP_SPARSELLM_DOWN };

const ffn_shape ffn_gated = {32, 96, 64, 8, 8, LOP_GATE_SILU, true, 1, 0.0, false},
                ffn_plain = {32, 96, 64, 8, 8, LOP_GATE_RELU, false, 2, 0.0, false};

static double uniform(uint64_t seed, uint32_t at)
{
    uint32_t words[4];
    const uint32_t counter[4] = {at, 7, 0, 0}, key[2] = {(uint32_t)seed, 11};
    lop_philox(counter, key, words);
    return (double)words[0] / 2147483648.0 - 1.0;
}

static double *doubles(int64_t count)
{
    double *at = calloc((size_t)count + 1, sizeof *at);
    assert_non_null(at);
    return at;
}

int32_t ffn_rig_tokens(const ffn_rig *r)
{
    return r->shape.tokens * r->shape.windows;
}

/* Values that a float holds: the device starts from the same numbers. */
static double *made(uint64_t seed, int64_t count, double size)
{
    double *at = doubles(count);
    for (int64_t i = 0; i < count; i++) at[i] = (double)(float)(size * uniform(seed, (uint32_t)i));
    return at;
}

/* Columns share a few directions of the tokens, some more than others. */
static void inputs_make(ffn_rig *r)
{
    const ffn_shape *s = &r->shape;
    const int32_t d = s->hidden, shared = d / 4 + 1;
    double *mix = made(s->seed + 5, (int64_t)shared * d, 1.0),
           *own = made(s->seed + 6, (int64_t)ffn_rig_tokens(r) * (d + shared), 1.0);
    r->x = doubles((int64_t)ffn_rig_tokens(r) * d);
    for (int32_t t = 0; t < ffn_rig_tokens(r); t++)
        for (int32_t c = 0; c < d; c++) {
            const double *token = own + (int64_t)t * (d + shared);
            double sum = 0.4 * token[c];
            for (int32_t k = 0; k < shared; k++) sum += token[d + k] * mix[k * d + c] / (1.0 + k);
            if (s->outlier > 0.0 && t % 50 == 7) sum *= s->outlier;
            if (s->dead && c % 5 == 0) sum = 0.0;
            r->x[(int64_t)t * d + c] = (double)(float)sum;
        }
    free(own);
    free(mix);
}

double *ffn_product(const double *x, const double *w, const double *bias, int32_t rows, int32_t out,
                    int32_t in)
{
    double *y = doubles((int64_t)rows * out);
#pragma omp parallel for
    for (int32_t t = 0; t < rows; t++)
        for (int32_t o = 0; o < out; o++) {
            double sum = bias != NULL ? bias[o] : 0.0;
            for (int32_t i = 0; i < in; i++) sum += x[(int64_t)t * in + i] * w[(int64_t)o * in + i];
            y[(int64_t)t * out + o] = sum;
        }
    return y;
}

double *ffn_active(const ffn_rig *r, const double *z, const double *s)
{
    const int64_t count = (int64_t)ffn_rig_tokens(r) * r->shape.ffn;
    double *a = doubles(count), size;
    for (int64_t i = 0; i < count; i++)
        a[i] = ref_gate_value((ref_gate_kind)r->shape.kind, s != NULL ? s[i] : z[i], &size) *
               (s != NULL ? z[i] : 1.0);
    return a;
}

/* What these weights give, without the last bias. */
static double *half(const ffn_rig *r, double *const w[LOP_SPARSELLM_LINEARS])
{
    const int32_t d = r->shape.hidden, f = r->shape.ffn, rows = ffn_rig_tokens(r);
    double *z = ffn_product(r->x, w[UP], r->bias, rows, f, d);
    double *s = w[GATE] != NULL ? ffn_product(r->x, w[GATE], NULL, rows, f, d) : NULL;
    double *a = ffn_active(r, z, s), *y = ffn_product(a, w[DOWN], NULL, rows, d, f);
    free(a);
    free(s);
    free(z);
    return y;
}

double ffn_rig_error(ffn_rig *r)
{
    double *w[LOP_SPARSELLM_LINEARS] = {NULL}, error = 0.0, whole = 0.0;
    for (int i = 0; i < LOP_SPARSELLM_LINEARS; i++)
        if (r->dense[i] != NULL) w[i] = ffn_rig_weights(r, i);
    double *y = half(r, w);
    for (int64_t i = 0; i < (int64_t)ffn_rig_tokens(r) * r->shape.hidden; i++) {
        error += (y[i] - r->y[i]) * (y[i] - r->y[i]);
        whole += r->y[i] * r->y[i];
    }
    free(y);
    for (int i = 0; i < LOP_SPARSELLM_LINEARS; i++) free(w[i]);
    return error / whole;
}

/* ---- on the device */

static void put(ffn_rig *r, const double *from, lop_mat to)
{
    const int64_t count = lop_mat_elements(to);
    float *at = calloc((size_t)count + 1, sizeof *at);
    assert_non_null(at);
    for (int64_t i = 0; i < count; i++) at[i] = (float)from[i];
    prune_ok(lop_upload(&r->queue, at, to));
    free(at);
}

double *ffn_rig_matrix(ffn_rig *r, lop_mat m)
{
    const int64_t count = lop_mat_elements(m);
    float *at = calloc((size_t)count + 1, sizeof *at);
    double *to = doubles(count);
    assert_non_null(at);
    prune_ok(lop_download(&r->queue, m, at));
    for (int64_t i = 0; i < count; i++) to[i] = (double)at[i];
    free(at);
    return to;
}

double *ffn_rig_weights(ffn_rig *r, int which)
{
    return ffn_rig_matrix(r, lop_sparsellm_at(&r->b, which)->spare);
}

unsigned char *ffn_rig_kept(ffn_rig *r, int which)
{
    const lop_prune_linear *l = lop_sparsellm_at(&r->b, which);
    const lop_mat w = l->view->w;
    unsigned char *bits = calloc((size_t)lop_mat_elements(l->keep), 1);
    unsigned char *kept = calloc((size_t)lop_mat_elements(w), 1);
    assert_true(bits != NULL && kept != NULL);
    prune_ok(lop_download(&r->queue, l->keep, bits));
    for (int32_t row = 0; row < w.rows; row++)
        for (int32_t c = 0; c < w.cols; c++)
            kept[(int64_t)row * w.cols + c] = (bits[(int64_t)row * l->keep.cols + c / 8] >> (7 - c % 8)) & 1;
    free(bits);
    return kept;
}

double *ffn_rig_stream(ffn_rig *r, const lop_stream *s)
{
    double *all = doubles((int64_t)ffn_rig_tokens(r) * s->shape.width), *at = all;
    for (int32_t i = 0; i < s->count; i++) {
        lop_mat m;
        prune_ok(lop_stream_view(&r->queue, s, i, &m));
        double *part = ffn_rig_matrix(r, m);
        for (int64_t k = 0; k < lop_mat_elements(m); k++) *at++ = part[k];
        free(part);
    }
    return all;
}

static void streams_open(ffn_rig *r)
{
    const ffn_shape *s = &r->shape;
    lop_stream_shape shape = {.place = LOP_ON_DEVICE,
                              .type = LOP_F32,
                              .sequences = s->windows,
                              .batch = s->batch,
                              .tokens = s->tokens,
                              .width = s->hidden};
    r->ffn.kind = s->kind;
    prune_ok(lop_stream_open(&r->device, &shape, &r->ffn.input));
    prune_ok(lop_stream_open(&r->device, &shape, &r->ffn.output));
    shape.width = s->ffn;
    prune_ok(lop_stream_open(&r->device, &shape, &r->ffn.up));
    if (s->gated) prune_ok(lop_stream_open(&r->device, &shape, &r->ffn.gate));
    const double *x = r->x;
    for (int32_t i = 0; i < r->ffn.input.count; i++) {
        lop_mat m;
        prune_ok(lop_stream_view(&r->queue, &r->ffn.input, i, &m));
        put(r, x, m);
        x += lop_mat_elements(m);
    }
}

static lop_mat matrix(ffn_rig *r, int32_t rows, int32_t cols, lop_type type)
{
    lop_mat m;
    prune_ok(lop_arena_mat(r->arena, rows, cols, type, &m));
    return m;
}

/* The lower triangle of a^T a. */
static lop_mat gram(ffn_rig *r, const double *a, int32_t cols)
{
    const int32_t rows = ffn_rig_tokens(r);
    double *sum = doubles((int64_t)cols * cols);
    for (int32_t t = 0; t < rows; t++)
        for (int32_t i = 0; i < cols; i++)
            for (int32_t j = 0; j <= i; j++)
                sum[(int64_t)i * cols + j] += a[(int64_t)t * cols + i] * a[(int64_t)t * cols + j];
    const lop_mat m = matrix(r, cols, cols, LOP_F32);
    put(r, sum, m);
    free(sum);
    return m;
}

static void linear_add(ffn_rig *r, int which, lop_linear_id id, lop_mat of)
{
    lop_linear_view *view = &r->views[which];
    const int32_t out = which == DOWN ? r->shape.hidden : r->shape.ffn, in = of.cols;
    *view = (lop_linear_view){.id = id,
                              .name = "linear",
                              .w = matrix(r, out, in, LOP_F32),
                              .input = which == DOWN ? LOP_INPUT_DOWN : LOP_INPUT_FFN};
    put(r, r->dense[which], view->w);
    if (which == UP && r->bias != NULL) {
        view->bias = matrix(r, 1, out, LOP_F32);
        put(r, r->bias, view->bias);
    }
    r->block.linears[r->block.count++] = (lop_prune_linear){.view = view,
                                                            .gram = of,
                                                            .spare = matrix(r, out, in, LOP_F32),
                                                            .keep = matrix(r, out, (in + 7) / 8, LOP_U8)};
}

static void linears_open(ffn_rig *r)
{
    const int32_t d = r->shape.hidden, f = r->shape.ffn, rows = ffn_rig_tokens(r);
    double *z = ffn_product(r->x, r->dense[UP], r->bias, rows, f, d);
    double *s = r->shape.gated ? ffn_product(r->x, r->dense[GATE], NULL, rows, f, d) : NULL;
    double *a = ffn_active(r, z, s);
    const lop_mat first = gram(r, r->x, d), last = gram(r, a, f);
    if (r->shape.gated) linear_add(r, GATE, LOP_LINEAR_GATE, first);
    linear_add(r, UP, LOP_LINEAR_UP, first);
    linear_add(r, DOWN, LOP_LINEAR_DOWN, last);
    free(a);
    free(s);
    free(z);
}

void ffn_rig_open(ffn_rig *r, const char *backend, ffn_shape shape)
{
    const int64_t d = shape.hidden, f = shape.ffn;
    *r = (ffn_rig){
        .shape = shape,
        .target = {.ratio = 0.5, .exact = true},
        .options = {.epochs = 4, .rho = 1.0, .solver = {.damping = 0.01, .panel = 128, .chooses = true}}};
    inputs_make(r);
    r->dense[UP] = made(shape.seed + 1, f * d, 1.7 / sqrt((double)d));
    if (shape.gated) r->dense[GATE] = made(shape.seed + 2, f * d, 1.7 / sqrt((double)d));
    r->dense[DOWN] = made(shape.seed + 3, d * f, 1.7 / sqrt((double)f));
    if (!shape.gated) r->bias = made(shape.seed + 4, f, 0.2);
    for (int64_t i = 0; !shape.gated && shape.dead && i < f; i += 7) r->bias[i] = -1e3;
    r->y = half(r, r->dense);
    prune_ok(test_device_open(backend, &r->device));
    prune_ok(lop_queue_open(&r->device, &r->queue));
    prune_ok(lop_arena_open(&r->device, LOP_ON_DEVICE, 0, &r->arena));
    r->block =
        (lop_prune_block){.queue = &r->queue, .arena = r->arena, .tokens = ffn_rig_tokens(r), .ffn = &r->ffn};
    streams_open(r);
    linears_open(r);
}

void ffn_rig_close(ffn_rig *r)
{
    json_decref(r->learned);
    prune_ok(lop_queue_wait(&r->queue));
    lop_ffn_close(&r->ffn);
    lop_queue_close(&r->queue);
    lop_arena_close(r->arena);
    lop_device_close(&r->device);
    for (int i = 0; i < LOP_SPARSELLM_LINEARS; i++) free(r->dense[i]);
    free(r->bias);
    free(r->y);
    free(r->x);
}

void ffn_rig_begin(ffn_rig *r)
{
    json_decref(r->learned);
    r->learned = r->block.learned[0] = json_object();
    for (int32_t i = 0; i < r->block.count; i++) r->block.linears[i].target = r->target;
    prune_ok(lop_sparsellm_place(&r->block, &r->options, &r->b));
    prune_ok(lop_sparsellm_first(&r->b));
}

void ffn_rig_run(ffn_rig *r)
{
    ffn_rig_begin(r);
    prune_ok(lop_sparsellm_epochs(&r->b));
}

double ffn_rig_loss(const ffn_rig *r, int32_t epoch)
{
    const json_t *line = json_array_get(json_object_get(r->learned, "epochs"), (size_t)epoch);
    return line != NULL ? json_at(line, "loss") : -1.0;
}
