/* ops_chance.c - numbers drawn on the device. */
#include "core/device/check.h"
#include "core/device/launch.h"

lop_status lop_bernoulli(lop_queue *q, const lop_chance *c, lop_mat p, lop_mat step, lop_mat keep)
{
    const lop_operand operands[] = {
        {"p", p, 1, LOP_FREE, LOP_BIT(LOP_U32), LOP_READ},
        {"step", step, 1, 1, LOP_BIT(LOP_U32), LOP_READ},
        {"keep", keep, LOP_FREE, p.cols, LOP_BIT(LOP_U8), LOP_WRITTEN},
    };
    LOP_CHECK(q, "bernoulli", operands);
    if (c->first_unit < 0 || c->first_sample < 0 || c->first_unit > INT32_MAX - 4 - p.cols ||
        c->first_sample > INT32_MAX - keep.rows)
        return LOP_FAIL(LOP_E_ARGUMENT,
                        "bernoulli: %d units from %d, %d samples from %d: they are counted in 31 bits",
                        p.cols, c->first_unit, keep.rows, c->first_sample);
    const lop_launch_shape shape = lop_by_rows(p.cols > 0 ? keep.rows : 0, p.cols, LOP_F32);
    const lop_arg args[] = {LOP_M(p),
                            LOP_M(step),
                            LOP_M(keep),
                            LOP_U(c->seed),
                            LOP_I((int32_t)c->tag),
                            LOP_I(c->first_sample),
                            LOP_I(c->first_unit),
                            LOP_I(p.cols)};
    return LOP_LAUNCH(q, LOP_KERNEL_bernoulli_row, &shape, args);
}
