/* test_prune_options.c - settings that are wrong, linears that are left out, methods that are not there: the code and the
 * sentence, and nothing written. */
#include "core/base/file.h"
#include "core/base/memory.h"
#include "tests/harness/test_groups.h"
#include "tests/prune/groups.h"
#include "tests/prune/prune_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const lop_setting half = {"sparsity-ratio", "0.5"};

static void refused(const prune_bench *b, const char *method, lop_setting one, lop_setting two,
                    lop_status want, const char *words)
{
    char *text = NULL;
    const lop_setting how[] = {one, two, {NULL, NULL}};
    const prune_try t = bench_try(b, method, how);
    prune_fails(prune_do(&t, &text), want, words);
    assert_null(text);
    assert_false(lop_path_is_folder(b->save));
}

static void wrong_settings(void **state)
{
    (void)state;
    static const struct {
        lop_setting one, two;
        const char *words;
    } cases[] = {
        {{"sparsity-ratio", "50"}, {0}, "did you mean 0.5"},
        {{"sparsity", "1"}, {0}, "0 <= R < 1"},
        {{"sparsity_ratio", "-0.1"}, {0}, "0 <= R < 1"},
        {{"sparsity-ratio", "much"}, {0}, "sparsity-ratio"},
        {{"seed", "1"}, {0}, "how much"},
        {{"sparsity-type", "3:4"}, {0}, "2:4"},
        {{"sparsity-type", "2:4"}, {"sparsity-ratio", "0.6"}, "0.5"},
        {{"keep", "5:4"}, {0}, "no pattern"},
        {{"keep", "0:4"}, {0}, "no pattern"},
        {{"keep", "two"}, {0}, "no pattern"},
        {{"keep", "1:7"}, {0}, "proj.weight"},
        {{"keep", "1:4"}, {"sparsity-type", "2:4"}, "two patterns"},
        {{"prunen", "1"}, {"prunem", "4"}, "--keep"},
        {{"sparsity-ratio", "0.5"}, {"layers", "1:9"}, "a:b"},
        {{"sparsity-ratio", "0.5"}, {"layers", "1"}, "a:b"},
        {{"sparsity-ratio", "0.5"}, {"skip", "down"}, "re:"},
        {{"sparsity-ratio", "0.5"}, {"only", "re:("}, "regular expression"},
        {{"sparsity-ratio", "0.5"}, {"only", "re:nothing"}, "no linear"},
        {{"sparsity-ratio", "0.5"}, {"skip", "re:^(([a-z._0-9])+.)+[A-Z]([a-z])+$"}, "simpler"},
        {{"sparsity-ratio", "0.5"}, {"seqlen", "100000"}, "positions"},
        {{"sparsity-ratio", "0.5"}, {"propagate", "sideways"}, "propagate"},
        {{"sparsity-ratio", "0.5"}, {"sparsity-ration", "0.5"}, "sparsity-ratio"},
    };
    prune_bench b;
    bench_open(&b, (made_shape){.blocks = 2});
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        refused(&b, "wanda", cases[i].one, cases[i].two, LOP_E_ARGUMENT, cases[i].words);
    bench_close(&b);
}

static void methods(void **state)
{
    (void)state;
    static const char *const later[] = {"policy-gradient", "pg"};
    prune_bench b;
    char *text = NULL;
    bench_open(&b, (made_shape){.blocks = 1});
    for (size_t i = 0; i < sizeof later / sizeof later[0]; i++)
        refused(&b, later[i], half, (lop_setting){0}, LOP_E_UNSUPPORTED, "magnitude, wanda");
    refused(&b, "wandaa", half, (lop_setting){0}, LOP_E_ARGUMENT, "sparsegpt");
    const prune_try t = {.model = b.model.folder, .method = "wanda", .save = b.save, .settings = {half}};
    prune_fails(prune_do(&t, &text), LOP_E_ARGUMENT, "--calib");
    bench_close(&b);
}

/* What is left out is dense, listed with its reason, and the rest loses its ratio. */
static void left_out(void **state)
{
    (void)state;
    static const struct {
        lop_setting how;
        int skipped;
        const char *reason;
    } cases[] = {{{"layers", "1:"}, 7, "--layers"},
                 {{"skip", "re:\\.1\\..*down_proj$"}, 1, "--skip"},
                 {{"only", "re:mlp"}, 8, "--only"},
                 {{"layers", ":1"}, 7, "--layers"}};
    prune_bench b;
    bench_open(&b, (made_shape){.blocks = 2});
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const lop_setting how[] = {half, cases[i].how, {NULL, NULL}};
        const prune_try t = bench_try(&b, "wanda", how);
        json_t *report = prune_report(&t);
        const json_t *skipped = json_object_get(report, "skipped");
        assert_int_equal(json_array_size(skipped), cases[i].skipped);
        const char *reason = json_string_value(json_object_get(json_array_get(skipped, 0), "reason"));
        assert_non_null(strstr(reason, cases[i].reason));
        double dropped = 0.0, lines = 0.0;
        size_t j, k;
        json_t *block, *line;
        json_array_foreach(json_object_get(report, "blocks"), j, block)
        {
            json_array_foreach(json_object_get(block, "linears"), k, line)
            {
                dropped += json_at(line, "dropped");
                lines += 1.0;
            }
        }
        assert_true(lines == 14.0);
        assert_true(json_at(report, "sparsity.dropped") == dropped);
        assert_true(json_at(report, "sparsity.zeros") == dropped);
        assert_true(json_at(report, "sparsity.target") == 0.5);
        assert_true(json_at(report, "sparsity.prunable") < 0.5);
        json_decref(report);
    }
    bench_close(&b);
}

/* Magnitude needs no data; without it no loss is known. Zero sparsity gives the input's bytes back. */
static void without_data(void **state)
{
    (void)state;
    prune_bench b;
    char *before = NULL, *after = NULL;
    size_t sizes[2];
    bench_open(&b, (made_shape){.blocks = 1, .dtype = LOP_DTYPE_F16});
    const prune_try t = {.model = b.model.folder,
                         .method = "magnitude",
                         .save = b.save,
                         .settings = {{"sparsity-ratio", "0"}}};
    json_t *report = prune_report(&t);
    assert_true(json_is_null(json_object_get(report, "calibration")));
    assert_true(
        json_is_null(json_object_get(json_array_get(json_object_get(report, "blocks"), 0), "loss_after")));
    prune_ok(lop_file_read(made_model_file(&b.model), 1 << 26, &before, &sizes[0]));
    prune_ok(lop_file_read(in_folder(b.save, "model.safetensors"), 1 << 26, &after, &sizes[1]));
    assert_int_equal(sizes[0], sizes[1]);
    assert_memory_equal(before, after, sizes[0]);
    lop_free(before);
    lop_free(after);
    json_decref(report);
    bench_close(&b);
}

static void report_keys(void **state)
{
    (void)state;
    static const char *const keys[] = {"schema",       "tool",        "version",  "command", "model",
                                       "model_sha256", "method",      "options",  "seed",    "backend",
                                       "device",       "calibration", "sparsity", "seconds", "peak_bytes",
                                       "skipped",      "blocks"};
    prune_bench b;
    bench_open(&b, (made_shape){.blocks = 1});
    const lop_setting how[] = {half, {"losses", "on"}, {NULL, NULL}};
    const prune_try t = bench_try(&b, "wanda", how);
    json_t *report = prune_report(&t);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (json_object_get(report, keys[i]) == NULL) fail_msg("the report has no %s", keys[i]);
    assert_true(json_at(report, "calibration.nsamples") == BENCH_WINDOWS);
    assert_true(json_at(report, "calibration.tokens") == BENCH_WINDOWS * BENCH_SEQLEN);
    assert_true(json_at(report, "sparsity.prunable") == 0.5);
    assert_true(json_at(report, "sparsity.all_parameters") < 0.5);
    assert_true(json_at(report, "seconds.total") > 0.0);
    json_decref(report);
    bench_close(&b);
}

/* The plan of a prune, of at most two settings more. */
static json_t *planned(const prune_bench *b, const char *method, const lop_setting *more)
{
    lop_device device;
    lop_checkpoint *model = NULL;
    lop_option_set set;
    lop_settings settings;
    char *text = NULL;
    json_t *root = NULL;
    lop_setting how[6] = {half, {"calib", b->ids}, {"nsamples", "6"}, {"seqlen", "32"}};
    int count = 4;
    for (; more->name != NULL; more++) how[count++] = *more;
    lop_prune_option_set(lop_method_find(method), &set);
    prune_ok(lop_settings_open(&set, how, count, &settings));
    prune_ok(test_device_open(prune_backend, &device));
    prune_ok(lop_checkpoint_open(b->model.folder, &model));
    const lop_prune_call call = {
        .device = &device, .model = model, .method = method, .settings = &settings, .save = b->save};
    prune_ok(lop_prune_plan(&call, &text));
    prune_ok(lop_json_parse(text, strlen(text), &root));
    lop_free(text);
    lop_checkpoint_close(model);
    lop_device_close(&device);
    lop_settings_close(&settings);
    return root;
}

static void plan(void **state)
{
    (void)state;
    prune_bench b;
    bench_open(&b, (made_shape){.blocks = 2});
    json_t *root = planned(&b, "wanda", (const lop_setting[]){{NULL, NULL}});
    assert_true(json_at(root, "peak.host") > 0.0 && json_at(root, "peak.disk") > 0.0);
    assert_int_equal(json_array_size(json_object_get(root, "stages")), 5);
    assert_false(lop_path_is_folder(b.save));
    json_decref(root);
    bench_close(&b);
}

static double stage_flops(const json_t *plan, const char *name)
{
    size_t i;
    json_t *stage;
    json_array_foreach(json_object_get(plan, "stages"), i,
                       stage) if (strcmp(json_string_value(json_object_get(stage, "name")), name) ==
                                  0) return json_at(stage, "flops");
    fail_msg("the plan has no stage %s", name);
    return 0.0;
}

/* Blocks that run three times more: three forwards, and of their Gram matrices all but the first input's. */
static void plan_of_again(void **state)
{
    (void)state;
    prune_bench b;
    bench_open(&b, (made_shape){.blocks = 2});
    json_t *once = planned(&b, "sparsegpt", (const lop_setting[]){{NULL, NULL}}),
           *again = planned(&b, "sparsegpt", (const lop_setting[]){{"true-sequential", "on"}, {NULL, NULL}});
    const double more = stage_flops(again, "prune") - stage_flops(once, "prune"),
                 forward = stage_flops(once, "propagate"), grams = stage_flops(once, "calibrate") - forward;
    assert_true(more > 3.0 * forward && more < 3.0 * forward + grams);
    assert_true(stage_flops(again, "calibrate") == stage_flops(once, "calibrate"));
    json_decref(again);
    json_decref(once);
    bench_close(&b);
}

int test_prune_options(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_settings), cmocka_unit_test(methods),     cmocka_unit_test(left_out),
        cmocka_unit_test(without_data),   cmocka_unit_test(report_keys), cmocka_unit_test(plan),
        cmocka_unit_test(plan_of_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
