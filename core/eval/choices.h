/* choices.h - accuracy on zero-shot sets: of a question's answers that with the largest log-likelihood given the question
 * is what the model says. */
#ifndef LOP_CORE_EVAL_CHOICES_H
#define LOP_CORE_EVAL_CHOICES_H

#include "core/eval/likelihood.h"
#include "core/io/requests.h"
#include "core/io/tokenizer.h"

/* Requests as sequences. The tokens of an answer are those of context + continuation beyond as many as the context alone
 * has, as lm-eval counts them; where a tokenizer joins letters of both into other tokens that is a convention, and an answer
 * that is left without a token gets the last one. Blanks at the context's end go with the continuation, and what is too long
 * loses tokens at its left, BOS first: as in lm-eval too. */
typedef struct lop_choice_tokens {
    lop_ids ids;
    lop_sequence *at; /* one a request, in the requests' order */
    int64_t scored;   /* tokens that are judged, of all requests */
    int64_t cut;      /* requests that lost tokens */
    int64_t joined;   /* requests whose context alone has other tokens than in front of the continuation */
} lop_choice_tokens;

/* `most`: tokens that the model takes at most. `start`: the id before an answer that has neither context nor BOS, -1: none.
 * LOP_E_FORMAT naming the request's line: an answer with more tokens than `most`; an answer without any, or with nothing
 * before it and no `start`. Close also after a failure. */
LOP_CHECKED lop_status lop_choice_tokens_open(const lop_requests *requests, const lop_tokenizer *tokenizer,
                                              int32_t most, int32_t start, lop_choice_tokens *out);
void lop_choice_tokens_close(lop_choice_tokens *t);

/* Parts of the questions, 0..1, whose right answer has the largest log-likelihood: as it is; divided by the characters
 * (code points) of the continuation; by its tokens. Of equal ones the first answer counts. */
typedef struct lop_choice_score {
    double accuracy, per_char, per_token;
    double error; /* standard error of `accuracy`: sqrt(p (1 - p) / (questions - 1)); NaN for one question */
} lop_choice_score;

/* sum: the log-likelihood of each request. */
void lop_choices_score(const lop_requests *requests, const lop_choice_tokens *tokens, const double *sum,
                       lop_choice_score *out);

#endif
