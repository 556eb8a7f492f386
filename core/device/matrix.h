/* matrix.h - lop_mat: views, slices, sizes. */
#ifndef LOP_CORE_DEVICE_MATRIX_H
#define LOP_CORE_DEVICE_MATRIX_H

#include "core/device/backend.h"

size_t lop_type_bytes(lop_type type);
const char *lop_type_name(lop_type type); /* "f32" */

/* An absent matrix: an optional argument left out. */
#define LOP_NONE ((lop_mat){0})
static inline bool lop_mat_present(lop_mat m)
{
    return m.buf != NULL;
}

/* A packed view of a whole buffer from element `at`. */
lop_mat lop_mat_of(lop_buf *buf, int64_t at, int32_t rows, int32_t cols, lop_type type);

/* Rows [first, first + rows), columns [first, first + cols), and rows from `row` and columns from `col` on: asserted to lie
 * inside. */
lop_mat lop_mat_rows(lop_mat m, int32_t first, int32_t rows);
lop_mat lop_mat_cols(lop_mat m, int32_t first, int32_t cols);
lop_mat lop_mat_part(lop_mat m, int32_t row, int32_t rows, int32_t col, int32_t cols);

/* The same packed elements with another number of columns; rows * cols stays. */
lop_mat lop_mat_reshape(lop_mat m, int32_t rows, int32_t cols);

int64_t lop_mat_elements(lop_mat m);

/* Of two numbers of rows or columns, for what goes by parts of which the last may be smaller. */
static inline int32_t lop_lesser(int32_t a, int32_t b)
{
    return a < b ? a : b;
}

/* The address of element (0, 0) of a matrix whose buffer has a host address. */
void *lop_mat_host(lop_mat m);

/* True if the views share at least one element's bytes (conservative: by address range). */
bool lop_mat_overlap(lop_mat a, lop_mat b);

#endif
