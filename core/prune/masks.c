/* masks.c - the file of keep bits: planned, created, written, opened, read. What is done with masks is mask_verbs.c. */
#include "core/prune/masks.h"

#include "core/base/memory.h"
#include "core/io/json.h"

#include <string.h>

enum { LENGTH_BYTES = 8, HEADER_ALIGN = 8, HEADER_MOST = 64 << 20, SIDE_MOST = 1 << 28 };

static uint64_t bits_bytes(int32_t rows, int32_t cols)
{
    return (uint64_t)rows * (((uint64_t)cols + 7) / 8);
}

/* The true shapes as JSON text: {"NAME":[rows,cols],...}. */
static lop_status shapes_add(const lop_masks *m, lop_string *out)
{
    LOP_TRY(lop_string_add(out, "{", 1));
    for (int32_t i = 0; i < m->count; i++) {
        if (i > 0) LOP_TRY(lop_string_add(out, ",", 1));
        LOP_TRY(lop_string_add_json(out, m->at[i].name, strlen(m->at[i].name)));
        LOP_TRY(lop_string_print(out, ":[%d,%d]", m->at[i].rows, m->at[i].cols));
    }
    return lop_string_add(out, "}", 1);
}

/* Safetensors: metadata values are texts, so the shapes are JSON within JSON. */
static lop_status header_add(lop_masks *m, lop_string *out)
{
    lop_string shapes = {0};
    lop_status status = LOP_OK;
    uint64_t at = 0;
    LOP_TRY_DONE(shapes_add(m, &shapes));
    LOP_TRY_DONE(
        lop_string_print(out, "{\"__metadata__\":{\"format\":\"lop keep masks\",\"bits\":\"most significant "
                              "first, 1 kept\",\"shapes\":"));
    LOP_TRY_DONE(lop_string_add_json(out, shapes.at, shapes.size));
    LOP_TRY_DONE(lop_string_add(out, "}", 1));
    for (int32_t i = 0; i < m->count; i++) {
        lop_mask_entry *e = &m->at[i];
        LOP_TRY_DONE(lop_string_add(out, ",", 1));
        LOP_TRY_DONE(lop_string_add_json(out, e->name, strlen(e->name)));
        LOP_TRY_DONE(lop_string_print(
            out, ":{\"dtype\":\"U8\",\"shape\":[%d,%d],\"data_offsets\":[%llu,%llu]}", e->rows,
            (e->cols + 7) / 8, (unsigned long long)at, (unsigned long long)(at + e->bytes)));
        at += e->bytes;
    }
    LOP_TRY_DONE(lop_string_add(out, "}", 1));
    while (out->size % HEADER_ALIGN != 0) LOP_TRY_DONE(lop_string_add(out, " ", 1));
done:
    lop_string_close(&shapes);
    return status;
}

/* The header bytes of the entries, and where each mask lies. */
static lop_status layout(lop_masks *m)
{
    lop_string json = {0};
    lop_status status = LOP_OK;
    LOP_TRY_DONE(header_add(m, &json));
    m->header_bytes = LENGTH_BYTES + json.size;
    LOP_TRY_DONE(lop_alloc(m->header_bytes, 1, &m->header));
    for (int i = 0; i < LENGTH_BYTES; i++) m->header[i] = (char)(json.size >> (8 * i));
    memcpy(m->header + LENGTH_BYTES, json.at, json.size);
    uint64_t at = m->header_bytes;
    for (int32_t i = 0; i < m->count; i++) {
        m->at[i].at = at;
        at += m->at[i].bytes;
    }
done:
    lop_string_close(&json);
    return status;
}

lop_status lop_masks_plan(const lop_mask_entry *at, int32_t count, lop_masks *out)
{
    lop_status status = LOP_OK;
    *out = (lop_masks){.file.handle = -1};
    LOP_TRY_DONE(LOP_NEW(&out->at, count));
    for (; out->count < count; out->count++) {
        lop_mask_entry *e = &out->at[out->count];
        const lop_mask_entry *from = &at[out->count];
        *e = (lop_mask_entry){
            .rows = from->rows, .cols = from->cols, .bytes = bits_bytes(from->rows, from->cols)};
        LOP_TRY_DONE(lop_strdup(from->name, &e->name));
    }
    LOP_TRY_DONE(layout(out));
done:
    if (status != LOP_OK) lop_masks_close(out);
    return status;
}

void lop_masks_close(lop_masks *m)
{
    if (m == NULL) return;
    if (m->at != NULL) lop_file_close(&m->file);
    for (int32_t i = 0; m->at != NULL && i < m->count; i++) lop_free(m->at[i].name);
    lop_free(m->at);
    lop_free(m->header);
    *m = (lop_masks){.file.handle = -1};
}

static uint64_t file_bytes(const lop_masks *m)
{
    if (m->count == 0) return m->header_bytes;
    const lop_mask_entry *last = &m->at[m->count - 1];
    return last->at + last->bytes;
}

lop_status lop_masks_create(lop_masks *m, const char *path)
{
    LOP_TRY(lop_file_create(path, file_bytes(m), &m->file));
    return lop_file_write_at(&m->file, 0, m->header, m->header_bytes);
}

lop_status lop_masks_write(const lop_masks *m, const lop_mask_entry *mask, const void *bits)
{
    return lop_file_write_at(&m->file, mask->at, bits, mask->bytes);
}

/* ---- reading */

/* "format" and the rest are held against what this file's own names and shapes give, so only the shapes are read. */
static lop_status entries_read(const json_t *root, lop_mask_entry **entries, int32_t *count, json_t **shapes)
{
    json_t *metadata = NULL;
    lop_text text = {0};
    LOP_TRY(lop_json_need(root, "__metadata__"));
    LOP_TRY(lop_json_object(root, "__metadata__", &metadata));
    LOP_TRY(lop_json_need(metadata, "shapes"));
    LOP_TRY(lop_json_text(metadata, "shapes", &text));
    LOP_TRY(lop_json_parse(text.at, text.size, shapes));
    if (!json_is_object(*shapes)) return LOP_FAIL(LOP_E_FORMAT, "the shapes of the masks are no object");
    LOP_TRY(LOP_NEW(entries, json_object_size(*shapes)));
    const char *name;
    json_t *shape;
    json_object_foreach(*shapes, name, shape)
    {
        int64_t side[2];
        if (!json_is_array(shape) || json_array_size(shape) != 2)
            return LOP_FAIL(LOP_E_FORMAT, "the shape of mask %.200s is not [rows, columns]", name);
        for (size_t i = 0; i < 2; i++)
            LOP_TRY(lop_json_value_int(json_array_get(shape, i), "shape", 1, SIDE_MOST, &side[i]));
        (*entries)[(*count)++] = (lop_mask_entry){
            .name = (char *)(uintptr_t)name, .rows = (int32_t)side[0], .cols = (int32_t)side[1]};
    }
    return LOP_OK;
}

static lop_status header_read(const lop_file *file, char **out, size_t *size)
{
    unsigned char length[LENGTH_BYTES];
    uint64_t json = 0;
    *out = NULL;
    if (file->size < LENGTH_BYTES) return LOP_FAIL(LOP_E_FORMAT, "%s is too short for masks", file->path);
    LOP_TRY(lop_file_read_at(file, 0, length, LENGTH_BYTES));
    for (int i = 0; i < LENGTH_BYTES; i++) json |= (uint64_t)length[i] << (8 * i);
    if (json > HEADER_MOST || json > file->size - LENGTH_BYTES)
        return LOP_FAIL(LOP_E_FORMAT, "%s has a header of %llu bytes in a file of %llu", file->path,
                        (unsigned long long)json, (unsigned long long)file->size);
    *size = LENGTH_BYTES + (size_t)json;
    LOP_TRY(lop_alloc(*size, 1, out));
    return lop_file_read_at(file, 0, *out, *size);
}

static lop_status open_from(lop_file *file, lop_masks *out)
{
    lop_status status = LOP_OK;
    lop_mask_entry *entries = NULL;
    int32_t count = 0;
    json_t *root = NULL, *shapes = NULL;
    char *header = NULL;
    size_t size = 0;
    LOP_TRY_DONE(header_read(file, &header, &size));
    LOP_TRY_DONE(lop_json_parse(header + LENGTH_BYTES, size - LENGTH_BYTES, &root));
    LOP_TRY_DONE(entries_read(root, &entries, &count, &shapes));
    LOP_TRY_DONE(lop_masks_plan(entries, count, out));
    if (out->header_bytes != size || memcmp(out->header, header, size) != 0)
        status = LOP_FAIL(LOP_E_FORMAT, "%s has another header than masks of these names and shapes have",
                          file->path);
    else if (file_bytes(out) != file->size)
        status = LOP_FAIL(LOP_E_FORMAT, "%s is %llu bytes long; its masks take %llu", file->path,
                          (unsigned long long)file->size, (unsigned long long)file_bytes(out));
done:
    lop_json_close(shapes);
    lop_json_close(root);
    lop_free(entries);
    lop_free(header);
    return status;
}

lop_status lop_masks_open(const char *path, lop_masks *out)
{
    lop_file file = {.handle = -1};
    *out = (lop_masks){.file.handle = -1};
    LOP_TRY(lop_file_open(path, &file));
    const lop_status status = open_from(&file, out);
    if (status == LOP_OK) {
        out->file = file;
        return LOP_OK;
    }
    lop_note("while reading masks from %s", path);
    lop_masks_close(out);
    lop_file_close(&file);
    return status;
}

const lop_mask_entry *lop_masks_find(const lop_masks *m, const char *name)
{
    for (int32_t i = 0; i < m->count; i++)
        if (strcmp(m->at[i].name, name) == 0) return &m->at[i];
    return NULL;
}

lop_status lop_masks_read(const lop_masks *m, const lop_mask_entry *mask, void *bits)
{
    LOP_TRY(lop_file_read_at(&m->file, mask->at, bits, mask->bytes));
    const int32_t over = mask->cols % 8, line = (mask->cols + 7) / 8;
    const unsigned char *at = bits;
    if (over == 0) return LOP_OK;
    for (int32_t r = 0; r < mask->rows; r++)
        if ((at[(size_t)r * (size_t)line + (size_t)line - 1] & (0xff >> over)) != 0)
            return LOP_FAIL(LOP_E_FORMAT, "the mask of %s has a bit set past the last column of row %d",
                            mask->name, r);
    return LOP_OK;
}
