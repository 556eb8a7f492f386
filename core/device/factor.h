/* factor.h - symmetric positive definite matrices: damping, Cholesky factors, what they solve and invert.
 *
 * Contract as in ops.h. Arithmetic is f32 without TF32; docs/factor.md says what is computed, how far it may be off, and what
 * it costs. Nothing waits: a factorisation that fails says so in `bad`, on the device; nothing stands in for the pivot that
 * failed, its column is NaN, and so is what needs it.
 *
 *   h      (C, C) f32, symmetric; its lower triangle counts, what lies above is not read
 *   tiles  (C, LOP_TILE) f32: the inverses of the factor's diagonal tiles, which what uses the factor reads
 *   bad    (1, 2) i32: for lop_bad_read */
#ifndef LOP_CORE_DEVICE_FACTOR_H
#define LOP_CORE_DEVICE_FACTOR_H

#include "core/device/ops.h"

#define LOP_TILE 64 /* columns of a diagonal tile */

/* ------------------------------------------------------------------------------------------------ diagonals */

/* diagonal[0,i] = h[i,i].  Shapes: h (C, C) f32, diagonal (1, C) f32. */
LOP_CHECKED lop_status lop_diagonal(lop_queue *q, lop_mat h, lop_mat diagonal);

/* h[i,i] += x times[0,0], or without `times` (absent) x.  Shapes: h (C, C) f32 in place, times (1, 1) f32. */
LOP_CHECKED lop_status lop_add_diag(lop_queue *q, lop_mat h, float x, lop_mat times);

/* mean = the mean of the diagonal's elements that are not 0; these grow by fraction * mean. Elements that are 0 stay: after
 * lop_revive the mean is over all columns, those revived included.  Shapes: h (C, C) f32 in place, mean (1, 1) f32. */
LOP_CHECKED lop_status lop_damp(lop_queue *q, lop_mat h, float fraction, lop_mat mean);

/* h[i,i] = x where it is 0: a column that never saw an input.  Shapes: h (C, C) f32 in place. */
LOP_CHECKED lop_status lop_revive(lop_queue *q, lop_mat h, float x);

/* ------------------------------------------------------------------------------------------------ halves */

/* x[r,c] and x[R-1-r,C-1-c] change places.  Shapes: x (R, C) f32 in place. */
LOP_CHECKED lop_status lop_reverse(lop_queue *q, lop_mat x);

/* ------------------------------------------------------------------------------------------------ factors */

/* Scratch is f32, one row of at least this many elements. */
int32_t lop_chol_scratch(int32_t cols);  /* of lop_chol, lop_tri_inverse, lop_chol_inverse */
int32_t lop_solve_scratch(int32_t rows); /* of lop_chol_solve */
int32_t lop_inverse_factor_scratch(int32_t cols);

/* h = L L^T; L takes h's place, with zeros above the diagonal. */
LOP_CHECKED lop_status lop_chol(lop_queue *q, lop_mat h, lop_mat tiles, lop_mat scratch, lop_mat bad);

/* Each row b of `rows` becomes b (L L^T)^-1.  Shapes: l (C, C) f32 and tiles from lop_chol, rows (R, C) f32 in place. */
LOP_CHECKED lop_status lop_chol_solve(lop_queue *q, lop_mat l, lop_mat tiles, lop_mat scratch, lop_mat rows);

/* l = L^-1, lower triangular, zeros above.  Shapes: l (C, C) f32 in place and tiles from lop_chol. */
LOP_CHECKED lop_status lop_tri_inverse(lop_queue *q, lop_mat l, lop_mat tiles, lop_mat scratch);

/* l = (L L^T)^-1, both halves.  Shapes: l (C, C) f32 in place and tiles from lop_chol. */
LOP_CHECKED lop_status lop_chol_inverse(lop_queue *q, lop_mat l, lop_mat tiles, lop_mat scratch);

/* h = U with h^-1 = U^T U, upper triangular, zeros below: cholesky(inverse(h), upper) of others, without the inverse. With
 * the order of rows and columns reversed h has a factor L; reversed again it is R, upper triangular, with h = R R^T, and
 * U = R^-1. A pivot that fails is the first from the last column on.
 *   Shapes   h (C, C) f32 in place
 *   Use      U[c,c] U[c,c:] is the first row of the inverse of h[c:,c:] */
LOP_CHECKED lop_status lop_inverse_factor(lop_queue *q, lop_mat h, lop_mat scratch, lop_mat bad);

/* Each row b of `rows` becomes b U^T U = b h^-1.  Shapes: u (C, C) f32 from lop_inverse_factor, rows (R, C) f32 in place, room
 * (R, C) f32: scratch. */
LOP_CHECKED lop_status lop_inverse_factor_solve(lop_queue *q, lop_mat u, lop_mat room, lop_mat rows);

/* What `bad` holds: the column of the first pivot that was not positive and finite, and that pivot; -1 if all were. */
typedef struct lop_bad {
    int32_t column;
    float pivot;
} lop_bad;
lop_bad lop_bad_of(const int32_t said[2]);
LOP_CHECKED lop_status lop_bad_read(lop_queue *q, lop_mat bad, lop_bad *out); /* waits */

#endif
