/* test_prune_besa.c - whole prunes by BESA: no steps are Wanda, no sparsity changes no byte, and what must not change a bit
 * does not: threads, a budget, being stopped or killed in the middle of learning. */
#include "core/base/file.h"
#include "core/base/memory.h"
#include "tests/prune/groups.h"
#include "tests/prune/prune_bench.h"
#include "tests/prune/stopper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const lop_setting half = {"sparsity-ratio", "0.5"}, counted = {"exact-budget", "off"};

static const made_shape shapes[] = {
    {.blocks = 2, .dtype = LOP_DTYPE_BF16},
    {.blocks = 2, .hidden = 60, .ffn = 107, .heads = 3, .kv_heads = 3, .head_dim = 20},
    {.blocks = 1, .family = "mistral", .window = 9, .dtype = LOP_DTYPE_F16},
    {.blocks = 1, .family = "qwen2", .tied = true},
};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

static bool same_file(const char *a, const char *b, const char *name)
{
    char *left = NULL, *right = NULL;
    size_t sizes[2];
    prune_ok(lop_file_read(in_folder(a, name), 1 << 26, &left, &sizes[0]));
    prune_ok(lop_file_read(in_folder(b, name), 1 << 26, &right, &sizes[1]));
    const bool same = sizes[0] == sizes[1] && memcmp(left, right, sizes[0]) == 0;
    lop_free(right);
    lop_free(left);
    return same;
}

/* ---- no steps */

/* Before its first step every logit is equal and the mean rate one half: each row loses half of its weights, by Wanda's
 * score. */
static void no_steps_are_wanda(void **state)
{
    (void)state;
    static const lop_setting more[] = {{"granularity", "row"},    {"granularity", "layer"},
                                       {"granularity", "rows:7"}, {"simplex", "softmax"},
                                       {"simplex", "tilted"},     {"candidates", "255"}};
    for (int s = 0; s < SHAPES; s++) {
        prune_bench b;
        const lop_setting wanda[] = {half, counted, {NULL, NULL}};
        bench_open(&b, shapes[s]);
        prune_try t = bench_try(&b, "wanda", wanda);
        json_decref(prune_report(&t));
        for (size_t i = 0; i < sizeof more / sizeof more[0]; i++) {
            const lop_setting besa[] = {half, counted, {"epochs", "0"}, more[i], {NULL, NULL}};
            t = bench_try(&b, "besa", besa);
            t.save = bench_other(&b, "besa");
            json_decref(prune_report(&t));
            assert_true(bench_masks_differ(b.save, t.save) == 0.0);
            assert_true(same_file(b.save, t.save, "model.safetensors"));
        }
        bench_close(&b);
    }
}

/* The same by magnitude: a row's least weights, whatever the inputs. */
static void no_steps_by_magnitude(void **state)
{
    (void)state;
    prune_bench b;
    const lop_setting magnitude[] = {half, counted, {"scope", "row"}, {NULL, NULL}};
    const lop_setting besa[] = {half, counted, {"epochs", "0"}, {"rank-by", "magnitude"}, {NULL, NULL}};
    bench_open(&b, shapes[0]);
    prune_try t = bench_try(&b, "magnitude", magnitude);
    json_decref(prune_report(&t));
    t = bench_try(&b, "besa", besa);
    t.save = bench_other(&b, "besa");
    json_decref(prune_report(&t));
    assert_true(bench_masks_differ(b.save, t.save) == 0.0);
    bench_close(&b);
}

static void nothing_goes(void **state)
{
    (void)state;
    for (int s = 0; s < SHAPES; s++) {
        prune_bench b;
        const lop_setting how[] = {{"sparsity-ratio", "0"}, {NULL, NULL}};
        char *before = NULL, *after = NULL;
        size_t sizes[2];
        bench_open(&b, shapes[s]);
        const prune_try t = bench_try(&b, "besa", how);
        json_t *report = prune_report(&t);
        assert_true(json_at(report, "sparsity.dropped") == 0.0);
        prune_ok(lop_file_read(made_model_file(&b.model), 1 << 26, &before, &sizes[0]));
        prune_ok(lop_file_read(in_folder(b.save, "model.safetensors"), 1 << 26, &after, &sizes[1]));
        assert_int_equal(sizes[0], sizes[1]);
        assert_memory_equal(before, after, sizes[0]);
        lop_free(before);
        lop_free(after);
        json_decref(report);
        bench_close(&b);
    }
}

/* Blocks that stay dense learn nothing; of a block that is learned in part the rest keeps its bytes. */
static void some_blocks(void **state)
{
    (void)state;
    prune_bench b;
    const lop_setting how[] = {half, {"layers", "1:2"}, {"skip", "re:down_proj"}, {NULL, NULL}};
    bench_open(&b, (made_shape){.blocks = 3});
    const prune_try t = bench_try(&b, "besa", how);
    json_t *report = prune_report(&t);
    const json_t *blocks = json_object_get(report, "blocks");
    for (size_t i = 0; i < 3; i++) {
        const json_t *learn = json_object_get(json_array_get(blocks, i), "learn");
        assert_true((learn != NULL) == (i == 1));
        if (learn != NULL) assert_int_equal(json_array_size(json_object_get(learn, "linears")), 6);
    }
    const double weights = 4.0 * 64 * 64 - 2 * 32 * 64 + 2 * 64 * 96;
    assert_true(json_at(report, "sparsity.dropped") == weights / 2.0);
    json_decref(report);
    bench_close(&b);
}

/* ---- what must not change a bit */

static const struct {
    made_shape shape;
    lop_setting how[4];
    int linears, steps; /* of what is learned together */
} learned[] = {
    {{.blocks = 2, .dtype = LOP_DTYPE_BF16}, {{"epochs", "3"}, {"save-masks", "on"}}, 7, 18},
    {{.blocks = 2, .hidden = 60, .ffn = 107, .heads = 3, .kv_heads = 3, .head_dim = 20},
     {{"granularity", "layer"}, {"step-windows", "2"}},
     7,
     3},
    {{.blocks = 2, .family = "mistral", .window = 9, .dtype = LOP_DTYPE_F16},
     {{"optimizer", "adamw"}, {"loss", "channel-all"}, {"epochs", "2"}},
     7,
     12},
    {{.blocks = 4, .dtype = LOP_DTYPE_BF16}, {{"unit", "two-blocks"}}, 14, 6},
    {{.blocks = 4, .dtype = LOP_DTYPE_BF16}, {{"unit", "two-blocks"}, {"propagate", "dense"}}, 14, 6},
    {{.blocks = 5, .family = "mistral", .window = 9, .dtype = LOP_DTYPE_F16},
     {{"unit", "two-blocks"}, {"target", "dense-stream"}, {"step-windows", "2"}},
     14,
     3},
};
enum { LEARNED = sizeof learned / sizeof learned[0] };

static prune_try learned_try(const prune_bench *b, int which, bool resume)
{
    lop_setting how[6] = {{"sparsity-ratio", "0.43"}};
    int count = 1;
    for (int i = 0; learned[which].how[i].name != NULL; i++) how[count++] = learned[which].how[i];
    if (resume) how[count] = (lop_setting){"resume", "on"};
    return bench_try(b, "besa", how);
}

static void threads(void **state)
{
    (void)state;
    for (int i = 0; i < LEARNED; i++) {
        prune_bench b;
        bench_open(&b, learned[i].shape);
        prune_try t = learned_try(&b, i, false);
        t.threads = 1;
        json_decref(prune_report(&t));
        for (int n = 2; n <= 3; n++) {
            t.save = bench_other(&b, "threads");
            t.threads = n;
            json_decref(prune_report(&t));
            assert_true(folders_equal(b.save, t.save));
        }
        bench_close(&b);
    }
}

static void hidden_states_on_the_host(void **state)
{
    (void)state;
    for (int i = 0; i < LEARNED; i++) {
        prune_bench b;
        bench_open(&b, learned[i].shape);
        prune_try t = learned_try(&b, i, false);
        json_decref(prune_report(&t));
        t.save = bench_other(&b, "tight");
        t.device_bytes_most = prune_least_budget(t);
        json_decref(prune_report(&t));
        assert_true(folders_equal(b.save, t.save));
        bench_close(&b);
    }
}

/* ---- stopped in the middle of learning */

/* Six windows an epoch: within a step of the second block, or pair of them, and at its last. */
static void stopped_and_resumed(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * LEARNED; i++) {
        const int which = i / 2, linears = learned[which].linears, steps = learned[which].steps;
        prune_bench b;
        bench_open(&b, learned[which].shape);
        prune_try t = learned_try(&b, which, false);
        json_decref(prune_report(&t));
        t = learned_try(&b, which, true);
        t.save = bench_other(&b, "stopped");
        const int into = i % 2 ? linears * (steps - 1) : which > 0 ? 10 : 3;
        stopper_stop_and_resume(t, LOP_KERNEL_bucket_row, linears * steps + into);
        assert_true(folders_equal(b.save, t.save));
        bench_close(&b);
    }
}

int test_prune_besa(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_steps_are_wanda),
        cmocka_unit_test(no_steps_by_magnitude),
        cmocka_unit_test(nothing_goes),
        cmocka_unit_test(some_blocks),
        cmocka_unit_test(threads),
        cmocka_unit_test(stopped_and_resumed),
        cmocka_unit_test(hidden_states_on_the_host),
    };
    return cmocka_run_group_tests_name("besa", tests, NULL, NULL);
}
