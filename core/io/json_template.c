/* json_template.c - the "post_processor" of a tokenizer.json: which ids go before and after a text. */
#include "core/io/tokenizer_json.h"

#include "core/base/memory.h"

#include <string.h>

#define ADDED_MAX 64 /* ids on one side; templates in use have one or two */

static lop_status add_id(const lop_tokenizer *t, int64_t id, lop_ids *out)
{
    if (id < 0 || id >= lop_tokenizer_size(t))
        return LOP_FAIL(LOP_E_FORMAT, "the template adds id %d, but ids end at %d", (int)id,
                        lop_tokenizer_size(t) - 1);
    if (out->count >= ADDED_MAX)
        return LOP_FAIL(LOP_E_FORMAT, "the template adds more than %d ids on one side", ADDED_MAX);
    const int32_t one = (int32_t)id;
    return lop_ids_add(out, &one, 1);
}

/* The ids that special_tokens lists for a name. */
static lop_status add_special(const lop_tokenizer *t, const json_t *value, const json_t *piece, lop_ids *out)
{
    json_t *table = NULL, *entry = NULL, *ids = NULL;
    lop_text name = {"", 0};
    LOP_TRY(lop_json_need(piece, "id"));
    LOP_TRY(lop_json_text(piece, "id", &name));
    LOP_TRY(lop_json_object(value, "special_tokens", &table));
    LOP_TRY(lop_json_object(table, name.at, &entry));
    LOP_TRY(lop_json_array(entry, "ids", &ids));
    if (ids == NULL)
        return LOP_FAIL(LOP_E_FORMAT,
                        "the template names \"%.*s\", whose ids \"special_tokens\" does not list",
                        (int)(name.size < 64 ? name.size : 64), name.at);
    for (size_t i = 0; i < json_array_size(ids); i++) {
        int64_t id = -1;
        LOP_TRY(lop_json_value_int(json_array_get(ids, i), "ids", 0, INT32_MAX, &id));
        LOP_TRY(add_id(t, id, out));
    }
    return LOP_OK;
}

/* What this template adds goes outside of what those before it add. */
static lop_status wrap(lop_tokenizer *t, lop_ids *before, const lop_ids *after)
{
    LOP_TRY(lop_ids_add(before, t->before.at, t->before.count));
    const lop_ids inner = t->before;
    t->before = *before;
    *before = inner;
    return lop_ids_add(&t->after, after->at, after->count);
}

static lop_status read_pieces(lop_tokenizer *t, const json_t *value, const json_t *single, lop_ids *before,
                              lop_ids *after)
{
    bool text_seen = false;
    for (size_t i = 0; i < json_array_size(single); i++) {
        json_t *special = NULL, *sequence = NULL;
        LOP_TRY(lop_json_object(json_array_get(single, i), "SpecialToken", &special));
        LOP_TRY(lop_json_object(json_array_get(single, i), "Sequence", &sequence));
        if (special != NULL)
            LOP_TRY(add_special(t, value, special, text_seen ? after : before));
        else if (sequence == NULL || text_seen)
            return LOP_FAIL(LOP_E_UNSUPPORTED,
                            "the template's \"single\" has the text %s, expected special tokens and "
                            "the text once",
                            text_seen ? "twice" : "in a piece of unknown kind");
        text_seen = text_seen || sequence != NULL;
    }
    if (!text_seen) return LOP_FAIL(LOP_E_UNSUPPORTED, "the template's \"single\" leaves out the text");
    return wrap(t, before, after);
}

static lop_status read_template(const json_t *value, lop_tokenizer *t)
{
    json_t *single = NULL;
    LOP_TRY(lop_json_need(value, "single"));
    LOP_TRY(lop_json_array(value, "single", &single));
    lop_ids before = {0}, after = {0};
    const lop_status status = read_pieces(t, value, single, &before, &after);
    lop_ids_close(&before);
    lop_ids_close(&after);
    return status;
}

/* ["<s>", 0] */
static lop_status read_named_id(const lop_tokenizer *t, const json_t *value, const char *key, lop_ids *out)
{
    json_t *pair = NULL;
    int64_t id = -1;
    LOP_TRY(lop_json_need(value, key));
    LOP_TRY(lop_json_array(value, key, &pair));
    LOP_TRY(lop_json_value_int(json_array_get(pair, 1), key, 0, INT32_MAX, &id));
    return add_id(t, id, out);
}

static lop_status read_roberta(const json_t *value, lop_tokenizer *t)
{
    lop_ids before = {0}, after = {0};
    lop_status status = LOP_OK;
    LOP_TRY_DONE(read_named_id(t, value, "cls", &before));
    LOP_TRY_DONE(read_named_id(t, value, "sep", &after));
    LOP_TRY_DONE(wrap(t, &before, &after));
done:
    lop_ids_close(&before);
    lop_ids_close(&after);
    return status;
}

lop_status lop_json_template(const json_t *value, lop_tokenizer *out)
{
    if (value == NULL || json_is_null(value)) return LOP_OK;
    lop_text type = {"", 0};
    LOP_TRY(lop_json_type(value, "post-processor", &type));
    if (lop_text_is(type, "ByteLevel")) return LOP_OK; /* it moves offsets only */
    if (lop_text_is(type, "TemplateProcessing")) return read_template(value, out);
    if (lop_text_is(type, "RobertaProcessing") || lop_text_is(type, "BertProcessing"))
        return read_roberta(value, out);
    if (!lop_text_is(type, "Sequence"))
        return LOP_FAIL(
            LOP_E_UNSUPPORTED,
            "the tokenizer's post-processor is of type \"%.*s\"; known are BertProcessing, ByteLevel, "
            "RobertaProcessing, TemplateProcessing and Sequence",
            (int)(type.size < 64 ? type.size : 64), type.at);
    json_t *list = NULL;
    LOP_TRY(lop_json_need(value, "processors"));
    LOP_TRY(lop_json_array(value, "processors", &list));
    for (size_t i = 0; i < json_array_size(list); i++)
        LOP_TRY(lop_json_template(json_array_get(list, i), out));
    return LOP_OK;
}
