/* results.c - lines of JSON, one object each. */
#include "bench/results.h"

#include "core/base/file.h"
#include "core/base/memory.h"
#include "core/io/json.h"

#include <stdio.h>
#include <string.h>

#define FILE_MOST ((uint64_t)64 << 20)

static lop_status add_line(const char *line, size_t size, json_t *lines)
{
    json_t *o = NULL;
    LOP_TRY(lop_json_parse(line, size, &o));
    (void)json_object_del(o, "event");
    const bool ours = json_is_string(json_object_get(o, "bench")) && json_object_get(o, "lines") == NULL &&
                      json_object_get(o, "devices") == NULL; /* these end a bench of several lines */
    const bool added = !ours || json_array_append(lines, o) == 0;
    lop_json_close(o);
    return added ? LOP_OK : LOP_FAIL(LOP_E_MEMORY, "not enough host memory for the lines of a bench");
}

lop_status bench_results_read(const char *path, json_t *lines)
{
    char *text = NULL;
    size_t size = 0;
    int number = 0;
    lop_status status = LOP_OK;
    LOP_TRY(lop_file_read(path, FILE_MOST, &text, &size));
    for (size_t at = 0; status == LOP_OK && at < size; number++) {
        const char *end = memchr(text + at, '\n', size - at);
        const size_t n = end ? (size_t)(end - (text + at)) : size - at;
        if (n > 0) status = add_line(text + at, n, lines);
        at += n + 1;
    }
    lop_free(text);
    if (status != LOP_OK) lop_note("in line %d of %s", number, path);
    return status;
}

lop_status bench_results_read_all(const char *const *paths, int count, json_t *lines)
{
    for (int i = 0; i < count; i++) LOP_TRY(bench_results_read(paths[i], lines));
    if (json_array_size(lines) == 0)
        return LOP_FAIL(LOP_E_FORMAT, "%s%s: no line is of a bench", paths[0],
                        count > 1 ? " and the others" : "");
    return LOP_OK;
}

const json_t *bench_member(const json_t *line, const char *path)
{
    while (line != NULL) {
        char key[64] = "";
        const size_t n = strcspn(path, ".");
        if (n >= sizeof key) return NULL;
        memcpy(key, path, n);
        line = json_object_get(line, key);
        if (path[n] == '\0') break;
        path += n + 1;
    }
    return line;
}

double bench_number(const json_t *line, const char *path)
{
    return json_number_value(bench_member(line, path));
}

const char *bench_text(const json_t *line, const char *path)
{
    const char *text = json_string_value(bench_member(line, path));
    return text ? text : "";
}

bool bench_is_operation(const json_t *line)
{
    return json_array_size(json_object_get(line, "shape")) == 2 && json_object_get(line, "roof_frac") != NULL;
}

int64_t bench_columns(const json_t *line)
{
    return json_integer_value(json_array_get(json_object_get(line, "shape"), 1));
}

const char *bench_word(const json_t *line)
{
    const char *word = bench_text(line, "word");
    return word[0] ? word : "f32";
}

static bool same_text(const json_t *a, const json_t *b, const char *key)
{
    return strcmp(bench_text(a, key), bench_text(b, key)) == 0;
}

bool bench_same_device(const json_t *a, const json_t *b)
{
    return same_text(a, b, "device") && same_text(a, b, "backend") && same_text(a, b, "asked");
}

bool bench_same_operation(const json_t *a, const json_t *b)
{
    return bench_same_device(a, b) && same_text(a, b, "bench") && strcmp(bench_word(a), bench_word(b)) == 0;
}

void bench_device_name(const json_t *line, char *out, size_t size)
{
    const char *asked = bench_text(line, "asked");
    (void)snprintf(out, size, "%s: %s", asked[0] ? asked : bench_text(line, "backend"),
                   bench_text(line, "device"));
}
