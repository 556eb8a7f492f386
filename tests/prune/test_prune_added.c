/* test_prune_added.c - a learner's wanted outputs as differences to the block's input, in a word of 16 bits: what rounding leaves
 * of them, and what must not change a bit. On devices that compute in such words, or the CPU as one. */
#include "core/base/memory.h"
#include "tests/harness/word_products.h"
#include "tests/harness/words.h"
#include "tests/prune/groups.h"
#include "tests/prune/learner_rig.h"
#include "tests/prune/prune_bench.h"
#include "tests/prune/stopper.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Unit roundoff. */
static double roundoff(lop_type word)
{
    return word == LOP_F16 ? 0x1p-11 : 0x1p-8;
}

/* ---- a stream with a base */

enum { WIDTH = 72, TOKENS = 6, SEQUENCES = 7, BATCH = 2 };

static lop_mat batch_rows(const lop_stream *s, int32_t batch, lop_mat x)
{
    return lop_mat_rows(x, 0, lop_stream_sequences(s, batch) * TOKENS);
}

/* x is what a stream of this base kept of `want`. */
static void rows_check(lop_queue *q, lop_type word, lop_mat x, const float *base, const float *want)
{
    float got[BATCH * TOKENS * WIDTH];
    prune_ok(lop_download(q, x, got));
    for (int64_t i = 0; i < lop_mat_elements(x); i++) {
        const double difference = fabs((double)want[i] - (double)base[i]), value = fabs((double)want[i]);
        const double bound = roundoff(word) * difference + 0x1p-25 + 0x1p-23 * (value + difference);
        assert_true(fabs((double)got[i] - (double)want[i]) <= bound);
    }
}

static void stream_check(lop_device *device, lop_place place, lop_type word)
{
    const lop_stream_shape shape = {place, word, SEQUENCES, BATCH, TOKENS, WIDTH};
    const int64_t most = BATCH * TOKENS * WIDTH;
    lop_stream base, above;
    lop_queue q;
    lop_arena *arena = NULL;
    lop_mat x, room, part;
    float *low = noise_of(most * BATCH * 2, 3), *high = noise_of(most * BATCH * 2, 4);
    for (int64_t i = 0; i < most * BATCH * 2; i++) {
        uint16_t bits;
        word_put(word, (double)low[i] * 100.0, &bits);
        low[i] = (float)word_get(word, &bits); /* it is of the word, as what comes out of a block is */
        high[i] += low[i];
    }
    prune_ok(lop_queue_open(device, &q));
    prune_ok(lop_arena_open(device, LOP_ON_DEVICE, 0, &arena));
    prune_ok(lop_arena_mat(arena, BATCH * TOKENS, WIDTH, LOP_F32, &x));
    prune_ok(lop_arena_mat(arena, TOKENS, WIDTH, LOP_F32, &room));
    prune_ok(lop_stream_open(device, &shape, &base));
    prune_ok(lop_stream_open(device, &shape, &above));
    above.base = &base;
    for (int32_t i = 0; i < base.count; i++) {
        const lop_mat at = batch_rows(&base, i, x);
        prune_ok(lop_upload(&q, low + i * most, at));
        prune_ok(lop_stream_store(&q, &base, i, at));
        prune_ok(lop_upload(&q, high + i * most, at));
        prune_ok(lop_stream_store(&q, &above, i, at));
    }
    for (int32_t i = 0; i < base.count; i++) {
        const lop_mat at = batch_rows(&base, i, x);
        prune_ok(lop_stream_load(&q, &above, i, at));
        rows_check(&q, word, at, low + i * most, high + i * most);
        for (int32_t first = 0; first < at.rows; first += TOKENS) {
            const int64_t skip = i * most + (int64_t)first * WIDTH;
            prune_ok(lop_stream_rows(&q, &above, i, first, TOKENS, room, &part));
            rows_check(&q, word, part, low + skip, high + skip);
        }
    }
    prune_ok(lop_queue_wait(&q));
    lop_stream_close(&above);
    lop_stream_close(&base);
    lop_arena_close(arena);
    lop_queue_close(&q);
    free(high), free(low);
}

static void a_difference_is_rounded_once(void **state)
{
    (void)state;
    lop_device device;
    prune_ok(test_device_open(prune_backend, &device));
    for (int i = 0; i < 4; i++)
        stream_check(&device, i % 2 ? LOP_ON_HOST : LOP_ON_DEVICE, i / 2 ? LOP_F16 : LOP_BF16);
    lop_device_close(&device);
}

/* ---- whole prunes in words of 16 bits */

static void in_words(lop_device *device)
{
    if (strcmp(prune_backend, "cpu") == 0)
        word_products_attach(device);
    else
        lop_device_math(device, LOP_MATH_NATIVE);
}

static bool takes_words(void)
{
    lop_device device;
    prune_ok(test_device_open(prune_backend, &device));
    const bool takes = (device.product_types >> LOP_F16 & device.product_types >> LOP_BF16 & 1u) != 0;
    lop_device_close(&device);
    return takes || strcmp(prune_backend, "cpu") == 0;
}

static const struct {
    made_shape shape;
    lop_type word;
    lop_setting how[3];
} cases[] = {
    {{.blocks = 2, .dtype = LOP_DTYPE_BF16}, LOP_BF16, {{NULL, NULL}}},
    {{.blocks = 2, .family = "mistral", .window = 9, .dtype = LOP_DTYPE_F16},
     LOP_F16,
     {{"unit", "halves"}, {"losses", "on"}}},
    {{.blocks = 2, .dtype = LOP_DTYPE_F16}, LOP_F16, {{"loss", "channel-all"}, {"losses", "off"}}},
    {{.blocks = 2, .dtype = LOP_DTYPE_BF16}, LOP_BF16, {{"target", "dense-stream"}}},
};
enum { CASES = sizeof cases / sizeof cases[0] };

static prune_try try_of(const prune_bench *b, int which, const char *ratio, bool resume)
{
    lop_setting how[6] = {{"sparsity-ratio", ratio}};
    int count = 1;
    for (int i = 0; i < 2 && cases[which].how[i].name != NULL; i++) how[count++] = cases[which].how[i];
    if (resume) how[count] = (lop_setting){"resume", "on"};
    prune_try t = bench_try(b, "besa", how);
    t.attach = in_words;
    return t;
}

static double loss_after(const json_t *report, size_t block)
{
    return json_at(json_array_get(json_object_get(report, "blocks"), block), "loss_after");
}

/* Nothing goes, and the error is what was rounded of what the block adds; all goes, and it is all of that. */
static void what_rounding_leaves(void **state)
{
    (void)state;
    static const lop_setting most[] = {{"sparsity-ratio", "0.999999"}, {NULL, NULL}};
    if (!takes_words()) skip();
    for (int i = 0; i < 2; i++) {
        const double u = roundoff(cases[i].word);
        prune_bench b;
        bench_open(&b, cases[i].shape);
        prune_try t = try_of(&b, i, "0", false);
        json_t *none = prune_report(&t);
        t = bench_try(&b, "magnitude", most);
        t.attach = in_words;
        t.save = bench_other(&b, "all");
        json_t *all = prune_report(&t);
        print_message("%s: %.3g of the square that a block adds\n", lop_type_name(cases[i].word),
                      loss_after(none, 0) / loss_after(all, 0));
        assert_true(loss_after(none, 0) > 0.0);
        assert_true(loss_after(none, 0) < u * u * loss_after(all, 0));
        json_decref(all);
        json_decref(none);
        bench_close(&b);
    }
}

static void the_same_bits(void **state)
{
    (void)state;
    if (!takes_words()) skip();
    for (int i = 0; i < CASES; i++) {
        prune_bench b;
        bench_open(&b, cases[i].shape);
        prune_try t = try_of(&b, i, "0.43", false);
        json_decref(prune_report(&t));
        t.save = bench_other(&b, "tight");
        t.device_bytes_most = prune_least_budget(t);
        json_decref(prune_report(&t));
        assert_true(folders_equal(b.save, t.save));
        t = try_of(&b, i, "0.43", true);
        t.save = bench_other(&b, "stopped");
        stopper_stop_and_resume(t, LOP_KERNEL_bucket_row, 7 * BENCH_WINDOWS + 17);
        assert_true(folders_equal(b.save, t.save));
        bench_close(&b);
    }
}

int test_prune_added(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_difference_is_rounded_once),
        cmocka_unit_test(what_rounding_leaves),
        cmocka_unit_test(the_same_bits),
    };
    return cmocka_run_group_tests_name("added", tests, NULL, NULL);
}
