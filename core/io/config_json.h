/* config_json.h - what a model is, in numbers: read from config.json (both spellings, of transformers 4 and 5), or
 * filled from GGUF metadata. Names of families mean nothing here; core/model/family.h gives them meaning. */
#ifndef LOP_CORE_IO_CONFIG_JSON_H
#define LOP_CORE_IO_CONFIG_JSON_H

#include "core/base/status.h"
#include "core/base/text.h"
#include "core/io/dtype.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum lop_rope_kind {
    LOP_ROPE_PLAIN,
    LOP_ROPE_LINEAR, /* positions divided by `factor` */
    LOP_ROPE_LLAMA3, /* frequencies rescaled by wave length */
    LOP_ROPE_TABLE,  /* frequencies divided by the model's tensor rope_freqs.weight (GGUF) */
    LOP_ROPE_NONE    /* nothing turns: a row of a table is added for each position */
} lop_rope_kind;

typedef struct lop_rope_spec {
    lop_rope_kind kind;
    double theta;
    double factor, low_freq_factor, high_freq_factor; /* LINEAR uses factor; LLAMA3 all */
    int32_t original_positions;                       /* LLAMA3 */
} lop_rope_spec;

/* How wide one block is; 0 heads: it has no attention, 0 ffn: no feed-forward. */
typedef struct lop_widths {
    int32_t heads, kv_heads, ffn;
} lop_widths;

#define LOP_UNEVEN_MOST 512 /* blocks of a model whose blocks differ; llama.cpp takes no more */

typedef struct lop_config {
    char family[32]; /* model_type, or GGUF's general.architecture: "llama", "mistral", "qwen2", "opt" */
    int32_t blocks, hidden, ffn, heads, kv_heads, head_dim, vocab, positions;
    int32_t window;      /* sliding window in tokens; 0: none */
    int32_t window_from; /* first block that has the window (qwen2's max_window_layers); 0 otherwise */
    int32_t embedding; /* columns of the embedding where these are projected to hidden; 0: they are hidden */
    double norm_eps;
    bool norm_after;    /* norms stand behind the sums of the halves, not before their linears */
    bool norm_plain;    /* norms have neither gains nor biases */
    bool no_final_norm; /* none before the head */
    lop_rope_spec rope;
    bool tied; /* the head is the embedding */
    bool qkv_bias, o_bias, mlp_bias;
    char activation[32]; /* "silu", "relu", "gelu", ... as the file says */
    lop_dtype dtype;     /* what the file states; F32 when it states none */
    int32_t bos, eos;    /* -1: none; the first where a list is given */
    bool uneven; /* blocks differ: heads, kv_heads and ffn are the most of any, and each block has its own */
    lop_widths each[LOP_UNEVEN_MOST]; /* of uneven ones */
} lop_config;

/* The widths of a block, or for block -1 the most of any. */
lop_widths lop_config_widths(const lop_config *config, int32_t block);

/* Sets the most of any and `uneven` from `each`, which is filled for all blocks; blocks that are all alike are even. */
void lop_config_settle(lop_config *config);

/* Reads config.json text of `size` bytes. LOP_E_FORMAT names the key, what it got and what it expects; an unknown
 * model_type, rope type or a quantization_config is LOP_E_UNSUPPORTED and lists the known ones. */
LOP_CHECKED lop_status lop_config_read(const char *json, size_t size, lop_config *out);

/* The config.json that states this config, for folders made from GGUF or synthetic; `dtype` is the folder's. */
LOP_CHECKED lop_status lop_config_write(const lop_config *config, lop_dtype dtype, lop_string *out);

/* Checks what all readers share: positive sizes, heads a multiple of kv_heads, sizes that cannot overflow. */
LOP_CHECKED lop_status lop_config_check(const lop_config *config);

#endif
