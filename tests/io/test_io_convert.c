/* test_io_convert.c - GGUF files written as folders: the same values in Hugging Face order, the same config and tokenizer,
 * and rope tables put back into their rule. */
#include "core/base/file.h"
#include "core/base/memory.h"
#include "core/io/convert.h"
#include "tests/io/gguf_image.h"
#include "tests/io/io_groups.h"
#include "tests/io/scratch.h"
#include "tests/io/small_model.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static gguf_image f;

/* Bytes that make moderate numbers in every type: no exponent is large in f16 or f32. */
static void calm(void)
{
    for (size_t i = f.size - (size_t)f.data; i < f.size; i++)
        f.at[i] = (unsigned char)(0x10 + f.at[i] % 0x28);
}

static const char *write_model(const char *name, const char *architecture, lop_dtype type)
{
    image_model(&f, architecture, type);
    calm();
    const char *path = scratch_path(&here, name);
    write_bytes(path, f.at, f.size);
    return path;
}

static void convert(const char *from, const char *to, const lop_dtype *dtype)
{
    lop_checkpoint *c = must_open(from);
    lop_convert_result result;
    const lop_convert_plan plan = {
        .source = c, .save = to, .dtype_given = dtype != NULL, .dtype = dtype ? *dtype : LOP_DTYPE_F32};
    assert_ok(lop_convert_model(&plan, &result));
    lop_checkpoint_close(c);
}

/* Rounding to the written type is the only thing that may lie between the two. */
static void same_values(const lop_checkpoint *a, const lop_checkpoint *b)
{
    for (int32_t i = 0; i < lop_checkpoint_count(a); i++) {
        const lop_tensor *t = lop_checkpoint_at(a, i), *u = lop_checkpoint_find(b, t->name);
        assert_non_null(u);
        assert_int_equal(u->rope_heads, 0);
        const size_t bytes = lop_dtype_bytes(u->dtype, (uint64_t)elements_of(t));
        void *x = NULL, *y = NULL;
        assert_ok(lop_alloc(bytes, 1, &x));
        assert_ok(lop_alloc(bytes, 1, &y));
        assert_ok(lop_checkpoint_read(a, t, 0, t->shape[0], u->dtype, x));
        assert_ok(lop_checkpoint_read(b, u, 0, u->shape[0], u->dtype, y));
        assert_memory_equal(x, y, bytes);
        lop_free(x);
        lop_free(y);
    }
}

static void same_tokens(const lop_checkpoint *a, const lop_checkpoint *b)
{
    lop_tokenizer *x = NULL, *y = NULL;
    lop_ids p = {0}, q = {0};
    assert_ok(lop_checkpoint_tokenizer(a, &x));
    assert_ok(lop_checkpoint_tokenizer(b, &y));
    assert_ok(lop_tokenizer_encode(x, lop_text_of("abcab!"), true, &p));
    assert_ok(lop_tokenizer_encode(y, lop_text_of("abcab!"), true, &q));
    assert_int_equal(p.count, q.count);
    assert_memory_equal(p.at, q.at, (size_t)p.count * sizeof *p.at);
    lop_ids_close(&p);
    lop_ids_close(&q);
    lop_tokenizer_close(x);
    lop_tokenizer_close(y);
}

static void a_folder_says_the_same(void **state)
{
    (void)state;
    static const struct {
        const char *architecture;
        lop_dtype type, written;
    } cases[] = {{"llama", LOP_DTYPE_F16, LOP_DTYPE_F16},
                 {"llama", LOP_DTYPE_Q8_0, LOP_DTYPE_F16},
                 {"llama", LOP_DTYPE_Q4_K, LOP_DTYPE_F16},
                 {"llama", LOP_DTYPE_BF16, LOP_DTYPE_BF16},
                 {"llama", LOP_DTYPE_Q6_K, LOP_DTYPE_F16}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *from = write_model("m.gguf", cases[i].architecture, cases[i].type);
        const char *to = scratch_path(&here, "m");
        convert(from, to, NULL);
        lop_checkpoint *a = must_open(from), *b = must_open(to);
        same_values(a, b);
        same_tokens(a, b);
        lop_config stated = *lop_checkpoint_config(b), meant = *lop_checkpoint_config(a);
        assert_int_equal(stated.dtype, cases[i].written);
        assert_int_equal(lop_checkpoint_find(b, "model.embed_tokens.weight")->dtype, cases[i].written);
        assert_int_equal(lop_checkpoint_find(b, "model.norm.weight")->dtype, LOP_DTYPE_F32);
        assert_true(lop_path_is_file(path_in(to, "generation_config.json")));
        meant.dtype = stated.dtype;
        assert_memory_equal(&stated, &meant, sizeof stated);
        lop_checkpoint_close(a);
        lop_checkpoint_close(b);
        assert_ok(lop_folder_remove(to));
    }
}

static void a_type_may_be_asked_for(void **state)
{
    (void)state;
    const lop_dtype brain = LOP_DTYPE_BF16;
    const char *from = write_model("b.gguf", "llama", LOP_DTYPE_Q4_1), *to = scratch_path(&here, "b");
    convert(from, to, &brain);
    lop_checkpoint *a = must_open(from), *b = must_open(to);
    same_values(a, b);
    for (int32_t i = 0; i < lop_checkpoint_count(b); i++)
        assert_int_equal(lop_checkpoint_at(b, i)->dtype, brain);
    lop_checkpoint_close(a);
    lop_checkpoint_close(b);
}

/* Divisors as the converter of llama.cpp makes them for Llama 3.2: factors 32, 1 and 4 over 8192 positions. */
static void fill_table(float *table, double theta, int head)
{
    for (int i = 0; i < head / 2; i++) {
        const double wave = 2.0 * acos(-1.0) * pow(theta, 2.0 * i / head);
        const double smooth = (8192.0 / wave - 1.0) / 3.0;
        table[i] = wave < 8192.0 / 4.0   ? 1.0f
                   : wave > 8192.0 / 1.0 ? 32.0f
                                         : (float)(1.0 / ((1.0 - smooth) / 32.0 + smooth));
    }
}

static const char *write_table(const char *name, float spoil)
{
    float table[32];
    image_start(&f);
    image_model_metadata(&f, "llama");
    image_key_f32(&f, "llama.rope.freq_base", 500000.0f);
    image_tokens(&f);
    image_tensor(&f, "rope_freqs.weight", LOP_DTYPE_F32, 0, 32);
    image_model_tensors(&f, LOP_DTYPE_F16);
    image_end(&f, 32);
    calm();
    fill_table(table, 500000.0, 64);
    table[20] *= spoil;
    memcpy(f.at + f.size - (size_t)f.data, table, sizeof table);
    write_bytes(scratch_path(&here, name), f.at, f.size);
    return scratch_path(&here, name);
}

static void a_rope_table_becomes_its_rule(void **state)
{
    (void)state;
    convert(write_table("table.gguf", 1.0f), scratch_path(&here, "table"), NULL);
    lop_checkpoint *c = must_open(scratch_path(&here, "table"));
    const lop_rope_spec *r = &lop_checkpoint_config(c)->rope;
    assert_int_equal(r->kind, LOP_ROPE_LLAMA3);
    assert_true(fabs(r->factor - 32.0) < 1e-9 && fabs(r->theta - 500000.0) < 1e-9);
    assert_int_equal(r->original_positions, 8192);
    assert_null(lop_checkpoint_find(c, "rope_freqs.weight"));
    lop_checkpoint_close(c);

    lop_checkpoint *odd = must_open(write_table("odd.gguf", 1.1f));
    lop_convert_result result;
    const lop_convert_plan plan = {.source = odd, .save = scratch_path(&here, "odd")};
    assert_failed(lop_convert_model(&plan, &result), LOP_E_UNSUPPORTED, "rope_freqs.weight");
    assert_false(lop_path_is_folder(plan.save));
    lop_checkpoint_close(odd);
}

int test_io_convert(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_folder_says_the_same),
        cmocka_unit_test(a_type_may_be_asked_for),
        cmocka_unit_test(a_rope_table_becomes_its_rule),
    };
    return cmocka_run_group_tests_name("conversions", tests, here_open, here_close);
}
