/* tokenizer_spec.c - a tokenizer from what GGUF metadata say of it. */
#include "core/io/tokenizer_spec.h"

#include "core/io/tokenizer_json.h"

#include <string.h>

lop_token_type lop_spec_type(const lop_tokenizer_spec *spec, int32_t id)
{
    if (spec->types != NULL) return (lop_token_type)spec->types[id];
    const lop_text text = spec->tokens[id];
    if (id == spec->unknown) return LOP_TOKEN_UNKNOWN;
    if (id == spec->bos || id == spec->eos || id == spec->pad) return LOP_TOKEN_CONTROL;
    const bool byte = text.size == 6 && memcmp(text.at, "<0x", 3) == 0 && text.at[5] == '>';
    return byte ? LOP_TOKEN_BYTE : LOP_TOKEN_NORMAL;
}

static lop_status check_id(const lop_tokenizer_spec *spec, const char *name, int32_t id)
{
    if (id < spec->count) return LOP_OK;
    return LOP_FAIL(LOP_E_FORMAT, "the %s token has id %d, but ids end at %d", name, id, spec->count - 1);
}

static lop_status check_text(const char *what, int32_t index, lop_text text)
{
    size_t bad = 0;
    if (text.size == 0 || lop_utf8_valid(text.at, text.size, &bad)) return LOP_OK;
    return LOP_FAIL(LOP_E_FORMAT, "%s %d is not UTF-8 at byte %zu", what, index, bad);
}

static lop_status check_spec(const lop_tokenizer_spec *spec)
{
    if (spec->count <= 0) return LOP_FAIL(LOP_E_FORMAT, "the tokenizer has no tokens");
    LOP_TRY(check_id(spec, "BOS", spec->bos));
    LOP_TRY(check_id(spec, "EOS", spec->eos));
    LOP_TRY(check_id(spec, "unknown", spec->unknown));
    LOP_TRY(check_id(spec, "padding", spec->pad));
    LOP_TRY(check_text("the chat template", 0, spec->chat_template));
    for (int32_t i = 0; i < spec->count; i++) LOP_TRY(check_text("token", i, spec->tokens[i]));
    for (int32_t i = 0; i < spec->merge_count; i++) LOP_TRY(check_text("merge", i, spec->merges[i]));
    return LOP_OK;
}

/* Control, unknown and user-defined tokens are found in the text as they stand; the last stay when decoding. */
static lop_status add_tokens(const lop_tokenizer_spec *spec, lop_tokenizer *t)
{
    for (int32_t id = 0; id < spec->count; id++) {
        const lop_token_type type = lop_spec_type(spec, id);
        const bool special = type == LOP_TOKEN_CONTROL || type == LOP_TOKEN_UNKNOWN;
        if (!special && type != LOP_TOKEN_USER_DEFINED) continue;
        LOP_TRY(
            lop_tokenizer_add_token(t, spec->tokens[id], (lop_added_token){.id = id, .special = special}));
    }
    return LOP_OK;
}

static lop_status read_model(const json_t *model, const lop_tokenizer_spec *spec, lop_bpe *out)
{
    for (int32_t id = 0; id < spec->count; id++)
        LOP_TRY(lop_vocabulary_add(&out->vocabulary, spec->tokens[id], id));
    LOP_TRY(lop_json_flag(model, "fuse_unk", &out->fuse_unknown));
    LOP_TRY(lop_json_flag(model, "byte_fallback", &out->byte_fallback));
    LOP_TRY(lop_json_flag(model, "ignore_merges", &out->ignore_merges));
    if (lop_json_find(model, "unk_token") != NULL) out->unknown = spec->unknown;
    lop_bpe_seal(out);
    if (out->byte_fallback) return lop_spec_score_merges(spec, out);
    for (int32_t i = 0; i < spec->merge_count; i++) LOP_TRY(lop_bpe_merge_add_line(out, spec->merges[i], i));
    return LOP_OK;
}

static lop_status fill(const lop_tokenizer_spec *spec, lop_tokenizer *t)
{
    LOP_TRY(check_spec(spec));
    LOP_TRY(lop_spec_describe(spec, &t->description));
    LOP_TRY(read_model(json_object_get(t->description, "model"), spec, &t->bpe));
    LOP_TRY(add_tokens(spec, t));
    LOP_TRY(lop_json_parts(t->description, t));
    t->bos = spec->bos;
    t->eos = spec->eos;
    t->unknown = spec->unknown;
    t->pad = spec->pad;
    return lop_tokenizer_seal(t);
}

lop_status lop_tokenizer_open_spec(const lop_tokenizer_spec *spec, lop_tokenizer **out)
{
    *out = NULL;
    lop_tokenizer *t;
    LOP_TRY(lop_tokenizer_new(&t));
    const lop_status status = fill(spec, t);
    if (status == LOP_OK)
        *out = t;
    else
        lop_tokenizer_close(t);
    return status;
}
