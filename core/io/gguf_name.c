/* gguf_name.c - tensor names of GGUF files in Hugging Face's spelling: one table for models of llama's shape. */
#include "core/io/gguf_header.h"

#include <stdio.h>
#include <string.h>

typedef struct name_row {
    const char *gguf, *hugging_face; /* without ".weight" or ".bias" */
} name_row;

static const name_row model_rows[] = {
    {"token_embd", "model.embed_tokens"},
    {"output_norm", "model.norm"},
    {"output", "lm_head"},
};

/* Behind "blk.N." and "model.layers.N.". */
static const name_row block_rows[] = {
    {"attn_norm", "input_layernorm"},    {"attn_q", "self_attn.q_proj"},
    {"attn_k", "self_attn.k_proj"},      {"attn_v", "self_attn.v_proj"},
    {"attn_output", "self_attn.o_proj"}, {"ffn_norm", "post_attention_layernorm"},
    {"ffn_gate", "mlp.gate_proj"},       {"ffn_up", "mlp.up_proj"},
    {"ffn_down", "mlp.down_proj"},
};

static const char *spelling(const name_row *rows, size_t count, lop_text stem)
{
    for (size_t i = 0; i < count; i++)
        if (lop_text_is(stem, rows[i].gguf)) return rows[i].hugging_face;
    return NULL;
}

/* The bytes of "blk.N." at the start of a name, 0 when it does not start so; N has no sign and no leading zero. */
static size_t block_prefix(lop_text name)
{
    if (name.size < 4 || memcmp(name.at, "blk.", 4) != 0) return 0;
    size_t end = 4;
    while (end < name.size && name.at[end] >= '0' && name.at[end] <= '9') end++;
    const size_t digits = end - 4;
    const bool plain = digits == 1 || (digits > 1 && name.at[4] != '0');
    return plain && end < name.size && name.at[end] == '.' ? end + 1 : 0;
}

void lop_gguf_rename(lop_text name, char out[GGUF_NAME_ROOM])
{
    const size_t prefix = block_prefix(name);
    size_t dot = name.size;
    while (dot > prefix && name.at[dot - 1] != '.') dot--;
    const lop_text ending = {name.at + dot, name.size - dot};
    const bool known_ending = lop_text_is(ending, "weight") || lop_text_is(ending, "bias");
    const lop_text stem = {name.at + prefix, dot > prefix ? dot - 1 - prefix : 0};
    const char *hf = NULL;
    if (known_ending && prefix == 0) hf = spelling(model_rows, sizeof model_rows / sizeof *model_rows, stem);
    if (known_ending && prefix != 0) hf = spelling(block_rows, sizeof block_rows / sizeof *block_rows, stem);
    if (hf == NULL)
        (void)snprintf(out, GGUF_NAME_ROOM, "%.*s", (int)name.size, name.at);
    else if (prefix == 0)
        (void)snprintf(out, GGUF_NAME_ROOM, "%s.%.*s", hf, (int)ending.size, ending.at);
    else /* the prefix without "blk." is "N." */
        (void)snprintf(out, GGUF_NAME_ROOM, "model.layers.%.*s%s.%.*s", (int)(prefix - 4), name.at + 4, hf,
                       (int)ending.size, ending.at);
}
