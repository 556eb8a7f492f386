/* ops_reduce.c - sums and counts over matrices. Groups leave parts in scratch, one launch adds them up in fixed order. */
#include "core/device/check.h"
#include "core/device/launch.h"

/* Rows of a partial sum at least; groups that make partial sums, wanted; partial sums, at least where there are so many
 * rows and at most; columns of a group that makes them. The shape alone decides, so that the bits do not depend on how
 * large a device is. */
enum {
    SLAB_LEAST = 16,
    GROUPS_WANTED = 512,
    SLABS_FEW = 64,
    SLABS_MOST = 256,
    TILE = 1024,
    COUNT_MOST = 1 << 24
};

/* Columns of a group that adds up rows: few where lanes share the rows, fewer where there are many, and many where one
 * lane takes them all. */
enum { TILE_OF_LANES = 32, TILE_OF_LONG = 8, TILE_OF_ONE = 512, LONG_LEAST = 256, PACK = 8 };

/* Columns that give a group as many lanes as there are. */
enum { LANES_ALL = 1 << 16 };

static int32_t pieces(int32_t whole, int32_t piece)
{
    return whole / piece + (whole % piece != 0);
}

/* The columns that lanes are counted for: those of a tile, where all of the matrix lets packs be read. */
static int32_t by_tile(int32_t cols, int32_t tile)
{
    return cols % PACK == 0 && cols > tile ? tile : cols;
}

int32_t lop_colsum_parts(int32_t rows, int32_t cols)
{
    const int32_t tiles = pieces(cols, TILE), slabs = pieces(rows, SLAB_LEAST);
    int32_t most = tiles > 0 ? GROUPS_WANTED / tiles : SLABS_MOST;
    most = most < SLABS_FEW ? SLABS_FEW : most > SLABS_MOST ? SLABS_MOST : most;
    return slabs < most ? slabs : most;
}

lop_status lop_colsum_sq(lop_queue *q, lop_mat x, lop_mat part)
{
    const int32_t tiles = pieces(x.cols, TILE);
    const lop_operand operands[] = {
        {"x", x, LOP_FREE, LOP_FREE, LOP_WORDS_ANY, LOP_READ},
        {"part", part, LOP_FREE, x.cols, LOP_BIT(LOP_F32), LOP_WRITTEN},
    };
    LOP_CHECK(q, "colsum_sq", operands);
    if (part.rows == 0 && x.rows > 0)
        return LOP_FAIL(LOP_E_ARGUMENT, "colsum_sq: x (%d, %d) adds up in part (0, %d)", x.rows, x.cols,
                        part.cols);
    if ((int64_t)part.rows * tiles > INT32_MAX)
        return LOP_FAIL(LOP_E_UNSUPPORTED, "colsum_sq: part (%d, %d) has too many tiles", part.rows,
                        part.cols);
    const int32_t slab = part.rows > 0 ? pieces(x.rows, part.rows) : 0;
    const int32_t slabs = slab > 0 ? pieces(x.rows, slab) : 0;
    const lop_launch_shape shape = {.groups = slabs * tiles,
                                    .cols = by_tile(x.cols, TILE),
                                    .word = x.type,
                                    .local_bytes = TILE * sizeof(float)};
    const lop_arg args[] = {LOP_M(x), LOP_M(part), LOP_I(x.rows), LOP_I(x.cols), LOP_I(slab), LOP_I(TILE)};
    return LOP_LAUNCH(q, LOP_KERNEL_colsum_sq_part, &shape, args);
}

/* y[g,:] = the sum of rows [g each, (g + 1) each) of x as far as there are any, or y[g,:] += it. `lanes` is the number of
 * columns that lanes are counted for; it allows packs as that of x does. */
static lop_status sum_rows(lop_queue *q, lop_mat x, lop_mat y, int32_t each, int32_t tile, int32_t lanes,
                           bool add)
{
    tile = q->device->lanes_max > 1 ? tile : x.cols < TILE_OF_ONE ? x.cols : TILE_OF_ONE;
    const int32_t tiles = tile > 0 ? pieces(x.cols, tile) : 0;
    if ((int64_t)y.rows * tiles > INT32_MAX)
        return LOP_FAIL(LOP_E_UNSUPPORTED, "sums of rows: (%d, %d) has too many tiles", y.rows, y.cols);
    const lop_launch_shape shape = {.groups = y.rows * tiles, .cols = lanes, .word = LOP_F32};
    const lop_arg args[] = {LOP_M(x),    LOP_M(y),    LOP_I(x.rows), LOP_I(x.cols),
                            LOP_I(each), LOP_I(tile), LOP_I(add)};
    return LOP_LAUNCH(q, LOP_KERNEL_sum_rows, &shape, args);
}

lop_status lop_colsum(lop_queue *q, lop_mat part, lop_mat sum)
{
    const lop_operand operands[] = {
        {"part", part, LOP_FREE, LOP_FREE, LOP_BIT(LOP_F32), LOP_READ},
        {"sum", sum, 1, part.cols, LOP_BIT(LOP_F32), LOP_WRITTEN},
    };
    LOP_CHECK(q, "colsum", operands);
    if (part.rows == 0) return LOP_OK;
    return sum_rows(q, part, sum, part.rows, TILE_OF_LANES, by_tile(part.cols, TILE_OF_LANES), true);
}

lop_status lop_sum_row_groups(lop_queue *q, lop_mat x, int32_t each, lop_mat y)
{
    if (each < 1)
        return LOP_FAIL(LOP_E_ARGUMENT, "sum_row_groups: groups of %d rows of x (%d, %d), expected 1 or more",
                        each, x.rows, x.cols);
    const lop_operand operands[] = {
        {"x", x, LOP_FREE, LOP_FREE, LOP_BIT(LOP_F32), LOP_READ},
        {"y", y, pieces(x.rows, each), x.cols, LOP_BIT(LOP_F32), LOP_WRITTEN},
    };
    LOP_CHECK(q, "sum_row_groups", operands);
    if (each < LONG_LEAST)
        return sum_rows(q, x, y, each, TILE_OF_LANES, by_tile(x.cols, TILE_OF_LANES), false);
    return sum_rows(q, x, y, each, TILE_OF_LONG, x.cols % PACK == 0 ? LANES_ALL : LANES_ALL + 1, false);
}

lop_status lop_sum(lop_queue *q, lop_mat part, lop_mat out)
{
    const lop_operand operands[] = {
        {"part", part, LOP_FREE, 1, LOP_BIT(LOP_F32), LOP_READ},
        {"out", out, 1, 2, LOP_BIT(LOP_F32), LOP_WRITTEN},
    };
    LOP_CHECK(q, "sum", operands);
    const lop_launch_shape one = lop_by_rows(part.rows > 0, part.rows, LOP_F32);
    const lop_arg args[] = {LOP_M(part), LOP_M(out), LOP_I(part.rows)};
    return LOP_LAUNCH(q, LOP_KERNEL_sum_add, &one, args);
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
    return lop_sum(q, scratch, out);
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
