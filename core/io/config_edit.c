/* config_edit.c - the dtype of an existing config.json changed, and every other byte left as it is: a JSON library would
 * write numbers in its own way. */
#include "core/io/config_edit.h"

#include <string.h>

const char *lop_config_dtype_word(lop_dtype dtype)
{
    return dtype == LOP_DTYPE_F16 ? "float16" : dtype == LOP_DTYPE_BF16 ? "bfloat16" : "float32";
}

/* Past the string that begins at text[i]. */
static size_t skip_string(const char *text, size_t size, size_t i)
{
    for (i++; i < size && text[i] != '"'; i++)
        if (text[i] == '\\') i++;
    return i + 1;
}

static size_t skip_blanks(const char *text, size_t size, size_t i)
{
    while (i < size && (text[i] == ' ' || text[i] == '\n' || text[i] == '\r' || text[i] == '\t')) i++;
    return i;
}

/* The place of the value of a top-level key whose value is a string or null; the text is known to be a JSON object. */
static bool find_value(lop_text json, const char *key, lop_text *out)
{
    const char *text = json.at;
    int depth = 0;
    for (size_t i = 0; i < json.size;) {
        if (text[i] == '{' || text[i] == '[') depth++;
        if (text[i] == '}' || text[i] == ']') depth--;
        if (text[i] != '"') {
            i++;
            continue;
        }
        const size_t end = skip_string(text, json.size, i);
        const lop_text word = {text + i + 1, end - i - 2};
        size_t next = skip_blanks(text, json.size, end);
        const bool is_key = depth == 1 && next < json.size && text[next] == ':' && lop_text_is(word, key);
        i = end;
        if (!is_key) continue;
        next = skip_blanks(text, json.size, next + 1);
        const bool is_null = json.size - next >= 4 && memcmp(text + next, "null", 4) == 0;
        if (!is_null && (next >= json.size || text[next] != '"')) return false;
        *out = (lop_text){text + next, is_null ? 4 : skip_string(text, json.size, next) - next};
        return true;
    }
    return false;
}

static lop_status replace(lop_text json, lop_text part, const char *word, lop_string *out)
{
    const size_t before = (size_t)(part.at - json.at);
    LOP_TRY(lop_string_add(out, json.at, before));
    LOP_TRY(lop_string_print(out, "\"%s\"", word));
    return lop_string_add(out, part.at + part.size, json.size - before - part.size);
}

/* A config.json that states no dtype gets one, as its first member. */
static lop_status insert(lop_text json, const char *word, lop_string *out)
{
    const char *brace = memchr(json.at, '{', json.size);
    if (brace == NULL) return LOP_FAIL(LOP_E_FORMAT, "config.json is no JSON object");
    const size_t before = (size_t)(brace - json.at) + 1;
    LOP_TRY(lop_string_add(out, json.at, before));
    LOP_TRY(lop_string_print(out, "\n  \"torch_dtype\": \"%s\",", word));
    return lop_string_add(out, json.at + before, json.size - before);
}

lop_status lop_config_set_dtype(lop_text json, lop_dtype dtype, lop_string *out)
{
    static const char *const keys[] = {"torch_dtype", "dtype"};
    const char *word = lop_config_dtype_word(dtype);
    lop_status status = LOP_OK;
    lop_string held = {0};
    lop_text now = json, part;
    bool found = false;
    for (size_t i = 0; i < 2; i++) {
        if (!find_value(now, keys[i], &part)) continue;
        lop_string next = {0};
        status = replace(now, part, word, &next);
        lop_string_close(&held);
        held = next;
        if (status != LOP_OK) goto done;
        now = (lop_text){held.at, held.size};
        found = true;
    }
    status = found ? lop_string_add(out, now.at, now.size) : insert(json, word, out);
done:
    lop_string_close(&held);
    return status;
}
