/* corpus.c - files into a stream of ids, and the stream into windows. */
#include "core/io/corpus.h"

#include "core/base/file.h"
#include "core/base/memory.h"
#include "core/base/random.h"
#include "core/io/corpus_parts.h"

#include <string.h>

#define STREAM_OFFSETS       1u /* the Philox stream that offsets are drawn from */
#define IDS_BYTES_MOST       ((uint64_t)16 << 30)
#define WINDOW_IDS_MOST      ((int64_t)1 << 40) /* so that products of two counts stay in 64 bits */
#define DOCUMENTS_PER_REPORT 64

/* ---- what was wished */

static bool is_stream(const char *path)
{
    const size_t n = strlen(path);
    return n >= 4 && strcmp(path + n - 4, ".i32") == 0;
}

static lop_status check_wish(const lop_corpus_wish *w, int64_t least)
{
    if (w->seqlen < 2)
        return LOP_FAIL(LOP_E_ARGUMENT, "a window of %d tokens; expected at least 2", w->seqlen);
    if (w->windows < least || w->windows > WINDOW_IDS_MOST / w->seqlen)
        return LOP_FAIL(LOP_E_ARGUMENT,
                        "%lld windows of %d tokens; expected at least %lld and no more than memory holds",
                        (long long)w->windows, w->seqlen, (long long)least);
    if (w->sampler == LOP_SAMPLER_WANDA && is_stream(w->path))
        return LOP_FAIL(LOP_E_ARGUMENT,
                        "the wanda sampler draws from text; %s is a stream of ids, used in order", w->path);
    if (w->sampler == LOP_SAMPLER_WANDA && w->seed > UINT32_MAX)
        return LOP_FAIL(LOP_E_ARGUMENT, "seed %llu; the wanda sampler takes seeds below 2^32",
                        (unsigned long long)w->seed);
    return LOP_OK;
}

static lop_status fail_few(const lop_corpus_wish *w, int64_t tokens, int64_t needed)
{
    return LOP_FAIL(LOP_E_FORMAT,
                    "%s has %lld tokens, too few: %lld are needed for windows of %d; give more text, or "
                    "shorter windows (--seqlen) or fewer",
                    w->path, (long long)tokens, (long long)needed, w->seqlen);
}

/* ---- the stream */

static lop_status check_ids(const lop_corpus_wish *w, const int32_t *ids, int64_t count, int64_t first)
{
    for (int64_t i = 0; i < count; i++)
        if (ids[i] < 0 || ids[i] >= w->vocab)
            return LOP_FAIL(LOP_E_FORMAT,
                            "%s: id %d at place %lld is outside the model's vocabulary of %d; text and "
                            "tokenizer must belong to the model",
                            w->path, ids[i], (long long)(first + i), w->vocab);
    return LOP_OK;
}

lop_status lop_corpus_encode(const lop_corpus_wish *w, lop_text text, lop_ids *out)
{
    const int64_t before = out->count;
    LOP_TRY(lop_tokenizer_encode(w->tokenizer, text, true, out));
    return check_ids(w, out->at + before, out->count - before, before);
}

static lop_status encode_all(const lop_corpus_wish *w, const lop_documents *d, lop_ids *out)
{
    for (int64_t i = 0; i < d->count; i++) {
        const lop_status status = lop_corpus_encode(w, d->at[i], out);
        if (status != LOP_OK && d->count > 1) lop_note("document %lld", (long long)i + 1);
        LOP_TRY(status);
        if (i % DOCUMENTS_PER_REPORT != DOCUMENTS_PER_REPORT - 1) continue;
        LOP_TRY(lop_log_check_stop(w->log));
        lop_log_progress(w->log, "documents", (double)(i + 1), (double)d->count);
    }
    return LOP_OK;
}

static lop_status read_stream(const lop_corpus_wish *w, lop_ids *out, char sha256[LOP_SHA256_TEXT])
{
    char *bytes = NULL;
    size_t size = 0;
    LOP_TRY(lop_file_read(w->path, IDS_BYTES_MOST, &bytes, &size));
    lop_status status = LOP_OK;
    if (size % sizeof *out->at != 0)
        status = LOP_FAIL(LOP_E_FORMAT, "%s has %zu bytes, expected a multiple of 4: little-endian int32 ids",
                          w->path, size);
    if (status == LOP_OK) status = lop_sha256_memory(bytes, size, sha256);
    if (status == LOP_OK) status = lop_realloc(size / sizeof *out->at, sizeof *out->at, &out->at);
    if (status == LOP_OK) {
        if (size > 0) memcpy(out->at, bytes, size);
        out->count = out->room = (int64_t)(size / sizeof *out->at);
        status = check_ids(w, out->at, out->count, 0);
    }
    lop_free(bytes);
    return status;
}

/* The stream of a file, and of a text its documents too. */
static lop_status read_ids(const lop_corpus_wish *w, lop_corpus *c, lop_ids *ids)
{
    if (is_stream(w->path)) return read_stream(w, ids, c->sha256);
    lop_documents d;
    LOP_TRY(lop_documents_open(w->path, w->text_field, &d));
    lop_status status = encode_all(w, &d, ids);
    if (status == LOP_OK) status = lop_corpus_find_repeats(w, &d, c);
    c->documents = d.count;
    memcpy(c->sha256, d.sha256, sizeof c->sha256);
    lop_documents_close(&d);
    return status;
}

lop_status lop_corpus_ids(const lop_corpus_wish *w, lop_ids *out)
{
    lop_corpus c = {0};
    const lop_status status = read_ids(w, &c, out);
    if (status != LOP_OK) lop_ids_close(out);
    return status;
}

/* ---- windows */

static void take_window(lop_corpus *c, const lop_ids *ids, int64_t window, int64_t offset)
{
    memcpy(c->ids + window * c->seqlen, ids->at + offset, (size_t)c->seqlen * sizeof *c->ids);
}

/* Every offset at which a whole window fits is as likely. */
static lop_status draw_stream(const lop_corpus_wish *w, const lop_ids *ids, lop_place *places, lop_corpus *c)
{
    uint64_t at = 0;
    if (ids->at == NULL || ids->count < w->seqlen) return fail_few(w, ids->count, w->seqlen);
    for (int64_t i = 0; i < c->windows; i++) {
        const uint64_t room = (uint64_t)(ids->count - w->seqlen) + 1;
        places[i] = (lop_place){0, (int64_t)lop_random_below(w->seed, STREAM_OFFSETS, &at, room)};
        take_window(c, ids, i, places[i].offset);
    }
    return lop_corpus_compare_places(w, places, c);
}

static lop_status cut_stream(const lop_corpus_wish *w, const lop_ids *ids, lop_corpus *c)
{
    if (ids->at == NULL || ids->count < c->windows * w->seqlen)
        return fail_few(w, ids->count, c->windows * w->seqlen);
    LOP_TRY(lop_alloc((size_t)c->windows, (size_t)w->seqlen * sizeof *c->ids, &c->ids));
    for (int64_t i = 0; i < c->windows; i++) take_window(c, ids, i, i * w->seqlen);
    return LOP_OK;
}

static lop_status draw_wanda(const lop_corpus_wish *w, lop_place *places, lop_corpus *c)
{
    lop_documents d;
    LOP_TRY(lop_documents_open(w->path, w->text_field, &d));
    memcpy(c->sha256, d.sha256, sizeof c->sha256);
    lop_status status = lop_corpus_draw_wanda(w, &d, places, c);
    if (status == LOP_OK) status = lop_corpus_compare_places(w, places, c);
    if (status == LOP_OK) status = lop_corpus_find_repeats(w, &d, c);
    lop_documents_close(&d);
    return status;
}

lop_status lop_corpus_draw(const lop_corpus_wish *w, lop_corpus *out)
{
    *out = (lop_corpus){.windows = w->windows, .seqlen = w->seqlen};
    lop_ids ids = {0};
    lop_place *places = NULL;
    lop_status status = LOP_OK;
    LOP_TRY_DONE(check_wish(w, 1));
    if (w->sampler != LOP_SAMPLER_WANDA) LOP_TRY_DONE(read_ids(w, out, &ids));
    if (is_stream(w->path)) {
        out->tokens = ids.count;
        LOP_TRY_DONE(cut_stream(w, &ids, out));
        goto done;
    }
    LOP_TRY_DONE(LOP_NEW(&places, w->windows));
    LOP_TRY_DONE(lop_alloc((size_t)w->windows, (size_t)w->seqlen * sizeof *out->ids, &out->ids));
    if (w->sampler == LOP_SAMPLER_WANDA) {
        status = draw_wanda(w, places, out);
    } else {
        out->tokens = ids.count;
        status = draw_stream(w, &ids, places, out);
    }
done:
    lop_free(places);
    lop_ids_close(&ids);
    if (status != LOP_OK) lop_corpus_close(out);
    return status;
}

lop_status lop_corpus_cut(const lop_corpus_wish *w, lop_corpus *out)
{
    *out = (lop_corpus){.seqlen = w->seqlen};
    lop_ids ids = {0};
    lop_status status = LOP_OK;
    LOP_TRY_DONE(check_wish(w, 0));
    LOP_TRY_DONE(read_ids(w, out, &ids));
    out->tokens = ids.count;
    out->windows = w->windows ? w->windows : ids.count / w->seqlen;
    status = out->windows == 0 ? fail_few(w, ids.count, w->seqlen) : cut_stream(w, &ids, out);
done:
    lop_ids_close(&ids);
    if (status != LOP_OK) lop_corpus_close(out);
    return status;
}

void lop_corpus_close(lop_corpus *c)
{
    if (c == NULL) return;
    lop_free(c->ids);
    *c = (lop_corpus){0};
}
