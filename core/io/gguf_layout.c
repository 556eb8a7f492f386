/* gguf_layout.c - which tensors a GGUF file has, as what, and where. Blocks that have lost both halves are not written, and
 * the others are numbered anew; what llama.cpp's graph of `deci` cannot do without is put in as zeros. */
#include "core/base/memory.h"
#include "core/io/checkpoint_parts.h"
#include "core/io/gguf_header.h"
#include "core/io/gguf_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TABLE_NAME "rope_freqs.weight"
#define LAYERS     "model.layers."

/* Channels of zeros of a block without a feed-forward: whole groups of the quantised types of 32. */
#define FFN_LEAST 32

/* ---- blocks */

/* `deci` leaves a block behind its attention, before that is added, where there is no feed-forward; and it takes the size of
 * a head from the first block's attention (llama.cpp, src/models/deci.cpp and llama-model.cpp). Such a block gets channels,
 * and the first one a group of heads, that add nothing. */
static lop_status number_blocks(lop_gguf_plan *p)
{
    const lop_config *k = lop_checkpoint_config(p->source);
    LOP_TRY(LOP_NEW(&p->each, k->blocks));
    LOP_TRY(LOP_NEW(&p->number, k->blocks));
    for (int32_t b = 0; b < k->blocks; b++) {
        lop_widths w = lop_config_widths(k, b);
        p->number[b] = w.heads == 0 && w.ffn == 0 ? -1 : p->blocks;
        if (p->number[b] < 0) continue;
        if (w.ffn == 0) w.ffn = FFN_LEAST;
        if (w.heads == 0 && p->blocks == 0) {
            w.heads = k->heads % k->kv_heads == 0 ? k->heads / k->kv_heads : 1;
            w.kv_heads = 1;
        }
        p->each[p->blocks++] = w;
    }
    return LOP_OK;
}

/* The block of the source that a tensor belongs to; -1: none. *rest is its name behind the number. */
static int32_t block_of(const lop_gguf_plan *p, const char *name, const char **rest)
{
    const char *at = strstr(name, LAYERS + sizeof "model." - 1);
    char *end = NULL;
    *rest = name;
    if (at == NULL || (at != name && strncmp(name, LAYERS, sizeof LAYERS - 1) != 0)) return -1;
    at += sizeof LAYERS - sizeof "model.";
    const long block = strtol(at, &end, 10);
    if (end == at || *end != '.' || block < 0 || block >= lop_checkpoint_config(p->source)->blocks) return -1;
    *rest = end + 1;
    return (int32_t)block;
}

/* ---- one tensor */

static void place(lop_gguf_plan *p, lop_gguf_place *t)
{
    const uint64_t elements = (uint64_t)t->shape[0] * (t->rank == 2 ? (uint64_t)t->shape[1] : 1);
    t->bytes = lop_dtype_bytes(t->dtype, elements);
    t->at = (p->bytes + LOP_GGUF_ALIGNMENT - 1) / LOP_GGUF_ALIGNMENT * LOP_GGUF_ALIGNMENT;
    p->bytes = t->at + t->bytes;
    p->count++;
}

/* Tables that old checkpoints carry and that every loader makes anew; and the norm of a half that its block has lost. */
static bool is_needless(const lop_gguf_plan *p, const lop_tensor *t)
{
    const char *rest;
    const int32_t block = block_of(p, t->name, &rest);
    const lop_widths w = lop_config_widths(lop_checkpoint_config(p->source), block);
    if (strstr(t->name, ".rotary_emb.inv_freq") || lop_checkpoint_is_second_head(p->source, t)) return true;
    if (strncmp(rest, "input_layernorm.", 16) == 0) return w.heads == 0;
    return strncmp(rest, "post_attention_layernorm.", 25) == 0 && w.ffn == 0;
}

/* llama.cpp adds vectors in F32 only. */
static lop_dtype written_type(const lop_tensor *t, const lop_dtype *wanted)
{
    if (t->rank == 1) return LOP_DTYPE_F32;
    if (wanted != NULL) return *wanted;
    return lop_dtype_is_quantised(t->dtype) ? LOP_DTYPE_F16 : t->dtype;
}

/* Rope turns neighbouring rows in the graphs of `llama` and `deci`. */
static int32_t rope_heads(const lop_gguf_plan *p, const char *name)
{
    const char *rest;
    const lop_widths w = lop_config_widths(lop_checkpoint_config(p->source), block_of(p, name, &rest));
    if (strcmp(p->architecture, "qwen2") == 0) return 0;
    if (strncmp(rest, "self_attn.q_proj.", 17) == 0) return w.heads;
    return strncmp(rest, "self_attn.k_proj.", 17) == 0 ? w.kv_heads : 0;
}

/* A tied model's one matrix is the embedding, whatever it is called. A GGUF file's own names may be any. */
static lop_status spell(const lop_gguf_plan *p, const lop_tensor *t, char out[GGUF_NAME_ROOM])
{
    char name[GGUF_NAME_ROOM];
    const char *rest;
    const int32_t block = block_of(p, t->name, &rest);
    (void)snprintf(name, sizeof name, "%s", t->name);
    if (block >= 0) (void)snprintf(name, sizeof name, LAYERS "%d.%s", (int)p->number[block], rest);
    if (lop_checkpoint_config(p->source)->tied && strcmp(name, "lm_head.weight") == 0)
        (void)snprintf(name, sizeof name, "model.embed_tokens.weight");
    if (lop_gguf_spell(name, out)) return LOP_OK;
    if (p->source->gguf == NULL)
        return LOP_FAIL(LOP_E_UNSUPPORTED,
                        "%s has the tensor %s, which a GGUF file of architecture %s does not",
                        lop_checkpoint_path(p->source), t->name, p->architecture);
    (void)snprintf(out, GGUF_NAME_ROOM, "%s", t->name);
    return LOP_OK;
}

static lop_status lay_one(lop_gguf_plan *p, const lop_tensor *t, const lop_dtype *wanted)
{
    lop_gguf_place *to = &p->tensors[p->count];
    if (is_needless(p, t)) {
        p->left_out++;
        return LOP_OK;
    }
    if (!lop_dtype_is_float(t->dtype) || t->rank < 1 || t->rank > 2)
        return LOP_FAIL(LOP_E_UNSUPPORTED,
                        "%s is of type %s and rank %d; a GGUF model has matrices and vectors", t->name,
                        lop_dtype_name(t->dtype), t->rank);
    LOP_TRY(spell(p, t, to->name));
    to->source = t;
    to->dtype = written_type(t, wanted);
    to->rope_heads = rope_heads(p, t->name);
    to->rank = t->rank;
    to->shape[0] = t->shape[0];
    to->shape[1] = t->rank == 2 ? t->shape[1] : 0;
    place(p, to);
    return LOP_OK;
}

/* ---- what the source has not */

static void add_zeros(lop_gguf_plan *p, int32_t block, const char *part, int32_t rows, int32_t cols)
{
    lop_gguf_place *t = &p->tensors[p->count];
    (void)snprintf(t->name, sizeof t->name, "blk.%d.%s.weight", (int)p->number[block], part);
    t->dtype = cols > 0 ? LOP_DTYPE_F16 : LOP_DTYPE_F32;
    for (int32_t i = 0; cols > 0 && i < p->count; i++)
        if (p->tensors[i].rank == 2) t->dtype = p->tensors[i].dtype;
    t->rank = cols > 0 ? 2 : 1;
    t->shape[0] = rows;
    t->shape[1] = cols;
    place(p, t);
}

static void add_missing(lop_gguf_plan *p, int32_t block)
{
    const lop_config *k = lop_checkpoint_config(p->source);
    const lop_widths has = lop_config_widths(k, block), has_not = {0}, *w = &has_not;
    if (p->number[block] >= 0) w = &p->each[p->number[block]];
    if (has.ffn == 0 && w->ffn > 0) {
        add_zeros(p, block, "ffn_norm", k->hidden, 0);
        add_zeros(p, block, "ffn_gate", w->ffn, k->hidden);
        add_zeros(p, block, "ffn_up", w->ffn, k->hidden);
        add_zeros(p, block, "ffn_down", k->hidden, w->ffn);
    }
    if (has.heads > 0 || w->heads == 0) return;
    add_zeros(p, block, "attn_norm", k->hidden, 0);
    add_zeros(p, block, "attn_q", w->heads * k->head_dim, k->hidden);
    add_zeros(p, block, "attn_k", w->kv_heads * k->head_dim, k->hidden);
    add_zeros(p, block, "attn_v", w->kv_heads * k->head_dim, k->hidden);
    add_zeros(p, block, "attn_output", k->hidden, w->heads * k->head_dim);
}

static void add_table(lop_gguf_plan *p)
{
    lop_gguf_place *t = &p->tensors[p->count];
    (void)snprintf(t->name, sizeof t->name, TABLE_NAME);
    t->table = true;
    t->dtype = LOP_DTYPE_F32;
    t->rank = 1;
    t->shape[0] = lop_checkpoint_config(p->source)->head_dim / 2;
    place(p, t);
}

lop_status lop_gguf_lay_out(lop_gguf_plan *p, const lop_dtype *dtype)
{
    const lop_config *k = lop_checkpoint_config(p->source);
    const int32_t count = lop_checkpoint_count(p->source);
    const int64_t most = 1 + (int64_t)count + (k->uneven ? 9 * (int64_t)k->blocks : 0);
    LOP_TRY(number_blocks(p));
    LOP_TRY(LOP_NEW(&p->tensors, most));
    for (int32_t i = 0; i < count; i++) LOP_TRY(lay_one(p, lop_checkpoint_at(p->source, i), dtype));
    for (int32_t b = 0; b < k->blocks; b++) add_missing(p, b);
    if (k->rope.kind == LOP_ROPE_LLAMA3) add_table(p);
    return LOP_OK;
}
