/* ops_set.h - the operands that operations are timed with: one set a turn, so that no cache holds what the last turn left.
 * Internal to bench. */
#ifndef LOP_BENCH_OPS_SET_H
#define LOP_BENCH_OPS_SET_H

#include "core/device/arena.h"
#include "core/device/ops.h"

#define OPS_TOKENS  2048  /* rows of a product, and of a sequence that rope turns */
#define OPS_HEAD    64    /* head size of rope: divides every width that is timed */
#define OPS_QUERIES 256   /* of a tile of attention */
#define OPS_LOGITS  42496 /* rows of logits: of all linears of a llama-7b block */
#define OPS_RATES   101   /* candidate rates of each */
#define OPS_BITS    4     /* of grids */

/* Operands of one turn. Each case uses what it needs; R rows, C columns, W the word timed. */
typedef struct ops_set {
    lop_mat a, b, c;     /* (R, C) W, values of both signs; b and c are written */
    lop_mat to[3];       /* (R, C) by lop_type: written; that of W is c */
    lop_mat score;       /* (R, C) f32, >= 0: a's magnitudes */
    lop_mat keep;        /* (R, ceil(C/8)) u8, half of the bits set */
    lop_mat order;       /* (R, C) u16: columns by score */
    lop_mat rank;        /* (R, C) u32: scratch of lop_rank_rows */
    lop_mat part;        /* (R, C) f32: of wanda_part_row */
    lop_mat row;         /* (1, C) f32, > 0 */
    lop_mat sum;         /* (1, C) f32 */
    lop_mat table;       /* (OPS_TOKENS, OPS_HEAD) f32: angles */
    lop_mat index;       /* (1, R) i32, a shuffle of the rows */
    lop_mat target;      /* (1, R) i32 < C */
    lop_mat state;       /* (R, 3) f32 */
    lop_mat per_row;     /* (R, 1) f32 */
    lop_mat count;       /* (R, 1) u32: C / 2 */
    lop_mat dropped;     /* (R, 1) u32: of wanda_within_row */
    lop_mat row_scratch; /* (R, 1) u32 */
    lop_mat col_scratch; /* (lop_colsum_parts(R, C), C) f32 */
    lop_mat all_scratch; /* (1, lop_keep_all_scratch(R)) u32 */
    lop_mat best;        /* (1, R) i32 */
    lop_mat square;      /* (OPS_TOKENS, OPS_TOKENS) W: of products */
    lop_mat one, total;  /* (1, 2) f32, (1, 1) i64 */
    lop_mat step;        /* (1, 1) u32: of AdamW */
    lop_mat distance;    /* (1, LOP_PRODIGY_STATE) f32: Prodigy's state at its beginning */
    lop_mat gram;        /* (OPS_TOKENS, OPS_TOKENS) f32: of `square`, damped, both halves */
    lop_mat grown;       /* the same, growing with every turn */
    lop_mat factor;      /* the same, written */
    lop_mat tiles, bad;  /* of lop_chol */
    lop_mat room;        /* scratch of factors */
    lop_mat few, was;    /* (R, 1) u32: counts a little below `count`; where flips stand */
    lop_mat bucket;      /* (R, OPS_RATES - 1) f32 */
    lop_mat start;       /* (1, OPS_RATES) f32: 0 */
    lop_mat theta;       /* (OPS_LOGITS, OPS_RATES) f32, values of both signs; and a gradient of it */
    lop_mat theta_grad;
    lop_mat theta_bucket; /* (OPS_LOGITS, OPS_RATES - 1) f32: of both signs */
    lop_mat rate_count;   /* (OPS_LOGITS, 1) u32, f32 and i64 */
    lop_mat rate_mean, rate_part;
    lop_mat rate_slopes; /* (OPS_LOGITS, 2) f32 */
    lop_mat rate_price;  /* (1, 2) f32 */
    lop_mat low, high;   /* (R, 1) f32: ranges of a's rows, and their grids of OPS_BITS */
    lop_mat scale, zero;
    lop_mat phi, phi_grad; /* (R, 2) f32: 0 */
} ops_set;

/* Places and fills a set: `seed` makes its values others than those of another set. Waits. */
LOP_CHECKED lop_status ops_set_open(lop_queue *q, lop_arena *a, int32_t rows, int32_t cols, lop_type word,
                                    uint32_t seed, ops_set *out);

#endif
