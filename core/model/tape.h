/* tape.h - what a block's backward needs of its forward: the inputs of the linears, the residual stream between the halves,
 * and what attention and the gate worked on. Placed in an arena of the caller's choice and filled anew by every forward
 * that is given it; nothing is allocated then.
 *
 * Sizes as in block.h. */
#ifndef LOP_CORE_MODEL_TAPE_H
#define LOP_CORE_MODEL_TAPE_H

#include "core/device/arena.h"
#include "core/model/family.h"

typedef struct lop_tape {
    lop_mat input;  /* (S T, C) f32, the stream as it came; absent: nobody wants its gradient */
    lop_mat middle; /* (S T, C) f32, the stream between the halves */
    lop_mat
        attention_sum; /* (S T, C) f32, what the norms behind the sums took; absent where norms stand before */
    lop_mat ffn_sum;
    lop_mat normed_attention;  /* (S T, C) W */
    lop_mat qkv;               /* (S T, H hd + 2 KV hd) W, q and k rotated */
    lop_mat log_sum;           /* (S H, T) f32 */
    lop_mat mixed;             /* (S T, H hd) W */
    lop_mat normed_ffn;        /* (S T, C) W */
    lop_mat gate_up;           /* (S T, 2 F) W, or (S T, F) without a gate */
    lop_mat gated;             /* (S T, F) W */
    int32_t sequences, tokens; /* of the forward that filled it; 0: it holds none */
    int32_t block;             /* and which block that was */
} lop_tape;

/* Places a tape for up to S x T tokens in the arena (which may only measure); with `input` backward goes on to the gradient
 * with respect to the block's input. */
LOP_CHECKED lop_status lop_tape_place(lop_arena *a, const lop_net *net, lop_type word, int32_t sequences,
                                      int32_t tokens, bool input, lop_tape *out);

/* Bytes that it takes there, for planning. */
size_t lop_tape_bytes(const lop_net *net, lop_type word, int32_t sequences, int32_t tokens, bool input);

/* The matrices cut to a call's size; LOP_E_ARGUMENT if there is no room for it, or if a row does not fit. */
LOP_CHECKED lop_status lop_tape_cut(const lop_tape *tape, int32_t sequences, int32_t tokens, lop_tape *out);

#endif
