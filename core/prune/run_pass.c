/* run_pass.c - calibration windows through the span at work: dense for statistics, pruned, block by block, for what the next
 * one sees.
 *
 * Hidden states are f32 inside a span and of the device's word between blocks that are written. A pass queues all its
 * batches: values that are no numbers are counted on the device (run_count.c), losses added up there. */
#include "core/prune/run_parts.h"

static lop_status stream_put(lop_run *run, int32_t batch, lop_mat x)
{
    lop_mat stored;
    LOP_TRY(lop_stream_store(&run->queue, &run->input, batch, x));
    LOP_TRY(lop_stream_view(&run->queue, &run->input, batch, &stored));
    return lop_run_count_wrong(run, LOP_WRONG_OUTPUTS, stored);
}

/* The part of run->mats.x that batch `batch` fills. */
static lop_mat batch_x(const lop_run *run, int32_t batch)
{
    return lop_mat_rows(run->mats.x, 0, lop_stream_sequences(&run->input, batch) * run->calibration.seqlen);
}

static lop_status batch_load(lop_run *run, const lop_stream *s, int32_t batch, lop_mat x)
{
    LOP_TRY(lop_log_check_stop(run->call->log));
    return lop_stream_load(&run->queue, s, batch, x);
}

/* x, hidden states of whole windows, through the block. */
static lop_status block_forward(lop_run *run, const lop_block *block, lop_mat x, const lop_watch *watch)
{
    const int32_t tokens = run->calibration.seqlen;
    return lop_block_forward(&run->queue, run->forward, block, x, x.rows / tokens, tokens, watch);
}

static void tell(const lop_run *run, int32_t index, double part)
{
    lop_log_progress(run->call->log, "blocks", index + part, run->net.config->blocks);
}

/* What tensors before the blocks are rounded to: values that are written in their own type are what they were. */
static lop_dtype embedded_as(const lop_run *run)
{
    const lop_tensor *const all[] = {run->net.embedding, run->net.positions, run->net.project_in};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        const lop_dtype out = all[i] ? lop_output_dtype(run->output, all[i]) : LOP_DTYPE_F32;
        if (all[i] && out != all[i]->dtype) return out;
    }
    return LOP_DTYPE_F32;
}

static lop_status embed(lop_run *run, lop_embedder *embedder)
{
    const int32_t window = run->calibration.seqlen;
    LOP_TRY(lop_run_count_begin(run));
    for (int32_t i = 0, first = 0; i < run->input.count; i++) {
        const lop_mat x = batch_x(run, i);
        LOP_TRY(lop_log_check_stop(run->call->log));
        const lop_token_rows tokens = {
            .ids = run->calibration.ids + (int64_t)first * window, .count = x.rows, .tokens = window};
        LOP_TRY(lop_embedder_rows(embedder, &run->queue, &tokens, x));
        LOP_TRY(stream_put(run, i, x));
        if (lop_run_has_dense_stream(run)) LOP_TRY(lop_stream_store(&run->queue, &run->dense, i, x));
        first += lop_stream_sequences(&run->input, i);
    }
    return lop_run_count_look(run, -1, NULL);
}

lop_status lop_run_embed(lop_run *run)
{
    lop_embedder *embedder = NULL;
    const lop_embedder_plan plan = {
        .most = lop_embedder_usual(), .positions = run->calibration.seqlen, .as = embedded_as(run)};
    LOP_TRY(lop_embedder_open(&run->net, run->call->device, &plan, &embedder));
    const lop_status status = embed(run, embedder);
    if (status != LOP_OK && lop_queue_wait(&run->queue) != LOP_OK) lop_note("and the device's queue");
    lop_embedder_close(embedder);
    return status;
}

/* The statistics are sums of squares: what is no number in an input is none in them. */
static lop_status statistics_count(lop_run *run, const lop_statistics *s)
{
    for (int i = 0; i < LOP_INPUT_COUNT; i++)
        if (lop_mat_present(s->colsum_sq[i]))
            LOP_TRY(lop_run_count_wrong(run, LOP_WRONG_INPUTS, s->colsum_sq[i]));
    return LOP_OK;
}

static lop_status statistics_begin(lop_run *run)
{
    for (int32_t k = 0; k < run->span_count; k++)
        LOP_TRY(lop_statistics_reset(&run->queue, &run->mats.statistics[k]));
    return LOP_OK;
}

static lop_status statistics_end(lop_run *run)
{
    for (int32_t k = 0; k < run->span_count; k++) {
        const lop_statistics *s = &run->mats.statistics[k];
        lop_run_turn(run, k);
        LOP_TRY(lop_statistics_end(&run->queue, s));
        LOP_TRY(lop_statistics_sum(run->comm, &run->queue, s));
        LOP_TRY(statistics_count(run, s));
    }
    return LOP_OK;
}

/* Where a pass stands that keeps the stream between the halves. */
typedef struct middle_pass {
    const lop_run *run;
    int32_t batch;
} middle_pass;

static lop_status middle_keep(void *user, lop_queue *q, lop_mat x)
{
    const middle_pass *p = user;
    return lop_stream_store(q, &p->run->middle, p->batch, x);
}

static lop_middle_fn *middle_wanted(const lop_run *run, bool here)
{
    return here && (run->need.what & LOP_NEED_MIDDLE) != 0 ? middle_keep : NULL;
}

/* One batch, each block as its statistics watch it. */
static lop_status dense_forward(lop_run *run, int32_t batch, lop_mat x, bool needed)
{
    const bool needs = run->need.what != 0;
    middle_pass middle = {run, batch};
    LOP_TRY(batch_load(run, &run->input, batch, x));
    for (int32_t k = 0; k < run->span_count; k++) {
        const bool inside = k + 1 < run->span_count;
        lop_ffn_watcher watcher = {.statistics = &run->mats.statistics[k],
                                   .ffn = lop_run_keeps_ffn(run) ? &run->ffn : NULL,
                                   .batch = batch};
        const lop_watch watch = {.fn = needs ? lop_ffn_watch : NULL,
                                 .user = &watcher,
                                 .middle = middle_wanted(run, lop_run_keeps_dense(run)),
                                 .middle_user = &middle,
                                 .last_needed = inside || needed};
        LOP_TRY(block_forward(run, run->span[k], x, &watch));
        if (inside && lop_run_keeps_between(run))
            LOP_TRY(lop_stream_store(&run->queue, &run->middle, batch, x));
    }
    return LOP_OK;
}

lop_status lop_run_pass_dense(lop_run *run, int32_t index)
{
    const bool last = index + run->span_count == run->net.config->blocks, needs = run->need.what != 0;
    const bool keeps = lop_run_keeps_dense(run);
    const bool moves = run->options.dense_stream && !keeps && !lop_run_learns(run) && !last;
    if (!needs && !keeps && !moves) return LOP_OK;
    LOP_TRY(statistics_begin(run));
    for (int32_t i = 0; i < run->input.count; i++) {
        const lop_mat x = batch_x(run, i);
        LOP_TRY(dense_forward(run, i, x, keeps || moves));
        if (keeps) LOP_TRY(lop_stream_store(&run->queue, &run->dense, i, x));
        if (moves) LOP_TRY(stream_put(run, i, x));
        tell(run, index, 0.45 * (i + 1) / run->input.count);
    }
    return needs ? statistics_end(run) : LOP_OK;
}

lop_status lop_run_pass_survey(lop_run *run)
{
    const lop_watch watch = {
        .fn = lop_statistics_watch, .user = &run->mats.statistics[0], .last_needed = true};
    LOP_TRY(statistics_begin(run));
    for (int32_t i = 0; i < run->input.count; i++) {
        const lop_mat x = batch_x(run, i);
        LOP_TRY(batch_load(run, &run->input, i, x));
        LOP_TRY(block_forward(run, run->block, x, &watch));
        LOP_TRY(stream_put(run, i, x));
    }
    return statistics_end(run);
}

static lop_status put_decided(lop_run *run, const lop_prune_linear *linear)
{
    const lop_mat w = linear->view->w;
    if (lop_mat_present(linear->changed)) LOP_TRY(lop_cast(&run->queue, linear->changed, w));
    return lop_zero_dropped(&run->queue, linear->keep, w);
}

lop_status lop_run_pass_again(const lop_prune_block *block, int32_t count, lop_input_id input)
{
    lop_run *run = block->again_user;
    const lop_statistics *all = &run->mats.statistics[0];
    lop_statistics s = {0};
    s.colsum_sq[input] = all->colsum_sq[input];
    s.parts[input] = all->parts[input];
    s.gram[input] = all->gram[input];
    const lop_watch watch = {.fn = lop_statistics_watch, .user = &s};
    for (int32_t i = 0; i < count; i++) LOP_TRY(put_decided(run, &block->linears[i]));
    LOP_TRY(lop_statistics_reset(&run->queue, &s));
    for (int32_t i = 0; i < run->input.count; i++) {
        const lop_mat x = batch_x(run, i);
        LOP_TRY(batch_load(run, &run->input, i, x));
        LOP_TRY(block_forward(run, run->span[0], x, &watch));
    }
    LOP_TRY(lop_statistics_end(&run->queue, &s));
    LOP_TRY(lop_statistics_sum(run->comm, &run->queue, &s));
    return statistics_count(run, &s);
}

lop_status lop_run_pass_beside(lop_run *run, int32_t index)
{
    middle_pass middle = {run, 0};
    const lop_watch watch = {.middle = middle_wanted(run, true), .middle_user = &middle, .last_needed = true};
    for (int32_t i = 0; i < run->dense.count; i++) {
        const lop_mat x = batch_x(run, i);
        middle.batch = i;
        LOP_TRY(batch_load(run, &run->dense, i, x));
        for (int32_t k = 0; k < run->span_count; k++) LOP_TRY(block_forward(run, run->span[k], x, &watch));
        LOP_TRY(lop_stream_store(&run->queue, &run->dense, i, x));
        tell(run, index, 0.2 * (i + 1) / run->dense.count);
    }
    return LOP_OK;
}

/* x, what the pruned blocks of the span up to number k give, against what the dense ones do. */
static lop_status loss_add(lop_run *run, int what, int32_t k, int32_t batch, lop_mat x)
{
    const lop_stream *dense = k + 1 < run->span_count ? &run->middle : &run->dense;
    const lop_mat sum = lop_mat_cols(lop_mat_rows(run->mats.loss, k, 1), 2 * what, 2);
    const int32_t most = dense->base != NULL ? run->mats.want.rows : x.rows;
    for (int32_t first = 0; first < x.rows; first += most) {
        lop_mat want;
        LOP_TRY(lop_stream_rows(&run->queue, dense, batch, first, most, run->mats.want, &want));
        LOP_TRY(lop_sq_error(&run->queue, lop_mat_rows(x, first, most), want,
                             lop_mat_rows(run->mats.row_sum, 0, most), sum));
    }
    return LOP_OK;
}

lop_status lop_run_pass_loss(lop_run *run)
{
    const lop_watch watch = {.last_needed = true};
    for (int32_t i = 0; i < run->input.count; i++) {
        const lop_mat x = batch_x(run, i);
        LOP_TRY(batch_load(run, &run->input, i, x));
        for (int32_t k = 0; k < run->span_count; k++) {
            LOP_TRY(block_forward(run, run->span[k], x, &watch));
            LOP_TRY(loss_add(run, LOP_LOSS_BEFORE, k, i, x));
        }
    }
    return LOP_OK;
}

lop_status lop_run_pass_pruned(lop_run *run)
{
    const int32_t index = run->block->index;
    const bool last = index + 1 == run->net.config->blocks, measures = run->options.loss_after;
    const bool kept = lop_run_keeps_dense(run) || lop_run_learns(run);
    const bool moves = !last && (!run->options.dense_stream || kept);
    const bool dense = run->options.dense_stream && run->at + 1 == run->span_count;
    const lop_watch watch = {.last_needed = true};
    if (!measures && !moves) return LOP_OK;
    for (int32_t i = 0; i < run->input.count; i++) {
        const lop_mat x = batch_x(run, i);
        LOP_TRY(batch_load(run, &run->input, i, x));
        LOP_TRY(block_forward(run, run->block, x, &watch));
        if (measures) LOP_TRY(loss_add(run, LOP_LOSS_AFTER, run->at, i, x));
        if (moves && dense) LOP_TRY(lop_stream_load(&run->queue, &run->dense, i, x));
        if (moves) LOP_TRY(stream_put(run, i, x));
        tell(run, index, 0.5 + 0.5 * (i + 1) / run->input.count);
    }
    return LOP_OK;
}

/* Where the input is what the dense model's stream is rounded to, that stream is already behind all that is written: going
 * through dense blocks would round at each, as no run before this one did. */
lop_status lop_run_pass_replay(lop_run *run, int32_t index)
{
    const lop_watch watch = {.last_needed = true};
    const bool led = run->options.dense_stream && lop_run_has_dense_stream(run);
    if (index + run->span_count == run->net.config->blocks) return LOP_OK;
    for (int32_t i = 0; i < run->input.count; i++) {
        const lop_mat x = batch_x(run, i);
        LOP_TRY(batch_load(run, led ? &run->dense : &run->input, i, x));
        for (int32_t k = 0; k < run->span_count && !led; k++)
            LOP_TRY(block_forward(run, run->span[k], x, &watch));
        LOP_TRY(stream_put(run, i, x));
        tell(run, index, (double)(i + 1) / run->input.count);
    }
    return LOP_OK;
}
