/* matrix.c - views of matrices: sizes, slices, and whether two share memory. */
#include "core/device/matrix.h"

#include <assert.h>

static const struct {
    const char *name;
    size_t bytes;
} types[] = {
    [LOP_F32] = {"f32", 4}, [LOP_F16] = {"f16", 2}, [LOP_BF16] = {"bf16", 2},
    [LOP_F64] = {"f64", 8}, [LOP_U8] = {"u8", 1},   [LOP_U16] = {"u16", 2},
    [LOP_U32] = {"u32", 4}, [LOP_I32] = {"i32", 4}, [LOP_I64] = {"i64", 8},
};
enum { TYPES = sizeof types / sizeof types[0] };

size_t lop_type_bytes(lop_type type)
{
    assert((int)type >= 0 && (int)type < (int)TYPES);
    return types[type].bytes;
}

const char *lop_type_name(lop_type type)
{
    return (int)type >= 0 && (int)type < (int)TYPES ? types[type].name : "no type";
}

lop_mat lop_mat_of(lop_buf *buf, int64_t at, int32_t rows, int32_t cols, lop_type type)
{
    return (lop_mat){.buf = buf, .at = at, .rows = rows, .cols = cols, .ld = cols, .type = type};
}

lop_mat lop_mat_rows(lop_mat m, int32_t first, int32_t rows)
{
    assert(first >= 0 && rows >= 0 && first <= m.rows - rows);
    m.at += (int64_t)first * m.ld;
    m.rows = rows;
    return m;
}

lop_mat lop_mat_cols(lop_mat m, int32_t first, int32_t cols)
{
    assert(first >= 0 && cols >= 0 && first <= m.cols - cols);
    m.at += first;
    m.cols = cols;
    return m;
}

lop_mat lop_mat_part(lop_mat m, int32_t row, int32_t rows, int32_t col, int32_t cols)
{
    return lop_mat_cols(lop_mat_rows(m, row, rows), col, cols);
}

lop_mat lop_mat_reshape(lop_mat m, int32_t rows, int32_t cols)
{
    assert((m.ld == m.cols || m.rows <= 1) && (int64_t)rows * cols == lop_mat_elements(m));
    m.rows = rows;
    m.cols = cols;
    m.ld = cols;
    return m;
}

int64_t lop_mat_elements(lop_mat m)
{
    return (int64_t)m.rows * m.cols;
}

void *lop_mat_host(lop_mat m)
{
    assert(m.buf != NULL && m.buf->host != NULL);
    return (char *)m.buf->host + m.at * (int64_t)lop_type_bytes(m.type);
}

/* Two rectangles in one grid of rows of `ld` elements: b starts `delta` elements after a, delta = down * ld + right. Rows
 * of b lie `right` columns to the right of a's, and reach around the edge into the next row's start. */
static bool grid_overlap(lop_mat a, lop_mat b)
{
    const int64_t delta = b.at - a.at, ld = a.ld;
    const int64_t down = delta >= 0 ? delta / ld : -((-delta + ld - 1) / ld), right = delta - down * ld;
    const bool same_row = down < a.rows && down > -(int64_t)b.rows;
    const bool next_row = down + 1 < a.rows && down + 1 > -(int64_t)b.rows;
    return (same_row && right < a.cols) || (next_row && right + b.cols > ld);
}

bool lop_mat_overlap(lop_mat a, lop_mat b)
{
    if (a.buf == NULL || a.buf != b.buf || lop_mat_elements(a) == 0 || lop_mat_elements(b) == 0) return false;
    if (a.type == b.type && a.ld == b.ld) return grid_overlap(a, b);
    const int64_t size_a = (int64_t)lop_type_bytes(a.type), size_b = (int64_t)lop_type_bytes(b.type);
    const int64_t end_a = (a.at + (int64_t)(a.rows - 1) * a.ld + a.cols) * size_a;
    const int64_t end_b = (b.at + (int64_t)(b.rows - 1) * b.ld + b.cols) * size_b;
    return a.at * size_a < end_b && b.at * size_b < end_a;
}
