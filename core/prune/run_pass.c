/* run_pass.c - calibration windows through the block at work: dense for statistics, pruned for what the next block sees.
 *
 * Hidden states are f32 inside a block and of the device's word between blocks. Values that are no numbers are counted
 * on the device and looked at once a pass. */
#include "core/prune/run_parts.h"

#include <math.h>

static lop_status wrong_check(lop_run *run, const char *what, int32_t index)
{
    int64_t wrong = 0;
    LOP_TRY(lop_download(&run->queue, run->mats.wrong, &wrong));
    if (wrong == 0) return LOP_OK;
    return LOP_FAIL(LOP_E_NUMERIC,
                    "%s of block %d hold %lld values that are NaN or infinite: the model overflows its type "
                    "or is damaged",
                    what, index, (long long)wrong);
}

static lop_status stream_put(lop_run *run, int32_t batch, lop_mat x)
{
    lop_mat stored;
    LOP_TRY(lop_stream_store(&run->queue, &run->input, batch, x));
    LOP_TRY(lop_stream_view(&run->queue, &run->input, batch, &stored));
    return lop_count_not_finite(&run->queue, stored, lop_mat_rows(run->mats.row_count, 0, x.rows),
                                run->mats.wrong);
}

/* The part of run->mats.x that batch `batch` fills. */
static lop_mat batch_x(const lop_run *run, int32_t batch)
{
    return lop_mat_rows(run->mats.x, 0, lop_stream_sequences(&run->input, batch) * run->calibration.seqlen);
}

static lop_status batch_forward(lop_run *run, int32_t batch, lop_mat x, const lop_watch *watch)
{
    LOP_TRY(lop_log_check_stop(run->call->log));
    LOP_TRY(lop_stream_load(&run->queue, &run->input, batch, x));
    return lop_block_forward(&run->queue, run->forward, &run->mats.block, x,
                             lop_stream_sequences(&run->input, batch), run->calibration.seqlen, watch);
}

static void tell(const lop_run *run, int32_t index, double part)
{
    lop_log_progress(run->call->log, "blocks", index + part, run->net.config->blocks);
}

lop_status lop_run_embed(lop_run *run)
{
    const lop_type as = lop_run_type(lop_output_dtype(run->output, run->net.embedding));
    const int32_t window = run->calibration.seqlen;
    LOP_TRY(lop_mat_zero(&run->queue, run->mats.wrong));
    for (int32_t i = 0, first = 0; i < run->input.count; i++) {
        const lop_mat x = batch_x(run, i);
        LOP_TRY(lop_log_check_stop(run->call->log));
        LOP_TRY(lop_embed(&run->queue, &run->net, run->calibration.ids + (int64_t)first * window, x.rows, x));
        LOP_TRY(lop_run_round(run, x, as));
        LOP_TRY(stream_put(run, i, x));
        first += lop_stream_sequences(&run->input, i);
    }
    return wrong_check(run, "the embeddings before", 0);
}

/* The statistics are sums of squares: what is no number in an input is none in them. */
static lop_status statistics_check(lop_run *run, int32_t index)
{
    const lop_statistics *s = &run->mats.statistics;
    for (int i = 0; i < LOP_INPUT_COUNT; i++)
        if (lop_mat_present(s->colsum_sq[i]))
            LOP_TRY(lop_count_not_finite(&run->queue, s->colsum_sq[i],
                                         lop_mat_rows(run->mats.row_count, 0, 1), run->mats.wrong));
    return wrong_check(run, "the activations", index);
}

lop_status lop_run_pass_dense(lop_run *run, int32_t index)
{
    const bool last = index + 1 == run->net.config->blocks, needs = run->method->needs != 0;
    const bool moves = run->options.dense_stream && !run->options.loss_after && !last;
    const lop_watch watch = {.fn = needs ? lop_statistics_watch : NULL,
                             .user = &run->mats.statistics,
                             .last_needed = run->options.loss_after || moves};
    if (!needs && !watch.last_needed) return LOP_OK;
    LOP_TRY(lop_mat_zero(&run->queue, run->mats.wrong));
    LOP_TRY(lop_statistics_reset(&run->queue, &run->mats.statistics));
    for (int32_t i = 0; i < run->input.count; i++) {
        const lop_mat x = batch_x(run, i);
        LOP_TRY(batch_forward(run, i, x, &watch));
        if (run->options.loss_after) LOP_TRY(lop_stream_store(&run->queue, &run->dense, i, x));
        if (moves) LOP_TRY(stream_put(run, i, x));
        tell(run, index, 0.45 * (i + 1) / run->input.count);
    }
    if (!needs) return LOP_OK;
    LOP_TRY(lop_statistics_sum(run->comm, &run->queue, &run->mats.statistics));
    return statistics_check(run, index);
}

static lop_status loss_add(lop_run *run, int32_t batch, lop_mat x)
{
    lop_mat want;
    LOP_TRY(lop_stream_view(&run->queue, &run->dense, batch, &want));
    return lop_sq_error(&run->queue, x, want, lop_mat_rows(run->mats.row_sum, 0, x.rows), run->mats.loss);
}

/* Mean squared error per element of the block's output. */
static lop_status loss_take(lop_run *run, int32_t index, double *loss)
{
    const double elements =
        (double)run->calibration.windows * run->calibration.seqlen * (double)run->net.config->hidden;
    LOP_TRY(lop_comm_all_sum(run->comm, &run->queue, run->mats.loss));
    LOP_TRY(lop_download(&run->queue, run->mats.loss, loss));
    *loss /= elements;
    if (!isfinite(*loss))
        return LOP_FAIL(LOP_E_NUMERIC, "the outputs of block %d hold values that are no numbers", index);
    return LOP_OK;
}

lop_status lop_run_pass_loss(lop_run *run, int32_t index, double *loss)
{
    const lop_watch watch = {.last_needed = true};
    LOP_TRY(lop_mat_zero(&run->queue, run->mats.loss));
    for (int32_t i = 0; i < run->input.count; i++) {
        const lop_mat x = batch_x(run, i);
        LOP_TRY(batch_forward(run, i, x, &watch));
        LOP_TRY(loss_add(run, i, x));
    }
    return loss_take(run, index, loss);
}

lop_status lop_run_pass_pruned(lop_run *run, int32_t index, double *loss)
{
    const bool last = index + 1 == run->net.config->blocks, measures = loss != NULL;
    const bool moves = !last && (!run->options.dense_stream || measures);
    const lop_watch watch = {.last_needed = true};
    if (!measures && !moves) return LOP_OK;
    LOP_TRY(lop_mat_zero(&run->queue, run->mats.wrong));
    LOP_TRY(lop_mat_zero(&run->queue, run->mats.loss));
    for (int32_t i = 0; i < run->input.count; i++) {
        const lop_mat x = batch_x(run, i);
        LOP_TRY(batch_forward(run, i, x, &watch));
        if (measures) LOP_TRY(loss_add(run, i, x));
        if (moves && run->options.dense_stream) LOP_TRY(lop_stream_load(&run->queue, &run->dense, i, x));
        if (moves) LOP_TRY(stream_put(run, i, x));
        tell(run, index, 0.5 + 0.5 * (i + 1) / run->input.count);
    }
    LOP_TRY(wrong_check(run, "the outputs", index));
    return measures ? loss_take(run, index, loss) : LOP_OK;
}

lop_status lop_run_pass_replay(lop_run *run, int32_t index)
{
    const lop_watch watch = {.last_needed = true};
    if (index + 1 == run->net.config->blocks) return LOP_OK;
    LOP_TRY(lop_mat_zero(&run->queue, run->mats.wrong));
    for (int32_t i = 0; i < run->input.count; i++) {
        const lop_mat x = batch_x(run, i);
        LOP_TRY(batch_forward(run, i, x, &watch));
        LOP_TRY(stream_put(run, i, x));
        tell(run, index, (double)(i + 1) / run->input.count);
    }
    return wrong_check(run, "the outputs", index);
}
