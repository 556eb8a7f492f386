/* block_parts.h - what a block's forward and backward share: one workspace, and how attention is called. Internal to
 * block_forward.c and block_backward.c. */
#ifndef LOP_CORE_MODEL_BLOCK_PARTS_H
#define LOP_CORE_MODEL_BLOCK_PARTS_H

#include "core/model/attention.h"
#include "core/model/block.h"

struct lop_forward {
    const lop_net *net;
    lop_type word;
    int32_t rows, tokens; /* the most of a call */
    int32_t back_rows;    /* the most of a call backward */
    lop_arena *arena;
    lop_mat table; /* (tokens, hd) f32: rope; absent where nothing turns */
};

/* Places the table for so many tokens in the arena (which may only measure). */
LOP_CHECKED lop_status lop_block_table_place(lop_arena *a, const lop_net *net, int32_t tokens, lop_mat *out);

/* Attention of a call from position 0 over its own keys; the tile and log_sum are left to the caller. */
lop_attention_args lop_block_attention(const lop_config *c, const lop_block *block, lop_mat qkv,
                                       lop_mat mixed, int32_t sequences, int32_t tokens);

/* What backward works in. The slab and attention's part share memory: they are never needed at once. */
typedef struct lop_back_room {
    lop_mat d;     /* (S T, C) W: a gradient of the stream as products take it, then one of a norm's output */
    lop_mat mixed; /* (S T, H hd) W */
    lop_mat qkv;   /* (S T, H hd + 2 KV hd) W */
    lop_mat slab;  /* (1, n) f32: rows of a weight's gradient */
    lop_mat tile, tile_back, delta, k_sum, v_sum; /* as lop_attention_grads has them */
} lop_back_room;
LOP_CHECKED lop_status lop_back_place(lop_arena *a, const lop_net *net, lop_type word, int32_t sequences,
                                      int32_t tokens, lop_back_room *out);

#endif
