/* json_pretokenizer.c - the "pre_tokenizer" of a tokenizer.json. */
#include "core/io/tokenizer_json.h"

#include "core/io/unicode.h"

static lop_status read_behavior(const json_t *value, lop_split_behavior *out)
{
    static const char *const names[] = {"Isolated", "Removed", "Contiguous", "MergedWithPrevious",
                                        "MergedWithNext"};
    static const lop_split_behavior behaviors[] = {LOP_SPLIT_ISOLATED, LOP_SPLIT_REMOVED,
                                                   LOP_SPLIT_CONTIGUOUS, LOP_SPLIT_MERGED_WITH_PREVIOUS,
                                                   LOP_SPLIT_MERGED_WITH_NEXT};
    lop_text name = {"", 0};
    LOP_TRY(lop_json_need(value, "behavior"));
    LOP_TRY(lop_json_text(value, "behavior", &name));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!lop_text_is(name, names[i])) continue;
        *out = behaviors[i];
        return LOP_OK;
    }
    return LOP_FAIL(LOP_E_UNSUPPORTED, "a Split has the behavior \"%.*s\", which is not known",
                    (int)(name.size < 64 ? name.size : 64), name.at);
}

static lop_status read_split(const json_t *value, lop_pretokenizer *out)
{
    lop_stage *stage;
    LOP_TRY(lop_pretokenizer_add(out, LOP_STAGE_SPLIT, &stage));
    LOP_TRY(lop_json_pattern(value, &stage->pattern));
    LOP_TRY(lop_json_flag(value, "invert", &stage->invert));
    return read_behavior(value, &stage->behavior);
}

static lop_status read_digits(const json_t *value, lop_pretokenizer *out)
{
    lop_stage *stage;
    bool individual = false;
    LOP_TRY(lop_pretokenizer_add(out, LOP_STAGE_NUMBERS, &stage));
    LOP_TRY(lop_json_flag(value, "individual_digits", &individual));
    stage->behavior = individual ? LOP_SPLIT_ISOLATED : LOP_SPLIT_CONTIGUOUS;
    return LOP_OK;
}

static lop_status read_byte_level(const json_t *value, lop_pretokenizer *out)
{
    bool prefix_space = true, use_regex = true;
    LOP_TRY(lop_json_flag(value, "add_prefix_space", &prefix_space));
    LOP_TRY(lop_json_flag(value, "use_regex", &use_regex));
    return lop_pretokenizer_add_byte_level(out, prefix_space, use_regex);
}

/* "prepend_scheme", or the add_prefix_space of older files. */
static lop_status read_scheme(const json_t *value, bool *prepend, bool *first_only)
{
    bool prefix_space = true;
    lop_text scheme = {"always", 6};
    LOP_TRY(lop_json_flag(value, "add_prefix_space", &prefix_space));
    LOP_TRY(lop_json_text(value, "prepend_scheme", &scheme));
    *first_only = lop_text_is(scheme, "first");
    *prepend = prefix_space && !lop_text_is(scheme, "never");
    if (*first_only || lop_text_is(scheme, "always") || lop_text_is(scheme, "never")) return LOP_OK;
    return LOP_FAIL(LOP_E_FORMAT, "\"prepend_scheme\" is \"%.*s\", expected always, first or never",
                    (int)(scheme.size < 64 ? scheme.size : 64), scheme.at);
}

static lop_status read_metaspace(const json_t *value, lop_pretokenizer *out)
{
    lop_text replacement = {LOP_METASPACE, sizeof LOP_METASPACE - 1};
    bool prepend = true, first_only = false, splits = true;
    LOP_TRY(lop_json_text(value, "replacement", &replacement));
    LOP_TRY(read_scheme(value, &prepend, &first_only));
    LOP_TRY(lop_json_flag(value, "split", &splits));
    size_t one = 0;
    if (replacement.size > 0) (void)lop_char_next(replacement.at, replacement.size, &one);
    if (replacement.size == 0 || one != replacement.size)
        return LOP_FAIL(LOP_E_FORMAT, "\"replacement\" of a Metaspace has %zu bytes, expected one character",
                        replacement.size);
    LOP_TRY(lop_pretokenizer_add_text(out, LOP_STAGE_REPLACE, replacement.at));
    if (prepend) {
        LOP_TRY(lop_pretokenizer_add_text(out, LOP_STAGE_PREFIX, replacement.at));
        out->stages[out->count - 1].first_only = first_only;
    }
    if (!splits) return LOP_OK;
    return lop_pretokenizer_add_split(out, replacement.at, true, LOP_SPLIT_MERGED_WITH_NEXT);
}

static lop_status read_sequence(const json_t *value, lop_pretokenizer *out)
{
    json_t *list = NULL;
    LOP_TRY(lop_json_need(value, "pretokenizers"));
    LOP_TRY(lop_json_array(value, "pretokenizers", &list));
    for (size_t i = 0; i < json_array_size(list); i++)
        LOP_TRY(lop_json_pretokenizer(json_array_get(list, i), out));
    return LOP_OK;
}

lop_status lop_json_pretokenizer(const json_t *value, lop_pretokenizer *out)
{
    if (value == NULL || json_is_null(value)) return LOP_OK;
    lop_text type = {"", 0};
    LOP_TRY(lop_json_type(value, "pre-tokenizer", &type));
    if (lop_text_is(type, "Split")) return read_split(value, out);
    if (lop_text_is(type, "Digits")) return read_digits(value, out);
    if (lop_text_is(type, "ByteLevel")) return read_byte_level(value, out);
    if (lop_text_is(type, "Metaspace")) return read_metaspace(value, out);
    if (lop_text_is(type, "Sequence")) return read_sequence(value, out);
    return LOP_FAIL(LOP_E_UNSUPPORTED,
                    "the tokenizer's pre-tokenizer is of type \"%.*s\"; known are ByteLevel, Digits, "
                    "Metaspace, Split and "
                    "Sequence",
                    (int)(type.size < 64 ? type.size : 64), type.at);
}
