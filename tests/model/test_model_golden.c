/* test_model_golden.c - trained models: the shared ones against what their own authors' framework gave, and, where
 * LOP_SMOLLM2 names its file, a quantised SmolLM2. */
#include "core/eval/generate.h"
#include "core/eval/perplexity.h"
#include "tests/harness/shared_data.h"
#include "tests/model/model_groups.h"
#include "tests/model/rig.h"
#include "tests/ref/ref_load.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { T = 256, WINDOWS = 400, VOCAB = 2048, GOLDEN_ROWS = 32 };

/* Perplexities from golden.json. */
typedef struct golden {
    const char *model, *logits;
    double perplexity;
} golden;

static const golden models[] = {
    {"data/models/TinyStories-656K", "golden/llama_dense_logits_first32pos.f32", 33.80179997741399},
    {"data/models/tiny-opt", "golden/opt_dense_logits_first32pos.f32", 76.73108369330507},
};

static int32_t *eval_ids(void)
{
    int32_t *ids = NULL;
    int64_t count = 0;
    assert_ok(ref_load_ids(shared_path("golden/eval_400x256.i32"), VOCAB, &ids, &count));
    assert_int_equal(count, WINDOWS * T);
    return ids;
}

static void golden_open(rig *r, const golden *g)
{
    shared_need("golden/golden.json");
    rig_open(r, shared_path(g->model));
}

static void dense_logits(void **state)
{
    const golden *g = *state;
    static float want[GOLDEN_ROWS * VOCAB];
    rig r;
    golden_open(&r, g);
    int32_t *ids = eval_ids();
    FILE *f = fopen(shared_path(g->logits), "rb");
    assert_non_null(f);
    assert_int_equal(fread(want, sizeof want, 1, f), 1);
    (void)fclose(f);
    float *got = rig_logits(&r, ids, 1, T, 1);
    float worst = 0.0f;
    for (int i = 0; i < GOLDEN_ROWS * VOCAB; i++) worst = fmaxf(worst, fabsf(got[i] - want[i]));
    print_message("largest difference of a logit: %g\n", (double)worst);
    assert_true(worst < (lop_walk_word(&r.device, &r.net) == LOP_F32 ? 1e-4f : 0.2f));
    free(got);
    free(ids);
    rig_close(&r);
}

static void dense_perplexity(void **state)
{
    const golden *g = *state;
    rig r;
    golden_open(&r, g);
    int32_t *ids = eval_ids();
    double first = 0.0;
    static const int32_t batches[] = {4, 1};
    for (int i = 0; i < 2; i++) {
        const lop_perplexity_args args = {
            .ids = ids, .windows = WINDOWS, .seqlen = T, .forward_batch = batches[i]};
        lop_perplexity p;
        assert_ok(lop_perplexity_measure(&r.device, &r.net, &args, NULL, &p));
        print_message("perplexity %.9f, %d sequences a call\n", p.perplexity, batches[i]);
        assert_int_equal(p.tokens, WINDOWS * (T - 1));
        assert_true(fabs(p.perplexity / g->perplexity - 1.0) < 2e-4);
        if (i == 0) first = p.nll;
        /* The CPU's products cut rows at fixed places; a vendor's algorithm may follow the number of rows. */
        assert_true(!r.device.accelerator ? p.nll == first : fabs(p.nll - first) < 1e-6);
    }
    free(ids);
    rig_close(&r);
}

/* ---- SmolLM2 */

static const char *smollm2(void)
{
    const char *path = getenv("LOP_SMOLLM2");
    if (path != NULL && *path != '\0') return path;
    print_message("skipped: LOP_SMOLLM2 does not name a file\n");
    skip();
    return NULL;
}

static void smollm2_speaks(void **state)
{
    (void)state;
    const char *const path = smollm2(), *const prompt = "The capital of France is";
    rig r;
    lop_tokenizer *tokenizer = NULL;
    lop_ids ids = {0};
    lop_string text = {0};
    rig_open(&r, path);
    assert_ok(lop_checkpoint_tokenizer(r.file, &tokenizer));
    assert_ok(lop_tokenizer_encode(tokenizer, (lop_text){prompt, strlen(prompt)}, true, &ids));
    assert_ok(lop_generate_greedy(&r.device, &r.net, 24, NULL, &ids));
    assert_ok(lop_tokenizer_decode(tokenizer, ids.at, ids.count, &text));
    print_message("%s\n", text.at);
    assert_non_null(strstr(text.at, "Paris"));
    lop_string_close(&text);
    lop_ids_close(&ids);
    lop_tokenizer_close(tokenizer);
    rig_close(&r);
}

int test_model_golden(void)
{
    void *const llama = (void *)(uintptr_t)&models[0], *const opt = (void *)(uintptr_t)&models[1];
    const struct CMUnitTest tests[] = {cmocka_unit_test_prestate(dense_logits, llama),
                                       cmocka_unit_test_prestate(dense_perplexity, llama),
                                       {"opt_dense_logits", dense_logits, NULL, NULL, opt},
                                       {"opt_dense_perplexity", dense_perplexity, NULL, NULL, opt},
                                       cmocka_unit_test(smollm2_speaks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
