/* test_io_config.c - config.json in both spellings, each family's defaults, what is refused, and what is written. */
#include "core/base/memory.h"
#include "core/io/config_edit.h"
#include "core/io/config_json.h"
#include "tests/io/io_groups.h"
#include "tests/io/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SIZES                                                                                                \
    "\"hidden_size\":64,\"intermediate_size\":128,\"num_hidden_layers\":4,\"num_attention_heads\":4,"        \
    "\"vocab_size\":100"
#define OPT(more)                                                                                            \
    "{\"model_type\":\"opt\",\"hidden_size\":64,\"ffn_dim\":256,\"num_hidden_layers\":2,"                    \
    "\"num_attention_heads\":4,\"vocab_size\":100" more "}"
#define LLAMA(more) "{\"model_type\":\"llama\"," SIZES more "}"

static lop_status read_text(const char *json, lop_config *out)
{
    return lop_config_read(json, strlen(json), out);
}

static void defaults_are_the_familys(void **state)
{
    (void)state;
    lop_config k;
    assert_ok(read_text(LLAMA(""), &k));
    assert_string_equal(k.family, "llama");
    assert_int_equal(k.kv_heads, 4);
    assert_int_equal(k.head_dim, 16);
    assert_int_equal(k.positions, 2048);
    assert_int_equal(k.window, 0);
    assert_true(k.norm_eps > 0.99e-6 && k.norm_eps < 1.01e-6);
    assert_true(k.rope.kind == LOP_ROPE_PLAIN && k.rope.theta > 9999.0 && k.rope.theta < 10001.0);
    assert_false(k.tied);
    assert_string_equal(k.activation, "silu");
    assert_int_equal(k.dtype, LOP_DTYPE_F32);
    assert_int_equal(k.bos, 1);
    assert_int_equal(k.eos, 2);
}

/* The same model as transformers 4 and 5 write it. */
static void both_spellings_are_one(void **state)
{
    (void)state;
    lop_config older, newer;
    assert_ok(read_text(
        LLAMA(",\"torch_dtype\":\"bfloat16\",\"rope_theta\":500000.0,\"rope_scaling\":{\"rope_type\":"
              "\"llama3\",\"factor\":32.0,\"low_freq_factor\":1.0,\"high_freq_factor\":4.0,"
              "\"original_max_position_embeddings\":8192}"),
        &older));
    assert_ok(read_text(
        LLAMA(",\"dtype\":\"bfloat16\",\"rope_parameters\":{\"rope_type\":\"llama3\",\"rope_theta\":"
              "500000.0,\"factor\":32.0,\"low_freq_factor\":1.0,\"high_freq_factor\":4.0,"
              "\"original_max_position_embeddings\":8192}"),
        &newer));
    assert_int_equal(older.rope.kind, LOP_ROPE_LLAMA3);
    assert_int_equal(older.rope.original_positions, 8192);
    assert_memory_equal(&older, &newer, sizeof older);
}

static void options_are_read(void **state)
{
    (void)state;
    lop_config k;
    assert_ok(read_text(
        LLAMA(",\"head_dim\":32,\"num_key_value_heads\":2,\"attention_bias\":true,\"mlp_bias\":true,"
              "\"eos_token_id\":[7,8],\"bos_token_id\":null,\"tie_word_embeddings\":true,"
              "\"rope_scaling\":{\"type\":\"linear\",\"factor\":4}"),
        &k));
    assert_int_equal(k.head_dim, 32);
    assert_int_equal(k.kv_heads, 2);
    assert_true(k.qkv_bias && k.o_bias && k.mlp_bias && k.tied);
    assert_int_equal(k.eos, 7);
    assert_int_equal(k.bos, -1);
    assert_int_equal(k.rope.kind, LOP_ROPE_LINEAR);
    assert_true(k.rope.factor > 3.9 && k.rope.factor < 4.1);
}

static void windows_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        int window, from;
    } cases[] = {
        {"{\"model_type\":\"mistral\"," SIZES "}", 4096, 0},
        {"{\"model_type\":\"mistral\"," SIZES ",\"sliding_window\":null}", 0, 0},
        {"{\"model_type\":\"mistral\"," SIZES ",\"sliding_window\":77}", 77, 0},
        {"{\"model_type\":\"qwen2\"," SIZES ",\"sliding_window\":77}", 0, 0},
        {"{\"model_type\":\"qwen2\"," SIZES ",\"sliding_window\":77,\"use_sliding_window\":true,"
         "\"max_window_layers\":3}",
         77, 3},
        {"{\"model_type\":\"qwen2\"," SIZES ",\"sliding_window\":77,\"use_sliding_window\":true}", 0, 0},
        {"{\"model_type\":\"qwen2\"," SIZES
         ",\"sliding_window\":77,\"use_sliding_window\":true,\"layer_types\":"
         "[\"full_attention\",\"full_attention\",\"sliding_attention\",\"sliding_attention\"]}",
         77, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lop_config k;
        assert_ok(read_text(cases[i].json, &k));
        assert_int_equal(k.window, cases[i].window);
        assert_int_equal(k.window_from, cases[i].from);
    }
}

static void qwen_has_biases_and_opt_its_own_keys(void **state)
{
    (void)state;
    lop_config k;
    assert_ok(read_text("{\"model_type\":\"qwen2\"," SIZES "}", &k));
    assert_true(k.qkv_bias && !k.o_bias && !k.mlp_bias);
    assert_ok(read_text("{\"model_type\":\"opt\",\"hidden_size\":64,\"ffn_dim\":256,\"num_hidden_layers\":2,"
                        "\"num_attention_heads\":4,\"vocab_size\":100,\"word_embed_proj_dim\":64}",
                        &k));
    assert_true(k.qkv_bias && k.o_bias && k.mlp_bias && k.tied);
    assert_string_equal(k.activation, "relu");
    assert_int_equal(k.ffn, 256);
    assert_true(k.rope.kind == LOP_ROPE_NONE && !k.norm_after && !k.norm_plain && !k.no_final_norm);
    assert_int_equal(k.embedding, 0);
}

/* 350m's, one of Galactica's shape, and one from before its last norm. */
static void opt_places_its_norms(void **state)
{
    (void)state;
    lop_config k;
    assert_ok(read_text(OPT(",\"word_embed_proj_dim\":32,\"do_layer_norm_before\":false"), &k));
    assert_true(k.norm_after && k.no_final_norm && !k.norm_plain && k.embedding == 32);
    assert_ok(read_text(OPT(",\"enable_bias\":false,\"layer_norm_elementwise_affine\":false,"
                            "\"activation_function\":\"gelu\""),
                        &k));
    assert_true(k.norm_plain && !k.norm_after && !k.no_final_norm);
    assert_true(!k.qkv_bias && !k.o_bias && !k.mlp_bias);
    assert_string_equal(k.activation, "gelu");
    assert_ok(read_text(OPT(",\"_remove_final_layer_norm\":true,\"word_embed_proj_dim\":null"), &k));
    assert_true(k.no_final_norm && !k.norm_after && k.embedding == 0);
}

static void layers_may_differ_in_width(void **state)
{
    (void)state;
    lop_config k;
    assert_ok(read_text(LLAMA(",\"num_key_value_heads\":2,\"pg_layer_num_key_value_heads\":[1,2,0,1]"), &k));
    assert_true(k.uneven);
    assert_int_equal(k.heads, 4);
    assert_int_equal(lop_config_widths(&k, 0).heads, 2);
    assert_int_equal(lop_config_widths(&k, 2).heads, 0);
    assert_int_equal(lop_config_widths(&k, 3).ffn, 128);
    assert_int_equal(lop_config_widths(&k, -1).kv_heads, 2);
    assert_ok(read_text(LLAMA(",\"head_dim\":16,\"pg_layer_num_key_value_heads\":[3,3,3,3]"), &k));
    assert_false(k.uneven); /* narrower, and all alike */
    assert_int_equal(k.heads, 3);
}

static void wrong_configs_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        lop_status status;
        const char *words;
    } cases[] = {
        {"{\"model_type\":\"gpt_neox\"," SIZES "}", LOP_E_UNSUPPORTED, "llama, mistral, qwen2"},
        {"{" SIZES "}", LOP_E_FORMAT, "model_type"},
        {"[1]", LOP_E_FORMAT, "model_type"},
        {"{", LOP_E_FORMAT, "JSON"},
        {"", LOP_E_FORMAT, "JSON"},
        {LLAMA(",\"quantization_config\":{\"bits\":4}"), LOP_E_UNSUPPORTED, "quantization_config"},
        {LLAMA(",\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":4.0}"), LOP_E_UNSUPPORTED,
         "linear and llama3"},
        {LLAMA(",\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":4.0}"), LOP_E_FORMAT,
         "low_freq_factor"},
        {LLAMA(",\"rope_scaling\":{\"rope_type\":\"linear\",\"factor\":-4.0}"), LOP_E_FORMAT, "factor"},
        {LLAMA(",\"rope_theta\":0"), LOP_E_FORMAT, "rope_theta"},
        {LLAMA(",\"num_key_value_heads\":3"), LOP_E_FORMAT, "key-value heads"},
        {LLAMA(",\"head_dim\":15"), LOP_E_FORMAT, "even"},
        {LLAMA(",\"pg_layer_intermediate_size\":[1,2,3]"), LOP_E_FORMAT, "3 entries"},
        {LLAMA(",\"pg_layer_intermediate_size\":[1,2,3,-4]"), LOP_E_FORMAT, "pg_layer_intermediate_size"},
        {LLAMA(",\"pg_layer_intermediate_size\":[0,0,0,0]"), LOP_E_FORMAT, "feed-forward size is 0"},
        {LLAMA(",\"pg_layer_num_key_value_heads\":[1,2,3,67108864]"), LOP_E_FORMAT, "wide"},
        {LLAMA(",\"pg_layer_num_key_value_heads\":\"all\""), LOP_E_FORMAT, "pg_layer_num_key_value_heads"},
        {OPT(",\"pg_layer_num_key_value_heads\":[1,1]"), LOP_E_UNSUPPORTED, "differ in width"},
        {LLAMA(",\"bos_token_id\":100"), LOP_E_FORMAT, "bos_token_id"},
        {LLAMA(",\"max_position_embeddings\":99999999999"), LOP_E_FORMAT, "max_position_embeddings"},
        {LLAMA(",\"tie_word_embeddings\":\"yes\""), LOP_E_FORMAT, "tie_word_embeddings"},
        {LLAMA(",\"torch_dtype\":\"int4\""), LOP_E_UNSUPPORTED, "float16"},
        {LLAMA(",\"vocab_size\":100"), LOP_E_FORMAT, "duplicate"},
        {"{\"model_type\":\"llama\",\"hidden_size\":0}", LOP_E_FORMAT, "hidden_size"},
        {"{\"model_type\":\"llama\",\"hidden_size\":-64}", LOP_E_FORMAT, "hidden_size"},
        {"{\"model_type\":\"llama\",\"hidden_size\":64.5}", LOP_E_FORMAT, "hidden_size"},
        {"{\"model_type\":\"llama\",\"hidden_size\":\"64\"}", LOP_E_FORMAT, "hidden_size"},
        {LLAMA(",\"rms_norm_eps\":-1"), LOP_E_FORMAT, "epsilon"},
        {"{\"model_type\":\"opt\"," SIZES "}", LOP_E_FORMAT, "ffn_dim"},
        {OPT(",\"word_embed_proj_dim\":0"), LOP_E_FORMAT, "word_embed_proj_dim"},
        {OPT(",\"word_embed_proj_dim\":99999999999"), LOP_E_FORMAT, "word_embed_proj_dim"},
        {OPT(",\"do_layer_norm_before\":0"), LOP_E_FORMAT, "do_layer_norm_before"},
        {OPT(",\"layer_norm_elementwise_affine\":\"no\""), LOP_E_FORMAT, "layer_norm_elementwise_affine"},
        {OPT(",\"_remove_final_layer_norm\":1"), LOP_E_FORMAT, "_remove_final_layer_norm"},
        {OPT(",\"enable_bias\":\"yes\""), LOP_E_FORMAT, "enable_bias"},
        {OPT(",\"activation_function\":7"), LOP_E_FORMAT, "activation_function"},
        {OPT(",\"max_position_embeddings\":0"), LOP_E_FORMAT, "max_position_embeddings"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lop_config k;
        assert_failed(read_text(cases[i].json, &k), cases[i].status, cases[i].words);
    }
}

static void nesting_is_bounded(void **state)
{
    (void)state;
    const size_t n = 1000000;
    char *deep = malloc(n + 1);
    assert_non_null(deep);
    memset(deep, '[', n);
    deep[n] = '\0';
    lop_config k;
    assert_failed(read_text(deep, &k), LOP_E_FORMAT, "nested");
    free(deep);
}

static void what_is_written_is_read_again(void **state)
{
    (void)state;
    static const char *const configs[] = {
        LLAMA(",\"rope_theta\":500000.0,\"attention_bias\":true,\"rope_scaling\":{\"rope_type\":\"llama3\","
              "\"factor\":"
              "32.0,\"low_freq_factor\":1.0,\"high_freq_factor\":4.0,\"original_max_position_embeddings\":"
              "8192}"),
        LLAMA(",\"rope_scaling\":{\"rope_type\":\"linear\",\"factor\":2.5},\"rms_norm_eps\":1e-05,\"head_"
              "dim\":32"),
        "{\"model_type\":\"mistral\"," SIZES ",\"sliding_window\":77,\"tie_word_embeddings\":true}",
        "{\"model_type\":\"mistral\"," SIZES ",\"sliding_window\":null,\"eos_token_id\":null}",
        "{\"model_type\":\"qwen2\"," SIZES
        ",\"sliding_window\":77,\"use_sliding_window\":true,\"max_window_layers\":3}",
        LLAMA(",\"num_key_value_heads\":2,\"pg_layer_num_key_value_heads\":[2,1,0,2],"
              "\"pg_layer_intermediate_size\":[128,0,7,9]"),
        OPT(""),
        OPT(",\"word_embed_proj_dim\":32,\"do_layer_norm_before\":false"),
        OPT(",\"enable_bias\":false,\"layer_norm_elementwise_affine\":false,\"_remove_final_layer_norm\":"
            "true"),
    };
    for (size_t i = 0; i < sizeof configs / sizeof configs[0]; i++) {
        lop_config k, again;
        lop_string text = {0};
        assert_ok(read_text(configs[i], &k));
        k.dtype = LOP_DTYPE_BF16;
        assert_ok(lop_config_write(&k, LOP_DTYPE_BF16, &text));
        assert_ok(lop_config_read(text.at, text.size, &again));
        assert_memory_equal(&k, &again, sizeof k);
        lop_string_close(&text);
    }
}

static void only_the_dtype_changes(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"{\"a\": {\"dtype\": \"float32\"}, \"torch_dtype\": \"float32\", \"e\": 1e-06}",
         "{\"a\": {\"dtype\": \"float32\"}, \"torch_dtype\": \"float16\", \"e\": 1e-06}"},
        {"{\"dtype\" : \"bfloat16\",\n \"torch_dtype\":null}",
         "{\"dtype\" : \"float16\",\n \"torch_dtype\":\"float16\"}"},
        {"{\"x\":\"dtype\"}", "{\n  \"torch_dtype\": \"float16\",\"x\":\"dtype\"}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lop_string out = {0};
        assert_ok(lop_config_set_dtype(lop_text_of(cases[i][0]), LOP_DTYPE_F16, &out));
        assert_string_equal(out.at, cases[i][1]);
        lop_string_close(&out);
    }
}

int test_io_config(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_the_familys),
        cmocka_unit_test(both_spellings_are_one),
        cmocka_unit_test(options_are_read),
        cmocka_unit_test(windows_are_read),
        cmocka_unit_test(qwen_has_biases_and_opt_its_own_keys),
        cmocka_unit_test(opt_places_its_norms),
        cmocka_unit_test(layers_may_differ_in_width),
        cmocka_unit_test(wrong_configs_are_refused),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(only_the_dtype_changes),
    };
    return cmocka_run_group_tests_name("config.json", tests, NULL, NULL);
}
