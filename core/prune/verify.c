/* verify.c - a check from opening to verdict. What is found wrong in the folder is a finding, not a failure to check. */
#include "core/prune/verify_parts.h"

#include "core/base/file.h"
#include "core/base/hash.h"
#include "core/base/memory.h"
#include "core/base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const lop_option options[] = {
    {.name = "against",
     .kind = LOP_OPTION_PATH,
     .help = "the model that was pruned: what was kept is bit-identical"},
    {.name = "masks",
     .kind = LOP_OPTION_PATH,
     .help =
         "keep masks: what they drop is zero; by default masks.safetensors of the folder, if it is there"},
    {.name = "recompute",
     .kind = LOP_OPTION_INT,
     .low = 1,
     .high = 10000,
     .unit = "blocks",
     .help = "losses to compute again"},
    {.name = "calib", .kind = LOP_OPTION_PATH, .help = "calibration data for recompute"},
};

const lop_option *lop_verify_options(int *count)
{
    *count = (int)(sizeof options / sizeof options[0]);
    return options;
}

static json_t *element_json(const int64_t *element, int rank)
{
    if (element == NULL) return json_null();
    json_t *at = json_array();
    for (int i = 0; at != NULL && i < rank; i++)
        (void)json_array_append_new(at, json_integer((json_int_t)element[i]));
    return at;
}

lop_status lop_verify_fail(lop_verifying *v, const char *tensor, const int64_t *element, int rank,
                           const char *format, ...)
{
    char what[1200];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(what, sizeof what, format, args);
    va_end(args);
    json_t *words = json_string(what);
    if (words == NULL) words = json_string("a sentence that is no UTF-8");
    json_t *name = tensor != NULL ? json_string(tensor) : json_null();
    json_t *line =
        json_pack("{s:o, s:o, s:o}", "tensor", name, "element", element_json(element, rank), "what", words);
    if (line == NULL || json_array_append_new(v->failures, line) != 0)
        return LOP_FAIL(LOP_E_MEMORY, "there is no memory for the findings");
    return LOP_OK;
}

lop_status lop_verify_soften(lop_verifying *v, const char *tensor, lop_status status)
{
    if (status != LOP_E_FILE && status != LOP_E_FORMAT && status != LOP_E_UNSUPPORTED) return status;
    const lop_status added = lop_verify_fail(v, tensor, NULL, 0, "%s", lop_error());
    lop_error_clear();
    return added;
}

static bool is_linear(const lop_verifying *v, const lop_tensor *t)
{
    for (int32_t b = 0; v->net.family != NULL && b < v->net.config->blocks; b++)
        for (int i = 0; i < LOP_LINEAR_COUNT; i++)
            if (v->net.blocks[b].linear[i].weight == t) return true;
    return false;
}

static lop_status tensors_check(lop_verifying *v)
{
    const int32_t count = lop_checkpoint_count(v->file);
    for (int32_t i = 0; i < count; i++) {
        const lop_tensor *t = lop_checkpoint_at(v->file, i);
        LOP_TRY(is_linear(v, t) ? lop_verify_linear(v, t) : lop_verify_untouched(v, t));
        lop_log_progress(v->log, "tensors", i + 1, count);
    }
    return LOP_OK;
}

/* A tensor of the source may be missing where it is no part of a Hugging Face model, or a second copy of a tied head. */
static lop_status source_covered(lop_verifying *v)
{
    for (int32_t i = 0; v->source != NULL && i < lop_checkpoint_count(v->source); i++) {
        const lop_tensor *t = lop_checkpoint_at(v->source, i);
        const bool second = v->net.family != NULL && v->net.head == v->net.embedding &&
                            strcmp(t->name, v->net.family->head) == 0;
        if (second || strcmp(t->name, "rope_freqs.weight") == 0) continue;
        if (lop_checkpoint_find(v->file, t->name) == NULL)
            LOP_TRY(
                lop_verify_fail(v, t->name, NULL, 0, "the source has this tensor and the folder lacks it"));
    }
    return LOP_OK;
}

static lop_status inputs_open(lop_verifying *v, const lop_settings *settings)
{
    const char *against = lop_settings_text(settings, "against"),
               *masks = lop_settings_text(settings, "masks");
    if (lop_settings_given(settings, "recompute"))
        return LOP_FAIL(LOP_E_UNSUPPORTED,
                        "verify does not compute losses again in this version: leave recompute out");
    if (!lop_path_is_folder(v->folder)) return LOP_FAIL(LOP_E_FILE, "%s is no folder", v->folder);
    if (masks != NULL && !lop_path_is_file(masks)) return LOP_FAIL(LOP_E_FILE, "%s is no file", masks);
    if (against != NULL) LOP_TRY(lop_checkpoint_open(against, &v->source));
    LOP_TRY(lop_verify_report(v, masks));
    LOP_TRY(lop_verify_soften(v, NULL, lop_checkpoint_open(v->folder, &v->file)));
    if (v->file == NULL) return LOP_OK;
    const lop_status status = lop_net_open(v->file, &v->net);
    if (status != LOP_OK) v->net = (lop_net){0};
    return lop_verify_soften(v, NULL, status);
}

static lop_status check(lop_verifying *v)
{
    if (v->file == NULL) {
        v->untouched_identical = false;
        return LOP_OK;
    }
    LOP_TRY(lop_verify_headers(v));
    LOP_TRY(lop_verify_soften(v, NULL, tensors_check(v)));
    LOP_TRY(source_covered(v));
    return lop_verify_counts(v);
}

/* A digest tells which tensor changed and not where. The source that the report names, if it is still there and still the
 * same, tells the element. It is looked for only when something was found, and says nothing by its absence. */
static void source_recall(lop_verifying *v)
{
    char digest[LOP_SHA256_TEXT];
    const char *path = json_string_value(json_object_get(v->report, "model"));
    const char *want = json_string_value(json_object_get(v->report, "model_sha256"));
    if (path == NULL || want == NULL || lop_checkpoint_open(path, &v->source) != LOP_OK) {
        lop_error_clear();
        return;
    }
    if (lop_checkpoint_sha256(v->source, NULL, digest) == LOP_OK && strcmp(digest, want) == 0) return;
    lop_error_clear();
    lop_checkpoint_close(v->source);
    v->source = NULL;
}

/* Checks, and where something is wrong and the source was not given checks once more against the source. */
static lop_status check_named(lop_verifying *v)
{
    const size_t found = json_array_size(v->failures);
    v->against = v->source != NULL;
    LOP_TRY(check(v));
    if (v->against || json_array_size(v->failures) == found) return LOP_OK;
    source_recall(v);
    if (v->source == NULL) return LOP_OK;
    while (json_array_size(v->failures) > found) (void)json_array_remove(v->failures, found);
    (void)json_array_clear(v->linears);
    v->zeros = 0;
    return check(v);
}

/* The findings as one object; v's arrays are taken over. */
static lop_status result_make(lop_verifying *v, char **result)
{
    const bool ok = json_array_size(v->failures) == 0;
    json_t *same = v->against ? json_boolean(v->untouched_identical) : json_null();
    json_t *root = json_pack("{s:b, s:I, s:I, s:O, s:o, s:O}", "ok", (int)ok, "zeros", (json_int_t)v->zeros,
                             "prunable_weights", (json_int_t)v->net.prunable, "linears", v->linears,
                             "untouched_identical", same, "failures", v->failures);
    char *text = root != NULL ? json_dumps(root, JSON_COMPACT) : NULL;
    lop_status status =
        text != NULL ? lop_strdup(text, result) : LOP_FAIL(LOP_E_MEMORY, "there is no memory for the result");
    if (status == LOP_OK && !ok) {
        const json_t *first = json_array_get(v->failures, 0);
        const char *tensor = json_string_value(json_object_get(first, "tensor"));
        status = LOP_FAIL(LOP_E_VERIFY, "%s did not pass: %s: %s (%zu findings)", v->folder,
                          tensor != NULL ? tensor : "the folder",
                          json_string_value(json_object_get(first, "what")), json_array_size(v->failures));
    }
    free(text);
    json_decref(root);
    return status;
}

lop_status lop_verify_run(const char *folder, const lop_settings *settings, lop_log *log, char **result)
{
    lop_status status = LOP_OK;
    lop_verifying v = {.folder = folder, .log = log, .untouched_identical = true, .masks.file.handle = -1};
    *result = NULL;
    v.failures = json_array();
    v.linears = json_array();
    if (v.failures == NULL || v.linears == NULL)
        LOP_TRY_DONE(LOP_FAIL(LOP_E_MEMORY, "there is no memory for the findings"));
    LOP_TRY_DONE(inputs_open(&v, settings));
    LOP_TRY_DONE(check_named(&v));
    LOP_TRY_DONE(result_make(&v, result));
done:
    json_decref(v.linears);
    json_decref(v.failures);
    json_decref(v.report);
    lop_masks_close(&v.masks);
    lop_net_close(&v.net);
    lop_checkpoint_close(v.source);
    lop_checkpoint_close(v.file);
    return status;
}
