/* checkpoint.c - models opened: a folder of safetensors files, one or many, or a GGUF file, as one table of tensors.
 * Values are read in checkpoint_read.c. */
#include "core/io/checkpoint.h"

#include "core/base/hash.h"
#include "core/base/memory.h"
#include "core/io/checkpoint_parts.h"
#include "core/io/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG_BYTES_MOST ((uint64_t)1 << 20)  /* config.json is a few KB */
#define INDEX_BYTES_MOST  ((uint64_t)32 << 20) /* 100 bytes a tensor; the largest known has 100,000 tensors */
#define FILES_MOST        10000

/* ---- names */

typedef struct named {
    const char *name;
    int32_t index;
} named;

static int compare_named(const void *a, const void *b)
{
    return strcmp(((const named *)a)->name, ((const named *)b)->name);
}

lop_status lop_checkpoint_sort_names(lop_checkpoint *c)
{
    lop_status status = LOP_OK;
    named *names = NULL;
    LOP_TRY_DONE(LOP_NEW(&names, c->count));
    LOP_TRY_DONE(LOP_NEW(&c->by_name, c->count));
    for (int32_t i = 0; i < c->count; i++) names[i] = (named){c->at[i].name, i};
    qsort(names, (size_t)c->count, sizeof *names, compare_named);
    for (int32_t i = 0; i < c->count; i++) {
        c->by_name[i] = names[i].index;
        if (i == 0 || strcmp(names[i].name, names[i - 1].name) != 0) continue;
        status = LOP_FAIL(LOP_E_FORMAT, "%s: tensor %s is there twice, in %s and in %s", c->path,
                          names[i].name, lop_checkpoint_file_path(c, c->at[names[i - 1].index].file),
                          lop_checkpoint_file_path(c, c->at[names[i].index].file));
        goto done;
    }
done:
    lop_free(names);
    return status;
}

static const lop_tensor *find_exact(const lop_checkpoint *c, const char *name)
{
    int32_t low = 0, high = c->count;
    while (low < high) {
        const int32_t middle = low + (high - low) / 2;
        const lop_tensor *t = &c->at[c->by_name[middle]];
        const int order = strcmp(name, t->name);
        if (order == 0) return t;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* Models saved without their head class have names without "model."; both ways of asking find both. */
const lop_tensor *lop_checkpoint_find(const lop_checkpoint *c, const char *name)
{
    static const char prefix[] = "model.";
    const size_t n = sizeof prefix - 1;
    const lop_tensor *t = find_exact(c, name);
    if (t != NULL) return t;
    if (strncmp(name, prefix, n) == 0) return find_exact(c, name + n);
    char longer[256];
    const int size = snprintf(longer, sizeof longer, "%s%s", prefix, name);
    return size > 0 && (size_t)size < sizeof longer ? find_exact(c, longer) : NULL;
}

bool lop_checkpoint_is_second_head(const lop_checkpoint *c, const lop_tensor *t)
{
    static const char *const embeddings[] = {"model.embed_tokens.weight",
                                             "model.decoder.embed_tokens.weight"};
    if (!c->config.tied || lop_checkpoint_find(c, "lm_head.weight") != t) return false;
    return lop_checkpoint_find(c, embeddings[0]) || lop_checkpoint_find(c, embeddings[1]);
}

/* ---- folders */

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* Takes the tensors of all shards into one table. */
static lop_status gather(lop_checkpoint *c)
{
    int64_t count = 0;
    for (int32_t f = 0; f < c->files; f++) count += c->shards[f].count;
    if (count > INT32_MAX) return LOP_FAIL(LOP_E_FORMAT, "%s has %lld tensors", c->path, (long long)count);
    LOP_TRY(LOP_NEW(&c->at, count));
    for (int32_t f = 0; f < c->files; f++) {
        for (int32_t i = 0; i < c->shards[f].count; i++) {
            c->at[c->count] = c->shards[f].at[i];
            c->at[c->count++].file = f;
        }
    }
    return lop_checkpoint_sort_names(c);
}

static lop_status open_shard(lop_checkpoint *c, const char *name, int32_t index)
{
    char *path = NULL;
    LOP_TRY(lop_path_join(c->path, name, &path));
    const lop_status status = lop_safetensors_open(path, &c->shards[index]);
    lop_free(path);
    return status;
}

static int compare_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The distinct file names of an index, sorted; they belong to the JSON, the array to the caller. */
static lop_status index_files(const lop_checkpoint *c, const json_t *map, const char ***out, int32_t *count)
{
    const char *name;
    json_t *value;
    size_t n = 0;
    *count = 0;
    LOP_TRY(lop_alloc(json_object_size(map), sizeof **out, out));
    json_object_foreach((json_t *)(uintptr_t)map, name, value)
    {
        const char *file = json_string_value(value);
        if (file == NULL)
            return LOP_FAIL(LOP_E_FORMAT, "%s: the index gives no file name for %s", c->path, name);
        if (!lop_path_stays_inside(file) || strchr(file, '/'))
            return LOP_FAIL(LOP_E_FORMAT, "%s: the index puts %s in \"%s\", which leads outside the folder",
                            c->path, name, file);
        if (!ends_with(file, ".safetensors"))
            return LOP_FAIL(LOP_E_FORMAT, "%s: the index puts %s in \"%s\", expected a .safetensors file",
                            c->path, name, file);
        (*out)[n++] = file;
    }
    qsort(*out, n, sizeof **out, compare_text);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || strcmp((*out)[i], (*out)[*count - 1]) != 0) (*out)[(*count)++] = (*out)[i];
    if (*count == 0) return LOP_FAIL(LOP_E_FORMAT, "%s: the index names no tensor", c->path);
    if (*count > FILES_MOST)
        return LOP_FAIL(LOP_E_FORMAT, "%s: the index names %d files; at most %d are read", c->path,
                        (int)*count, FILES_MOST);
    return LOP_OK;
}

/* Every tensor of the index is in the file it names. */
static lop_status index_holds(const lop_checkpoint *c, const json_t *map, const char *const *files)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)map, name, value)
    {
        const char *file = json_string_value(value);
        const lop_tensor *t = find_exact(c, name);
        if (t == NULL || strcmp(files[t->file], file) != 0)
            return LOP_FAIL(LOP_E_FORMAT, "%s: the index puts %s in %s, but it is %s", c->path, name, file,
                            t ? files[t->file] : "in no file of the folder");
    }
    return LOP_OK;
}

static lop_status open_index(lop_checkpoint *c, const char *path)
{
    lop_status status = LOP_OK;
    json_t *root = NULL;
    const char **files = NULL;
    int32_t count = 0;
    LOP_TRY_DONE(lop_json_read(path, INDEX_BYTES_MOST, &root));
    const json_t *map = json_object_get(root, "weight_map");
    if (!json_is_object(map)) {
        status = LOP_FAIL(LOP_E_FORMAT, "%s has no object \"weight_map\"", path);
        goto done;
    }
    LOP_TRY_DONE(index_files(c, map, &files, &count));
    LOP_TRY_DONE(LOP_NEW(&c->shards, count));
    for (int32_t f = 0; f < count; f++) c->shards[f].file.handle = -1;
    c->files = count;
    for (int32_t f = 0; f < count; f++) LOP_TRY_DONE(open_shard(c, files[f], f));
    LOP_TRY_DONE(gather(c));
    LOP_TRY_DONE(index_holds(c, map, files));
done:
    lop_free(files);
    lop_json_close(root);
    return status;
}

static lop_status open_single(lop_checkpoint *c)
{
    LOP_TRY(LOP_NEW(&c->shards, 1));
    c->shards[0].file.handle = -1;
    c->files = 1;
    LOP_TRY(open_shard(c, "model.safetensors", 0));
    return gather(c);
}

static lop_status open_weights(lop_checkpoint *c)
{
    lop_status status = LOP_OK;
    char *single = NULL, *index = NULL, *pickled = NULL;
    LOP_TRY_DONE(lop_path_join(c->path, "model.safetensors", &single));
    LOP_TRY_DONE(lop_path_join(c->path, "model.safetensors.index.json", &index));
    LOP_TRY_DONE(lop_path_join(c->path, "pytorch_model.bin", &pickled));
    if (lop_path_is_file(single))
        status = open_single(c);
    else if (lop_path_is_file(index))
        status = open_index(c, index);
    else if (lop_path_is_file(pickled))
        status = LOP_FAIL(LOP_E_UNSUPPORTED, "%s has only pytorch_model.bin; save it as safetensors first",
                          c->path);
    else
        status = LOP_FAIL(LOP_E_FILE, "%s has neither model.safetensors nor model.safetensors.index.json",
                          c->path);
done:
    lop_free(single);
    lop_free(index);
    lop_free(pickled);
    return status;
}

static lop_status open_config(lop_checkpoint *c)
{
    char *path = NULL, *text = NULL;
    size_t size = 0;
    lop_status status = LOP_OK;
    LOP_TRY_DONE(lop_path_join(c->path, "config.json", &path));
    LOP_TRY_DONE(lop_file_read(path, CONFIG_BYTES_MOST, &text, &size));
    status = lop_config_read(text, size, &c->config);
    if (status != LOP_OK) lop_note("in %s", path);
done:
    lop_free(text);
    lop_free(path);
    return status;
}

/* ---- opening and closing */

static lop_status open_gguf(lop_checkpoint *c)
{
    LOP_TRY(lop_gguf_open(c->path, &c->gguf));
    LOP_TRY(lop_gguf_config(c->gguf, &c->config));
    c->files = 1;
    LOP_TRY(LOP_NEW(&c->at, lop_gguf_count(c->gguf)));
    c->count = lop_gguf_count(c->gguf);
    for (int32_t i = 0; i < c->count; i++) c->at[i] = *lop_gguf_at(c->gguf, i);
    return lop_checkpoint_sort_names(c);
}

static lop_status open_parts(lop_checkpoint *c)
{
    if (lop_path_is_folder(c->path)) {
        LOP_TRY(open_config(c));
        return open_weights(c);
    }
    if (!lop_path_is_file(c->path))
        return LOP_FAIL(LOP_E_FILE, "%s is not there; a model is a Hugging Face folder or a .gguf file",
                        c->path);
    if (ends_with(c->path, ".safetensors") || ends_with(c->path, ".json") || ends_with(c->path, ".bin"))
        return LOP_FAIL(LOP_E_FORMAT, "%s is one file of a model; give the folder that it lies in", c->path);
    return open_gguf(c);
}

lop_status lop_checkpoint_open(const char *path, lop_checkpoint **out)
{
    lop_checkpoint *c = NULL;
    *out = NULL;
    lop_status status = LOP_OK;
    LOP_TRY_DONE(LOP_NEW(&c, 1));
    LOP_TRY_DONE(lop_strdup(path, &c->path));
    LOP_TRY_DONE(open_parts(c));
    *out = c;
    c = NULL;
done:
    lop_checkpoint_close(c);
    return status;
}

void lop_checkpoint_close(lop_checkpoint *c)
{
    if (c == NULL) return;
    for (int32_t f = 0; c->shards && f < c->files; f++) lop_safetensors_close(&c->shards[f]);
    for (int32_t i = 0; c->made_names && i < c->count; i++) lop_free(c->made_names[i]);
    lop_free(c->made_names);
    lop_free(c->shards);
    lop_gguf_close(c->gguf);
    lop_free(c->by_name);
    lop_free(c->at);
    lop_free(c->path);
    lop_free(c);
}

/* ---- what it is */

const char *lop_checkpoint_path(const lop_checkpoint *c)
{
    return c->path;
}

bool lop_checkpoint_is_gguf(const lop_checkpoint *c)
{
    return c->gguf != NULL;
}

const lop_config *lop_checkpoint_config(const lop_checkpoint *c)
{
    return &c->config;
}

int32_t lop_checkpoint_count(const lop_checkpoint *c)
{
    return c->count;
}

const lop_tensor *lop_checkpoint_at(const lop_checkpoint *c, int32_t index)
{
    return &c->at[index];
}

int32_t lop_checkpoint_files(const lop_checkpoint *c)
{
    return c->files;
}

const char *lop_checkpoint_file_path(const lop_checkpoint *c, int32_t file)
{
    return c->shards ? c->shards[file].file.path : c->path;
}

lop_text lop_checkpoint_header(const lop_checkpoint *c, int32_t file)
{
    return c->shards ? c->shards[file].header : (lop_text){0};
}

lop_dtype lop_checkpoint_word(const lop_tensor *t)
{
    const bool plain = t->dtype == LOP_DTYPE_F16 || t->dtype == LOP_DTYPE_BF16;
    return plain ? t->dtype : LOP_DTYPE_F32;
}
