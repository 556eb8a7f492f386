/* test_model_choices.c - zero-shot requests: log-likelihoods of a trained model against the double-precision reference,
 * however sequences share calls; which tokens are judged; accuracies worked out by hand. */
#include "core/eval/choices.h"
#include "tests/harness/ladder.h"
#include "tests/model/made_model.h"
#include "tests/model/model_groups.h"
#include "tests/model/rig.h"
#include "tests/ref/ref_load.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TINY     LOP_SOURCE_DIR "/tests/data/tiny-llama"
#define REQUESTS LOP_SOURCE_DIR "/tests/data/choices.jsonl"

enum { COUNT = 12, QUESTIONS = 5, VOCAB = 2048 };

typedef struct asked {
    rig r;
    lop_tokenizer *tokenizer;
    lop_requests requests;
    lop_choice_tokens tokens;
    double sum[COUNT];
} asked;

static void asked_open(asked *a, int32_t most)
{
    rig_open(&a->r, TINY);
    assert_ok(lop_checkpoint_tokenizer(a->r.file, &a->tokenizer));
    assert_ok(lop_requests_open(REQUESTS, &a->requests));
    assert_int_equal(a->requests.count, COUNT);
    assert_int_equal(a->requests.questions, QUESTIONS);
    assert_int_equal(a->requests.unconditional, 2);
    assert_ok(lop_choice_tokens_open(&a->requests, a->tokenizer, most, -1, &a->tokens));
}

static void asked_close(asked *a)
{
    lop_choice_tokens_close(&a->tokens);
    lop_requests_close(&a->requests);
    lop_tokenizer_close(a->tokenizer);
    rig_close(&a->r);
}

static void measure(asked *a, int32_t batch, int32_t group_rows, double *sum)
{
    const lop_likelihood_args args = {.ids = a->tokens.ids.at,
                                      .at = a->tokens.at,
                                      .count = a->requests.count,
                                      .forward_batch = batch,
                                      .group_rows = group_rows};
    assert_ok(lop_likelihood_measure(&a->r.device, &a->r.net, &args, NULL, sum));
}

/* ---- against the reference */

/* log p of the last `scored` ids; *bound: what f32 arithmetic may add, 1e-5 of the largest logit in the target's and as
 * much in the normaliser, for each of them (the bound of test_model_forward.c). */
static double reference_sum(const ref_model *m, const int32_t *ids, const lop_sequence *s, double *bound)
{
    const int32_t T = s->count - 1;
    double *logits = ref_doubles((int64_t)T * VOCAB), sum = 0.0, largest = 0.0;
    ref_logits(m, T, ids, logits);
    for (int32_t t = T - s->scored; t < T; t++) {
        const double *row = logits + (int64_t)t * VOCAB;
        double top = row[0], all = 0.0;
        for (int v = 0; v < VOCAB; v++) {
            top = fmax(top, row[v]);
            largest = fmax(largest, fabs(row[v]));
        }
        for (int v = 0; v < VOCAB; v++) all += exp(row[v] - top);
        sum += row[ids[t + 1]] - top - log(all);
    }
    *bound = 2e-5 * largest * s->scored;
    free(logits);
    return sum;
}

static void check_reference(asked *a, double *bounds)
{
    ref_loaded reference;
    assert_ok(ref_load(TINY, &reference));
    assert_int_equal(reference.model.vocab, VOCAB);
    for (int i = 0; i < COUNT; i++) {
        const lop_sequence *s = &a->tokens.at[i];
        const double want = reference_sum(&reference.model, a->tokens.ids.at + s->at, s, &bounds[i]);
        if (!(fabs(a->sum[i] - want) <= bounds[i]))
            fail_msg("request %d: %.9g, expected %.9g within %g", i, a->sum[i], want, bounds[i]);
    }
    ref_load_close(&reference);
}

static void likelihoods_are_the_reference_s(void **state)
{
    (void)state;
    static const int32_t batches[] = {1, 2, 3, 5, 12, 64}, groups[] = {0, 1, 40, 1000};
    asked a;
    double bounds[COUNT], other[COUNT];
    lop_choice_score score;
    asked_open(&a, 512);
    measure(&a, 4, 0, a.sum);
    check_reference(&a, bounds);
    for (size_t b = 0; b < sizeof batches / sizeof *batches; b++)
        for (size_t g = 0; g < sizeof groups / sizeof *groups; g++) {
            measure(&a, batches[b], groups[g], other);
            for (int i = 0; i < COUNT; i++)
                if (!(fabs(other[i] - a.sum[i]) <= bounds[i]))
                    fail_msg("request %d, %d a call, groups of %d rows: %.9g, not %.9g", i, batches[b],
                             groups[g], other[i], a.sum[i]);
        }
    lop_choices_score(&a.requests, &a.tokens, a.sum, &score);
    print_message("accuracy %g, %g per character, %g per token\n", score.accuracy, score.per_char,
                  score.per_token);
    /* Only where the longest answer is right does the sum of all tokens miss it. */
    assert_true(score.accuracy == 0.8 && score.per_char == 1.0 && score.per_token == 0.8);
    asked_close(&a);
}

/* The same bound for a model without a reference: by the logits that the library gives. */
static double bound_alone(rig *r, const int32_t *ids, const lop_sequence *s)
{
    const int32_t T = s->count - 1;
    float *logits = rig_logits(r, ids + s->at, 1, T, 1), largest = 0.0f;
    for (int64_t i = 0; i < (int64_t)T * r->net.config->vocab; i++)
        largest = fmaxf(largest, fabsf(logits[i]));
    free(logits);
    return 2e-5 * (double)largest * s->scored;
}

/* What stands beside a sequence, however long, does not show in its score but by rounding. */
static void padding_is_not_seen(void **state)
{
    (void)state;
    static int32_t ids[700];
    const lop_sequence at[] = {{.at = 0, .count = 9, .scored = 4},
                               {.at = 100, .count = 501, .scored = 500},
                               {.at = 20, .count = 2, .scored = 1},
                               {.at = 40, .count = 33, .scored = 7}};
    rig r;
    double together[4], alone;
    const made_model m = made_model_open((made_shape){.window = 8, .family = "mistral"});
    made_model_ids(&m, ids, 700);
    rig_open(&r, m.folder);
    lop_likelihood_args args = {.ids = ids, .at = at, .count = 4, .forward_batch = 4};
    assert_ok(lop_likelihood_measure(&r.device, &r.net, &args, NULL, together));
    for (int i = 0; i < 4; i++) {
        args = (lop_likelihood_args){.ids = ids, .at = &at[i], .count = 1, .forward_batch = 1};
        assert_ok(lop_likelihood_measure(&r.device, &r.net, &args, NULL, &alone));
        const double bound = bound_alone(&r, ids, &at[i]);
        if (!(fabs(alone - together[i]) <= bound))
            fail_msg("%.9g, not %.9g within %g", together[i], alone, bound);
        assert_true(alone < 0.0);
    }
    lop_sequence wrong = {.at = 0, .count = 4, .scored = 4};
    args.at = &wrong;
    assert_failed(lop_likelihood_measure(&r.device, &r.net, &args, NULL, &alone), LOP_E_ARGUMENT, "judged");
    rig_close(&r);
    made_model_close(&m);
}

/* ---- which tokens */

static void too_long_is_cut_from_the_left(void **state)
{
    (void)state;
    enum { FEW = 29 }; /* tokens of the longest continuation, on line 7 */
    asked whole, cut;
    double bounds[COUNT];
    asked_open(&whole, 512);
    assert_int_equal(whole.tokens.cut, 0);
    assert_failed(lop_choice_tokens_open(&whole.requests, whole.tokenizer, FEW - 1, -1, &cut.tokens),
                  LOP_E_FORMAT, "line 7: the continuation has 29 tokens");
    lop_choice_tokens_close(&cut.tokens);
    asked_open(&cut, FEW);
    for (int i = 0; i < COUNT; i++) {
        const lop_sequence *w = &whole.tokens.at[i], *c = &cut.tokens.at[i];
        assert_int_equal(w->scored, c->scored);
        assert_int_equal(c->count, w->count < FEW + 1 ? w->count : FEW + 1);
        assert_memory_equal(cut.tokens.ids.at + c->at, whole.tokens.ids.at + w->at + w->count - c->count,
                            (size_t)c->count * sizeof *cut.tokens.ids.at);
    }
    assert_true(cut.tokens.cut > 0);
    measure(&cut, 4, 0, cut.sum);
    check_reference(&cut, bounds);
    asked_close(&whole);
    asked_close(&cut);
}

static lop_request ask(const char *context, const char *continuation)
{
    return (lop_request){
        .context = lop_text_of(context), .continuation = lop_text_of(continuation), .line = 1};
}

/* Blanks at the end of the context belong to the continuation; a token over the seam is the continuation's. */
static void seams(void **state)
{
    (void)state;
    asked a;
    asked_open(&a, 512);
    lop_request at[] = {ask("The Debian", " project"), ask("The Debian \n", "project"),
                        ask(" \n", "Debian"),          ask("The secu", "rity"),
                        ask("The security", " team"),  ask("The Debian p", "roject")};
    const lop_requests requests = {.at = at, .count = 6};
    lop_choice_tokens t;
    lop_ids ids = {0};
    assert_ok(lop_choice_tokens_open(&requests, a.tokenizer, 512, -1, &t));
    for (int i = 0; i < 6; i++) {
        ids.count = 0;
        char text[64] = "";
        (void)strncat(text, at[i].context.at, at[i].context.size);
        (void)strncat(text, at[i].continuation.at, at[i].continuation.size);
        assert_ok(lop_tokenizer_encode(a.tokenizer, lop_text_of(text), true, &ids));
        assert_int_equal(t.at[i].count, ids.count);
        assert_memory_equal(t.ids.at + t.at[i].at, ids.at, (size_t)ids.count * sizeof *ids.at);
        assert_true(t.at[i].scored >= 1);
    }
    ids.count = 0;
    assert_ok(lop_tokenizer_encode(a.tokenizer, lop_text_of("The Debian"), true, &ids));
    assert_int_equal(t.at[0].count - t.at[0].scored, ids.count);
    assert_int_equal(t.at[1].count - t.at[1].scored, ids.count);
    assert_int_equal(t.at[2].count - t.at[2].scored, 1); /* BOS */
    assert_true(t.joined >= 1);
    assert_int_equal(t.at[5].scored, 1); /* " project" is one token, " p" another one */
    lop_ids_close(&ids);
    lop_choice_tokens_close(&t);
    asked_close(&a);
}

static lop_status code_all(void *context)
{
    const asked *a = context;
    lop_choice_tokens t;
    const lop_status status = lop_choice_tokens_open(&a->requests, a->tokenizer, 512, -1, &t);
    lop_choice_tokens_close(&t);
    return status;
}

static void memory_that_runs_out(void **state)
{
    (void)state;
    asked a;
    asked_open(&a, 512);
    assert_true(ladder_climb(code_all, &a) > 4);
    asked_close(&a);
}

static void what_is_refused(void **state)
{
    (void)state;
    static const int32_t outside[] = {1, 2, VOCAB, 3}, good[] = {1, 2, 3, 4};
    const lop_sequence s = {.at = 0, .count = 4, .scored = 1};
    lop_log log = {.stop = true};
    rig r;
    double sum;
    rig_open(&r, TINY);
    lop_likelihood_args args = {.ids = outside, .at = &s, .count = 1, .forward_batch = 1};
    assert_failed(lop_likelihood_measure(&r.device, &r.net, &args, NULL, &sum), LOP_E_FORMAT, "2048");
    args.ids = good;
    assert_failed(lop_likelihood_measure(&r.device, &r.net, &args, &log, &sum), LOP_E_STOPPED, "");
    args.count = 0;
    assert_failed(lop_likelihood_measure(&r.device, &r.net, &args, NULL, &sum), LOP_E_ARGUMENT,
                  "0 sequences");
    rig_close(&r);
}

/* ---- accuracy */

static void accuracies_by_hand(void **state)
{
    (void)state;
    lop_request at[] = {ask("", "four"), ask("", "eight888"), ask("", "\xc3\xa9\xc3\xa9"), ask("", "abc")};
    lop_sequence s[] = {{.scored = 1}, {.scored = 4}, {.scored = 2}, {.scored = 2}};
    at[1].answer = at[3].answer = 1;
    at[2].question = at[3].question = 1;
    at[0].label = at[1].label = 0;
    at[2].label = at[3].label = 1;
    const lop_requests requests = {.at = at, .count = 4, .questions = 2};
    const lop_choice_tokens tokens = {.at = s};
    lop_choice_score score;
    /* Question 0: -4 beats -7; per character -1 loses to -7/8; per token -4 loses to -7/4.
     * Question 1: a tie goes to answer 0; per code point -3 loses to -2, which per byte (-1.5, -2) it would not. */
    lop_choices_score(&requests, &tokens, (const double[]){-4.0, -7.0, -6.0, -6.0}, &score);
    assert_true(score.accuracy == 0.5 && score.per_char == 0.5 && score.per_token == 0.0);
    assert_true(fabs(score.error - 0.5) < 1e-15); /* sqrt(0.25 / 1) */
    const lop_requests one = {.at = at, .count = 2, .questions = 1};
    lop_choices_score(&one, &tokens, (const double[]){-4.0, -7.0}, &score);
    assert_true(score.accuracy == 1.0 && isnan(score.error));
}

int test_model_choices(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(likelihoods_are_the_reference_s),
        cmocka_unit_test(padding_is_not_seen),
        cmocka_unit_test(too_long_is_cut_from_the_left),
        cmocka_unit_test(seams),
        cmocka_unit_test(memory_that_runs_out),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(accuracies_by_hand),
    };
    return cmocka_run_group_tests_name("zero-shot sets", tests, NULL, NULL);
}
