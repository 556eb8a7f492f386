/* test_io_gguf_model.c - GGUF files that open and are no model, or no tokenizer, that lop can take: the code and the words
 * that come out. */
#include "core/io/gguf.h"
#include "tests/io/gguf_case.h"
#include "tests/io/io_groups.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static gguf_image f;

enum { U32 = 4, I32 = 5, F32 = 6 };

static void start(void)
{
    image_start(&f);
    image_key_text(&f, "general.architecture", "llama");
}

static void start_model(const char *architecture)
{
    image_start(&f);
    image_model_metadata(&f, architecture);
}

static void end_model(void)
{
    image_model_tensors(&f, LOP_DTYPE_F16);
    image_end(&f, 32);
}

/* Puts a u32 value in place of the one that a key of the model's metadata has. */
static void change_u32(const char *key, uint32_t value)
{
    const size_t n = strlen(key);
    for (size_t at = 0; at + n + 8 <= f.size; at++) {
        if (memcmp(f.at + at, key, n) != 0 || f.at[at + n] != U32 || f.at[at + n + 1] != 0) continue;
        memcpy(f.at + at + n + 4, &value, 4);
        return;
    }
    fail_msg("%s is not in the image", key);
}

/* Renames a key so that it is not found; the new name is as long. */
static void hide(const char *key)
{
    const size_t n = strlen(key);
    for (size_t at = 0; at + n <= f.size; at++) {
        if (memcmp(f.at + at, key, n) != 0) continue;
        f.at[at] = '_';
        return;
    }
    fail_msg("%s is not in the image", key);
}

static void lacks_blocks(void)
{
    start_model("llama");
    end_model();
    hide("llama.block_count");
}

static void has_0_blocks(void)
{
    start_model("llama");
    end_model();
    change_u32("llama.block_count", 0);
}

static void has_too_many_blocks(void)
{
    start_model("llama");
    end_model();
    change_u32("llama.block_count", 0x80000000u);
}

static void has_heads_per_block(void)
{
    start_model("qwen2");
    hide("qwen2.attention.head_count");
    image_key_array(&f, "qwen2.attention.head_count", I32, 1);
    image_u32(&f, 4);
    end_model();
}

static void has_other_architecture(void)
{
    start_model("gemma3");
    end_model();
}

static void has_experts(void)
{
    start_model("llama");
    image_key_u32(&f, "llama.expert_count", 8);
    end_model();
}

static void has_unequal_heads(void)
{
    start_model("llama");
    image_key_u32(&f, "llama.attention.value_length", 32);
    end_model();
}

static void turns_half_a_head(void)
{
    start_model("llama");
    image_key_u32(&f, "llama.rope.dimension_count", 32);
    end_model();
}

static void scales_by_yarn(void)
{
    start_model("llama");
    image_key_text(&f, "llama.rope.scaling.type", "yarn");
    end_model();
}

static void scales_by_nothing(void)
{
    start_model("llama");
    image_key_text(&f, "llama.rope.scaling.type", "linear");
    end_model();
}

static void scales_by_nan(void)
{
    start_model("llama");
    image_key_f32(&f, "llama.rope.scaling.factor", NAN);
    end_model();
}

static void scales_twice(void)
{
    start_model("llama");
    image_key_f32(&f, "llama.rope.scaling.factor", 2);
    image_tensor(&f, "rope_freqs.weight", LOP_DTYPE_F32, 0, 32);
    end_model();
}

static void has_short_rope_table(void)
{
    start_model("llama");
    image_tensor(&f, "rope_freqs.weight", LOP_DTYPE_F32, 0, 16);
    end_model();
}

static void lacks_epsilon(void)
{
    start_model("llama");
    end_model();
    hide("llama.attention.layer_norm_rms_epsilon");
}

/* The metadata of a model of `deci` with one list wrong: `count` numbers of head_count_kv. */
static void start_uneven(const uint32_t *kv, uint64_t count)
{
    image_start(&f);
    image_model_metadata(&f, "deci");
    hide("deci.attention.head_count_kv");
    image_key_array(&f, "deci.attention.head_count_kv", I32, count);
    for (uint64_t i = 0; i < count; i++) image_u32(&f, kv[i]);
    image_model_tensors(&f, LOP_DTYPE_F16);
    image_end(&f, 32);
}

static void has_no_group(void)
{
    start_uneven((const uint32_t[]){2}, 0);
}

static void has_negative_groups(void)
{
    start_uneven((const uint32_t[]){0xfffffffeu}, 1);
}

static void has_linear_attention(void)
{
    start_uneven((const uint32_t[]){0}, 1);
}

static void has_3_groups_of_4(void)
{
    start_uneven((const uint32_t[]){3}, 1);
}

static void has_qwen_window(void)
{
    start_model("qwen2");
    image_key_u32(&f, "qwen2.attention.sliding_window", 16);
    end_model();
}

static void has_bos_outside(void)
{
    start_model("llama");
    image_key_u32(&f, "tokenizer.ggml.bos_token_id", 8);
    end_model();
}

static void has_5_heads(void)
{
    start_model("qwen2");
    end_model();
    change_u32("qwen2.attention.head_count", 5);
}

static void has_no_tensors(void)
{
    start_model("llama");
    image_tokens(&f);
    image_end(&f, 32);
}

static void lacks_tokens(void)
{
    start();
    image_key_text(&f, "tokenizer.ggml.model", "gpt2");
}

static void has_tokens_of_numbers(void)
{
    lacks_tokens();
    image_key_array(&f, "tokenizer.ggml.tokens", U32, 1);
    image_u32(&f, 0);
}

static void has_one_token_for_all(void)
{
    lacks_tokens();
    image_key_text(&f, "tokenizer.ggml.tokens", "abc");
}

static void has_one_score(void)
{
    start();
    image_tokens(&f);
    image_key_array(&f, "tokenizer.ggml.scores", F32, 1);
    image_u32(&f, 0);
}

static void has_scores_of_i32(void)
{
    start();
    image_tokens(&f);
    image_key_array(&f, "tokenizer.ggml.scores", I32, 8);
    image_put(&f, (char[32]){0}, 32);
}

static void has_pad_outside(void)
{
    start();
    image_tokens(&f);
    image_key_u32(&f, "tokenizer.ggml.padding_token_id", 9);
}

static void has_unknown_in_text(void)
{
    start();
    image_tokens(&f);
    image_key_text(&f, "tokenizer.ggml.unknown_token_id", "<unk>");
}

static const gguf_case cases[] = {
    {lacks_blocks, GGUF_CONFIG, LOP_E_FORMAT, "llama.block_count is missing"},
    {has_0_blocks, GGUF_CONFIG, LOP_E_FORMAT, "llama.block_count is 0"},
    {has_too_many_blocks, GGUF_CONFIG, LOP_E_FORMAT, "llama.block_count is no whole number"},
    {has_heads_per_block, GGUF_CONFIG, LOP_E_UNSUPPORTED, "a value for each block"},
    {has_other_architecture, GGUF_CONFIG, LOP_E_UNSUPPORTED,
     "gemma3 is not supported; known in GGUF files are llama, qwen2 and deci"},
    {has_experts, GGUF_CONFIG, LOP_E_UNSUPPORTED, "mixtures of experts"},
    {has_unequal_heads, GGUF_CONFIG, LOP_E_UNSUPPORTED, "64 elements and those of values 32"},
    {turns_half_a_head, GGUF_CONFIG, LOP_E_UNSUPPORTED, "32 of a head's 64"},
    {scales_by_yarn, GGUF_CONFIG, LOP_E_UNSUPPORTED, "rope.scaling.type"},
    {scales_by_nothing, GGUF_CONFIG, LOP_E_FORMAT, "llama.rope.scaling.factor is missing"},
    {scales_by_nan, GGUF_CONFIG, LOP_E_FORMAT, "llama.rope.scaling.factor is no positive number"},
    {scales_twice, GGUF_CONFIG, LOP_E_UNSUPPORTED, "only one is supported"},
    {has_short_rope_table, GGUF_CONFIG, LOP_E_FORMAT, "rope_freqs.weight"},
    {lacks_epsilon, GGUF_CONFIG, LOP_E_FORMAT, "layer_norm_rms_epsilon is missing"},
    {has_no_group, GGUF_OPEN, LOP_E_FORMAT, "row order of model.layers.0.self_attn.k_proj"},
    {has_negative_groups, GGUF_OPEN, LOP_E_FORMAT, "row order of model.layers.0.self_attn.k_proj"},
    {has_linear_attention, GGUF_OPEN, LOP_E_FORMAT, "not 0 heads of an even size"},
    {has_3_groups_of_4, GGUF_OPEN, LOP_E_FORMAT, "not 3 heads of an even size"},
    {has_qwen_window, GGUF_CONFIG, LOP_E_UNSUPPORTED, "sliding window of 16"},
    {has_bos_outside, GGUF_CONFIG, LOP_E_FORMAT, "bos_token_id is 8, but there are 8 tokens"},
    {has_5_heads, GGUF_CONFIG, LOP_E_FORMAT, ""},
    {has_no_tensors, GGUF_CONFIG, LOP_E_FORMAT, "a vocabulary and no tensors"},
    {lacks_tokens, GGUF_TOKENIZER, LOP_E_FORMAT, "holds no tokenizer"},
    {has_tokens_of_numbers, GGUF_TOKENIZER, LOP_E_FORMAT,
     "tokenizer.ggml.tokens is an array of u32; expected an array of text"},
    {has_one_token_for_all, GGUF_TOKENIZER, LOP_E_FORMAT, "tokenizer.ggml.tokens is text; expected an array"},
    {has_one_score, GGUF_TOKENIZER, LOP_E_FORMAT, "tokenizer.ggml.scores has 1 values for 8 tokens"},
    {has_scores_of_i32, GGUF_TOKENIZER, LOP_E_FORMAT, "array of i32; expected an array of f32"},
    {has_pad_outside, GGUF_TOKENIZER, LOP_E_FORMAT, "padding_token_id is 9, but there are 8 tokens"},
    {has_unknown_in_text, GGUF_TOKENIZER, LOP_E_FORMAT, "unknown_token_id is no whole number"},
};

static void bad_models_are_refused(void **state)
{
    (void)state;
    gguf_cases_check(cases, sizeof cases / sizeof *cases, &f);
}

int test_io_gguf_model(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_models_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
