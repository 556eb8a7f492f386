/* test_prune_far.c - the way from disk to disk on a device with memory of its own, played by the CPU (far_memory.h): the same
 * folders, as little waiting as is said, and as much memory as is planned. */
#include "core/base/file.h"
#include "core/base/memory.h"
#include "tests/harness/far_memory.h"
#include "tests/prune/groups.h"
#include "tests/prune/prune_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

static json_t *prune_with(const char *backend, const prune_try *t)
{
    const char *const before = prune_backend;
    prune_backend = backend;
    json_t *report = prune_report(t);
    prune_backend = before;
    return report;
}

static uint64_t far_least_budget(prune_try t)
{
    const char *const before = prune_backend;
    prune_backend = FAR_MEMORY;
    const uint64_t bytes = prune_least_budget(t);
    prune_backend = before;
    return bytes;
}

typedef struct far_case {
    made_shape shape;
    const char *method;
    lop_setting more[4];
} far_case;

static const far_case cases[] = {
    {{.blocks = 5, .dtype = LOP_DTYPE_BF16}, "wanda", {{"losses", "on"}, {NULL, NULL}}},
    {{.blocks = 4, .dtype = LOP_DTYPE_F16, .bias = true},
     "wanda",
     {{"dtype", "bf16"}, {"forward-batch", "1"}, {NULL, NULL}}},
    {{.blocks = 3}, "wanda", {{"dtype", "f16"}, {"propagate", "dense"}, {"losses", "on"}, {NULL, NULL}}},
    {{.blocks = 3}, "wanda", {{"forward-batch", "6"}, {"losses", "on"}, {NULL, NULL}}},
    {{.blocks = 4}, "magnitude", {{"losses", "on"}, {"forward-batch", "2"}, {NULL, NULL}}},
    {{.blocks = 2, .hidden = 192, .ffn = 1100, .head_dim = 48}, "wanda", {{NULL, NULL}}},
    {{.blocks = 3, .dtype = LOP_DTYPE_BF16}, "besa", {{"losses", "on"}, {"epochs", "2"}, {NULL, NULL}}},
    {{.blocks = 2},
     "besa",
     {{"granularity", "layer"}, {"loss", "channel-all"}, {"forward-batch", "2"}, {NULL, NULL}}},
    {{.blocks = 2, .hidden = 192, .ffn = 1100, .head_dim = 48},
     "besa",
     {{"granularity", "rows:50"}, {"step-windows", "2"}, {"optimizer", "adamw"}, {NULL, NULL}}},
    {{.blocks = 3, .dtype = LOP_DTYPE_BF16}, "sparsegpt", {{"losses", "on"}, {NULL, NULL}}},
    {{.blocks = 2, .hidden = 192, .ffn = 1100, .head_dim = 48},
     "sparsegpt",
     {{"true-sequential", "on"}, {"forward-batch", "1"}, {NULL, NULL}}},
    {{.blocks = 3, .dtype = LOP_DTYPE_F16},
     "wanda",
     {{"update", "sparsegpt"}, {"dtype", "f16"}, {NULL, NULL}}},
    {{.blocks = 2}, "besa", {{"update", "sparsegpt"}, {"rank-by", "sparsegpt"}, {NULL, NULL}}},
    {{.blocks = 2, .dtype = LOP_DTYPE_BF16},
     "sparsellm",
     {{"forward-batch", "2"}, {"keep-epoch", "last"}, {NULL, NULL}}},
    {{.family = "opt", .blocks = 2}, "sparsellm", {{"forward-batch", "1"}, {"target", "pinv"}, {NULL, NULL}}},
    {{.blocks = 3, .family = "opt", .kv_heads = 4, .dtype = LOP_DTYPE_F16}, "flap", {{NULL, NULL}}},
    {{.blocks = 3, .dtype = LOP_DTYPE_BF16},
     "wanda-sp",
     {{"scope", "model"}, {"update", "sparsegpt"}, {"losses", "on"}, {NULL, NULL}}},
    {{.blocks = 2, .hidden = 192, .ffn = 1100, .head_dim = 48}, "magnitude-sp", {{NULL, NULL}}},
    {{.blocks = 1}, "sparsellm", {{"forward-batch", "6"}, {NULL, NULL}}},
};

/* The same bytes as on the CPU, hidden states on the device or on the host. */
static void same_folders(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        prune_bench b;
        lop_setting how[6] = {{"sparsity-ratio", "0.43"}};
        memcpy(how + 1, cases[i].more, sizeof cases[i].more);
        bench_open(&b, cases[i].shape);
        prune_try t = bench_try(&b, cases[i].method, how);
        json_decref(prune_with("cpu", &t));
        t.save = bench_other(&b, "far");
        json_decref(prune_with(FAR_MEMORY, &t));
        assert_true(folders_equal(b.save, t.save));
        t.device_bytes_most = far_least_budget(t);
        json_decref(prune_with(FAR_MEMORY, &t));
        assert_true(folders_equal(b.save, t.save));
        bench_close(&b);
    }
}

/* How often the thread of a run waits for the device. */
static int64_t waits_of(const char *method, int32_t blocks, const char *windows, bool on_host)
{
    prune_bench b;
    const bool by_epochs =
        strcmp(method, "sparsellm") == 0; /* of which there shall be as many for all windows */
    const lop_setting how[] = {{"sparsity-ratio", "0.43"},
                               {"losses", "on"},
                               {"forward-batch", "1"},
                               {"nsamples", windows},
                               {by_epochs ? "keep-epoch" : NULL, "last"},
                               {NULL, NULL}};
    bench_open(&b, (made_shape){.blocks = blocks});
    prune_try t = bench_try(&b, method, how);
    if (on_host) t.device_bytes_most = far_least_budget(t);
    const int64_t before = far_memory_waits();
    json_decref(prune_with(FAR_MEMORY, &t));
    const int64_t waits = far_memory_waits() - before;
    bench_close(&b);
    return waits;
}

/* A block costs as many waits with six windows as with two: no pass waits, and no step of learning. */
static void no_wait_inside_a_pass(void **state)
{
    (void)state;
    static const char *const methods[] = {"wanda", "besa", "sparsegpt", "sparsellm", "flap"};
    for (int i = 0; i < 10; i++) {
        const char *method = methods[i / 2];
        const bool host = i % 2 != 0;
        const int64_t few = waits_of(method, 4, "2", host) - waits_of(method, 2, "2", host);
        const int64_t many = waits_of(method, 4, "6", host) - waits_of(method, 2, "6", host);
        print_message("%s: %lld waits for two blocks\n", method, (long long)few);
        assert_int_equal(few, many);
    }
}

static double planned_bytes(const prune_try *t)
{
    lop_device device;
    lop_checkpoint *model = NULL;
    lop_option_set set;
    lop_settings settings;
    char *text = NULL;
    json_t *plan = NULL;
    int count = 0;
    while (t->settings[count].name != NULL) count++;
    prune_ok(test_device_open(FAR_MEMORY, &device));
    prune_ok(lop_checkpoint_open(t->model, &model));
    lop_prune_option_set(lop_method_find(t->method), &set);
    prune_ok(lop_settings_open(&set, t->settings, count, &settings));
    const lop_prune_call call = {
        .device = &device, .model = model, .method = t->method, .settings = &settings};
    prune_ok(lop_prune_plan(&call, &text));
    prune_ok(lop_json_parse(text, strlen(text), &plan));
    const double bytes = json_at(plan, "peak.device");
    json_decref(plan);
    lop_free(text);
    lop_settings_close(&settings);
    lop_checkpoint_close(model);
    lop_device_close(&device);
    return bytes;
}

/* A run of its own process takes what is planned, and not much less. */
static void memory_as_planned(void **state)
{
    (void)state;
    static const char *const more[][3] = {
        {"wanda", "losses", "on"},        {"wanda", "alpha-search", "on"},  {"wanda", "dtype", "f16"},
        {"besa", "step-windows", "2"},    {"besa", "granularity", "layer"}, {"besa", "optimizer", "adamw"},
        {"besa", "unit", "two-blocks"},   {"besa", "epochs", "300"},        {"sparsegpt", "losses", "on"},
        {"wanda", "update", "sparsegpt"}, {"besa", "rank-by", "sparsegpt"}, {"sparsegpt", "dtype", "f16"},
        {"sparsellm", "epochs", "2"},     {"sparsellm", "target", "pinv"},  {"flap", "losses", "on"},
        {"flap", "scope", "block"},       {"wanda-sp", "scope", "model"}};
    for (size_t i = 0; i < sizeof more / sizeof more[0]; i++) {
        prune_bench b;
        int code = 0;
        const lop_setting how[] = {{"sparsity-ratio", "0.43"}, {more[i][1], more[i][2]}, {NULL, NULL}};
        bench_open(&b, (made_shape){
                           .blocks = 4, .hidden = 256, .ffn = 704, .head_dim = 64, .dtype = LOP_DTYPE_BF16});
        const prune_try t = bench_try(&b, more[i][0], how);
        const double planned = planned_bytes(&t);
        const pid_t child = prune_spawn(&t);
        assert_true(waitpid(child, &code, 0) == child && WIFEXITED(code) && WEXITSTATUS(code) == 0);
        char *text = NULL;
        size_t size = 0;
        json_t *report = NULL;
        prune_ok(lop_file_read(in_folder(t.save, LOP_REPORT_NAME), 1 << 26, &text, &size));
        prune_ok(lop_json_parse(text, size, &report));
        const double taken = json_at(report, "peak_bytes.device");
        print_message("planned %.0f bytes, taken %.0f\n", planned, taken);
        assert_true(taken <= planned && planned <= 1.05 * taken);
        json_decref(report);
        lop_free(text);
        bench_close(&b);
    }
}

int test_prune_far(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_folders),
        cmocka_unit_test(no_wait_inside_a_pass),
        cmocka_unit_test(memory_as_planned),
    };
    if (strcmp(prune_backend, FAR_MEMORY) != 0) return 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
