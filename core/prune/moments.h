/* moments.h - means and variances of what enters a linear, by input column, gathered while a block runs.
 *
 * Sums are taken about the mean of the first rows that come by, so that a variance that is small beside its mean's square is
 * not the difference of two large sums. */
#ifndef LOP_CORE_PRUNE_MOMENTS_H
#define LOP_CORE_PRUNE_MOMENTS_H

#include "core/device/arena.h"
#include "core/device/ops.h"

/* Rows that are moved about that mean at a time. */
enum { LOP_MOMENT_ROWS = 256 };

typedef struct lop_moments {
    lop_mat shift;  /* (1, C) f32: minus the mean of the first rows */
    lop_mat sum;    /* (1, C) f32: of x + shift */
    lop_mat sum_sq; /* (1, C) f32: of their squares, from lop_moments_end on */
    lop_mat parts;  /* (P, C) f32: what these add up in */
    lop_mat rows;   /* (LOP_MOMENT_ROWS, C) f32: scratch, that several may share */
    lop_mat once;   /* (1, C) f32: scratch */
    bool begun;     /* shift is set */
} lop_moments;

/* Places them for inputs of `cols` columns; `rows` and `once` are the caller's to set. */
LOP_CHECKED lop_status lop_moments_place(lop_arena *arena, int32_t cols, lop_moments *out);
LOP_CHECKED lop_status lop_moments_reset(lop_queue *q, lop_moments *m);

/* x (T, C) W comes by. Queued. */
LOP_CHECKED lop_status lop_moments_add(lop_queue *q, lop_moments *m, lop_mat x);
LOP_CHECKED lop_status lop_moments_end(lop_queue *q, const lop_moments *m);

/* mean[C], and variance[C] with n - 1 in the denominator, of n >= 2 rows that came by. Waits. */
LOP_CHECKED lop_status lop_moments_read(lop_queue *q, const lop_moments *m, int64_t n, double *mean,
                                        double *variance);

#endif
