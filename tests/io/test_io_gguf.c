/* test_io_gguf.c - GGUF files as they should be: tensors, names, row order, config, metadata. Bad ones are in
 * test_io_gguf_hostile.c. */
#include "core/io/gguf.h"

#include "core/base/memory.h"
#include "core/io/gguf_header.h"
#include "tests/harness/shared_data.h"
#include "tests/io/gguf_image.h"
#include "tests/io/io_groups.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static gguf_image image;
static gguf_file file;

static int open_file(void **state)
{
    (void)state;
    gguf_file_open(&file);
    return 0;
}

static int close_file(void **state)
{
    (void)state;
    gguf_file_close(&file);
    return 0;
}

static void must(lop_status status)
{
    if (status != LOP_OK) fail_msg("%s", lop_error());
}

static lop_gguf *open_image(void)
{
    lop_gguf *g;
    gguf_file_write(&file, image.at, image.size);
    must(lop_gguf_open(file.path, &g));
    return g;
}

static const lop_tensor *find(const lop_gguf *g, const char *name)
{
    for (int32_t i = 0; i < lop_gguf_count(g); i++)
        if (strcmp(lop_gguf_at(g, i)->name, name) == 0) return lop_gguf_at(g, i);
    fail_msg("%s is not there", name);
    return NULL;
}

static void every_type_opens(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int32_t rank;
        int64_t rows, cols;
        int32_t rope_heads;
        bool plain;
    } want[] = {
        {"model.embed_tokens.weight", 2, 8, 256, 0, false},
        {"model.layers.0.input_layernorm.weight", 1, 256, 0, 0, true},
        {"model.layers.0.self_attn.q_proj.weight", 2, 256, 256, 4, false},
        {"model.layers.0.self_attn.k_proj.weight", 2, 128, 256, 2, false},
        {"model.layers.0.self_attn.v_proj.weight", 2, 128, 256, 0, false},
        {"model.layers.0.self_attn.o_proj.weight", 2, 256, 256, 0, false},
        {"model.layers.0.post_attention_layernorm.weight", 1, 256, 0, 0, true},
        {"model.layers.0.mlp.gate_proj.weight", 2, 512, 256, 0, false},
        {"model.layers.0.mlp.up_proj.weight", 2, 512, 256, 0, false},
        {"model.layers.0.mlp.down_proj.weight", 2, 256, 512, 0, false},
        {"model.norm.weight", 1, 256, 0, 0, true},
    };
    for (int type = 0; type < LOP_DTYPE_COUNT; type++) {
        if (!lop_dtype_is_float((lop_dtype)type)) continue;
        lop_config config;
        image_model(&image, "llama", (lop_dtype)type);
        lop_gguf *g = open_image();
        uint64_t at = image.size - image.data;
        assert_int_equal(lop_gguf_count(g), sizeof want / sizeof *want);
        for (int32_t i = 0; i < lop_gguf_count(g); i++) {
            const lop_tensor *t = lop_gguf_at(g, i);
            assert_string_equal(t->name, want[i].name);
            assert_int_equal(t->dtype, want[i].plain ? LOP_DTYPE_F32 : (lop_dtype)type);
            assert_int_equal(t->rank, want[i].rank);
            assert_int_equal(t->shape[0], want[i].rows);
            if (t->rank == 2) assert_int_equal(t->shape[1], want[i].cols);
            assert_int_equal(t->rope_heads, want[i].rope_heads);
            assert_int_equal(t->at, at);
            assert_int_equal(t->bytes, lop_dtype_bytes(t->dtype, (uint64_t)(want[i].rows *
                                                                            (want[i].cols + !want[i].cols))));
            at += (t->bytes + 31) / 32 * 32;
        }
        must(lop_gguf_config(g, &config));
        assert_int_equal(config.dtype, type);
        lop_gguf_close(g);
    }
}

static void types_that_are_no_weights_open_too(void **state)
{
    (void)state;
    image_start(&image);
    image_key_text(&image, "general.architecture", "llama");
    image_tensor(&image, "a", LOP_DTYPE_I8, 0, 5);
    image_tensor(&image, "b", LOP_DTYPE_I16, 3, 5);
    image_tensor(&image, "c", LOP_DTYPE_I32, 3, 5);
    image_tensor(&image, "d", LOP_DTYPE_I64, 3, 5);
    image_tensor(&image, "e", LOP_DTYPE_F64, 3, 5);
    image_end(&image, 32);
    lop_gguf *g = open_image();
    assert_int_equal(find(g, "e")->bytes, 120);
    lop_gguf_close(g);
}

static void names_become_hugging_face(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"token_embd.weight", "model.embed_tokens.weight"},
        {"output_norm.weight", "model.norm.weight"},
        {"output.weight", "lm_head.weight"},
        {"rope_freqs.weight", "rope_freqs.weight"},
        {"blk.0.attn_norm.weight", "model.layers.0.input_layernorm.weight"},
        {"blk.17.attn_q.weight", "model.layers.17.self_attn.q_proj.weight"},
        {"blk.17.attn_k.bias", "model.layers.17.self_attn.k_proj.bias"},
        {"blk.99.attn_v.bias", "model.layers.99.self_attn.v_proj.bias"},
        {"blk.100.attn_output.weight", "model.layers.100.self_attn.o_proj.weight"},
        {"blk.1.ffn_norm.weight", "model.layers.1.post_attention_layernorm.weight"},
        {"blk.1.ffn_gate.weight", "model.layers.1.mlp.gate_proj.weight"},
        {"blk.1.ffn_up.weight", "model.layers.1.mlp.up_proj.weight"},
        {"blk.1.ffn_down.bias", "model.layers.1.mlp.down_proj.bias"},
        /* what is not known keeps its name */
        {"blk.1.ffn_gate_inp.weight", "blk.1.ffn_gate_inp.weight"},
        {"blk.1.attn_q", "blk.1.attn_q"},
        {"blk.01.attn_q.weight", "blk.01.attn_q.weight"},
        {"blk..attn_q.weight", "blk..attn_q.weight"},
        {"blk.1.attn_q.scale", "blk.1.attn_q.scale"},
        {"blk.1", "blk.1"},
        {"attn_q.weight", "attn_q.weight"},
        {".weight", ".weight"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        char name[GGUF_NAME_ROOM];
        lop_gguf_rename(lop_text_of(pairs[i][0]), name);
        assert_string_equal(name, pairs[i][1]);
    }
}

/* Biases are permuted with their matrices; only `llama` is. */
static void row_order_is_marked(void **state)
{
    (void)state;
    for (int qwen = 0; qwen <= 1; qwen++) {
        image_start(&image);
        image_model_metadata(&image, qwen ? "qwen2" : "llama");
        image_model_tensors(&image, LOP_DTYPE_F16);
        image_tensor(&image, "blk.0.attn_q.bias", LOP_DTYPE_F32, 0, 256);
        image_tensor(&image, "blk.0.attn_k.bias", LOP_DTYPE_F32, 0, 128);
        image_end(&image, 32);
        lop_gguf *g = open_image();
        assert_int_equal(find(g, "model.layers.0.self_attn.q_proj.weight")->rope_heads, qwen ? 0 : 4);
        assert_int_equal(find(g, "model.layers.0.self_attn.q_proj.bias")->rope_heads, qwen ? 0 : 4);
        assert_int_equal(find(g, "model.layers.0.self_attn.k_proj.bias")->rope_heads, qwen ? 0 : 2);
        assert_int_equal(find(g, "model.layers.0.self_attn.v_proj.weight")->rope_heads, 0);
        lop_gguf_close(g);
    }
}

/* Opens the image, ended here, and reads its config. */
static lop_config config_of_image(void)
{
    lop_config config;
    image_end(&image, 32);
    lop_gguf *g = open_image();
    must(lop_gguf_config(g, &config));
    lop_gguf_close(g);
    return config;
}

static void start_model(const char *architecture)
{
    image_start(&image);
    image_model_metadata(&image, architecture);
    image_model_tensors(&image, LOP_DTYPE_Q8_0);
}

static void a_plain_config(void **state)
{
    (void)state;
    start_model("llama");
    const lop_config c = config_of_image();
    assert_string_equal(c.family, "llama");
    assert_string_equal(c.activation, "silu");
    assert_int_equal(c.blocks, 1);
    assert_int_equal(c.hidden, 256);
    assert_int_equal(c.ffn, 512);
    assert_int_equal(c.heads, 4);
    assert_int_equal(c.kv_heads, 2);
    assert_int_equal(c.head_dim, 64);
    assert_int_equal(c.vocab, 8);
    assert_int_equal(c.positions, 128);
    assert_int_equal(c.window, 0);
    assert_int_equal(c.rope.kind, LOP_ROPE_PLAIN);
    assert_true(c.rope.theta == 10000.0 && c.norm_eps == 1e-5);
    assert_true(c.tied && !c.qkv_bias && !c.o_bias && !c.mlp_bias);
    assert_int_equal(c.dtype, LOP_DTYPE_Q8_0);
    assert_int_equal(c.bos, -1);
    assert_int_equal(c.eos, -1);
}

/* Keys come after the tensor table in no file, so what varies is put between metadata and tensors. */
static void configs_of_the_families(void **state)
{
    (void)state;
    image_start(&image);
    image_model_metadata(&image, "qwen2");
    image_tokens(&image);
    image_key_f32(&image, "qwen2.rope.freq_base", 1e6f);
    image_key_u32(&image, "qwen2.attention.sliding_window", 128); /* no shorter than the context */
    image_model_tensors(&image, LOP_DTYPE_BF16);
    image_tensor(&image, "output.weight", LOP_DTYPE_BF16, 8, 256);
    image_tensor(&image, "blk.0.attn_q.bias", LOP_DTYPE_F32, 0, 256);
    lop_config c = config_of_image();
    assert_string_equal(c.family, "qwen2");
    assert_true(!c.tied && c.qkv_bias && c.rope.theta == 1e6);
    assert_int_equal(c.window, 0);
    assert_int_equal(c.bos, 0);
    assert_int_equal(c.eos, 1);

    image_start(&image);
    image_model_metadata(&image, "llama");
    image_key_u32(&image, "llama.attention.sliding_window", 64);
    image_key_u32(&image, "llama.attention.key_length", 64);
    image_key_u32(&image, "llama.rope.dimension_count", 64);
    image_model_tensors(&image, LOP_DTYPE_F16);
    c = config_of_image();
    assert_string_equal(c.family, "mistral");
    assert_int_equal(c.window, 64);
}

static void rope_kinds(void **state)
{
    (void)state;
    image_start(&image);
    image_model_metadata(&image, "llama");
    image_model_tensors(&image, LOP_DTYPE_F16);
    image_tensor(&image, "rope_freqs.weight", LOP_DTYPE_F32, 0, 32);
    assert_int_equal(config_of_image().rope.kind, LOP_ROPE_TABLE);

    image_start(&image);
    image_model_metadata(&image, "llama");
    image_key_text(&image, "llama.rope.scaling.type", "linear");
    image_key_f32(&image, "llama.rope.scaling.factor", 4.0f);
    image_model_tensors(&image, LOP_DTYPE_F16);
    lop_config c = config_of_image();
    assert_int_equal(c.rope.kind, LOP_ROPE_LINEAR);
    assert_true(c.rope.factor == 4.0);

    image_start(&image);
    image_model_metadata(&image, "llama");
    image_key_text(&image, "llama.rope.scaling.type", "none");
    image_model_tensors(&image, LOP_DTYPE_F16);
    assert_int_equal(config_of_image().rope.kind, LOP_ROPE_PLAIN);
}

/* One entry of every value type, and arrays of arrays; the tensor after them is found, so all extents are right. */
static void metadata_of_every_type(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        uint32_t type, bytes;
        bool is_negative;
    } whole[] = {{"u8", 0, 1, false},  {"i8", 1, 1, false},  {"u16", 2, 2, false},  {"i16", 3, 2, false},
                 {"u32", 4, 4, false}, {"i32", 5, 4, false}, {"u64", 10, 8, false}, {"i64", 11, 8, false},
                 {"n8", 1, 1, true},   {"n16", 3, 2, true},  {"n32", 5, 4, true},   {"n64", 11, 8, true}};
    static const size_t count = sizeof whole / sizeof *whole;
    image_start(&image);
    image_key_text(&image, "general.architecture", "llama");
    for (size_t i = 0; i < count; i++) {
        const int64_t value = whole[i].is_negative ? -100 : 100;
        image_key(&image, whole[i].key, whole[i].type);
        image_put(&image, &value, whole[i].bytes);
    }
    image_key(&image, "f64", 12);
    image_put(&image, &(double){0.25}, 8);
    image_key_f32(&image, "f32", 0.5f);
    image_key_bool(&image, "yes", 1);
    image_key_array(&image, "nested", 9, 2); /* [["x", ""], [[]]] */
    image_u32(&image, 8);
    image_u64(&image, 2);
    image_text(&image, "x");
    image_text(&image, "");
    image_u32(&image, 9);
    image_u64(&image, 1);
    image_u32(&image, 12);
    image_u64(&image, 0);
    image_tensor(&image, "behind", LOP_DTYPE_F32, 0, 8);
    image_end(&image, 32);
    lop_gguf *g = open_image();
    uint64_t number;
    double real;
    bool flag;
    lop_text text;
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(lop_gguf_uint(g, whole[i].key, &number), !whole[i].is_negative);
        if (!whole[i].is_negative) assert_int_equal(number, 100);
        assert_false(lop_gguf_real(g, whole[i].key, &real));
    }
    assert_true(lop_gguf_real(g, "f64", &real) && real == 0.25);
    assert_true(lop_gguf_real(g, "f32", &real) && real == 0.5);
    assert_true(lop_gguf_flag(g, "yes", &flag) && flag);
    assert_true(lop_gguf_text(g, "general.architecture", &text) && lop_text_is(text, "llama"));
    assert_false(lop_gguf_text(g, "nested", &text));
    assert_false(lop_gguf_uint(g, "yes", &number));
    assert_false(lop_gguf_flag(g, "u8", &flag));
    assert_false(lop_gguf_uint(g, "absent", &number));
    assert_int_equal(find(g, "behind")->bytes, 32);
    lop_gguf_close(g);
}

static void other_versions_and_alignments(void **state)
{
    (void)state;
    image_start(&image);
    image.at[GGUF_AT_VERSION] = 2;
    image_key_text(&image, "general.architecture", "llama");
    image_key_u32(&image, "general.alignment", 256);
    image_tensor_at(&image, "second", 0, 0, 4, 256);
    image_tensor_at(&image, "first", 0, 0, 4, 0);
    image.data = 256 + 16;
    image_end(&image, 256);
    lop_gguf *g = open_image();
    assert_string_equal(lop_gguf_at(g, 0)->name, "first"); /* by offset, whatever the table's order */
    assert_int_equal(lop_gguf_at(g, 0)->at % 256, 0);
    assert_int_equal(lop_gguf_at(g, 1)->at, lop_gguf_at(g, 0)->at + 256);
    lop_gguf_close(g);
}

static void allocations_fail_cleanly(void **state)
{
    (void)state;
    lop_status status = LOP_E_MEMORY;
    int64_t n = 0;
    image_model(&image, "llama", LOP_DTYPE_Q4_0);
    gguf_file_write(&file, image.at, image.size);
    while (status == LOP_E_MEMORY) {
        lop_gguf *g = NULL;
        lop_alloc_fail_at(++n);
        status = lop_gguf_open(file.path, &g);
        lop_alloc_fail_at(0);
        assert_true((status == LOP_OK) == (g != NULL));
        lop_gguf_close(g);
    }
    must(status);
    assert_true(n > 4);
    lop_gguf *g = open_image();
    lop_tokenizer *t = NULL;
    for (n = 1, status = LOP_E_MEMORY; status == LOP_E_MEMORY; n++) {
        lop_alloc_fail_at(n);
        status = lop_gguf_tokenizer(g, &t);
        lop_alloc_fail_at(0);
        assert_true((status == LOP_OK) == (t != NULL));
    }
    must(status);
    assert_int_equal(lop_tokenizer_size(t), 8);
    lop_tokenizer_close(t);
    lop_gguf_close(g);
}

/* A published vocabulary without tensors serves as a tokenizer and says what it is not. */
static void a_vocabulary_only(void **state)
{
    (void)state;
    shared_need("data/tokenizers/vectors/ggml-vocab-gpt-2.gguf");
    lop_gguf *g;
    lop_config config;
    lop_tokenizer *t;
    must(lop_gguf_open(shared_path("data/tokenizers/vectors/ggml-vocab-gpt-2.gguf"), &g));
    assert_int_equal(lop_gguf_count(g), 0);
    assert_int_equal(lop_gguf_config(g, &config), LOP_E_FORMAT);
    assert_non_null(strstr(lop_error(), "vocabulary and no tensors"));
    must(lop_gguf_tokenizer(g, &t));
    assert_int_equal(lop_tokenizer_size(t), 50257);
    assert_int_equal(lop_tokenizer_eos(t), 50256);
    lop_tokenizer_close(t);
    lop_gguf_close(g);
}

int test_io_gguf(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_opens),
        cmocka_unit_test(types_that_are_no_weights_open_too),
        cmocka_unit_test(names_become_hugging_face),
        cmocka_unit_test(row_order_is_marked),
        cmocka_unit_test(a_plain_config),
        cmocka_unit_test(configs_of_the_families),
        cmocka_unit_test(rope_kinds),
        cmocka_unit_test(metadata_of_every_type),
        cmocka_unit_test(other_versions_and_alignments),
        cmocka_unit_test(allocations_fail_cleanly),
        cmocka_unit_test(a_vocabulary_only),
    };
    return cmocka_run_group_tests(tests, open_file, close_file);
}
