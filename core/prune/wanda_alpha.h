/* wanda_alpha.h - Wanda's variant: the drop counts of the rows follow from one alpha for the whole linear, each row
 * losing what makes up at most that part of its summed scores. */
#ifndef LOP_CORE_PRUNE_WANDA_ALPHA_H
#define LOP_CORE_PRUNE_WANDA_ALPHA_H

#include "core/prune/method.h"

/* Places what lop_wanda_alpha takes for a linear. */
LOP_CHECKED lop_status lop_wanda_alpha_measure(lop_arena *arena, lop_mat weight);

/* Marks linear->keep. An exact budget takes the alpha at which exactly that many weights qualify; otherwise alpha is
 * found by the reference's bisection, which may end 0.1 points off. Waits.
 *   Shapes   score (R, C) f32, C <= 65536 */
LOP_CHECKED lop_status lop_wanda_alpha(lop_prune_block *block, const lop_prune_linear *linear, lop_mat score,
                                       const lop_keep_scratch *scratch);

#endif
