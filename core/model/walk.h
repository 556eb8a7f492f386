/* walk.h - what stands around the blocks: embedding before, norm and head after, and the word a device computes in. */
#ifndef LOP_CORE_MODEL_WALK_H
#define LOP_CORE_MODEL_WALK_H

#include "core/model/block.h"

/* The storage word of weights and activations inside a block: the model's own where the device takes products of it and
 * is to compute in it (lop_device_math), else f32. */
lop_type lop_walk_word(const lop_device *device, const lop_net *net);

/* x[i,:] = embedding of ids[i]: only the rows asked for are read. x (count, C) f32. Ids outside: LOP_E_FORMAT. */
LOP_CHECKED lop_status lop_embed(lop_queue *q, const lop_net *net, const int32_t *ids, int32_t count,
                                 lop_mat x);

/* The final norm and the head over hidden states, the vocabulary in chunks read once per call.
 *   Shapes   x (N, C) f32, the residual stream after the last block; target[N] on the host, -1: none
 *   Result   nll[N] in nats on the host (0 where there is no target); waits */
LOP_CHECKED lop_status lop_head_nll(lop_queue *q, const lop_net *net, lop_mat x, const int32_t *target,
                                    float *nll);

/* Logits of N rows on the host: logits[N * V]. Waits. */
LOP_CHECKED lop_status lop_head_logits(lop_queue *q, const lop_net *net, lop_mat x, float *logits);

/* The final norm and the head kept on the device: for many calls of one row, generation; or for losses of at most `rows`
 * rows a call. Opening waits. */
typedef struct lop_head lop_head;
LOP_CHECKED lop_status lop_head_open(lop_queue *q, const lop_net *net, lop_head **out);
LOP_CHECKED lop_status lop_head_open_rows(lop_queue *q, const lop_net *net, int32_t rows, lop_head **out);
void lop_head_close(lop_head *h);

/* The most likely next id behind x (1, C) f32, the first of equally likely ones. Waits. */
LOP_CHECKED lop_status lop_head_best(lop_queue *q, const lop_head *h, lop_mat x, int32_t *id);

/* What lop_head_nll gives, left on the device: nothing waits, nothing is allocated.
 *   Shapes   x (N, C) f32; target (1, N) i32, -1: none; nll (1, N) f32; N at most its rows */
LOP_CHECKED lop_status lop_head_losses(lop_queue *q, const lop_head *h, lop_mat x, lop_mat target,
                                       lop_mat nll);

/* LOP_E_NUMERIC naming the block if x (R, C) holds NaN or infinities. Waits. */
LOP_CHECKED lop_status lop_walk_check(lop_queue *q, lop_mat x, int32_t block);

#endif
