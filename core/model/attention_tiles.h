/* attention_tiles.h - a tile of attention's plain way: some queries of some heads against the keys they may see. Internal to
 * attention.c and attention_back.c. */
#ifndef LOP_CORE_MODEL_ATTENTION_TILES_H
#define LOP_CORE_MODEL_ATTENTION_TILES_H

#include "core/model/attention.h"

/* Queries [row, row + queries) of sequence `sequence`, heads [head, head + count), keys [first_key, first_key + keys). */
typedef struct lop_attention_part {
    int32_t sequence, row, queries;
    int32_t first_key, keys;
    int32_t head, count;
} lop_attention_part;

typedef lop_status lop_attention_part_fn(lop_queue *q, const lop_attention_args *args,
                                         const lop_attention_part *part, const void *user);

/* Calls fn for every part of a sequence, queries in order. */
LOP_CHECKED lop_status lop_attention_parts(lop_queue *q, const lop_attention_args *args, int32_t sequence,
                                           lop_attention_part_fn *fn, const void *user);

/* A part's scores: the first head's (queries, keys) in the scratch, and from one head to the next. */
lop_mat lop_attention_scores(lop_mat scratch, const lop_attention_part *part);
int64_t lop_attention_scores_step(const lop_attention_part *part);
lop_mat lop_attention_scores_all(lop_mat scratch,
                                 const lop_attention_part *part); /* (count * queries, keys) */

/* The part's rows of a matrix like q, or like k, and one head's columns. */
lop_mat lop_attention_queries_of(lop_mat m, const lop_attention_args *args, const lop_attention_part *part,
                                 int32_t head);
lop_mat lop_attention_keys_of(lop_mat m, const lop_attention_args *args, const lop_attention_part *part,
                              int32_t kv_head);

/* Runs a product for every head of the part: c = a op(b), b the head's keys of `kv`. `product` is that of the part's first
 * head with step_a and step_c set. */
LOP_CHECKED lop_status lop_attention_by_keys(lop_queue *q, const lop_attention_args *args,
                                             const lop_attention_part *part, lop_gemm_args product,
                                             lop_mat kv);

/* The part's shares: softmax(q k^T / sqrt(hd)) into args->tile. */
LOP_CHECKED lop_status lop_attention_shares(lop_queue *q, const lop_attention_args *args,
                                            const lop_attention_part *part);

float lop_attention_scale(const lop_attention_args *args);

/* The call as the device's own way takes it; grads NULL: forward. */
lop_attend_args lop_attention_call(const lop_attention_args *args, const lop_attention_grads *grads);

/* LOP_E_ARGUMENT where sizes do not fit each other, or q, k, v, out and log_sum them. */
LOP_CHECKED lop_status lop_attention_check(lop_queue *q, const lop_attention_args *args);

#endif
