/* synth.c - shapes, and the noise that fills them.
 *
 * Sources of the shapes: the config.json of SmolLM2-135M, Llama-3.2-1B, Llama-2-7b, Llama-2-13b, Meta-Llama-3-8B,
 * Llama-2-70b, opt-125m and opt-6.7b. Their special tokens are replaced by those of the byte tokenizer. */
#include "core/io/synth.h"

#include "core/base/memory.h"
#include "core/io/checkpoint_parts.h"

#include <stdio.h>
#include <string.h>

#define DEVIATION        0.02 /* of a weight: transformers' initializer_range */
#define TENSORS_OF_BLOCK 16
#define TENSORS_OF_ENDS  5

#define LLAMA(blocks_, hidden_, ffn_, heads_, kv_, vocab_, positions_)                                       \
    .family = "llama", .blocks = (blocks_), .hidden = (hidden_), .ffn = (ffn_), .heads = (heads_),           \
    .kv_heads = (kv_), .head_dim = (hidden_) / (heads_), .vocab = (vocab_), .positions = (positions_),       \
    .norm_eps = 1e-5, .activation = "silu", .bos = LOP_SYNTH_BOS, .eos = LOP_SYNTH_EOS

#define OPT(blocks_, hidden_, heads_)                                                                        \
    .family = "opt", .blocks = (blocks_), .hidden = (hidden_), .ffn = 4 * (hidden_), .heads = (heads_),      \
    .kv_heads = (heads_), .head_dim = (hidden_) / (heads_), .vocab = 50272, .positions = 2048,               \
    .norm_eps = 1e-5, .activation = "relu", .tied = true, .qkv_bias = true, .o_bias = true,                  \
    .mlp_bias = true, .dtype = LOP_DTYPE_F16, .rope = {.kind = LOP_ROPE_NONE}, .bos = LOP_SYNTH_BOS,         \
    .eos = LOP_SYNTH_EOS

static const lop_synth_shape shapes[] = {
    {"smollm2-135m",
     {LLAMA(30, 576, 1536, 9, 3, 49152, 8192), .tied = true, .dtype = LOP_DTYPE_BF16,
      .rope = {.kind = LOP_ROPE_PLAIN, .theta = 1e5, .factor = 1.0}}},
    {"llama-1b",
     {LLAMA(16, 2048, 8192, 32, 8, 128256, 131072), .tied = true, .dtype = LOP_DTYPE_BF16,
      .rope = {.kind = LOP_ROPE_LLAMA3,
               .theta = 5e5,
               .factor = 32.0,
               .low_freq_factor = 1.0,
               .high_freq_factor = 4.0,
               .original_positions = 8192}}},
    {"llama-7b",
     {LLAMA(32, 4096, 11008, 32, 32, 32000, 4096), .dtype = LOP_DTYPE_F16,
      .rope = {.kind = LOP_ROPE_PLAIN, .theta = 1e4, .factor = 1.0}}},
    {"llama-13b",
     {LLAMA(40, 5120, 13824, 40, 40, 32000, 4096), .dtype = LOP_DTYPE_F16,
      .rope = {.kind = LOP_ROPE_PLAIN, .theta = 1e4, .factor = 1.0}}},
    {"llama-8b",
     {LLAMA(32, 4096, 14336, 32, 8, 128256, 8192), .dtype = LOP_DTYPE_BF16,
      .rope = {.kind = LOP_ROPE_PLAIN, .theta = 5e5, .factor = 1.0}}},
    {"llama-70b",
     {LLAMA(80, 8192, 28672, 64, 8, 32000, 4096), .dtype = LOP_DTYPE_F16,
      .rope = {.kind = LOP_ROPE_PLAIN, .theta = 1e4, .factor = 1.0}}},
    {"opt-125m", {OPT(12, 768, 12)}},
    {"opt-6.7b", {OPT(32, 4096, 32)}},
};

#define KNOWN "smollm2-135m, llama-1b, llama-7b, llama-13b, llama-8b, llama-70b, opt-125m and opt-6.7b"

int lop_synth_count(void)
{
    return (int)(sizeof shapes / sizeof shapes[0]);
}

const lop_synth_shape *lop_synth_at(int index)
{
    return &shapes[index];
}

lop_status lop_synth_find(const char *name, const lop_synth_shape **out)
{
    for (int i = 0; i < lop_synth_count(); i++) {
        *out = &shapes[i];
        if (strcmp(shapes[i].name, name) == 0) return LOP_OK;
    }
    *out = NULL;
    return LOP_FAIL(LOP_E_ARGUMENT, "shape \"%.40s\" is not known; there are " KNOWN, name);
}

/* ---- the table of tensors */

static lop_status add_tensor(lop_checkpoint *c, const char *name, int64_t rows, int64_t cols)
{
    lop_tensor *t = &c->at[c->count];
    LOP_TRY(lop_strdup(name, &c->made_names[c->count]));
    *t = (lop_tensor){.name = c->made_names[c->count], .dtype = c->config.dtype, .rank = rows ? 2 : 1};
    t->shape[0] = rows ? rows : cols;
    t->shape[1] = rows ? cols : 0;
    t->bytes = lop_dtype_bytes(t->dtype, (uint64_t)(rows ? rows : 1) * (uint64_t)cols);
    c->count++;
    return LOP_OK;
}

/* C hidden, F feed-forward, Q and K the widths of queries and of keys and values. */
typedef struct widths {
    int64_t C, F, Q, K;
} widths;

static widths widths_of(const lop_config *k, int32_t block)
{
    const lop_widths w = lop_config_widths(k, block);
    return (widths){k->hidden, w.ffn, (int64_t)w.heads * k->head_dim, (int64_t)w.kv_heads * k->head_dim};
}

/* Weight, and with `bias` a bias, of a part of a block. */
typedef struct part {
    const char *name;
    int64_t rows, cols; /* rows 0: a vector */
    bool bias;
} part;

static lop_status add_parts(lop_checkpoint *c, const char *place, const part *parts, size_t count)
{
    char name[128];
    for (size_t i = 0; i < count; i++) {
        const part *p = &parts[i];
        const bool norm = strstr(p->name, "norm") != NULL;
        if (p->cols == 0 || (p->rows == 0 && !norm)) continue; /* of a half that the block has not */
        (void)snprintf(name, sizeof name, "%s%s.weight", place, p->name);
        LOP_TRY(add_tensor(c, name, p->rows, p->cols));
        (void)snprintf(name, sizeof name, "%s%s.bias", place, p->name);
        if (p->bias) LOP_TRY(add_tensor(c, name, 0, p->rows ? p->rows : p->cols));
    }
    return LOP_OK;
}

static lop_status add_gated(lop_checkpoint *c, const char *place, int32_t block)
{
    const bool bias = c->config.qkv_bias;
    const widths w = widths_of(&c->config, block);
    const part parts[] = {{"input_layernorm", 0, w.C, false},          {"mlp.down_proj", w.C, w.F, false},
                          {"mlp.gate_proj", w.F, w.C, false},          {"mlp.up_proj", w.F, w.C, false},
                          {"post_attention_layernorm", 0, w.C, false}, {"self_attn.k_proj", w.K, w.C, bias},
                          {"self_attn.o_proj", w.C, w.Q, false},       {"self_attn.q_proj", w.Q, w.C, bias},
                          {"self_attn.v_proj", w.K, w.C, bias}};
    return add_parts(c, place, parts, sizeof parts / sizeof parts[0]);
}

static lop_status add_opt(lop_checkpoint *c, const char *place, int32_t block)
{
    const bool bias = c->config.qkv_bias;
    const widths w = widths_of(&c->config, block);
    const part parts[] = {{"fc1", w.F, w.C, bias},
                          {"fc2", w.C, w.F, bias},
                          {"final_layer_norm", 0, w.C, true},
                          {"self_attn.k_proj", w.K, w.C, bias},
                          {"self_attn.out_proj", w.C, w.Q, bias},
                          {"self_attn.q_proj", w.Q, w.C, bias},
                          {"self_attn.v_proj", w.K, w.C, bias},
                          {"self_attn_layer_norm", 0, w.C, true}};
    return add_parts(c, place, parts, sizeof parts / sizeof parts[0]);
}

static lop_status add_blocks(lop_checkpoint *c, const char *prefix,
                             lop_status (*add_block)(lop_checkpoint *c, const char *place, int32_t block))
{
    char place[64];
    for (int32_t b = 0; b < c->config.blocks; b++) {
        (void)snprintf(place, sizeof place, "%slayers.%d.", prefix, b);
        LOP_TRY(add_block(c, place, b));
    }
    return LOP_OK;
}

static lop_status add_all(lop_checkpoint *c)
{
    const lop_config *k = &c->config;
    const bool opt = k->rope.kind == LOP_ROPE_NONE;
    const char *prefix = opt ? "model.decoder." : "model.";
    const part learned[] = {{"embed_positions", (int64_t)k->positions + 2, k->hidden, false}};
    const part words[] = {{"embed_tokens", k->vocab, k->hidden, false}};
    const part norm[] = {{opt ? "final_layer_norm" : "norm", 0, k->hidden, opt}};
    const size_t most = (size_t)k->blocks * TENSORS_OF_BLOCK + TENSORS_OF_ENDS;
    LOP_TRY(LOP_NEW(&c->at, most));
    LOP_TRY(LOP_NEW(&c->made_names, most));
    if (opt) LOP_TRY(add_parts(c, prefix, learned, 1));
    LOP_TRY(add_parts(c, prefix, words, 1));
    LOP_TRY(add_blocks(c, prefix, opt ? add_opt : add_gated));
    LOP_TRY(add_parts(c, prefix, norm, 1));
    return k->tied ? LOP_OK : add_tensor(c, "lm_head.weight", k->vocab, k->hidden);
}

lop_status lop_synth_open(const lop_config *config, lop_dtype dtype, uint64_t seed, lop_checkpoint **out)
{
    *out = NULL;
    LOP_TRY(lop_config_check(config));
    const bool learned = config->rope.kind == LOP_ROPE_NONE, other = config->o_bias || config->mlp_bias;
    if (config->norm_after || config->norm_plain || config->no_final_norm || config->embedding != 0 ||
        (learned ? config->o_bias != config->qkv_bias || config->mlp_bias != config->qkv_bias : other))
        return LOP_FAIL(LOP_E_UNSUPPORTED,
                        "models with norms or embeddings as OPT-350m has them, with biases behind attention "
                        "alone, are not made");
    if (!lop_dtype_is_float(dtype) || lop_dtype_is_quantised(dtype))
        return LOP_FAIL(LOP_E_ARGUMENT, "a synthetic model is F32, F16 or BF16, not %s",
                        lop_dtype_name(dtype));
    lop_checkpoint *c = NULL;
    lop_status status = LOP_OK;
    LOP_TRY_DONE(LOP_NEW(&c, 1));
    c->made = true;
    c->seed = seed;
    c->config = *config;
    c->config.dtype = dtype;
    LOP_TRY_DONE(lop_strdup("(synthetic)", &c->path));
    LOP_TRY_DONE(add_all(c));
    LOP_TRY_DONE(lop_checkpoint_sort_names(c));
    *out = c;
    c = NULL;
done:
    lop_checkpoint_close(c);
    return status;
}

/* ---- the values */

/* Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014: the mixing of SplitMix64. */
static inline uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/* FNV-1a, so that a tensor's values do not depend on its place in the table. */
static uint64_t name_key(uint64_t seed, const char *name)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (; *name; name++) h = (h ^ (unsigned char)*name) * 0x100000001b3u;
    return mix(h ^ mix(seed + 0x9e3779b97f4a7c15u));
}

/* The sum of four uniform 16-bit numbers is close to normal: mean 2 (2^16 - 1), variance 4 (2^32 - 1) / 12. */
static void normals(uint64_t key, uint64_t first, float *out, size_t count)
{
    const float scale = (float)(DEVIATION / 37837.227); /* sqrt of that variance */
    for (size_t i = 0; i < count; i++) {
        const uint64_t r = mix(key + (first + i) * 0x9e3779b97f4a7c15u);
        const int32_t sum = (int32_t)(r & 0xffff) + (int32_t)(r >> 16 & 0xffff) +
                            (int32_t)(r >> 32 & 0xffff) + (int32_t)(r >> 48);
        out[i] = scale * (float)(sum - 131070);
    }
}

static void constants(float value, float *out, size_t count)
{
    for (size_t i = 0; i < count; i++) out[i] = value;
}

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

lop_status lop_synth_fill(uint64_t seed, const lop_tensor *t, uint64_t at, size_t bytes, void *out)
{
    float piece[2048];
    const size_t word = lop_dtype_group_bytes(t->dtype), room = sizeof piece / sizeof piece[0];
    const uint64_t key = name_key(seed, t->name);
    if (at % word != 0 || bytes % word != 0)
        return LOP_FAIL(LOP_E_ARGUMENT, "%s: bytes %llu to %llu cut an element", t->name,
                        (unsigned long long)at, (unsigned long long)(at + bytes));
    const bool is_norm = ends_with(t->name, "norm.weight"), is_bias = ends_with(t->name, ".bias");
    for (size_t done = 0; done < bytes / word;) {
        const size_t left = bytes / word - done, n = left < room ? left : room;
        if (is_norm || is_bias)
            constants(is_norm ? 1.0f : 0.0f, piece, n);
        else
            normals(key, at / word + done, piece, n);
        lop_dtype_convert(LOP_DTYPE_F32, piece, t->dtype, (char *)out + done * word, n);
        done += n;
    }
    return LOP_OK;
}

/* ---- the tokenizer */

/* How byte-level vocabularies spell a byte: printable ones of Latin-1 as themselves, the others from U+0100 on. Source:
 * bytes_to_unicode in GPT-2's encoder.py. */
static size_t spell_byte(int byte, int *spare, char out[3])
{
    const bool plain = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    const int code = plain ? byte : 0x100 + (*spare)++;
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    out[0] = (char)(0xc0 | code >> 6);
    out[1] = (char)(0x80 | (code & 0x3f));
    return 2;
}

lop_status lop_synth_tokenizer(lop_tokenizer **out)
{
    char spelled[256][3];
    lop_text tokens[258];
    int32_t types[258];
    int spare = 0;
    for (int b = 0; b < 256; b++) {
        tokens[b] = (lop_text){spelled[b], spell_byte(b, &spare, spelled[b])};
        types[b] = 1;
    }
    tokens[LOP_SYNTH_BOS] = lop_text_of("<|begin_of_text|>");
    tokens[LOP_SYNTH_EOS] = lop_text_of("<|end_of_text|>");
    types[LOP_SYNTH_BOS] = types[LOP_SYNTH_EOS] = 3;
    const lop_tokenizer_spec spec = {.model = lop_text_of("gpt2"),
                                     .pre = lop_text_of("gpt-2"),
                                     .tokens = tokens,
                                     .types = types,
                                     .count = 258,
                                     .bos = LOP_SYNTH_BOS,
                                     .eos = LOP_SYNTH_EOS,
                                     .unknown = -1,
                                     .pad = -1,
                                     .add_bos = true};
    return lop_tokenizer_open_spec(&spec, out);
}
