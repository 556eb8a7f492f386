/* tokenizer_made.c - a tokenizer as GGUF metadata say it: tokens with their types, merges or scores, special ids. */
#include "core/io/tokenizer_spec.h"

#include "core/base/memory.h"

#include <stdio.h>
#include <string.h>

#define PAD_BYTES 24 /* of "[PAD16777215]" and what makes it another text than any token's */

/* ---- ids around a text */

static lop_status fail_template(const lop_tokenizer *t)
{
    return LOP_FAIL(
        LOP_E_UNSUPPORTED,
        "the tokenizer's template puts %lld ids before a text and %lld behind it; GGUF can say BOS "
        "before and EOS behind",
        (long long)t->before.count, (long long)t->after.count);
}

/* What the template adds is BOS and EOS, whatever they are called elsewhere. */
static lop_status make_specials(const lop_tokenizer *t, int32_t bos, int32_t eos, lop_tokenizer_spec *spec)
{
    if (t->before.count > 1 || t->after.count > 1) return fail_template(t);
    spec->add_bos = t->before.count > 0;
    spec->add_eos = t->after.count > 0;
    spec->bos = spec->add_bos ? t->before.at[0] : bos >= 0 ? bos : t->bos;
    spec->eos = spec->add_eos ? t->after.at[0] : eos >= 0 ? eos : t->eos;
    spec->unknown = t->bpe.unknown >= 0 ? t->bpe.unknown : t->unknown;
    spec->pad = t->pad;
    return LOP_OK;
}

/* ---- tokens */

/* "[PAD7]", and no token's text. */
static lop_text pad_text(const lop_tokenizer *t, int32_t id, char *at)
{
    int size = snprintf(at, PAD_BYTES, "[PAD%d]", (int)id);
    while (size + 1 < PAD_BYTES && lop_tokenizer_find(t, (lop_text){at, (size_t)size}) >= 0) at[size++] = ']';
    return (lop_text){at, (size_t)size};
}

static bool is_byte(const lop_tokenizer *t, int32_t id)
{
    bool is = false;
    for (int b = 0; t->bpe.byte_fallback && b < 256; b++) is |= t->bpe.byte_ids[b] == id;
    return is;
}

static lop_token_type type_of(const lop_tokenizer *t, int32_t id, const lop_added_token *added)
{
    if (!t->byte_level && id == t->bpe.unknown) return LOP_TOKEN_UNKNOWN;
    if (is_byte(t, id)) return LOP_TOKEN_BYTE;
    if (added == NULL) return LOP_TOKEN_NORMAL;
    return added->special ? LOP_TOKEN_CONTROL : LOP_TOKEN_USER_DEFINED;
}

/* Texts and types; *pads moves on behind the texts made here. */
static void make_tokens(const lop_tokenizer *t, char **pads, lop_made_spec *m)
{
    for (int32_t id = 0; id < m->spec.count; id++) {
        const lop_added_token *added = lop_added_by_id(&t->added, id);
        if (lop_vocabulary_text(&t->bpe.vocabulary, id, &m->tokens[id]) || added != NULL) {
            if (added != NULL) m->tokens[id] = (lop_text){added->content, added->size};
            m->types[id] = (int32_t)type_of(t, id, added);
            const bool shifted = added && added->normalized && t->normalizer.count > 0;
            m->odd_tokens += added && (added->single_word || added->lstrip || added->rstrip || shifted);
        } else {
            m->tokens[id] = pad_text(t, id, *pads);
            m->types[id] = LOP_TOKEN_UNUSED;
            *pads += m->tokens[id].size;
        }
    }
}

/* ---- merges */

static lop_status check_blanks(lop_text text)
{
    if (text.size == 0 || memchr(text.at, ' ', text.size) == NULL) return LOP_OK;
    return LOP_FAIL(LOP_E_UNSUPPORTED, "a merge has \"%.*s\", whose blank GGUF cannot say",
                    text.size < 64 ? (int)text.size : 64, text.at);
}

/* "left right" of each, one behind the other from `at` on. */
static lop_status make_merges(const lop_bpe *b, const lop_merge *merges, char *at, lop_made_spec *m)
{
    for (uint32_t i = 0; i < b->merge_count; i++) {
        lop_text left = {"", 0}, right = {"", 0};
        (void)lop_vocabulary_text(&b->vocabulary, merges[i].left, &left);
        (void)lop_vocabulary_text(&b->vocabulary, merges[i].right, &right);
        LOP_TRY(check_blanks(left));
        LOP_TRY(check_blanks(right));
        m->merges[i] = (lop_text){at, left.size + 1 + right.size};
        memcpy(at, left.at, left.size);
        at[left.size] = ' ';
        memcpy(at + left.size + 1, right.at, right.size);
        at += m->merges[i].size;
    }
    m->spec.merges = m->merges;
    m->spec.merge_count = (int32_t)b->merge_count;
    return LOP_OK;
}

/* Room for what make_tokens and make_merges put into m->bytes. */
static size_t bytes_made(const lop_tokenizer *t, const lop_merge *merges, int32_t count)
{
    size_t sum = 1;
    for (int32_t id = 0; id < count; id++) {
        lop_text text;
        if (!lop_vocabulary_text(&t->bpe.vocabulary, id, &text)) sum += PAD_BYTES;
    }
    for (uint32_t i = 0; merges && i < t->bpe.merge_count; i++) {
        lop_text left = {"", 0}, right = {"", 0};
        (void)lop_vocabulary_text(&t->bpe.vocabulary, merges[i].left, &left);
        (void)lop_vocabulary_text(&t->bpe.vocabulary, merges[i].right, &right);
        sum += left.size + right.size + 1;
    }
    return sum;
}

static lop_status make_texts(const lop_tokenizer *t, lop_made_spec *m)
{
    lop_merge *merges = NULL;
    lop_status status = LOP_OK;
    if (t->byte_level) LOP_TRY_DONE(lop_bpe_list(&t->bpe, &merges));
    LOP_TRY_DONE(LOP_NEW(&m->tokens, m->spec.count));
    LOP_TRY_DONE(LOP_NEW(&m->types, m->spec.count));
    LOP_TRY_DONE(lop_alloc(bytes_made(t, merges, m->spec.count), 1, &m->bytes));
    char *at = m->bytes;
    make_tokens(t, &at, m);
    m->spec.tokens = m->tokens;
    m->spec.types = m->types;
    if (!t->byte_level) goto done;
    LOP_TRY_DONE(LOP_NEW(&m->merges, t->bpe.merge_count));
    LOP_TRY_DONE(make_merges(&t->bpe, merges, at, m));
done:
    lop_free(merges);
    return status;
}

/* ---- the whole */

static lop_status make(const lop_tokenizer *t, int32_t bos, int32_t eos, lop_made_spec *m)
{
    if (lop_tokenizer_size(t) > m->spec.count)
        return LOP_FAIL(LOP_E_FORMAT, "the tokenizer has ids up to %d, but the model embeds %d tokens",
                        lop_tokenizer_size(t) - 1, m->spec.count);
    LOP_TRY(lop_spec_match(t, m));
    LOP_TRY(make_specials(t, bos, eos, &m->spec));
    LOP_TRY(make_texts(t, m));
    return t->byte_level ? LOP_OK : lop_spec_rank_scores(t, m);
}

lop_status lop_made_spec_open(const lop_tokenizer *t, int32_t count, int32_t bos, int32_t eos,
                              lop_made_spec *out)
{
    *out = (lop_made_spec){.spec = {.count = count, .bos = -1, .eos = -1, .unknown = -1, .pad = -1}};
    const lop_status status = make(t, bos, eos, out);
    if (status != LOP_OK) lop_made_spec_close(out);
    return status;
}

void lop_made_spec_close(lop_made_spec *m)
{
    lop_free(m->tokens);
    lop_free(m->merges);
    lop_free(m->scores);
    lop_free(m->types);
    lop_free(m->bytes);
    *m = (lop_made_spec){0};
}
