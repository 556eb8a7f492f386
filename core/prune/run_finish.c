/* run_finish.c - the end of a run: what nobody wrote is copied, the report is made, and the folder appears. */
#include "core/prune/run_parts.h"

#include "core/base/memory.h"

typedef struct counts {
    int64_t dropped, zeros, zeros_before;
} counts;

static counts counts_of(const json_t *blocks)
{
    counts sum = {0};
    size_t b, i;
    json_t *block, *line;
    json_array_foreach((json_t *)(uintptr_t)blocks, b, block)
    {
        json_array_foreach(json_object_get(block, "linears"), i, line)
        {
            sum.dropped += json_integer_value(json_object_get(line, "dropped"));
            sum.zeros += json_integer_value(json_object_get(line, "zeros"));
            sum.zeros_before += json_integer_value(json_object_get(line, "zeros_before"));
        }
    }
    return sum;
}

static json_t *checked(json_t *value, lop_status *status)
{
    if (value == NULL && *status == LOP_OK)
        *status = LOP_FAIL(LOP_E_MEMORY, "there is no memory for the report");
    return value;
}

static json_t *pattern_json(const lop_target *target)
{
    return target->group == 0 ? json_null() : json_sprintf("%d:%d", (int)target->keep, (int)target->group);
}

static lop_status sparsity_add(const lop_run *run, json_t *root)
{
    lop_status status = LOP_OK;
    const counts sum = counts_of(run->blocks);
    json_t *sparsity = checked(json_pack("{s:f, s:o, s:f, s:f}", "target", run->target.ratio, "pattern",
                                         pattern_json(&run->target), "prunable",
                                         (double)sum.zeros / (double)run->net.prunable, "all_parameters",
                                         (double)sum.zeros / (double)run->net.parameters),
                               &status);
    LOP_TRY(status);
    LOP_TRY(lop_json_put(sparsity, "dropped", json_integer(sum.dropped)));
    LOP_TRY(lop_json_put(sparsity, "zeros", json_integer(sum.zeros)));
    LOP_TRY(lop_json_put(sparsity, "zeros_before", json_integer(sum.zeros_before)));
    LOP_TRY(lop_json_put(sparsity, "prunable_weights", json_integer((json_int_t)run->net.prunable)));
    LOP_TRY(lop_json_put(sparsity, "parameters", json_integer((json_int_t)run->net.parameters)));
    return lop_json_put(root, "sparsity", sparsity);
}

static lop_status calibration_add(const lop_run *run, json_t *root)
{
    const lop_calibration *c = &run->calibration;
    if (c->ids == NULL) return lop_json_put(root, "calibration", json_null());
    return lop_json_put(root, "calibration",
                        json_pack("{s:s, s:s, s:i, s:i, s:I}", "file", c->file, "sha256", c->sha256,
                                  "nsamples", (int)c->windows, "seqlen", (int)c->seqlen, "tokens",
                                  (json_int_t)c->windows * c->seqlen));
}

static lop_status skipped_add(const lop_run *run, json_t *root)
{
    json_t *skipped = json_array();
    LOP_TRY(lop_json_put(root, "skipped", skipped));
    for (int32_t b = 0; b < run->choice.blocks; b++)
        for (int i = 0; i < LOP_LINEAR_COUNT; i++) {
            const lop_tensor *t = run->net.blocks[b].linear[i].weight;
            if (t == NULL || run->choice.why[b][i] == NULL) continue;
            json_t *line = json_pack("{s:s, s:s}", "name", t->name, "reason", run->choice.why[b][i]);
            if (line == NULL || json_array_append_new(skipped, line) != 0)
                return LOP_FAIL(LOP_E_MEMORY, "there is no memory for the report");
        }
    return LOP_OK;
}

lop_status lop_run_copy_untouched(void *user)
{
    lop_run *run = user;
    for (int32_t i = 0; i < lop_checkpoint_count(run->net.file); i++) {
        const lop_tensor *t = lop_checkpoint_at(run->net.file, i);
        if (!lop_output_holds(run->output, t) || lop_run_changes(run, t)) continue;
        if (!atomic_load(&run->handed_over)) LOP_TRY(lop_log_check_stop(run->call->log));
        LOP_TRY(lop_output_copy(run->output, t));
    }
    return LOP_OK;
}

/* Digests of what was left alone; those of pruned linears stand in their blocks. */
static lop_status untouched_add(const lop_run *run, json_t *root)
{
    json_t *untouched = json_array();
    LOP_TRY(lop_json_put(root, "untouched", untouched));
    for (int32_t i = 0; i < lop_checkpoint_count(run->net.file); i++) {
        char digest[LOP_SHA256_TEXT];
        const lop_tensor *t = lop_checkpoint_at(run->net.file, i);
        if (!lop_output_holds(run->output, t) || lop_run_changes(run, t)) continue;
        LOP_TRY(lop_log_check_stop(run->call->log));
        LOP_TRY(lop_output_sha256(run->output, t->name, digest));
        json_t *line = json_pack("{s:s, s:s}", "name", t->name, "sha256", digest);
        if (line == NULL || json_array_append_new(untouched, line) != 0)
            return LOP_FAIL(LOP_E_MEMORY, "there is no memory for the report");
    }
    return LOP_OK;
}

static lop_status files_add(const lop_run *run, json_t *root)
{
    json_t *files = json_array();
    LOP_TRY(lop_json_put(root, "files", files));
    for (int32_t i = 0; i < lop_output_files(run->output); i++) {
        lop_output_file file;
        LOP_TRY(lop_output_file_at(run->output, i, &file));
        json_t *line = json_pack("{s:s, s:I, s:s}", "name", file.name, "bytes", (json_int_t)file.bytes,
                                 "header_sha256", file.header_sha256);
        if (line == NULL || json_array_append_new(files, line) != 0)
            return LOP_FAIL(LOP_E_MEMORY, "there is no memory for the report");
    }
    if (!run->options.save_masks) return lop_json_put(root, "masks_sha256", json_null());
    char digest[LOP_SHA256_TEXT];
    const char *const path = run->masks.file.path;
    LOP_TRY(lop_sha256_files(&path, 1, NULL, digest));
    return lop_json_put(root, "masks_sha256", json_string(digest));
}

static lop_status command_add(const lop_run *run, json_t *root)
{
    json_t *command = run->call->command != NULL ? json_loads(run->call->command, 0, NULL) : json_array();
    return lop_json_put(root, "command", command);
}

static lop_status figures_add(lop_run *run, json_t *root)
{
    const lop_report_seconds *s = &run->seconds;
    lop_host_peak peak;
    lop_host_peak_read(&peak);
    const bool host = run->call->device->host_memory;
    run->seconds.total = lop_clock_seconds() - run->began;
    LOP_TRY(lop_json_put(root, "seconds",
                         json_pack("{s:f, s:f, s:f, s:f, s:f}", "total", s->total, "load", s->load,
                                   "calibrate", s->calibrate, "learn", s->learn, "write", s->write)));
    return lop_json_put(
        root, "peak_bytes",
        json_pack("{s:o, s:I}", "device",
                  host ? json_null() : json_integer((json_int_t)lop_buf_used(LOP_ON_DEVICE).peak), "host",
                  (json_int_t)peak.anonymous));
}

static lop_status head_add(const lop_run *run, json_t *root)
{
    const lop_prune_call *call = run->call;
    json_t *settings = NULL;
    LOP_TRY(lop_json_put(root, "schema", json_integer(LOP_REPORT_SCHEMA)));
    LOP_TRY(lop_json_put(root, "tool", json_string("lop")));
    LOP_TRY(lop_json_put(root, "version", json_string(LOP_VERSION)));
    LOP_TRY(command_add(run, root));
    LOP_TRY(lop_json_put(root, "model", json_string(lop_checkpoint_path(call->model))));
    LOP_TRY(lop_json_put(root, "model_sha256", json_string(run->model_sha256)));
    LOP_TRY(lop_json_put(root, LOP_REPORT_FINGERPRINT, json_string(run->fingerprint_sha256)));
    LOP_TRY(lop_json_put(root, "method", json_string(run->method->name)));
    const lop_status status = lop_run_settings(run, true, &settings);
    LOP_TRY(lop_json_put(root, "options", settings));
    LOP_TRY(status);
    LOP_TRY(lop_json_put(root, "seed", json_integer((json_int_t)lop_settings_int(call->settings, "seed"))));
    LOP_TRY(lop_json_put(root, "backend", json_string(call->device->backend->name)));
    return lop_json_put(root, "device", json_string(call->device->name));
}

static lop_status report_make(lop_run *run, json_t *root)
{
    LOP_TRY(head_add(run, root));
    LOP_TRY(calibration_add(run, root));
    LOP_TRY(sparsity_add(run, root));
    LOP_TRY(figures_add(run, root));
    LOP_TRY(skipped_add(run, root));
    LOP_TRY(lop_json_put(root, "blocks", json_incref(run->blocks)));
    LOP_TRY(untouched_add(run, root));
    LOP_TRY(files_add(run, root));
    return lop_report_seal(root);
}

lop_status lop_run_finish(lop_run *run, char **report)
{
    lop_status status = LOP_OK;
    const double from = lop_clock_seconds();
    size_t size = 0;
    json_t *root = json_object();
    if (root == NULL) return LOP_FAIL(LOP_E_MEMORY, "there is no memory for the report");
    LOP_TRY_DONE(lop_writer_wait(run->writer));
    LOP_TRY_DONE(lop_run_identity_wait(run));
    LOP_TRY_DONE(lop_run_tell_written(run));
    LOP_TRY_DONE(lop_log_check_stop(run->call->log));
    LOP_TRY_DONE(lop_output_copy_rest(run->output));
    run->seconds.write += lop_clock_seconds() - from;
    LOP_TRY_DONE(report_make(run, root));
    LOP_TRY_DONE(lop_report_text(root, report, &size));
    LOP_TRY_DONE(lop_output_add_file(run->output, LOP_REPORT_NAME, *report, size));
    LOP_TRY_DONE(lop_output_publish(run->output));
done:
    json_decref(root);
    return status;
}
