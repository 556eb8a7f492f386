/* cli_model.c - copies of the trained model, and what is changed in them. */
#include "tests/cli/cli_model.h"

#include "core/base/file.h"
#include "core/base/hash.h"
#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/prune/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define FILE_MOST ((uint64_t)1 << 30)

/* ---- files */

void copy_file(const char *from, const char *to)
{
    assert_ok(lop_file_copy(from, to));
}

void copy_folder(const char *from, const char *to)
{
    lop_names names;
    assert_ok(lop_folder_make(to));
    assert_ok(lop_folder_list(from, &names));
    for (int i = 0; i < names.count; i++) copy_file(path_in(from, names.at[i]), path_in(to, names.at[i]));
    lop_names_close(&names);
}

void file_put(const char *path, size_t at, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "r+b");
    if (file == NULL) fail_msg("%s cannot be changed", path);
    assert_int_equal(fseek(file, (long)at, SEEK_SET), 0);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

size_t file_size(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0) fail_msg("%s is not there", path);
    return (size_t)st.st_size;
}

void file_cut(const char *path, size_t size)
{
    assert_int_equal(truncate(path, (off_t)size), 0);
}

void json_edit(const char *path, const char *key, const char *value)
{
    json_t *root = json_load_file(path, 0, NULL);
    assert_non_null(root);
    if (value == NULL)
        (void)json_object_del(root, key);
    else
        assert_int_equal(json_object_set_new(root, key, json_loads(value, JSON_DECODE_ANY, NULL)), 0);
    assert_int_equal(json_dump_file(root, path, JSON_INDENT(2)), 0);
    json_decref(root);
}

/* ---- safetensors */

void tensor_file_read(const char *path, tensor_file *out)
{
    char *text = NULL;
    size_t size = 0;
    uint64_t header = 0;
    assert_ok(lop_file_read(path, FILE_MOST, &text, &size));
    memcpy(&header, text, sizeof header);
    out->header = json_loadb(text + 8, header, 0, NULL);
    assert_non_null(out->header);
    out->data_at = 8 + (size_t)header;
    out->bytes = size - out->data_at;
    out->data = malloc(out->bytes);
    assert_non_null(out->data);
    memcpy(out->data, text + out->data_at, out->bytes);
    lop_free(text);
}

void tensor_file_write(const char *path, const tensor_file *file)
{
    char *text = json_dumps(file->header, JSON_COMPACT);
    const uint64_t size = strlen(text);
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(&size, 1, sizeof size, out), sizeof size);
    assert_int_equal(fwrite(text, 1, size, out), size);
    assert_int_equal(fwrite(file->data, 1, file->bytes, out), file->bytes);
    assert_int_equal(fclose(out), 0);
    free(text);
}

void tensor_file_close(tensor_file *file)
{
    json_decref(file->header);
    free(file->data);
}

static size_t offset_of(const json_t *tensor, size_t which)
{
    return (size_t)json_integer_value(json_array_get(json_object_get(tensor, "data_offsets"), which));
}

void tensor_place(const char *path, const char *name, size_t *at, size_t *bytes)
{
    tensor_file file;
    tensor_file_read(path, &file);
    const json_t *tensor = json_object_get(file.header, name);
    if (tensor == NULL) fail_msg("%s has no %s", path, name);
    *at = file.data_at + offset_of(tensor, 0);
    *bytes = offset_of(tensor, 1) - offset_of(tensor, 0);
    tensor_file_close(&file);
}

void tensor_fill(const char *path, const char *name, size_t first, size_t count, uint16_t value)
{
    size_t at = 0, bytes = 0;
    tensor_place(path, name, &at, &bytes);
    assert_true((first + count) * 2 <= bytes);
    uint16_t *values = malloc(count * sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < count; i++) values[i] = value;
    file_put(path, at + 2 * first, values, count * sizeof *values);
    free(values);
}

uint16_t tensor_value(const char *path, const char *name, size_t index)
{
    size_t at = 0, bytes = 0;
    uint16_t value = 0;
    tensor_place(path, name, &at, &bytes);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, (long)(at + 2 * index), SEEK_SET), 0);
    assert_int_equal(fread(&value, sizeof value, 1, file), 1);
    (void)fclose(file);
    return value;
}

/* The tensors of one half, in their order, and the bytes they point to. */
static void write_half(const char *path, const tensor_file *whole, int half, json_t *map)
{
    tensor_file part = {.header = json_object(), .data = malloc(whole->bytes)};
    const char *key;
    json_t *tensor;
    int index = 0;
    json_object_foreach(whole->header, key, tensor)
    {
        if (strcmp(key, "__metadata__") == 0 || index++ % 2 != half) continue;
        const size_t at = offset_of(tensor, 0), bytes = offset_of(tensor, 1) - at;
        json_t *moved = json_deep_copy(tensor);
        memcpy(part.data + part.bytes, whole->data + at, bytes);
        (void)json_object_set_new(
            moved, "data_offsets",
            json_pack("[I,I]", (json_int_t)part.bytes, (json_int_t)(part.bytes + bytes)));
        (void)json_object_set_new(part.header, key, moved);
        (void)json_object_set_new(map, key, json_string(strrchr(path, '/') + 1));
        part.bytes += bytes;
    }
    tensor_file_write(path, &part);
    tensor_file_close(&part);
}

void write_shards(const char *folder)
{
    tensor_file whole;
    json_t *map = json_object();
    copy_folder(TINY, folder);
    tensor_file_read(path_in(folder, "model.safetensors"), &whole);
    write_half(path_in(folder, "model-00001-of-00002.safetensors"), &whole, 0, map);
    write_half(path_in(folder, "model-00002-of-00002.safetensors"), &whole, 1, map);
    json_t *index =
        json_pack("{s:{s:I}, s:o}", "metadata", "total_size", (json_int_t)whole.bytes, "weight_map", map);
    assert_int_equal(json_dump_file(index, path_in(folder, "model.safetensors.index.json"), 0), 0);
    assert_int_equal(unlink(path_in(folder, "model.safetensors")), 0);
    json_decref(index);
    tensor_file_close(&whole);
}

/* ---- folders compared */

static void report_digest(const char *path, char out[LOP_SHA256_TEXT])
{
    char *text = NULL;
    size_t size = 0;
    json_t *report = json_load_file(path, 0, NULL);
    assert_non_null(report);
    assert_ok(lop_report_still(report));
    assert_ok(lop_report_text(report, &text, &size));
    assert_ok(lop_sha256_memory(text, size, out));
    lop_free(text);
    json_decref(report);
}

char *folder_digest(const char *folder)
{
    lop_names names;
    lop_string all = {0};
    assert_ok(lop_folder_list(folder, &names));
    for (int i = 0; i < names.count; i++) {
        char digest[LOP_SHA256_TEXT];
        const char *const path = path_in(folder, names.at[i]);
        if (strcmp(names.at[i], LOP_REPORT_NAME) == 0)
            report_digest(path, digest);
        else
            assert_ok(lop_sha256_files(&path, 1, NULL, digest));
        assert_ok(lop_string_print(&all, "%s %s\n", digest, names.at[i]));
    }
    lop_names_close(&names);
    char *text = strdup(all.at ? all.at : "");
    lop_string_close(&all);
    return text;
}
