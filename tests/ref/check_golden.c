/* check_golden.c - proves the double-precision reference against the golden results of the methods' own
 * authors' code: dense logits, keep masks bit by bit, shares of zeros and perplexities of the shared llama.
 * The perplexities take all 400 windows with LOP_LONG=1; otherwise the first windows are held against what
 * the proved reference gave for them. */
#include "tests/harness/shared_data.h"
#include "tests/ref/checks.h"
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
#include <jansson.h>

enum { T = 256, EVAL_WINDOWS = 400, SHORT_WINDOWS = 24, CALIB_WINDOWS = 64 };

typedef struct golden_row {
    const char *name;
    ref_rule rule;
    const char *masks; /* file of keep bits, or NULL */
    double first_nll;  /* of the first SHORT_WINDOWS windows, nats, by this reference */
} golden_row;

static const golden_row dense_row = {"dense", {0}, NULL, 3.522723663017};
static const golden_row golden_rows[] = {
    {"magnitude_50", {0, REF_CUT_THRESHOLD, 0.5, 0, 0}, NULL, 4.320263751724},
    {"wanda_50", {1, REF_CUT_ROWS, 0.5, 0, 0}, "golden/llama_wanda_50_keepbits.u8", 4.163281667498},
    {"wanda_70", {1, REF_CUT_ROWS, 0.7, 0, 0}, "golden/llama_wanda_70_keepbits.u8", 6.073934585606},
    {"wanda_2of4", {1, REF_CUT_GROUPS, 0.5, 2, 4}, "golden/llama_wanda_2of4_keepbits.u8", 4.958019455419},
};

static void ok(lop_status status)
{
    if (status != LOP_OK) fail_msg("%s", lop_error());
}

static ref_loaded llama_load(void)
{
    ref_loaded loaded;
    shared_need("golden/golden.json");
    ok(ref_load(shared_path("data/models/TinyStories-656K"), &loaded));
    return loaded;
}

static int32_t *ids_load(const char *name, int64_t want)
{
    int32_t *ids = NULL;
    int64_t count = 0;
    ok(ref_load_ids(shared_path(name), 2048, &ids, &count));
    assert_int_equal(count, want);
    return ids;
}

/* A number of golden.json's llama: "dense" or METHOD's `key`. */
static double golden_number(const char *method, const char *key)
{
    json_error_t error;
    json_t *root = json_load_file(shared_path("golden/golden.json"), JSON_REJECT_DUPLICATES, &error);
    assert_non_null(root);
    const json_t *value = json_object_get(json_object_get(root, "llama"), method);
    if (json_is_object(value)) value = json_object_get(value, key);
    assert_true(json_is_real(value));
    const double out = json_real_value(value);
    json_decref(root);
    return out;
}

/* The golden perplexities come of f32 arithmetic: a logit near 20 is off by some 1e-6, the mean over 102,000
 * by less. */
static void perplexity_check(const golden_row *row, const ref_model *m)
{
    int32_t *ids = ids_load("golden/eval_400x256.i32", EVAL_WINDOWS * T);
    const char *wanted = getenv("LOP_LONG");
    if (wanted != NULL && strcmp(wanted, "1") == 0) {
        const double nll = ref_nll(m, EVAL_WINDOWS, T, ids), golden = golden_number(row->name, "ppl");
        print_message("%-13s perplexity %.9f, golden %.9f\n", row->name, exp(nll), golden);
        assert_true(fabs(nll - log(golden)) < 2e-6);
    }
    const double nll = ref_nll(m, SHORT_WINDOWS, T, ids);
    print_message("%-13s nll of the first %d windows %.12f\n", row->name, SHORT_WINDOWS, nll);
    assert_true(fabs(nll - row->first_nll) < 1e-9);
    free(ids);
}

void golden_dense_logits(void **state)
{
    (void)state;
    enum { FIRST = 32 };
    ref_loaded loaded = llama_load();
    const int V = loaded.model.vocab;
    int32_t *ids = ids_load("golden/eval_400x256.i32", EVAL_WINDOWS * T);
    double *logits = ref_doubles((int64_t)T * V);
    float *golden = malloc(sizeof(float) * (size_t)(FIRST * V));
    assert_non_null(golden);
    FILE *file = fopen(shared_path("golden/llama_dense_logits_first32pos.f32"), "rb");
    assert_non_null(file);
    assert_int_equal(fread(golden, sizeof(float), (size_t)(FIRST * V), file), FIRST * V);
    fclose(file);
    ref_logits(&loaded.model, T, ids, logits);
    double worst = 0.0;
    for (int i = 0; i < FIRST * V; i++) worst = fmax(worst, fabs(logits[i] - (double)golden[i]));
    print_message("logits differ by at most %.2e\n", worst);
    assert_true(worst < 1e-4);
    free(golden), free(logits), free(ids);
    ref_load_close(&loaded);
}

void golden_dense_perplexity(void **state)
{
    (void)state;
    ref_loaded loaded = llama_load();
    perplexity_check(&dense_row, &loaded.model);
    ref_load_close(&loaded);
}

/* The masks, one after the other, packed as the golden file has them. */
static void masks_check(const golden_row *row, const ref_model *m, uint8_t *const *keep)
{
    FILE *file = fopen(shared_path(row->masks), "rb");
    assert_non_null(file);
    for (int i = 0; i < m->blocks * REF_LINEARS; i++) {
        const ref_linear *linear = &m->block[i / REF_LINEARS].linear[i % REF_LINEARS];
        const int64_t n = (int64_t)linear->rows * linear->cols;
        uint8_t *bits = malloc((size_t)n / 8), *golden = malloc((size_t)n / 8);
        assert_true(bits != NULL && golden != NULL);
        ref_pack_bits(n, keep[i], bits);
        assert_int_equal(fread(golden, 1, (size_t)n / 8, file), n / 8);
        if (memcmp(bits, golden, (size_t)n / 8) != 0)
            fail_msg("%s: linear %d has another mask", row->name, i);
        free(golden), free(bits);
    }
    assert_int_equal(fgetc(file), EOF);
    fclose(file);
}

void golden_pruned(void **state)
{
    const golden_row *row = &golden_rows[(uintptr_t)*state];
    ref_loaded loaded = llama_load();
    ref_model *m = &loaded.model;
    uint8_t **keep = calloc((size_t)(m->blocks * REF_LINEARS), sizeof *keep);
    assert_non_null(keep);
    for (int i = 0; i < m->blocks * REF_LINEARS; i++) {
        const ref_linear *linear = &m->block[i / REF_LINEARS].linear[i % REF_LINEARS];
        keep[i] = malloc((size_t)linear->rows * (size_t)linear->cols);
        assert_non_null(keep[i]);
    }
    int32_t *calib = ids_load("golden/calib_64x256.i32", CALIB_WINDOWS * T);
    const double zeros = ref_prune(m, &row->rule, row->rule.scaled ? CALIB_WINDOWS : 0, T, calib, keep);
    assert_true(fabs(zeros - golden_number(row->name, "zeros")) < 1e-12);
    if (row->masks != NULL) masks_check(row, m, keep);
    perplexity_check(row, m);
    for (int i = 0; i < m->blocks * REF_LINEARS; i++) free(keep[i]);
    free(calib), free(keep);
    ref_load_close(&loaded);
}
