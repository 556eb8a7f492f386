/* besa_factor.c - what SparseGPT's metric divides by: the diagonal of the upper factor of the damped Hessian's inverse, once
 * for each distinct input. A scale of the Hessian is a scale of all scores of a row, so the Gram matrix stands for it. */
#include "core/prune/besa_parts.h"

#include "core/device/device.h"
#include "core/device/factor.h"

/* The linear before it that has the same input, or NULL. */
static const lop_besa_linear *same_input(const lop_besa *b, int32_t index)
{
    const lop_prune_linear *of = b->linears[index].linear;
    for (int32_t i = 0; i < index; i++) {
        const lop_prune_linear *other = b->linears[i].linear;
        if (other->block == of->block && other->view->input == of->view->input) return &b->linears[i];
    }
    return NULL;
}

lop_status lop_besa_place_factors(lop_arena *a, lop_besa *b)
{
    int32_t most = 1;
    for (int32_t i = 0; i < b->count; i++) {
        lop_besa_linear *l = &b->linears[i];
        const lop_besa_linear *twin = same_input(b, i);
        if (twin != NULL)
            l->factor = twin->factor;
        else
            LOP_TRY(lop_arena_mat(a, 1, l->order.cols, LOP_F32, &l->factor));
        most = l->order.cols > most ? l->order.cols : most;
    }
    LOP_TRY(lop_arena_mat(a, 1, lop_inverse_factor_scratch(most), LOP_F32, &b->factor_scratch));
    LOP_TRY(lop_arena_mat(a, 1, 1, LOP_F32, &b->factor_mean));
    return lop_arena_mat(a, 1, 2, LOP_I32, &b->factor_bad);
}

lop_status lop_besa_measure_factor(lop_arena *a, const lop_besa *b)
{
    int32_t most = 1;
    lop_mat h;
    for (int32_t i = 0; i < b->count; i++)
        if (b->linears[i].order.cols > most) most = b->linears[i].order.cols;
    const lop_arena_mark mark = lop_arena_here(a);
    const lop_status status = lop_arena_mat(a, most, most, LOP_F32, &h);
    lop_arena_reset(a, mark);
    return status;
}

static lop_status factor_one(lop_besa *b, const lop_besa_linear *l)
{
    lop_queue *q = b->block->queue;
    const lop_mat gram = l->linear->gram;
    lop_mat h;
    lop_bad bad;
    LOP_TRY(lop_arena_mat(b->block->arena, gram.rows, gram.cols, LOP_F32, &h));
    LOP_TRY(lop_cast(q, gram, h));
    LOP_TRY(lop_revive(q, h, 1.0f));
    LOP_TRY(lop_damp(q, h, b->options.damping, b->factor_mean));
    LOP_TRY(lop_inverse_factor(q, h, b->factor_scratch, b->factor_bad));
    LOP_TRY(lop_diagonal(q, h, l->factor));
    LOP_TRY(lop_bad_read(q, b->factor_bad, &bad));
    if (bad.column < 0) return LOP_OK;
    return LOP_FAIL(LOP_E_NUMERIC,
                    "the Hessian of %s cannot be factored at damping %g: column %d has pivot %g; a higher "
                    "--damping may do",
                    l->linear->view->name, (double)b->options.damping, bad.column, (double)bad.pivot);
}

lop_status lop_besa_factor(lop_besa *b)
{
    lop_status status = LOP_OK;
    const lop_arena_mark mark = lop_arena_here(b->block->arena);
    for (int32_t i = 0; i < b->count && status == LOP_OK; i++) {
        if (same_input(b, i) == NULL) status = factor_one(b, &b->linears[i]);
        lop_arena_reset(b->block->arena, mark);
    }
    return status;
}
