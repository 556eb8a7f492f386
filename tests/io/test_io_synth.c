/* test_io_synth.c - synthetic models: shapes, values that depend on seed, name and index alone, their statistics and speed,
 * their tokenizer, and the folder they become. */
#include "core/base/memory.h"
#include "core/io/convert.h"
#include "core/io/synth.h"
#include "tests/io/io_groups.h"
#include "tests/io/scratch.h"
#include "tests/io/small_model.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static int64_t parameters(const char *shape)
{
    const lop_synth_shape *s = NULL;
    lop_checkpoint *c = NULL;
    int64_t sum = 0;
    assert_ok(lop_synth_find(shape, &s));
    assert_ok(lop_synth_open(&s->config, s->config.dtype, 0, &c));
    for (int32_t i = 0; i < lop_checkpoint_count(c); i++) sum += elements_of(lop_checkpoint_at(c, i));
    lop_checkpoint_close(c);
    return sum;
}

/* The parameter counts that the models' own pages state. */
static void shapes_are_the_models(void **state)
{
    (void)state;
    assert_int_equal(parameters("smollm2-135m"), 134515008);
    assert_int_equal(parameters("llama-1b"), 1235814400);
    assert_int_equal(parameters("llama-7b"), 6738415616);
    assert_int_equal(parameters("llama-13b"), 13015864320);
    assert_int_equal(parameters("llama-8b"), 8030261248);
    assert_int_equal(parameters("llama-70b"), 68976648192);
    const lop_synth_shape *s = NULL;
    assert_int_equal(parameters("opt-125m"), 125239296);
    assert_int_equal(parameters("opt-6.7b"), 6658473984);
    assert_failed(lop_synth_find("opt-350m", &s), LOP_E_ARGUMENT, "opt-6.7b");
    assert_failed(lop_synth_find("llama-9b", &s), LOP_E_ARGUMENT, "llama-8b");
}

static void values_depend_on_seed_and_place(void **state)
{
    (void)state;
    const lop_config k = small_config(true);
    lop_checkpoint *a = NULL, *b = NULL;
    assert_ok(lop_synth_open(&k, LOP_DTYPE_F32, 3, &a));
    assert_ok(lop_synth_open(&k, LOP_DTYPE_F32, 4, &b));
    float *x = must_read(a, "model.embed_tokens.weight"), *y = must_read(b, "model.embed_tokens.weight");
    float *q = must_read(a, "model.layers.0.self_attn.q_proj.weight"),
          *o = must_read(a, "model.layers.0.self_attn.o_proj.weight");
    assert_memory_not_equal(x, y, 300 * 32 * sizeof *x);
    assert_memory_not_equal(q, o, 32 * 32 * sizeof *q);
    for (int64_t row = 0; row < 300; row += 7) {
        float some[32];
        assert_ok(lop_checkpoint_read(a, lop_checkpoint_find(a, "model.embed_tokens.weight"), row, 1,
                                      LOP_DTYPE_F32, some));
        assert_memory_equal(some, x + row * 32, sizeof some);
    }
    float *norm = must_read(a, "model.norm.weight");
    for (int i = 0; i < 32; i++) assert_true(norm[i] > 0.999f && norm[i] < 1.001f);
    lop_free(x);
    lop_free(y);
    lop_free(q);
    lop_free(o);
    lop_free(norm);
    lop_checkpoint_close(a);
    lop_checkpoint_close(b);
}

static void values_look_normal(void **state)
{
    (void)state;
    const lop_config *k = &lop_synth_at(0)->config;
    lop_checkpoint *c = NULL;
    assert_ok(lop_synth_open(k, LOP_DTYPE_BF16, 0, &c));
    const lop_tensor *t = lop_checkpoint_find(c, "model.embed_tokens.weight");
    const size_t n = (size_t)elements_of(t);
    uint16_t *words = NULL;
    float *values = must_read(c, t->name);
    double sum = 0.0, square = 0.0, within = 0.0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)values[i];
        square += (double)values[i] * (double)values[i];
        within += fabsf(values[i]) < 0.02f ? 1.0 : 0.0;
    }
    assert_true(fabs(sum / (double)n) < 5.0 * 0.02 / sqrt((double)n));
    assert_true(fabs(sqrt(square / (double)n) - 0.02) < 1e-4);
    assert_true(fabs(within / (double)n - 0.68) < 0.02);
    assert_ok(lop_alloc(n, sizeof *words, &words));
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    assert_ok(lop_checkpoint_read(c, t, 0, t->shape[0], LOP_DTYPE_BF16, words));
    clock_gettime(CLOCK_MONOTONIC, &to);
    const double s = (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) * 1e-9;
    print_message("%.0f MB/s\n", (double)n * 2e-6 / s);
    lop_free(values);
    lop_free(words);
    lop_checkpoint_close(c);
}

/* Any text through the byte tokenizer and back. */
static void its_tokenizer_knows_every_byte(void **state)
{
    (void)state;
    lop_tokenizer *t = NULL;
    lop_ids ids = {0};
    lop_string back = {0};
    const char *text = "caf\xc3\xa9 \xf0\x9f\xa6\x99\n\t0 ";
    assert_ok(lop_synth_tokenizer(&t));
    assert_ok(lop_tokenizer_encode(t, lop_text_of(text), true, &ids));
    assert_int_equal(ids.count, strlen(text) + 1);
    assert_int_equal(ids.at[0], LOP_SYNTH_BOS);
    assert_int_equal(ids.at[4], 0xc3);
    assert_ok(lop_tokenizer_decode(t, ids.at, ids.count, &back));
    assert_string_equal(back.at, text);
    lop_string_close(&back);
    lop_ids_close(&ids);
    lop_tokenizer_close(t);
}

static void a_folder_is_the_model(void **state)
{
    (void)state;
    scratch place;
    scratch_open(&place);
    const lop_config k = small_config(false);
    lop_checkpoint *made = NULL;
    assert_ok(lop_synth_open(&k, LOP_DTYPE_F16, 7, &made));
    small_folder(scratch_path(&place, "m"), false, LOP_DTYPE_F16, 9000);
    lop_checkpoint *read = must_open(scratch_path(&place, "m"));
    lop_config stated = *lop_checkpoint_config(read), meant = *lop_checkpoint_config(made);
    assert_memory_equal(&stated, &meant, sizeof stated);
    for (int32_t i = 0; i < lop_checkpoint_count(made); i++) {
        const char *name = lop_checkpoint_at(made, i)->name;
        float *x = must_read(made, name), *y = must_read(read, name);
        assert_memory_equal(x, y, (size_t)elements_of(lop_checkpoint_at(made, i)) * sizeof *x);
        lop_free(x);
        lop_free(y);
    }
    lop_tokenizer *t = NULL;
    assert_ok(lop_checkpoint_tokenizer(read, &t));
    lop_ids ids = {0};
    assert_ok(lop_tokenizer_encode(t, lop_text_of("a b"), true, &ids));
    assert_int_equal(ids.count, 4);
    assert_int_equal(ids.at[0], LOP_SYNTH_BOS);
    assert_int_equal(ids.at[2], ' ');
    lop_ids_close(&ids);
    lop_tokenizer_close(t);
    lop_checkpoint_close(made);
    lop_checkpoint_close(read);
    scratch_close(&place);
}

int test_io_synth(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_are_the_models), cmocka_unit_test(values_depend_on_seed_and_place),
        cmocka_unit_test(values_look_normal),    cmocka_unit_test(its_tokenizer_knows_every_byte),
        cmocka_unit_test(a_folder_is_the_model),
    };
    return cmocka_run_group_tests_name("synthetic models", tests, NULL, NULL);
}
