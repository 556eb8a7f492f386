/* corpus_repeats.c - text that stands in a file more than once, and windows that share ids: both make a calibration set
 * smaller than it looks, so both are counted and said. */
#include "core/base/memory.h"
#include "core/io/corpus_parts.h"

#include <stdlib.h>
#include <string.h>

#define LINE_BYTES_LEAST 32   /* shorter lines repeat in any text */
#define REPEATED_TOLD    0.01 /* part of the text from which it is worth a sentence */
#define SHARED_WARNED    0.25 /* part of the drawn ids from which sharing is a warning, not a note */

/* ---- windows */

static int compare_places(const void *a, const void *b)
{
    const lop_place *x = a, *y = b;
    if (x->document != y->document) return x->document < y->document ? -1 : 1;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

lop_status lop_corpus_compare_places(const lop_corpus_wish *w, const lop_place *places, lop_corpus *out)
{
    lop_place *sorted = NULL;
    LOP_TRY(LOP_NEW(&sorted, out->windows));
    memcpy(sorted, places, (size_t)out->windows * sizeof *sorted);
    qsort(sorted, (size_t)out->windows, sizeof *sorted, compare_places);
    int64_t shared = 0;
    bool counted = false;
    for (int64_t i = 1; i < out->windows; i++) {
        const int64_t step = sorted[i].offset - sorted[i - 1].offset;
        const bool overlap = sorted[i].document == sorted[i - 1].document && step < out->seqlen;
        out->overlapping += overlap ? (counted ? 1 : 2) : 0;
        out->same += overlap && step == 0;
        shared += overlap ? out->seqlen - step : 0;
        counted = overlap;
    }
    lop_free(sorted);
    if (out->overlapping == 0) return LOP_OK;
    const double part = (double)shared / ((double)out->windows * out->seqlen);
    lop_log_say(w->log, part > SHARED_WARNED || out->same > 0 ? LOP_EVENT_WARNING : LOP_EVENT_NOTE,
                "%lld of %lld windows overlap another one, %lld are the same: %.0f %% of the drawn tokens "
                "repeat (%s has "
                "%lld tokens)",
                (long long)out->overlapping, (long long)out->windows, (long long)out->same, 100.0 * part,
                w->path, (long long)out->tokens);
    return LOP_OK;
}

/* ---- text */

static uint64_t hash(lop_text text)
{
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a; equal hashes are compared byte by byte */
    for (size_t i = 0; i < text.size; i++) h = (h ^ (unsigned char)text.at[i]) * 0x100000001b3u;
    return h;
}

typedef struct piece {
    uint64_t hash;
    lop_text text;
} piece;

static int compare_pieces(const void *a, const void *b)
{
    const piece *x = a, *y = b;
    if (x->hash != y->hash) return x->hash < y->hash ? -1 : 1;
    if (x->text.size != y->text.size) return x->text.size < y->text.size ? -1 : 1;
    return memcmp(x->text.at, y->text.at, x->text.size);
}

static void add_piece(piece *pieces, int64_t *count, lop_text text)
{
    if (pieces) pieces[*count] = (piece){hash(text), text};
    ++*count;
}

/* With pieces NULL, only counts. */
static int64_t cut_pieces(const lop_documents *d, piece *pieces)
{
    int64_t count = 0;
    for (int64_t i = 0; !d->whole && i < d->count; i++) add_piece(pieces, &count, d->at[i]);
    if (!d->whole) return count;
    const lop_text all = d->at[0];
    for (size_t at = 0; at < all.size;) {
        const char *end = memchr(all.at + at, '\n', all.size - at);
        const size_t n = end ? (size_t)(end - all.at) - at : all.size - at;
        if (n >= LINE_BYTES_LEAST) add_piece(pieces, &count, (lop_text){all.at + at, n});
        at += n + 1;
    }
    return count;
}

lop_status lop_corpus_find_repeats(const lop_corpus_wish *w, const lop_documents *d, lop_corpus *out)
{
    piece *pieces = NULL;
    const int64_t count = cut_pieces(d, NULL);
    LOP_TRY(LOP_NEW(&pieces, count));
    (void)cut_pieces(d, pieces);
    qsort(pieces, (size_t)count, sizeof *pieces, compare_pieces);
    double all = 0.0, again = 0.0;
    int64_t repeats = 0;
    for (int64_t i = 0; i < count; i++) {
        const bool repeat = i > 0 && compare_pieces(&pieces[i - 1], &pieces[i]) == 0;
        all += (double)pieces[i].text.size;
        again += repeat ? (double)pieces[i].text.size : 0.0;
        repeats += repeat;
    }
    lop_free(pieces);
    out->repeated = all > 0.0 ? again / all : 0.0;
    if (out->repeated > REPEATED_TOLD)
        lop_log_say(w->log, LOP_EVENT_WARNING,
                    "%s repeats itself: %lld %s stand in it more than once, %.0f %% of its text", w->path,
                    (long long)repeats, d->whole ? "lines" : "documents", 100.0 * out->repeated);
    return LOP_OK;
}
