/* sparsegpt_parts.h - one block in the hands of SparseGPT, as its parts see it. Internal to core/prune/sparsegpt*.c.
 *
 * Letters: n columns of a linear, R rows, H the Gram matrix of its inputs with what damping adds, U upper triangular with
 * H^-1 = U^T U. */
#ifndef LOP_CORE_PRUNE_SPARSEGPT_PARTS_H
#define LOP_CORE_PRUNE_SPARSEGPT_PARTS_H

#include "core/prune/damped_factor.h"

/* Columns of a panel at most; and of the panels whose errors reach the columns behind them in one product, unless a single
 * panel is wider. */
enum {
    LOP_SPARSEGPT_PANEL_MOST = 512,
    LOP_SPARSEGPT_LAZY = 512,
    LOP_SPARSEGPT_LINEARS = LOP_SPAN_MOST * LOP_LINEAR_COUNT /* of a span at most */
};

typedef struct lop_sparsegpt_options {
    double damping;  /* of the diagonal's mean */
    int32_t panel;   /* columns that are chosen from together */
    bool chooses;    /* false: the keep bits stand */
    bool sequential; /* inputs are looked at again with what is pruned before them */
} lop_sparsegpt_options;

/* Matrices are as large as the largest linear needs. */
typedef struct lop_sparsegpt {
    lop_prune_block *block;
    lop_sparsegpt_options options;
    lop_damped_room factor; /* H, then U */
    lop_mat w;              /* R n elements f32, where the room for changed weights is not f32 */
    lop_mat e;              /* R LAZY elements f32: errors by U's diagonal */
    lop_mat score, select;  /* R panel elements f32; u32 */
    lop_mat row_error;      /* (R, 1) f32: sums of squares of a row's e */
    lop_mat error;          /* (LOP_SPARSEGPT_LINEARS, 2) f32: their sums, pairs, lop_sum_value */
    lop_mat wrong;          /* (1, LOP_SPARSEGPT_LINEARS) i64: changed weights that leave their type */
    lop_damped factors[LOP_SPARSEGPT_LINEARS]; /* by linear */
} lop_sparsegpt;

/* LOP_E_ARGUMENT: panels that the pattern does not fit. */
LOP_CHECKED lop_status lop_sparsegpt_check(const lop_sparsegpt_options *options, const lop_target *target);

/* Places everything in the block's arena. */
LOP_CHECKED lop_status lop_sparsegpt_place(lop_prune_block *block, const lop_sparsegpt_options *options,
                                           lop_sparsegpt *out);

/* Keep bits, if they are to be chosen, and changed weights of linear `index` with the U that lies there: from its dense
 * weights, or from others, w (R, n) f32, which become what the changed weights are before they are rounded. Queued. */
LOP_CHECKED lop_status lop_sparsegpt_solve(lop_sparsegpt *s, int32_t index);
LOP_CHECKED lop_status lop_sparsegpt_solve_from(lop_sparsegpt *s, int32_t index, lop_mat w);

/* One panel by kernels/sparsegpt.cl, which has the shapes: `kept` of every `group` columns are kept and the keep bits written,
 * or with a group of 0 the keep bits stand. Queued. */
typedef struct lop_sparsegpt_panel {
    lop_mat w, u, keep, e, error;
    int32_t kept, group;
} lop_sparsegpt_panel;
LOP_CHECKED lop_status lop_sparsegpt_walk(lop_queue *q, const lop_sparsegpt_panel *panel);

/* The linears of the block one after the other from the first on, each with the factor of its input; and their lines of the
 * report, which wait. */
LOP_CHECKED lop_status lop_sparsegpt_begin(lop_sparsegpt *s);
LOP_CHECKED lop_status lop_sparsegpt_next(lop_sparsegpt *s, int32_t index);
LOP_CHECKED lop_status lop_sparsegpt_tell(const lop_sparsegpt *s);

/* All of this. */
LOP_CHECKED lop_status lop_sparsegpt_run(lop_prune_block *block, const lop_sparsegpt_options *options);

/* Floating-point operations of one linear: 2/3 n^3 for the factor of an input, R n^2 for what its weights make up for. */
double lop_sparsegpt_flops(int32_t out, int32_t in, bool first);

#endif
