/* test_prune_budget.c - how many weights go, and which: exact budgets, patterns, order, nesting, and whole prunes of
 * random models against the reference in double precision. */
#include "tests/prune/groups.h"
#include "tests/prune/prune_bench.h"
#include "tests/prune/pruned_model.h"
#include "tests/ref/ref_load.h"
#include "tests/ref/ref_prune.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Masks differ where the reference's double-precision scores all but tie: at most this part of them. */
static double masks_differ(const prune_bench *b, const ref_rule *rule)
{
    ref_loaded reference = {0};
    pruned_model p;
    int64_t wrong = 0, all = 0;
    uint8_t *keep[8 * REF_LINEARS] = {NULL};
    prune_ok(ref_load(b->model.folder, &reference));
    pruned_open(&p, b->save);
    for (int32_t i = 0; i < p.net.config->blocks * REF_LINEARS; i++) {
        const lop_linear_file *l = &p.net.blocks[i / REF_LINEARS].linear[i % REF_LINEARS];
        keep[i] = malloc((size_t)l->out * (size_t)l->in);
    }
    (void)ref_prune(&reference.model, rule, rule->scaled ? BENCH_WINDOWS : 0, BENCH_SEQLEN, b->id, keep);
    for (int32_t i = 0; i < p.net.config->blocks * REF_LINEARS; i++) {
        int32_t rows, cols;
        uint8_t *have = pruned_keep(&p, i / REF_LINEARS, i % REF_LINEARS, &rows, &cols);
        for (int64_t e = 0; e < (int64_t)rows * cols; e++) wrong += have[e] != keep[i][e];
        all += (int64_t)rows * cols;
        free(have);
        free(keep[i]);
    }
    pruned_close(&p);
    ref_load_close(&reference);
    return (double)wrong / (double)all;
}

/* Every linear of the report lost exactly round(R n). */
static void report_exact(const json_t *report, double ratio)
{
    size_t i, j;
    json_t *block, *line;
    json_array_foreach(json_object_get(report, "blocks"), i, block)
    {
        json_array_foreach(json_object_get(block, "linears"), j, line)
        {
            const json_t *shape = json_object_get(line, "shape");
            const double n =
                json_number_value(json_array_get(shape, 0)) * json_number_value(json_array_get(shape, 1));
            assert_true(json_at(line, "dropped") == nearbyint(ratio * n));
            assert_true(json_at(line, "zeros") == nearbyint(ratio * n));
        }
    }
}

static void budget_case(const made_shape *shape, const char *method, const lop_setting *more,
                        const ref_rule *rule, bool exact)
{
    prune_bench b;
    bench_open(&b, *shape);
    const prune_try t = bench_try(&b, method, more);
    json_t *report = prune_report(&t);
    if (exact) report_exact(report, rule->ratio);
    const double differ = masks_differ(&b, rule);
    if (differ > (rule->scaled ? 1e-3 : 0.0)) fail_msg("%s: masks differ in %g", method, differ);
    json_decref(report);
    bench_close(&b);
}

static const made_shape plain = {.blocks = 2};
static const made_shape odd = {
    .blocks = 2, .hidden = 60, .ffn = 100, .heads = 3, .kv_heads = 3, .head_dim = 20};

static void exact_budgets(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double value;
    } ratios[] = {{"0", 0.0}, {"0.1", 0.1}, {"0.333", 0.333}, {"0.5", 0.5}, {"0.9", 0.9}, {"0.999", 0.999}};
    for (size_t i = 0; i < sizeof ratios / sizeof ratios[0]; i++) {
        const lop_setting how[] = {{"sparsity-ratio", ratios[i].text}, {NULL, NULL}};
        const lop_setting rows[] = {{"sparsity-ratio", ratios[i].text}, {"scope", "row"}, {NULL, NULL}};
        const ref_rule wanda = {1, REF_CUT_BUDGET, ratios[i].value, 0, 0};
        const ref_rule magnitude = {0, REF_CUT_MATRIX, ratios[i].value, 0, 0};
        const ref_rule by_row = {0, REF_CUT_BUDGET, ratios[i].value, 0, 0};
        budget_case(i % 2 ? &plain : &odd, "wanda", how, &wanda, true);
        budget_case(i % 2 ? &odd : &plain, "magnitude", how, &magnitude, true);
        budget_case(i % 2 ? &plain : &odd, "magnitude", rows, &by_row, true);
    }
}

static void reference_counts(void **state)
{
    (void)state;
    const lop_setting how[] = {{"sparsity-ratio", "0.7"}, {"exact-budget", "off"}, {NULL, NULL}};
    const ref_rule wanda = {1, REF_CUT_ROWS, 0.7, 0, 0}, magnitude = {0, REF_CUT_THRESHOLD, 0.7, 0, 0};
    budget_case(&odd, "wanda", how, &wanda, false);
    budget_case(&odd, "magnitude", how, &magnitude, false);
    const made_shape half = {.blocks = 1, .dtype = LOP_DTYPE_BF16}; /* few distinct sizes: many ties */
    budget_case(&half, "magnitude", how, &magnitude, false);
}

static void patterns(void **state)
{
    (void)state;
    static const struct {
        lop_setting how;
        int keep, group;
    } cases[] = {{{"sparsity-type", "2:4"}, 2, 4}, {{"sparsity-type", "4:8"}, 4, 8},
                 {{"keep", "1:4"}, 1, 4},          {{"keep", "3:4"}, 3, 4},
                 {{"keep", "8:16"}, 8, 16},        {{"keep", "7:16"}, 7, 16}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const lop_setting how[] = {cases[i].how, {NULL, NULL}};
        ref_rule rule = {1, REF_CUT_GROUPS, 1.0 - (double)cases[i].keep / cases[i].group, cases[i].keep,
                         cases[i].group};
        budget_case(&plain, "wanda", how, &rule, true);
        rule.scaled = 0;
        budget_case(&plain, "magnitude", how, &rule, true);
    }
}

/* Kept weights are the source's to the bit; dropped ones are +0. */
static void kept_bits(void **state)
{
    (void)state;
    for (int dtype = 0; dtype < 3; dtype++) {
        static const lop_dtype dtypes[] = {LOP_DTYPE_F32, LOP_DTYPE_F16, LOP_DTYPE_BF16};
        prune_bench b;
        bench_open(&b, (made_shape){.blocks = 1, .dtype = dtypes[dtype]});
        const lop_setting how[] = {{"sparsity-ratio", "0.6"}, {NULL, NULL}};
        const prune_try t = bench_try(&b, "wanda", how);
        json_decref(prune_report(&t));
        pruned_model before = {.masks.file.handle = -1}, after;
        prune_ok(lop_checkpoint_open(b.model.folder, &before.file));
        prune_ok(lop_net_open(before.file, &before.net));
        pruned_open(&after, b.save);
        for (int i = 0; i < LOP_LINEAR_COUNT; i++) {
            int32_t rows, cols;
            uint8_t *keep = pruned_keep(&after, 0, i, &rows, &cols);
            float *w = pruned_weights(&before, 0, i), *x = pruned_weights(&after, 0, i);
            for (int64_t e = 0; e < (int64_t)rows * cols; e++) {
                const float want = keep[e] ? w[e] : 0.0f;
                assert_memory_equal(&x[e], &want, sizeof want);
            }
            free(x);
            free(w);
            free(keep);
        }
        pruned_close(&after);
        lop_net_close(&before.net);
        lop_checkpoint_close(before.file);
        bench_close(&b);
    }
}

/* A row's masks at a larger ratio drop what they drop at a smaller one. Block 0 sees the same input at every ratio. */
static void nesting(void **state)
{
    (void)state;
    static const char *const ratios[] = {"0.2", "0.5", "0.8"};
    uint8_t *last[LOP_LINEAR_COUNT] = {NULL};
    prune_bench b;
    bench_open(&b, plain);
    for (int i = 0; i < 3; i++) {
        const lop_setting how[] = {{"sparsity-ratio", ratios[i]}, {"exact-budget", "off"}, {NULL, NULL}};
        const prune_try t = bench_try(&b, "wanda", how);
        json_decref(prune_report(&t));
        pruned_model p;
        pruned_open(&p, b.save);
        for (int l = 0; l < LOP_LINEAR_COUNT; l++) {
            int32_t rows, cols;
            uint8_t *keep = pruned_keep(&p, 0, l, &rows, &cols);
            for (int64_t e = 0; last[l] != NULL && e < (int64_t)rows * cols; e++)
                assert_true(keep[e] <= last[l][e]);
            free(last[l]);
            last[l] = keep;
        }
        pruned_close(&p);
    }
    for (int l = 0; l < LOP_LINEAR_COUNT; l++) free(last[l]);
    bench_close(&b);
}

/* Within a row of block 0 no dropped score exceeds a kept one; magnitude's likewise within a linear. */
static void order(void **state)
{
    (void)state;
    prune_bench b;
    bench_open(&b, odd);
    const lop_setting how[] = {{"sparsity-ratio", "0.37"}, {NULL, NULL}};
    const prune_try t = bench_try(&b, "magnitude", how);
    json_decref(prune_report(&t));
    ref_loaded reference = {0};
    prune_ok(ref_load(b.model.folder, &reference));
    pruned_model p;
    pruned_open(&p, b.save);
    for (int l = 0; l < LOP_LINEAR_COUNT; l++) {
        int32_t rows, cols;
        double most = 0.0, least = INFINITY;
        uint8_t *keep = pruned_keep(&p, 0, l, &rows, &cols);
        const double *w = reference.model.block[0].linear[l].w;
        for (int64_t e = 0; e < (int64_t)rows * cols; e++) {
            if (keep[e]) least = fmin(least, fabs(w[e]));
            if (!keep[e]) most = fmax(most, fabs(w[e]));
        }
        assert_true(most <= least);
        free(keep);
    }
    pruned_close(&p);
    ref_load_close(&reference);
    bench_close(&b);
}

/* The variant: an exact budget is exact; the bisection ends within its own error of the target, or at its bound. */
static void alpha_search(void **state)
{
    (void)state;
    prune_bench b;
    bench_open(&b, odd);
    const lop_setting exact[] = {{"sparsity-ratio", "0.5"}, {"alpha-search", "on"}, {NULL, NULL}};
    prune_try t = bench_try(&b, "wanda", exact);
    json_t *report = prune_report(&t);
    report_exact(report, 0.5);
    json_decref(report);
    const lop_setting reference[] = {
        {"sparsity-ratio", "0.5"}, {"use_variant", "on"}, {"exact-budget", "off"}, {NULL, NULL}};
    t = bench_try(&b, "wanda", reference);
    report = prune_report(&t);
    assert_true(fabs(json_at(report, "sparsity.prunable") - 0.5) <= 2e-3);
    json_decref(report);
    bench_close(&b);
}

int test_prune_budget(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_budgets), cmocka_unit_test(reference_counts), cmocka_unit_test(patterns),
        cmocka_unit_test(kept_bits),     cmocka_unit_test(nesting),          cmocka_unit_test(order),
        cmocka_unit_test(alpha_search),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
