/* output_publish.c - the last act: the files beside the shards, the journal's last line, and the renames, which a run that
 * was stopped in the middle of them goes through again. */
#include "core/base/memory.h"
#include "core/io/config_edit.h"
#include "core/io/output_state.h"
#include "core/io/rope_table.h"

#include <errno.h>
#include <fnmatch.h>
#include <string.h>
#include <unistd.h>

#define SIDE_BYTES_MOST ((uint64_t)1 << 20)

/* What belongs to a tokenizer; copied from a folder, made for other sources. */
static const char *const tokenizer_files[] = {
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json",
    "merges.txt",     "tokenizer.model",       "chat_template.jinja",     "chat_template.json"};
#define TOKENIZER_FILES (sizeof tokenizer_files / sizeof tokenizer_files[0])

/* Files of an earlier model that would be loaded with, or instead of, this one. */
static const char *const stale_patterns[] = {"model.safetensors",   "model.safetensors.index.json",
                                             "model-*.safetensors", "masks.safetensors",
                                             "prune_report.json",   "generation_config.json"};

/* ---- names */

static bool is_listed(const lop_names *names, const char *name)
{
    for (int i = 0; i < names->count; i++)
        if (strcmp(names->at[i], name) == 0) return true;
    return false;
}

static lop_status list_add(lop_names *names, const char *name)
{
    if (is_listed(names, name)) return LOP_OK;
    LOP_TRY(lop_realloc((size_t)names->count + 1, sizeof *names->at, &names->at));
    LOP_TRY(lop_strdup(name, &names->at[names->count]));
    names->count++;
    return LOP_OK;
}

/* Names of the files that a plan and this room use themselves. */
static bool is_reserved(const lop_output *o, const char *name)
{
    static const char *const own[] = {LOP_JOURNAL_NAME, LOP_LOCK_NAME, LOP_WORK_FOLDER, LOP_SHARDS_INDEX_NAME,
                                      "config.json"};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (strcmp(own[i], name) == 0) return true;
    for (int32_t f = 0; f < o->shards.files; f++)
        if (strcmp(o->shards.file[f].name, name) == 0) return true;
    return false;
}

lop_status lop_output_take_name(lop_output *o, const char *name)
{
    if (!lop_path_stays_inside(name) || strchr(name, '/') || is_reserved(o, name))
        return LOP_FAIL(LOP_E_ARGUMENT, "\"%s\" is no free name for a file in %s", name, o->folder);
    return list_add(&o->others, name);
}

static lop_status write_work(const lop_output *o, const char *name, const void *bytes, size_t size)
{
    char *path = NULL;
    LOP_TRY(lop_path_join(o->work, name, &path));
    const lop_status status = lop_file_write_atomic(path, bytes, size);
    lop_free(path);
    return status;
}

lop_status lop_output_add_file(lop_output *o, const char *name, const void *bytes, size_t size)
{
    if (o->published) return LOP_OK;
    LOP_TRY(lop_output_take_name(o, name));
    return write_work(o, name, bytes, size);
}

lop_status lop_output_work_path(lop_output *o, const char *name, bool publish, char **path)
{
    *path = NULL;
    if (!lop_path_stays_inside(name) || strchr(name, '/') || is_reserved(o, name))
        return LOP_FAIL(LOP_E_ARGUMENT, "\"%s\" is no free name for a file in %s", name, o->work);
    if (publish) LOP_TRY(lop_output_take_name(o, name));
    return lop_path_join(o->work, name, path);
}

/* ---- the files beside the shards */

static lop_status copy_side(lop_output *o, const char *name)
{
    char *from = NULL, *to = NULL;
    lop_status status = LOP_OK;
    LOP_TRY_DONE(lop_path_join(lop_checkpoint_path(o->source), name, &from));
    if (!lop_path_is_file(from)) goto done;
    LOP_TRY_DONE(lop_path_join(o->work, name, &to));
    LOP_TRY_DONE(lop_file_copy(from, to));
    LOP_TRY_DONE(list_add(&o->others, name));
done:
    lop_free(from);
    lop_free(to);
    return status;
}

/* Byte for byte, unless another type was asked for than the one that it states. */
static lop_status copy_config(lop_output *o)
{
    char *from = NULL, *text = NULL;
    size_t size = 0;
    lop_string edited = {0};
    lop_status status = LOP_OK;
    LOP_TRY_DONE(lop_path_join(lop_checkpoint_path(o->source), "config.json", &from));
    LOP_TRY_DONE(lop_file_read(from, SIDE_BYTES_MOST, &text, &size));
    if (o->dtype_given && o->dtype != lop_checkpoint_config(o->source)->dtype)
        LOP_TRY_DONE(lop_config_set_dtype((lop_text){text, size}, o->dtype, &edited));
    LOP_TRY_DONE(write_work(o, "config.json", edited.at ? edited.at : text, edited.at ? edited.size : size));
done:
    lop_string_close(&edited);
    lop_free(text);
    lop_free(from);
    return status;
}

static lop_status copy_sides(lop_output *o)
{
    LOP_TRY(copy_config(o));
    LOP_TRY(copy_side(o, "generation_config.json"));
    for (size_t i = 0; i < TOKENIZER_FILES; i++) LOP_TRY(copy_side(o, tokenizer_files[i]));
    return LOP_OK;
}

/* The type that most bytes are written in is the folder's. */
static lop_dtype main_dtype(const lop_output *o)
{
    uint64_t bytes[LOP_DTYPE_COUNT] = {0};
    lop_dtype most = LOP_DTYPE_F32;
    for (int32_t i = 0; i < o->shards.count; i++) {
        const lop_shard_tensor *w = &o->shards.tensor[i];
        if (w->file < 0 || !lop_dtype_is_float(w->dtype)) continue;
        bytes[w->dtype] += w->bytes;
        if (bytes[w->dtype] > bytes[most]) most = w->dtype;
    }
    return most;
}

lop_status lop_output_config_text(const lop_output *o, lop_string *out)
{
    lop_config config = *lop_checkpoint_config(o->source);
    LOP_TRY(lop_rope_table_name(o->source, &config));
    return lop_config_write(&config, main_dtype(o), out);
}

static lop_status make_config(lop_output *o)
{
    lop_string text = {0};
    lop_status status = lop_output_config_text(o, &text);
    if (status == LOP_OK) status = write_work(o, "config.json", text.at, text.size);
    lop_string_close(&text);
    return status;
}

static lop_status add_token(lop_string *s, const char *key, int32_t id)
{
    return id < 0 ? LOP_OK : lop_string_print(s, "  \"%s\": %d,\n", key, id);
}

static lop_status make_generation(lop_output *o)
{
    const lop_config *config = lop_checkpoint_config(o->source);
    lop_string text = {0};
    lop_status status = LOP_OK;
    LOP_TRY_DONE(lop_string_print(&text, "{\n"));
    LOP_TRY_DONE(add_token(&text, "bos_token_id", config->bos));
    LOP_TRY_DONE(add_token(&text, "eos_token_id", config->eos));
    LOP_TRY_DONE(lop_string_print(&text, "  \"_from_model_config\": true\n}\n"));
    LOP_TRY_DONE(lop_output_add_file(o, "generation_config.json", text.at, text.size));
done:
    lop_string_close(&text);
    return status;
}

static lop_status make_tokenizer(lop_output *o)
{
    lop_tokenizer *tokenizer = NULL;
    LOP_TRY(lop_checkpoint_tokenizer(o->source, &tokenizer));
    lop_status status = lop_tokenizer_write(tokenizer, o->work);
    for (size_t i = 0; status == LOP_OK && i < TOKENIZER_FILES; i++) {
        char *path = NULL;
        status = lop_path_join(o->work, tokenizer_files[i], &path);
        if (status == LOP_OK && lop_path_is_file(path)) status = list_add(&o->others, tokenizer_files[i]);
        lop_free(path);
    }
    lop_tokenizer_close(tokenizer);
    return status;
}

static lop_status make_sides(lop_output *o)
{
    LOP_TRY(make_config(o));
    LOP_TRY(make_generation(o));
    return make_tokenizer(o);
}

/* ---- the journal's last line */

static lop_status list_publish(const lop_output *o, lop_names *out)
{
    for (int32_t f = 0; f < o->shards.files; f++) LOP_TRY(list_add(out, o->shards.file[f].name));
    if (o->shards.index.size > 0) LOP_TRY(list_add(out, LOP_SHARDS_INDEX_NAME));
    for (int i = 0; i < o->others.count; i++) LOP_TRY(list_add(out, o->others.at[i]));
    return list_add(out, "config.json");
}

static bool is_stale(const char *name)
{
    for (size_t i = 0; i < sizeof stale_patterns / sizeof stale_patterns[0]; i++)
        if (fnmatch(stale_patterns[i], name, 0) == 0) return true;
    for (size_t i = 0; i < TOKENIZER_FILES; i++)
        if (strcmp(tokenizer_files[i], name) == 0) return true;
    return false;
}

/* An old config.json goes first, so that a mixture of two models is never one that loads. */
static lop_status list_remove(const lop_output *o, const lop_names *publish, lop_names *out)
{
    lop_names there;
    LOP_TRY(lop_folder_list(o->folder, &there));
    lop_status status = is_listed(&there, "config.json") ? list_add(out, "config.json") : LOP_OK;
    for (int i = 0; status == LOP_OK && i < there.count; i++)
        if (is_stale(there.at[i]) && !is_listed(publish, there.at[i])) status = list_add(out, there.at[i]);
    lop_names_close(&there);
    return status;
}

static lop_status sync_work(const lop_output *o, const lop_names *publish)
{
    for (int i = 0; i < publish->count; i++) {
        char *path = NULL;
        lop_file file;
        LOP_TRY(lop_path_join(o->work, publish->at[i], &path));
        lop_status status = lop_file_open(path, &file);
        if (status == LOP_OK) {
            status = lop_file_sync(&file);
            lop_file_close(&file);
        }
        lop_free(path);
        LOP_TRY(status);
    }
    return lop_folder_sync(o->work);
}

/* ---- under final names */

static lop_status fail_name(const char *name)
{
    return LOP_FAIL(LOP_E_FORMAT, "the journal names \"%s\", which is no file of the folder", name);
}

/* Removed only while the new config.json has not come: afterwards the name is the new model's. */
static lop_status remove_old(const lop_output *o, const json_t *names)
{
    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));
        char *path = NULL;
        if (name == NULL || !lop_path_stays_inside(name) || strchr(name, '/'))
            return fail_name(name ? name : "");
        LOP_TRY(lop_path_join(o->folder, name, &path));
        const int code = unlink(path) == 0 ? 0 : errno;
        lop_free(path);
        if (code != 0 && code != ENOENT)
            return LOP_FAIL(LOP_E_OUTPUT, "%s in %s cannot be removed: %s", name, o->folder, strerror(code));
    }
    return lop_folder_sync(o->folder);
}

static lop_status rename_one(const lop_output *o, const char *name)
{
    char *from = NULL, *to = NULL;
    lop_status status = LOP_OK;
    LOP_TRY_DONE(lop_path_join(o->work, name, &from));
    LOP_TRY_DONE(lop_path_join(o->folder, name, &to));
    if (lop_path_is_file(from))
        status = lop_file_rename(from, to);
    else if (!lop_path_is_file(to))
        status = LOP_FAIL(LOP_E_FILE, "%s is neither in %s nor in %s; start again with --force", name,
                          o->work, o->folder);
done:
    lop_free(from);
    lop_free(to);
    return status;
}

static lop_status rename_all(const lop_output *o, const json_t *names)
{
    const size_t count = json_array_size(names);
    for (size_t i = 0; i < count; i++) {
        const char *name = json_string_value(json_array_get(names, i));
        if (name == NULL || !lop_path_stays_inside(name) || strchr(name, '/'))
            return fail_name(name ? name : "");
        if (i + 1 == count) LOP_TRY(lop_folder_sync(o->folder)); /* all else is there before config.json is */
        LOP_TRY(rename_one(o, name));
    }
    return lop_folder_sync(o->folder);
}

lop_status lop_output_finish(lop_output *o)
{
    const json_t *line = o->journal.publish;
    char *config = NULL;
    LOP_TRY(lop_path_join(o->work, "config.json", &config));
    const bool config_is_new = !lop_path_is_file(config);
    lop_free(config);
    if (!config_is_new) LOP_TRY(remove_old(o, json_object_get(line, "remove")));
    LOP_TRY(rename_all(o, json_object_get(line, "publish")));
    o->published = true;
    return lop_output_clear(o, true);
}

lop_status lop_output_publish(lop_output *o)
{
    if (o->published) return LOP_OK;
    if (o->journal.begin == NULL)
        return LOP_FAIL(LOP_E_INTERNAL, "%s is published before it is known what run it is", o->folder);
    lop_names publish = {0}, remove = {0};
    lop_status status = LOP_OK;
    LOP_TRY_DONE(lop_output_copy_rest(o));
    LOP_TRY_DONE(lop_output_copies(o) ? copy_sides(o) : make_sides(o));
    if (o->shards.index.size > 0)
        LOP_TRY_DONE(write_work(o, LOP_SHARDS_INDEX_NAME, o->shards.index.at, o->shards.index.size));
    LOP_TRY_DONE(list_publish(o, &publish));
    LOP_TRY_DONE(list_remove(o, &publish, &remove));
    LOP_TRY_DONE(sync_work(o, &publish));
    LOP_TRY_DONE(lop_journal_publish(&o->journal, &remove, &publish));
    LOP_TRY_DONE(lop_output_finish(o));
done:
    lop_names_close(&publish);
    lop_names_close(&remove);
    return status;
}
