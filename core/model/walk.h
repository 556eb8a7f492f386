/* walk.h - what stands around the blocks: embedding and positions before, norm and head after, and the word a device
 * computes in. */
#ifndef LOP_CORE_MODEL_WALK_H
#define LOP_CORE_MODEL_WALK_H

#include "core/model/block.h"

/* The storage word of weights and activations inside a block: the model's own where the device takes products of it and
 * is to compute in it (lop_device_math), else f32. */
lop_type lop_walk_word(const lop_device *device, const lop_net *net);

/* Tokens of sequences that stand one behind the other, each from the same position on. */
typedef struct lop_token_rows {
    const int32_t *ids;
    int32_t count;  /* of ids, a multiple of tokens */
    int32_t tokens; /* of a sequence */
    int32_t first;  /* position of its first */
} lop_token_rows;

typedef struct lop_embedder_plan {
    int32_t most;      /* tokens whose rows are read together */
    int32_t positions; /* the most that a sequence reaches */
    lop_dtype as;      /* values are rounded to it before anything is done with them; F32: as they are */
} lop_embedder_plan;

/* Embedding rows on their way from the file to where tokens stand: of each `most` tokens every distinct row is read once,
 * carried over once and gathered on the device; then projected, and positions added, where the family has that. All calls
 * go to one queue, which has ended when the embedder closes. LOP_E_ARGUMENT: more positions than the model has learned. */
typedef struct lop_embedder lop_embedder;
LOP_CHECKED lop_status lop_embedder_open(const lop_net *net, lop_device *device,
                                         const lop_embedder_plan *plan, lop_embedder **out);
void lop_embedder_close(lop_embedder *e);

/* x[i,:] = what enters block 0 for ids[i], queued. x (count, C) f32. Ids outside: LOP_E_FORMAT, and NaN or infinity in a
 * row, unless values are rounded: then they may come from that. */
LOP_CHECKED lop_status lop_embedder_rows(lop_embedder *e, lop_queue *q, const lop_token_rows *t, lop_mat x);

/* Bytes that an embedder for the usual number of tokens at a time takes, for planning; and that number. */
size_t lop_embedder_bytes(const lop_net *net, const lop_device *device, int32_t positions, lop_place place);
int32_t lop_embedder_usual(void);

/* The same in one call, for tokens that come once. Waits. */
LOP_CHECKED lop_status lop_embed(lop_queue *q, const lop_net *net, const lop_token_rows *t, lop_mat x);

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

/* LOP_E_NUMERIC naming the first block b whose count wrong[0,b] is not 0.  Shapes: wrong (1, blocks) i64. Waits. */
LOP_CHECKED lop_status lop_walk_look(lop_queue *q, lop_mat wrong);

/* LOP_E_NUMERIC naming the block if x (R, C) holds NaN or infinities. Waits. */
LOP_CHECKED lop_status lop_walk_check(lop_queue *q, lop_mat x, int32_t block);

#endif
