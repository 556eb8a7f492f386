/* block.h - one block of any family, forward: x += attention(norm(x)); x += ffn(norm(x)).
 *
 * Sizes: S sequences, T tokens each, C hidden, H query heads, KV key heads, hd head size, F feed-forward. */
#ifndef LOP_CORE_MODEL_BLOCK_H
#define LOP_CORE_MODEL_BLOCK_H

#include "core/model/weights.h"

/* Called with each distinct input of the block's linears as soon as it exists; input (S T, in) word. What it queues is
 * done before the matrix changes. */
typedef lop_status lop_watch_fn(void *user, lop_queue *q, lop_input_id input, lop_mat x);
typedef struct lop_watch {
    lop_watch_fn *fn; /* NULL: nobody watches */
    void *user;
    bool
        last_needed; /* false: nobody wants the block's output, and the products after the last input are left out */
} lop_watch;

/* Workspace and rope table for up to S x T tokens; nothing is allocated in a call. */
typedef struct lop_forward lop_forward;
LOP_CHECKED lop_status lop_forward_open(const lop_net *net, lop_device *device, lop_type word,
                                        int32_t sequences, int32_t tokens, lop_forward **out);
void lop_forward_close(lop_forward *f);

/* x (S T, C) f32, the residual stream, in place; positions start at 0 in every sequence. */
LOP_CHECKED lop_status lop_block_forward(lop_queue *q, lop_forward *f, const lop_block *block, lop_mat x,
                                         int32_t sequences, int32_t tokens, const lop_watch *watch);

/* Keys and values of every block so far, for generation: one sequence of up to `positions` tokens. */
typedef struct lop_cache lop_cache;
LOP_CHECKED lop_status lop_cache_open(const lop_net *net, lop_device *device, lop_type word,
                                      int32_t positions, lop_cache **out);
void lop_cache_close(lop_cache *c);

/* The same with positions [first, first + T) of one sequence, whose earlier keys and values stand in the cache. */
LOP_CHECKED lop_status lop_block_forward_cached(lop_queue *q, lop_forward *f, const lop_block *block,
                                                lop_mat x, int32_t first, int32_t tokens, lop_cache *cache);

/* Bytes of workspace for S x T tokens, and floating-point operations of one block over them. */
size_t lop_forward_bytes(const lop_net *net, lop_type word, int32_t sequences, int32_t tokens);
double lop_block_flops(const lop_net *net, int32_t sequences, int32_t tokens);

#endif
