/* output.c - a folder in the making opened: files planned and given their size, or found again, and closed. */
#include "core/io/output.h"

#include "core/base/hash.h"
#include "core/base/memory.h"
#include "core/io/output_state.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the plan's digest */

/* Names, types and places of all tensors are in the headers. */
static lop_status digest(const lop_shards *s, char out[LOP_SHA256_TEXT])
{
    lop_sha256 h = {NULL};
    lop_status status = LOP_OK;
    LOP_TRY_DONE(lop_sha256_open(&h));
    for (int32_t f = 0; f < s->files; f++) {
        LOP_TRY_DONE(lop_sha256_add(&h, s->file[f].name, strlen(s->file[f].name) + 1));
        LOP_TRY_DONE(lop_sha256_add(&h, s->file[f].header.at, s->file[f].header.size));
    }
    LOP_TRY_DONE(lop_sha256_text(&h, out));
done:
    lop_sha256_close(&h);
    return status;
}

/* ---- the files */

static lop_status make_file(const char *path, const lop_shard_file *plan, lop_file *out)
{
    LOP_TRY(lop_file_create(path, plan->size, out));
    LOP_TRY(lop_file_write_at(out, 0, plan->header.at, plan->header.size));
    return lop_file_sync(out);
}

/* A file of a started run lies in .lop, or under its final name when publication had begun. */
static lop_status find_file(const lop_output *o, const char *path, const lop_shard_file *plan, lop_file *out)
{
    char *final = NULL;
    lop_status status = LOP_OK;
    struct stat st;
    LOP_TRY_DONE(lop_path_join(o->folder, plan->name, &final));
    const char *where = o->published ? final : path;
    if (stat(where, &st) != 0 || (uint64_t)st.st_size != plan->size) {
        status = LOP_FAIL(LOP_E_FILE,
                          "%s of the started run is missing or not %llu bytes long; start again with --force",
                          where, (unsigned long long)plan->size);
        goto done;
    }
    status = o->published ? lop_file_open(where, out) : lop_file_create(where, plan->size, out);
done:
    lop_free(final);
    return status;
}

static lop_status open_files(lop_output *o)
{
    const lop_shards *s = &o->shards;
    LOP_TRY(LOP_NEW(&o->files, s->files));
    LOP_TRY(LOP_NEW(&o->dirty, s->files));
    for (int32_t f = 0; f < s->files; f++) o->files[f].handle = -1;
    for (int32_t f = 0; f < s->files; f++) {
        char *path = NULL;
        LOP_TRY(lop_path_join(o->work, s->file[f].name, &path));
        const lop_status status = o->resumed ? find_file(o, path, &s->file[f], &o->files[f])
                                             : make_file(path, &s->file[f], &o->files[f]);
        lop_free(path);
        LOP_TRY(status);
    }
    return LOP_OK;
}

/* What the journal says is written. */
static lop_status take_done(lop_output *o)
{
    LOP_TRY(LOP_NEW(&o->written, o->shards.count));
    LOP_TRY(LOP_NEW(&o->journaled, o->shards.count));
    LOP_TRY(lop_alloc((size_t)o->shards.count, sizeof *o->digest, &o->digest));
    for (int32_t u = 0; u < o->journal.count; u++) {
        const json_t *tensors = o->journal.unit[u].tensors;
        for (size_t i = 0; i < json_array_size(tensors); i++) {
            const json_int_t t = json_integer_value(json_array_get(tensors, i));
            if (t < 0 || t >= o->shards.count)
                return LOP_FAIL(LOP_E_FORMAT, "%s names tensor %lld of %d; start again with --force",
                                o->journal.path, (long long)t, o->shards.count);
            o->written[t] = o->journaled[t] = true;
        }
    }
    for (int32_t t = 0; o->published && t < o->shards.count; t++) o->written[t] = true;
    return LOP_OK;
}

/* ---- opening and closing */

static lop_status begin(lop_output *o, const char *fingerprint)
{
    LOP_TRY(lop_folder_sync(o->work));
    LOP_TRY(lop_folder_sync(o->folder));
    return lop_journal_begin(&o->journal, fingerprint, o->layout);
}

static void held_close(lop_output *o)
{
    for (int32_t i = 0; i < o->held_count; i++) {
        lop_free(o->held[i].tensors);
        lop_free(o->held[i].line);
    }
    lop_free(o->held);
    o->held = NULL;
    o->held_count = 0;
}

static lop_status identify(lop_output *o, const char *fingerprint)
{
    LOP_TRY(begin(o, fingerprint));
    for (int32_t i = 0; i < o->held_count; i++)
        LOP_TRY(lop_journal_add(&o->journal, o->held[i].tensors, o->held[i].count, o->held[i].line));
    held_close(o);
    return LOP_OK;
}

lop_status lop_output_identify(lop_output *o, const char *fingerprint)
{
    (void)pthread_mutex_lock(&o->lock_lines);
    const lop_status status = o->journal.begin == NULL && !o->published
                                  ? identify(o, fingerprint)
                                  : LOP_FAIL(LOP_E_INTERNAL, "%s knows its run already", o->folder);
    (void)pthread_mutex_unlock(&o->lock_lines);
    return status;
}

bool lop_output_copies(const lop_output *o)
{
    return lop_checkpoint_header(o->source, 0).size > 0;
}

/* Better now than at publication, hours later. */
static lop_status check_config(const lop_output *o)
{
    lop_string text = {0};
    const lop_status status = lop_output_copies(o) ? LOP_OK : lop_output_config_text(o, &text);
    lop_string_close(&text);
    return status;
}

static lop_status open_parts(lop_output *o, const lop_output_plan *plan)
{
    const lop_shards_wish wish = {plan->dtype_given, plan->dtype, plan->shard_bytes};
    LOP_TRY(lop_strdup(plan->folder, &o->folder));
    LOP_TRY(lop_path_join(plan->folder, LOP_WORK_FOLDER, &o->work));
    LOP_TRY(lop_shards_plan(plan->source, &wish, &o->shards));
    LOP_TRY(check_config(o));
    LOP_TRY(digest(&o->shards, o->layout));
    LOP_TRY(lop_output_claim(o, plan, o->layout));
    if (o->journal.publish) LOP_TRY(lop_output_finish(o));
    LOP_TRY(open_files(o));
    LOP_TRY(take_done(o));
    return o->resumed || plan->fingerprint == NULL ? LOP_OK : begin(o, plan->fingerprint);
}

/* A run that could not begin leaves nothing: not its files, not the folder that it made. What it fails with stays. */
static void undo(lop_output *o)
{
    lop_error_record record;
    lop_error_save(&record);
    const bool ours = o->lock >= 0 && !o->resumed && o->journal.path && !o->journal.begin;
    const lop_status cleared = ours ? lop_output_clear(o, true) : LOP_OK;
    if (cleared == LOP_OK && o->made && o->folder) (void)rmdir(o->folder);
    lop_error_restore(&record);
}

void lop_output_discard(lop_output *o)
{
    if (o == NULL || o->published || o->journal.publish) return;
    lop_error_record record;
    lop_error_save(&record);
    if (lop_output_clear(o, true) == LOP_OK && o->made) (void)rmdir(o->folder);
    lop_error_restore(&record);
}

lop_status lop_output_open(const lop_output_plan *plan, lop_output **out)
{
    *out = NULL;
    lop_output *o = NULL;
    LOP_TRY(LOP_NEW(&o, 1));
    *o = (lop_output){.source = plan->source,
                      .lock = -1,
                      .dtype_given = plan->dtype_given,
                      .dtype = plan->dtype,
                      .digests = plan->digests};
    o->made = !lop_path_is_folder(plan->folder);
    (void)pthread_mutex_init(&o->lock_lines, NULL);
    const lop_status status = open_parts(o, plan);
    if (status == LOP_OK) {
        *out = o;
        return LOP_OK;
    }
    undo(o);
    lop_output_close(o);
    return status;
}

void lop_output_close(lop_output *o)
{
    if (o == NULL) return;
    for (int32_t f = 0; o->files && f < o->shards.files; f++) lop_file_close(&o->files[f]);
    lop_free(o->files);
    lop_free(o->dirty);
    lop_free(o->written);
    lop_free(o->journaled);
    lop_free(o->digest);
    lop_names_close(&o->others);
    held_close(o);
    lop_journal_close(&o->journal);
    (void)pthread_mutex_destroy(&o->lock_lines);
    lop_shards_close(&o->shards);
    if (o->lock >= 0) (void)close(o->lock);
    lop_free(o->work);
    lop_free(o->folder);
    lop_free(o);
}

/* ---- what is known */

/* Read together: identifying the run moves lines from one to the other. */
typedef struct line_counts {
    int32_t done, held;
} line_counts;

static line_counts count_lines(lop_output *o)
{
    (void)pthread_mutex_lock(&o->lock_lines);
    const line_counts counts = {o->journal.count, o->held_count};
    (void)pthread_mutex_unlock(&o->lock_lines);
    return counts;
}

int32_t lop_output_done(lop_output *o)
{
    return count_lines(o).done;
}

int32_t lop_output_held_back(lop_output *o)
{
    return count_lines(o).held;
}

int32_t lop_output_committed(lop_output *o)
{
    const line_counts counts = count_lines(o);
    return counts.done + counts.held;
}

const char *lop_output_done_line(const lop_output *o, int32_t index)
{
    return o->journal.unit[index].line;
}

bool lop_output_published(const lop_output *o)
{
    return o->published;
}

bool lop_output_holds(const lop_output *o, const lop_tensor *t)
{
    int32_t index = 0;
    if (lop_output_index(o, t->name, &index) == LOP_OK) return true;
    lop_error_clear();
    return false;
}

lop_dtype lop_output_dtype(const lop_output *o, const lop_tensor *t)
{
    int32_t index = 0;
    const lop_dtype plain = lop_dtype_is_quantised(t->dtype) ? LOP_DTYPE_F16 : t->dtype;
    if (lop_output_index(o, t->name, &index) == LOP_OK) return o->shards.tensor[index].dtype;
    lop_error_clear();
    return o->dtype_given && lop_dtype_is_float(t->dtype) ? o->dtype : plain;
}

lop_status lop_output_index(const lop_output *o, const char *name, int32_t *out)
{
    const lop_tensor *t = lop_checkpoint_find(o->source, name);
    if (t == NULL)
        return LOP_FAIL(LOP_E_ARGUMENT, "%s is no tensor of %s", name, lop_checkpoint_path(o->source));
    *out = (int32_t)(t - lop_checkpoint_at(o->source, 0));
    if (o->shards.tensor[*out].file >= 0) return LOP_OK;
    return LOP_FAIL(LOP_E_ARGUMENT,
                    "%s is left out of %s: it is a second copy, or not part of a Hugging Face model", name,
                    o->folder);
}
