/* family.h - the table of model families, and a model resolved against it: which tensor is which, checked shapes.
 * What differs between families stands in this table and nowhere else. */
#ifndef LOP_CORE_MODEL_FAMILY_H
#define LOP_CORE_MODEL_FAMILY_H

#include "core/device/ops.h"
#include "core/io/checkpoint.h"

/* The linears of a block in module order. A family without a gate has none (fc1 is UP, fc2 is DOWN). */
typedef enum lop_linear_id {
    LOP_LINEAR_Q,
    LOP_LINEAR_K,
    LOP_LINEAR_V,
    LOP_LINEAR_O,
    LOP_LINEAR_GATE,
    LOP_LINEAR_UP,
    LOP_LINEAR_DOWN,
    LOP_LINEAR_COUNT
} lop_linear_id;

/* The distinct inputs of a block's linears: q, k, v share one; gate, up share one. */
typedef enum lop_input_id {
    LOP_INPUT_ATTENTION,
    LOP_INPUT_O,
    LOP_INPUT_FFN,
    LOP_INPUT_DOWN,
    LOP_INPUT_COUNT
} lop_input_id;

typedef enum lop_norm_kind { LOP_NORM_RMS, LOP_NORM_LAYER } lop_norm_kind;

#define LOP_FAMILY_PREFIXES 3

/* Names stand behind one of the prefixes, the same for all tensors of a file, but that of the head. */
typedef struct lop_family {
    const char *name;                          /* model_type */
    const char *architecture;                  /* "LlamaForCausalLM" */
    const char *prefixes[LOP_FAMILY_PREFIXES]; /* "model.", the first is the usual one; NULL: no more */
    const char *block;                         /* "layers.%d." */
    const char *linear[LOP_LINEAR_COUNT];      /* "self_attn.q_proj"; NULL: the family has none */
    lop_norm_kind norm;
    const char *norm_attention, *norm_ffn,
        *norm_final;                      /* "input_layernorm", "post_attention_layernorm", "norm" */
    const char *embedding, *head;         /* with .weight */
    const char *positions;                /* a table of learned ones; NULL: rope */
    int32_t positions_from;               /* its row for position 0 */
    const char *project_in, *project_out; /* where embeddings are projected; NULL: never */
} lop_family;

/* NULL when unknown; lop_family_names lists the known ones for the message. */
const lop_family *lop_family_find(const char *name);
const char *lop_family_names(void); /* "llama, mistral, qwen2, opt" */

/* A linear as it lies in the file. */
typedef struct lop_linear_file {
    const lop_tensor *weight; /* (out, in); NULL: the family, or the block, has no such linear */
    const lop_tensor *bias;   /* (out) or NULL */
    int32_t out, in;
    lop_input_id input;
} lop_linear_file;

/* A norm as it lies in the file: gains (C), and biases (C) where the kind has them; NULL where the config says that there
 * are none, and then gains are 1 and biases 0. */
typedef struct lop_norm_file {
    const lop_tensor *gain, *bias;
} lop_norm_file;

typedef struct lop_block_file {
    lop_linear_file linear[LOP_LINEAR_COUNT];
    lop_norm_file norm_attention, norm_ffn;
} lop_block_file;

/* A checkpoint resolved against its family: every tensor that the forward needs found, every shape checked. */
typedef struct lop_net {
    const lop_checkpoint *file;
    const lop_config *config;
    const lop_family *family;
    const char *prefix; /* of the tensors' names */
    lop_gate_kind gate;
    int32_t width;          /* columns of the embedding and of the head: E */
    lop_block_file *blocks; /* config->blocks of them */
    lop_block_file
        widest; /* the most of any, with tensors of one that has them: what a place for each has to hold */
    const lop_tensor *embedding, *head; /* (V, E); head: the embedding where tied */
    const lop_tensor *positions;        /* (P + positions_from, C), or NULL */
    const lop_tensor *project_in;       /* (C, E), or NULL: E is C */
    const lop_tensor *project_out;      /* (E, C), or NULL */
    lop_norm_file norm_final;           /* of nothing where config->no_final_norm */
    uint64_t prunable;                  /* weights of all linears of all blocks */
    uint64_t parameters;                /* of the model, a tied head once */
} lop_net;

/* The checkpoint must outlive the net. LOP_E_UNSUPPORTED: unknown family (the known are listed); LOP_E_FORMAT: missing
 * tensor or wrong shape, named. */
LOP_CHECKED lop_status lop_net_open(const lop_checkpoint *file, lop_net *out);
void lop_net_close(lop_net *net);

#endif
