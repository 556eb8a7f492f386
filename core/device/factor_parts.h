/* factor_parts.h - what the files of factorisations share. Internal to core/device. */
#ifndef LOP_CORE_DEVICE_FACTOR_PARTS_H
#define LOP_CORE_DEVICE_FACTOR_PARTS_H

#include "core/device/check.h"
#include "core/device/factor.h"
#include "core/device/triangle.h"

/* Columns that lose what lies before them together; elements of scratch for each column. */
enum { LOP_PANEL = 4 * LOP_TILE, LOP_SCRATCH_COLS = 4 * LOP_TILE };

/* `each` elements for each of `count`. */
int32_t lop_scratch_of(int32_t count, int32_t each);

/* LOP_E_ARGUMENT unless scratch has a row of `least` elements. */
LOP_CHECKED lop_status lop_scratch_check(const char *op, lop_mat h, lop_mat scratch, int32_t least);

/* x = x tile, or x tile^T, by way of `scratch`: a product cannot write what it reads.  Shapes: x (R, n), tile (n, n), scratch
 * R n elements in a row. */
LOP_CHECKED lop_status lop_times_tile(lop_queue *q, lop_mat x, lop_mat tile, bool turned, lop_mat scratch);

#endif
