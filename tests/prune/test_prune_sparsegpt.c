/* test_prune_sparsegpt.c - whole prunes by SparseGPT and with its update: what the report says, exact counts, patterns, and what
 * must not change a bit: threads, where hidden states lie, being stopped in the middle of a block. */
#include "core/base/memory.h"
#include "tests/prune/groups.h"
#include "tests/prune/prune_bench.h"
#include "tests/prune/stopper.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct way {
    made_shape shape;
    const char *method;
    lop_setting how[6];
} way;

static const way ways[] = {
    {{.blocks = 2, .dtype = LOP_DTYPE_BF16}, "sparsegpt", {{"sparsity-ratio", "0.43"}, {"save-masks", "on"}}},
    {{.blocks = 2, .hidden = 60, .ffn = 107, .heads = 3, .kv_heads = 3, .head_dim = 20},
     "sparsegpt",
     {{"sparsity-ratio", "0.43"}, {"block-size", "24"}, {"losses", "on"}}},
    {{.blocks = 2, .family = "mistral", .window = 9, .dtype = LOP_DTYPE_F16},
     "sparsegpt",
     {{"sparsity-type", "2:4"}, {"true-sequential", "on"}}},
    {{.blocks = 2, .family = "qwen2", .tied = true},
     "sparsegpt",
     {{"sparsity-ratio", "0.7"}, {"exact-budget", "off"}, {"true-sequential", "on"}, {"block-size", "32"}}},
    {{.blocks = 2}, "wanda", {{"sparsity-ratio", "0.43"}, {"update", "sparsegpt"}, {"losses", "on"}}},
    {{.blocks = 2, .dtype = LOP_DTYPE_BF16},
     "magnitude",
     {{"sparsity-type", "4:8"}, {"update", "sparsegpt"}, {"propagate", "dense"}}},
    {{.blocks = 2},
     "besa",
     {{"sparsity-ratio", "0.43"},
      {"rank-by", "sparsegpt"},
      {"update", "sparsegpt"},
      {"update-damping", "0.1"}}},
    {{.blocks = 4}, "besa", {{"sparsity-ratio", "0.43"}, {"unit", "two-blocks"}, {"update", "sparsegpt"}}},
};
enum { WAYS = sizeof ways / sizeof ways[0] };

static prune_try try_of(const prune_bench *b, const way *w, bool resume)
{
    lop_setting how[8] = {{NULL, NULL}};
    int count = 0;
    while (count < 6 && w->how[count].name != NULL) {
        how[count] = w->how[count];
        count++;
    }
    if (resume) how[count] = (lop_setting){"resume", "on"};
    return bench_try(b, w->method, how);
}

/* ---- what comes out */

static void line_check(const json_t *line, const json_t *linear)
{
    assert_string_equal(json_string_value(json_object_get(line, "name")),
                        json_string_value(json_object_get(linear, "name")));
    assert_true(json_at(line, "damping") > 0.0 && json_at(line, "escalations") >= 0.0);
    assert_true(json_at(line, "dead_columns") == 0.0 && json_at(line, "error") > 0.0);
    assert_true(json_is_true(json_object_get(linear, "changed")));
}

/* Every linear has its line, and verify holds the folder against the source but for what has changed. */
static void reported(void **state)
{
    (void)state;
    for (int i = 0; i < WAYS; i++) {
        prune_bench b;
        char *result = NULL;
        bench_open(&b, ways[i].shape);
        const prune_try t = try_of(&b, &ways[i], false);
        json_t *report = prune_report(&t);
        size_t k, l;
        json_t *block, *linear;
        json_array_foreach(json_object_get(report, "blocks"), k, block)
        {
            const json_t *solve = json_object_get(json_object_get(block, "learn"), "solve");
            assert_int_equal(json_array_size(solve), 7);
            json_array_foreach(json_object_get(block, "linears"), l, linear)
                line_check(json_array_get(solve, l), linear);
        }
        const lop_setting against[] = {{"against", b.model.folder}, {NULL, NULL}};
        prune_ok(verify_do(b.save, against, &result));
        assert_non_null(strstr(result, "\"ok\":true"));
        lop_free(result);
        json_decref(report);
        bench_close(&b);
    }
}

/* An exact budget is that of the linear, wherever its panels end. */
static void exact(void **state)
{
    (void)state;
    static const char *const ratios[] = {"0.5", "0.43", "0.999"};
    for (int i = 0; i < 3; i++) {
        prune_bench b;
        const way w = {{.blocks = 1, .hidden = 60, .ffn = 107, .heads = 3, .kv_heads = 3, .head_dim = 20},
                       "sparsegpt",
                       {{"sparsity-ratio", ratios[i]}, {"block-size", "16"}}};
        bench_open(&b, w.shape);
        const prune_try t = try_of(&b, &w, false);
        json_t *report = prune_report(&t), *line;
        size_t l;
        json_array_foreach(json_object_get(json_array_get(json_object_get(report, "blocks"), 0), "linears"),
                           l, line)
        {
            const json_t *side = json_object_get(line, "shape");
            const double weights =
                json_number_value(json_array_get(side, 0)) * json_number_value(json_array_get(side, 1));
            assert_true(json_at(line, "zeros") == nearbyint(weights * strtod(ratios[i], NULL)));
        }
        json_decref(report);
        bench_close(&b);
    }
}

static double loss_after(const prune_try *t)
{
    double sum = 0.0;
    json_t *report = prune_report(t), *block;
    size_t k;
    json_array_foreach(json_object_get(report, "blocks"), k, block) sum += json_at(block, "loss_after");
    json_decref(report);
    return sum;
}

/* Masks stay, and what blocks give comes nearer to what dense ones do. */
static void update_keeps_masks(void **state)
{
    (void)state;
    static const char *const methods[] = {"magnitude", "wanda", "besa"};
    for (int i = 0; i < 3; i++) {
        prune_bench b;
        const lop_setting plain[] = {{"sparsity-ratio", "0.5"}, {"propagate", "dense"}, {NULL, NULL}},
                          more[] = {plain[0], plain[1], {"update", "sparsegpt"}, {NULL, NULL}};
        bench_open(&b, (made_shape){.blocks = 2});
        prune_try t = bench_try(&b, methods[i], plain);
        const double before = loss_after(&t);
        t = bench_try(&b, methods[i], more);
        t.save = bench_other(&b, "updated");
        const double after = loss_after(&t);
        print_message("%s: %g, updated %g\n", methods[i], before, after);
        assert_true(bench_masks_differ(b.save, t.save) == 0.0 && after < before);
        bench_close(&b);
    }
}

/* Nothing goes, nothing has changed. */
static void nothing_goes(void **state)
{
    (void)state;
    prune_bench b;
    const lop_setting how[] = {{"sparsity-ratio", "0"}, {NULL, NULL}};
    bench_open(&b, (made_shape){.blocks = 1, .dtype = LOP_DTYPE_BF16});
    const prune_try t = bench_try(&b, "sparsegpt", how);
    json_t *report = prune_report(&t);
    assert_true(json_at(report, "sparsity.zeros") == 0.0);
    assert_true(json_at(json_array_get(json_object_get(report, "blocks"), 0), "loss_after") == 0.0);
    json_decref(report);
    bench_close(&b);
}

/* ---- what must not change a bit */

static void threads(void **state)
{
    (void)state;
    for (int i = 0; i < WAYS; i++) {
        prune_bench b;
        bench_open(&b, ways[i].shape);
        prune_try t = try_of(&b, &ways[i], false);
        t.threads = 1;
        json_decref(prune_report(&t));
        t.threads = 3;
        t.save = bench_other(&b, "three");
        json_decref(prune_report(&t));
        assert_true(folders_equal(b.save, t.save));
        bench_close(&b);
    }
}

/* In the middle of the second block, whose linears are solved for one after the other; and at its last panel. */
static void stopped_and_resumed(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * WAYS; i++) {
        prune_bench b;
        const way *w = &ways[i / 2];
        bench_open(&b, w->shape);
        prune_try t = try_of(&b, w, false);
        stopper_set(LOP_KERNEL_sparsegpt_row, -1);
        t.attach = stopper_attach;
        json_decref(prune_report(&t));
        const int64_t all = stopper_launches();
        t = try_of(&b, w, true);
        t.save = bench_other(&b, "stopped");
        stopper_stop_and_resume(t, LOP_KERNEL_sparsegpt_row, i % 2 == 0 ? all * 3 / 4 + 1 : all);
        assert_true(folders_equal(b.save, t.save));
        bench_close(&b);
    }
}

/* ---- what is refused, and what fails */

static void refused(void **state)
{
    (void)state;
    static const struct {
        const char *method;
        lop_setting how[3];
        const char *words;
    } cases[] = {
        {"sparsegpt", {{"sparsity-ratio", "0.5"}, {"block-size", "12"}}, "a multiple of 8"},
        {"sparsegpt", {{"keep", "2:3"}, {"block-size", "16"}}, "no multiple of 3"},
        {"sparsegpt", {{"sparsity-ratio", "0.5"}, {"update", "sparsegpt"}}, "by itself"},
        {"sparsegpt", {{"sparsity-ratio", "0.5"}, {"quantize-bits", "4"}}, "leave one out"},
        {"wanda",
         {{"sparsity-ratio", "0.5"}, {"update", "sparsegpt"}, {"quantize-bits", "4"}},
         "leave one out"},
        {"wanda", {{"sparsity-ratio", "0.5"}, {"update", "gptq"}}, "sparsegpt"},
        {"wanda", {{"sparsity-ratio", "0.5"}, {"update-damping", "0.1"}}, "update-damping without update"},
    };
    prune_bench b;
    bench_open(&b,
               (made_shape){.blocks = 1, .hidden = 60, .ffn = 96, .heads = 3, .kv_heads = 3, .head_dim = 20});
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *text = NULL;
        lop_setting how[4] = {cases[i].how[0], cases[i].how[1], cases[i].how[2]};
        const prune_try t = bench_try(&b, cases[i].method, how);
        prune_fails(prune_do(&t, &text), LOP_E_ARGUMENT, cases[i].words);
    }
    const prune_try bare = {.model = b.model.folder,
                            .method = "magnitude",
                            .save = b.save,
                            .settings = {{"sparsity-ratio", "0.5"}, {"update", "sparsegpt"}}};
    char *text = NULL;
    prune_fails(prune_do(&bare, &text), LOP_E_ARGUMENT, "update sparsegpt needs calibration data");
    bench_close(&b);
}

/* One window of few tokens: fewer of them than columns. Without damping the run says what it took instead. */
static void few_tokens(void **state)
{
    (void)state;
    prune_bench b;
    const lop_setting how[] = {
        {"sparsity-ratio", "0.5"}, {"nsamples", "1"}, {"seqlen", "16"}, {"damping", "0"}, {NULL, NULL}};
    bench_open(&b, (made_shape){.blocks = 2});
    const prune_try t = bench_try(&b, "sparsegpt", how);
    json_t *report = prune_report(&t), *block;
    size_t k;
    json_array_foreach(json_object_get(report, "blocks"), k, block)
    {
        const json_t *line = json_array_get(json_object_get(json_object_get(block, "learn"), "solve"), 0);
        assert_true(json_at(line, "escalations") > 0.0 && json_at(line, "damping") >= 0.001);
    }
    assert_true(json_at(report, "sparsity.prunable") == 0.5);
    json_decref(report);
    bench_close(&b);
}

int test_prune_sparsegpt(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reported),     cmocka_unit_test(exact),      cmocka_unit_test(update_keeps_masks),
        cmocka_unit_test(nothing_goes), cmocka_unit_test(threads),    cmocka_unit_test(stopped_and_resumed),
        cmocka_unit_test(refused),      cmocka_unit_test(few_tokens),
    };
    return cmocka_run_group_tests_name("sparsegpt", tests, NULL, NULL);
}
