/* calibrate.c - calibration windows from the settings. */
#include "core/prune/calibrate.h"

#include "core/base/memory.h"
#include "core/io/corpus.h"

#include <string.h>

/* Windows are as long as the model can take, but not longer than what the published results use. */
enum { SEQLEN_USUAL = 2048 };

static lop_status seqlen_read(const lop_net *net, const lop_settings *s, lop_log *log, int32_t *out)
{
    const int32_t most = net->config->positions;
    if (!lop_settings_given(s, "seqlen")) {
        *out = most < SEQLEN_USUAL ? most : SEQLEN_USUAL;
        lop_log_say(log, LOP_EVENT_NOTE, "calibration windows are %d tokens long", *out);
        return LOP_OK;
    }
    const int64_t seqlen = lop_settings_int(s, "seqlen");
    if (seqlen < 2 || seqlen > most)
        return LOP_FAIL(LOP_E_ARGUMENT,
                        "seqlen is %lld: expected 2 to %d, the positions that the model knows",
                        (long long)seqlen, most);
    *out = (int32_t)seqlen;
    return LOP_OK;
}

/* Raw ids need no tokenizer, and a model folder need not have one then. */
static lop_status tokenizer_open(const lop_net *net, const char *path, lop_tokenizer **out)
{
    const size_t size = strlen(path);
    *out = NULL;
    if (size > 4 && strcmp(path + size - 4, ".i32") == 0) return LOP_OK;
    return lop_checkpoint_tokenizer(net->file, out);
}

static lop_status windows_take(lop_corpus *corpus, lop_calibration *out)
{
    if (corpus->windows > INT32_MAX)
        return LOP_FAIL(LOP_E_ARGUMENT, "there are too many calibration windows");
    out->ids = corpus->ids;
    out->windows = (int32_t)corpus->windows;
    out->seqlen = corpus->seqlen;
    memcpy(out->sha256, corpus->sha256, sizeof out->sha256);
    corpus->ids = NULL;
    return LOP_OK;
}

lop_status lop_calibration_open(const lop_net *net, const lop_settings *settings, lop_log *log,
                                lop_calibration *out)
{
    lop_status status = LOP_OK;
    lop_tokenizer *tokenizer = NULL;
    lop_corpus corpus = {0};
    const char *path = lop_settings_text(settings, "calib");
    *out = (lop_calibration){0};
    if (path == NULL) return LOP_OK;
    lop_corpus_wish wish = {.path = path,
                            .text_field = lop_settings_text(settings, "text-field"),
                            .vocab = net->config->vocab,
                            .windows = lop_settings_int(settings, "nsamples"),
                            .sampler = strcmp(lop_settings_text(settings, "sampler"), "wanda") == 0
                                           ? LOP_SAMPLER_WANDA
                                           : LOP_SAMPLER_STREAM,
                            .seed = (uint64_t)lop_settings_int(settings, "seed"),
                            .log = log};
    LOP_TRY_DONE(seqlen_read(net, settings, log, &wish.seqlen));
    LOP_TRY_DONE(tokenizer_open(net, path, &tokenizer));
    wish.tokenizer = tokenizer;
    LOP_TRY_DONE(lop_corpus_draw(&wish, &corpus));
    LOP_TRY_DONE(windows_take(&corpus, out));
    LOP_TRY_DONE(lop_strdup(path, &out->file));
done:
    lop_corpus_close(&corpus);
    lop_tokenizer_close(tokenizer);
    if (status != LOP_OK) lop_calibration_close(out);
    return status;
}

void lop_calibration_close(lop_calibration *c)
{
    if (c == NULL) return;
    lop_free(c->ids);
    lop_free(c->file);
    *c = (lop_calibration){0};
}
