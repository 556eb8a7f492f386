/* ops_reduce.c - sums and counts over matrices. Groups leave parts in scratch, one launch adds them up in fixed order. */
#include "core/device/check.h"
#include "core/device/launch.h"

/* Rows of a partial sum at least, partial sums at most, columns of a group that makes them and of one that adds them. The
 * shape alone decides, so that the bits do not depend on the device's size. */
enum { SLAB_LEAST = 32, SLABS_MOST = 64, TILE = 1024, TILE_ADD = 256, COUNT_MOST = 1 << 24 };

static int32_t pieces(int32_t whole, int32_t piece)
{
    return whole / piece + (whole % piece != 0);
}

/* The columns that lanes are counted for: those of a tile, where all of the matrix lets packs be read. */
static int32_t by_tile(int32_t cols, int32_t tile)
{
    return cols % 8 == 0 && cols > tile ? tile : cols;
}

int32_t lop_colsum_parts(int32_t rows)
{
    const int32_t slabs = pieces(rows, SLAB_LEAST);
    return slabs < SLABS_MOST ? slabs : SLABS_MOST;
}

lop_status lop_colsum_sq(lop_queue *q, lop_mat x, lop_mat scratch, lop_mat sum)
{
    const int32_t slabs = lop_colsum_parts(x.rows), tiles = pieces(x.cols, TILE);
    const lop_operand operands[] = {
        {"x", x, LOP_FREE, LOP_FREE, LOP_WORDS_ANY, LOP_READ},
        {"scratch", scratch, slabs, x.cols, LOP_BIT(LOP_F32), LOP_WRITTEN},
        {"sum", sum, 1, x.cols, LOP_BIT(LOP_F32), LOP_WRITTEN},
    };
    LOP_CHECK(q, "colsum_sq", operands);
    if ((int64_t)slabs * tiles > INT32_MAX)
        return LOP_FAIL(LOP_E_UNSUPPORTED, "colsum_sq: x (%d, %d) has too many tiles", x.rows, x.cols);
    const lop_launch_shape many = {slabs * tiles, by_tile(x.cols, TILE), x.type, TILE * sizeof(float)};
    const lop_arg parts[] = {LOP_M(x),
                             LOP_M(scratch),
                             LOP_I(x.rows),
                             LOP_I(x.cols),
                             LOP_I(slabs > 0 ? pieces(x.rows, slabs) : 1),
                             LOP_I(TILE)};
    LOP_TRY(LOP_LAUNCH(q, LOP_KERNEL_colsum_sq_part, &many, parts));
    const lop_launch_shape few = {slabs > 0 ? pieces(x.cols, TILE_ADD) : 0, by_tile(x.cols, TILE_ADD),
                                  LOP_F32, 0};
    const lop_arg total[] = {LOP_M(scratch), LOP_M(sum), LOP_I(slabs), LOP_I(x.cols), LOP_I(TILE_ADD)};
    return LOP_LAUNCH(q, LOP_KERNEL_colsum_add, &few, total);
}

lop_status lop_sq_error(lop_queue *q, lop_mat a, lop_mat b, lop_mat scratch, lop_mat out)
{
    const lop_operand operands[] = {
        {"a", a, LOP_FREE, LOP_FREE, LOP_WORDS_ANY, LOP_READ},
        {"b", b, a.rows, a.cols, LOP_WORDS_ANY, LOP_READ},
        {"scratch", scratch, a.rows, 1, LOP_BIT(LOP_F32), LOP_WRITTEN},
        {"out", out, 1, 2, LOP_BIT(LOP_F32), LOP_WRITTEN},
    };
    LOP_CHECK(q, "sq_error", operands);
    const lop_launch_shape rows = lop_by_rows(a.rows, a.cols, a.type);
    const lop_arg parts[] = {LOP_M(a), LOP_M(b), LOP_M(scratch), LOP_I(a.cols)};
    LOP_TRY(LOP_LAUNCH(q, lop_kernel_pair(LOP_KERNEL_sq_error_row_f32, b.type), &rows, parts));
    const lop_launch_shape one = lop_by_rows(a.rows > 0, a.rows, LOP_F32);
    const lop_arg total[] = {LOP_M(scratch), LOP_M(out), LOP_I(a.rows)};
    return LOP_LAUNCH(q, LOP_KERNEL_sum_add, &one, total);
}

static lop_status count(lop_queue *q, const char *op, int32_t kind, lop_mat x, lop_mat scratch, lop_mat out)
{
    const lop_operand operands[] = {
        {"x", x, LOP_FREE, LOP_FREE, LOP_WORDS_ANY, LOP_READ},
        {"scratch", scratch, x.rows, 1, LOP_BIT(LOP_U32), LOP_WRITTEN},
        {"count", out, 1, 1, LOP_BIT(LOP_I64), LOP_WRITTEN},
    };
    LOP_CHECK(q, op, operands);
    if (x.cols > COUNT_MOST)
        return LOP_FAIL(LOP_E_UNSUPPORTED, "%s: x (%d, %d), expected at most %d columns", op, x.rows, x.cols,
                        COUNT_MOST);
    const lop_launch_shape rows = lop_by_rows(x.rows, x.cols, x.type);
    const lop_arg parts[] = {LOP_M(x), LOP_M(scratch), LOP_I(kind), LOP_I(x.cols)};
    LOP_TRY(LOP_LAUNCH(q, LOP_KERNEL_count_row, &rows, parts));
    const lop_launch_shape one = lop_by_rows(x.rows > 0, x.rows, LOP_F32);
    const lop_arg total[] = {LOP_M(scratch), LOP_M(out), LOP_I(x.rows)};
    return LOP_LAUNCH(q, LOP_KERNEL_count_add, &one, total);
}

lop_status lop_count_zero(lop_queue *q, lop_mat x, lop_mat scratch, lop_mat out)
{
    return count(q, "count_zero", 0, x, scratch, out);
}

lop_status lop_count_not_finite(lop_queue *q, lop_mat x, lop_mat scratch, lop_mat out)
{
    return count(q, "count_not_finite", 1, x, scratch, out);
}
