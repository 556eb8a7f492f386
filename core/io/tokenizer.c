/* tokenizer.c - encoding and decoding with the parts that a file has filled, and what all readers share. */
#include "core/io/tokenizer.h"

#include "core/base/memory.h"
#include "core/io/tokenizer_state.h"

#include <inttypes.h>
#include <string.h>

/* ---- ids */

lop_status lop_ids_add(lop_ids *ids, const int32_t *at, int64_t count)
{
    if (count > ids->room - ids->count) {
        const int64_t room = (ids->count + count) * 2;
        LOP_TRY(lop_realloc((size_t)room, sizeof *ids->at, &ids->at));
        ids->room = room;
    }
    if (count > 0) memcpy(ids->at + ids->count, at, (size_t)count * sizeof *at);
    ids->count += count;
    return LOP_OK;
}

void lop_ids_close(lop_ids *ids)
{
    lop_free(ids->at);
    memset(ids, 0, sizeof *ids);
}

/* ---- filling */

lop_status lop_tokenizer_new(lop_tokenizer **out)
{
    LOP_TRY(LOP_NEW(out, 1));
    (*out)->bpe.unknown = (*out)->bos = (*out)->eos = (*out)->unknown = (*out)->pad = -1;
    return LOP_OK;
}

int64_t lop_tokenizer_id_limit(size_t count)
{
    const size_t limit = count < LOP_TOKENS_MAX ? count * 8 + 65536 : LOP_TOKENS_MAX;
    return limit < LOP_TOKENS_MAX ? (int64_t)limit : LOP_TOKENS_MAX;
}

int32_t lop_tokenizer_find(const lop_tokenizer *t, lop_text text)
{
    const lop_added_token *added = lop_added_by_text(&t->added, text);
    return added ? added->id : lop_vocabulary_find(&t->bpe.vocabulary, text);
}

lop_status lop_tokenizer_add_token(lop_tokenizer *t, lop_text content, lop_added_token token)
{
    lop_text other;
    const int32_t known = lop_vocabulary_find(&t->bpe.vocabulary, content);
    const int shown = content.size < 64 ? (int)content.size : 64;
    if (known >= 0 && known != token.id)
        return LOP_FAIL(LOP_E_FORMAT, "the added token \"%.*s\" has id %d, but the vocabulary gives it %d",
                        shown, content.at, token.id, known);
    if (known < 0 && lop_vocabulary_text(&t->bpe.vocabulary, token.id, &other))
        return LOP_FAIL(LOP_E_FORMAT,
                        "the added token \"%.*s\" has id %d, which the vocabulary gives to \"%.*s\"", shown,
                        content.at, token.id, other.size < 64 ? (int)other.size : 64, other.at);
    return lop_added_add(&t->added, content, token);
}

static bool has_alphabet(const lop_pretokenizer *p)
{
    for (int i = 0; i < p->count; i++)
        if (p->stages[i].kind == LOP_STAGE_ALPHABET) return true;
    return false;
}

static bool prepends(const lop_normalizer *n)
{
    for (int i = 0; i < n->count; i++)
        if (n->steps[i].kind == LOP_NORMAL_PREPEND) return true;
    return false;
}

/* A file without a decoder gets the one that its kind has. */
static lop_status default_decoder(lop_tokenizer *t)
{
    lop_decode_step *step;
    if (t->byte_level) return lop_decoder_add(&t->decoder, LOP_DECODE_BYTE_LEVEL, &step);
    LOP_TRY(lop_decoder_add_replace(&t->decoder, LOP_METASPACE, " "));
    LOP_TRY(lop_decoder_add(&t->decoder, LOP_DECODE_BYTE_FALLBACK, &step));
    if (!prepends(&t->normalizer)) return LOP_OK;
    LOP_TRY(lop_decoder_add(&t->decoder, LOP_DECODE_FUSE, &step));
    LOP_TRY(lop_decoder_add(&t->decoder, LOP_DECODE_STRIP, &step));
    step->start = 1;
    return lop_string_add(&step->text, " ", 1);
}

lop_status lop_tokenizer_seal(lop_tokenizer *t)
{
    LOP_TRY(lop_added_seal(&t->added, &t->normalizer));
    for (int32_t i = 1; i < t->added.count; i++) {
        const lop_added_token *a = &t->added.at[t->added.by_id[i - 1]], *b = &t->added.at[t->added.by_id[i]];
        if (a->id == b->id)
            return LOP_FAIL(LOP_E_FORMAT, "the added tokens \"%.64s\" and \"%.64s\" have the same id %d",
                            a->content, b->content, a->id);
    }
    t->byte_level = has_alphabet(&t->pretokenizer);
    return t->decoder.count == 0 ? default_decoder(t) : LOP_OK;
}

void lop_tokenizer_close(lop_tokenizer *t)
{
    if (t == NULL) return;
    lop_bpe_close(&t->bpe);
    lop_added_tokens_close(&t->added);
    lop_normalizer_close(&t->normalizer);
    lop_pretokenizer_close(&t->pretokenizer);
    lop_decoder_close(&t->decoder);
    lop_ids_close(&t->before);
    lop_ids_close(&t->after);
    json_decref(t->description);
    lop_free(t);
}

/* ---- encoding */

typedef struct encoding {
    const lop_tokenizer *t;
    lop_ids *out;
    lop_bpe_run bpe;
    lop_pretokenize_run pieces;
    lop_normal_run normal;
} encoding;

static lop_status encode_piece(void *user, lop_text piece)
{
    encoding *e = user;
    return lop_bpe_encode(&e->t->bpe, &e->bpe, piece, e->out);
}

static lop_status encode_normal(encoding *e, lop_text text, bool first)
{
    return lop_pretokenize(&e->pieces, text, first);
}

typedef lop_status segment_fn(encoding *e, lop_text text, bool first);

/* Gives what stands between the added tokens of a set to fn, and the tokens' ids out. */
static lop_status each_segment(encoding *e, const lop_added_set *set, lop_text text, bool first,
                               segment_fn *fn)
{
    lop_added_match match = {0};
    size_t done = 0;
    while (lop_added_next(&e->t->added, set, text, match.end, done, &match)) {
        if (done < match.from)
            LOP_TRY(fn(e, (lop_text){text.at + done, match.from - done}, first && done == 0));
        LOP_TRY(lop_ids_add(e->out, &match.id, 1));
        done = match.to;
    }
    if (done >= text.size) return LOP_OK;
    return fn(e, (lop_text){text.at + done, text.size - done}, first && done == 0);
}

/* Text between added tokens that are looked for as they stand: it is normalized by itself. */
static lop_status encode_raw(encoding *e, lop_text text, bool first)
{
    LOP_TRY(lop_normalize(&e->t->normalizer, &e->normal, text, &text));
    return each_segment(e, &e->t->added.normalized, text, first, encode_normal);
}

static lop_status encode_text(const lop_tokenizer *t, lop_text text, lop_ids *out)
{
    encoding e = {.t = t, .out = out};
    lop_status status = LOP_OK;
    LOP_TRY_DONE(lop_word_cache_open(&e.bpe.cache, text.size));
    LOP_TRY_DONE(lop_pretokenize_run_open(&t->pretokenizer, text.size, encode_piece, &e, &e.pieces));
    LOP_TRY_DONE(each_segment(&e, &t->added.plain, text, true, encode_raw));
done:
    lop_pretokenize_run_close(&e.pieces);
    lop_normal_run_close(&e.normal);
    lop_bpe_run_close(&e.bpe);
    return status;
}

lop_status lop_tokenizer_encode(const lop_tokenizer *t, lop_text text, bool special, lop_ids *out)
{
    size_t bad = 0;
    if (text.size > 0 && !lop_utf8_valid(text.at, text.size, &bad))
        return LOP_FAIL(LOP_E_FORMAT, "the text is not UTF-8: byte 0x%02X at offset %zu",
                        (unsigned char)text.at[bad], bad);
    const int64_t had = out->count;
    lop_status status = LOP_OK;
    if (special) LOP_TRY_DONE(lop_ids_add(out, t->before.at, t->before.count));
    if (text.size > 0) LOP_TRY_DONE(encode_text(t, text, out));
    if (special) LOP_TRY_DONE(lop_ids_add(out, t->after.at, t->after.count));
done:
    if (status != LOP_OK) out->count = had;
    return status;
}

lop_status lop_tokenizer_begin(const lop_tokenizer *t, lop_ids *out)
{
    return lop_ids_add(out, t->before.at, t->before.count);
}

/* ---- decoding */

lop_status lop_tokenizer_decode(const lop_tokenizer *t, const int32_t *ids, int64_t count, lop_string *out)
{
    lop_token_texts texts = {0};
    lop_status status = LOP_OK;
    for (int64_t i = 0; i < count; i++) {
        const lop_added_token *added = lop_added_by_id(&t->added, ids[i]);
        lop_text text;
        if (added != NULL && added->special) continue;
        if (added != NULL)
            text = (lop_text){added->content, added->size};
        else if (!lop_vocabulary_text(&t->bpe.vocabulary, ids[i], &text))
            continue; /* models have more rows than their tokenizers have tokens */
        LOP_TRY_DONE(lop_token_texts_add(&texts, text));
    }
    LOP_TRY_DONE(lop_decode_texts(&t->decoder, &texts, out));
done:
    lop_token_texts_close(&texts);
    return status;
}

/* ---- what it is */

const char *lop_tokenizer_kind(const lop_tokenizer *t)
{
    return t->byte_level ? "byte-level BPE" : "SentencePiece-like BPE";
}

int32_t lop_tokenizer_size(const lop_tokenizer *t)
{
    int32_t size = t->bpe.vocabulary.size;
    for (int32_t i = 0; i < t->added.count; i++)
        if (t->added.at[i].id >= size) size = t->added.at[i].id + 1;
    return size;
}

int32_t lop_tokenizer_bos(const lop_tokenizer *t)
{
    return t->bos;
}

int32_t lop_tokenizer_eos(const lop_tokenizer *t)
{
    return t->eos;
}
