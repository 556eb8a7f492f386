/* sparsellm_target.c - what the linears are to be, by least squares, and SparseGPT of that. With H the Gram matrix of a linear's
 * inputs, d what damping adds to its diagonal, W its weights so far and A the dense ones,
 *
 *     target = W + (B - (W - A) d) (H + d)^-1,   B the sum of (wanted output - W x) x^T
 *
 * is the least of the squared error plus what damping adds for the distance from A; with the same factor it is pruned. */
#include "core/prune/sparsellm_parts.h"

#include "core/device/device.h"
#include "core/device/factor.h"
#include "core/device/launch.h"
#include "core/device/triangle.h"

/* Of the mean: what keeps a Gram matrix in f32 factorable, and moves pseudo-inverse targets little. */
static const double pseudo_damping = 1e-6;

/* U as it lies in the solver, for later. */
static lop_status keep(const lop_sparsellm *b, double damping, lop_sparsellm_factor *to)
{
    lop_queue *q = b->block->queue;
    to->damping = damping;
    LOP_TRY(lop_cast(q, lop_damped_u(&b->solver.factor, to->u.cols), to->u));
    return lop_cast(q, b->solver.factor.mean, to->mean);
}

static lop_status put_back(const lop_sparsellm *b, const lop_sparsellm_factor *from)
{
    return lop_cast(b->block->queue, from->u, lop_damped_u(&b->solver.factor, from->u.cols));
}

lop_status lop_sparsellm_factor_keep(lop_sparsellm *b)
{
    const int32_t index = b->linears[LOP_SPARSELLM_UP].index;
    lop_damped f;
    LOP_TRY(keep(b, b->solver.factors[index].damping, &b->first));
    if (!b->options.pseudo) return LOP_OK;
    LOP_TRY(lop_damped_factor(b->block, &b->block->linears[index], pseudo_damping, &b->solver.factor, &f));
    return keep(b, f.damping, &b->pseudo);
}

/* Where a linear's target is found: H, and how its factor, in the solver, is damped. */
typedef struct aim {
    int which;
    lop_mat gram, mean;
    double damping;
} aim;

/* sum = the target. */
static lop_status target_of(const lop_sparsellm *b, const aim *a)
{
    lop_queue *q = b->block->queue;
    const lop_prune_linear *l = lop_sparsellm_at(b, a->which);
    const lop_mat sum = b->linears[a->which].sum;
    const lop_mat diagonal = lop_mat_cols(b->diagonal, 0, sum.cols);
    const lop_mat room = lop_mat_of(b->half.buf, b->half.at, sum.rows, sum.cols, LOP_F32);
    const lop_launch_shape rows = lop_by_rows(sum.rows, sum.cols, l->spare.type);
    const lop_arg args[] = {
        LOP_M(sum),     LOP_M(l->spare),          LOP_M(l->view->w),      LOP_M(diagonal),
        LOP_M(a->mean), LOP_F((float)a->damping), LOP_F(LOP_DAMPED_DEAD), LOP_I(!b->options.pseudo),
        LOP_I(sum.cols)};
    LOP_TRY(lop_diagonal(q, a->gram, diagonal));
    LOP_TRY(LOP_LAUNCH(q, LOP_KERNEL_target_row, &rows, args));
    LOP_TRY(lop_inverse_factor_solve(q, lop_damped_u(&b->solver.factor, sum.cols), room, sum));
    LOP_TRY(lop_axpby(q, 1.0f, l->spare, 1.0f, sum));
    return lop_method_tell(b->block, "target");
}

static lop_status solve(lop_sparsellm *b, int which)
{
    LOP_TRY(lop_sparsegpt_solve_from(&b->solver, b->linears[which].index, b->linears[which].sum));
    return lop_method_tell(b->block, "solve");
}

/* up and gate, which share their input. */
static lop_status prune_first(lop_sparsellm *b)
{
    const lop_sparsellm_factor *f = b->options.pseudo ? &b->pseudo : &b->first;
    const lop_mat gram = lop_sparsellm_at(b, LOP_SPARSELLM_UP)->gram;
    LOP_TRY(put_back(b, f));
    for (int i = LOP_SPARSELLM_UP; i <= LOP_SPARSELLM_GATE; i++) {
        const aim a = {i, gram, f->mean, f->damping};
        if (b->linears[i].index >= 0) LOP_TRY(target_of(b, &a));
    }
    if (b->options.pseudo) LOP_TRY(put_back(b, &b->first));
    for (int i = LOP_SPARSELLM_UP; i <= LOP_SPARSELLM_GATE; i++)
        if (b->linears[i].index >= 0) LOP_TRY(solve(b, i));
    return LOP_OK;
}

static lop_status factorise(lop_sparsellm *b, double damping, lop_damped *out)
{
    lop_prune_linear down = *lop_sparsellm_at(b, LOP_SPARSELLM_DOWN);
    down.gram = b->h;
    LOP_TRY(lop_damped_factor(b->block, &down, damping, &b->solver.factor, out));
    return lop_method_tell(b->block, "factor");
}

/* Y - W p is rho K^-1 e, so its sum with p is that times what a pass has added up. */
static lop_status errors_of_down(const lop_sparsellm *b)
{
    const lop_mat sum = b->linears[LOP_SPARSELLM_DOWN].sum;
    const lop_mat room = lop_mat_of(b->half.buf, b->half.at, sum.rows, sum.cols, LOP_F32);
    LOP_TRY(lop_part_product(
        b->block->queue,
        (lop_gemm_args){.a = b->inverse, .b = sum, .c = room, .alpha = (float)b->options.rho}));
    return lop_cast(b->block->queue, room, sum);
}

static lop_status prune_down(lop_sparsellm *b)
{
    lop_damped f;
    const double damping = b->options.solver.damping;
    LOP_TRY(errors_of_down(b));
    LOP_TRY(factorise(b, b->options.pseudo ? pseudo_damping : damping, &f));
    const aim a = {LOP_SPARSELLM_DOWN, b->h, b->solver.factor.mean, f.damping};
    LOP_TRY(target_of(b, &a));
    if (b->options.pseudo) LOP_TRY(factorise(b, damping, &f));
    return solve(b, LOP_SPARSELLM_DOWN);
}

lop_status lop_sparsellm_prune(lop_sparsellm *b)
{
    LOP_TRY(lop_sparsegpt_begin(&b->solver));
    LOP_TRY(prune_down(b));
    return prune_first(b);
}
