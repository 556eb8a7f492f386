/* run_resume.c - a started run taken up again: is it the same run, what did it write, and its weights as a source. */
#include "core/prune/run_parts.h"

#include "core/base/file.h"
#include "core/base/memory.h"

#include <stdlib.h>
#include <string.h>

static lop_status calibration_json(const lop_run *run, json_t **out)
{
    const lop_calibration *c = &run->calibration;
    if (c->ids == NULL)
        *out = json_null();
    else
        *out = json_pack("{s:s, s:i, s:i}", "sha256", c->sha256, "nsamples", (int)c->windows, "seqlen",
                         (int)c->seqlen);
    if (*out == NULL) return LOP_FAIL(LOP_E_MEMORY, "there is no memory for the fingerprint");
    return LOP_OK;
}

lop_status lop_run_fingerprint(const lop_run *run, char **out)
{
    lop_status status = LOP_OK;
    json_t *root = json_object(), *part = NULL;
    char *text = NULL;
    *out = NULL;
    if (root == NULL) LOP_TRY_DONE(LOP_FAIL(LOP_E_MEMORY, "there is no memory for the fingerprint"));
    LOP_TRY_DONE(lop_json_put(root, "version", json_string(LOP_VERSION)));
    LOP_TRY_DONE(lop_json_put(root, "method", json_string(run->method->name)));
    LOP_TRY_DONE(lop_json_put(root, "model_sha256", json_string(run->model_sha256)));
    LOP_TRY_DONE(calibration_json(run, &part));
    LOP_TRY_DONE(lop_json_put(root, "calibration", part));
    part = NULL;
    LOP_TRY_DONE(lop_run_settings(run, false, &part));
    LOP_TRY_DONE(lop_json_put(root, "options", part));
    part = NULL;
    LOP_TRY_DONE(lop_json_put(root, "backend", json_string(run->call->device->backend->name)));
    text = json_dumps(root, JSON_COMPACT);
    if (text == NULL) LOP_TRY_DONE(LOP_FAIL(LOP_E_MEMORY, "there is no memory for the fingerprint"));
    LOP_TRY_DONE(lop_strdup(text, out));
done:
    free(text);
    json_decref(part);
    json_decref(root);
    return status;
}

/* A report that is damaged or not ours is no failure here: the folder is then one that is not empty. */
static bool report_is_ours(const lop_run *run, const char *text, size_t size)
{
    json_t *report = NULL;
    bool ours =
        lop_json_parse(text, size, &report) == LOP_OK && lop_report_check(report, text, size) == LOP_OK;
    const char *was = json_string_value(json_object_get(report, LOP_REPORT_FINGERPRINT));
    ours = ours && was != NULL && strcmp(was, run->fingerprint_sha256) == 0;
    json_decref(report);
    lop_error_clear();
    return ours;
}

lop_status lop_run_is_finished(const lop_run *run, bool *out)
{
    char *report = NULL, *config = NULL, *text = NULL;
    size_t size = 0;
    lop_status status = LOP_OK;
    *out = false;
    LOP_TRY_DONE(lop_path_join(run->call->save, LOP_REPORT_NAME, &report));
    LOP_TRY_DONE(lop_path_join(run->call->save, "config.json", &config));
    if (!lop_path_is_file(report) || !lop_path_is_file(config)) goto done;
    LOP_TRY_DONE(lop_file_read(report, LOP_REPORT_MOST, &text, &size));
    *out = report_is_ours(run, text, size);
done:
    lop_free(text);
    lop_free(config);
    lop_free(report);
    return status;
}

static lop_status take_block(lop_run *run, json_t *block)
{
    int64_t index = -1;
    LOP_TRY(lop_json_int(block, "index", 0, INT32_MAX, &index));
    if (json_array_append(run->blocks, block) != 0)
        return LOP_FAIL(LOP_E_MEMORY, "there is no memory for the report");
    if (index == run->done++) return LOP_OK;
    return LOP_FAIL(LOP_E_FORMAT, "where the journal should tell of block %d it tells of block %lld",
                    run->done - 1, (long long)index);
}

/* A line of one block is its report, and one of several has them. */
static lop_status take_line(lop_run *run, json_t *line)
{
    json_t *span = NULL;
    LOP_TRY(lop_json_array(line, LOP_JOURNAL_SPAN, &span));
    if (span == NULL) return take_block(run, line);
    for (size_t i = 0; i < json_array_size(span); i++) LOP_TRY(take_block(run, json_array_get(span, i)));
    return LOP_OK;
}

lop_status lop_run_take_journal(lop_run *run)
{
    run->done = 0;
    run->units = lop_output_done(run->output);
    for (int32_t i = 0; i < run->units; i++) {
        const char *text = lop_output_done_line(run->output, i);
        json_t *line = NULL;
        LOP_TRY(lop_json_parse(text, strlen(text), &line));
        const lop_status status = take_line(run, line);
        json_decref(line);
        LOP_TRY(status);
    }
    run->told = run->done;
    if (run->done <= run->net.config->blocks) return LOP_OK;
    return LOP_FAIL(LOP_E_FORMAT, "the journal holds %d blocks of %d", run->done, run->net.config->blocks);
}

/* What an earlier run wrote stands for the checkpoint; what it left alone comes from there. */
static lop_status written(void *user, const lop_tensor *t, int64_t first, int64_t rows, lop_dtype as,
                          void *values, bool *taken)
{
    const lop_run *run = user;
    *taken = false;
    for (int32_t b = 0; b < run->done; b++)
        for (int i = 0; i < LOP_LINEAR_COUNT; i++) {
            const lop_linear_file *l = &run->net.blocks[b].linear[i];
            if (l->weight != t && l->bias != t) continue;
            *taken = lop_run_changes(run, t);
            return *taken ? lop_output_read(run->output, t, first, rows, as, values) : LOP_OK;
        }
    return LOP_OK;
}

lop_source lop_run_written_source(lop_run *run)
{
    return (lop_source){.fn = written, .user = run};
}
