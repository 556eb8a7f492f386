/* test_prune_golden.c - trained models pruned as the authors' scripts do, held against what must come out, masks and
 * perplexity: of the shared models what those scripts gave, of the tiny model that comes with the sources what the
 * double-precision reference gave (tests/golden/README.md). */
#include "tests/prune/golden_model.h"
#include "tests/prune/groups.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

typedef struct golden {
    const golden_source *source;
    const char *key, *method;
    lop_setting how;
    double perplexity_within; /* relative */
    double masks_agree;       /* in this part of all bits at least; 0: they are not looked at */
    double weights_within;    /* kept ones, relative; 0: they are not looked at */
} golden;

enum { SHARED = 7, MORE = 4 };

/* With `more` settings than all have, MORE of them, unless it is NULL. */
static void golden_check_with(const golden *g, const lop_setting *more)
{
    char scratch[64], save[96];
    scratch_open(scratch);
    (void)snprintf(save, sizeof save, "%s/out", scratch);
    prune_try t = {.model = g->source->model,
                   .method = g->method,
                   .save = save,
                   .settings = {{"calib", g->source->calib},
                                {"nsamples", g->source->nsamples},
                                {"seqlen", "256"},
                                {"exact-budget", "off"},
                                {"save-masks", "on"},
                                {"dtype", "f32"}, /* what the authors' code ran in */
                                g->how}};
    for (int i = 0; i < MORE && more != NULL; i++) t.settings[SHARED + i] = more[i];
    json_t *report = prune_report(&t);
    const double zeros = golden_number(g->source, g->key, "zeros"),
                 want = golden_number(g->source, g->key, "ppl");
    const double perplexity = golden_perplexity(g->source, save);
    print_message("%s: zeros %.6f (%.6f), perplexity %.5f (%.5f)\n", g->key,
                  json_at(report, "sparsity.prunable"), zeros, perplexity, want);
    assert_true(fabs(json_at(report, "sparsity.prunable") - zeros) < 2e-5);
    assert_true(fabs(perplexity / want - 1.0) <= g->perplexity_within);
    if (g->masks_agree > 0.0) {
        const double same = golden_agreement(g->source, save, g->key);
        print_message("%s: masks agree in %.7f\n", g->key, same);
        assert_true(same >= g->masks_agree);
    }
    if (g->weights_within > 0.0) {
        const double off = golden_distance(g->source, save, g->key);
        print_message("%s: kept weights are off by %.3g\n", g->key, off);
        assert_true(off <= g->weights_within);
    }
    json_decref(report);
    scratch_close(scratch);
}

static void golden_check(const golden *g)
{
    golden_check_with(g, NULL);
}

/* The bounds: 0.02 % for methods whose ties do not matter; magnitude's threshold takes all ties of the scripts' sort. */
static void check_all(const golden_source *source)
{
    golden_check(&(golden){source, "wanda_50", "wanda", {"sparsity-ratio", "0.5"}, 2e-4, 0.9995, 0});
    golden_check(&(golden){source, "wanda_70", "wanda", {"sparsity-ratio", "0.7"}, 2e-4, 0.9995, 0});
    golden_check(&(golden){source, "wanda_2of4", "wanda", {"sparsity-type", "2:4"}, 2e-4, 0.9995, 0});
}

static void authors_results(void **state)
{
    const golden_source source = golden_authors(*state);
    check_all(&source);
    golden_check(&(golden){&source, "magnitude_50", "magnitude", {"sparsity-ratio", "0.5"}, 1e-2, 0, 0});
}

/* SparseGPT's scores and weights hang together by long sums: what the authors' own f32 does with weights that are moved by 1e-7
 * sets the bounds (the golden README). */
static void sparsegpt_results(void **state)
{
    (void)state;
    static const struct {
        const char *family;
        golden what; /* without its source */
    } results[] = {
        {"llama", {NULL, "sparsegpt_50", "sparsegpt", {"sparsity-ratio", "0.5"}, 5e-3, 0.995, 1e-3}},
        {"llama", {NULL, "sparsegpt_70", "sparsegpt", {"sparsity-ratio", "0.7"}, 5e-3, 0.995, 0}},
        {"llama", {NULL, "sparsegpt_2of4", "sparsegpt", {"sparsity-type", "2:4"}, 5e-3, 0.995, 0}},
        {"opt", {NULL, "sparsegpt_50", "sparsegpt", {"sparsity-ratio", "0.5"}, 5e-3, 0.995, 1e-3}},
        {"opt", {NULL, "sparsegpt_70", "sparsegpt", {"sparsity-ratio", "0.7"}, 5e-3, 0.995, 0}},
        {"opt", {NULL, "sparsegpt_2of4", "sparsegpt", {"sparsity-type", "2:4"}, 5e-3, 0.995, 0}},
    };
    for (size_t i = 0; i < sizeof results / sizeof results[0]; i++) {
        const golden_source source = golden_authors(results[i].family);
        golden g = results[i].what;
        g.source = &source;
        golden_check(&g);
    }
}

/* Their scripts' choices: pseudo-inverses, two gradient steps, the last epoch, block 1 left at its first. Their damping grows
 * from epoch to epoch, ours does not, whence most of what is left. */
static void sparsellm_results(void **state)
{
    (void)state;
    const golden_source source = golden_authors("llama");
    const lop_setting theirs[MORE] = {
        {"target", "pinv"}, {"s-step", "gd"}, {"keep-epoch", "last"}, {"single-epoch", "1"}};
    golden_check_with(
        &(golden){&source, "sparsellm_70", "sparsellm", {"sparsity-ratio", "0.7"}, 1e-2, 0.99, 0}, theirs);
}

static void reference_results(void **state)
{
    (void)state;
    const golden_source source = golden_reference();
    check_all(&source);
    golden_check(&(golden){&source, "wanda_4of8", "wanda", {"sparsity-type", "4:8"}, 2e-4, 0.9995, 0});
    golden_check(&(golden){&source, "magnitude_50", "magnitude", {"sparsity-ratio", "0.5"}, 2e-4, 0.9995, 0});
}

int test_prune_golden(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sparsegpt_results),
        cmocka_unit_test(sparsellm_results),
        {"authors_llama", authors_results, NULL, NULL, (void *)(uintptr_t) "llama"},
        {"authors_opt", authors_results, NULL, NULL, (void *)(uintptr_t) "opt"},
        cmocka_unit_test(reference_results),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
