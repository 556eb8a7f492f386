/* attention.h - causal attention forward and backward: the device's own way where it has one that takes the call, else query
 * tiles of batched products and softmax, never T x T. Internal to core/model.
 *
 * Sizes: S sequences, T query tokens each, P positions they may look at, H query heads, KV key heads, hd head size. */
#ifndef LOP_CORE_MODEL_ATTENTION_H
#define LOP_CORE_MODEL_ATTENTION_H

#include "core/device/ops.h"

typedef struct lop_attention_args {
    lop_mat q;       /* (S T, H hd) W, rotated */
    lop_mat k, v;    /* (S P, KV hd) W, k rotated; P = first + T */
    lop_mat out;     /* (S T, H hd) W */
    lop_mat tile;    /* scratch as lop_attention_tile says */
    lop_mat log_sum; /* (S H, T) f32, kept for lop_attention_back; absent: there will be none */
    int32_t heads, kv_heads, head_dim;
    int32_t sequences, tokens;
    int32_t first;  /* position of the first query: 0, or what stands in a cache */
    int32_t window; /* keys a query may look back over, itself included; 0: all */
} lop_attention_args;

/* out = softmax(q k^T / sqrt(hd)) v per head; head h looks at key head h KV / H.
 *   Errors   LOP_E_ARGUMENT  shapes, types or sizes
 *   Source   docs/attention.md */
LOP_CHECKED lop_status lop_attention(lop_queue *q, const lop_attention_args *args);

/* What backward takes beside what forward took. */
typedef struct lop_attention_grads {
    lop_mat d_out, dq;      /* (S T, H hd) W */
    lop_mat dk, dv;         /* (S P, KV hd) W */
    lop_mat tile;           /* scratch like that of forward */
    lop_mat delta;          /* scratch (S H, T) f32 */
    lop_mat dk_sum, dv_sum; /* scratch (P, KV hd) f32 */
} lop_attention_grads;

/* dq, dk, dv from d_out. `args` is what lop_attention was called with, the same views with log_sum among them, holding
 * what it held after that call; the tile may hold anything. Sums are taken in one order: the same bits every time.
 *   Errors   LOP_E_ARGUMENT  shapes, types or sizes */
LOP_CHECKED lop_status lop_attention_back(lop_queue *q, const lop_attention_args *args,
                                          const lop_attention_grads *grads);

/* Rows and columns of the scratch for up to `tokens` queries over `positions` keys. */
void lop_attention_tile(int32_t heads, int32_t tokens, int32_t positions, int32_t *rows, int32_t *cols);

/* Floating-point operations of the two products over what is visible, for all heads of one sequence. */
double lop_attention_flops(int32_t heads, int32_t head_dim, int32_t tokens, int32_t window);

#endif
