/* besa_parts.h - a block under BESA's learner, as its parts see it. Internal to core/prune/besa*.c
 * and to who times its kernels.
 *
 * Letters: R rows and C columns of a linear, G rows of logits (one for each row, for some rows or for all of a linear), J
 * candidate rates q / B, q = 0 .. B, B = J - 1 buckets of sorted positions, H hidden width, T tokens of a window. */
#ifndef LOP_CORE_PRUNE_BESA_PARTS_H
#define LOP_CORE_PRUNE_BESA_PARTS_H

#include "core/prune/damped_factor.h"

typedef enum lop_besa_form { LOP_BESA_SOFTMAX, LOP_BESA_SIGMOID, LOP_BESA_TILTED } lop_besa_form;
typedef enum lop_besa_rule { LOP_BESA_BY_COUNT, LOP_BESA_BY_THRESHOLD } lop_besa_rule;
typedef enum lop_besa_metric {
    LOP_BESA_BY_WANDA,
    LOP_BESA_BY_MAGNITUDE,
    LOP_BESA_BY_INVERSE /* SparseGPT's: w^2 by the diagonal of the inverse Hessian's factor, squared */
} lop_besa_metric;
typedef enum lop_besa_norm {
    LOP_BESA_PER_STEP, /* each output channel by its energy in the step's windows */
    LOP_BESA_OVER_ALL, /* by its energy in all windows */
    LOP_BESA_FROBENIUS /* not at all */
} lop_besa_norm;

/* So that sums of integers stay within 64 bits (kernels/besa.cl). */
enum { LOP_BESA_BUCKETS_MOST = 255 };

typedef struct lop_besa_options {
    double target;   /* sparsity of the block */
    int32_t each;    /* rows that share a row of logits; 0: all of a linear */
    int32_t buckets; /* B */
    int32_t epochs, windows;
    lop_besa_form form;
    lop_besa_rule rule;
    lop_besa_norm norm;
    float penalty, loss; /* weights of the two parts of what is minimised */
    float width; /* a miss of the target that doubles the price, or takes it away; 0: the penalty, no price */
    lop_besa_metric metric; /* of the ranks */
    double damping;         /* of a Hessian, part of its mean diagonal */
    bool halves;            /* each half of the block has a loss and a target of its own */
    int32_t span;           /* neighbouring blocks that have one loss and one target */
    bool dense_stream;      /* the block shall give what the dense model has there */
    bool adam;              /* AdamW; else Prodigy */
    bool cosine;            /* the rate falls to 0 over the steps as a cosine does */
    double rate, d_coef;    /* learning rate; Prodigy's factor of the distance that it estimates */
    bool clip;              /* weights are on grids whose reach is learned */
    float clip_rate;        /* AdamW's */
} lop_besa_options;

/* Reads the method's table. LOP_E_ARGUMENT: what cannot be read, or a target out of the form's reach. */
LOP_CHECKED lop_status lop_besa_options_read(const lop_settings *settings, const lop_target *target,
                                             lop_besa_options *out);

/* The logit that every candidate q / B begins with, so that the mean rate is the target: logit[J]. */
void lop_besa_first_logits(const lop_besa_options *o, float *logit);

/* One linear: what is fixed while it is learned (order, w), where it stands (used, was) and what decides (theta). */
typedef struct lop_besa_linear {
    const lop_prune_linear *linear;
    lop_mat used;      /* (R, C) W: the weights of the trial */
    lop_mat order;     /* (R, C) u16: columns by rising importance */
    lop_mat factor;    /* (1, C) f32: diagonal of the inverse Hessian's factor; absent unless ranked by it */
    lop_damped damped; /* that it was found with */
    lop_mat was;       /* (R, 1) u32: how many of each row are out of `used` */
    lop_mat theta, grad;        /* (G, J) f32: how far logits have moved; the gradient */
    lop_mat bucket, bucket_sum; /* (R, B), (G, B) f32: of the mask's gradient; the same matrix where G is R */
    lop_mat count;              /* (G, 1) u32: how many shall be out */
    lop_mat alpha, part;        /* (G, 1) f32, i64: mean rate; that times the weights it is of, by 2^32 */
    lop_mat slopes;      /* (G, 2) f32: of the error and of the unit's mean rate; absent without a price */
    int32_t each;        /* rows of a row of logits; the last may have fewer */
    int32_t unit;        /* that it belongs to */
    lop_quant_clip clip; /* of the grids, in all steps; absent unless they are learned */
} lop_besa_linear;

/* What is reconstructed with a target and a loss of its own: the span, or one of its only block's halves. Neighbouring
 * linears. */
typedef struct lop_besa_unit {
    int32_t first, count; /* of the linears; count 0: none of them is chosen */
    int64_t weights;
    int32_t group, groups;  /* of the rows of logits */
    const lop_stream *want; /* what it shall give */
    lop_mat room;           /* (windows T, H) f32: a step's rows of it; absent unless it has a base */
    lop_mat norm;           /* (1, H) f32: weights of channels in its loss */
    lop_mat losses;         /* (1, 2 steps) f32: a pair a step */
    lop_mat sparsities;     /* (1, steps + 1) f32: expected, before each step and after the last */
    lop_mat
        price; /* (1, 2) f32: of the mean rate in this step, and what it was divided by; absent without one */
} lop_besa_unit;
enum { LOP_BESA_UNITS = 2 };

typedef struct lop_besa {
    lop_besa_options options;
    lop_prune_block *block;
    lop_block trial[LOP_SPAN_MOST];
    lop_besa_linear linears[LOP_SPAN_MOST * LOP_LINEAR_COUNT];
    int32_t count;
    /* By place in the block; NULL: stays dense. */
    const lop_besa_linear *by_index[LOP_SPAN_MOST][LOP_LINEAR_COUNT];
    int32_t steps;                       /* in all */
    lop_besa_unit units[LOP_BESA_UNITS]; /* the span, or attention and feed-forward */
    int32_t unit_count;
    float scale;  /* of gradients of 16-bit words */
    lop_mat base; /* (LOP_BESA_UNITS, J) f32: the logits that the rows of a unit begin with */
    lop_mat theta, grad, alpha, part; /* of all linears below one another */
    lop_mat count_all;                /* (sum G, 1) u32 */
    lop_mat slopes;                   /* (sum G, 2) f32; absent without a price */
    lop_mat m, v, s;                  /* (sum G, J) f32: moments of the gradient; Prodigy's third */
    lop_mat norm_parts;               /* (sum G, 2) f32: Prodigy's scratch */
    lop_mat state;                    /* (1, LOP_PRODIGY_STATE) f32 */
    lop_mat step;                     /* (1, 1) u32: AdamW's */
    lop_mat energy;                   /* (P, H) f32: parts of column sums */
    lop_mat row_sum;                  /* (windows T, 1) f32 */
    lop_mat clip, clip_grad, clip_m,
        clip_v;        /* (n, 256) f32: phi of all grids in a row, and what moves them */
    lop_mat clip_step; /* (1, 1) u32 */
    lop_mat none;      /* (the most rows of a linear, 1) u32: scratch */
    lop_mat score;     /* (1, n) f32 and u32: scores of as many rows as fit, and what ranking them takes */
    lop_mat scratch;
} lop_besa;

/* Places all of it in the block's arena (which may only measure). */
LOP_CHECKED lop_status lop_besa_place(lop_prune_block *block, lop_besa *out);
int32_t lop_besa_cols_most(const lop_besa *b); /* columns of the widest linear */

/* Trial weights, orders and first logits (besa_begin.c); waits for small uploads. */
LOP_CHECKED lop_status lop_besa_begin(lop_besa *b);

/* The factors' diagonals, one at a time, whose room is measured apart (besa_factor.c). LOP_E_NUMERIC: a matrix that no damping
 * saves. Waits. */
LOP_CHECKED lop_status lop_besa_place_factors(lop_arena *a, lop_besa *b);
LOP_CHECKED lop_status lop_besa_measure_factor(lop_arena *a, const lop_besa *b);
LOP_CHECKED lop_status lop_besa_factor(lop_besa *b);

/* Learned grids (besa_clip.c): placed, begun, the trial's weights put on them before a step, the gradient of rows [first,
 * first + dw.rows) from dw, which loses those of dropped weights, moved, and the last ones handed to the driver with the
 * weights on them. LOP_E_NUMERIC: they have left the numbers. */
LOP_CHECKED lop_status lop_besa_clip_place(lop_arena *a, lop_besa *b);
LOP_CHECKED lop_status lop_besa_clip_begin(lop_besa *b);
LOP_CHECKED lop_status lop_besa_clip_weights(lop_besa *b, const lop_besa_linear *l);
LOP_CHECKED lop_status lop_besa_clip_back(const lop_besa *b, const lop_besa_linear *l, int32_t first,
                                          lop_mat dw);
LOP_CHECKED lop_status lop_besa_clip_move(lop_besa *b, float part);
LOP_CHECKED lop_status lop_besa_clip_end(lop_besa *b);

/* Rows [first, first + rows) as points of their grids, which stand for them in the mask's gradient, in scratch that the next
 * call takes; rows <= lop_besa_slab. */
LOP_CHECKED lop_status lop_besa_clip_rows(const lop_besa *b, const lop_besa_linear *l, int32_t first,
                                          int32_t rows, lop_mat *out);

/* Scores of rows [first, first + rows) of a linear. */
LOP_CHECKED lop_status lop_besa_score(lop_besa *b, const lop_besa_linear *l, int32_t first, int32_t rows,
                                      lop_mat *score);
int32_t lop_besa_slab(const lop_besa *b, int32_t cols); /* rows whose scores fit */

/* Columns of a row whose products bucket_row holds in local memory at once: all, or as many packs as there is room for
 * beside its own arrays. */
int32_t lop_besa_chunk(const lop_device *device, int32_t cols);

/* All steps; queued (besa_step.c). */
LOP_CHECKED lop_status lop_besa_learn(lop_besa *b);

/* The part of a step that does not move: the span's trial as the counts have it, the errors of what it makes of `input` added
 * to the units' losses, and the gradient of all logits in b->grad. Queued. Weights of channels that hold for all steps are
 * set by lop_besa_learn alone.  Shapes: input (S T, H) W, want (S T, H) f32, S at most the windows of a step. */
typedef struct lop_besa_stand {
    lop_besa *b;
    int32_t step;
    int32_t block;                /* of the span: whose weights' gradients come */
    lop_mat want[LOP_BESA_UNITS]; /* the windows of this step */
} lop_besa_stand;
LOP_CHECKED lop_status lop_besa_gradient(lop_besa_stand *s, lop_mat input);

/* Counts and mean rates as the logits have them, and the expected sparsities of the units before step `at`. */
LOP_CHECKED lop_status lop_besa_count(lop_besa *b, int32_t at);

/* Keep bits from the counts, exact where the target is, and what the report tells (besa_end.c). Waits. */
LOP_CHECKED lop_status lop_besa_end(lop_besa *b);

/* Drop counts of rows that lose alpha[r] of cols[r] weights each, count[r] of them so far: `want` in all, moving as few as
 * possible. All rows move by one part of their weights, as far as whole weights let them; what is left goes to those with
 * the largest fraction, equal ones by row. LOP_E_ARGUMENT: want is more than there are. */
typedef struct lop_besa_row {
    double alpha;
    int32_t cols;
    uint32_t count;
} lop_besa_row;
LOP_CHECKED lop_status lop_besa_budget(lop_besa_row *rows, int64_t n, int64_t want);

#endif
