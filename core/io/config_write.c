/* config_write.c - config.json written, in the spelling of transformers 4, which 5 reads as well. */
#include "core/io/config_edit.h"
#include "core/io/config_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- numbers and members */

/* The shortest decimal that reads back as the same double, so that 1e-05 is not written as 1.0000000000000001e-05. */
static lop_status add_real(lop_string *s, double value)
{
    char text[40];
    for (int digits = 1; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) break;
    }
    const bool whole = strpbrk(text, ".e") == NULL;
    return lop_string_print(s, "%s%s", text, whole ? ".0" : "");
}

static lop_status add_int(lop_string *s, const char *key, int64_t value)
{
    return lop_string_print(s, "  \"%s\": %lld,\n", key, (long long)value);
}

static lop_status add_flag(lop_string *s, const char *key, bool value)
{
    return lop_string_print(s, "  \"%s\": %s,\n", key, value ? "true" : "false");
}

static lop_status add_text(lop_string *s, const char *key, const char *value)
{
    LOP_TRY(lop_string_print(s, "  \"%s\": ", key));
    LOP_TRY(lop_string_add_json(s, value, strlen(value)));
    return lop_string_add(s, ",\n", 2);
}

static lop_status add_number(lop_string *s, const char *key, double value)
{
    LOP_TRY(lop_string_print(s, "  \"%s\": ", key));
    LOP_TRY(add_real(s, value));
    return lop_string_add(s, ",\n", 2);
}

static lop_status add_token(lop_string *s, const char *key, int32_t id)
{
    return id < 0 ? lop_string_print(s, "  \"%s\": null,\n", key) : add_int(s, key, id);
}

/* ---- parts */

static lop_status add_rope(lop_string *s, const lop_rope_spec *r)
{
    LOP_TRY(add_number(s, "rope_theta", r->theta));
    if (r->kind == LOP_ROPE_PLAIN) return lop_string_print(s, "  \"rope_scaling\": null,\n");
    LOP_TRY(lop_string_print(s, "  \"rope_scaling\": {\n    \"rope_type\": \"%s\",\n    \"factor\": ",
                             r->kind == LOP_ROPE_LINEAR ? "linear" : "llama3"));
    LOP_TRY(add_real(s, r->factor));
    if (r->kind == LOP_ROPE_LLAMA3) {
        LOP_TRY(lop_string_print(s, ",\n    \"low_freq_factor\": "));
        LOP_TRY(add_real(s, r->low_freq_factor));
        LOP_TRY(lop_string_print(s, ",\n    \"high_freq_factor\": "));
        LOP_TRY(add_real(s, r->high_freq_factor));
        LOP_TRY(
            lop_string_print(s, ",\n    \"original_max_position_embeddings\": %d", r->original_positions));
    }
    return lop_string_print(s, "\n  },\n");
}

static lop_status add_window(lop_string *s, const lop_config *k)
{
    const bool qwen = strcmp(k->family, "qwen2") == 0;
    if (qwen) {
        LOP_TRY(add_flag(s, "use_sliding_window", k->window > 0));
        LOP_TRY(add_int(s, "max_window_layers", k->window > 0 ? k->window_from : k->blocks));
    } else if (k->window_from > 0) {
        return LOP_FAIL(LOP_E_UNSUPPORTED, "a window from layer %d cannot be stated for %s", k->window_from,
                        k->family);
    }
    if (k->window > 0) return add_int(s, "sliding_window", k->window);
    return lop_string_print(s, "  \"sliding_window\": null,\n");
}

/* A list of one number a layer: the key-value heads, or the width of the feed-forward. */
static lop_status add_each(lop_string *s, const char *key, const lop_config *k, bool heads)
{
    LOP_TRY(lop_string_print(s, "  \"%s\": [", key));
    for (int32_t b = 0; b < k->blocks; b++)
        LOP_TRY(lop_string_print(s, "%s%d", b ? ", " : "", heads ? k->each[b].kv_heads : k->each[b].ffn));
    return lop_string_print(s, "],\n");
}

/* Of the heads only the key-value ones are stated: as many query heads share each in all layers. */
static lop_status add_widths(lop_string *s, const lop_config *k)
{
    if (!k->uneven) return LOP_OK;
    for (int32_t b = 0; b < k->blocks; b++)
        if ((int64_t)k->each[b].heads * k->kv_heads != (int64_t)k->each[b].kv_heads * k->heads)
            return LOP_FAIL(
                LOP_E_UNSUPPORTED,
                "config.json cannot say that layer %d has %d heads over %d key-value heads where the "
                "widest has %d over %d",
                b, k->each[b].heads, k->each[b].kv_heads, k->heads, k->kv_heads);
    LOP_TRY(add_each(s, LOP_EACH_FFN_KEY, k, false));
    return add_each(s, LOP_EACH_KV_KEY, k, true);
}

static lop_status add_gated(lop_string *s, const lop_config *k)
{
    const bool llama = strcmp(k->family, "llama") == 0, qwen = strcmp(k->family, "qwen2") == 0;
    const bool stated = llama ? k->qkv_bias == k->o_bias : k->qkv_bias == qwen && !k->o_bias && !k->mlp_bias;
    if (!stated)
        return LOP_FAIL(LOP_E_UNSUPPORTED,
                        "config.json cannot say of a %s model that q, k, v have %s bias, o %s, the "
                        "feed-forward %s",
                        k->family, k->qkv_bias ? "a" : "no", k->o_bias ? "one" : "none",
                        k->mlp_bias ? "one" : "none");
    LOP_TRY(add_text(s, "hidden_act", k->activation));
    LOP_TRY(add_int(s, "head_dim", k->head_dim));
    LOP_TRY(add_int(s, "intermediate_size", k->ffn));
    LOP_TRY(add_int(s, "num_key_value_heads", k->kv_heads));
    LOP_TRY(add_number(s, "rms_norm_eps", k->norm_eps));
    LOP_TRY(add_widths(s, k));
    if (llama) {
        LOP_TRY(add_flag(s, "attention_bias", k->qkv_bias));
        LOP_TRY(add_flag(s, "mlp_bias", k->mlp_bias));
    } else {
        LOP_TRY(add_window(s, k));
    }
    return add_rope(s, &k->rope);
}

static lop_status add_opt(lop_string *s, const lop_config *k)
{
    if (k->o_bias != k->qkv_bias || k->mlp_bias != k->qkv_bias)
        return LOP_FAIL(LOP_E_UNSUPPORTED,
                        "config.json cannot say of an opt model that some linears have biases: all or none");
    LOP_TRY(add_text(s, "activation_function", k->activation));
    LOP_TRY(add_int(s, "ffn_dim", k->ffn));
    LOP_TRY(add_int(s, "word_embed_proj_dim", k->embedding ? k->embedding : k->hidden));
    LOP_TRY(add_flag(s, "do_layer_norm_before", !k->norm_after));
    LOP_TRY(add_flag(s, "layer_norm_elementwise_affine", !k->norm_plain));
    LOP_TRY(add_flag(s, "_remove_final_layer_norm", k->no_final_norm && !k->norm_after));
    return add_flag(s, "enable_bias", k->qkv_bias);
}

static const char *class_name(const char *family)
{
    static const char *const rows[][2] = {{"llama", "LlamaForCausalLM"},
                                          {"mistral", "MistralForCausalLM"},
                                          {"qwen2", "Qwen2ForCausalLM"},
                                          {"opt", "OPTForCausalLM"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(rows[i][0], family) == 0) return rows[i][1];
    return NULL;
}

lop_status lop_config_write(const lop_config *k, lop_dtype dtype, lop_string *s)
{
    const char *class = class_name(k->family);
    if (class == NULL)
        return LOP_FAIL(LOP_E_UNSUPPORTED,
                        "no config.json is known for \"%s\"; known are llama, mistral, qwen2 and opt",
                        k->family);
    if (k->rope.kind == LOP_ROPE_TABLE)
        return LOP_FAIL(LOP_E_UNSUPPORTED, "config.json cannot state a table of rope frequencies");
    LOP_TRY(lop_string_print(s, "{\n  \"architectures\": [\n    \"%s\"\n  ],\n", class));
    LOP_TRY(add_text(s, "model_type", k->family));
    LOP_TRY(add_token(s, "bos_token_id", k->bos));
    LOP_TRY(add_token(s, "eos_token_id", k->eos));
    LOP_TRY(add_int(s, "hidden_size", k->hidden));
    LOP_TRY(add_int(s, "num_hidden_layers", k->blocks));
    LOP_TRY(add_int(s, "num_attention_heads", k->heads));
    LOP_TRY(add_int(s, "max_position_embeddings", k->positions));
    LOP_TRY(strcmp(k->family, "opt") == 0 ? add_opt(s, k) : add_gated(s, k));
    LOP_TRY(add_flag(s, "tie_word_embeddings", k->tied));
    LOP_TRY(add_text(s, "torch_dtype", lop_config_dtype_word(dtype)));
    LOP_TRY(add_flag(s, "use_cache", true));
    return lop_string_print(s, "  \"vocab_size\": %d\n}\n", k->vocab);
}
