/* norm.h - a norm of the block or of the end, of whatever kind the family has: placed, filled and applied to rows. Internal to
 * core/model, but for the matrices.
 *
 * Sizes: T rows, C hidden, W the word of a block. */
#ifndef LOP_CORE_MODEL_NORM_H
#define LOP_CORE_MODEL_NORM_H

#include "core/device/arena.h"
#include "core/model/family.h"

typedef struct lop_norm {
    lop_mat gain; /* (1, C) f32 */
    lop_mat bias; /* (1, C) f32; absent where the kind has none */
} lop_norm;

/* Places it in the arena (which may only measure); contents undefined. */
LOP_CHECKED lop_status lop_norm_place(lop_arena *a, const lop_net *net, lop_norm *out);

/* What a norm has that no file has weights for: gains of 1, biases of 0. */
LOP_CHECKED lop_status lop_norm_fill(lop_queue *q, const lop_norm *norm);

/* y = norm(x), row by row.  Shapes: x (T, C) f32 or W, y (T, C) W. */
LOP_CHECKED lop_status lop_norm_rows(lop_queue *q, const lop_net *net, const lop_norm *norm, lop_mat x,
                                     lop_mat y);

/* dx += the gradient with respect to x from dy.  Shapes: x (T, C) f32, dy (T, C) W, dx (T, C) f32. */
LOP_CHECKED lop_status lop_norm_rows_back(lop_queue *q, const lop_net *net, const lop_norm *norm, lop_mat x,
                                          lop_mat dy, lop_mat dx);

#endif
