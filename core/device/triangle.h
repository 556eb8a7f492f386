/* triangle.h - products of parts of matrices, which factorisations and Gram matrices are made of. Internal to core/device. */
#ifndef LOP_CORE_DEVICE_TRIANGLE_H
#define LOP_CORE_DEVICE_TRIANGLE_H

#include "core/device/ops.h"

/* lop_gemm in full f32; a count of 0 is one product, and one without an inner or an outer element is none. */
LOP_CHECKED lop_status lop_part_product(lop_queue *q, lop_gemm_args product);

/* h += alpha x x^T, or with `columns` alpha x^T x, in the lower triangle; of tiles of `tile` columns on the diagonal the
 * upper half is written too. Squares below the diagonal double in size with their distance from it, equal ones in one
 * batch, so n columns take some 2 log2(n / tile) products and (n^2 + n tile) / 2 of the n^2 multiplications by inner element.
 * The squares follow from n and `tile` alone, and so do the bits.
 *   Shapes   x (n, K) or with `columns` (K, n), what the device takes products of; h (n, n) f32 */
typedef struct lop_triangle {
    lop_mat x, h;
    float alpha;
    bool columns;
    int32_t tile;
} lop_triangle;
LOP_CHECKED lop_status lop_triangle_add(lop_queue *q, const lop_triangle *t);

#endif
