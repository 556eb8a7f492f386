/* tokenizer_scores.c - merges from the scores of a SentencePiece model. */
#include "core/io/tokenizer_spec.h"

#include "core/base/memory.h"
#include "core/io/unicode.h"

#include <math.h>
#include <stdlib.h>

typedef struct scored {
    float score;
    int32_t id;
} scored;

/* The best first. */
static int compare(const void *left, const void *right)
{
    const scored *a = left, *b = right;
    if (a->score != b->score) return a->score < b->score ? 1 : -1;
    return (a->id > b->id) - (a->id < b->id);
}

/* True of tokens that text may be merged into; the others are found before, or stand for single bytes. */
static bool is_merged(const lop_tokenizer_spec *spec, int32_t id)
{
    const lop_token_type type = lop_spec_type(spec, id);
    return type == LOP_TOKEN_NORMAL || type == LOP_TOKEN_USER_DEFINED || type == LOP_TOKEN_UNUSED;
}

static lop_status add_merges_to(const lop_tokenizer_spec *spec, int32_t id, int32_t rank, lop_bpe *out)
{
    const lop_text text = spec->tokens[id];
    for (size_t at = 0; at < text.size;) {
        (void)lop_char_next(text.at, text.size, &at);
        if (at >= text.size) break;
        const int32_t left = lop_vocabulary_find(&out->vocabulary, (lop_text){text.at, at});
        if (left < 0 || !is_merged(spec, left)) continue;
        const int32_t right = lop_vocabulary_find(&out->vocabulary, (lop_text){text.at + at, text.size - at});
        if (right < 0 || !is_merged(spec, right)) continue;
        LOP_TRY(lop_bpe_merge_add(out, left, right, rank, id));
    }
    return LOP_OK;
}

static lop_status collect(const lop_tokenizer_spec *spec, scored *out, int32_t *count)
{
    *count = 0;
    for (int32_t id = 0; id < spec->count; id++) {
        if (!isfinite(spec->scores[id]))
            return LOP_FAIL(LOP_E_FORMAT, "the score of token %d is not a number", id);
        if (!is_merged(spec, id)) continue;
        if (spec->tokens[id].size > LOP_SCORED_BYTES_MAX)
            return LOP_FAIL(LOP_E_UNSUPPORTED, "token %d has %zu bytes, expected at most %d", id,
                            spec->tokens[id].size, LOP_SCORED_BYTES_MAX);
        out[(*count)++] = (scored){spec->scores[id], id};
    }
    return LOP_OK;
}

lop_status lop_spec_score_merges(const lop_tokenizer_spec *spec, lop_bpe *out)
{
    if (spec->scores == NULL)
        return LOP_FAIL(LOP_E_FORMAT, "a SentencePiece-like tokenizer has no scores (tokenizer.ggml.scores)");
    scored *order = NULL;
    int32_t count = 0, rank = 0;
    LOP_TRY(LOP_NEW(&order, spec->count));
    lop_status status = collect(spec, order, &count);
    if (status == LOP_OK && count > 0) qsort(order, (size_t)count, sizeof *order, compare);
    for (int32_t i = 0; i < count && status == LOP_OK; i++) {
        rank += i > 0 && order[i].score != order[i - 1].score;
        status = add_merges_to(spec, order[i].id, rank, out);
    }
    lop_free(order);
    return status;
}
