/* quant.c - the launches of kernels/quant.cl, whose rows are grids, and the options that every prune has. */
#include "core/prune/quant.h"

#include "core/device/launch.h"

/* As many rows as there are grids. */
static lop_mat fold(lop_mat m, lop_mat grids, int32_t each)
{
    return grids.cols == 1 ? m : lop_mat_reshape(m, grids.rows * grids.cols, each);
}

static lop_mat single(lop_mat grids)
{
    return fold(grids, grids, 1);
}

lop_status lop_quant_read(const lop_settings *s, lop_quant *out)
{
    *out = (lop_quant){.bits = (int32_t)lop_settings_int(s, "quantize-bits"),
                       .group = (int32_t)lop_settings_int(s, "quantize-group")};
    if (out->bits != 0 && out->bits < LOP_QUANT_BITS_LEAST)
        return LOP_FAIL(LOP_E_ARGUMENT, "quantize-bits is %d: expected %d to %d, or 0 for none", out->bits,
                        LOP_QUANT_BITS_LEAST, LOP_QUANT_BITS_MOST);
    if (out->bits == 0 && out->group != 0)
        return LOP_FAIL(LOP_E_ARGUMENT, "quantize-group %d without quantize-bits: give --quantize-bits too",
                        out->group);
    return LOP_OK;
}

lop_status lop_quant_fits(const lop_quant *quant, const char *name, int32_t cols)
{
    if (quant->group == 0 || cols % quant->group == 0) return LOP_OK;
    return LOP_FAIL(LOP_E_ARGUMENT,
                    "groups of %d do not divide the %d columns of %s: give a --quantize-group that does, or "
                    "leave it out for one grid a row",
                    quant->group, cols, name);
}

lop_quant_grid lop_quant_rows(const lop_quant_grid *grid, int32_t first, int32_t rows)
{
    return (lop_quant_grid){.bits = grid->bits,
                            .scale = lop_mat_rows(grid->scale, first, rows),
                            .zero = lop_mat_rows(grid->zero, first, rows)};
}

lop_status lop_quant_range(lop_queue *q, lop_mat w, lop_mat low, lop_mat high)
{
    const int32_t each = w.cols / low.cols;
    const lop_launch_shape shape = lop_by_rows(low.rows * low.cols, each, w.type);
    const lop_arg args[] = {LOP_M(fold(w, low, each)), LOP_M(single(low)), LOP_M(single(high)), LOP_I(each)};
    return LOP_LAUNCH(q, LOP_KERNEL_quant_range_row, &shape, args);
}

lop_status lop_quant_scale(lop_queue *q, lop_mat low, lop_mat high, lop_mat phi, const lop_quant_grid *grid)
{
    const lop_launch_shape shape = lop_by_rows(low.rows, low.cols, LOP_F32);
    const lop_arg args[] = {LOP_M(low),
                            LOP_M(high),
                            LOP_M(phi),
                            LOP_M(grid->scale),
                            LOP_M(grid->zero),
                            LOP_I(lop_mat_present(phi)),
                            LOP_I(lop_quant_most(grid->bits)),
                            LOP_I(low.cols)};
    return LOP_LAUNCH(q, LOP_KERNEL_quant_scale_row, &shape, args);
}

lop_status lop_quant_round(lop_queue *q, lop_mat w, const lop_quant_grid *grid, lop_mat out)
{
    const lop_mat scale = grid->scale;
    const int32_t each = w.cols / scale.cols;
    const lop_launch_shape shape = lop_by_rows(scale.rows * scale.cols, each, w.type);
    const lop_arg args[] = {LOP_M(fold(w, scale, each)),       LOP_M(single(scale)),
                            LOP_M(single(grid->zero)),         LOP_M(fold(out, scale, each)),
                            LOP_I(lop_quant_most(grid->bits)), LOP_I(each)};
    return LOP_LAUNCH(q, LOP_KERNEL_quant_row, &shape, args);
}

lop_status lop_quant_back(lop_queue *q, lop_mat dw, float factor, lop_mat w, const lop_quant_grid *grid,
                          const lop_quant_clip *clip)
{
    const lop_mat scale = grid->scale;
    const int32_t each = w.cols / scale.cols;
    const lop_launch_shape shape = lop_by_rows(scale.rows * scale.cols, each, w.type);
    const lop_arg args[] = {LOP_M(fold(dw, scale, each)),
                            LOP_M(fold(w, scale, each)),
                            LOP_M(single(scale)),
                            LOP_M(single(grid->zero)),
                            LOP_M(single(clip->low)),
                            LOP_M(single(clip->high)),
                            LOP_M(fold(clip->phi, scale, 2)),
                            LOP_M(fold(clip->grad, scale, 2)),
                            LOP_F(factor),
                            LOP_I(lop_quant_most(grid->bits)),
                            LOP_I(each)};
    return LOP_LAUNCH(q, LOP_KERNEL_quant_back_row, &shape, args);
}
