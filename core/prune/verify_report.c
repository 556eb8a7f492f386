/* verify_report.c - the report against itself, the headers and the mask file against the report. */
#include "core/prune/verify_parts.h"

#include "core/base/memory.h"
#include "core/prune/units.h"

#include <stdlib.h>
#include <string.h>

enum { PATTERN_MOST = 9999 }; /* weights in a group, for a report to be believed */

static const json_t *named(const json_t *list, const char *name)
{
    size_t i;
    json_t *line;
    json_array_foreach((json_t *)(uintptr_t)list, i, line)
    {
        const char *have = json_string_value(json_object_get(line, "name"));
        if (have != NULL && strcmp(have, name) == 0) return line;
    }
    return NULL;
}

/* Of a list that blocks have. */
static const json_t *listed(const lop_verifying *v, const char *list, const char *name)
{
    size_t i;
    json_t *block;
    if (v->report == NULL) return NULL;
    json_array_foreach(json_object_get(v->report, "blocks"), i, block)
    {
        const json_t *line = named(json_object_get(block, list), name);
        if (line != NULL) return line;
    }
    return NULL;
}

const json_t *lop_verify_line(const lop_verifying *v, const char *name)
{
    return listed(v, "linears", name);
}

const json_t *lop_verify_bias_line(const lop_verifying *v, const char *name)
{
    return listed(v, "biases", name);
}

const json_t *lop_verify_units(const lop_verifying *v, const lop_tensor *linear, const char **kind)
{
    for (int32_t b = 0; v->net.family != NULL && b < v->net.config->blocks; b++)
        for (int i = 0; i < LOP_LINEAR_COUNT; i++) {
            if (v->net.blocks[b].linear[i].weight != linear) continue;
            *kind = lop_unit_name(lop_unit_kind_of((lop_linear_id)i));
            const json_t *block = json_array_get(json_object_get(v->report, "blocks"), (size_t)b);
            return json_object_get(json_object_get(block, "units"), *kind);
        }
    return NULL;
}

const char *lop_verify_digest(const lop_verifying *v, const char *name)
{
    const json_t *line = lop_verify_line(v, name);
    if (line == NULL) line = lop_verify_bias_line(v, name);
    const char *digest = json_string_value(json_object_get(line, "sha256"));
    if (digest != NULL || v->report == NULL) return digest;
    return json_string_value(json_object_get(named(json_object_get(v->report, "untouched"), name), "sha256"));
}

/* "2:4" from the report; anything else claims nothing. */
static void pattern_take(lop_verifying *v)
{
    char *end = NULL;
    const json_t *sparsity = json_object_get(v->report, "sparsity");
    const char *text = json_string_value(json_object_get(sparsity, "pattern"));
    const long keep = text != NULL ? strtol(text, &end, 10) : 0;
    if (end == NULL || *end != ':') return;
    const long group = strtol(end + 1, &end, 10);
    if (*end != '\0' || keep <= 0 || group < keep || group > PATTERN_MOST) return;
    v->pattern = (lop_target){.keep = (int32_t)keep, .group = (int32_t)group};
}

static lop_status report_take(lop_verifying *v, const char *path)
{
    char *text = NULL;
    size_t size = 0;
    lop_status status = LOP_OK;
    LOP_TRY_DONE(lop_file_read(path, LOP_REPORT_MOST, &text, &size));
    LOP_TRY_DONE(lop_json_parse(text, size, &v->report));
    LOP_TRY_DONE(lop_report_check(v->report, text, size));
done:
    lop_free(text);
    return status;
}

static lop_status masks_digest(lop_verifying *v, const char *path)
{
    char digest[LOP_SHA256_TEXT];
    const char *want =
        v->report != NULL ? json_string_value(json_object_get(v->report, "masks_sha256")) : NULL;
    if (want == NULL) return LOP_OK;
    LOP_TRY(lop_sha256_files(&path, 1, NULL, digest));
    if (strcmp(digest, want) == 0) return LOP_OK;
    return lop_verify_fail(v, LOP_MASKS_NAME, NULL, 0, "the mask file has sha256 %s, the report says %s",
                           digest, want);
}

/* The masks that were named, or those beside the model. */
static lop_status masks_take(lop_verifying *v, const char *path)
{
    const bool told = v->report != NULL && json_is_string(json_object_get(v->report, "masks_sha256"));
    if (!lop_path_is_file(path)) {
        if (!told) return LOP_OK;
        return lop_verify_fail(v, LOP_MASKS_NAME, NULL, 0, "the report speaks of masks and there are none");
    }
    const lop_status status = lop_masks_open(path, &v->masks);
    v->has_masks = status == LOP_OK;
    LOP_TRY(lop_verify_soften(v, LOP_MASKS_NAME, status));
    return masks_digest(v, path);
}

lop_status lop_verify_report(lop_verifying *v, const char *masks_path)
{
    char *path = NULL, *beside = NULL;
    lop_status status = LOP_OK;
    LOP_TRY_DONE(lop_path_join(v->folder, LOP_REPORT_NAME, &path));
    LOP_TRY_DONE(lop_path_join(v->folder, LOP_MASKS_NAME, &beside));
    if (lop_path_is_file(path)) LOP_TRY_DONE(lop_verify_soften(v, LOP_REPORT_NAME, report_take(v, path)));
    if (v->report != NULL) pattern_take(v);
    LOP_TRY_DONE(masks_take(v, masks_path != NULL ? masks_path : beside));
done:
    lop_free(beside);
    lop_free(path);
    return status;
}

/* ---- headers */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static lop_status header_digest(lop_text header, char out[LOP_SHA256_TEXT])
{
    lop_sha256 h = {NULL};
    lop_status status = LOP_OK;
    unsigned char length[8];
    for (int i = 0; i < 8; i++) length[i] = (unsigned char)((uint64_t)header.size >> (8 * i));
    LOP_TRY_DONE(lop_sha256_open(&h));
    LOP_TRY_DONE(lop_sha256_add(&h, length, sizeof length));
    LOP_TRY_DONE(lop_sha256_add(&h, header.at, header.size));
    LOP_TRY_DONE(lop_sha256_text(&h, out));
done:
    lop_sha256_close(&h);
    return status;
}

static lop_status header_of_report(lop_verifying *v, int32_t file)
{
    char digest[LOP_SHA256_TEXT];
    const char *name = base_name(lop_checkpoint_file_path(v->file, file));
    const json_t *line = named(json_object_get(v->report, "files"), name);
    const char *want = json_string_value(json_object_get(line, "header_sha256"));
    if (want == NULL) return lop_verify_fail(v, name, NULL, 0, "the report does not speak of this file");
    LOP_TRY(header_digest(lop_checkpoint_header(v->file, file), digest));
    if (strcmp(digest, want) == 0) return LOP_OK;
    return lop_verify_fail(v, name, NULL, 0, "its header has sha256 %s, the report says %s", digest, want);
}

/* Where nothing changed its type, headers are the source's own. */
static bool types_kept(const lop_verifying *v)
{
    if (lop_checkpoint_is_gguf(v->source) || lop_checkpoint_files(v->source) != lop_checkpoint_files(v->file))
        return false;
    if (lop_checkpoint_count(v->source) != lop_checkpoint_count(v->file)) return false;
    for (int32_t i = 0; i < lop_checkpoint_count(v->file); i++) {
        const lop_tensor *t = lop_checkpoint_at(v->file, i), *s = lop_checkpoint_find(v->source, t->name);
        if (s == NULL || s->dtype != t->dtype) return false;
    }
    return true;
}

static lop_status header_of_source(lop_verifying *v, int32_t file)
{
    const lop_text have = lop_checkpoint_header(v->file, file), want = lop_checkpoint_header(v->source, file);
    const char *name = base_name(lop_checkpoint_file_path(v->file, file));
    if (lop_text_equal(have, want)) return LOP_OK;
    return lop_verify_fail(v, name, NULL, 0,
                           "its header is not the source's although no tensor changed its type");
}

lop_status lop_verify_headers(lop_verifying *v)
{
    const bool kept = v->source != NULL && types_kept(v);
    for (int32_t i = 0; i < lop_checkpoint_files(v->file); i++) {
        if (v->report != NULL) LOP_TRY(header_of_report(v, i));
        if (kept) LOP_TRY(header_of_source(v, i));
    }
    return LOP_OK;
}

/* ---- what the report and the masks name and the folder lacks, and the sums */

static lop_status list_there(lop_verifying *v, const json_t *list)
{
    size_t i;
    json_t *line;
    json_array_foreach((json_t *)(uintptr_t)list, i, line)
    {
        const char *name = json_string_value(json_object_get(line, "name"));
        if (name != NULL && lop_checkpoint_find(v->file, name) == NULL)
            LOP_TRY(
                lop_verify_fail(v, name, NULL, 0, "the report names this tensor and the folder lacks it"));
    }
    return LOP_OK;
}

lop_status lop_verify_counts(lop_verifying *v)
{
    size_t i;
    json_t *block;
    for (int32_t m = 0; v->has_masks && m < v->masks.count; m++)
        if (lop_checkpoint_find(v->file, v->masks.at[m].name) == NULL)
            LOP_TRY(lop_verify_fail(v, v->masks.at[m].name, NULL, 0,
                                    "there is a mask of this tensor and no tensor"));
    if (v->report == NULL) return LOP_OK;
    LOP_TRY(list_there(v, json_object_get(v->report, "untouched")));
    json_array_foreach(json_object_get(v->report, "blocks"), i, block)
    {
        LOP_TRY(list_there(v, json_object_get(block, "linears")));
        LOP_TRY(list_there(v, json_object_get(block, "biases")));
    }
    const json_t *zeros = json_object_get(json_object_get(v->report, "sparsity"), "zeros");
    if (json_is_integer(zeros) && json_integer_value(zeros) == v->zeros) return LOP_OK;
    return lop_verify_fail(v, NULL, NULL, 0, "the linears hold %lld zeros, the report says %lld",
                           (long long)v->zeros, (long long)json_integer_value(zeros));
}
