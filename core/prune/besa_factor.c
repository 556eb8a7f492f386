/* besa_factor.c - what SparseGPT's metric divides by: the diagonal of the upper factor of the damped Hessian's inverse, once
 * for each distinct input. */
#include "core/prune/besa_parts.h"

#include "core/device/device.h"
#include "core/device/factor.h"

lop_status lop_besa_place_factors(lop_arena *a, lop_besa *b)
{
    for (int32_t i = 0; i < b->count; i++) {
        lop_besa_linear *l = &b->linears[i];
        l->factor = i > 0 ? l[-1].factor : LOP_NONE;
        if (lop_method_begins_input(b->block, i))
            LOP_TRY(lop_arena_mat(a, 1, l->order.cols, LOP_F32, &l->factor));
    }
    return LOP_OK;
}

lop_status lop_besa_measure_factor(lop_arena *a, const lop_besa *b)
{
    lop_damped_room room;
    const lop_arena_mark mark = lop_arena_here(a);
    const lop_status status = lop_damped_place(a, lop_besa_cols_most(b), 1, &room);
    lop_arena_reset(a, mark);
    return status;
}

static lop_status factors_find(lop_besa *b)
{
    lop_damped_room room;
    LOP_TRY(lop_damped_place(b->block->arena, lop_besa_cols_most(b), 1, &room));
    for (int32_t i = 0; i < b->count; i++) {
        lop_besa_linear *l = &b->linears[i];
        if (!lop_method_begins_input(b->block, i)) {
            l->damped = l[-1].damped;
            continue;
        }
        LOP_TRY(lop_damped_factor(b->block, l->linear, b->options.damping, &room, &l->damped));
        LOP_TRY(lop_diagonal(b->block->queue, lop_damped_u(&room, l->order.cols), l->factor));
    }
    return LOP_OK;
}

lop_status lop_besa_factor(lop_besa *b)
{
    const lop_arena_mark mark = lop_arena_here(b->block->arena);
    const lop_status status = factors_find(b);
    lop_arena_reset(b->block->arena, mark);
    return status;
}
