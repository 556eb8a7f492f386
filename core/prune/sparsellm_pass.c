/* sparsellm_pass.c - one look at every window, batch by batch: what the pruned feed-forward half gives, where the auxiliary
 * outputs move, and what the linears' targets need of them. p exists for one batch at a time.
 *
 * Residuals are what is added up. With m = W x the target of a linear is W + sum of (z - m) x^T less what damping holds, times
 * the inverse; of the last one Y - W p is rho K^-1 e with the e that p was found from (docs/methods/sparsellm.md). */
#include "core/prune/sparsellm_parts.h"

#include "core/device/device.h"
#include "core/device/factor.h"
#include "core/device/launch.h"
#include "core/device/triangle.h"

#include <float.h>
#include <math.h>

enum { UP = LOP_SPARSELLM_UP, GATE = LOP_SPARSELLM_GATE, DOWN = LOP_SPARSELLM_DOWN };

/* A batch under way: what lies in the streams, and scratch cut to its tokens. */
typedef struct batch {
    lop_sparsellm *b;
    int32_t at;
    lop_mat x, y, z, s;          /* s absent without a gate */
    lop_mat error, error_word;   /* (T, C) */
    lop_mat active, p, up, gate; /* (T, F) */
    lop_mat row;
} batch;

static lop_mat cut(lop_mat m, int32_t rows)
{
    return lop_mat_present(m) ? lop_mat_rows(m, 0, rows) : m;
}

static lop_status batch_open(lop_sparsellm *b, int32_t at, batch *out)
{
    const lop_ffn *f = b->block->ffn;
    lop_queue *q = b->block->queue;
    *out = (batch){.b = b, .at = at};
    LOP_TRY(lop_log_check_stop(b->block->log));
    LOP_TRY(lop_stream_view(q, &f->input, at, &out->x));
    LOP_TRY(lop_stream_view(q, &f->output, at, &out->y));
    LOP_TRY(lop_stream_view(q, &f->up, at, &out->z));
    if (f->gate.count > 0) LOP_TRY(lop_stream_view(q, &f->gate, at, &out->s));
    const int32_t rows = out->x.rows;
    out->error = cut(b->error, rows);
    out->error_word = cut(b->error_word, rows);
    out->active = cut(b->active, rows);
    out->p = cut(b->p, rows);
    out->up = cut(b->up, rows);
    out->gate = cut(b->gate, rows);
    out->row = cut(b->row, rows);
    return LOP_OK;
}

static lop_status batch_keep(const batch *t)
{
    const lop_ffn *f = t->b->block->ffn;
    lop_queue *q = t->b->block->queue;
    LOP_TRY(lop_stream_keep(q, &f->up, t->at, t->z));
    return f->gate.count > 0 ? lop_stream_keep(q, &f->gate, t->at, t->s) : LOP_OK;
}

/* f(gate) up, or f(up). */
static lop_status activate(const batch *t, lop_mat up, lop_mat gate, lop_mat to)
{
    const bool gated = lop_mat_present(gate);
    return lop_gate(t->b->block->queue, t->b->block->ffn->kind, gated ? gate : up, gated ? up : LOP_NONE, to);
}

/* What the first linears give with these weights, `gate` absent without a gate. */
static lop_status inner(const batch *t, bool dense, lop_mat up, lop_mat gate)
{
    const lop_sparsellm *b = t->b;
    const lop_prune_linear *first = lop_sparsellm_at(b, UP);
    LOP_TRY(lop_linear(b->block->queue, t->x, dense ? first->view->w : first->spare, first->view->bias, up));
    if (!lop_mat_present(gate)) return LOP_OK;
    first = lop_sparsellm_at(b, GATE);
    return lop_linear(b->block->queue, t->x, dense ? first->view->w : first->spare, first->view->bias, gate);
}

/* ---- from the dense weights */

static lop_status dense_batch(const batch *t)
{
    const lop_sparsellm *b = t->b;
    lop_queue *q = b->block->queue;
    LOP_TRY(inner(t, true, t->z, t->s));
    LOP_TRY(activate(t, t->z, t->s, t->active));
    LOP_TRY(lop_linear(q, t->active, lop_sparsellm_at(b, DOWN)->view->w, LOP_NONE, t->y));
    LOP_TRY(lop_mat_zero(q, t->error));
    LOP_TRY(lop_sq_error(q, t->error, t->y, t->row, lop_mat_rows(b->losses, b->options.epochs, 1)));
    LOP_TRY(lop_stream_keep(q, &b->block->ffn->output, t->at, t->y));
    return batch_keep(t);
}

lop_status lop_sparsellm_dense(lop_sparsellm *b)
{
    batch t;
    LOP_TRY(lop_mat_zero(b->block->queue, b->losses));
    LOP_TRY(lop_mat_zero(b->block->queue, b->misfits));
    for (int32_t at = 0; at < b->block->ffn->input.count; at++) {
        LOP_TRY(batch_open(b, at, &t));
        LOP_TRY(dense_batch(&t));
    }
    return lop_method_tell(b->block, "dense");
}

/* ---- with the pruned ones */

/* inverse = K^-1 and back = K^-1 W, with W the pruned last linear and K = W W^T + rho. */
static lop_status prepare_back(lop_sparsellm *b)
{
    lop_queue *q = b->block->queue;
    const lop_mat w = lop_sparsellm_at(b, DOWN)->spare, room = b->linears[DOWN].sum;
    const lop_mat wide = lop_mat_of(b->half.buf, b->half.at, w.rows, w.cols, LOP_F32);
    LOP_TRY(lop_part_product(q, (lop_gemm_args){.a = w, .b = w, .c = b->inverse, .tb = true, .alpha = 1.0f}));
    LOP_TRY(lop_add_diag(q, b->inverse, (float)b->options.rho, LOP_NONE));
    LOP_TRY(lop_chol(q, b->inverse, b->tiles, b->scratch, b->bad));
    LOP_TRY(lop_chol_inverse(q, b->inverse, b->tiles, b->scratch));
    LOP_TRY(lop_cast(q, w, wide));
    LOP_TRY(lop_part_product(q, (lop_gemm_args){.a = b->inverse, .b = wide, .c = room, .alpha = 1.0f}));
    return lop_cast(q, room, b->back);
}

static lop_status sums_begin(lop_sparsellm *b)
{
    lop_queue *q = b->block->queue;
    LOP_TRY(prepare_back(b));
    LOP_TRY(lop_mat_zero(q, b->h));
    for (int i = 0; i < LOP_SPARSELLM_LINEARS; i++)
        if (b->linears[i].index >= 0) LOP_TRY(lop_mat_zero(q, b->linears[i].sum));
    return LOP_OK;
}

/* p, to the least of rho |p - f(s) z|^2 + |Y - W p|^2, and its sums: p p^T, and e p^T, whose e is what f(s) z misses of Y. */
static lop_status move_p(const batch *t)
{
    const lop_sparsellm *b = t->b;
    lop_queue *q = b->block->queue;
    const lop_mat w = lop_sparsellm_at(b, DOWN)->spare;
    LOP_TRY(activate(t, t->z, t->s, t->active));
    LOP_TRY(lop_cast(q, t->y, t->error));
    LOP_TRY(lop_part_product(
        q, (lop_gemm_args){.a = t->active, .b = w, .c = t->error, .tb = true, .alpha = -1.0f, .beta = 1.0f}));
    if (t->error_word.type != LOP_F32) LOP_TRY(lop_cast(q, t->error, t->error_word));
    LOP_TRY(lop_part_product(q, (lop_gemm_args){.a = t->error_word, .b = b->back, .c = t->p, .alpha = 1.0f}));
    LOP_TRY(lop_axpby(q, 1.0f, t->active, 1.0f, t->p));
    LOP_TRY(lop_gram(q, 1.0f, t->p, b->h));
    LOP_TRY(lop_part_product(q, (lop_gemm_args){.a = t->error_word,
                                                .b = t->p,
                                                .c = b->linears[DOWN].sum,
                                                .ta = true,
                                                .alpha = 1.0f,
                                                .beta = 1.0f}));
    return lop_method_tell(b->block, "p");
}

/* What the pruned half gives against Y; up and gate stay with what the first linears give. */
static lop_status measure(const batch *t, int32_t epoch)
{
    const lop_sparsellm *b = t->b;
    lop_queue *q = b->block->queue;
    LOP_TRY(inner(t, false, t->up, t->gate));
    LOP_TRY(activate(t, t->up, t->gate, t->active));
    LOP_TRY(lop_linear(q, t->active, lop_sparsellm_at(b, DOWN)->spare, LOP_NONE, t->error));
    LOP_TRY(lop_sq_error(q, t->error, t->y, t->row, lop_mat_rows(b->losses, epoch, 1)));
    return lop_method_tell(b->block, "loss");
}

static lop_status elements(const batch *t)
{
    const lop_sparsellm *b = t->b;
    const float rho = (float)b->options.rho, edge = (float)(sqrt(1.0 + b->options.rho) - 1.0);
    const float most = t->z.type == LOP_F16 ? 65504.0f : FLT_MAX;
    const lop_arg kind = LOP_I((int32_t)b->block->ffn->kind), cols = LOP_I(t->z.cols);
    const lop_launch_shape rows = lop_by_rows(t->z.rows, t->z.cols, t->z.type);
    if (!lop_mat_present(t->s)) {
        const lop_arg args[] = {LOP_M(t->z), LOP_M(t->up), LOP_M(t->p), LOP_M(t->row), LOP_F(rho),
                                LOP_F(edge), LOP_F(most),  kind,        cols};
        return LOP_LAUNCH(b->block->queue, LOP_KERNEL_auxiliary_row, &rows, args);
    }
    const lop_arg args[] = {LOP_M(t->z), LOP_M(t->s),   LOP_M(t->up), LOP_M(t->gate),
                            LOP_M(t->p), LOP_M(t->row), LOP_F(rho),   LOP_F((float)b->options.rate),
                            LOP_F(most), kind,          cols};
    return LOP_LAUNCH(b->block->queue, LOP_KERNEL_auxiliary_gated_row, &rows, args);
}

/* z and s, and the sums of how far they lie from what the linears give. */
static lop_status move_inner(const batch *t, int32_t epoch)
{
    const lop_sparsellm *b = t->b;
    LOP_TRY(elements(t));
    LOP_TRY(lop_sum(b->block->queue, t->row, lop_mat_rows(b->misfits, epoch, 1)));
    LOP_TRY(lop_method_tell(b->block, "z"));
    const lop_mat far[] = {[UP] = t->up, [GATE] = t->gate};
    for (int i = UP; i <= GATE; i++)
        if (lop_mat_present(far[i]))
            LOP_TRY(lop_part_product(b->block->queue, (lop_gemm_args){.a = far[i],
                                                                      .b = t->x,
                                                                      .c = b->linears[i].sum,
                                                                      .ta = true,
                                                                      .alpha = 1.0f,
                                                                      .beta = 1.0f}));
    LOP_TRY(lop_method_tell(b->block, "sums"));
    return batch_keep(t);
}

/* A NaN or infinity of any window is one in what it was added to. */
static lop_status sums_look(const lop_sparsellm *b)
{
    lop_queue *q = b->block->queue;
    const lop_mat h_count = lop_mat_rows(b->count, 0, b->h.rows);
    LOP_TRY(lop_mat_zero(q, b->wrong));
    LOP_TRY(lop_diagonal(q, b->h, lop_mat_cols(b->diagonal, 0, b->h.cols)));
    LOP_TRY(lop_count_not_finite(q, lop_mat_cols(b->diagonal, 0, b->h.cols), lop_mat_rows(h_count, 0, 1),
                                 lop_mat_cols(b->wrong, LOP_SPARSELLM_LINEARS, 1)));
    for (int i = 0; i < LOP_SPARSELLM_LINEARS; i++) {
        const lop_mat sum = b->linears[i].sum;
        if (b->linears[i].index >= 0)
            LOP_TRY(lop_count_not_finite(q, sum, lop_mat_rows(b->count, 0, sum.rows),
                                         lop_mat_cols(b->wrong, i, 1)));
    }
    return LOP_OK;
}

lop_status lop_sparsellm_pass(lop_sparsellm *b, int32_t epoch, bool last)
{
    batch t;
    if (!last) LOP_TRY(sums_begin(b));
    for (int32_t at = 0; at < b->block->ffn->input.count; at++) {
        LOP_TRY(batch_open(b, at, &t));
        if (!last) LOP_TRY(move_p(&t));
        LOP_TRY(measure(&t, epoch));
        if (!last) LOP_TRY(move_inner(&t, epoch));
    }
    return last ? LOP_OK : sums_look(b);
}
