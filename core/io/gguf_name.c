/* gguf_name.c - tensor names of GGUF files in Hugging Face's spelling, and back: one table for models of llama's shape. */
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

static const char *respelling(const name_row *rows, size_t count, lop_text stem)
{
    for (size_t i = 0; i < count; i++)
        if (lop_text_is(stem, rows[i].hugging_face)) return rows[i].gguf;
    return NULL;
}

/* The bytes of "blk.N." (of "layers.N.") at the start of a name, 0 when it does not start so; N has no sign and no leading
 * zero. */
static size_t block_prefix(lop_text name, const char *word)
{
    const size_t n = strlen(word);
    if (name.size < n || memcmp(name.at, word, n) != 0) return 0;
    size_t end = n;
    while (end < name.size && name.at[end] >= '0' && name.at[end] <= '9') end++;
    const size_t digits = end - n;
    const bool plain = digits == 1 || (digits > 1 && name.at[n] != '0');
    return plain && end < name.size && name.at[end] == '.' ? end + 1 : 0;
}

/* A name from `from` on taken apart: "attn_q" and "weight"; false when it has another ending. */
static bool take_apart(lop_text name, size_t from, lop_text *stem, lop_text *ending)
{
    size_t dot = name.size;
    while (dot > from && name.at[dot - 1] != '.') dot--;
    *ending = (lop_text){name.at + dot, name.size - dot};
    *stem = (lop_text){name.at + from, dot > from ? dot - 1 - from : 0};
    return lop_text_is(*ending, "weight") || lop_text_is(*ending, "bias");
}

void lop_gguf_rename(lop_text name, char out[GGUF_NAME_ROOM])
{
    const size_t prefix = block_prefix(name, "blk.");
    lop_text stem, ending;
    const char *hf = NULL;
    const bool known_ending = take_apart(name, prefix, &stem, &ending);
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

/* Models saved without their head class have names without "model."; with it the head is found, whose name has none. */
bool lop_gguf_spell(const char *name, char out[GGUF_NAME_ROOM])
{
    static const char model[] = "model.", layers[] = "layers.";
    const bool has_model = strncmp(name, model, sizeof model - 1) == 0;
    const lop_text whole = lop_text_of(name), inner = lop_text_of(has_model ? name + sizeof model - 1 : name);
    const size_t prefix = block_prefix(inner, layers);
    char full[GGUF_NAME_MOST + 1];
    lop_text stem, ending;
    const char *gguf = NULL;
    if (!take_apart(inner, prefix, &stem, &ending) || whole.size > GGUF_NAME_MOST) return false;
    (void)snprintf(full, sizeof full, "model.%.*s", (int)stem.size, stem.at);
    if (prefix > 0) {
        gguf = respelling(block_rows, sizeof block_rows / sizeof *block_rows, stem);
    } else {
        gguf = respelling(model_rows, sizeof model_rows / sizeof *model_rows, lop_text_of(full));
        if (gguf == NULL) gguf = respelling(model_rows, sizeof model_rows / sizeof *model_rows, stem);
    }
    if (gguf == NULL) return false;
    const size_t number = prefix > 0 ? prefix - (sizeof layers - 1) : 0; /* of "N." */
    (void)snprintf(out, GGUF_NAME_ROOM, "%s%.*s%s.%.*s", prefix > 0 ? "blk." : "", (int)number,
                   prefix > 0 ? inner.at + sizeof layers - 1 : "", gguf, (int)ending.size, ending.at);
    return true;
}
