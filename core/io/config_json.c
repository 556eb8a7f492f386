/* config_json.c - config.json read: both spellings (transformers 4: torch_dtype, rope_theta, rope_scaling; 5: dtype,
 * rope_parameters), with each family's own defaults where a key is left out. Writing is in config_write.c.
 *
 * Source of keys and defaults: the configuration_*.py of transformers 4.57 and 5. */
#include "core/io/config_json.h"

#include "core/io/config_edit.h"
#include "core/io/json.h"

#include <stdio.h>
#include <string.h>

#define SIZE_MOST                                                                                            \
    (1 << 26) /* of any one dimension: keeps products of two in 64 bits and one in a device's 32 */
#define BLOCKS_MOST (1 << 16)

/* What transformers assumes of a family when config.json is silent, and the keys by which families differ. */
typedef struct family_row {
    const char *name;
    int32_t positions, window, bos, eos;
    double norm_eps;
    bool tied, qkv_bias, other_bias; /* other: of o and of the feed-forward */
    const char *ffn_key, *activation_key, *activation;
    const char *eps_key, *attention_bias_key,
        *mlp_bias_key; /* NULL: there is none, and what is assumed holds */
    bool learned;      /* positions are rows of a table, and norms may stand elsewhere or be plain */
} family_row;

static const family_row families[] = {
    {"llama", 2048, 0, 1, 2, 1e-6, false, false, false, "intermediate_size", "hidden_act", "silu",
     "rms_norm_eps", "attention_bias", "mlp_bias", false},
    {"mistral", 131072, 4096, 1, 2, 1e-6, false, false, false, "intermediate_size", "hidden_act", "silu",
     "rms_norm_eps", NULL, NULL, false},
    {"qwen2", 32768, 4096, -1, -1, 1e-6, false, true, false, "intermediate_size", "hidden_act", "silu",
     "rms_norm_eps", NULL, NULL, false},
    {"opt", 2048, 0, 2, 2, 1e-5, true, true, true, "ffn_dim", "activation_function", "relu", NULL,
     "enable_bias", "enable_bias", true},
};

static lop_status find_family(const json_t *root, const family_row **out)
{
    lop_text name = {0};
    LOP_TRY(lop_json_need(root, "model_type"));
    LOP_TRY(lop_json_text(root, "model_type", &name));
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++) {
        *out = &families[i];
        if (lop_text_is(name, families[i].name)) return LOP_OK;
    }
    return LOP_FAIL(LOP_E_UNSUPPORTED,
                    "model_type \"%.40s\" is not known; known are llama, mistral, qwen2 and opt", name.at);
}

/* ---- single keys */

static lop_status read_size(const json_t *root, const char *key, int32_t *out)
{
    int64_t value = *out;
    LOP_TRY(lop_json_int(root, key, 1, SIZE_MOST, &value));
    *out = (int32_t)value;
    return LOP_OK;
}

static lop_status need_size(const json_t *root, const char *key, int32_t *out)
{
    LOP_TRY(lop_json_need(root, key));
    return read_size(root, key, out);
}

static lop_status read_word(const json_t *root, const char *key, char out[32])
{
    lop_text word = {0};
    LOP_TRY(lop_json_text(root, key, &word));
    if (word.at == NULL) return LOP_OK;
    if (word.size >= 32)
        return LOP_FAIL(LOP_E_FORMAT, "\"%s\" is %zu bytes long, expected at most 31", key, word.size);
    memcpy(out, word.at, word.size);
    out[word.size] = '\0';
    return LOP_OK;
}

/* A number, a list of which the first counts, or null. Negative numbers mean none, as some files have it. */
static lop_status read_token(const json_t *root, const char *key, int32_t vocab, int32_t *out)
{
    const json_t *value = json_object_get(root, key);
    int64_t id = 0;
    if (value == NULL && *out >= vocab) *out = -1;
    if (value == NULL) return LOP_OK;
    if (json_is_array(value)) value = json_array_get(value, 0);
    *out = -1;
    if (value == NULL || json_is_null(value)) return LOP_OK;
    LOP_TRY(lop_json_value_int(value, key, INT32_MIN, INT32_MAX, &id));
    if (id >= vocab)
        return LOP_FAIL(LOP_E_FORMAT, "\"%s\" is %lld, outside the vocabulary of %d", key, (long long)id,
                        vocab);
    *out = id < 0 ? -1 : (int32_t)id;
    return LOP_OK;
}

static lop_status read_dtype(const json_t *root, lop_dtype *out)
{
    static const struct {
        const char *name;
        lop_dtype dtype;
    } known[] = {{"float32", LOP_DTYPE_F32}, {"float16", LOP_DTYPE_F16}, {"bfloat16", LOP_DTYPE_BF16},
                 {"float", LOP_DTYPE_F32},   {"half", LOP_DTYPE_F16},    {"auto", LOP_DTYPE_F32}};
    const char *key = lop_json_find(root, "dtype") ? "dtype" : "torch_dtype";
    lop_text text = {0};
    *out = LOP_DTYPE_F32;
    LOP_TRY(lop_json_text(root, key, &text));
    if (text.at == NULL) return LOP_OK;
    const char *name = strncmp(text.at, "torch.", 6) == 0 ? text.at + 6 : text.at;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        *out = known[i].dtype;
        if (strcmp(name, known[i].name) == 0) return LOP_OK;
    }
    return LOP_FAIL(LOP_E_UNSUPPORTED, "\"%s\" is \"%.32s\"; known are float32, float16 and bfloat16", key,
                    text.at);
}

/* ---- rope */

static lop_status read_llama3(const json_t *from, lop_rope_spec *rope)
{
    static const char *const keys[] = {"factor", "low_freq_factor", "high_freq_factor",
                                       "original_max_position_embeddings"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) LOP_TRY(lop_json_need(from, keys[i]));
    LOP_TRY(lop_json_real(from, "low_freq_factor", &rope->low_freq_factor));
    LOP_TRY(lop_json_real(from, "high_freq_factor", &rope->high_freq_factor));
    return read_size(from, "original_max_position_embeddings", &rope->original_positions);
}

/* `from` is rope_parameters or rope_scaling, or NULL. */
static lop_status read_rope_kind(const json_t *from, lop_rope_spec *rope)
{
    lop_text kind = {0};
    LOP_TRY(lop_json_text(from, "rope_type", &kind));
    if (kind.at == NULL) LOP_TRY(lop_json_text(from, "type", &kind));
    if (lop_json_find(from, "full_attention") || lop_json_find(from, "sliding_attention"))
        return LOP_FAIL(LOP_E_UNSUPPORTED, "rope parameters that differ by kind of layer are not supported");
    if (kind.at == NULL || lop_text_is(kind, "default") || lop_text_is(kind, "none")) return LOP_OK;
    if (lop_text_is(kind, "linear")) {
        rope->kind = LOP_ROPE_LINEAR;
        LOP_TRY(lop_json_need(from, "factor"));
        return lop_json_real(from, "factor", &rope->factor);
    }
    if (lop_text_is(kind, "llama3")) {
        rope->kind = LOP_ROPE_LLAMA3;
        LOP_TRY(lop_json_real(from, "factor", &rope->factor));
        return read_llama3(from, rope);
    }
    return LOP_FAIL(LOP_E_UNSUPPORTED,
                    "rope type \"%.32s\" is not known; known are default, linear and llama3", kind.at);
}

static lop_status read_rope(const json_t *root, lop_rope_spec *rope)
{
    json_t *newer = NULL, *older = NULL;
    double part = 1.0;
    *rope = (lop_rope_spec){.kind = LOP_ROPE_PLAIN, .theta = 10000.0, .factor = 1.0};
    LOP_TRY(lop_json_object(root, "rope_parameters", &newer));
    LOP_TRY(lop_json_object(root, "rope_scaling", &older));
    LOP_TRY(lop_json_real(root, "rope_theta", &rope->theta));
    LOP_TRY(lop_json_real(root, "partial_rotary_factor", &part));
    const json_t *from = newer ? newer : older;
    if (from == NULL) from = json_null();
    LOP_TRY(lop_json_real(from, "rope_theta", &rope->theta));
    LOP_TRY(lop_json_real(from, "partial_rotary_factor", &part));
    if (part < 1.0 || part > 1.0)
        return LOP_FAIL(LOP_E_UNSUPPORTED, "\"partial_rotary_factor\" is %g; only 1 is supported", part);
    return read_rope_kind(from, rope);
}

/* ---- windows */

/* transformers 5 lists each layer's kind; what it says must be one change from full to sliding attention. */
static lop_status read_layer_types(const json_t *root, lop_config *out)
{
    json_t *types = NULL;
    LOP_TRY(lop_json_array(root, "layer_types", &types));
    if (types == NULL) return LOP_OK;
    if (json_array_size(types) != (size_t)out->blocks)
        return LOP_FAIL(LOP_E_FORMAT, "\"layer_types\" has %zu entries, expected num_hidden_layers, %d",
                        json_array_size(types), out->blocks);
    int32_t full = 0;
    for (int32_t i = 0; i < out->blocks; i++) {
        lop_text type = {0};
        LOP_TRY(lop_json_value_text(json_array_get(types, (size_t)i), "layer_types", &type));
        const bool is_full = lop_text_is(type, "full_attention");
        if (!is_full && !lop_text_is(type, "sliding_attention"))
            return LOP_FAIL(LOP_E_UNSUPPORTED,
                            "\"layer_types\" has \"%.32s\"; known are full_attention and sliding_attention",
                            type.at);
        if (is_full && full != i)
            return LOP_FAIL(LOP_E_UNSUPPORTED,
                            "\"layer_types\" goes back to full_attention at layer %d; windows are "
                            "supported from one layer to the last",
                            i);
        full += is_full;
    }
    out->window_from = full;
    return LOP_OK;
}

static lop_status read_window(const json_t *root, const family_row *family, lop_config *out)
{
    if (family->window == 0) return LOP_OK;
    const json_t *value = json_object_get(root, "sliding_window");
    bool used = strcmp(family->name, "qwen2") != 0;
    out->window = family->window;
    LOP_TRY(lop_json_flag(root, "use_sliding_window", &used));
    LOP_TRY(read_size(root, "sliding_window", &out->window));
    if (strcmp(family->name, "qwen2") == 0) {
        int64_t from = 28;
        LOP_TRY(lop_json_int(root, "max_window_layers", 0, SIZE_MOST, &from));
        out->window_from = (int32_t)from;
    }
    if (!used || json_is_null(value)) out->window = 0;
    if (out->window > 0) LOP_TRY(read_layer_types(root, out));
    if (out->window_from >= out->blocks) out->window = 0;
    if (out->window == 0) out->window_from = 0;
    return LOP_OK;
}

/* ---- blocks that differ */

/* One number a block, 0 or more; *count 0 when the key is absent. */
static lop_status read_each(const json_t *root, const char *key, const lop_config *k, int32_t *out,
                            bool *found)
{
    json_t *list = NULL;
    LOP_TRY(lop_json_array(root, key, &list));
    *found = list != NULL;
    if (list == NULL) return LOP_OK;
    if (json_array_size(list) != (size_t)k->blocks)
        return LOP_FAIL(LOP_E_FORMAT, "\"%s\" has %zu entries, expected num_hidden_layers, %d", key,
                        json_array_size(list), k->blocks);
    for (int32_t b = 0; b < k->blocks; b++) {
        int64_t value = 0;
        LOP_TRY(lop_json_value_int(json_array_get(list, (size_t)b), key, 0, SIZE_MOST, &value));
        out[b] = (int32_t)value;
    }
    return LOP_OK;
}

/* Narrowed models state what each layer has left; query heads go with the key-value head that they share. */
static lop_status read_widths(const json_t *root, lop_config *k)
{
    const bool stated = lop_json_find(root, LOP_EACH_FFN_KEY) || lop_json_find(root, LOP_EACH_KV_KEY);
    int32_t ffn[LOP_UNEVEN_MOST], kv[LOP_UNEVEN_MOST];
    bool has_ffn = false, has_kv = false;
    if (!stated) return LOP_OK;
    if (k->blocks > LOP_UNEVEN_MOST || k->heads % k->kv_heads != 0 || k->rope.kind == LOP_ROPE_NONE)
        return LOP_FAIL(
            LOP_E_UNSUPPORTED,
            "layers that differ in width are supported up to %d of them, in models with rope and whole "
            "groups of heads",
            LOP_UNEVEN_MOST);
    LOP_TRY(read_each(root, LOP_EACH_FFN_KEY, k, ffn, &has_ffn));
    LOP_TRY(read_each(root, LOP_EACH_KV_KEY, k, kv, &has_kv));
    for (int32_t b = 0; b < k->blocks; b++) {
        const int32_t groups = has_kv ? kv[b] : k->kv_heads;
        k->each[b] = (lop_widths){groups * (k->heads / k->kv_heads), groups, has_ffn ? ffn[b] : k->ffn};
        if ((int64_t)groups * (k->heads / k->kv_heads) > SIZE_MOST)
            return LOP_FAIL(LOP_E_FORMAT, "layer %d has %d key-value heads", b, groups);
    }
    lop_config_settle(k);
    return LOP_OK;
}

/* ---- the whole */

static lop_status read_heads(const json_t *root, lop_config *out)
{
    LOP_TRY(need_size(root, "num_attention_heads", &out->heads));
    out->kv_heads = out->heads;
    LOP_TRY(read_size(root, "num_key_value_heads", &out->kv_heads));
    LOP_TRY(read_size(root, "head_dim", &out->head_dim));
    if (out->head_dim > 0) return LOP_OK;
    if (out->hidden % out->heads != 0)
        return LOP_FAIL(LOP_E_FORMAT,
                        "\"hidden_size\" %d is no multiple of \"num_attention_heads\" %d, and there is "
                        "no \"head_dim\"",
                        out->hidden, out->heads);
    out->head_dim = out->hidden / out->heads;
    return LOP_OK;
}

static lop_status read_biases(const json_t *root, const family_row *family, lop_config *out)
{
    bool attention = family->qkv_bias;
    out->qkv_bias = family->qkv_bias;
    out->o_bias = out->mlp_bias = family->other_bias;
    if (family->mlp_bias_key) LOP_TRY(lop_json_flag(root, family->mlp_bias_key, &out->mlp_bias));
    if (family->attention_bias_key == NULL) return LOP_OK;
    LOP_TRY(lop_json_flag(root, family->attention_bias_key, &attention));
    out->qkv_bias = out->o_bias = attention;
    return LOP_OK;
}

/* Where norms stand, and what is between the tokens and the stream. A norm behind the sums leaves none for the end. */
static lop_status read_learned(const json_t *root, lop_config *out)
{
    bool before = true, affine = true, without_final = false;
    int32_t width = out->hidden;
    LOP_TRY(lop_json_flag(root, "do_layer_norm_before", &before));
    LOP_TRY(lop_json_flag(root, "layer_norm_elementwise_affine", &affine));
    LOP_TRY(lop_json_flag(root, "_remove_final_layer_norm", &without_final));
    LOP_TRY(read_size(root, "word_embed_proj_dim", &width));
    out->rope.kind = LOP_ROPE_NONE;
    out->norm_after = !before;
    out->norm_plain = !affine;
    out->no_final_norm = !before || without_final;
    out->embedding = width == out->hidden ? 0 : width;
    return LOP_OK;
}

static lop_status read_all(const json_t *root, lop_config *out)
{
    const family_row *family = NULL;
    LOP_TRY(find_family(root, &family));
    (void)snprintf(out->family, sizeof out->family, "%s", family->name);
    (void)snprintf(out->activation, sizeof out->activation, "%s", family->activation);
    if (lop_json_find(root, "quantization_config"))
        return LOP_FAIL(
            LOP_E_UNSUPPORTED,
            "the model is quantised (\"quantization_config\"); take the one with 16-bit weights, or a GGUF");
    LOP_TRY(need_size(root, "hidden_size", &out->hidden));
    LOP_TRY(need_size(root, "num_hidden_layers", &out->blocks));
    LOP_TRY(need_size(root, family->ffn_key, &out->ffn));
    LOP_TRY(need_size(root, "vocab_size", &out->vocab));
    LOP_TRY(read_heads(root, out));
    out->positions = family->positions;
    LOP_TRY(read_size(root, "max_position_embeddings", &out->positions));
    out->norm_eps = family->norm_eps;
    if (family->eps_key) LOP_TRY(lop_json_real(root, family->eps_key, &out->norm_eps));
    out->tied = family->tied;
    LOP_TRY(lop_json_flag(root, "tie_word_embeddings", &out->tied));
    LOP_TRY(read_word(root, family->activation_key, out->activation));
    out->bos = family->bos;
    out->eos = family->eos;
    LOP_TRY(read_token(root, "bos_token_id", out->vocab, &out->bos));
    LOP_TRY(read_token(root, "eos_token_id", out->vocab, &out->eos));
    LOP_TRY(read_dtype(root, &out->dtype));
    LOP_TRY(read_biases(root, family, out));
    LOP_TRY(family->learned ? read_learned(root, out) : read_rope(root, &out->rope));
    LOP_TRY(read_window(root, family, out));
    LOP_TRY(read_widths(root, out));
    return lop_config_check(out);
}

lop_status lop_config_read(const char *json, size_t size, lop_config *out)
{
    json_t *root = NULL;
    memset(out, 0, sizeof *out);
    LOP_TRY(lop_json_parse(json, size, &root));
    const lop_status status = read_all(root, out);
    lop_json_close(root);
    return status;
}

/* ---- what all readers share */

static lop_status check_rope(const lop_rope_spec *r, int32_t head_dim)
{
    if (r->kind == LOP_ROPE_NONE) return LOP_OK;
    if (head_dim % 2 != 0)
        return LOP_FAIL(LOP_E_FORMAT, "the head size is %d, expected an even number: rope turns pairs",
                        head_dim);
    if (!(r->theta > 0.0 && r->theta < 1e18))
        return LOP_FAIL(LOP_E_FORMAT, "the rope base (rope_theta) is %g, expected a positive number",
                        r->theta);
    const bool scaled = r->kind == LOP_ROPE_LINEAR || r->kind == LOP_ROPE_LLAMA3;
    if (scaled && !(r->factor > 0.0 && r->factor < 1e9))
        return LOP_FAIL(LOP_E_FORMAT, "the rope factor is %g, expected a positive number", r->factor);
    if (r->kind != LOP_ROPE_LLAMA3) return LOP_OK;
    if (!(r->low_freq_factor > 0.0 && r->high_freq_factor > r->low_freq_factor && r->high_freq_factor < 1e9))
        return LOP_FAIL(LOP_E_FORMAT,
                        "rope low_freq_factor is %g and high_freq_factor %g, expected 0 < low < high",
                        r->low_freq_factor, r->high_freq_factor);
    if (r->original_positions <= 0)
        return LOP_FAIL(LOP_E_FORMAT,
                        "rope original_max_position_embeddings is %d, expected a positive number",
                        r->original_positions);
    return LOP_OK;
}

lop_widths lop_config_widths(const lop_config *k, int32_t block)
{
    if (k->uneven && block >= 0) return k->each[block];
    return (lop_widths){k->heads, k->kv_heads, k->ffn};
}

void lop_config_settle(lop_config *k)
{
    const lop_widths first = k->each[0];
    k->uneven = first.heads == 0 || first.ffn == 0;
    k->heads = k->kv_heads = k->ffn = 0;
    for (int32_t b = 0; b < k->blocks; b++) {
        const lop_widths w = k->each[b];
        k->uneven = k->uneven || w.heads != first.heads || w.kv_heads != first.kv_heads || w.ffn != first.ffn;
        if (w.heads > k->heads) k->heads = w.heads;
        if (w.kv_heads > k->kv_heads) k->kv_heads = w.kv_heads;
        if (w.ffn > k->ffn) k->ffn = w.ffn;
    }
    if (!k->uneven) memset(k->each, 0, sizeof k->each);
}

static lop_status check_groups(const lop_config *k)
{
    for (int32_t b = 0; b < (k->uneven ? k->blocks : 1); b++) {
        const lop_widths w = lop_config_widths(k, b);
        if (w.heads < 0 || w.kv_heads < 0 || w.ffn < 0)
            return LOP_FAIL(LOP_E_FORMAT, "layer %d has a negative width", b);
        if (w.heads == 0 && w.kv_heads == 0) continue;
        if (w.kv_heads == 0 || w.heads == 0 || w.heads % w.kv_heads != 0)
            return LOP_FAIL(LOP_E_FORMAT, "%d heads cannot share %d key-value heads: expected a multiple",
                            w.heads, w.kv_heads);
    }
    return LOP_OK;
}

lop_status lop_config_check(const lop_config *k)
{
    const struct {
        const char *name;
        int32_t value, most;
    } sizes[] = {{"hidden size", k->hidden, SIZE_MOST},
                 {"number of layers", k->blocks, BLOCKS_MOST},
                 {"feed-forward size", k->ffn, SIZE_MOST},
                 {"number of heads", k->heads, SIZE_MOST},
                 {"number of key-value heads", k->kv_heads, SIZE_MOST},
                 {"head size", k->head_dim, SIZE_MOST},
                 {"vocabulary", k->vocab, SIZE_MOST},
                 {"number of positions", k->positions, SIZE_MOST},
                 {"width of the embedding", k->embedding ? k->embedding : k->hidden, SIZE_MOST}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        if (sizes[i].value < 1 || sizes[i].value > sizes[i].most)
            return LOP_FAIL(LOP_E_FORMAT, "the %s is %d, expected 1 to %d", sizes[i].name, sizes[i].value,
                            sizes[i].most);
    LOP_TRY(check_groups(k));
    if ((int64_t)k->heads * k->head_dim > SIZE_MOST)
        return LOP_FAIL(LOP_E_FORMAT, "%d heads of size %d are more than %d wide", k->heads, k->head_dim,
                        SIZE_MOST);
    if (!(k->norm_eps > 0.0 && k->norm_eps < 1.0))
        return LOP_FAIL(LOP_E_FORMAT, "the norms' epsilon is %g, expected a small positive number",
                        k->norm_eps);
    if (k->window < 0 || k->window_from < 0)
        return LOP_FAIL(LOP_E_FORMAT, "the attention window is %d from layer %d, expected no negative number",
                        k->window, k->window_from);
    return check_rope(&k->rope, k->head_dim);
}
