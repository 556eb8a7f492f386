/* gguf_tokenizer.c - the tokenizer that GGUF metadata carry (`tokenizer.ggml.*`), handed to tokenizer.h as a spec. */
#include "core/base/memory.h"
#include "core/io/gguf_header.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Writers store "none" as -1 in a u32. */
lop_status lop_gguf_token_id(const lop_gguf *g, const char *name, int64_t tokens, int32_t otherwise,
                             int32_t *out)
{
    char key[96];
    uint64_t id;
    (void)snprintf(key, sizeof key, "tokenizer.ggml.%s", name);
    *out = otherwise;
    const gguf_entry *e = lop_gguf_find(g, key);
    if (e == NULL) return LOP_OK;
    if (!lop_gguf_entry_uint(e, &id))
        return LOP_FAIL(LOP_E_FORMAT, "%s: %s is no whole number from 0 up", g->file.path, key);
    *out = -1;
    if (id == UINT32_MAX) return LOP_OK;
    if (id >= (uint64_t)tokens)
        return LOP_FAIL(LOP_E_FORMAT, "%s: %s is %" PRIu64 ", but there are %" PRId64 " tokens", g->file.path,
                        key, id, tokens);
    *out = (int32_t)id;
    return LOP_OK;
}

/* Views of the texts of an array; the caller frees *out. Absent: NULL and 0. */
static lop_status read_texts(const lop_gguf *g, const char *key, lop_text **out, int32_t *count)
{
    const gguf_entry *e;
    LOP_TRY(lop_gguf_array(g, key, GGUF_TEXT, &e));
    if (e == NULL) return LOP_OK;
    LOP_TRY(LOP_NEW(out, e->count));
    *count = (int32_t)e->count;
    const unsigned char *at = e->at;
    for (int32_t i = 0; i < *count; i++) {
        const size_t size = (size_t)lop_gguf_load_u64(at);
        (*out)[i] = (lop_text){(const char *)at + 8, size};
        at += 8 + size;
    }
    return LOP_OK;
}

/* Copies an array of four-byte values, one for each of `count` tokens, to where it is aligned; the caller frees *out. */
static lop_status read_words(const lop_gguf *g, const char *key, gguf_type element, int32_t count, void *out)
{
    const gguf_entry *e;
    void *copy = NULL;
    LOP_TRY(lop_gguf_array(g, key, element, &e));
    if (e == NULL) return LOP_OK;
    if (e->count != (uint64_t)count)
        return LOP_FAIL(LOP_E_FORMAT, "%s: %s has %" PRIu64 " values for %d tokens", g->file.path, key,
                        e->count, count);
    LOP_TRY(lop_alloc((size_t)count, 4, &copy));
    if (count > 0) memcpy(copy, e->at, (size_t)count * 4);
    memcpy(out, &copy, sizeof copy);
    return LOP_OK;
}

/* Absent ids and flags mean what llama.cpp takes them to mean: SentencePiece-like vocabularies have the ids 1, 2, 0
 * and start with BOS and a space; of the byte-level ones only Llama 3's starts with BOS. */
static lop_status read_specials(const lop_gguf *g, lop_tokenizer_spec *s)
{
    const bool spm = lop_text_is(s->model, "llama"), ids = spm && s->count > 2;
    const bool llama3 =
        lop_text_is(s->pre, "llama-bpe") || lop_text_is(s->pre, "llama3") || lop_text_is(s->pre, "llama-v3");
    LOP_TRY(lop_gguf_token_id(g, "bos_token_id", s->count, ids ? 1 : -1, &s->bos));
    LOP_TRY(lop_gguf_token_id(g, "eos_token_id", s->count, ids ? 2 : -1, &s->eos));
    LOP_TRY(lop_gguf_token_id(g, "unknown_token_id", s->count, ids ? 0 : -1, &s->unknown));
    LOP_TRY(lop_gguf_token_id(g, "padding_token_id", s->count, -1, &s->pad));
    if (!lop_gguf_flag(g, "tokenizer.ggml.add_bos_token", &s->add_bos)) s->add_bos = spm || llama3;
    if (!lop_gguf_flag(g, "tokenizer.ggml.add_eos_token", &s->add_eos)) s->add_eos = false;
    if (!lop_gguf_flag(g, "tokenizer.ggml.add_space_prefix", &s->add_space_prefix)) s->add_space_prefix = spm;
    return LOP_OK;
}

lop_status lop_gguf_tokenizer(const lop_gguf *g, lop_tokenizer **out)
{
    lop_tokenizer_spec spec = {.pre = {"default", 7}};
    lop_text *tokens = NULL, *merges = NULL;
    float *scores = NULL;
    int32_t *types = NULL;
    lop_status status;
    *out = NULL;
    if (!lop_gguf_text(g, "tokenizer.ggml.model", &spec.model) ||
        lop_gguf_find(g, "tokenizer.ggml.tokens") == NULL)
        return LOP_FAIL(LOP_E_FORMAT,
                        "%s holds no tokenizer: tokenizer.ggml.model or tokenizer.ggml.tokens is missing",
                        g->file.path);
    (void)lop_gguf_text(g, "tokenizer.ggml.pre", &spec.pre);
    (void)lop_gguf_text(g, "tokenizer.chat_template", &spec.chat_template);
    LOP_TRY_DONE(read_texts(g, "tokenizer.ggml.tokens", &tokens, &spec.count));
    LOP_TRY_DONE(read_texts(g, "tokenizer.ggml.merges", &merges, &spec.merge_count));
    LOP_TRY_DONE(read_words(g, "tokenizer.ggml.scores", GGUF_F32, spec.count, &scores));
    LOP_TRY_DONE(read_words(g, "tokenizer.ggml.token_type", GGUF_I32, spec.count, &types));
    spec.tokens = tokens;
    spec.merges = merges;
    spec.scores = scores;
    spec.types = types;
    LOP_TRY_DONE(read_specials(g, &spec));
    LOP_TRY_DONE(lop_tokenizer_open_spec(&spec, out));
done:
    lop_free(types);
    lop_free(scores);
    lop_free(merges);
    lop_free(tokens);
    return status;
}
