/* choices.c - requests to token sequences, and their log-likelihoods to accuracies. */
#include "core/eval/choices.h"

#include "core/base/memory.h"
#include "core/io/unicode.h"

#include <math.h>
#include <string.h>

typedef struct coder {
    const lop_tokenizer *tokenizer;
    int32_t most, start;
    lop_text context; /* the last one, and its tokens */
    lop_ids context_ids;
    lop_string text; /* context + continuation */
    lop_ids ids;     /* of the whole */
    lop_choice_tokens *out;
} coder;

/* Not what the template puts behind a text: an answer is not its end. */
static lop_status encode(const coder *c, lop_text text, lop_ids *ids)
{
    ids->count = 0;
    LOP_TRY(lop_tokenizer_begin(c->tokenizer, ids));
    return lop_tokenizer_encode(c->tokenizer, text, false, ids);
}

/* What Python's str.rstrip leaves. */
static lop_text without_blanks(lop_text text)
{
    while (text.size > 0) {
        size_t at = lop_char_before(text.at, text.size), next = at;
        const uint32_t c = lop_char_next(text.at, text.size, &next);
        if (!lop_char_is_space(c) && (c < 0x1c || c > 0x1f)) break;
        text.size = at;
    }
    return text;
}

static lop_status code_context(coder *c, lop_text context)
{
    if (context.at == c->context.at && context.size == c->context.size) return LOP_OK;
    LOP_TRY(encode(c, without_blanks(context), &c->context_ids));
    c->context = context;
    return LOP_OK;
}

static bool begins_with(const lop_ids *ids, const lop_ids *first)
{
    return ids->count >= first->count &&
           memcmp(ids->at, first->at, (size_t)first->count * sizeof *ids->at) == 0;
}

/* Puts `start` before all ids. */
static lop_status begin_with(lop_ids *ids, int32_t start)
{
    LOP_TRY(lop_ids_add(ids, &start, 1));
    memmove(ids->at + 1, ids->at, (size_t)(ids->count - 1) * sizeof *ids->at);
    ids->at[0] = start;
    return LOP_OK;
}

/* The ids of a whole request, the first `before` of which are the context's, but for what is cut from the left. */
static lop_status keep(coder *c, const lop_request *r, int64_t before, lop_sequence *s)
{
    const int64_t count = c->ids.count, scored = count > before ? count - before : 1;
    if (count < 2)
        return LOP_FAIL(
            LOP_E_FORMAT,
            "line %lld: the continuation has no token, or none before it: the context is empty and "
            "the model has no BOS or EOS",
            (long long)r->line);
    if (scored > c->most)
        return LOP_FAIL(LOP_E_FORMAT,
                        "line %lld: the continuation has %lld tokens, expected at most the %d of a window",
                        (long long)r->line, (long long)scored, c->most);
    const int64_t left = count - 1 > c->most ? count - 1 - c->most : 0;
    *s = (lop_sequence){.at = c->out->ids.count, .count = (int32_t)(count - left), .scored = (int32_t)scored};
    c->out->cut += left > 0;
    c->out->scored += scored;
    return lop_ids_add(&c->out->ids, c->ids.at + left, count - left);
}

static lop_status code_request(coder *c, const lop_request *r, lop_sequence *s)
{
    LOP_TRY(code_context(c, r->context));
    c->text.size = 0;
    LOP_TRY(lop_string_add(&c->text, r->context.at, r->context.size));
    LOP_TRY(lop_string_add(&c->text, r->continuation.at, r->continuation.size));
    LOP_TRY(encode(c, (lop_text){c->text.at, c->text.size}, &c->ids));
    const int64_t before = c->context_ids.count;
    if (before > 0) {
        c->out->joined += !begins_with(&c->ids, &c->context_ids);
        return keep(c, r, before, s);
    }
    if (c->start >= 0) LOP_TRY(begin_with(&c->ids, c->start));
    return keep(c, r, 1, s);
}

lop_status lop_choice_tokens_open(const lop_requests *requests, const lop_tokenizer *tokenizer, int32_t most,
                                  int32_t start, lop_choice_tokens *out)
{
    coder c = {.tokenizer = tokenizer, .most = most, .start = start, .out = out};
    *out = (lop_choice_tokens){0};
    lop_status status = LOP_NEW(&out->at, requests->count);
    for (int64_t i = 0; status == LOP_OK && i < requests->count; i++)
        status = code_request(&c, &requests->at[i], &out->at[i]);
    lop_ids_close(&c.ids);
    lop_ids_close(&c.context_ids);
    lop_string_close(&c.text);
    return status;
}

void lop_choice_tokens_close(lop_choice_tokens *t)
{
    if (t == NULL) return;
    lop_ids_close(&t->ids);
    lop_free(t->at);
    *t = (lop_choice_tokens){0};
}

/* ---- accuracy */

static double characters(lop_text text)
{
    int64_t count = 0;
    for (size_t i = 0; i < text.size; count++) (void)lop_char_next(text.at, text.size, &i);
    return (double)count;
}

void lop_choices_score(const lop_requests *requests, const lop_choice_tokens *tokens, const double *sum,
                       lop_choice_score *out)
{
    enum { WHOLE, CHAR, TOKEN, WAYS };
    int64_t right[WAYS] = {0};
    const lop_request *at = requests->at;
    for (int64_t i = 0; i < requests->count;) {
        const lop_request *question = &at[i];
        double best[WAYS] = {-INFINITY, -INFINITY, -INFINITY};
        int32_t said[WAYS] = {0};
        for (; i < requests->count && at[i].question == question->question; i++) {
            const double share[WAYS] = {1.0, characters(at[i].continuation), (double)tokens->at[i].scored};
            for (int w = 0; w < WAYS; w++) {
                const double value = sum[i] / share[w];
                if (!(value > best[w])) continue;
                best[w] = value;
                said[w] = at[i].answer;
            }
        }
        for (int w = 0; w < WAYS; w++) right[w] += said[w] == question->label;
    }
    const double n = (double)requests->questions, p = (double)right[WHOLE] / n;
    out->accuracy = p;
    out->per_char = (double)right[CHAR] / n;
    out->per_token = (double)right[TOKEN] / n;
    out->error = requests->questions > 1 ? sqrt(p * (1.0 - p) / (n - 1.0)) : (double)NAN;
}
