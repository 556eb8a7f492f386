/* test_model_backward.c - gradients of a block: the double-precision reference against central differences, the library
 * against the reference in every family, 16-bit words against f32, and what must not change a bit. */
#include "core/base/memory.h"
#include "tests/harness/inputs.h"
#include "tests/model/made_model.h"
#include "tests/model/model_groups.h"
#include "tests/model/rig.h"
#include "tests/ref/ref_back.h"
#include "tests/ref/ref_load.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* S sequences of T tokens through block `index` of a model. */
typedef struct sizes {
    int32_t sequences, tokens, index;
} sizes;

/* What a run of the library works on, and what it gives. */
typedef struct run {
    rig *r;
    sizes z;
    bool input; /* whether the tape keeps it */
    lop_type word;
    lop_arena *arena;
    lop_forward *forward;
    lop_reader *reader;
    lop_block placed, *block;
    lop_tape tape;
    lop_mat x, dy;
    float *dw[LOP_LINEAR_COUNT]; /* packed, NULL: nobody gathers */
    int32_t linear, next;        /* the linear that came last and the row that must come next */
    int order[LOP_LINEAR_COUNT], count, slabs;
} run;

static int64_t stream_size(const run *n)
{
    return (int64_t)n->z.sequences * n->z.tokens * n->r->net.config->hidden;
}

/* A stream or its gradient, the same for the library and the reference: floats in (-1, 1). */
static float *noise_of(int64_t count, uint64_t seed)
{
    draw d = {seed};
    float *out = calloc((size_t)count + 1, sizeof *out);
    assert_non_null(out);
    for (int64_t i = 0; i < count; i++) out[i] = (float)(2.0 * draw_unit(&d) - 1.0);
    return out;
}

static void run_open(run *n, rig *r, sizes z, bool input)
{
    const int32_t rows = z.sequences * z.tokens, hidden = r->net.config->hidden;
    *n = (run){.r = r, .z = z, .input = input, .word = lop_walk_word(&r->device, &r->net), .linear = -1};
    assert_ok(lop_arena_open(&r->device, LOP_ON_DEVICE, 0, &n->arena));
    assert_ok(lop_block_place(n->arena, &r->net, n->word, &n->placed));
    assert_ok(lop_tape_place(n->arena, &r->net, n->word, z.sequences, z.tokens, input, &n->tape));
    assert_ok(lop_arena_mat(n->arena, rows, hidden, LOP_F32, &n->x));
    assert_ok(lop_arena_mat(n->arena, rows, hidden, LOP_F32, &n->dy));
    assert_ok(
        lop_forward_open_back(&r->net, &r->device, n->word, z.sequences, z.tokens, z.sequences, &n->forward));
    const lop_reader_plan plan = {.net = &r->net,
                                  .device = &r->device,
                                  .first = z.index,
                                  .end = z.index + 1,
                                  .blocks = &n->placed,
                                  .count = 1};
    assert_ok(lop_reader_open(&plan, &n->reader));
    assert_ok(lop_reader_take(n->reader, &r->queue, &n->block));
    for (int i = 0; i < n->block->count; i++) {
        const lop_mat w = n->block->linears[i].w;
        n->dw[i] = calloc((size_t)lop_mat_elements(w), sizeof(float));
        assert_non_null(n->dw[i]);
    }
}

static void run_close(run *n)
{
    assert_ok(lop_queue_wait(&n->r->queue));
    for (int i = 0; i < LOP_LINEAR_COUNT; i++) free(n->dw[i]);
    lop_reader_close(n->reader);
    lop_forward_close(n->forward);
    lop_arena_close(n->arena);
}

static void put(const run *n, lop_mat m, uint64_t seed)
{
    float *values = noise_of(stream_size(n), seed);
    assert_ok(lop_upload(&n->r->queue, values, m));
    free(values);
}

/* Rows come in order, and no linear before the one ahead of it is whole. */
static lop_status gather(void *user, lop_queue *q, int32_t linear, int32_t first, lop_mat dw)
{
    run *n = user;
    const lop_mat w = n->block->linears[linear].w;
    if (linear != n->linear) {
        assert_true(n->linear < 0 || n->next == n->block->linears[n->linear].w.rows);
        n->order[n->count++] = linear;
        n->linear = linear;
        n->next = 0;
    }
    assert_int_equal(first, n->next);
    assert_int_equal(dw.cols, w.cols);
    assert_int_equal(dw.type, LOP_F32);
    n->next += dw.rows;
    n->slabs++;
    return lop_download(q, dw, n->dw[linear] + (int64_t)first * w.cols);
}

static void run_both(run *n)
{
    n->linear = -1;
    n->count = n->slabs = 0;
    put(n, n->x, 1);
    put(n, n->dy, 2);
    assert_ok(lop_block_forward_taped(&n->r->queue, n->forward, n->block, n->x, n->z.sequences, n->z.tokens,
                                      &n->tape));
    assert_ok(lop_block_backward(&n->r->queue, n->forward, n->block, n->dy, &n->tape, gather, n));
    assert_ok(lop_queue_wait(&n->r->queue));
}

/* ---- against the reference */

/* Gradients of a block in double: of the weights, and of the stream. */
typedef struct wanted {
    double *dw[REF_LINEARS], *dx;
} wanted;

static wanted wanted_open(const ref_model *m, sizes z)
{
    const int64_t one = (int64_t)z.tokens * m->hidden, size = one * z.sequences;
    float *x = noise_of(size, 1), *dy = noise_of(size, 2);
    double *start = ref_doubles(one);
    wanted w = {.dx = ref_doubles(size)};
    for (int l = 0; l < REF_LINEARS; l++) {
        const ref_linear *linear = &m->block[z.index].linear[l];
        w.dw[l] = ref_doubles((int64_t)linear->rows * linear->cols);
    }
    for (int64_t i = 0; i < size; i++) w.dx[i] = (double)dy[i];
    for (int32_t s = 0; s < z.sequences; s++) {
        for (int64_t i = 0; i < one; i++) start[i] = (double)x[s * one + i];
        ref_block_backward(m, z.index, z.tokens, start, w.dx + s * one, w.dw);
    }
    free(start), free(dy), free(x);
    return w;
}

static void wanted_close(const wanted *w)
{
    for (int l = 0; l < REF_LINEARS; l++) free(w->dw[l]);
    free(w->dx);
}

/* What sums on the longest way from a weight to the loss and back lose, as a share of the largest gradient: they have n
 * terms together, which are rounded in f32, as ref_ops.h has it; and 16-bit words round some twenty matrices between. */
static double bound_of(const rig *r, sizes z, lop_type word)
{
    const lop_config *c = r->net.config;
    const double inner = 8.0 * c->hidden + 3.0 * c->ffn + 3.0 * c->heads * c->head_dim + 3.0 * c->head_dim;
    const double n = inner + (4.0 + z.sequences) * z.tokens;
    const double f32 = 4.0 * 0x1p-24 * (1.0 + sqrt(n));
    return word == LOP_F32 ? f32 : 4.0 * (word == LOP_F16 ? 0x1p-11 : 0x1p-8) * sqrt(20.0) + f32;
}

static void compare(const char *what, const float *got, const double *want, int64_t count, double bound)
{
    double largest = 0.0, worst = 0.0;
    for (int64_t i = 0; i < count; i++) {
        largest = fmax(largest, fabs(want[i]));
        const double off = fabs((double)got[i] - want[i]);
        if (!(off <= worst)) worst = off; /* a NaN is worst */
    }
    assert_true(largest > 0.0);
    if (!(worst <= bound * largest))
        fail_msg("%s is off by %g of the largest, %g; allowed %g", what, worst / largest, largest, bound);
}

static void compare_all(const run *n, const wanted *want)
{
    const double bound = bound_of(n->r, n->z, n->word);
    for (int i = 0; i < n->block->count; i++) {
        const lop_linear_view *l = &n->block->linears[i];
        compare(l->name, n->dw[i], want->dw[l->id], lop_mat_elements(l->w), bound);
    }
    if (!n->input) return;
    float *dx = calloc((size_t)stream_size(n), sizeof *dx);
    assert_non_null(dx);
    assert_ok(lop_download(&n->r->queue, n->dy, dx));
    compare("the input's gradient", dx, want->dx, stream_size(n), bound);
    free(dx);
}

/* Down; gate, if there is one, up; o; q, k, v. */
static void check_order(const run *n)
{
    static const lop_linear_id order[] = {LOP_LINEAR_DOWN, LOP_LINEAR_GATE, LOP_LINEAR_UP, LOP_LINEAR_O,
                                          LOP_LINEAR_Q,    LOP_LINEAR_K,    LOP_LINEAR_V};
    const int left_out = LOP_LINEAR_COUNT - n->block->count; /* a gate, which would stand second */
    assert_int_equal(n->count, n->block->count);
    for (int i = 0; i < n->count; i++)
        assert_int_equal(n->block->linears[n->order[i]].id, order[i < 1 ? i : i + left_out]);
    assert_int_equal(n->next, n->block->linears[n->linear].w.rows);
}

static void same_weights(const run *a, const run *b)
{
    for (int i = 0; i < a->block->count; i++) {
        const size_t bytes = (size_t)lop_mat_elements(a->block->linears[i].w) * sizeof(float);
        if (memcmp(a->dw[i], b->dw[i], bytes) != 0) fail_msg("%s: other bits", a->block->linears[i].name);
    }
}

/* With the input's gradient and without, with the device's quicker ways and without, twice each. */
static void check_one(rig *r, sizes z, const wanted *want, bool fast)
{
    run with, without;
    lop_device_fast(&r->device, fast);
    run_open(&with, r, z, true);
    run_open(&without, r, z, false);
    run_both(&without);
    check_order(&without);
    run_both(&with);
    compare_all(&with, want);
    same_weights(&with, &without);
    run_both(&without);
    same_weights(&with, &without);
    run_close(&without);
    run_close(&with);
}

static void check_model(made_shape shape, sizes z)
{
    const made_model m = made_model_open(shape);
    rig r;
    ref_loaded reference;
    rig_open(&r, m.folder);
    assert_ok(ref_load(m.folder, &reference));
    const wanted want = wanted_open(&reference.model, z);
    check_one(&r, z, &want, true);
    check_one(&r, z, &want, false);
    wanted_close(&want);
    ref_load_close(&reference);
    rig_close(&r);
    made_model_close(&m);
}

static void families(void **state)
{
    (void)state;
    check_model((made_shape){0}, (sizes){1, 2, 0});
    check_model((made_shape){0}, (sizes){2, 70, 1});
    check_model((made_shape){.bias = true}, (sizes){1, 300, 0});
    check_model((made_shape){.family = "mistral", .window = 37}, (sizes){2, 130, 1});
    check_model((made_shape){.family = "qwen2", .tied = true}, (sizes){3, 64, 0});
    check_model((made_shape){.family = "opt"}, (sizes){2, 70, 1});
    check_model((made_shape){.family = "opt", .norm_after = true}, (sizes){3, 64, 1});
    check_model((made_shape){.family = "opt", .norm_plain = true, .activation = "gelu"}, (sizes){1, 300, 0});
}

static void heads(void **state)
{
    (void)state;
    check_model((made_shape){.heads = 3, .kv_heads = 3}, (sizes){1, 40, 0});
    check_model((made_shape){.heads = 9, .kv_heads = 3}, (sizes){3, 33, 0});
    check_model((made_shape){.heads = 6, .kv_heads = 1, .head_dim = 64}, (sizes){1, 260, 0});
    check_model((made_shape){.heads = 2, .kv_heads = 1, .head_dim = 80, .hidden = 72, .ffn = 200},
                (sizes){2, 50, 0});
    check_model((made_shape){.heads = 2, .kv_heads = 2, .head_dim = 128, .family = "mistral", .window = 50},
                (sizes){2, 90, 0});
}

/* Weights whose gradients come in more than one slab. */
static void slabs(void **state)
{
    (void)state;
    const made_model m = made_model_open(
        (made_shape){.hidden = 600, .heads = 313, .kv_heads = 1, .head_dim = 64, .ffn = 8, .blocks = 1});
    const sizes z = {1, 3, 0};
    rig r;
    ref_loaded reference;
    run n;
    rig_open(&r, m.folder);
    assert_ok(ref_load(m.folder, &reference));
    const wanted want = wanted_open(&reference.model, z);
    run_open(&n, &r, z, true);
    run_both(&n);
    check_order(&n);
    assert_true(n.slabs > LOP_LINEAR_COUNT + 2);
    compare_all(&n, &want);
    run_close(&n);
    wanted_close(&want);
    ref_load_close(&reference);
    rig_close(&r);
    made_model_close(&m);
}

/* ---- the reference */

static double loss(const ref_model *m, int T, const double *x, const float *dy)
{
    double *y = ref_doubles((int64_t)T * m->hidden), sum = 0.0;
    memcpy(y, x, (size_t)T * (size_t)m->hidden * sizeof *y);
    ref_block_forward(m, 0, 0, T, y, NULL);
    for (int64_t i = 0; i < (int64_t)T * m->hidden; i++) sum += (double)dy[i] * y[i];
    free(y);
    return sum;
}

/* Each of `count` numbers at `at` moved both ways. The difference is off by the step's square times a third derivative. */
static void differences(const ref_model *m, int T, const double *x, const float *dy, double *at,
                        const double *want, int64_t count)
{
    const double step = 0x1p-16;
    double largest = 0.0;
    for (int64_t i = 0; i < count; i++) largest = fmax(largest, fabs(want[i]));
    for (int64_t i = 0; i < count; i++) {
        const double before = at[i];
        at[i] = before + step;
        const double high = loss(m, T, x, dy);
        at[i] = before - step;
        const double low = loss(m, T, x, dy);
        at[i] = before;
        const double off = fabs((high - low) / (2.0 * step) - want[i]);
        if (!(off <= 1e-6 * largest)) fail_msg("off by %g of the largest, %g", off / largest, largest);
    }
}

static void reference_at(made_shape shape)
{
    enum { T = 6 };
    shape.hidden = 8, shape.ffn = 12, shape.heads = 4, shape.head_dim = 4, shape.blocks = 1;
    const made_model m = made_model_open(shape);
    const sizes z = {1, T, 0};
    ref_loaded reference;
    assert_ok(ref_load(m.folder, &reference));
    const wanted want = wanted_open(&reference.model, z);
    float *start = noise_of((int64_t)T * 8, 1), *dy = noise_of((int64_t)T * 8, 2);
    double x[T * 8];
    for (int i = 0; i < T * 8; i++) x[i] = (double)start[i];
    for (int l = 0; l < REF_LINEARS; l++) {
        const ref_linear *linear = &reference.model.block[0].linear[l];
        differences(&reference.model, T, x, dy, linear->w, want.dw[l], (int64_t)linear->rows * linear->cols);
    }
    differences(&reference.model, T, x, dy, x, want.dx, (int64_t)T * 8);
    free(dy), free(start);
    wanted_close(&want);
    ref_load_close(&reference);
    made_model_close(&m);
}

static void reference_has_the_gradients(void **state)
{
    (void)state;
    reference_at((made_shape){.kv_heads = 4});
    reference_at((made_shape){.kv_heads = 1, .bias = true});
    reference_at((made_shape){.kv_heads = 2, .family = "mistral", .window = 3});
    reference_at((made_shape){.kv_heads = 2, .family = "qwen2"});
    reference_at((made_shape){.kv_heads = 4, .family = "opt"});
    reference_at((made_shape){.kv_heads = 4, .family = "opt", .norm_after = true, .activation = "gelu"});
}

/* ---- words */

static void word_at(lop_dtype dtype, lop_type word)
{
    const made_model m =
        made_model_open((made_shape){.dtype = dtype, .heads = 4, .kv_heads = 2, .head_dim = 64});
    const sizes z = {2, 96, 0};
    rig r;
    run exact, rounded;
    rig_open(&r, m.folder);
    if (r.device.product_types >> word & 1u) {
        lop_device_math(&r.device, LOP_MATH_F32);
        run_open(&exact, &r, z, false);
        run_both(&exact);
        lop_device_math(&r.device, LOP_MATH_NATIVE);
        run_open(&rounded, &r, z, false);
        assert_int_equal(rounded.word, word);
        run_both(&rounded);
        for (int i = 0; i < exact.block->count; i++) {
            const int64_t count = lop_mat_elements(exact.block->linears[i].w);
            double *want = ref_doubles(count);
            for (int64_t j = 0; j < count; j++) want[j] = (double)exact.dw[i][j];
            compare(exact.block->linears[i].name, rounded.dw[i], want, count, bound_of(&r, z, word));
            free(want);
        }
        run_close(&rounded);
        run_close(&exact);
    } else {
        print_message("skipped: this device's products do not take %s\n", lop_type_name(word));
    }
    rig_close(&r);
    made_model_close(&m);
}

static void words(void **state)
{
    (void)state;
    word_at(LOP_DTYPE_F16, LOP_F16);
    word_at(LOP_DTYPE_BF16, LOP_BF16);
}

/* ---- a step */

static lop_status ignore(void *user, lop_queue *q, int32_t linear, int32_t first, lop_mat dw)
{
    (void)user, (void)q, (void)linear, (void)first, (void)dw;
    return LOP_OK;
}

static lop_status refuse(void *user, lop_queue *q, int32_t linear, int32_t first, lop_mat dw)
{
    (void)user, (void)q, (void)linear, (void)first, (void)dw;
    return LOP_FAIL(LOP_E_NUMERIC, "the learner has seen enough");
}

/* The stream that comes out is that of a forward without a tape, to the bit; a step allocates nothing. */
static void step(void **state)
{
    (void)state;
    const made_model m = made_model_open((made_shape){0});
    rig r;
    run n;
    rig_open(&r, m.folder);
    run_open(&n, &r, (sizes){2, 40, 1}, true);
    const size_t bytes = (size_t)stream_size(&n) * sizeof(float);
    float *plain = malloc(bytes), *taped = malloc(bytes);
    assert_non_null(plain);
    assert_non_null(taped);
    put(&n, n.dy, 2);
    put(&n, n.x, 1);
    assert_ok(lop_block_forward(&r.queue, n.forward, n.block, n.x, 2, 40, NULL));
    assert_ok(lop_download(&r.queue, n.x, plain));
    put(&n, n.x, 1);
    lop_buf_fail_at(1);
    lop_alloc_fail_at(1);
    const lop_status forward = lop_block_forward_taped(&r.queue, n.forward, n.block, n.x, 2, 40, &n.tape);
    const lop_status backward = lop_block_backward(&r.queue, n.forward, n.block, n.dy, &n.tape, ignore, NULL);
    lop_alloc_fail_at(0);
    lop_buf_fail_at(0);
    assert_int_equal(forward, LOP_OK);
    assert_int_equal(backward, LOP_OK);
    assert_ok(lop_download(&r.queue, n.x, taped));
    assert_memory_equal(plain, taped, bytes);
    free(taped), free(plain);
    run_close(&n);
    rig_close(&r);
    made_model_close(&m);
}

static void refusals(void **state)
{
    (void)state;
    const made_model m = made_model_open((made_shape){0});
    rig r;
    run n;
    rig_open(&r, m.folder);
    run_open(&n, &r, (sizes){2, 30, 1}, false);
    put(&n, n.x, 1);
    put(&n, n.dy, 2);
    lop_queue *q = &r.queue;
    assert_failed(lop_block_backward(q, n.forward, n.block, n.dy, &n.tape, ignore, NULL), LOP_E_ARGUMENT,
                  "no forward");
    assert_failed(lop_block_forward_taped(q, n.forward, n.block, n.x, 3, 30, &n.tape), LOP_E_ARGUMENT,
                  "room for 60 tokens");
    assert_ok(lop_block_forward_taped(q, n.forward, n.block, n.x, 2, 30, &n.tape));
    assert_failed(lop_block_backward(q, n.forward, n.block, lop_mat_rows(n.dy, 0, 30), &n.tape, ignore, NULL),
                  LOP_E_ARGUMENT, "(60, 64) f32");
    assert_ok(lop_block_forward_taped(q, n.forward, n.block, n.x, 2, 30, &n.tape));
    assert_failed(lop_block_backward(q, n.forward, n.block, n.dy, &n.tape, refuse, NULL), LOP_E_NUMERIC,
                  "in block 1, backward");
    lop_forward *none = NULL;
    assert_failed(lop_forward_open_back(&r.net, &r.device, n.word, 2, 30, 3, &none), LOP_E_ARGUMENT,
                  "a backward over 3");
    run_close(&n);
    rig_close(&r);
    made_model_close(&m);
}

int test_model_backward(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(reference_has_the_gradients),
                                       cmocka_unit_test(families),
                                       cmocka_unit_test(heads),
                                       cmocka_unit_test(slabs),
                                       cmocka_unit_test(words),
                                       cmocka_unit_test(step),
                                       cmocka_unit_test(refusals)};
    return cmocka_run_group_tests_name("backward", tests, NULL, NULL);
}
