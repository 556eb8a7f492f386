/* gguf_config.c - what a model is, read from GGUF metadata (`llama.embedding_length`, ...) and from which tensors the
 * file has: a head of its own, biases, rope frequencies. */
#include "core/io/gguf_header.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TABLE_NAME "rope_freqs.weight"

#define UNEVEN "deci" /* the architecture of llama's graph whose blocks may differ in width */

static const char *const families[] = {"llama", "qwen2", UNEVEN};

static const gguf_entry *find(const lop_gguf *g, const char *name, char key[96])
{
    (void)snprintf(key, 96, "%s.%s", g->family, name);
    return lop_gguf_find(g, key);
}

/* A whole number that fits 31 bits. Some models give one per block, as an array: those are not the families here. */
static lop_status find_int(const lop_gguf *g, const char *name, bool *found, int32_t *out)
{
    char key[96];
    uint64_t value;
    const gguf_entry *e = find(g, name, key);
    *found = e != NULL;
    if (e == NULL) return LOP_OK;
    if (e->type == GGUF_ARRAY)
        return LOP_FAIL(LOP_E_UNSUPPORTED,
                        "%s: %s is an array, a value for each block; only one for all is supported",
                        g->file.path, key);
    if (!lop_gguf_entry_uint(e, &value) || value > INT32_MAX)
        return LOP_FAIL(LOP_E_FORMAT, "%s: %s is no whole number from 0 to %d", g->file.path, key, INT32_MAX);
    *out = (int32_t)value;
    return LOP_OK;
}

static lop_status need_int(const lop_gguf *g, const char *name, int32_t *out)
{
    bool found;
    LOP_TRY(find_int(g, name, &found, out));
    if (found && *out > 0) return LOP_OK;
    return LOP_FAIL(LOP_E_FORMAT, "%s: %s.%s is %s; the model cannot be laid out without it", g->file.path,
                    g->family, name, found ? "0" : "missing");
}

/* Converters round a decimal of config.json to f32; the shortest decimal that gives this f32 is what config.json said,
 * so 1e-05 comes back as 1e-05 and not as 9.99999974737875e-06. */
static double as_stated(double value)
{
    char text[40];
    double stated = value;
    for (int digits = 1; digits <= 9; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, value);
        stated = strtod(text, NULL);
        if ((double)(float)stated == value) return stated;
    }
    return value;
}

/* A positive finite number; `out` keeps its value when the key is absent. */
static lop_status find_real(const lop_gguf *g, const char *name, bool *found, double *out)
{
    char key[96];
    double value = 0;
    const gguf_entry *e = find(g, name, key);
    *found = e != NULL;
    if (e == NULL) return LOP_OK;
    if (!lop_gguf_entry_real(e, &value) || !isfinite(value) || value <= 0)
        return LOP_FAIL(LOP_E_FORMAT, "%s: %s is no positive number", g->file.path, key);
    *out = e->type == GGUF_F32 ? as_stated(value) : value;
    return LOP_OK;
}

static const lop_tensor *find_tensor(const lop_gguf *g, const char *name)
{
    for (int32_t i = 0; i < g->tensor_count; i++)
        if (strcmp(g->tensors[i].name, name) == 0) return &g->tensors[i];
    return NULL;
}

/* In any block: then all that have such a linear must have it. */
static bool has_bias(const lop_gguf *g, const char *linear)
{
    char ending[96];
    const int size = snprintf(ending, sizeof ending, ".%s.bias", linear);
    for (int32_t i = 0; i < g->tensor_count; i++) {
        const char *name = g->tensors[i].name;
        const size_t n = strlen(name);
        if (n > (size_t)size && strcmp(name + n - (size_t)size, ending) == 0) return true;
    }
    return false;
}

static lop_status check_family(const lop_gguf *g)
{
    if (g->tensor_count == 0)
        return LOP_FAIL(LOP_E_FORMAT,
                        "%s holds a vocabulary and no tensors: it can serve as a tokenizer, not as a model",
                        g->file.path);
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (strcmp(g->family, families[i]) == 0) return LOP_OK;
    return LOP_FAIL(LOP_E_UNSUPPORTED,
                    "%s: architecture %s is not supported; known in GGUF files are %s, %s and %s",
                    g->file.path, g->family, families[0], families[1], families[2]);
}

static lop_status check_experts(const lop_gguf *g)
{
    bool found;
    int32_t experts = 0;
    LOP_TRY(find_int(g, "expert_count", &found, &experts));
    if (experts == 0) return LOP_OK;
    return LOP_FAIL(LOP_E_UNSUPPORTED, "%s: %s.expert_count is %d; mixtures of experts are not supported",
                    g->file.path, g->family, experts);
}

/* One number for each block, or one for all. */
static lop_status find_each(const lop_gguf *g, const char *name, int32_t block, int32_t *out)
{
    char key[96];
    uint64_t value = 0;
    const gguf_entry *e = find(g, name, key);
    const bool list = e != NULL && e->type == GGUF_ARRAY;
    const bool right = e != NULL && (list ? lop_gguf_entry_uint_at(e, (uint64_t)block, &value)
                                          : lop_gguf_entry_uint(e, &value));
    if (!right || value > INT32_MAX)
        return LOP_FAIL(LOP_E_FORMAT, "%s: %s has no whole number for block %d", g->file.path, key, block);
    *out = (int32_t)value;
    return LOP_OK;
}

static lop_status read_each(const lop_gguf *g, lop_config *out)
{
    if (out->blocks > LOP_UNEVEN_MOST)
        return LOP_FAIL(LOP_E_UNSUPPORTED, "%s: " UNEVEN ".block_count is %d; up to %d are supported",
                        g->file.path, out->blocks, LOP_UNEVEN_MOST);
    for (int32_t b = 0; b < out->blocks; b++) {
        lop_widths *w = &out->each[b];
        LOP_TRY(find_each(g, "feed_forward_length", b, &w->ffn));
        LOP_TRY(find_each(g, "attention.head_count", b, &w->heads));
        LOP_TRY(find_each(g, "attention.head_count_kv", b, &w->kv_heads));
        if (w->heads > 0 && w->kv_heads == 0)
            return LOP_FAIL(LOP_E_UNSUPPORTED,
                            "%s: block %d has attention that is one linear, which is not supported",
                            g->file.path, b);
    }
    lop_config_settle(out);
    return LOP_OK;
}

static lop_status read_widths(const lop_gguf *g, lop_config *out)
{
    bool found;
    if (strcmp(g->family, UNEVEN) == 0) return read_each(g, out);
    LOP_TRY(need_int(g, "feed_forward_length", &out->ffn));
    LOP_TRY(need_int(g, "attention.head_count", &out->heads));
    LOP_TRY(find_int(g, "attention.head_count_kv", &found, &out->kv_heads));
    if (!found) out->kv_heads = out->heads;
    return LOP_OK;
}

/* Where a head's size is not stated, the first block's heads share the width. */
static int32_t shared_size(const lop_config *k)
{
    const int32_t heads = lop_config_widths(k, 0).heads;
    return k->hidden / (heads > 0 ? heads : k->heads > 0 ? k->heads : 1);
}

static lop_status read_heads(const lop_gguf *g, lop_config *out)
{
    bool found;
    int32_t value_length = 0, turned = 0;
    LOP_TRY(find_int(g, "attention.key_length", &found, &out->head_dim));
    if (!found) out->head_dim = shared_size(out);
    LOP_TRY(find_int(g, "attention.value_length", &found, &value_length));
    if (found && value_length != out->head_dim)
        return LOP_FAIL(LOP_E_UNSUPPORTED,
                        "%s: heads of keys have %d elements and those of values %d; only equal ones "
                        "are supported",
                        g->file.path, out->head_dim, value_length);
    LOP_TRY(find_int(g, "rope.dimension_count", &found, &turned));
    if (found && turned != out->head_dim)
        return LOP_FAIL(LOP_E_UNSUPPORTED,
                        "%s: rope turns %d of a head's %d elements; only whole heads are supported",
                        g->file.path, turned, out->head_dim);
    return LOP_OK;
}

/* Older files state a linear factor alone, newer ones a type with it. */
static lop_status read_scaling(const lop_gguf *g, lop_rope_spec *out)
{
    char key[96];
    bool found, old;
    lop_text type = {"linear", 6};
    const gguf_entry *e = find(g, "rope.scaling.type", key);
    if (e != NULL && !lop_gguf_text(g, key, &type))
        return LOP_FAIL(LOP_E_FORMAT, "%s: %s is no text", g->file.path, key);
    if (lop_text_is(type, "none")) return LOP_OK;
    if (!lop_text_is(type, "linear"))
        return LOP_FAIL(LOP_E_UNSUPPORTED,
                        "%s: %s is no kind of rope scaling that is supported; these are none, linear, "
                        "and a table of frequencies (" TABLE_NAME ")",
                        g->file.path, key);
    LOP_TRY(find_real(g, "rope.scaling.factor", &found, &out->factor));
    LOP_TRY(find_real(g, "rope.scale_linear", &old, &out->factor));
    if (e != NULL && !found && !old)
        return LOP_FAIL(LOP_E_FORMAT, "%s: rope scaling is linear and %s.rope.scaling.factor is missing",
                        g->file.path, g->family);
    if (fabs(out->factor - 1) > 0) out->kind = LOP_ROPE_LINEAR;
    return LOP_OK;
}

static lop_status read_rope(const lop_gguf *g, int32_t head_dim, lop_rope_spec *out)
{
    bool found;
    *out = (lop_rope_spec){.kind = LOP_ROPE_PLAIN, .theta = 10000, .factor = 1};
    LOP_TRY(find_real(g, "rope.freq_base", &found, &out->theta));
    LOP_TRY(read_scaling(g, out));
    const lop_tensor *table = find_tensor(g, TABLE_NAME);
    if (table == NULL) return LOP_OK;
    if (table->rank != 1 || table->shape[0] != head_dim / 2 || table->dtype != LOP_DTYPE_F32)
        return LOP_FAIL(LOP_E_FORMAT,
                        "%s: " TABLE_NAME " has rank %d, %" PRId64 " elements first, type %s; expected a "
                        "vector of half a head, %d, in F32",
                        g->file.path, table->rank, table->shape[0], lop_dtype_name(table->dtype),
                        head_dim / 2);
    if (out->kind != LOP_ROPE_PLAIN)
        return LOP_FAIL(LOP_E_UNSUPPORTED,
                        "%s: rope is scaled by a factor and by " TABLE_NAME "; only one is supported",
                        g->file.path);
    out->kind = LOP_ROPE_TABLE;
    return LOP_OK;
}

/* Converters call Mistral `llama` and set the window; llama itself has none. For qwen2 a window starts at a block that
 * GGUF does not state, so only one that never bites is accepted. */
static lop_status read_window(const lop_gguf *g, lop_config *out)
{
    bool found;
    LOP_TRY(find_int(g, "attention.sliding_window", &found, &out->window));
    if (out->window >= out->positions) out->window = 0;
    if (out->window == 0) return LOP_OK;
    if (strcmp(g->family, "llama") == 0) {
        memcpy(out->family, "mistral", sizeof "mistral");
        return LOP_OK;
    }
    return LOP_FAIL(LOP_E_UNSUPPORTED,
                    "%s: %s has a sliding window of %d tokens and GGUF does not say from which block "
                    "on; use the model's Hugging Face folder",
                    g->file.path, g->family, out->window);
}

/* Tokens of the vocabulary: as stated, else as many as the embedding has rows. */
static lop_status read_vocab(const lop_gguf *g, lop_config *out)
{
    bool found;
    LOP_TRY(find_int(g, "vocab_size", &found, &out->vocab));
    const lop_tensor *embedding = find_tensor(g, "model.embed_tokens.weight");
    const gguf_entry *tokens = lop_gguf_find(g, "tokenizer.ggml.tokens");
    if (!found && embedding != NULL && embedding->rank == 2 && embedding->shape[0] <= INT32_MAX)
        out->vocab = (int32_t)embedding->shape[0];
    else if (!found && tokens != NULL && tokens->type == GGUF_ARRAY && tokens->count <= INT32_MAX)
        out->vocab = (int32_t)tokens->count;
    if (out->vocab <= 0)
        return LOP_FAIL(LOP_E_FORMAT,
                        "%s: neither %s.vocab_size nor token_embd.weight nor tokenizer.ggml.tokens says "
                        "how many tokens there are",
                        g->file.path, g->family);
    LOP_TRY(lop_gguf_token_id(g, "bos_token_id", out->vocab, -1, &out->bos));
    return lop_gguf_token_id(g, "eos_token_id", out->vocab, -1, &out->eos);
}

/* The type most matrices of the blocks have. */
static lop_dtype common_type(const lop_gguf *g)
{
    int32_t counts[LOP_DTYPE_COUNT] = {0};
    lop_dtype best = LOP_DTYPE_F32;
    for (int32_t i = 0; i < g->tensor_count; i++) {
        const lop_tensor *t = &g->tensors[i];
        if (t->rank == 2 && strncmp(t->name, "model.layers.", 13) == 0) counts[t->dtype]++;
    }
    for (int i = 0; i < LOP_DTYPE_COUNT; i++)
        if (counts[i] > counts[best]) best = (lop_dtype)i;
    return best;
}

static lop_status read_sizes(const lop_gguf *g, lop_config *out)
{
    bool found;
    LOP_TRY(need_int(g, "block_count", &out->blocks));
    LOP_TRY(need_int(g, "embedding_length", &out->hidden));
    LOP_TRY(need_int(g, "context_length", &out->positions));
    LOP_TRY(read_widths(g, out));
    LOP_TRY(find_real(g, "attention.layer_norm_rms_epsilon", &found, &out->norm_eps));
    if (found) return LOP_OK;
    return LOP_FAIL(LOP_E_FORMAT, "%s: %s.attention.layer_norm_rms_epsilon is missing", g->file.path,
                    g->family);
}

lop_status lop_gguf_config(const lop_gguf *g, lop_config *out)
{
    memset(out, 0, sizeof *out);
    LOP_TRY(check_family(g));
    LOP_TRY(check_experts(g));
    (void)snprintf(out->family, sizeof out->family, "%s",
                   strcmp(g->family, UNEVEN) == 0 ? "llama" : g->family);
    memcpy(out->activation, "silu", sizeof "silu");
    LOP_TRY(read_sizes(g, out));
    LOP_TRY(read_heads(g, out));
    LOP_TRY(read_rope(g, out->head_dim, &out->rope));
    LOP_TRY(read_window(g, out));
    LOP_TRY(read_vocab(g, out));
    out->tied = find_tensor(g, "lm_head.weight") == NULL;
    out->qkv_bias = has_bias(g, "self_attn.q_proj");
    out->o_bias = has_bias(g, "self_attn.o_proj");
    out->mlp_bias =
        has_bias(g, "mlp.gate_proj") || has_bias(g, "mlp.up_proj") || has_bias(g, "mlp.down_proj");
    out->dtype = common_type(g);
    return lop_config_check(out);
}
