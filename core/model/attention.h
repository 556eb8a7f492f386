/* attention.h - causal attention in query tiles, from batched products and softmax: never T x T. Internal to core/model.
 *
 * Sizes: S sequences, T query tokens each, P positions they may look at, H query heads, KV key heads, hd head size. */
#ifndef LOP_CORE_MODEL_ATTENTION_H
#define LOP_CORE_MODEL_ATTENTION_H

#include "core/device/ops.h"

typedef struct lop_attention_args {
    lop_mat q;    /* (S T, H hd) W, rotated */
    lop_mat k, v; /* (S P, KV hd) W, k rotated; P = first + T */
    lop_mat out;  /* (S T, H hd) W */
    lop_mat tile; /* scratch as lop_attention_tile says */
    int32_t heads, kv_heads, head_dim;
    int32_t sequences, tokens;
    int32_t first;  /* position of the first query: 0, or what stands in a cache */
    int32_t window; /* keys a query may look back over, itself included; 0: all */
} lop_attention_args;

/* out = softmax(q k^T / sqrt(hd)) v per head; head h looks at key head h KV / H. */
LOP_CHECKED lop_status lop_attention(lop_queue *q, const lop_attention_args *args);

/* Rows and columns of the scratch for up to `tokens` queries over `positions` keys. */
void lop_attention_tile(int32_t heads, int32_t tokens, int32_t positions, int32_t *rows, int32_t *cols);

/* Floating-point operations of the two products over what is visible, for all heads of one sequence. */
double lop_attention_flops(int32_t heads, int32_t head_dim, int32_t tokens, int32_t window);

#endif
