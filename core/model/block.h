/* block.h - one block of any family: forward, x += attention(norm(x)); x += ffn(norm(x)); and backward, from the gradient of
 * what came out to those of the linears' weights.
 *
 * Sizes: S sequences, T tokens each, C hidden, H query heads, KV key heads, hd head size, F feed-forward. */
#ifndef LOP_CORE_MODEL_BLOCK_H
#define LOP_CORE_MODEL_BLOCK_H

#include "core/model/tape.h"
#include "core/model/weights.h"

/* Called with each distinct input of the block's linears as soon as it exists; input (S T, in) word. What it queues is
 * done before the matrix changes. */
typedef lop_status lop_watch_fn(void *user, lop_queue *q, lop_input_id input, lop_mat x);
typedef lop_status lop_middle_fn(void *user, lop_queue *q, lop_mat x);
typedef struct lop_watch {
    lop_watch_fn *fn; /* NULL: nobody watches */
    void *user;
    lop_middle_fn
        *middle; /* called with the residual stream between the halves (S T, C) f32; NULL: nobody wants it */
    void *middle_user;
    bool
        last_needed; /* false: nobody wants the block's output, and the products after the last input are left out */
} lop_watch;

/* Workspace and rope table for up to S x T tokens; nothing is allocated in a call. */
typedef struct lop_forward lop_forward;
LOP_CHECKED lop_status lop_forward_open(const lop_net *net, lop_device *device, lop_type word,
                                        int32_t sequences, int32_t tokens, lop_forward **out);
void lop_forward_close(lop_forward *f);

/* The same with room for lop_block_backward over up to `back` sequences, which shares the memory. */
LOP_CHECKED lop_status lop_forward_open_back(const lop_net *net, lop_device *device, lop_type word,
                                             int32_t sequences, int32_t tokens, int32_t back,
                                             lop_forward **out);

/* x (S T, C) f32, the residual stream, in place; positions start at 0 in every sequence. */
LOP_CHECKED lop_status lop_block_forward(lop_queue *q, lop_forward *f, const lop_block *block, lop_mat x,
                                         int32_t sequences, int32_t tokens, const lop_watch *watch);

/* The same, and the tape keeps what backward needs. */
LOP_CHECKED lop_status lop_block_forward_taped(lop_queue *q, lop_forward *f, const lop_block *block,
                                               lop_mat x, int32_t sequences, int32_t tokens, lop_tape *tape);

/* Called with rows [first, first + dw.rows) of the gradient of block->linears[linear].w as soon as they exist; dw (n, in)
 * f32. What it queues is done before they change. */
typedef lop_status lop_weight_fn(void *user, lop_queue *q, int32_t linear, int32_t first, lop_mat dw);

typedef struct lop_back_watch {
    lop_weight_fn *weight;
    lop_middle_fn *middle; /* NULL: the gradient goes on as it is */
    void *user;
} lop_back_watch;

/* From dy (S T, C) f32, the gradient of a loss with respect to what the tape's forward gave, those with respect to the
 * weights of all linears, as the block holds them now: down; gate, up; o; q, k, v, each from its first row on. In place: dy
 * becomes the gradient with respect to the stream between the halves, or, if the tape has the block's input, to that. The
 * tape is spent. All is linear in dy; with 16-bit words a caller scales it so that its parts lie within the word. */
LOP_CHECKED lop_status lop_block_backward(lop_queue *q, lop_forward *f, const lop_block *block, lop_mat dy,
                                          lop_tape *tape, lop_weight_fn *fn, void *user);

/* The same for losses of both halves: `middle` is called between them with the gradient with respect to the stream there,
 * which it may replace by that of another loss (S T, C) f32. */
LOP_CHECKED lop_status lop_block_backward_halves(lop_queue *q, lop_forward *f, const lop_block *block,
                                                 lop_mat dy, lop_tape *tape, const lop_back_watch *watch);

/* Keys and values of every block so far, for generation: one sequence of up to `positions` tokens. */
typedef struct lop_cache lop_cache;
LOP_CHECKED lop_status lop_cache_open(const lop_net *net, lop_device *device, lop_type word,
                                      int32_t positions, lop_cache **out);
void lop_cache_close(lop_cache *c);

/* The same with positions [first, first + T) of one sequence, whose earlier keys and values stand in the cache. */
LOP_CHECKED lop_status lop_block_forward_cached(lop_queue *q, lop_forward *f, const lop_block *block,
                                                lop_mat x, int32_t first, int32_t tokens, lop_cache *cache);

/* Bytes of workspace for S x T tokens, forward and backward, of which a shared one takes the larger. */
size_t lop_forward_bytes(const lop_net *net, lop_type word, int32_t sequences, int32_t tokens);
size_t lop_backward_bytes(const lop_net *net, lop_type word, int32_t sequences, int32_t tokens);

/* Floating-point operations of one block's products over S x T tokens. Forward; and backward: a product for the gradient of
 * every weight, one for that of every linear's input but that of q, k and v (theirs too with `input`), and attention's five
 * over what is visible, where its forward has two: shares anew, and the gradients of shares, values, queries and keys. */
double lop_block_flops(const lop_net *net, int32_t sequences, int32_t tokens);
double lop_block_back_flops(const lop_net *net, int32_t sequences, int32_t tokens, bool input);

#endif
