/* account.c - a report's head and its seal, and what can be asked of an account. Its blocks are account_blocks.c. */
#include "core/prune/account.h"

#include "core/base/file.h"
#include "core/base/memory.h"
#include "core/prune/account_parts.h"

#include <inttypes.h>
#include <string.h>

#define BYTES_MOST   1e18
#define SECONDS_MOST 1e12
#define COUNT_MOST   ((int64_t)1 << 60)

lop_status lop_account_text(const json_t *object, const char *key, const char **out)
{
    lop_text text = {0};
    LOP_TRY(lop_json_text(object, key, &text));
    *out = text.at;
    return LOP_OK;
}

lop_status lop_account_int(const json_t *object, const char *key, int64_t most, int64_t *out)
{
    *out = -1;
    return lop_json_int(object, key, 0, most, out);
}

lop_status lop_account_real(const json_t *object, const char *key, double most, double *out)
{
    *out = -1.0;
    LOP_TRY(lop_json_real(object, key, out));
    if (lop_json_find(object, key) == NULL || (*out >= 0.0 && *out <= most)) return LOP_OK;
    return LOP_FAIL(LOP_E_FORMAT, "\"%s\" is %g, expected a number from 0 to %g", key, *out, most);
}

static lop_status head_texts(lop_account *a)
{
    const struct {
        const char *key;
        const char **out;
    } texts[] = {{"version", &a->version}, {"model", &a->model},     {"model_sha256", &a->model_sha256},
                 {"method", &a->method},   {"backend", &a->backend}, {"device", &a->device}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        LOP_TRY(lop_account_text(a->report, texts[i].key, texts[i].out));
    return LOP_OK;
}

static lop_status sparsity_read(lop_account *a)
{
    json_t *s = NULL;
    LOP_TRY(lop_json_need(a->report, "sparsity"));
    LOP_TRY(lop_json_object(a->report, "sparsity", &s));
    LOP_TRY(lop_json_need(s, "prunable"));
    LOP_TRY(lop_account_text(s, "pattern", &a->pattern));
    LOP_TRY(lop_account_real(s, "target", 1.0, &a->target));
    LOP_TRY(lop_account_real(s, "prunable", 1.0, &a->prunable));
    LOP_TRY(lop_account_real(s, "all_parameters", 1.0, &a->all_parameters));
    LOP_TRY(lop_account_int(s, "dropped", COUNT_MOST, &a->dropped));
    LOP_TRY(lop_account_int(s, "zeros", COUNT_MOST, &a->zeros));
    LOP_TRY(lop_account_int(s, "zeros_before", COUNT_MOST, &a->zeros_before));
    LOP_TRY(lop_account_int(s, "prunable_weights", COUNT_MOST, &a->prunable_weights));
    return lop_account_int(s, "parameters", COUNT_MOST, &a->parameters);
}

static lop_status seconds_read(lop_account *a)
{
    json_t *s = NULL;
    LOP_TRY(lop_json_object(a->report, "seconds", &s));
    LOP_TRY(lop_account_real(s, "total", SECONDS_MOST, &a->seconds.total));
    LOP_TRY(lop_account_real(s, "load", SECONDS_MOST, &a->seconds.load));
    LOP_TRY(lop_account_real(s, "calibrate", SECONDS_MOST, &a->seconds.calibrate));
    LOP_TRY(lop_account_real(s, "learn", SECONDS_MOST, &a->seconds.learn));
    return lop_account_real(s, "write", SECONDS_MOST, &a->seconds.write);
}

static lop_status run_read(lop_account *a)
{
    json_t *calibration = NULL, *peak = NULL, *ignored = NULL;
    LOP_TRY(lop_json_object(a->report, "calibration", &calibration));
    LOP_TRY(lop_account_text(calibration, "file", &a->calib_file));
    LOP_TRY(lop_account_text(calibration, "sha256", &a->calib_sha256));
    LOP_TRY(lop_account_int(calibration, "nsamples", COUNT_MOST, &a->nsamples));
    LOP_TRY(lop_account_int(calibration, "seqlen", COUNT_MOST, &a->seqlen));
    LOP_TRY(lop_account_int(calibration, "tokens", COUNT_MOST, &a->tokens));
    LOP_TRY(lop_json_object(a->report, "peak_bytes", &peak));
    LOP_TRY(lop_account_real(peak, "device", BYTES_MOST, &a->device_bytes));
    LOP_TRY(lop_account_real(peak, "host", BYTES_MOST, &a->host_bytes));
    LOP_TRY(lop_account_int(a->report, "seed", COUNT_MOST, &a->seed));
    LOP_TRY(lop_json_object(a->report, "options", &ignored));
    return lop_json_array(a->report, "command", &ignored);
}

static lop_status head_read(lop_account *a)
{
    int64_t schema = LOP_REPORT_SCHEMA;
    if (!json_is_object(a->report))
        return LOP_FAIL(LOP_E_FORMAT, "its top is %s, expected an object", lop_json_kind(a->report));
    LOP_TRY(lop_json_int(a->report, "schema", INT64_MIN, INT64_MAX, &schema));
    if (schema != LOP_REPORT_SCHEMA)
        return LOP_FAIL(LOP_E_UNSUPPORTED, "its schema is %lld; this version reads schema %d",
                        (long long)schema, LOP_REPORT_SCHEMA);
    LOP_TRY(lop_json_need(a->report, "method"));
    LOP_TRY(head_texts(a));
    LOP_TRY(sparsity_read(a));
    LOP_TRY(seconds_read(a));
    return run_read(a);
}

/* A broken seal is no failure: what the report says is read all the same, and whoever shows it says so. */
static lop_status seal_read(lop_account *a, const char *text, size_t size)
{
    if (lop_json_find(a->report, "report_sha256") == NULL) {
        a->seal = LOP_SEAL_NONE;
        return LOP_OK;
    }
    const lop_status status = lop_report_check(a->report, text, size);
    a->seal = status == LOP_OK ? LOP_SEAL_WHOLE : LOP_SEAL_BROKEN;
    if (status != LOP_E_FORMAT) return status;
    lop_error_clear();
    return LOP_OK;
}

static lop_status text_read(lop_account *a, const char *text, size_t size)
{
    LOP_TRY(lop_json_parse(text, size, &a->report));
    LOP_TRY(head_read(a));
    LOP_TRY(seal_read(a, text, size));
    return lop_account_blocks(a);
}

lop_status lop_account_open(const char *folder, lop_account *out)
{
    char *path = NULL, *text = NULL;
    size_t size = 0;
    lop_status status = LOP_OK;
    *out = (lop_account){0};
    if (!lop_path_is_folder(folder)) return LOP_FAIL(LOP_E_FILE, "%s is no folder", folder);
    LOP_TRY_DONE(lop_path_join(folder, LOP_REPORT_NAME, &path));
    if (!lop_path_is_file(path))
        LOP_TRY_DONE(LOP_FAIL(LOP_E_FILE, "%s has no %s: give a folder that `lop prune` wrote", folder,
                              LOP_REPORT_NAME));
    LOP_TRY_DONE(lop_file_read(path, LOP_REPORT_MOST, &text, &size));
    status = text_read(out, text, size);
    if (status != LOP_OK) lop_note("while reading %s", path);
done:
    if (status != LOP_OK) lop_account_close(out);
    lop_free(text);
    lop_free(path);
    return status;
}

void lop_account_close(lop_account *a)
{
    for (int32_t b = 0; b < a->block_count; b++) {
        lop_free(a->blocks[b].linears);
        lop_free(a->blocks[b].steps);
    }
    for (int32_t c = 0; c < a->column_count; c++) {
        lop_free(a->columns[c].key);
        lop_free(a->columns[c].short_key);
    }
    lop_free(a->blocks);
    lop_json_close(a->report);
    *a = (lop_account){0};
}

void lop_account_label(const lop_account_block *block, char out[LOP_ACCOUNT_LABEL])
{
    if (block->last == block->index)
        lop_text_print(out, LOP_ACCOUNT_LABEL, "block %" PRId64, block->index);
    else
        lop_text_print(out, LOP_ACCOUNT_LABEL, "blocks %" PRId64 " %s %" PRId64, block->index,
                       block->last == block->index + 1 ? "and" : "to", block->last);
}

const lop_account_linear *lop_account_at(const lop_account_block *block, int32_t column)
{
    for (int32_t i = 0; i < block->linear_count; i++)
        if (block->linears[i].column == column) return &block->linears[i];
    return NULL;
}

bool lop_account_has_losses(const lop_account *a)
{
    for (int32_t b = 0; b < a->block_count; b++)
        if (a->blocks[b].loss_before >= 0.0 || a->blocks[b].loss_after >= 0.0) return true;
    return false;
}

bool lop_account_has_steps(const lop_account *a)
{
    for (int32_t b = 0; b < a->block_count; b++)
        if (a->blocks[b].step_count > 0) return true;
    return false;
}

bool lop_account_has_rows(const lop_account *a)
{
    for (int32_t b = 0; b < a->block_count; b++)
        for (int32_t i = 0; i < a->blocks[b].linear_count; i++)
            if (a->blocks[b].linears[i].has_rows) return true;
    return false;
}

bool lop_account_has_expected(const lop_account *a)
{
    for (int32_t b = 0; b < a->block_count; b++)
        for (int32_t i = 0; i < a->blocks[b].linear_count; i++)
            if (a->blocks[b].linears[i].expected >= 0.0) return true;
    return false;
}

double lop_account_block_sparsity(const lop_account_block *block)
{
    double zeros = 0.0, weights = 0.0;
    for (int32_t i = 0; i < block->linear_count; i++) {
        const lop_account_linear *l = &block->linears[i];
        if (l->dense != NULL) continue;
        zeros += (double)l->zeros;
        weights += (double)l->rows * (double)l->cols;
    }
    return weights > 0.0 ? zeros / weights : -1.0;
}
