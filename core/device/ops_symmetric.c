/* ops_symmetric.c - Gram matrices, halves of square matrices, and their diagonals. */
#include "core/device/check.h"
#include "core/device/factor.h"
#include "core/device/launch.h"
#include "core/device/triangle.h"

/* Columns of a Gram matrix's tile on the diagonal: half of what is computed there is not asked for, and smaller products are
 * slower. EDGE: of kernels/symmetric.cl. */
enum { GRAM_TILE = 128, EDGE = 64 };

#define F32 LOP_BIT(LOP_F32)

lop_status lop_gram(lop_queue *q, float alpha, lop_mat x, lop_mat h)
{
    const lop_operand operands[] = {
        {"x", x, LOP_FREE, LOP_FREE, q->device->product_types, LOP_READ},
        {"h", h, x.cols, x.cols, F32, LOP_WRITTEN},
    };
    LOP_CHECK(q, "gram", operands);
    const lop_triangle product = {x, h, alpha, true, GRAM_TILE};
    return lop_triangle_add(q, &product);
}

/* h is square. */
static lop_operand square(lop_mat h, lop_role role)
{
    return (lop_operand){"h", h, h.cols, LOP_FREE, F32, role};
}

lop_status lop_mirror(lop_queue *q, lop_mat h)
{
    const lop_operand operands[] = {square(h, LOP_WRITTEN)};
    LOP_CHECK(q, "mirror", operands);
    const int32_t tiles = h.cols / EDGE + (h.cols % EDGE != 0);
    const lop_launch_shape shape = {.groups = tiles * tiles, .cols = EDGE * EDGE, .word = LOP_F32};
    const lop_arg args[] = {LOP_M(h), LOP_I(tiles), LOP_I(h.cols)};
    return LOP_LAUNCH(q, LOP_KERNEL_mirror_tile, &shape, args);
}

lop_status lop_reverse(lop_queue *q, lop_mat x)
{
    const lop_operand operands[] = {{"x", x, LOP_FREE, LOP_FREE, F32, LOP_WRITTEN}};
    LOP_CHECK(q, "reverse", operands);
    const lop_launch_shape shape = lop_by_rows(x.rows / 2 + x.rows % 2, x.cols, LOP_F32);
    const lop_arg args[] = {LOP_M(x), LOP_I(x.rows), LOP_I(x.cols)};
    return LOP_LAUNCH(q, LOP_KERNEL_reverse_row, &shape, args);
}

lop_status lop_diagonal(lop_queue *q, lop_mat h, lop_mat diagonal)
{
    const lop_operand operands[] = {square(h, LOP_READ), {"diagonal", diagonal, 1, h.cols, F32, LOP_WRITTEN}};
    LOP_CHECK(q, "diagonal", operands);
    const lop_launch_shape one = lop_by_rows(h.cols > 0, h.cols, LOP_F32);
    const lop_arg args[] = {LOP_M(h), LOP_M(diagonal), LOP_I(h.cols)};
    return LOP_LAUNCH(q, LOP_KERNEL_diag_get, &one, args);
}

static lop_status diag_add(lop_queue *q, lop_mat h, float x, lop_mat times, bool living)
{
    const lop_launch_shape one = lop_by_rows(h.cols > 0, h.cols, LOP_F32);
    const lop_arg args[] = {LOP_M(h),      LOP_F(x),     LOP_M(times), LOP_I(lop_mat_present(times)),
                            LOP_I(living), LOP_I(h.cols)};
    return LOP_LAUNCH(q, LOP_KERNEL_diag_add, &one, args);
}

lop_status lop_add_diag(lop_queue *q, lop_mat h, float x, lop_mat times)
{
    const lop_operand operands[] = {square(h, LOP_WRITTEN), {"times", times, 1, 1, F32, LOP_READ_MAYBE}};
    LOP_CHECK(q, "add_diag", operands);
    return diag_add(q, h, x, times, false);
}

lop_status lop_damp(lop_queue *q, lop_mat h, float fraction, lop_mat mean)
{
    const lop_operand operands[] = {square(h, LOP_WRITTEN), {"mean", mean, 1, 1, F32, LOP_WRITTEN}};
    LOP_CHECK(q, "damp", operands);
    const lop_launch_shape one = lop_by_rows(1, h.cols, LOP_F32);
    const lop_arg args[] = {LOP_M(h), LOP_M(mean), LOP_I(h.cols)};
    LOP_TRY(LOP_LAUNCH(q, LOP_KERNEL_diag_mean, &one, args));
    return diag_add(q, h, fraction, mean, true);
}

lop_status lop_revive(lop_queue *q, lop_mat h, float x)
{
    const lop_operand operands[] = {square(h, LOP_WRITTEN)};
    LOP_CHECK(q, "revive", operands);
    const lop_launch_shape one = lop_by_rows(h.cols > 0, h.cols, LOP_F32);
    const lop_arg args[] = {LOP_M(h), LOP_F(x), LOP_I(h.cols)};
    return LOP_LAUNCH(q, LOP_KERNEL_diag_revive, &one, args);
}
