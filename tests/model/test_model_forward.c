/* test_model_forward.c - whole small models against the double-precision reference, and what must not change a bit:
 * how many sequences share a call, how many threads there are. */
#include "core/eval/generate.h"
#include "tests/model/made_model.h"
#include "tests/model/model_groups.h"
#include "tests/model/rig.h"
#include "tests/ref/ref_load.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Logits of f32 arithmetic against double, as a share of the largest: some hundred roundings of 6e-8 that partly cancel.
 * A device that computes in a 16-bit word is held to that word's own rounding. */
static double bound_of(const rig *r)
{
    const lop_type word = lop_walk_word(&r->device, &r->net);
    return word == LOP_F32 ? 1e-5 : word == LOP_F16 ? 1e-2 : 8e-2;
}

static void compare(const rig *r, const float *got, const double *want, int64_t count)
{
    double largest = 0.0, worst = 0.0;
    for (int64_t i = 0; i < count; i++) {
        if (fabs(want[i]) > largest) largest = fabs(want[i]);
        const double off = fabs((double)got[i] - want[i]);
        if (!(off <= worst)) worst = off; /* a NaN is worst */
    }
    if (!(worst <= bound_of(r) * largest)) fail_msg("off by %g; the largest is %g", worst, largest);
}

static void check_lengths(made_shape shape, const int32_t *lengths, int count)
{
    const made_model m = made_model_open(shape);
    static int32_t ids[1024];
    rig r;
    ref_loaded reference;
    made_model_ids(&m, ids, 1024);
    rig_open(&r, m.folder);
    assert_ok(ref_load(m.folder, &reference));
    for (int i = 0; i < count; i++) {
        const int64_t size = (int64_t)lengths[i] * m.shape.vocab;
        double *want = ref_doubles(size);
        float *got = rig_logits(&r, ids, 1, lengths[i], 1);
        ref_logits(&reference.model, lengths[i], ids, want);
        compare(&r, got, want, size);
        free(got);
        free(want);
    }
    ref_load_close(&reference);
    rig_close(&r);
    made_model_close(&m);
}

#define CHECK_LENGTHS(shape, ...)                                                                            \
    check_lengths((shape), (const int32_t[]){__VA_ARGS__},                                                   \
                  sizeof((const int32_t[]){__VA_ARGS__}) / sizeof(int32_t))

static void lengths(void **state)
{
    (void)state;
    CHECK_LENGTHS(((made_shape){0}), 1, 2, 255, 256, 257, 700);
}

static void heads(void **state)
{
    (void)state;
    CHECK_LENGTHS(((made_shape){.heads = 3, .kv_heads = 3}), 300);
    CHECK_LENGTHS(((made_shape){.heads = 9, .kv_heads = 3}), 300);
    CHECK_LENGTHS(((made_shape){.heads = 6, .kv_heads = 1}), 300);
    CHECK_LENGTHS(((made_shape){.heads = 2, .kv_heads = 1, .head_dim = 80, .hidden = 72}), 300);
}

static void window(void **state)
{
    (void)state;
    CHECK_LENGTHS(((made_shape){.family = "mistral", .window = 1}), 20);
    CHECK_LENGTHS(((made_shape){.family = "mistral", .window = 37}), 1, 37, 38, 300);
    CHECK_LENGTHS(((made_shape){.family = "mistral", .window = 256}), 256, 257, 700);
    CHECK_LENGTHS(((made_shape){.family = "mistral", .window = 300}), 700);
}

static void bias(void **state)
{
    (void)state;
    CHECK_LENGTHS(((made_shape){.bias = true}), 30);
    CHECK_LENGTHS(((made_shape){.family = "qwen2", .tied = true}), 30);
}

/* Blocks of other widths than the one before, without attention, without feed-forward, and without both. */
static const int32_t each_kv[] = {1, 2, 0, 2, 0, 1}, each_ffn[] = {96, 40, 72, 0, 0, 33};

static void uneven(void **state)
{
    (void)state;
    CHECK_LENGTHS(((made_shape){.blocks = 6, .each_kv = each_kv, .each_ffn = each_ffn}), 1, 30, 257);
    CHECK_LENGTHS(((made_shape){.blocks = 6, .each_ffn = each_ffn}), 30);
    CHECK_LENGTHS(((made_shape){.blocks = 6, .each_kv = each_kv, .heads = 9, .kv_heads = 3, .tied = true}),
                  30);
}

static void opt(void **state)
{
    (void)state;
    CHECK_LENGTHS(((made_shape){.family = "opt", .tied = true}), 1, 2, 255, 256, 257, 700);
    CHECK_LENGTHS(((made_shape){.family = "opt", .prefix = "decoder.", .norm_after = true, .embedding = 40}),
                  1, 300);
    CHECK_LENGTHS(((made_shape){.family = "opt",
                                .prefix = "",
                                .norm_plain = true,
                                .no_bias = true,
                                .activation = "gelu",
                                .tied = true}),
                  30);
    CHECK_LENGTHS(
        ((made_shape){.family = "opt", .no_final_norm = true, .embedding = 72, .heads = 3, .head_dim = 15}),
        30);
    CHECK_LENGTHS(((made_shape){.family = "opt", .norm_after = true, .norm_plain = true, .tied = true}), 30);
}

static void rope(void **state)
{
    (void)state;
    CHECK_LENGTHS(((made_shape){.rope_scaling = "{\"rope_type\":\"linear\",\"factor\":4.0}"}), 300);
    CHECK_LENGTHS(
        ((made_shape){.rope_scaling = "{\"rope_type\":\"llama3\",\"factor\":8.0,\"low_freq_factor\":1.0,"
                                      "\"high_freq_factor\":4.0,\"original_max_position_embeddings\":128}"}),
        300);
}

static void stored_words(void **state)
{
    (void)state;
    CHECK_LENGTHS(((made_shape){.dtype = LOP_DTYPE_F16}), 40);
    CHECK_LENGTHS(((made_shape){.dtype = LOP_DTYPE_BF16, .bias = true}), 40);
}

static void tied(void **state)
{
    (void)state;
    CHECK_LENGTHS(((made_shape){.tied = true}), 20);
    CHECK_LENGTHS(((made_shape){.tied = true, .head_only = true}), 20);
}

/* A vocabulary of several chunks and rows of several tiles. */
static void large_head(void **state)
{
    (void)state;
    CHECK_LENGTHS(((made_shape){.vocab = 9001, .blocks = 1}), 1023);
}

/* ---- bits */

static void same_bits_at(const made_model *m, int32_t tokens)
{
    static int32_t ids[4 * 700];
    rig r;
    made_model_ids(m, ids, (int64_t)4 * tokens);
    rig_open(&r, m->folder);
    const size_t bytes = (size_t)4 * (size_t)tokens * (size_t)m->shape.hidden * sizeof(float);
    float *first = rig_stream(&r, ids, 4, tokens, 1);
    for (int32_t batch = 2; batch <= 4; batch++) {
        float *other = rig_stream(&r, ids, 4, tokens, batch);
        /* Products of the CPU are cut at fixed places; an accelerator's algorithm may follow the number of rows. */
        if (!r.device.accelerator && memcmp(first, other, bytes) != 0)
            fail_msg("%d sequences of %d tokens a call give other bits", batch, tokens);
        free(other);
    }
    static const int threads[] = {1, 2, 3, 8};
    for (int i = 0; i < 4; i++) {
        assert_ok(lop_device_threads(&r.device, threads[i]));
        float *other = rig_stream(&r, ids, 4, tokens, 1);
        if (memcmp(first, other, bytes) != 0) fail_msg("%d threads give other bits", threads[i]);
        free(other);
    }
    free(first);
    rig_close(&r);
}

static void same_bits(void **state)
{
    (void)state;
    const made_model m = made_model_open((made_shape){.heads = 9, .kv_heads = 3, .hidden = 200, .ffn = 300});
    static const int32_t tokens[] = {5, 64, 256, 257, 700};
    for (size_t i = 0; i < sizeof tokens / sizeof tokens[0]; i++) same_bits_at(&m, tokens[i]);
    made_model_close(&m);
}

/* ---- what a watcher sees */

typedef struct seen {
    int count;
    lop_input_id input[8];
    int32_t rows[8], cols[8];
} seen;

static lop_status see(void *user, lop_queue *q, lop_input_id input, lop_mat x)
{
    seen *s = user;
    (void)q;
    s->input[s->count] = input;
    s->rows[s->count] = x.rows;
    s->cols[s->count++] = x.cols;
    return LOP_OK;
}

static lop_status refuse(void *user, lop_queue *q, lop_input_id input, lop_mat x)
{
    (void)user, (void)q, (void)input, (void)x;
    return LOP_FAIL(LOP_E_NUMERIC, "the watcher has seen enough");
}

static void watched(void **state)
{
    (void)state;
    const made_model m = made_model_open((made_shape){.ffn = 104});
    static int32_t ids[60];
    rig r;
    lop_arena *arena = NULL;
    lop_forward *forward = NULL;
    lop_reader *reader = NULL;
    lop_block placed, *block = NULL;
    lop_mat x;
    seen s = {0};
    made_model_ids(&m, ids, 60);
    rig_open(&r, m.folder);
    const lop_type word = lop_walk_word(&r.device, &r.net);
    assert_ok(lop_arena_open(&r.device, LOP_ON_DEVICE, 0, &arena));
    assert_ok(lop_block_place(arena, &r.net, word, &placed));
    assert_ok(lop_arena_mat(arena, 60, 64, LOP_F32, &x));
    assert_ok(lop_forward_open(&r.net, &r.device, word, 2, 30, &forward));
    const lop_reader_plan plan = {
        .net = &r.net, .device = &r.device, .first = 1, .end = 2, .blocks = &placed, .count = 1};
    assert_ok(lop_reader_open(&plan, &reader));
    assert_ok(lop_reader_take(reader, &r.queue, &block));
    assert_int_equal(block->index, 1);
    assert_string_equal(block->linears[6].name, "model.layers.1.mlp.down_proj.weight");
    const lop_token_rows tokens = {.ids = ids, .count = 60, .tokens = 30};
    assert_ok(lop_embed(&r.queue, &r.net, &tokens, x));
    const lop_watch watch = {.fn = see, .user = &s, .last_needed = false};
    assert_ok(lop_block_forward(&r.queue, forward, block, x, 2, 30, &watch));
    assert_int_equal(s.count, LOP_INPUT_COUNT);
    static const int32_t cols[] = {64, 64, 64, 104};
    for (int i = 0; i < s.count; i++) {
        assert_int_equal(s.input[i], i);
        assert_int_equal(s.rows[i], 60);
        assert_int_equal(s.cols[i], cols[i]);
    }
    const lop_watch refusing = {.fn = refuse, .last_needed = true};
    assert_failed(lop_block_forward(&r.queue, forward, block, x, 2, 30, &refusing), LOP_E_NUMERIC,
                  "in block 1");
    assert_failed(lop_block_forward(&r.queue, forward, block, x, 1, 60, NULL), LOP_E_ARGUMENT,
                  "30 positions");
    assert_ok(lop_block_forward(&r.queue, forward, block, x, 2, 30, NULL));
    assert_ok(lop_queue_wait(&r.queue));
    lop_reader_close(reader);
    lop_forward_close(forward);
    lop_arena_close(arena);
    rig_close(&r);
    made_model_close(&m);
}

/* ---- generation */

/* The same continuation by carrying all ids so far through the model at every step. */
static void recompute(rig *r, lop_ids *ids, int32_t count)
{
    const int32_t vocab = r->net.config->vocab;
    for (int32_t done = 0; done < count; done++) {
        float *logits = rig_logits(r, ids->at, 1, (int32_t)ids->count, 1);
        const float *last = logits + (ids->count - 1) * vocab;
        int32_t best = 0;
        for (int32_t v = 1; v < vocab; v++)
            if (last[v] > last[best]) best = v;
        assert_ok(lop_ids_add(ids, &best, 1));
        free(logits);
        if (best == r->net.config->eos) break;
    }
}

static void generate_at(made_shape shape, int32_t prompt, int32_t count)
{
    const made_model m = made_model_open(shape);
    static int32_t start[700];
    lop_ids cached = {0}, whole = {0};
    rig r;
    rig_open(&r, m.folder);
    made_model_ids(&m, start, prompt);
    assert_ok(lop_ids_add(&cached, start, prompt));
    assert_ok(lop_ids_add(&whole, start, prompt));
    assert_ok(lop_generate_greedy(&r.device, &r.net, count, NULL, &cached));
    recompute(&r, &whole, count);
    assert_int_equal(cached.count, whole.count);
    assert_memory_equal(cached.at, whole.at, (size_t)whole.count * sizeof *whole.at);
    lop_ids_close(&whole);
    lop_ids_close(&cached);
    rig_close(&r);
    made_model_close(&m);
}

static void generation(void **state)
{
    (void)state;
    generate_at((made_shape){0}, 1, 20);
    generate_at((made_shape){.bias = true, .heads = 6, .kv_heads = 1}, 250, 20);
    generate_at((made_shape){.family = "mistral", .window = 9}, 300, 20);
    generate_at((made_shape){.blocks = 6, .each_kv = each_kv, .each_ffn = each_ffn}, 30, 20);
}

static void generation_refused(void **state)
{
    (void)state;
    const made_model m = made_model_open((made_shape){.positions = 16});
    lop_ids ids = {0};
    const int32_t id = 3, outside = 300;
    rig r;
    rig_open(&r, m.folder);
    assert_failed(lop_generate_greedy(&r.device, &r.net, 4, NULL, &ids), LOP_E_ARGUMENT, "empty");
    assert_ok(lop_ids_add(&ids, &id, 1));
    assert_failed(lop_generate_greedy(&r.device, &r.net, 16, NULL, &ids), LOP_E_ARGUMENT, "16 positions");
    assert_ok(lop_ids_add(&ids, &outside, 1));
    assert_failed(lop_generate_greedy(&r.device, &r.net, 4, NULL, &ids), LOP_E_FORMAT, "300");
    lop_ids_close(&ids);
    rig_close(&r);
    made_model_close(&m);
}

int test_model_forward(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(lengths),    cmocka_unit_test(heads),
                                       cmocka_unit_test(window),     cmocka_unit_test(bias),
                                       cmocka_unit_test(uneven),     cmocka_unit_test(rope),
                                       cmocka_unit_test(opt),        cmocka_unit_test(stored_words),
                                       cmocka_unit_test(tied),       cmocka_unit_test(large_head),
                                       cmocka_unit_test(same_bits),  cmocka_unit_test(watched),
                                       cmocka_unit_test(generation), cmocka_unit_test(generation_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
