/* columns.h - what columns of a linear's weights count, on the host: what scores of units are made of. */
#ifndef LOP_CORE_PRUNE_COLUMNS_H
#define LOP_CORE_PRUNE_COLUMNS_H

#include "core/prune/method.h"

/* sum[c], the sum of w[r,c]^2 over rows. Waits.  Shape: sum[in]. */
LOP_CHECKED lop_status lop_columns_squares(const lop_prune_block *b, const lop_prune_linear *l, double *sum);

/* sum[c], the sum of |w[r,c]| sqrt(stat[0,c]) over rows. Waits.  Shapes: stat (1, in) f32, sum[in]. */
LOP_CHECKED lop_status lop_columns_scaled(const lop_prune_block *b, const lop_prune_linear *l, lop_mat stat,
                                          double *sum);

/* Places what either takes for the linears of a block that end a half, `scaled`: the second; and what every method of units
 * takes. */
LOP_CHECKED lop_status lop_columns_measure(lop_prune_block *b, bool scaled);

/* What a method makes of one linear that ends a half: column[in]. */
typedef lop_status lop_columns_fn(const lop_prune_block *b, const lop_prune_linear *l, double *column);

/* Puts the scores of all such linears of the block that are chosen, as lop_units_put has them. */
LOP_CHECKED lop_status lop_columns_score(lop_prune_block *b, lop_columns_fn *fn, bool by_column);

#endif
