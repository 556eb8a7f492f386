/* test_prune_failure.c - memory that runs out anywhere in a prune, a check, or the work on masks: the right code, nothing
 * lost, nothing leaked; and models whose numbers go wrong. */
#include "core/base/file.h"
#include "core/base/memory.h"
#include "tests/harness/ladder.h"
#include "tests/prune/groups.h"
#include "tests/prune/prune_bench.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const made_shape tiny = {
    .blocks = 2, .hidden = 16, .ffn = 24, .heads = 2, .kv_heads = 1, .head_dim = 8, .vocab = 300};

static const lop_setting half[] = {{"sparsity-ratio", "0.43"}, {"losses", "on"}, {NULL, NULL}};

typedef struct climb {
    prune_bench bench;
    const char *method;
} climb;

static lop_status prune_call(void *context)
{
    const climb *c = context;
    char *report = NULL;
    const prune_try t = bench_try(&c->bench, c->method, half);
    const lop_status status = prune_do(&t, &report);
    lop_free(report);
    return status == LOP_E_DEVICE_MEMORY ? LOP_E_MEMORY : status; /* a device's memory may be the host's */
}

static void prune_climbs(void **state)
{
    (void)state;
    static const char *const methods[] = {"magnitude", "wanda", "sparsegpt", "flap"};
    for (int i = 0; i < 4; i++) {
        climb c = {.method = methods[i]};
        bench_open(&c.bench, tiny);
        print_message("%s: %d allocations\n", methods[i], ladder_climb(prune_call, &c));
        bench_close(&c.bench);
    }
}

static lop_status verify_call(void *context)
{
    const climb *c = context;
    char *result = NULL;
    const lop_setting how[] = {{"against", c->bench.model.folder}, {NULL, NULL}};
    const lop_status status = verify_do(c->bench.save, how, &result);
    lop_free(result);
    return status;
}

static void verify_climbs(void **state)
{
    (void)state;
    climb c = {.method = "wanda"};
    bench_open(&c.bench, tiny);
    prune_ok(prune_call(&c));
    print_message("verify: %d allocations\n", ladder_climb(verify_call, &c));
    bench_close(&c.bench);
}

/* A run that ran out of memory goes on from where it was. */
static void resumed_after_failure(void **state)
{
    (void)state;
    prune_bench b;
    int rungs = 0;
    const lop_setting how[] = {half[0], half[1], {"resume", "on"}, {NULL, NULL}};
    bench_open(&b, tiny);
    prune_try t = bench_try(&b, "wanda", half);
    json_decref(prune_report(&t));
    t = bench_try(&b, "wanda", how);
    t.save = bench_other(&b, "again");
    lop_status status = LOP_E_MEMORY;
    for (int64_t n = 150; status != LOP_OK; n += 25, rungs++) {
        char *report = NULL;
        lop_alloc_fail_at(n);
        status = prune_do(&t, &report);
        lop_alloc_fail_at(0);
        if (status != LOP_OK) assert_true(status == LOP_E_MEMORY || status == LOP_E_DEVICE_MEMORY);
        lop_free(report);
    }
    assert_true(rungs > 1);
    assert_true(folders_equal(b.save, t.save));
    bench_close(&b);
}

/* The made model with some weights of a linear replaced; `bytes` are its file's. */
static void weights_set(const prune_bench *b, const char *linear, float value, int count)
{
    char *bytes = NULL;
    size_t size = 0;
    lop_checkpoint *file = NULL;
    prune_ok(lop_checkpoint_open(b->model.folder, &file));
    const lop_tensor *t = lop_checkpoint_find(file, linear);
    assert_non_null(t);
    prune_ok(lop_file_read(made_model_file(&b->model), 1 << 26, &bytes, &size));
    for (int i = 0; i < count; i++) memcpy(bytes + t->at + (size_t)i * sizeof value, &value, sizeof value);
    prune_ok(lop_file_write_atomic(made_model_file(&b->model), bytes, size));
    lop_checkpoint_close(file);
    lop_free(bytes);
}

static void number_case(const char *method, const char *linear, float value, int count,
                        const lop_setting *how, lop_status want, const char *words)
{
    prune_bench b;
    char *text = NULL;
    bench_open(&b, tiny);
    weights_set(&b, linear, value, count);
    const prune_try t = bench_try(&b, method, how);
    prune_fails(prune_do(&t, &text), want, words);
    bench_close(&b);
}

/* Weights that leave f16, are no numbers, or make a stream that leaves every range. */
static void numbers_go_wrong(void **state)
{
    (void)state;
    static const char value[] = "model.layers.1.self_attn.v_proj.weight",
                      down[] = "model.layers.0.mlp.down_proj.weight";
    const lop_setting halves[] = {half[0], {"dtype", "f16"}, {NULL, NULL}};
    static const char *const methods[] = {"wanda", "sparsegpt"};
    for (int i = 0; i < 2; i++) {
        number_case(methods[i], value, 1e5f, 1, halves, LOP_E_NUMERIC, value);
        number_case(methods[i], value, NAN, 1, half, LOP_E_FORMAT, value);
        number_case(methods[i], down, 3e38f, 24, half, LOP_E_NUMERIC, "block 0");
    }
}

int test_prune_failure(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prune_climbs),
        cmocka_unit_test(verify_climbs),
        cmocka_unit_test(resumed_after_failure),
        cmocka_unit_test(numbers_go_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
