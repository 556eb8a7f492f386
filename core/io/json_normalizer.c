/* json_normalizer.c - the "normalizer" of a tokenizer.json, and the patterns that it shares with other parts. */
#include "core/io/tokenizer_json.h"

lop_status lop_json_type(const json_t *object, const char *what, lop_text *out)
{
    if (!json_is_object(object))
        return LOP_FAIL(LOP_E_FORMAT, "a %s is %s, expected an object with \"type\"", what,
                        lop_json_kind(object));
    LOP_TRY(lop_json_need(object, "type"));
    return lop_json_text(object, "type", out);
}

lop_status lop_json_pattern(const json_t *object, lop_pattern **out)
{
    *out = NULL;
    json_t *pattern = NULL;
    LOP_TRY(lop_json_need(object, "pattern"));
    LOP_TRY(lop_json_object(object, "pattern", &pattern));
    const bool literal = lop_json_find(pattern, "String") != NULL;
    lop_text source = {"", 0};
    LOP_TRY(lop_json_text(pattern, literal ? "String" : "Regex", &source));
    return lop_pattern_open(source, literal, out);
}

static lop_status read_form(lop_text type, lop_normalizer *out, bool *known)
{
    static const struct {
        const char *name;
        lop_normal_kind kind;
    } forms[] = {{"NFC", LOP_NORMAL_NFC},
                 {"NFD", LOP_NORMAL_NFD},
                 {"NFKC", LOP_NORMAL_NFKC},
                 {"NFKD", LOP_NORMAL_NFKD},
                 {"Lowercase", LOP_NORMAL_LOWERCASE}};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        lop_normal_step *step;
        if (!lop_text_is(type, forms[i].name)) continue;
        *known = true;
        return lop_normalizer_add(out, forms[i].kind, &step);
    }
    return LOP_OK;
}

static lop_status read_text(const json_t *object, const char *key, lop_string *out)
{
    lop_text text = {"", 0};
    LOP_TRY(lop_json_need(object, key));
    LOP_TRY(lop_json_text(object, key, &text));
    return lop_string_add(out, text.at, text.size);
}

static lop_status read_replace(const json_t *value, lop_normalizer *out)
{
    lop_normal_step *step;
    LOP_TRY(lop_normalizer_add(out, LOP_NORMAL_REPLACE, &step));
    LOP_TRY(lop_json_pattern(value, &step->pattern));
    return read_text(value, "content", &step->text);
}

static lop_status read_prepend(const json_t *value, lop_normalizer *out)
{
    lop_normal_step *step;
    LOP_TRY(lop_normalizer_add(out, LOP_NORMAL_PREPEND, &step));
    return read_text(value, "prepend", &step->text);
}

static lop_status read_strip(const json_t *value, lop_normalizer *out)
{
    lop_normal_step *step;
    LOP_TRY(lop_normalizer_add(out, LOP_NORMAL_STRIP, &step));
    LOP_TRY(lop_json_flag(value, "strip_left", &step->left));
    return lop_json_flag(value, "strip_right", &step->right);
}

static lop_status read_sequence(const json_t *value, lop_normalizer *out)
{
    json_t *list = NULL;
    LOP_TRY(lop_json_need(value, "normalizers"));
    LOP_TRY(lop_json_array(value, "normalizers", &list));
    for (size_t i = 0; i < json_array_size(list); i++)
        LOP_TRY(lop_json_normalizer(json_array_get(list, i), out));
    return LOP_OK;
}

lop_status lop_json_normalizer(const json_t *value, lop_normalizer *out)
{
    if (value == NULL || json_is_null(value)) return LOP_OK;
    lop_text type = {"", 0};
    bool known = false;
    LOP_TRY(lop_json_type(value, "normalizer", &type));
    LOP_TRY(read_form(type, out, &known));
    if (known) return LOP_OK;
    if (lop_text_is(type, "Replace")) return read_replace(value, out);
    if (lop_text_is(type, "Prepend")) return read_prepend(value, out);
    if (lop_text_is(type, "Strip")) return read_strip(value, out);
    if (lop_text_is(type, "Sequence")) return read_sequence(value, out);
    return LOP_FAIL(
        LOP_E_UNSUPPORTED,
        "the tokenizer's normalizer is of type \"%.*s\"; known are NFC, NFD, NFKC, NFKD, Lowercase, Replace, "
        "Prepend, Strip and Sequence",
        (int)(type.size < 64 ? type.size : 64), type.at);
}
