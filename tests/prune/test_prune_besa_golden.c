/* test_prune_besa_golden.c - the shared models pruned by BESA as the authors' code does: every step's error, the sparsity that
 * each linear ends with, masks and perplexity. */
#include "core/base/file.h"
#include "tests/harness/shared_data.h"
#include "tests/prune/golden_model.h"
#include "tests/prune/groups.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* The bounds are those of the issue; the authors' own code under weights moved by 1e-7 stays within a tenth of them. */
typedef struct golden_besa {
    const char *family, *key, *granularity, *d_coef;
    double masks_equal;
    size_t blocks; /* whose errors and sparsities are held, from the first on; 0: all */
} golden_besa;

enum { FIRST = 20 };

static double step_number(const json_t *steps, size_t step, size_t which)
{
    const json_t *number = json_array_get(json_array_get(steps, step), which);
    assert_true(json_is_real(number));
    return json_real_value(number);
}

/* Relative, of all steps [from, to). */
static double errors_off(const json_t *got, const json_t *want, size_t from, size_t to)
{
    double worst = 0.0;
    for (size_t i = from; i < to; i++) {
        const double off = fabs(step_number(got, i, 0) / step_number(want, i, 0) - 1.0);
        if (!(off <= worst)) worst = off;
    }
    return worst;
}

/* Of the linears of a block: the authors name them without what stands around. */
static double sparsities_off(const json_t *linears, const json_t *want)
{
    double worst = 0.0;
    size_t i;
    const json_t *line;
    json_array_foreach(linears, i, line)
    {
        const char *name = json_string_value(json_object_get(line, "name")), *key;
        json_t *value;
        bool found = false;
        assert_non_null(name);
        json_object_foreach((json_t *)(uintptr_t)want, key, value)
        {
            if (strstr(name, key) == NULL) continue;
            found = true;
            worst = fmax(worst, fabs(json_at(line, "expected") - json_number_value(value)));
        }
        assert_true(found);
    }
    return worst;
}

static bool block_check(const golden_besa *g, size_t block, const json_t *learn, const json_t *want)
{
    const json_t *steps = json_object_get(learn, "steps"), *log = json_object_get(want, "steps");
    const size_t count = json_array_size(log);
    assert_int_equal(json_array_size(steps), count);
    const double first = errors_off(steps, log, 0, FIRST), all = errors_off(steps, log, 0, count);
    const double last = sparsities_off(json_object_get(learn, "linears"), json_object_get(want, "final"));
    print_message("%s %s, block %zu: errors off by %.2e in %d steps, by %.2e in all; sparsities by %.2e\n",
                  g->family, g->key, block, first, FIRST, all, last);
    if (g->blocks > 0 && block >= g->blocks) return true;
    return first <= 1e-3 && all <= 1e-2 && last <= 2e-3;
}

static bool blocks_check(const golden_besa *g, const json_t *blocks)
{
    char name[128];
    json_t *log = NULL;
    bool good = true;
    (void)snprintf(name, sizeof name, "golden/%s_%s_log.json", g->family, g->key);
    prune_ok(lop_json_read(shared_path(name), 1 << 24, &log));
    assert_int_equal(json_array_size(blocks), json_array_size(log));
    for (size_t i = 0; i < json_array_size(log); i++) {
        const json_t *learn = json_object_get(json_array_get(blocks, i), "learn");
        good = block_check(g, i, learn, json_array_get(log, i)) && good;
    }
    lop_json_close(log);
    return good;
}

static void golden_check(const golden_besa *g)
{
    const golden_source source = golden_authors(g->family);
    char scratch[64], save[96];
    scratch_open(scratch);
    (void)snprintf(save, sizeof save, "%s/out", scratch);
    const prune_try t = {.model = source.model,
                         .method = "besa",
                         .save = save,
                         .settings = {{"calib", source.calib},
                                      {"nsamples", source.nsamples},
                                      {"seqlen", "256"},
                                      {"sparsity-ratio", "0.5"},
                                      {"exact-budget", "off"},
                                      {"save-masks", "on"},
                                      {"sparsity-pull", "penalty"},
                                      {"granularity", g->granularity},
                                      {"d-coef", g->d_coef}}};
    json_t *report = prune_report(&t);
    const bool steps = blocks_check(g, json_object_get(report, "blocks"));
    const double want = golden_number(&source, g->key, "ppl"), perplexity = golden_perplexity(&source, save);
    const double same = golden_agreement(&source, save, g->key);
    print_message("%s: zeros %.6f (%.6f), perplexity %.5f (%.5f), masks agree in %.7f\n", g->key,
                  json_at(report, "sparsity.prunable"), golden_number(&source, g->key, "zeros"), perplexity,
                  want, same);
    assert_true(steps);
    assert_true(fabs(perplexity / want - 1.0) <= 3e-3);
    assert_true(same >= g->masks_equal);
    json_decref(report);
    scratch_close(scratch);
}

static void layer(void **state)
{
    golden_check(&(golden_besa){*state, "besa_layer_50", "layer", "0.05", 0.999, 0});
}

static void row(void **state)
{
    golden_check(&(golden_besa){*state, "besa_row_50", "row", "5", 0.995, 0});
}

/* Two weights of block 0 score the same and go in the other order in the log (tests/ref/check_besa_golden.c): at the end two of
 * its weights are others, and what comes in behind it is not what the authors' blocks saw. From the authors' masks on, block
 * by block, the reference has all four. */
static void row_of_opt(void **state)
{
    golden_check(&(golden_besa){*state, "besa_row_50", "row", "5", 0.995, 1});
}

int test_prune_besa_golden(void)
{
    void *const llama = (void *)(uintptr_t) "llama", *const opt = (void *)(uintptr_t) "opt";
    const struct CMUnitTest tests[] = {{"llama_layer", layer, NULL, NULL, llama},
                                       {"llama_row", row, NULL, NULL, llama},
                                       {"opt_layer", layer, NULL, NULL, opt},
                                       {"opt_row", row_of_opt, NULL, NULL, opt}};
    return cmocka_run_group_tests_name("besa golden", tests, NULL, NULL);
}
