/* mask_verbs.c - what is done with files of masks: compared, combined, and put back into a model that was trained on. */
#include "core/prune/masks.h"

#include "core/base/memory.h"
#include "core/io/output.h"
#include "core/prune/report.h"

#include <stdlib.h>
#include <string.h>

static const lop_option options[] = {
    {.name = "masks", .kind = LOP_OPTION_PATH, .help = "a file of keep masks"},
    {.name = "other", .kind = LOP_OPTION_PATH, .help = "another one, for diff and union"},
    {.name = "model", .kind = LOP_OPTION_PATH, .help = "the model that apply puts zeros into"},
    {.name = "save",
     .kind = LOP_OPTION_PATH,
     .help = "the folder that apply writes, the file that union writes"},
    {.name = "force", .kind = LOP_OPTION_FLAG, .default_text = "off", .help = "overwrite what is there"},
};

const lop_option *lop_mask_options(int *count)
{
    *count = (int)(sizeof options / sizeof options[0]);
    return options;
}

static lop_status need(const lop_settings *s, const char *verb, const char *name, const char **out)
{
    *out = lop_settings_text(s, name);
    if (*out != NULL) return LOP_OK;
    return LOP_FAIL(LOP_E_ARGUMENT, "mask %s needs --%s", verb, name);
}

static lop_status result_text(json_t *root, char **result)
{
    char *text = root != NULL ? json_dumps(root, JSON_COMPACT) : NULL;
    const lop_status status =
        text != NULL ? lop_strdup(text, result) : LOP_FAIL(LOP_E_MEMORY, "there is no memory for the result");
    free(text);
    return status;
}

/* ---- two files */

/* Both masks of one linear in memory. */
typedef struct pair {
    unsigned char *a, *b;
    size_t bytes;
} pair;

static void pair_close(pair *p)
{
    lop_free(p->b);
    lop_free(p->a);
    *p = (pair){0};
}

static lop_status pair_read(const lop_masks *a, const lop_masks *b, const lop_mask_entry *e, pair *out)
{
    const lop_mask_entry *f = lop_masks_find(b, e->name);
    *out = (pair){.bytes = (size_t)e->bytes};
    if (f == NULL) return LOP_FAIL(LOP_E_FORMAT, "%s has no mask of %s", b->file.path, e->name);
    if (f->rows != e->rows || f->cols != e->cols)
        return LOP_FAIL(LOP_E_FORMAT, "the mask of %s is (%d, %d) in %s and (%d, %d) in %s", e->name, e->rows,
                        e->cols, a->file.path, f->rows, f->cols, b->file.path);
    LOP_TRY(lop_alloc(out->bytes, 1, &out->a));
    LOP_TRY(lop_alloc(out->bytes, 1, &out->b));
    LOP_TRY(lop_masks_read(a, e, out->a));
    return lop_masks_read(b, f, out->b);
}

static lop_status two_open(const lop_settings *s, const char *verb, lop_masks *a, lop_masks *b)
{
    const char *masks, *other;
    LOP_TRY(need(s, verb, "masks", &masks));
    LOP_TRY(need(s, verb, "other", &other));
    LOP_TRY(lop_masks_open(masks, a));
    LOP_TRY(lop_masks_open(other, b));
    if (a->count == b->count) return LOP_OK;
    return LOP_FAIL(LOP_E_FORMAT, "%s holds %d masks and %s %d", masks, a->count, other, b->count);
}

typedef struct tally {
    int64_t weights, both_kept, both_dropped, only_first, only_second; /* only_: kept by this one alone */
} tally;

static void tally_add(const pair *p, const lop_mask_entry *e, tally *t)
{
    int64_t both = 0, first = 0, second = 0;
    for (size_t i = 0; i < p->bytes; i++) {
        both += __builtin_popcount(p->a[i] & p->b[i]);
        first += __builtin_popcount(p->a[i] & ~p->b[i]);
        second += __builtin_popcount(p->b[i] & ~p->a[i]);
    }
    const int64_t weights = (int64_t)e->rows * e->cols;
    t->weights += weights;
    t->both_kept += both;
    t->only_first += first;
    t->only_second += second;
    t->both_dropped += weights - both - first - second;
}

static json_t *tally_json(const char *name, const tally *t)
{
    const double same = t->weights > 0 ? (double)(t->both_kept + t->both_dropped) / (double)t->weights : 1.0;
    json_t *line = json_pack("{s:I, s:I, s:I, s:I, s:I, s:f}", "weights", (json_int_t)t->weights, "both_kept",
                             (json_int_t)t->both_kept, "both_dropped", (json_int_t)t->both_dropped,
                             "only_first_keeps", (json_int_t)t->only_first, "only_second_keeps",
                             (json_int_t)t->only_second, "agreement", same);
    if (line != NULL && name != NULL) (void)json_object_set_new(line, "name", json_string(name));
    return line;
}

static lop_status diff(const lop_settings *s, lop_log *log, char **result)
{
    lop_status status = LOP_OK;
    lop_masks a = {.file.handle = -1}, b = {.file.handle = -1};
    pair p = {0};
    tally all = {0};
    json_t *root = NULL, *linears = json_array();
    LOP_TRY_DONE(two_open(s, "diff", &a, &b));
    for (int32_t i = 0; i < a.count; i++) {
        tally one = {0};
        LOP_TRY_DONE(lop_log_check_stop(log));
        pair_close(&p);
        LOP_TRY_DONE(pair_read(&a, &b, &a.at[i], &p));
        tally_add(&p, &a.at[i], &one);
        tally_add(&p, &a.at[i], &all);
        if (json_array_append_new(linears, tally_json(a.at[i].name, &one)) != 0)
            LOP_TRY_DONE(LOP_FAIL(LOP_E_MEMORY, "there is no memory for the result"));
    }
    root = tally_json(NULL, &all);
    LOP_TRY_DONE(lop_json_put(root, "linears", json_incref(linears)));
    LOP_TRY_DONE(result_text(root, result));
done:
    json_decref(root);
    json_decref(linears);
    pair_close(&p);
    lop_masks_close(&b);
    lop_masks_close(&a);
    return status;
}

/* The file appears whole: bytes are gathered first. */
static lop_status union_bytes(const lop_masks *a, const lop_masks *b, lop_log *log, unsigned char *bytes,
                              int64_t *dropped, int64_t *weights)
{
    memcpy(bytes, a->header, a->header_bytes);
    for (int32_t i = 0; i < a->count; i++) {
        const lop_mask_entry *e = &a->at[i];
        int64_t kept = 0;
        pair p = {0};
        lop_status status = lop_log_check_stop(log);
        if (status == LOP_OK) status = pair_read(a, b, e, &p);
        for (size_t j = 0; status == LOP_OK && j < p.bytes; j++) {
            bytes[e->at + j] = p.a[j] & p.b[j];
            kept += __builtin_popcount(bytes[e->at + j]);
        }
        pair_close(&p);
        LOP_TRY(status);
        *weights += (int64_t)e->rows * e->cols;
        *dropped += (int64_t)e->rows * e->cols - kept;
    }
    return LOP_OK;
}

static lop_status unite(const lop_settings *s, lop_log *log, char **result)
{
    lop_status status = LOP_OK;
    lop_masks a = {.file.handle = -1}, b = {.file.handle = -1};
    unsigned char *bytes = NULL;
    json_t *root = NULL;
    const char *save = NULL;
    int64_t dropped = 0, weights = 0;
    LOP_TRY_DONE(need(s, "union", "save", &save));
    LOP_TRY_DONE(two_open(s, "union", &a, &b));
    if (lop_path_is_folder(save) || (lop_path_is_file(save) && !lop_settings_flag(s, "force")))
        LOP_TRY_DONE(LOP_FAIL(
            LOP_E_ARGUMENT, "%s is there already: choose another file, or overwrite it with --force", save));
    LOP_TRY_DONE(lop_alloc((size_t)a.file.size, 1, &bytes));
    LOP_TRY_DONE(union_bytes(&a, &b, log, bytes, &dropped, &weights));
    LOP_TRY_DONE(lop_file_write_atomic(save, bytes, (size_t)a.file.size));
    root = json_pack("{s:s, s:I, s:I}", "save", save, "weights", (json_int_t)weights, "dropped",
                     (json_int_t)dropped);
    LOP_TRY_DONE(result_text(root, result));
done:
    json_decref(root);
    lop_free(bytes);
    lop_masks_close(&b);
    lop_masks_close(&a);
    return status;
}

/* ---- a model */

/* Values of `word` bytes whose bit is 0 become +0. */
static int64_t zero_dropped(unsigned char *values, const unsigned char *bits, const lop_mask_entry *e,
                            size_t word)
{
    int64_t dropped = 0;
    const size_t line = ((size_t)e->cols + 7) / 8;
    for (int32_t r = 0; r < e->rows; r++)
        for (int32_t c = 0; c < e->cols; c++) {
            if ((bits[(size_t)r * line + (size_t)c / 8] >> (7 - c % 8) & 1) != 0) continue;
            memset(values + ((size_t)r * (size_t)e->cols + (size_t)c) * word, 0, word);
            dropped++;
        }
    return dropped;
}

static lop_status tensor_find(const lop_checkpoint *model, const lop_mask_entry *e, const lop_tensor **out)
{
    *out = lop_checkpoint_find(model, e->name);
    if (*out == NULL)
        return LOP_FAIL(LOP_E_FORMAT, "there is a mask of %s and the model has no such tensor", e->name);
    return lop_checkpoint_need(model, e->name, e->rows, e->cols, out);
}

static lop_status apply_one(const lop_checkpoint *model, const lop_masks *masks, const lop_mask_entry *e,
                            lop_output *output, int64_t *dropped)
{
    lop_status status = LOP_OK;
    const lop_tensor *t = NULL;
    unsigned char *values = NULL, *bits = NULL;
    LOP_TRY_DONE(tensor_find(model, e, &t));
    const lop_dtype dtype = lop_output_dtype(output, t);
    const size_t bytes = lop_dtype_bytes(dtype, (uint64_t)e->rows * (uint64_t)e->cols);
    LOP_TRY_DONE(lop_alloc_aligned(bytes, 64, &values));
    LOP_TRY_DONE(lop_alloc((size_t)e->bytes, 1, &bits));
    LOP_TRY_DONE(lop_checkpoint_read(model, t, 0, e->rows, dtype, values));
    LOP_TRY_DONE(lop_masks_read(masks, e, bits));
    *dropped += zero_dropped(values, bits, e, lop_dtype_group_bytes(dtype));
    LOP_TRY_DONE(lop_output_write(output, e->name, values, bytes));
done:
    lop_free(bits);
    lop_free(values);
    return status;
}

static lop_status apply_all(const lop_checkpoint *model, const lop_masks *masks, lop_output *output,
                            lop_log *log, int64_t *dropped)
{
    for (int32_t i = 0; i < masks->count; i++) {
        LOP_TRY(lop_log_check_stop(log));
        LOP_TRY(apply_one(model, masks, &masks->at[i], output, dropped));
        lop_log_progress(log, "linears", i + 1, masks->count);
    }
    LOP_TRY(lop_output_copy_rest(output));
    return lop_output_publish(output);
}

/* Before anything is written: every mask has its tensor. */
static lop_status masks_fit(const lop_checkpoint *model, const lop_masks *masks)
{
    for (int32_t i = 0; i < masks->count; i++) {
        const lop_tensor *t = NULL;
        LOP_TRY(tensor_find(model, &masks->at[i], &t));
    }
    return LOP_OK;
}

static lop_status apply(const lop_settings *s, lop_log *log, char **result)
{
    lop_status status = LOP_OK;
    lop_checkpoint *model = NULL;
    lop_output *output = NULL;
    lop_masks masks = {.file.handle = -1};
    json_t *root = NULL;
    const char *paths[3] = {NULL};
    int64_t dropped = 0;
    LOP_TRY_DONE(need(s, "apply", "masks", &paths[0]));
    LOP_TRY_DONE(need(s, "apply", "model", &paths[1]));
    LOP_TRY_DONE(need(s, "apply", "save", &paths[2]));
    LOP_TRY_DONE(lop_masks_open(paths[0], &masks));
    LOP_TRY_DONE(lop_checkpoint_open(paths[1], &model));
    LOP_TRY_DONE(masks_fit(model, &masks));
    const lop_output_plan plan = {.source = model,
                                  .folder = paths[2],
                                  .fingerprint = "{\"tool\":\"mask apply\"}",
                                  .force = lop_settings_flag(s, "force")};
    LOP_TRY_DONE(lop_output_open(&plan, &output));
    LOP_TRY_DONE(apply_all(model, &masks, output, log, &dropped));
    root = json_pack("{s:s, s:i, s:I}", "save", paths[2], "linears", (int)masks.count, "dropped",
                     (json_int_t)dropped);
    LOP_TRY_DONE(result_text(root, result));
done:
    json_decref(root);
    if (status != LOP_OK) lop_output_discard(output);
    lop_output_close(output);
    lop_checkpoint_close(model);
    lop_masks_close(&masks);
    return status;
}

lop_status lop_mask_run(const char *verb, const lop_settings *settings, lop_log *log, char **result)
{
    *result = NULL;
    if (strcmp(verb, "apply") == 0) return apply(settings, log, result);
    if (strcmp(verb, "diff") == 0) return diff(settings, log, result);
    if (strcmp(verb, "union") == 0) return unite(settings, log, result);
    return LOP_FAIL(LOP_E_ARGUMENT, "mask %s is not known: the verbs are apply, diff and union", verb);
}
