/* json.c - jansson, with what a hostile document could do checked before it is parsed. */
#include "core/io/json.h"

#include "core/base/file.h"
#include "core/base/memory.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define EXACT_REAL 9007199254740992.0 /* 2^53: whole numbers up to here are exact as reals */

/* What one pass over the text finds, without understanding more of it than strings and brackets. */
typedef struct survey {
    int deepest;
    size_t nul_escapes;
} survey;

static bool is_nul_escape(const char *text, size_t size, size_t at)
{
    return size - at >= 6 && memcmp(text + at, "\\u0000", 6) == 0;
}

static survey look_over(const char *text, size_t size)
{
    survey found = {0, 0};
    int depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < size; i++) {
        const char c = text[i];
        if (in_string && c == '\\') {
            found.nul_escapes += is_nul_escape(text, size, i);
            i++;
        } else if (c == '"') {
            in_string = !in_string;
        } else if (!in_string && (c == '[' || c == '{')) {
            depth++;
            if (depth > found.deepest) found.deepest = depth;
        } else if (!in_string && (c == ']' || c == '}')) {
            depth--;
        }
    }
    return found;
}

/* A copy of the text in which \u0000 has become the escape of LOP_JSON_NUL, which is as long. */
static lop_status copy_without_nul(const char *text, size_t size, char **out)
{
    LOP_TRY(lop_memdup_text(text, size, out));
    for (size_t i = 0; i < size; i++) {
        if (text[i] != '\\') continue;
        if (is_nul_escape(text, size, i)) memcpy(*out + i, "\\uFDD0", 6);
        i++;
    }
    return LOP_OK;
}

static lop_status load(const char *text, size_t size, json_t **out)
{
    json_error_t error;
    *out = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
    if (*out == NULL && json_error_code(&error) == json_error_numeric_overflow)
        *out = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &error);
    if (*out != NULL) return LOP_OK;
    if (json_error_code(&error) == json_error_out_of_memory)
        return LOP_FAIL(LOP_E_MEMORY, "not enough host memory for a JSON document of %zu bytes", size);
    return LOP_FAIL(LOP_E_FORMAT, "not valid JSON: line %d, column %d: %s", error.line, error.column,
                    error.text);
}

lop_status lop_json_parse(const char *text, size_t size, json_t **out)
{
    *out = NULL;
    const survey found = look_over(text, size);
    if (found.deepest > LOP_JSON_NESTING_MAX)
        return LOP_FAIL(LOP_E_FORMAT, "JSON nested %d deep, expected at most %d", found.deepest,
                        LOP_JSON_NESTING_MAX);
    if (found.nul_escapes == 0) return load(text, size, out);
    char *copy = NULL;
    lop_status status = copy_without_nul(text, size, &copy);
    if (status == LOP_OK) status = load(copy, size, out);
    lop_free(copy);
    return status;
}

lop_status lop_json_read(const char *path, uint64_t most, json_t **out)
{
    *out = NULL;
    char *text = NULL;
    size_t size = 0;
    LOP_TRY(lop_file_read(path, most, &text, &size));
    const lop_status status = lop_json_parse(text, size, out);
    if (status != LOP_OK) lop_note("in %s", path);
    lop_free(text);
    return status;
}

void lop_json_close(json_t *document)
{
    json_decref(document);
}

const char *lop_json_kind(const json_t *value)
{
    if (value == NULL) return "nothing";
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "a whole number";
    case JSON_REAL:
        return "a number";
    case JSON_TRUE:
        return "true";
    case JSON_FALSE:
        return "false";
    case JSON_NULL:
        return "null";
    }
    return "nothing";
}

json_t *lop_json_find(const json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);
    return json_is_null(value) ? NULL : value;
}

static lop_status wrong_kind(const char *what, const json_t *value, const char *expected)
{
    return LOP_FAIL(LOP_E_FORMAT, "\"%s\" is %s, expected %s", what, lop_json_kind(value), expected);
}

lop_status lop_json_need(const json_t *object, const char *key)
{
    if (lop_json_find(object, key) != NULL) return LOP_OK;
    return LOP_FAIL(LOP_E_FORMAT, "\"%s\" is missing", key);
}

lop_status lop_json_object(const json_t *object, const char *key, json_t **out)
{
    json_t *value = lop_json_find(object, key);
    if (value == NULL) return LOP_OK;
    if (!json_is_object(value)) return wrong_kind(key, value, "an object");
    *out = value;
    return LOP_OK;
}

lop_status lop_json_array(const json_t *object, const char *key, json_t **out)
{
    json_t *value = lop_json_find(object, key);
    if (value == NULL) return LOP_OK;
    if (!json_is_array(value)) return wrong_kind(key, value, "an array");
    *out = value;
    return LOP_OK;
}

lop_status lop_json_value_text(const json_t *value, const char *what, lop_text *out)
{
    if (!json_is_string(value)) return wrong_kind(what, value, "a string");
    *out = (lop_text){json_string_value(value), json_string_length(value)};
    return LOP_OK;
}

lop_status lop_json_text(const json_t *object, const char *key, lop_text *out)
{
    const json_t *value = lop_json_find(object, key);
    return value == NULL ? LOP_OK : lop_json_value_text(value, key, out);
}

lop_status lop_json_flag(const json_t *object, const char *key, bool *out)
{
    const json_t *value = lop_json_find(object, key);
    if (value == NULL) return LOP_OK;
    if (!json_is_boolean(value)) return wrong_kind(key, value, "true or false");
    *out = json_is_true(value);
    return LOP_OK;
}

lop_status lop_json_value_int(const json_t *value, const char *what, int64_t low, int64_t high, int64_t *out)
{
    int64_t got = 0;
    const double real = json_is_real(value) ? json_real_value(value) : 0.0;
    if (json_is_integer(value))
        got = (int64_t)json_integer_value(value);
    else if (!json_is_real(value) || real != floor(real))
        return wrong_kind(what, value, "a whole number");
    else if (fabs(real) > EXACT_REAL)
        return LOP_FAIL(LOP_E_FORMAT,
                        "\"%s\" is %.17g, expected a whole number in [%" PRId64 ", %" PRId64 "]", what, real,
                        low, high);
    else
        got = (int64_t)real;
    if (got < low || got > high)
        return LOP_FAIL(LOP_E_FORMAT,
                        "\"%s\" is %" PRId64 ", expected a whole number in [%" PRId64 ", %" PRId64 "]", what,
                        got, low, high);
    *out = got;
    return LOP_OK;
}

lop_status lop_json_int(const json_t *object, const char *key, int64_t low, int64_t high, int64_t *out)
{
    const json_t *value = lop_json_find(object, key);
    return value == NULL ? LOP_OK : lop_json_value_int(value, key, low, high, out);
}

lop_status lop_json_real(const json_t *object, const char *key, double *out)
{
    const json_t *value = lop_json_find(object, key);
    if (value == NULL) return LOP_OK;
    if (!json_is_number(value)) return wrong_kind(key, value, "a number");
    *out = json_number_value(value);
    return LOP_OK;
}
