/* run_count.c - what is counted and measured while a block goes by: zeros, weights beyond their type, activations that are
 * no numbers, losses. All of it stays on the device until it is looked at, so that no pass waits for the host. */
#include "core/prune/run_parts.h"

#include <math.h>

lop_status lop_run_count_begin(lop_run *run)
{
    LOP_TRY(lop_mat_zero(&run->queue, run->mats.count));
    return lop_mat_zero(&run->queue, run->mats.loss);
}

static lop_mat count_at(const lop_run *run, int row, int32_t col)
{
    return lop_mat_cols(lop_mat_rows(run->mats.count, run->at * LOP_COUNT_ROWS + row, 1), col, 1);
}

lop_status lop_run_count_zeros(lop_run *run, int row)
{
    const lop_block *b = run->block;
    for (int32_t i = 0; i < b->count; i++) {
        const lop_mat w = b->linears[i].w;
        LOP_TRY(lop_count_zero(&run->queue, w, lop_mat_rows(run->mats.linear_count, 0, w.rows),
                               count_at(run, row, i)));
    }
    return LOP_OK;
}

lop_status lop_run_count_range(lop_run *run, int32_t linear, lop_mat rounded)
{
    return lop_count_not_finite(&run->queue, rounded, lop_mat_rows(run->mats.linear_count, 0, rounded.rows),
                                count_at(run, LOP_COUNT_RANGE, linear));
}

lop_status lop_run_count_wrong(lop_run *run, int what, lop_mat x)
{
    return lop_count_not_finite(&run->queue, x, lop_mat_rows(run->mats.row_count, 0, x.rows),
                                count_at(run, LOP_COUNT_WRONG, what));
}

/* A weight beyond the range of the type it is written in would be read back as infinite. */
static lop_status range_check(const lop_run *run, int32_t index, const int64_t *count)
{
    for (int32_t i = 0; i < run->mats.blocks[0].count; i++) {
        if (count[i] == 0) continue;
        const lop_tensor *t = run->net.blocks[index].linear[run->mats.blocks[0].linears[i].id].weight;
        return LOP_FAIL(
            LOP_E_NUMERIC, "%lld weights of %s leave the range of %s: write it as bf16 or f32 (--dtype)",
            (long long)count[i], t->name, lop_type_name(lop_run_type(lop_run_written_as(run, t))));
    }
    return LOP_OK;
}

/* Before block 0 stand the embeddings. */
static lop_status wrong_check(int32_t index, const int64_t *count)
{
    static const char *const what[] = {
        [LOP_WRONG_INPUTS] = "the activations", [LOP_WRONG_OUTPUTS] = "the outputs"};
    for (size_t i = 0; i < sizeof what / sizeof what[0]; i++)
        if (count[i] != 0)
            return LOP_FAIL(
                LOP_E_NUMERIC,
                "%s%s block %d hold %lld values that are NaN or infinite: the model overflows its "
                "type or is damaged",
                index < 0 ? "the embeddings before" : what[i], index < 0 ? "" : " of", index < 0 ? 0 : index,
                (long long)count[i]);
    return LOP_OK;
}

/* Mean squared errors per element of the block's output. */
static lop_status losses_take(lop_run *run, int32_t index, double loss[LOP_LOSSES])
{
    const bool wanted[LOP_LOSSES] = {run->options.loss_before, run->options.loss_after};
    float sums[LOP_LOSSES][2] = {{0.0f}};
    const double elements =
        (double)run->calibration.windows * run->calibration.seqlen * (double)run->net.config->hidden;
    const lop_mat measured = lop_mat_rows(run->mats.loss, run->at, 1);
    if (wanted[LOP_LOSS_BEFORE] || wanted[LOP_LOSS_AFTER]) {
        LOP_TRY(lop_comm_all_sum(run->comm, &run->queue, measured));
        LOP_TRY(lop_download(&run->queue, measured, sums));
    }
    for (int i = 0; i < LOP_LOSSES; i++) {
        loss[i] = wanted[i] ? lop_sum_value(sums[i]) / elements : -1.0;
        if (!isfinite(loss[i]))
            return LOP_FAIL(LOP_E_NUMERIC, "the outputs of block %d hold values that are no numbers", index);
    }
    return LOP_OK;
}

lop_status lop_run_count_look(lop_run *run, int32_t index, lop_run_counts *out)
{
    lop_run_counts counts = {.loss = {-1.0, -1.0}};
    const lop_mat counted = lop_mat_rows(run->mats.count, run->at * LOP_COUNT_ROWS, LOP_COUNT_ROWS);
    LOP_TRY(lop_download(&run->queue, counted, counts.at));
    LOP_TRY(range_check(run, index, counts.at[LOP_COUNT_RANGE]));
    LOP_TRY(wrong_check(index, counts.at[LOP_COUNT_WRONG]));
    if (out == NULL) return LOP_OK;
    LOP_TRY(losses_take(run, index, counts.loss));
    *out = counts;
    return LOP_OK;
}
