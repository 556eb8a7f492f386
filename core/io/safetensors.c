/* safetensors.c - headers read as if an enemy wrote them: lengths, overflow, overlaps, holes and JSON that costs more
 * memory than it has bytes are refused with one sentence each. */
#include "core/io/safetensors.h"

#include "core/base/memory.h"
#include "core/io/json.h"

#include <stdlib.h>
#include <string.h>

#define HEADER_BYTES_MOST ((uint64_t)32 << 20) /* 200,000 tensors; the format allows 100 MB */
#define BRACKETS_MOST     2000000 /* an empty JSON list takes forty times its two bytes in memory */
#define NAME_BYTES_MOST   512

/* ---- the header's bytes */

static size_t count_brackets(lop_text header)
{
    size_t n = 0;
    for (size_t i = 0; i < header.size; i++) n += header.at[i] == '{' || header.at[i] == '[';
    return n;
}

static lop_status read_header(lop_safetensors *s)
{
    unsigned char prefix[LOP_SAFETENSORS_PREFIX];
    const char *path = s->file.path;
    if (s->file.size < sizeof prefix)
        return LOP_FAIL(LOP_E_FORMAT,
                        "%s has %llu bytes, expected a safetensors header: the file is truncated", path,
                        (unsigned long long)s->file.size);
    LOP_TRY(lop_file_read_at(&s->file, 0, prefix, sizeof prefix));
    uint64_t size = 0;
    for (size_t i = 0; i < sizeof prefix; i++) size |= (uint64_t)prefix[i] << (8 * i);
    if (size > s->file.size - sizeof prefix)
        return LOP_FAIL(
            LOP_E_FORMAT,
            "%s: the header is said to be %llu bytes, but the file has %llu: truncated, or no safetensors",
            path, (unsigned long long)size, (unsigned long long)s->file.size);
    if (size > HEADER_BYTES_MOST)
        return LOP_FAIL(LOP_E_FORMAT, "%s: the header is %llu bytes; at most %llu are read", path,
                        (unsigned long long)size, (unsigned long long)HEADER_BYTES_MOST);
    char *bytes = NULL;
    LOP_TRY(lop_alloc((size_t)size + 1, 1, &bytes));
    s->header = (lop_text){bytes, (size_t)size};
    LOP_TRY(lop_file_read_at(&s->file, sizeof prefix, bytes, (size_t)size));
    if (size == 0 || bytes[0] != '{')
        return LOP_FAIL(LOP_E_FORMAT, "%s: the header does not begin with {", path);
    if (count_brackets(s->header) > BRACKETS_MOST)
        return LOP_FAIL(LOP_E_FORMAT, "%s: the header has more than %d lists and objects", path,
                        BRACKETS_MOST);
    return LOP_OK;
}

/* ---- one tensor */

static lop_status read_shape(const json_t *entry, lop_tensor *t, uint64_t *elements)
{
    json_t *shape = NULL;
    LOP_TRY(lop_json_need(entry, "shape"));
    LOP_TRY(lop_json_array(entry, "shape", &shape));
    if (json_array_size(shape) > LOP_RANK_MAX)
        return LOP_FAIL(LOP_E_UNSUPPORTED, "a tensor of %zu dimensions; at most %d are read",
                        json_array_size(shape), LOP_RANK_MAX);
    t->rank = (int32_t)json_array_size(shape);
    *elements = 1;
    for (int32_t i = 0; i < t->rank; i++) {
        LOP_TRY(lop_json_value_int(json_array_get(shape, (size_t)i), "shape", 0, INT64_MAX, &t->shape[i]));
        if (__builtin_mul_overflow(*elements, (uint64_t)t->shape[i], elements))
            return LOP_FAIL(LOP_E_FORMAT, "the shape has more elements than 64 bits can count");
    }
    return LOP_OK;
}

static lop_status read_dtype(const json_t *entry, lop_dtype *out)
{
    lop_text name = {0};
    LOP_TRY(lop_json_need(entry, "dtype"));
    LOP_TRY(lop_json_text(entry, "dtype", &name));
    if (lop_dtype_from_safetensors(name.at, out)) return LOP_OK;
    return LOP_FAIL(LOP_E_UNSUPPORTED,
                    "dtype %.32s is not read; known are F32, F16, BF16, F64, I64, I32, I16, I8, U8, BOOL",
                    name.at);
}

static lop_status read_offsets(const json_t *entry, uint64_t room, lop_tensor *t)
{
    json_t *offsets = NULL;
    int64_t begin = 0, end = 0;
    LOP_TRY(lop_json_need(entry, "data_offsets"));
    LOP_TRY(lop_json_array(entry, "data_offsets", &offsets));
    if (json_array_size(offsets) != 2)
        return LOP_FAIL(LOP_E_FORMAT, "data_offsets has %zu numbers, expected 2", json_array_size(offsets));
    LOP_TRY(lop_json_value_int(json_array_get(offsets, 0), "data_offsets", 0, INT64_MAX, &begin));
    LOP_TRY(lop_json_value_int(json_array_get(offsets, 1), "data_offsets", 0, INT64_MAX, &end));
    if (begin > end || (uint64_t)end > room)
        return LOP_FAIL(
            LOP_E_FORMAT,
            "data_offsets [%lld, %lld] do not lie in the file's %llu bytes of data: truncated or damaged",
            (long long)begin, (long long)end, (unsigned long long)room);
    t->at = (uint64_t)begin;
    t->bytes = (uint64_t)(end - begin);
    return LOP_OK;
}

static lop_status read_tensor(const json_t *entry, uint64_t room, lop_tensor *t)
{
    uint64_t elements = 0, bytes = 0;
    if (!json_is_object(entry))
        return LOP_FAIL(LOP_E_FORMAT, "its entry is %s, expected an object", lop_json_kind(entry));
    LOP_TRY(read_dtype(entry, &t->dtype));
    LOP_TRY(read_shape(entry, t, &elements));
    LOP_TRY(read_offsets(entry, room, t));
    if (__builtin_mul_overflow(elements, (uint64_t)lop_dtype_group_bytes(t->dtype), &bytes) ||
        bytes != t->bytes)
        return LOP_FAIL(LOP_E_FORMAT, "%llu elements of %s do not make the %llu bytes of data_offsets",
                        (unsigned long long)elements, lop_dtype_name(t->dtype), (unsigned long long)t->bytes);
    return LOP_OK;
}

/* ---- all tensors */

static lop_status read_entries(lop_safetensors *s, const json_t *root)
{
    const uint64_t room = s->file.size - LOP_SAFETENSORS_PREFIX - s->header.size;
    const char *name;
    json_t *entry;
    json_object_foreach((json_t *)(uintptr_t)root, name, entry)
    {
        if (strcmp(name, "__metadata__") == 0 && !json_is_object(entry))
            return LOP_FAIL(LOP_E_FORMAT, "__metadata__ is %s, expected an object", lop_json_kind(entry));
        if (strcmp(name, "__metadata__") == 0) continue;
        if (strlen(name) > NAME_BYTES_MOST)
            return LOP_FAIL(LOP_E_FORMAT, "a tensor's name has %zu bytes, expected at most %d", strlen(name),
                            NAME_BYTES_MOST);
        lop_tensor *t = &s->at[s->count];
        const lop_status status = read_tensor(entry, room, t);
        if (status != LOP_OK) {
            lop_note("tensor %s", name);
            return status;
        }
        LOP_TRY(lop_strdup(name, (char **)(uintptr_t)&t->name));
        s->count++;
    }
    return LOP_OK;
}

static int compare_places(const void *a, const void *b)
{
    const lop_tensor *x = a, *y = b;
    if (x->at != y->at) return x->at < y->at ? -1 : 1;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* By offset they must touch, from the first byte of data to the last. */
static lop_status check_cover(const lop_safetensors *s)
{
    const uint64_t room = s->file.size - LOP_SAFETENSORS_PREFIX - s->header.size;
    uint64_t end = 0;
    for (int32_t i = 0; i < s->count; i++) {
        if (s->at[i].at != end)
            return LOP_FAIL(LOP_E_FORMAT, "tensor %s begins at byte %llu of the data, expected %llu: %s",
                            s->at[i].name, (unsigned long long)s->at[i].at, (unsigned long long)end,
                            s->at[i].at < end ? "it overlaps another" : "there is a hole before it");
        end += s->at[i].bytes;
    }
    if (end != room)
        return LOP_FAIL(LOP_E_FORMAT,
                        "the tensors end at byte %llu of the data, expected %llu: bytes are left over",
                        (unsigned long long)end, (unsigned long long)room);
    return LOP_OK;
}

static lop_status read_table(lop_safetensors *s)
{
    json_t *root = NULL;
    lop_status status = LOP_OK;
    LOP_TRY_DONE(lop_json_parse(s->header.at, s->header.size, &root));
    LOP_TRY_DONE(LOP_NEW(&s->at, json_object_size(root)));
    LOP_TRY_DONE(read_entries(s, root));
    if (s->count > 1) qsort(s->at, (size_t)s->count, sizeof *s->at, compare_places);
    LOP_TRY_DONE(check_cover(s));
    for (int32_t i = 0; i < s->count; i++) s->at[i].at += LOP_SAFETENSORS_PREFIX + s->header.size;
done:
    lop_json_close(root);
    return status;
}

lop_status lop_safetensors_open(const char *path, lop_safetensors *out)
{
    *out = (lop_safetensors){.file = {.handle = -1}};
    LOP_TRY(lop_file_open(path, &out->file));
    lop_status status = read_header(out);
    if (status == LOP_OK) {
        status = read_table(out);
        if (status != LOP_OK) lop_note("in %s", path);
    }
    if (status != LOP_OK) lop_safetensors_close(out);
    return status;
}

void lop_safetensors_close(lop_safetensors *s)
{
    if (s == NULL) return;
    for (int32_t i = 0; s->at && i < s->count; i++) lop_free((char *)(uintptr_t)s->at[i].name);
    lop_free(s->at);
    lop_free((char *)(uintptr_t)s->header.at);
    lop_file_close(&s->file);
    *s = (lop_safetensors){.file = {.handle = -1}};
}

lop_status lop_safetensors_metadata(lop_text header, lop_string *out)
{
    json_t *root = NULL;
    char *text = NULL;
    lop_status status = LOP_OK;
    LOP_TRY_DONE(lop_json_parse(header.at, header.size, &root));
    const json_t *metadata = lop_json_find(root, "__metadata__");
    if (metadata == NULL) goto done;
    text = json_dumps(metadata, JSON_COMPACT | JSON_ENCODE_ANY);
    status =
        text ? lop_string_add(out, text, strlen(text)) : LOP_FAIL(LOP_E_MEMORY, "not enough host memory");
done:
    free(text);
    lop_json_close(root);
    return status;
}
