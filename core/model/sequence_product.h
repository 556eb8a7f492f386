/* sequence_product.h - products whose rows have the same bits whoever shares a call. Internal to core/model. */
#ifndef LOP_CORE_MODEL_SEQUENCE_PRODUCT_H
#define LOP_CORE_MODEL_SEQUENCE_PRODUCT_H

#include "core/device/ops.h"

/* y = x w^T + bias + keep y for whole sequences of `tokens` rows.
 *   Shapes   x (S tokens, in) W, w (out, in) W, bias (1, out) f32 or absent, y (S tokens, out) W or f32 */
LOP_CHECKED lop_status lop_sequence_product(lop_queue *q, int32_t tokens, lop_mat x, lop_mat w, lop_mat bias,
                                            float keep, lop_mat y);

#endif
