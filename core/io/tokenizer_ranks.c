/* tokenizer_ranks.c - scores from the merges of a list, so that a SentencePiece model merges in the same order. */
#include "core/io/tokenizer_spec.h"

#include "core/base/memory.h"

static bool is_merged(const lop_made_spec *m, int32_t id)
{
    return m->types[id] == LOP_TOKEN_NORMAL || m->types[id] == LOP_TOKEN_USER_DEFINED;
}

/* The better a token, the earlier its merges stand in the list; tokens whose merges stand among one another's are equally
 * good. What no merge makes comes last. `last` has room for every token. */
static void rank(const lop_merge *merges, uint32_t count, int32_t *last, lop_made_spec *m)
{
    int32_t place = 0, reach = -1;
    for (uint32_t i = 0; i < count; i++) last[merges[i].id] = (int32_t)i;
    for (uint32_t i = 0; i < count; i++) {
        const int32_t id = merges[i].id;
        place += (int32_t)i > reach && reach >= 0;
        if (last[id] > reach) reach = last[id];
        m->scores[id] = (float)-place;
    }
    for (int32_t id = 0; id < m->spec.count; id++)
        if (last[id] < 0 && is_merged(m, id)) m->scores[id] = (float)-(place + 1);
}

/* As many merges follow from the scores as the list has, and none of the list is another: then they are the same. */
static lop_status check_merges(const lop_merge *merges, uint32_t count, const lop_made_spec *m)
{
    lop_tokenizer *read = NULL;
    uint32_t listed = 0;
    for (uint32_t i = 0; i < count; i++)
        listed += is_merged(m, merges[i].left) && is_merged(m, merges[i].right) && is_merged(m, merges[i].id);
    LOP_TRY(lop_tokenizer_open_spec(&m->spec, &read));
    const uint32_t made = read->bpe.merge_count;
    lop_tokenizer_close(read);
    if (made == listed) return LOP_OK;
    return LOP_FAIL(
        LOP_E_UNSUPPORTED,
        "the tokenizer has byte_fallback and %u merges, where its tokens can be put together in %u "
        "ways: it is no SentencePiece model, and GGUF has no words for it",
        (unsigned)listed, (unsigned)made);
}

lop_status lop_spec_rank_scores(const lop_tokenizer *t, lop_made_spec *m)
{
    lop_merge *merges = NULL;
    int32_t *last = NULL;
    lop_status status;
    LOP_TRY_DONE(LOP_NEW(&last, m->spec.count));
    LOP_TRY_DONE(LOP_NEW(&m->scores, m->spec.count));
    LOP_TRY_DONE(lop_bpe_list(&t->bpe, &merges));
    m->spec.scores = m->scores;
    for (int32_t id = 0; id < m->spec.count; id++) last[id] = -1;
    rank(merges, t->bpe.merge_count, last, m);
    LOP_TRY_DONE(check_merges(merges, t->bpe.merge_count, m));
done:
    lop_free(merges);
    lop_free(last);
    return status;
}
