/* eval_calls.c - eval, generate, tokenize. */
#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/memory.h"
#include "core/device/device.h"
#include "core/eval/choices.h"
#include "core/eval/generate.h"
#include "core/eval/perplexity.h"
#include "core/io/corpus.h"
#include "core/lop/result.h"
#include "core/lop/session.h"

#include <string.h>

/* --text, --tokens or --choices, just one of them. */
static lop_status check_source(const lop_settings *s)
{
    const char *tokens = lop_settings_text(s, "tokens");
    const bool choices = lop_settings_given(s, "choices");
    if ((int)lop_settings_given(s, "text") + (int)(tokens != NULL) + (int)choices != 1)
        return LOP_FAIL(
            LOP_E_ARGUMENT,
            "what is to be evaluated? give just one of --text FILE, --tokens FILE.i32 and --choices "
            "FILE.jsonl");
    if (tokens != NULL && (strlen(tokens) < 4 || strcmp(tokens + strlen(tokens) - 4, ".i32") != 0))
        return LOP_FAIL(LOP_E_ARGUMENT, "--tokens takes a .i32 file of token ids, got %s", tokens);
    if (choices && lop_settings_given(s, "windows"))
        return LOP_FAIL(LOP_E_ARGUMENT, "--windows is of --text and --tokens; --choices asks every question");
    return LOP_OK;
}

/* `usual` when --seqlen is left out, within what the model takes. */
static lop_status window_length(const lop_model *model, const lop_settings *s, int32_t usual, int32_t *out)
{
    const int32_t most = model->net.config->positions;
    *out = most < usual ? most : usual;
    if (lop_settings_given(s, "seqlen")) *out = (int32_t)lop_settings_int(s, "seqlen");
    if (*out > most)
        return LOP_FAIL(LOP_E_ARGUMENT, "--seqlen is %d; the model takes %d tokens at most", *out, most);
    return LOP_OK;
}

static lop_status cut_windows(lop_model *model, const lop_settings *s, lop_corpus *out)
{
    lop_corpus_wish wish = {.vocab = model->net.config->vocab, .log = &model->session->log};
    wish.path = lop_settings_text(s, lop_settings_given(s, "text") ? "text" : "tokens");
    LOP_TRY(window_length(model, s, 2048, &wish.seqlen));
    if (lop_settings_given(s, "windows")) wish.windows = lop_settings_int(s, "windows");
    if (lop_settings_given(s, "text")) LOP_TRY(lop_model_tokenizer(model, &wish.tokenizer));
    return lop_corpus_cut(&wish, out);
}

static json_t *peak_json(const lop_device *device)
{
    lop_host_peak peak;
    lop_host_peak_read(&peak);
    const size_t device_peak = lop_buf_used(LOP_ON_DEVICE).peak;
    return json_pack("{s:o, s:I}", "device",
                     device->host_memory ? json_null() : json_integer((json_int_t)device_peak), "host",
                     (json_int_t)peak.anonymous + (json_int_t)peak.mapped);
}

/* ---- perplexity */

static json_t *eval_json(const lop_perplexity *p, const lop_corpus *corpus, const lop_device *device,
                         double seconds)
{
    return json_pack("{s:f, s:f, s:I, s:I, s:i, s:s, s:s, s:s, s:f, s:o}", "perplexity", p->perplexity, "nll",
                     p->nll, "tokens", (json_int_t)p->tokens, "windows", (json_int_t)corpus->windows,
                     "seqlen", corpus->seqlen, "protocol",
                     "windows without overlap, each fed alone from position 0, seqlen - 1 predictions each; "
                     "perplexity = exp(mean nats over all predictions)",
                     "text_sha256", corpus->sha256, "backend", device->backend->name, "seconds", seconds,
                     "peak_bytes", peak_json(device));
}

static lop_status eval_windows(lop_model *model, const lop_settings *s, double began, lop_result **out)
{
    lop_corpus corpus = {0};
    lop_device *device = NULL;
    lop_perplexity found;
    lop_status status;
    LOP_TRY_DONE(cut_windows(model, s, &corpus));
    LOP_TRY_DONE(lop_session_device(model->session, &device));
    const lop_perplexity_args args = {.ids = corpus.ids,
                                      .windows = (int32_t)corpus.windows,
                                      .seqlen = corpus.seqlen,
                                      .forward_batch = lop_session_batch(model->session)};
    LOP_TRY_DONE(lop_perplexity_measure(device, &model->net, &args, &model->session->log, &found));
    status = lop_result_take(eval_json(&found, &corpus, device, lop_clock_seconds() - began), out);
done:
    lop_corpus_close(&corpus);
    return status;
}

/* ---- zero-shot sets */

typedef struct choices {
    lop_requests requests;
    lop_choice_tokens tokens;
    double *sum; /* log-likelihood of each request */
    int32_t seqlen;
} choices;

static lop_status read_choices(lop_model *model, const lop_settings *s, choices *c)
{
    const lop_config *config = model->net.config;
    const lop_tokenizer *tokenizer = NULL;
    const char *path = lop_settings_text(s, "choices");
    LOP_TRY(window_length(model, s, INT32_MAX, &c->seqlen));
    LOP_TRY(lop_requests_open(path, &c->requests));
    LOP_TRY(lop_model_tokenizer(model, &tokenizer));
    const lop_status status = lop_choice_tokens_open(
        &c->requests, tokenizer, c->seqlen, config->bos >= 0 ? config->bos : config->eos, &c->tokens);
    if (status != LOP_OK) lop_note("in %s", path);
    LOP_TRY(status);
    if (c->tokens.joined > 0)
        lop_log_say(
            &model->session->log, LOP_EVENT_WARNING,
            "in %lld of %lld answers the tokenizer joins the end of the context with the continuation: "
            "what is scored begins after as many tokens as the context alone has",
            (long long)c->tokens.joined, (long long)c->requests.count);
    return LOP_NEW(&c->sum, c->requests.count);
}

static json_t *choices_json(const choices *c, const lop_device *device, double seconds)
{
    lop_choice_score score;
    lop_choices_score(&c->requests, &c->tokens, c->sum, &score);
    return json_pack(
        "{s:f, s:f, s:f, s:o, s:I, s:I, s:I, s:I, s:I, s:i, s:s, s:s, s:s, s:f, s:o}", "accuracy",
        score.accuracy, "accuracy_per_char", score.per_char, "accuracy_per_token", score.per_token, "stderr",
        c->requests.questions > 1 ? json_real(score.error) : json_null(), "questions",
        (json_int_t)c->requests.questions, "requests", (json_int_t)c->requests.count, "tokens",
        (json_int_t)c->tokens.scored, "cut", (json_int_t)c->tokens.cut, "joined",
        (json_int_t)c->tokens.joined, "seqlen", c->seqlen, "protocol",
        "the answer with the largest sum of log p over its tokens, those of context + continuation beyond "
        "the "
        "context's; per character: divided by the continuation's code points",
        "choices_sha256", c->requests.sha256, "backend", device->backend->name, "seconds", seconds,
        "peak_bytes", peak_json(device));
}

static lop_status eval_choices(lop_model *model, const lop_settings *s, double began, lop_result **out)
{
    choices c = {0};
    lop_device *device = NULL;
    lop_status status;
    LOP_TRY_DONE(read_choices(model, s, &c));
    LOP_TRY_DONE(lop_session_device(model->session, &device));
    const lop_likelihood_args args = {.ids = c.tokens.ids.at,
                                      .at = c.tokens.at,
                                      .count = c.requests.count,
                                      .forward_batch = lop_session_batch(model->session)};
    LOP_TRY_DONE(lop_likelihood_measure(device, &model->net, &args, &model->session->log, c.sum));
    status = lop_result_take(choices_json(&c, device, lop_clock_seconds() - began), out);
done:
    lop_free(c.sum);
    lop_choice_tokens_close(&c.tokens);
    lop_requests_close(&c.requests);
    return status;
}

lop_status lop_eval(lop_model *model, const lop_setting *settings, int count, lop_result **out)
{
    lop_settings s = {0};
    const double began = lop_clock_seconds();
    *out = NULL;
    LOP_TRY(lop_call_settings("eval", settings, count, &s));
    lop_status status = check_source(&s);
    if (status == LOP_OK)
        status = lop_settings_given(&s, "choices") ? eval_choices(model, &s, began, out)
                                                   : eval_windows(model, &s, began, out);
    lop_settings_close(&s);
    return status;
}

static json_t *ids_json(const lop_ids *ids)
{
    json_t *array = json_array();
    for (int64_t i = 0; i < ids->count; i++) (void)json_array_append_new(array, json_integer(ids->at[i]));
    return array;
}

static lop_status generated(const lop_tokenizer *tokenizer, const lop_ids *ids, int64_t prompt,
                            lop_result **out)
{
    lop_string text = {0};
    lop_status status;
    LOP_TRY_DONE(lop_tokenizer_decode(tokenizer, ids->at, ids->count, &text));
    LOP_TRY_DONE(lop_string_add(&text, "", 0));
    status = lop_result_take(json_pack("{s:s, s:I, s:I, s:o}", "text", text.at, "prompt_tokens",
                                       (json_int_t)prompt, "new_tokens", (json_int_t)(ids->count - prompt),
                                       "ids", ids_json(ids)),
                             out);
done:
    lop_string_close(&text);
    return status;
}

lop_status lop_generate(lop_model *model, const lop_setting *settings, int count, lop_result **out)
{
    lop_settings s = {0};
    lop_ids ids = {0};
    const lop_tokenizer *tokenizer = NULL;
    lop_device *device = NULL;
    lop_status status;
    *out = NULL;
    LOP_TRY(lop_call_settings("generate", settings, count, &s));
    const char *prompt = lop_settings_text(&s, "prompt");
    if (prompt == NULL) {
        status = LOP_FAIL(LOP_E_ARGUMENT, "what is to be continued? give --prompt TEXT");
        goto done;
    }
    LOP_TRY_DONE(lop_model_tokenizer(model, &tokenizer));
    LOP_TRY_DONE(lop_tokenizer_encode(tokenizer, lop_text_of(prompt), true, &ids));
    LOP_TRY_DONE(lop_session_device(model->session, &device));
    const int64_t before = ids.count;
    LOP_TRY_DONE(lop_generate_greedy(device, &model->net, (int32_t)lop_settings_int(&s, "tokens"),
                                     &model->session->log, &ids));
    status = generated(tokenizer, &ids, before, out);
done:
    lop_ids_close(&ids);
    lop_settings_close(&s);
    return status;
}

static lop_status save_ids(const char *path, const lop_ids *ids, lop_result **out)
{
    char digest[LOP_SHA256_TEXT];
    const size_t bytes = (size_t)ids->count * sizeof *ids->at;
    LOP_TRY(lop_sha256_memory(ids->at, bytes, digest));
    if (path != NULL) LOP_TRY(lop_file_write_atomic(path, ids->at, bytes));
    return lop_result_take(
        json_pack("{s:I, s:s, s:s?}", "ids", (json_int_t)ids->count, "sha256", digest, "save", path), out);
}

lop_status lop_tokenize(lop_model *model, const lop_setting *settings, int count, lop_result **out)
{
    lop_settings s = {0};
    lop_ids ids = {0};
    lop_corpus_wish wish = {.vocab = model->net.config->vocab, .log = &model->session->log};
    lop_status status;
    *out = NULL;
    LOP_TRY(lop_call_settings("tokenize", settings, count, &s));
    wish.path = lop_settings_text(&s, "text");
    if (wish.path == NULL) {
        status = LOP_FAIL(LOP_E_ARGUMENT, "which text? give --text FILE");
        goto done;
    }
    LOP_TRY_DONE(lop_model_tokenizer(model, &wish.tokenizer));
    LOP_TRY_DONE(lop_corpus_ids(&wish, &ids));
    status = save_ids(lop_settings_text(&s, "save"), &ids, out);
done:
    lop_ids_close(&ids);
    lop_settings_close(&s);
    return status;
}
