/* make_golden.c - writes what a model's pruned versions must come to, from the double-precision reference:
 * perplexities and shares of zeros as golden.json, keep masks as METHOD_keepbits.u8. README.md beside this
 * file says how to use it. */
#include "tests/ref/ref_load.h"
#include "tests/ref/ref_prune.h"

#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct method {
    const char *name;
    ref_rule rule;
} method;

static const method methods[] = {
    {"magnitude_50", {0, REF_CUT_THRESHOLD, 0.5, 0, 0}}, {"wanda_50", {1, REF_CUT_ROWS, 0.5, 0, 0}},
    {"wanda_70", {1, REF_CUT_ROWS, 0.7, 0, 0}},          {"wanda_2of4", {1, REF_CUT_GROUPS, 0.5, 2, 4}},
    {"wanda_4of8", {1, REF_CUT_GROUPS, 0.5, 4, 8}},
};

typedef struct request {
    const char *model, *calib, *eval, *save;
    int T;
} request;

typedef struct tokens {
    int32_t *ids;
    int windows;
} tokens;

static lop_status tokens_load(const char *path, int T, int vocab, tokens *out)
{
    int64_t count = 0;
    LOP_TRY(ref_load_ids(path, vocab, &out->ids, &count));
    out->windows = (int)(count / T);
    if (out->windows > 0 && count % T == 0) return LOP_OK;
    return LOP_FAIL(LOP_E_FORMAT, "%s has %lld tokens, which is no number of windows of %d", path,
                    (long long)count, T);
}

/* Bytes of keep masks for every linear, one after the other in `keep`. */
static uint8_t **masks_open(const ref_model *m)
{
    uint8_t **keep = calloc((size_t)(m->blocks * REF_LINEARS), sizeof *keep);
    if (keep == NULL) exit(1);
    for (int i = 0; i < m->blocks * REF_LINEARS; i++) {
        const ref_linear *linear = &m->block[i / REF_LINEARS].linear[i % REF_LINEARS];
        keep[i] = malloc((size_t)linear->rows * (size_t)linear->cols);
        if (keep[i] == NULL) exit(1);
    }
    return keep;
}

static void masks_close(const ref_model *m, uint8_t **keep)
{
    for (int i = 0; i < m->blocks * REF_LINEARS; i++) free(keep[i]);
    free(keep);
}

static lop_status masks_write(const ref_model *m, uint8_t *const *keep, const char *folder, const char *name)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s_keepbits.u8", folder, name);
    FILE *file = fopen(path, "wb");
    if (file == NULL) return LOP_FAIL(LOP_E_OUTPUT, "%s cannot be opened for writing", path);
    bool whole = true;
    for (int i = 0; i < m->blocks * REF_LINEARS; i++) {
        const ref_linear *linear = &m->block[i / REF_LINEARS].linear[i % REF_LINEARS];
        const int64_t n = (int64_t)linear->rows * linear->cols;
        uint8_t *bits = malloc((size_t)(n + 7) / 8);
        if (bits == NULL) exit(1);
        ref_pack_bits(n, keep[i], bits);
        whole = fwrite(bits, 1, (size_t)(n + 7) / 8, file) == (size_t)(n + 7) / 8 && whole;
        free(bits);
    }
    whole = fclose(file) == 0 && whole;
    return whole ? LOP_OK : LOP_FAIL(LOP_E_OUTPUT, "%s was not written whole", path);
}

static lop_status method_run(const request *r, const method *how, tokens calib, tokens eval, json_t *out)
{
    lop_status status = LOP_OK;
    ref_loaded loaded;
    uint8_t **keep = NULL;
    LOP_TRY_DONE(ref_load(r->model, &loaded));
    keep = masks_open(&loaded.model);
    const double zeros =
        ref_prune(&loaded.model, &how->rule, how->rule.scaled ? calib.windows : 0, r->T, calib.ids, keep);
    const double ppl = exp(ref_nll(&loaded.model, eval.windows, r->T, eval.ids));
    fprintf(stderr, "%-13s perplexity %.9f, zeros %.9f\n", how->name, ppl, zeros);
    json_object_set_new(out, how->name, json_pack("{s:f, s:f}", "ppl", ppl, "zeros", zeros));
    LOP_TRY_DONE(masks_write(&loaded.model, keep, r->save, how->name));
done:
    if (keep != NULL) masks_close(&loaded.model, keep);
    ref_load_close(&loaded);
    return status;
}

static lop_status dense_run(const request *r, tokens *calib, tokens *eval, json_t *out)
{
    lop_status status = LOP_OK;
    ref_loaded loaded;
    LOP_TRY_DONE(ref_load(r->model, &loaded));
    LOP_TRY_DONE(tokens_load(r->calib, r->T, loaded.model.vocab, calib));
    LOP_TRY_DONE(tokens_load(r->eval, r->T, loaded.model.vocab, eval));
    const double ppl = exp(ref_nll(&loaded.model, eval->windows, r->T, eval->ids));
    fprintf(stderr, "%-13s perplexity %.9f\n", "dense", ppl);
    json_object_set_new(out, "tokens", json_integer(r->T));
    json_object_set_new(out, "calib_windows", json_integer(calib->windows));
    json_object_set_new(out, "eval_windows", json_integer(eval->windows));
    json_object_set_new(out, "dense", json_real(ppl));
done:
    ref_load_close(&loaded);
    return status;
}

static lop_status golden_make(const request *r)
{
    lop_status status = LOP_OK;
    tokens calib = {0}, eval = {0};
    json_t *out = json_object();
    char path[1024];
    LOP_TRY_DONE(dense_run(r, &calib, &eval, out));
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        LOP_TRY_DONE(method_run(r, &methods[i], calib, eval, out));
    }
    snprintf(path, sizeof path, "%s/golden.json", r->save);
    if (json_dump_file(out, path, JSON_INDENT(2)) != 0)
        status = LOP_FAIL(LOP_E_OUTPUT, "%s cannot be written", path);
done:
    json_decref(out);
    free(eval.ids), free(calib.ids);
    return status;
}

int main(int argc, char **argv)
{
    if (argc != 6 || atoi(argv[4]) < 2) {
        fprintf(stderr,
                "usage: make_golden MODEL-FOLDER CALIB.i32 EVAL.i32 TOKENS-PER-WINDOW OUTPUT-FOLDER\n");
        return 2;
    }
    const request r = {argv[1], argv[2], argv[3], argv[5], atoi(argv[4])};
    const lop_status status = golden_make(&r);
    if (status != LOP_OK) fprintf(stderr, "make_golden: %s\n", lop_error());
    return status == LOP_OK ? 0 : 1;
}
