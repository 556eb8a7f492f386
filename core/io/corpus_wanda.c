/* corpus_wanda.c - the draw of the reference scripts, number for number.
 *
 * Source: Wanda, lib/data.py get_c4 and get_wikitext2 (SparseGPT's datautils.py is the same): `random.seed(seed)`; for
 * each sample, documents by randint(0, n - 1) until one has more than seqlen ids; then randint(0, ids - seqlen - 1). */
#include "core/base/memory.h"
#include "core/base/random.h"
#include "core/io/corpus_parts.h"

#include <string.h>

typedef struct draw {
    const lop_corpus_wish *wish;
    const lop_documents *documents;
    lop_mt19937 random;
    int64_t *length; /* ids of each document; -1: not looked at yet */
    int64_t known;   /* documents looked at */
    int64_t longest; /* of those */
    lop_ids ids;     /* of the last one encoded */
} draw;

static lop_status encode(draw *d, int64_t document, lop_corpus *out)
{
    d->ids.count = 0;
    LOP_TRY(lop_corpus_encode(d->wish, d->documents->at[document], &d->ids));
    if (d->length[document] >= 0) return LOP_OK;
    d->length[document] = d->ids.count;
    d->known++;
    if (d->ids.count > d->longest) d->longest = d->ids.count;
    out->tokens += d->ids.count;
    out->documents++;
    return LOP_OK;
}

static lop_status fail_short(const draw *d)
{
    return LOP_FAIL(
        LOP_E_FORMAT,
        "%s has too few tokens for the wanda sampler: its longest document has %lld and a window needs more "
        "than %d; give longer documents, a smaller --seqlen, or the default sampler",
        d->wish->path, (long long)d->longest, d->wish->seqlen);
}

/* Draws until a document is long enough; what was drawn before is not encoded again. */
static lop_status draw_document(draw *d, lop_corpus *out, int64_t *document)
{
    const int64_t count = d->documents->count;
    for (;;) {
        *document = lop_mt19937_randint(&d->random, 0, (uint32_t)(count - 1));
        const int64_t length = d->length[*document];
        if (length < 0 || length > d->wish->seqlen) LOP_TRY(encode(d, *document, out));
        if (d->length[*document] > d->wish->seqlen) return LOP_OK;
        if (d->known == count && d->longest <= d->wish->seqlen) return fail_short(d);
        LOP_TRY(lop_log_check_stop(d->wish->log));
    }
}

static lop_status draw_window(draw *d, lop_corpus *out, int64_t window, lop_place *place)
{
    const int32_t seqlen = d->wish->seqlen;
    *place = (lop_place){0, 0};
    if (!d->documents->whole) LOP_TRY(draw_document(d, out, &place->document));
    const int64_t last = d->ids.count - seqlen - 1;
    if (last > UINT32_MAX - 1)
        return LOP_FAIL(LOP_E_UNSUPPORTED, "%s is too long for the wanda sampler; use the default one",
                        d->wish->path);
    place->offset = lop_mt19937_randint(&d->random, 0, (uint32_t)last);
    memcpy(out->ids + window * seqlen, d->ids.at + place->offset, (size_t)seqlen * sizeof *out->ids);
    return LOP_OK;
}

lop_status lop_corpus_draw_wanda(const lop_corpus_wish *wish, const lop_documents *documents,
                                 lop_place *places, lop_corpus *out)
{
    draw d = {.wish = wish, .documents = documents};
    lop_status status = LOP_OK;
    if (documents->count > INT32_MAX)
        return LOP_FAIL(LOP_E_UNSUPPORTED, "%s has more documents than the wanda sampler draws from",
                        wish->path);
    LOP_TRY_DONE(LOP_NEW(&d.length, documents->count));
    for (int64_t i = 0; i < documents->count; i++) d.length[i] = -1;
    lop_mt19937_seed(&d.random, (uint32_t)wish->seed);
    if (documents->whole) LOP_TRY_DONE(encode(&d, 0, out));
    if (documents->whole && d.longest <= wish->seqlen) {
        status = fail_short(&d);
        goto done;
    }
    for (int64_t i = 0; i < wish->windows; i++) LOP_TRY_DONE(draw_window(&d, out, i, &places[i]));
done:
    lop_ids_close(&d.ids);
    lop_free(d.length);
    return status;
}
