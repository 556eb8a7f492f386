/* report.c - the report's text, its seal, and its parts that are made block by block. */
#include "core/prune/report.h"

#include "core/base/memory.h"

#include <stdlib.h>
#include <string.h>

static const char seal_key[] = "report_sha256";

lop_status lop_json_put(json_t *object, const char *key, json_t *value)
{
    if (value == NULL || json_object_set_new(object, key, value) != 0)
        return LOP_FAIL(LOP_E_MEMORY, "there is no memory for %s in the report", key);
    return LOP_OK;
}

lop_status lop_report_text(const json_t *report, char **out, size_t *size)
{
    *out = NULL;
    char *text = json_dumps(report, JSON_INDENT(1) | JSON_ENSURE_ASCII);
    if (text == NULL) return LOP_FAIL(LOP_E_MEMORY, "there is no memory for the report's text");
    *size = strlen(text);
    const lop_status status = lop_alloc(*size + 2, 1, out);
    if (status == LOP_OK) {
        memcpy(*out, text, *size);
        (*out)[(*size)++] = '\n';
    }
    free(text);
    return status;
}

static lop_status seal_of(const json_t *report, char out[LOP_SHA256_TEXT])
{
    lop_status status = LOP_OK;
    char *text = NULL;
    size_t size = 0;
    json_t *rest = json_copy((json_t *)(uintptr_t)report);
    if (rest == NULL) return LOP_FAIL(LOP_E_MEMORY, "there is no memory for the report's seal");
    (void)json_object_del(rest, seal_key);
    LOP_TRY_DONE(lop_report_text(rest, &text, &size));
    LOP_TRY_DONE(lop_sha256_memory(text, size, out));
done:
    lop_free(text);
    json_decref(rest);
    return status;
}

lop_status lop_report_seal(json_t *report)
{
    char digest[LOP_SHA256_TEXT];
    LOP_TRY(seal_of(report, digest));
    return lop_json_put(report, seal_key, json_string(digest));
}

lop_status lop_report_check(const json_t *report, const char *text, size_t size)
{
    char *again = NULL;
    size_t again_size = 0;
    char digest[LOP_SHA256_TEXT];
    LOP_TRY(lop_report_text(report, &again, &again_size));
    const bool same = again_size == size && memcmp(again, text, size) == 0;
    lop_free(again);
    LOP_TRY(seal_of(report, digest));
    const char *seal = json_string_value(json_object_get(report, seal_key));
    if (seal == NULL || strcmp(seal, digest) != 0)
        return LOP_FAIL(LOP_E_FORMAT, "%s does not agree with its own report_sha256: it was changed",
                        LOP_REPORT_NAME);
    if (!same)
        return LOP_FAIL(LOP_E_FORMAT, "%s is not written as lop writes it: it was changed", LOP_REPORT_NAME);
    return LOP_OK;
}

lop_status lop_report_still(json_t *report)
{
    static const char *const moving[] = {"seconds", "peak_bytes", "command", seal_key};
    for (size_t i = 0; i < sizeof moving / sizeof moving[0]; i++)
        LOP_TRY(lop_json_put(report, moving[i], json_null()));
    size_t b;
    json_t *block;
    json_array_foreach(json_object_get(report, "blocks"), b, block)
        LOP_TRY(lop_json_put(block, "seconds", json_null()));
    return LOP_OK;
}

lop_status lop_report_rows_put(json_t *linear, int64_t dropped, const int64_t bins[LOP_ROW_BINS])
{
    json_t *rows = json_array();
    for (int i = 0; rows != NULL && i < LOP_ROW_BINS; i++)
        if (json_array_append_new(rows, json_integer((json_int_t)bins[i])) != 0) {
            json_decref(rows);
            rows = NULL;
        }
    LOP_TRY(lop_json_put(linear, "row_sparsity", rows));
    return lop_json_put(linear, "dropped", json_integer((json_int_t)dropped));
}

lop_status lop_report_linear_json(const lop_report_linear *l, json_t **out)
{
    const double weights = (double)l->rows * (double)l->cols;
    const int64_t bins[LOP_ROW_BINS] = {l->rows};
    *out =
        json_pack("{s:s, s:[i,i], s:I, s:I, s:I, s:f}", "name", l->name, "shape", (int)l->rows, (int)l->cols,
                  "dropped", (json_int_t)l->dropped, "zeros", (json_int_t)l->zeros, "zeros_before",
                  (json_int_t)l->zeros_before, "sparsity", weights > 0 ? (double)l->zeros / weights : 0.0);
    if (*out == NULL) return LOP_FAIL(LOP_E_MEMORY, "there is no memory for %s in the report", l->name);
    const lop_status status = lop_report_rows_put(*out, l->dropped, bins);
    if (status == LOP_OK) return LOP_OK;
    json_decref(*out);
    *out = NULL;
    return status;
}

static lop_status numbers_fill(json_t *array, const float *values, int64_t count, bool whole)
{
    for (int64_t i = 0; i < count; i++) {
        const double value = (double)values[i];
        json_t *number = whole ? json_integer((json_int_t)value) : json_real(value);
        if (number == NULL || json_array_append_new(array, number) != 0)
            return LOP_FAIL(LOP_E_MEMORY, "there is no memory for the grids in the report");
    }
    return LOP_OK;
}

lop_status lop_report_grids_put(json_t *linear, const lop_report_grids *grids)
{
    json_t *scale = json_array(), *zero = json_array();
    json_t *quant = json_pack("{s:i, s:i, s:o, s:o}", "bits", (int)grids->quant.bits, "group",
                              (int)grids->quant.group, "scale", scale, "zero", zero);
    LOP_TRY(lop_json_put(linear, "quant", quant));
    LOP_TRY(numbers_fill(scale, grids->scale, grids->count, false));
    return numbers_fill(zero, grids->zero, grids->count, true);
}

static json_t *loss_json(double loss)
{
    return loss >= 0 ? json_real(loss) : json_null();
}

lop_status lop_report_block_json(int32_t index, double seconds, double loss_before, double loss_after,
                                 json_t **out)
{
    *out = json_pack("{s:i, s:f, s:o, s:o, s:[]}", "index", (int)index, "seconds", seconds, "loss_before",
                     loss_json(loss_before), "loss_after", loss_json(loss_after), "linears");
    if (*out == NULL) return LOP_FAIL(LOP_E_MEMORY, "there is no memory for block %d in the report", index);
    return LOP_OK;
}
