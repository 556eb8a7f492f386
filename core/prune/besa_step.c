/* besa_step.c - a step of the learner: weights put in and out, the block forward and backward on a few windows, bucket sums
 * of the mask's gradient, and logits moved. All of it is queued; nothing waits for the host. */
#include "core/prune/besa_parts.h"

#include "core/device/device.h"
#include "core/device/launch.h"

#include <math.h>

/* The least energy of a channel that is divided by: a channel of zeros would give infinite weights. */
static const float energy_least = 1e-12f;

/* ---- counts */

/* What the rows of a linear began with: that of its unit. */
static lop_mat base_of(const lop_besa *b, const lop_besa_linear *l)
{
    return lop_mat_rows(b->base, l->unit, 1);
}

static lop_status count_linear(lop_besa *b, const lop_besa_linear *l)
{
    const lop_launch_shape shape = lop_by_rows(l->theta.rows, l->theta.cols, LOP_F32);
    const lop_arg args[] = {LOP_M(base_of(b, l)),
                            LOP_M(l->theta),
                            LOP_M(l->count),
                            LOP_M(l->alpha),
                            LOP_M(l->part),
                            LOP_I((int32_t)b->options.form),
                            LOP_I((int32_t)b->options.rule),
                            LOP_I(l->each),
                            LOP_I(l->order.rows),
                            LOP_I(l->order.cols),
                            LOP_I(l->theta.cols)};
    return LOP_LAUNCH(b->block->queue, LOP_KERNEL_rate_count_row, &shape, args);
}

static lop_status mean_rate(lop_besa *b, const lop_besa_unit *u, int32_t at)
{
    const lop_mat part = lop_mat_rows(b->part, u->group, u->groups), s = lop_mat_cols(u->sparsities, at, 1);
    const lop_launch_shape one = lop_by_rows(1, part.rows, LOP_F32);
    const lop_arg args[] = {LOP_M(part), LOP_M(s), LOP_L(u->weights), LOP_I(part.rows)};
    return LOP_LAUNCH(b->block->queue, LOP_KERNEL_rate_mean, &one, args);
}

lop_status lop_besa_count(lop_besa *b, int32_t at)
{
    for (int32_t i = 0; i < b->count; i++) LOP_TRY(count_linear(b, &b->linears[i]));
    for (int32_t i = 0; i < b->unit_count; i++)
        if (b->units[i].count > 0) LOP_TRY(mean_rate(b, &b->units[i], at));
    return LOP_OK;
}

/* Weights of the trial that the counts have changed; on grids all have. */
static lop_status flip(lop_besa *b, const lop_besa_linear *l)
{
    if (b->options.clip) LOP_TRY(lop_besa_clip_weights(b, l));
    const lop_mat w = l->linear->view->w;
    const lop_launch_shape shape = lop_by_rows(w.rows, w.cols, w.type);
    const lop_arg args[] = {LOP_M(l->order), LOP_M(w),      LOP_M(l->count),
                            LOP_I(l->each),  LOP_M(l->was), LOP_M(l->used)};
    return LOP_LAUNCH(b->block->queue, LOP_KERNEL_flip_row, &shape, args);
}

/* ---- the loss */

static lop_status energy_begin(lop_besa *b, const lop_besa_unit *u)
{
    LOP_TRY(lop_mat_zero(b->block->queue, b->energy));
    return lop_mat_zero(b->block->queue, u->norm);
}

/* From the energies of channels to their weights in a mean over channels. */
static lop_status energy_end(lop_besa *b, const lop_besa_unit *u)
{
    LOP_TRY(lop_colsum(b->block->queue, b->energy, u->norm));
    return lop_reciprocal(b->block->queue, u->norm, 1.0f / (float)u->norm.cols, energy_least);
}

/* Of a batch. */
static lop_status energy_add(lop_besa *b, const lop_besa_unit *u, int32_t batch)
{
    const int32_t rows = u->want->at[batch].rows,
                  most = lop_mat_present(u->room) ? lop_lesser(u->room.rows, rows) : rows;
    for (int32_t first = 0; first < rows; first += most) {
        lop_mat y;
        LOP_TRY(lop_stream_rows(b->block->queue, u->want, batch, first, lop_lesser(most, rows - first),
                                u->room, &y));
        LOP_TRY(lop_colsum_sq(b->block->queue, y, b->energy));
    }
    return LOP_OK;
}

/* Weights that stand for all steps. A plain sum has 1 everywhere: no energy, the numerator 1. */
static lop_status norms_of_all(lop_besa *b, const lop_besa_unit *u)
{
    LOP_TRY(energy_begin(b, u));
    if (b->options.norm == LOP_BESA_FROBENIUS) return lop_reciprocal(b->block->queue, u->norm, 1.0f, 1.0f);
    if (b->options.norm != LOP_BESA_OVER_ALL) return LOP_OK;
    for (int32_t i = 0; i < u->want->count; i++) LOP_TRY(energy_add(b, u, i));
    return energy_end(b, u);
}

/* y, what unit `unit` gives, becomes the gradient of its loss with respect to it. */
static lop_status loss_back(const lop_besa_stand *s, int32_t unit, lop_mat y)
{
    lop_besa *b = s->b;
    const lop_besa_unit *u = &b->units[unit];
    const lop_mat want = s->want[unit];
    if (b->options.norm == LOP_BESA_PER_STEP) {
        LOP_TRY(energy_begin(b, u));
        LOP_TRY(lop_colsum_sq(b->block->queue, want, b->energy));
        LOP_TRY(energy_end(b, u));
    }
    return lop_error_back(b->block->queue, y, want, u->norm, b->options.loss * b->scale,
                          lop_mat_rows(b->row_sum, 0, y.rows), lop_mat_cols(u->losses, 2 * s->step, 2));
}

/* Between the halves the second one's gradient ends and the first one's begins. */
static lop_status middle_back(void *user, lop_queue *q, lop_mat dy)
{
    const lop_besa_stand *s = user;
    LOP_TRY(lop_method_tell(s->b->block, "backward"));
    LOP_TRY(lop_cast(q, lop_mat_rows(s->b->block->learning->blocks[0].tape->middle, 0, dy.rows), dy));
    LOP_TRY(loss_back(s, 0, dy));
    return lop_method_tell(s->b->block, "loss");
}

/* ---- gradients of logits */

int32_t lop_besa_chunk(const lop_device *device, int32_t cols)
{
    enum { PACK = 8, OWN_BYTES = 8192 };
    const size_t room = device->local_bytes > 2 * OWN_BYTES ? device->local_bytes - OWN_BYTES : OWN_BYTES;
    const int32_t fit = (int32_t)(room / sizeof(float)) / PACK * PACK, all = (cols + PACK - 1) / PACK * PACK;
    return all < fit ? all : fit;
}

static lop_status rows_back(const lop_besa *b, const lop_besa_linear *l, int32_t first, lop_mat dw, lop_mat w)
{
    lop_queue *q = b->block->queue;
    const int32_t chunk = lop_besa_chunk(q->device, w.cols);
    const lop_launch_shape shape = {
        .groups = dw.rows, .cols = w.cols, .word = w.type, .local_bytes = (size_t)chunk * sizeof(float)};
    const lop_arg args[] = {LOP_M(dw),
                            LOP_M(w),
                            LOP_M(lop_mat_rows(l->order, first, dw.rows)),
                            LOP_M(lop_mat_rows(l->bucket, first, dw.rows)),
                            LOP_F(1.0f / b->scale),
                            LOP_I(b->options.buckets),
                            LOP_I(chunk),
                            LOP_I(w.cols)};
    return LOP_LAUNCH(q, LOP_KERNEL_bucket_row, &shape, args);
}

/* On grids: what every weight of the rows is there, its part in the masks' gradient, and then the clipping's. */
static lop_status slabs_back(const lop_besa *b, const lop_besa_linear *l, int32_t first, lop_mat dw)
{
    const int32_t slab = lop_besa_slab(b, dw.cols);
    for (int32_t at = 0; at < dw.rows; at += slab) {
        const int32_t n = dw.rows - at < slab ? dw.rows - at : slab;
        const lop_mat part = lop_mat_rows(dw, at, n);
        lop_mat w;
        LOP_TRY(lop_besa_clip_rows(b, l, first + at, n, &w));
        LOP_TRY(rows_back(b, l, first + at, part, w));
        LOP_TRY(lop_besa_clip_back(b, l, first + at, part));
    }
    return LOP_OK;
}

static lop_status weight_back(void *user, lop_queue *q, int32_t linear, int32_t first, lop_mat dw)
{
    const lop_besa_stand *s = user;
    const lop_besa *b = s->b;
    const lop_besa_linear *l = b->by_index[s->block][linear];
    (void)q;
    if (l == NULL) return LOP_OK;
    LOP_TRY(lop_method_tell(b->block, "backward"));
    LOP_TRY(b->options.clip ? slabs_back(b, l, first, dw)
                            : rows_back(b, l, first, dw, lop_mat_rows(l->linear->view->w, first, dw.rows)));
    return lop_method_tell(b->block, "buckets");
}

/* The part of a row of a linear in its unit's mean rate. */
static double row_part(const lop_besa *b, const lop_besa_linear *l)
{
    return l->order.cols / (double)b->units[l->unit].weights;
}

static lop_status slopes_back(lop_besa *b, const lop_besa_linear *l)
{
    const lop_launch_shape shape = lop_by_rows(l->theta.rows, l->theta.cols, LOP_F32);
    const lop_arg args[] = {LOP_M(base_of(b, l)),
                            LOP_M(l->theta),
                            LOP_M(l->bucket_sum),
                            LOP_M(l->slopes),
                            LOP_F((float)row_part(b, l)),
                            LOP_I((int32_t)b->options.form),
                            LOP_I(l->each),
                            LOP_I(l->order.rows),
                            LOP_I(l->theta.cols)};
    return LOP_LAUNCH(b->block->queue, LOP_KERNEL_rate_slope_row, &shape, args);
}

static lop_status price_of(lop_besa *b, const lop_besa_unit *u, int32_t step)
{
    const lop_mat slopes = lop_mat_rows(b->slopes, u->group, u->groups);
    const lop_launch_shape one = lop_by_rows(1, slopes.rows, LOP_F32);
    const lop_arg args[] = {LOP_M(slopes),           LOP_M(lop_mat_cols(u->sparsities, step, 1)),
                            LOP_M(u->price),         LOP_F((float)b->options.target),
                            LOP_F(b->options.width), LOP_I(slopes.rows)};
    return LOP_LAUNCH(b->block->queue, LOP_KERNEL_rate_price, &one, args);
}

/* Of a unit whose price is of these logits and of sparsity `step`. */
static lop_status tilt(lop_besa *b, int32_t unit, int32_t step)
{
    const lop_besa_unit *u = &b->units[unit];
    const lop_mat base = lop_mat_rows(b->base, unit, 1);
    const lop_launch_shape one = lop_by_rows(1, base.cols, LOP_F32);
    const lop_arg args[] = {LOP_M(u->price), LOP_M(lop_mat_cols(u->sparsities, step, 1)), LOP_M(base),
                            LOP_F((float)b->options.target), LOP_I(base.cols)};
    return LOP_LAUNCH(b->block->queue, LOP_KERNEL_rate_tilt, &one, args);
}

/* What holds the mean rate: the penalty's slope by how far it is off, or a price. */
static lop_status logits_back(lop_besa *b, const lop_besa_linear *l, int32_t step)
{
    const lop_besa_unit *u = &b->units[l->unit];
    const bool priced = b->options.width > 0.0f;
    const double target = b->options.target,
                 slope = priced ? 1.0 : 2.0 * (double)b->options.penalty / (target * target);
    const lop_launch_shape shape = lop_by_rows(l->theta.rows, l->theta.cols, LOP_F32);
    const lop_arg args[] = {LOP_M(base_of(b, l)),
                            LOP_M(l->theta),
                            LOP_M(l->bucket_sum),
                            LOP_M(priced ? u->price : lop_mat_cols(u->sparsities, step, 1)),
                            LOP_M(l->grad),
                            LOP_F((float)(slope * row_part(b, l))),
                            LOP_F(priced ? 0.0f : (float)target),
                            LOP_I((int32_t)b->options.form),
                            LOP_I(l->each),
                            LOP_I(l->order.rows),
                            LOP_I(l->theta.cols)};
    return LOP_LAUNCH(b->block->queue, LOP_KERNEL_rate_grad_row, &shape, args);
}

/* From the slopes of all rows; at sparsity `step` of the units. */
static lop_status prices_of(lop_besa *b, int32_t step)
{
    for (int32_t i = 0; i < b->count; i++) LOP_TRY(slopes_back(b, &b->linears[i]));
    for (int32_t i = 0; i < b->unit_count; i++)
        if (b->units[i].count > 0) LOP_TRY(price_of(b, &b->units[i], step));
    return LOP_OK;
}

static lop_status all_logits_back(lop_besa *b, int32_t step)
{
    for (int32_t i = 0; i < b->count; i++) {
        const lop_besa_linear *l = &b->linears[i];
        if (l->bucket_sum.rows != l->bucket.rows)
            LOP_TRY(lop_sum_row_groups(b->block->queue, l->bucket, l->each, l->bucket_sum));
    }
    if (b->options.width > 0.0f) LOP_TRY(prices_of(b, step));
    for (int32_t i = 0; i < b->count; i++) LOP_TRY(logits_back(b, &b->linears[i], step));
    return LOP_OK;
}

/* Outside of sigmoids, which bound what a turn does, the line that rows began on holds them at the target. */
static bool tilts(const lop_besa *b)
{
    return b->options.form == LOP_BESA_TILTED && b->options.width > 0.0f && b->options.target > 0.0;
}

static lop_status tilt_all(lop_besa *b, int32_t step)
{
    for (int32_t i = 0; i < b->unit_count; i++)
        if (b->units[i].count > 0) LOP_TRY(tilt(b, i, step));
    return LOP_OK;
}

/* The last step's own drift is made good while logits stand. */
static lop_status drift_end(lop_besa *b)
{
    enum { TURNS = 3 };
    if (!tilts(b) || b->steps == 0) return LOP_OK;
    for (int turn = 0; turn < TURNS; turn++) {
        LOP_TRY(prices_of(b, b->steps));
        LOP_TRY(tilt_all(b, b->steps));
        LOP_TRY(lop_besa_count(b, b->steps));
    }
    return LOP_OK;
}

/* ---- moving */

/* Part of its rate that an optimiser moves by. */
static double part_at(const lop_besa *b, int32_t step)
{
    const double pi = 3.14159265358979323846;
    return b->options.cosine ? 0.5 * (1.0 + cos(pi * step / b->steps)) : 1.0;
}

static lop_prodigy_args prodigy_of(const lop_besa *b)
{
    lop_prodigy_args args = lop_prodigy_usual();
    args.x = b->theta;
    args.g = b->grad;
    args.m = b->m;
    args.v = b->v;
    args.s = b->s;
    args.parts = b->norm_parts;
    args.state = b->state;
    args.d_coef = b->options.d_coef;
    return args;
}

static lop_adam_args adam_of(const lop_besa *b)
{
    lop_adam_args args = lop_adam_usual();
    args.x = b->theta;
    args.g = b->grad;
    args.m = b->m;
    args.v = b->v;
    args.step = b->step;
    args.weight_decay = 0.0f; /* as --normal-opt has it */
    return args;
}

static lop_status optimizer_begin(lop_besa *b)
{
    const lop_adam_args adam = adam_of(b);
    const lop_prodigy_args prodigy = prodigy_of(b);
    return b->options.adam ? lop_adam_begin(b->block->queue, &adam)
                           : lop_prodigy_begin(b->block->queue, &prodigy);
}

static lop_status move(lop_besa *b, int32_t step)
{
    const double part = part_at(b, step);
    if (b->options.clip) LOP_TRY(lop_besa_clip_move(b, (float)part));
    if (b->options.target == 0.0) return LOP_OK; /* nothing goes: there is no sparsity to learn */
    lop_adam_args adam = adam_of(b);
    lop_prodigy_args prodigy = prodigy_of(b);
    prodigy.lr = b->options.rate * part;
    adam.lr = (float)prodigy.lr;
    return b->options.adam ? lop_adam(b->block->queue, &adam) : lop_prodigy(b->block->queue, &prodigy);
}

/* ---- a step, and all of them */

/* The trial of the span, forward and back from the error: x, its input, ends as a gradient. */
static lop_status span_forward(const lop_besa *b, lop_mat x)
{
    const lop_learning *l = b->block->learning;
    for (int32_t k = 0; k < l->span; k++)
        LOP_TRY(lop_block_forward_taped(b->block->queue, l->forward, &b->trial[k], x, x.rows / l->tokens,
                                        l->tokens, l->blocks[k].tape));
    return LOP_OK;
}

static lop_status span_back(lop_besa_stand *s, lop_mat x)
{
    const lop_besa *b = s->b;
    const lop_learning *l = b->block->learning;
    const lop_back_watch watch = {
        .weight = weight_back, .middle = b->unit_count > 1 ? middle_back : NULL, .user = s};
    for (s->block = l->span - 1; s->block >= 0; s->block--)
        LOP_TRY(lop_block_backward_halves(b->block->queue, l->forward, &b->trial[s->block], x,
                                          l->blocks[s->block].tape, &watch));
    return LOP_OK;
}

lop_status lop_besa_gradient(lop_besa_stand *s, lop_mat input)
{
    lop_besa *b = s->b;
    lop_queue *q = b->block->queue;
    const lop_mat x = lop_mat_rows(b->block->learning->x, 0, input.rows);
    for (int32_t i = 0; i < b->count; i++) LOP_TRY(flip(b, &b->linears[i]));
    LOP_TRY(lop_method_tell(b->block, "flips"));
    LOP_TRY(lop_cast(q, input, x));
    LOP_TRY(span_forward(b, x));
    LOP_TRY(lop_method_tell(b->block, "forward"));
    LOP_TRY(loss_back(s, b->unit_count - 1, x));
    LOP_TRY(lop_method_tell(b->block, "loss"));
    LOP_TRY(span_back(s, x));
    LOP_TRY(lop_method_tell(b->block, "backward"));
    if (b->options.target > 0.0) LOP_TRY(all_logits_back(b, s->step));
    return lop_method_tell(b->block, "logits");
}

static lop_status step_once(lop_besa_stand *s, lop_mat input)
{
    LOP_TRY(lop_besa_gradient(s, input));
    if (tilts(s->b)) LOP_TRY(tilt_all(s->b, s->step));
    LOP_TRY(move(s->b, s->step));
    LOP_TRY(lop_method_tell(s->b->block, "optimizer"));
    s->step++;
    LOP_TRY(lop_besa_count(s->b, s->step));
    LOP_TRY(lop_method_tell(s->b->block, "counts"));
    return lop_method_tell(s->b->block, LOP_PART_STEP);
}

/* The steps of one batch of the stream. */
static lop_status batch_learn(lop_besa_stand *s, int32_t batch)
{
    const lop_besa *b = s->b;
    const lop_learning *l = b->block->learning;
    const int32_t most = l->windows * l->tokens;
    lop_mat input;
    LOP_TRY(lop_stream_view(b->block->queue, l->input, batch, &input));
    for (int32_t first = 0; first < input.rows; first += most) {
        const int32_t rows = lop_lesser(most, input.rows - first);
        LOP_TRY(lop_log_check_stop(b->block->log));
        for (int32_t u = 0; u < b->unit_count; u++)
            LOP_TRY(lop_stream_rows(b->block->queue, b->units[u].want, batch, first, rows, b->units[u].room,
                                    &s->want[u]));
        LOP_TRY(step_once(s, lop_mat_rows(input, first, rows)));
    }
    return LOP_OK;
}

lop_status lop_besa_learn(lop_besa *b)
{
    lop_besa_stand s = {.b = b};
    for (int32_t u = 0; u < b->unit_count; u++) LOP_TRY(norms_of_all(b, &b->units[u]));
    LOP_TRY(optimizer_begin(b));
    for (int32_t e = 0; e < b->options.epochs; e++)
        for (int32_t i = 0; i < b->block->learning->input->count; i++) LOP_TRY(batch_learn(&s, i));
    return drift_end(b);
}
