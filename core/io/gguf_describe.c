/* gguf_describe.c - what a model is, as GGUF metadata: general.* and the keys of its architecture. */
#include "core/io/checkpoint_parts.h"
#include "core/io/gguf_header.h"
#include "core/io/gguf_parts.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* llama.cpp's numbers for files of one type (enum llama_ftype). */
enum { FILE_F32 = 0, FILE_F16 = 1, FILE_BF16 = 32 };

/* The families that an architecture of GGUF stands for. */
static const char *const rows[][2] = {{"llama", "llama"}, {"mistral", "llama"}, {"qwen2", "qwen2"}};

lop_status lop_gguf_architecture(const lop_config *k, const char **out)
{
    *out = NULL;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(k->family, rows[i][0]) == 0) *out = rows[i][1];
    if (*out == NULL)
        return LOP_FAIL(LOP_E_UNSUPPORTED,
                        "models of the family %s cannot be written as GGUF; llama, mistral and qwen2 can",
                        k->family);
    if (k->uneven) {
        if (k->qkv_bias || k->o_bias || k->mlp_bias)
            return LOP_FAIL(LOP_E_UNSUPPORTED,
                            "blocks that differ in width and have biases are not written as GGUF");
        if (strcmp(k->family, "llama") != 0 && (strcmp(k->family, "mistral") != 0 || k->window > 0))
            return LOP_FAIL(
                LOP_E_UNSUPPORTED,
                "blocks of a %s model differ in width; in GGUF those of llama can (architecture deci)",
                k->family);
        *out = "deci";
    }
    if (strcmp(k->activation, "silu") != 0 && strcmp(k->activation, "swish") != 0)
        return LOP_FAIL(LOP_E_UNSUPPORTED, "the activation is %s; GGUF's %s has silu only", k->activation,
                        *out);
    if (k->window == 0 || strcmp(k->family, "mistral") == 0) return LOP_OK;
    return LOP_FAIL(
        LOP_E_UNSUPPORTED,
        "the model has a sliding window of %d tokens from layer %d on, which GGUF cannot say of %s",
        k->window, k->window_from, k->family);
}

/* ---- keys */

static lop_status put_int(gguf_metadata *m, const char *architecture, const char *name, int32_t value)
{
    char key[96];
    (void)snprintf(key, sizeof key, "%s.%s", architecture, name);
    return lop_gguf_put_u32(m, key, (uint32_t)value);
}

static lop_status put_real(gguf_metadata *m, const char *architecture, const char *name, double value)
{
    char key[96];
    (void)snprintf(key, sizeof key, "%s.%s", architecture, name);
    return lop_gguf_put_f32(m, key, (float)value);
}

/* One number for each block of the file: `field` is its place in lop_widths. */
static lop_status put_each(gguf_metadata *m, const lop_gguf_plan *p, const char *name, size_t field)
{
    char key[96];
    int32_t values[LOP_UNEVEN_MOST];
    (void)snprintf(key, sizeof key, "%s.%s", p->architecture, name);
    for (int32_t b = 0; b < p->blocks; b++)
        memcpy(&values[b], (const char *)&p->each[b] + field, sizeof values[b]);
    return lop_gguf_put_words(m, key, GGUF_I32, values, p->blocks);
}

static lop_status put_widths(gguf_metadata *m, const lop_gguf_plan *p)
{
    const lop_config *k = lop_checkpoint_config(p->source);
    const char *a = p->architecture;
    if (k->uneven) {
        LOP_TRY(put_each(m, p, "feed_forward_length", offsetof(lop_widths, ffn)));
        LOP_TRY(put_each(m, p, "attention.head_count", offsetof(lop_widths, heads)));
        return put_each(m, p, "attention.head_count_kv", offsetof(lop_widths, kv_heads));
    }
    LOP_TRY(put_int(m, a, "feed_forward_length", k->ffn));
    LOP_TRY(put_int(m, a, "attention.head_count", k->heads));
    return put_int(m, a, "attention.head_count_kv", k->kv_heads);
}

/* The folder's or file's own name, without the ending. */
static lop_text model_name(const char *path)
{
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/') end--;
    size_t from = end;
    while (from > 0 && path[from - 1] != '/') from--;
    const lop_text name = {path + from, end - from};
    return lop_utf8_valid(name.at, name.size, NULL) && name.size > 0 ? name : lop_text_of("model");
}

/* The type that most bytes are in is the file's. */
static uint32_t file_type(const lop_gguf_plan *p)
{
    uint64_t bytes[LOP_DTYPE_COUNT] = {0};
    for (int32_t i = 0; i < p->count; i++) bytes[p->tensors[i].dtype] += p->tensors[i].bytes;
    if (bytes[LOP_DTYPE_F32] >= bytes[LOP_DTYPE_F16] && bytes[LOP_DTYPE_F32] >= bytes[LOP_DTYPE_BF16])
        return FILE_F32;
    return bytes[LOP_DTYPE_F16] >= bytes[LOP_DTYPE_BF16] ? FILE_F16 : FILE_BF16;
}

/* What another GGUF file says of itself in general, but for what is this file's own. */
static lop_status copy_general(const lop_gguf *g, gguf_metadata *m)
{
    static const char *const own[] = {"general.architecture", "general.file_type", "general.alignment",
                                      "general.quantization_version"};
    for (int32_t i = 0; i < g->entry_count; i++) {
        const gguf_entry *e = &g->entries[i];
        bool copied = e->key.size > 8 && memcmp(e->key.at, "general.", 8) == 0;
        for (size_t j = 0; j < sizeof own / sizeof own[0]; j++)
            copied = copied && !lop_text_is(e->key, own[j]);
        if (copied) LOP_TRY(lop_gguf_put_entry(m, e));
    }
    return LOP_OK;
}

static lop_status put_general(const lop_gguf_plan *p, gguf_metadata *m)
{
    LOP_TRY(lop_gguf_put_text(m, "general.architecture", lop_text_of(p->architecture)));
    LOP_TRY(lop_gguf_put_u32(m, "general.alignment", LOP_GGUF_ALIGNMENT));
    LOP_TRY(lop_gguf_put_u32(m, "general.file_type", file_type(p)));
    if (p->source->gguf) return copy_general(p->source->gguf, m);
    LOP_TRY(lop_gguf_put_text(m, "general.type", lop_text_of("model")));
    return lop_gguf_put_text(m, "general.name", model_name(lop_checkpoint_path(p->source)));
}

/* A rule of Llama 3's kind has a tensor and no keys. */
static lop_status put_rope(const lop_gguf_plan *p, gguf_metadata *m)
{
    const lop_config *k = lop_checkpoint_config(p->source);
    const char *a = p->architecture;
    char key[96];
    LOP_TRY(put_int(m, a, "rope.dimension_count", k->head_dim));
    LOP_TRY(put_real(m, a, "rope.freq_base", k->rope.theta));
    if (k->rope.kind != LOP_ROPE_LINEAR) return LOP_OK;
    (void)snprintf(key, sizeof key, "%s.rope.scaling.type", a);
    LOP_TRY(lop_gguf_put_text(m, key, lop_text_of("linear")));
    return put_real(m, a, "rope.scaling.factor", k->rope.factor);
}

lop_status lop_gguf_describe(const lop_gguf_plan *p, gguf_metadata *m)
{
    const lop_config *k = lop_checkpoint_config(p->source);
    const char *a = p->architecture;
    LOP_TRY(put_general(p, m));
    LOP_TRY(put_int(m, a, "block_count", p->blocks));
    LOP_TRY(put_int(m, a, "context_length", k->positions));
    LOP_TRY(put_int(m, a, "embedding_length", k->hidden));
    LOP_TRY(put_widths(m, p));
    LOP_TRY(put_int(m, a, "attention.key_length", k->head_dim));
    LOP_TRY(put_int(m, a, "attention.value_length", k->head_dim));
    LOP_TRY(put_real(m, a, "attention.layer_norm_rms_epsilon", k->norm_eps));
    if (k->window > 0) LOP_TRY(put_int(m, a, "attention.sliding_window", k->window));
    LOP_TRY(put_int(m, a, "vocab_size", k->vocab));
    return put_rope(p, m);
}
