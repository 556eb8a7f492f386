/* ops_elementwise.c - operations that touch each element once. */
#include "core/device/check.h"
#include "core/device/launch.h"

lop_status lop_cast(lop_queue *q, lop_mat from, lop_mat to)
{
    const lop_operand operands[] = {
        {"from", from, LOP_FREE, LOP_FREE, LOP_WORDS_ANY, LOP_READ},
        {"to", to, from.rows, from.cols, LOP_WORDS_ANY, LOP_WRITTEN},
    };
    LOP_CHECK(q, "cast", operands);
    const lop_launch_shape shape = lop_by_rows(from.rows, from.cols, from.type);
    const lop_arg args[] = {LOP_M(from), LOP_M(to), LOP_I(from.cols)};
    return LOP_LAUNCH(q, lop_kernel_pair(LOP_KERNEL_cast_f32, to.type), &shape, args);
}

lop_status lop_axpby(lop_queue *q, float a, lop_mat x, float b, lop_mat y)
{
    const lop_operand operands[] = {
        {"x", x, LOP_FREE, LOP_FREE, LOP_WORDS_ANY, LOP_READ},
        {"y", y, x.rows, x.cols, LOP_WORDS_ANY, LOP_WRITTEN},
    };
    LOP_CHECK(q, "axpby", operands);
    const lop_launch_shape shape = lop_by_rows(x.rows, x.cols, x.type);
    const lop_arg args[] = {LOP_F(a), LOP_M(x), LOP_F(b), LOP_M(y), LOP_I(x.cols)};
    return LOP_LAUNCH(q, lop_kernel_pair(LOP_KERNEL_axpby_f32, y.type), &shape, args);
}

lop_status lop_add_bias(lop_queue *q, lop_mat x, lop_mat bias)
{
    const lop_operand operands[] = {
        {"x", x, LOP_FREE, LOP_FREE, LOP_WORDS_ANY, LOP_WRITTEN},
        {"bias", bias, LOP_FREE, x.cols, LOP_BIT(LOP_F32), LOP_READ},
    };
    LOP_CHECK(q, "add_bias", operands);
    if (bias.rows == 0 || x.rows % bias.rows != 0)
        return LOP_FAIL(LOP_E_ARGUMENT, "add_bias: x (%d, %d) is no whole number of times bias (%d, %d)",
                        x.rows, x.cols, bias.rows, bias.cols);
    const lop_launch_shape shape = lop_by_rows(x.rows, x.cols, x.type);
    const lop_arg args[] = {LOP_M(x), LOP_M(bias), LOP_I(bias.rows), LOP_I(x.cols)};
    return LOP_LAUNCH(q, LOP_KERNEL_add_bias, &shape, args);
}

lop_status lop_gather_rows(lop_queue *q, lop_mat from, lop_mat index, lop_mat to)
{
    const lop_operand operands[] = {
        {"from", from, LOP_FREE, LOP_FREE, LOP_WORDS_ANY, LOP_READ},
        {"index", index, 1, to.rows, LOP_BIT(LOP_I32), LOP_READ},
        {"to", to, LOP_FREE, from.cols, LOP_BIT(from.type), LOP_WRITTEN},
    };
    LOP_CHECK(q, "gather_rows", operands);
    const lop_launch_shape shape = lop_by_rows(to.rows, to.cols, to.type);
    const lop_arg args[] = {LOP_M(from), LOP_M(index), LOP_M(to), LOP_I(to.cols)};
    return LOP_LAUNCH(q, LOP_KERNEL_gather_row, &shape, args);
}
