/* shards.c - tensors laid out into files, headers and index written as text. */
#include "core/io/shards.h"

#include "core/base/file.h"
#include "core/base/memory.h"
#include "core/io/safetensors.h"

#include <string.h>

#define INDEX_BYTES_MOST ((uint64_t)32 << 20)

/* ---- types, and what is left out */

static lop_dtype written_type(const lop_shards_wish *wish, const lop_tensor *t)
{
    if (!lop_dtype_is_float(t->dtype)) return t->dtype;
    if (wish->dtype_given) return wish->dtype;
    return lop_dtype_is_quantised(t->dtype) ? LOP_DTYPE_F16 : t->dtype;
}

static lop_status choose(const lop_checkpoint *c, const lop_shards_wish *wish, lop_shards *s)
{
    s->count = lop_checkpoint_count(c);
    LOP_TRY(LOP_NEW(&s->tensor, s->count));
    for (int32_t i = 0; i < s->count; i++) {
        const lop_tensor *t = lop_checkpoint_at(c, i);
        lop_shard_tensor *w = &s->tensor[i];
        uint64_t elements = 1;
        for (int32_t d = 0; d < t->rank; d++) elements *= (uint64_t)t->shape[d];
        w->dtype = written_type(wish, t);
        w->bytes = lop_dtype_bytes(w->dtype, elements);
        w->file = lop_checkpoint_is_second_head(c, t) || strcmp(t->name, "rope_freqs.weight") == 0 ? -1 : 0;
    }
    return LOP_OK;
}

/* ---- tensors into files */

static uint64_t bytes_kept(const lop_shards *s)
{
    uint64_t sum = 0;
    for (int32_t i = 0; i < s->count; i++) sum += s->tensor[i].file < 0 ? 0 : s->tensor[i].bytes;
    return sum;
}

static lop_status name_file(lop_shard_file *file, int32_t index, int32_t files)
{
    lop_string name = {0};
    if (files == 1)
        LOP_TRY(lop_string_print(&name, "model.safetensors"));
    else
        LOP_TRY(lop_string_print(&name, "model-%05d-of-%05d.safetensors", index + 1, files));
    file->name = name.at;
    return LOP_OK;
}

/* In order, a file is full before the tensor that would take it over the limit. */
static lop_status cut(lop_shards *s, uint64_t limit)
{
    uint64_t held = 0;
    int32_t file = 0;
    for (int32_t i = 0; i < s->count; i++) {
        if (s->tensor[i].file < 0) continue;
        if (held > 0 && s->tensor[i].bytes > limit - (held < limit ? held : limit)) {
            file++;
            held = 0;
        }
        s->tensor[i].file = file;
        held += s->tensor[i].bytes;
    }
    s->files = file + 1;
    LOP_TRY(LOP_NEW(&s->file, s->files));
    for (int32_t f = 0; f < s->files; f++) LOP_TRY(name_file(&s->file[f], f, s->files));
    return LOP_OK;
}

/* As in the source; a file that would be empty now is not written. */
static lop_status keep_files(const lop_checkpoint *c, lop_shards *s)
{
    const int32_t files = lop_checkpoint_files(c);
    LOP_TRY(LOP_NEW(&s->file, files));
    int32_t i = 0;
    for (int32_t f = 0; f < files; f++) {
        int32_t kept = 0;
        const int32_t first = i;
        for (; i < s->count && lop_checkpoint_at(c, i)->file == f; i++) {
            if (s->tensor[i].file < 0) continue;
            s->tensor[i].file = s->files;
            kept++;
        }
        if (kept == 0 && i > first) continue;
        const char *path = lop_checkpoint_file_path(c, f), *slash = strrchr(path, '/');
        LOP_TRY(lop_strdup(slash ? slash + 1 : path, &s->file[s->files].name));
        s->files++;
    }
    return LOP_OK;
}

/* ---- headers */

static lop_status add_entry(lop_string *s, const lop_tensor *t, const lop_shard_tensor *w, uint64_t begin)
{
    const uint64_t end = begin + w->bytes;
    LOP_TRY(lop_string_add_json(s, t->name, strlen(t->name)));
    LOP_TRY(lop_string_print(s, ":{\"dtype\":\"%s\",\"shape\":[", lop_dtype_name(w->dtype)));
    for (int32_t d = 0; d < t->rank; d++)
        LOP_TRY(lop_string_print(s, "%s%lld", d ? "," : "", (long long)t->shape[d]));
    return lop_string_print(s, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)begin,
                            (unsigned long long)end);
}

static lop_status add_metadata(const lop_checkpoint *c, int32_t source_file, lop_string *s)
{
    const lop_text header = source_file >= 0 ? lop_checkpoint_header(c, source_file) : (lop_text){0};
    if (header.size == 0) return lop_string_print(s, "\"__metadata__\":{\"format\":\"pt\"}");
    lop_string metadata = {0};
    lop_status status = lop_safetensors_metadata(header, &metadata);
    if (status == LOP_OK && metadata.size > 0)
        status = lop_string_print(s, "\"__metadata__\":%s", metadata.at);
    lop_string_close(&metadata);
    return status;
}

/* The eight bytes before a header: its length, little-endian. */
static void put_length(char *out, uint64_t size)
{
    for (int i = 0; i < LOP_SAFETENSORS_PREFIX; i++) out[i] = (char)(unsigned char)(size >> (8 * i));
}

/* Blanks bring the data to a multiple of eight bytes, as the format asks of writers. */
static lop_status finish_header(lop_string *s)
{
    LOP_TRY(lop_string_add(s, "}", 1));
    while (s->size % 8 != 0) LOP_TRY(lop_string_add(s, " ", 1));
    put_length(s->at, s->size - LOP_SAFETENSORS_PREFIX);
    return LOP_OK;
}

static lop_status make_header(const lop_checkpoint *c, lop_shards *s, int32_t f, int32_t source_file)
{
    static const char prefix[LOP_SAFETENSORS_PREFIX] = {0};
    lop_string *header = &s->file[f].header;
    uint64_t end = 0;
    LOP_TRY(lop_string_add(header, prefix, sizeof prefix));
    LOP_TRY(lop_string_add(header, "{", 1));
    LOP_TRY(add_metadata(c, source_file, header));
    for (int32_t i = 0; i < s->count; i++) {
        lop_shard_tensor *w = &s->tensor[i];
        if (w->file != f) continue;
        if (header->at[header->size - 1] != '{') LOP_TRY(lop_string_add(header, ",", 1));
        LOP_TRY(add_entry(header, lop_checkpoint_at(c, i), w, end));
        w->at = end;
        end += w->bytes;
    }
    LOP_TRY(finish_header(header));
    for (int32_t i = 0; i < s->count; i++)
        if (s->tensor[i].file == f) s->tensor[i].at += header->size;
    s->file[f].size = header->size + end;
    return LOP_OK;
}

/* The source's own header, and its offsets. */
static lop_status copy_header(const lop_checkpoint *c, lop_shards *s, int32_t f, int32_t source_file)
{
    const lop_text header = lop_checkpoint_header(c, source_file);
    lop_string *out = &s->file[f].header;
    char prefix[LOP_SAFETENSORS_PREFIX];
    put_length(prefix, header.size);
    LOP_TRY(lop_string_add(out, prefix, sizeof prefix));
    LOP_TRY(lop_string_add(out, header.at, header.size));
    s->file[f].size = out->size;
    for (int32_t i = 0; i < s->count; i++) {
        if (s->tensor[i].file != f) continue;
        s->tensor[i].at = lop_checkpoint_at(c, i)->at;
        s->file[f].size += s->tensor[i].bytes;
    }
    return LOP_OK;
}

/* True if every tensor of this file of the source is written, in its own type. */
static bool file_unchanged(const lop_checkpoint *c, const lop_shards *s, int32_t source_file)
{
    for (int32_t i = 0; i < s->count; i++) {
        const lop_tensor *t = lop_checkpoint_at(c, i);
        if (t->file == source_file && (s->tensor[i].file < 0 || s->tensor[i].dtype != t->dtype)) return false;
    }
    return true;
}

/* Which file of the source these tensors come from: names were kept. */
static int32_t source_of(const lop_checkpoint *c, const lop_shards *s, int32_t f)
{
    for (int32_t g = 0; g < lop_checkpoint_files(c); g++) {
        const char *path = lop_checkpoint_file_path(c, g), *slash = strrchr(path, '/');
        if (strcmp(slash ? slash + 1 : path, s->file[f].name) == 0) return g;
    }
    return -1;
}

/* ---- index */

static lop_status make_index(const lop_checkpoint *c, lop_shards *s)
{
    LOP_TRY(lop_string_print(&s->index,
                             "{\n  \"metadata\": {\n    \"total_size\": %llu\n  },\n  \"weight_map\": {",
                             (unsigned long long)bytes_kept(s)));
    const char *comma = "";
    for (int32_t i = 0; i < s->count; i++) {
        if (s->tensor[i].file < 0) continue;
        const char *name = lop_checkpoint_at(c, i)->name, *file = s->file[s->tensor[i].file].name;
        LOP_TRY(lop_string_print(&s->index, "%s\n    ", comma));
        LOP_TRY(lop_string_add_json(&s->index, name, strlen(name)));
        LOP_TRY(lop_string_add(&s->index, ": ", 2));
        LOP_TRY(lop_string_add_json(&s->index, file, strlen(file)));
        comma = ",";
    }
    return lop_string_print(&s->index, "\n  }\n}\n");
}

static lop_status copy_index(const lop_checkpoint *c, lop_shards *s)
{
    char *path = NULL, *text = NULL;
    size_t size = 0;
    lop_status status = LOP_OK;
    LOP_TRY_DONE(lop_path_join(lop_checkpoint_path(c), LOP_SHARDS_INDEX_NAME, &path));
    LOP_TRY_DONE(lop_file_read(path, INDEX_BYTES_MOST, &text, &size));
    LOP_TRY_DONE(lop_string_add(&s->index, text, size));
done:
    lop_free(text);
    lop_free(path);
    return status;
}

/* ---- the plan */

static lop_status plan_kept(const lop_checkpoint *c, lop_shards *s)
{
    bool unchanged = true;
    LOP_TRY(keep_files(c, s));
    for (int32_t f = 0; f < s->files; f++) {
        const int32_t g = source_of(c, s, f);
        const bool same = file_unchanged(c, s, g);
        LOP_TRY(same ? copy_header(c, s, f, g) : make_header(c, s, f, g));
        unchanged = unchanged && same;
    }
    const bool single = lop_checkpoint_files(c) == 1 && strcmp(s->file[0].name, "model.safetensors") == 0;
    if (single) return LOP_OK;
    return unchanged && s->files == lop_checkpoint_files(c) ? copy_index(c, s) : make_index(c, s);
}

static lop_status plan_cut(const lop_checkpoint *c, lop_shards *s, uint64_t limit)
{
    const int32_t source_file = lop_checkpoint_header(c, 0).size > 0 ? 0 : -1;
    LOP_TRY(cut(s, limit));
    for (int32_t f = 0; f < s->files; f++) LOP_TRY(make_header(c, s, f, source_file));
    return s->files > 1 ? make_index(c, s) : LOP_OK;
}

/* A safetensors source keeps its files, unless it is a single one that a wider type takes over the limit. */
static bool keeps_files(const lop_checkpoint *c, const lop_shards *s, uint64_t limit)
{
    if (lop_checkpoint_header(c, 0).size == 0) return false;
    return lop_checkpoint_files(c) > 1 || file_unchanged(c, s, 0) || bytes_kept(s) <= limit;
}

lop_status lop_shards_plan(const lop_checkpoint *source, const lop_shards_wish *wish, lop_shards *out)
{
    *out = (lop_shards){0};
    const uint64_t limit = wish->shard_bytes ? wish->shard_bytes : LOP_SHARD_BYTES;
    lop_status status = choose(source, wish, out);
    if (status == LOP_OK)
        status = keeps_files(source, out, limit) ? plan_kept(source, out) : plan_cut(source, out, limit);
    if (status != LOP_OK) lop_shards_close(out);
    return status;
}

void lop_shards_close(lop_shards *s)
{
    if (s == NULL) return;
    for (int32_t f = 0; s->file && f < s->files; f++) {
        lop_free(s->file[f].name);
        lop_string_close(&s->file[f].header);
    }
    lop_string_close(&s->index);
    lop_free(s->file);
    lop_free(s->tensor);
    *s = (lop_shards){0};
}
