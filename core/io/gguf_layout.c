/* gguf_layout.c - which tensors a GGUF file has, as what, and where. */
#include "core/base/memory.h"
#include "core/io/checkpoint_parts.h"
#include "core/io/gguf_header.h"
#include "core/io/gguf_parts.h"

#include <stdio.h>
#include <string.h>

#define TABLE_NAME "rope_freqs.weight"

static void place(lop_gguf_plan *p, lop_gguf_place *t, uint64_t elements)
{
    t->bytes = lop_dtype_bytes(t->dtype, elements);
    t->at = (p->bytes + LOP_GGUF_ALIGNMENT - 1) / LOP_GGUF_ALIGNMENT * LOP_GGUF_ALIGNMENT;
    p->bytes = t->at + t->bytes;
    p->count++;
}

/* Tables that old checkpoints carry and that every loader makes anew. */
static bool is_buffer(const char *name)
{
    return strstr(name, ".rotary_emb.inv_freq") != NULL;
}

/* llama.cpp adds vectors in F32 only. */
static lop_dtype written_type(const lop_tensor *t, const lop_dtype *wanted)
{
    if (t->rank == 1) return LOP_DTYPE_F32;
    if (wanted != NULL) return *wanted;
    return lop_dtype_is_quantised(t->dtype) ? LOP_DTYPE_F16 : t->dtype;
}

/* Rope turns neighbouring rows in the graph of `llama`. */
static int32_t rope_heads(const lop_gguf_plan *p, const char *name)
{
    const lop_config *k = lop_checkpoint_config(p->source);
    if (strcmp(p->architecture, "llama") != 0) return 0;
    if (strstr(name, ".self_attn.q_proj.")) return k->heads;
    return strstr(name, ".self_attn.k_proj.") ? k->kv_heads : 0;
}

/* A tied model's one matrix is the embedding, whatever it is called. A GGUF file's own names may be any. */
static lop_status spell(const lop_gguf_plan *p, const lop_tensor *t, char out[GGUF_NAME_ROOM])
{
    const char *name = t->name;
    if (lop_checkpoint_config(p->source)->tied && strcmp(name, "lm_head.weight") == 0)
        name = "model.embed_tokens.weight";
    if (lop_gguf_spell(name, out)) return LOP_OK;
    if (p->source->gguf == NULL)
        return LOP_FAIL(LOP_E_UNSUPPORTED,
                        "%s has the tensor %s, which a GGUF file of architecture %s does not",
                        lop_checkpoint_path(p->source), name, p->architecture);
    (void)snprintf(out, GGUF_NAME_ROOM, "%s", name);
    return LOP_OK;
}

static lop_status lay_one(lop_gguf_plan *p, const lop_tensor *t, const lop_dtype *wanted)
{
    lop_gguf_place *to = &p->tensors[p->count];
    uint64_t elements = 1;
    if (is_buffer(t->name) || lop_checkpoint_is_second_head(p->source, t)) {
        p->left_out++;
        return LOP_OK;
    }
    if (!lop_dtype_is_float(t->dtype) || t->rank < 1 || t->rank > 2)
        return LOP_FAIL(LOP_E_UNSUPPORTED,
                        "%s is of type %s and rank %d; a GGUF model has matrices and vectors", t->name,
                        lop_dtype_name(t->dtype), t->rank);
    LOP_TRY(spell(p, t, to->name));
    for (int32_t d = 0; d < t->rank; d++) elements *= (uint64_t)t->shape[d];
    to->source = t;
    to->dtype = written_type(t, wanted);
    to->rope_heads = rope_heads(p, t->name);
    place(p, to, elements);
    return LOP_OK;
}

lop_status lop_gguf_lay_out(lop_gguf_plan *p, const lop_dtype *dtype)
{
    const lop_config *k = lop_checkpoint_config(p->source);
    const int32_t count = lop_checkpoint_count(p->source);
    LOP_TRY(LOP_NEW(&p->tensors, count + 1));
    for (int32_t i = 0; i < count; i++) LOP_TRY(lay_one(p, lop_checkpoint_at(p->source, i), dtype));
    if (k->rope.kind != LOP_ROPE_LLAMA3) return LOP_OK;
    lop_gguf_place *table = &p->tensors[p->count];
    (void)snprintf(table->name, sizeof table->name, TABLE_NAME);
    table->dtype = LOP_DTYPE_F32;
    place(p, table, (uint64_t)k->head_dim / 2);
    return LOP_OK;
}
