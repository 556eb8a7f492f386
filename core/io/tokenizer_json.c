/* tokenizer_json.c - tokenizer.json, as the Hugging Face `tokenizers` package writes it: model, added tokens, and the
 * parts that the files named json_*.c read. */
#include "core/io/tokenizer_json.h"

#include "core/base/file.h"
#include "core/base/memory.h"

#include <string.h>

static int shown(lop_text text)
{
    return text.size < 64 ? (int)text.size : 64;
}

/* A text as the file means it: with NUL characters in place again. The result may be a view of scratch. */
static lop_status with_nul(lop_text text, lop_string *scratch, lop_text *out)
{
    *out = text;
    if (memmem(text.at, text.size, LOP_JSON_NUL, sizeof LOP_JSON_NUL - 1) == NULL) return LOP_OK;
    lop_pattern *pattern;
    scratch->size = 0;
    LOP_TRY(lop_pattern_open(lop_text_of(LOP_JSON_NUL), true, &pattern));
    const lop_status status = lop_replace_all(pattern, (lop_text){"", 1}, text, scratch);
    lop_pattern_close(pattern);
    *out = (lop_text){scratch->at, scratch->size};
    return status;
}

lop_status lop_tokenizer_read_vocabulary(const json_t *object, lop_vocabulary *out)
{
    const int64_t limit = lop_tokenizer_id_limit(json_object_size(object));
    lop_string scratch = {0};
    lop_status status = LOP_OK;
    json_t *walked = (json_t *)object; /* jansson's iterators want it so */
    for (void *i = json_object_iter(walked); i != NULL; i = json_object_iter_next(walked, i)) {
        int64_t id = -1;
        lop_text text = {json_object_iter_key(i), json_object_iter_key_len(i)};
        LOP_TRY_DONE(lop_json_value_int(json_object_iter_value(i), text.at, 0, limit - 1, &id));
        LOP_TRY_DONE(with_nul(text, &scratch, &text));
        LOP_TRY_DONE(lop_vocabulary_add(out, text, id));
    }
    if (out->count == 0) status = LOP_FAIL(LOP_E_FORMAT, "the vocabulary is empty");
done:
    lop_string_close(&scratch);
    return status;
}

/* "a b", or ["a", "b"]. */
static lop_status read_merge(const json_t *value, int32_t rank, lop_bpe *out)
{
    lop_text left, right;
    if (!json_is_array(value)) {
        LOP_TRY(lop_json_value_text(value, "merges", &left));
        return lop_bpe_merge_add_line(out, left, rank);
    }
    if (json_array_size(value) != 2)
        return LOP_FAIL(LOP_E_FORMAT, "merge %d has %zu parts, expected 2", rank, json_array_size(value));
    LOP_TRY(lop_json_value_text(json_array_get(value, 0), "merges", &left));
    LOP_TRY(lop_json_value_text(json_array_get(value, 1), "merges", &right));
    return lop_bpe_merge_add_texts(out, left, right, rank);
}

static lop_status read_merges(const json_t *model, lop_bpe *out)
{
    json_t *list = NULL;
    LOP_TRY(lop_json_array(model, "merges", &list));
    const size_t count = json_array_size(list);
    if (count > INT32_MAX) return LOP_FAIL(LOP_E_FORMAT, "the tokenizer has %zu merges", count);
    for (size_t i = 0; i < count; i++) LOP_TRY(read_merge(json_array_get(list, i), (int32_t)i, out));
    return LOP_OK;
}

/* What changes how pieces are merged and is in no tokenizer of the supported families. */
static lop_status refuse_rare(const json_t *model)
{
    static const char *const affixes[] = {"continuing_subword_prefix", "end_of_word_suffix"};
    double dropout = 0.0;
    LOP_TRY(lop_json_real(model, "dropout", &dropout));
    if (dropout != 0.0)
        return LOP_FAIL(LOP_E_UNSUPPORTED, "the tokenizer's model has dropout %g, which makes ids random",
                        dropout);
    for (size_t i = 0; i < sizeof affixes / sizeof *affixes; i++) {
        lop_text affix = {"", 0};
        LOP_TRY(lop_json_text(model, affixes[i], &affix));
        if (affix.size > 0)
            return LOP_FAIL(LOP_E_UNSUPPORTED,
                            "the tokenizer's model has %s \"%.*s\", which is not supported", affixes[i],
                            shown(affix), affix.at);
    }
    return LOP_OK;
}

static lop_status read_type(const json_t *model)
{
    lop_text type = {"BPE", 3}; /* old files name none */
    LOP_TRY(lop_json_text(model, "type", &type));
    if (lop_text_is(type, "BPE")) return LOP_OK;
    return LOP_FAIL(LOP_E_UNSUPPORTED, "the tokenizer's model is of type \"%.*s\"; supported is BPE",
                    shown(type), type.at);
}

static lop_status read_model(const json_t *model, lop_bpe *out)
{
    json_t *vocabulary = NULL;
    lop_text unknown = {"", 0};
    LOP_TRY(read_type(model));
    LOP_TRY(refuse_rare(model));
    LOP_TRY(lop_json_need(model, "vocab"));
    LOP_TRY(lop_json_object(model, "vocab", &vocabulary));
    LOP_TRY(lop_tokenizer_read_vocabulary(vocabulary, &out->vocabulary));
    LOP_TRY(lop_json_flag(model, "fuse_unk", &out->fuse_unknown));
    LOP_TRY(lop_json_flag(model, "byte_fallback", &out->byte_fallback));
    LOP_TRY(lop_json_flag(model, "ignore_merges", &out->ignore_merges));
    LOP_TRY(lop_json_text(model, "unk_token", &unknown));
    out->unknown = unknown.size ? lop_vocabulary_find(&out->vocabulary, unknown) : -1;
    if (unknown.size && out->unknown < 0)
        return LOP_FAIL(LOP_E_FORMAT, "\"unk_token\" is \"%.*s\", which the vocabulary does not have",
                        shown(unknown), unknown.at);
    lop_bpe_seal(out);
    return read_merges(model, out);
}

static lop_status read_added(const json_t *value, int64_t limit, lop_tokenizer *t)
{
    if (!json_is_object(value))
        return LOP_FAIL(LOP_E_FORMAT, "an added token is %s, expected an object", lop_json_kind(value));
    lop_text content = {"", 0};
    int64_t id = -1;
    lop_added_token token = {0};
    LOP_TRY(lop_json_need(value, "id"));
    LOP_TRY(lop_json_int(value, "id", 0, limit - 1, &id));
    LOP_TRY(lop_json_need(value, "content"));
    LOP_TRY(lop_json_text(value, "content", &content));
    LOP_TRY(lop_json_flag(value, "special", &token.special));
    LOP_TRY(lop_json_flag(value, "single_word", &token.single_word));
    LOP_TRY(lop_json_flag(value, "lstrip", &token.lstrip));
    LOP_TRY(lop_json_flag(value, "rstrip", &token.rstrip));
    token.normalized = !token.special;
    LOP_TRY(lop_json_flag(value, "normalized", &token.normalized));
    token.id = (int32_t)id;
    return lop_tokenizer_add_token(t, content, token);
}

static lop_status read_added_tokens(const json_t *document, lop_tokenizer *t)
{
    json_t *list = NULL;
    LOP_TRY(lop_json_array(document, "added_tokens", &list));
    const size_t count = json_array_size(list);
    const int64_t limit = lop_tokenizer_id_limit((size_t)t->bpe.vocabulary.count + count);
    for (size_t i = 0; i < count; i++) LOP_TRY(read_added(json_array_get(list, i), limit, t));
    return LOP_OK;
}

lop_status lop_json_parts(const json_t *document, lop_tokenizer *out)
{
    LOP_TRY(lop_json_normalizer(json_object_get(document, "normalizer"), &out->normalizer));
    LOP_TRY(lop_json_pretokenizer(json_object_get(document, "pre_tokenizer"), &out->pretokenizer));
    LOP_TRY(lop_json_decoder(json_object_get(document, "decoder"), &out->decoder));
    LOP_TRY(lop_json_template(json_object_get(document, "post_processor"), out));
    if (out->before.count > 0) out->bos = out->before.at[0];
    if (out->after.count > 0) out->eos = out->after.at[out->after.count - 1];
    return LOP_OK;
}

static lop_status read_document(const json_t *document, lop_tokenizer *t)
{
    json_t *model = NULL;
    LOP_TRY(lop_json_need(document, "model"));
    LOP_TRY(lop_json_object(document, "model", &model));
    LOP_TRY(read_model(model, &t->bpe));
    LOP_TRY(read_added_tokens(document, t));
    LOP_TRY(lop_json_parts(document, t));
    return lop_tokenizer_seal(t);
}

lop_status lop_tokenizer_open_json(const char *path, lop_tokenizer **out)
{
    *out = NULL;
    json_t *document = NULL;
    LOP_TRY(lop_json_read(path, LOP_TOKENIZER_FILE_MAX, &document));
    lop_tokenizer *t = NULL;
    lop_status status = LOP_OK;
    LOP_TRY_DONE(lop_tokenizer_new(&t));
    status = read_document(document, t);
    if (status != LOP_OK) lop_note("in %s", path);
done:
    lop_json_close(document);
    if (status == LOP_OK)
        *out = t;
    else
        lop_tokenizer_close(t);
    return status;
}
