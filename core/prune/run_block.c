/* run_block.c - one block from its dense weights to what is written, or replayed from what was written before. */
#include "core/prune/run_parts.h"

#include "core/base/text.h"

lop_status lop_run_tell(const lop_run *run, int32_t index, const char *state)
{
    lop_string json = {0}, text = {0};
    lop_status status = LOP_OK;
    LOP_TRY_DONE(lop_string_print(&json, "{\"event\":\"block\",\"index\":%d,\"of\":%d,\"state\":\"%s\"}",
                                  index, run->net.config->blocks, state));
    LOP_TRY_DONE(lop_string_print(&text, "block %d of %d %s", index + 1, run->net.config->blocks, state));
    lop_log_stage(run->call->log, json.at, text.at);
done:
    lop_string_close(&text);
    lop_string_close(&json);
    return status;
}

static lop_status block_done(const lop_run *run, int32_t index, const char *state)
{
    LOP_TRY(lop_run_tell(run, index, state));
    lop_log_progress(run->call->log, "blocks", index + 1, run->net.config->blocks);
    return LOP_OK;
}

static lop_status load(lop_run *run)
{
    const double from = lop_clock_seconds();
    const lop_status status = lop_reader_take(run->reader, &run->queue, &run->block);
    run->seconds.load += lop_clock_seconds() - from;
    return status;
}

void lop_run_choose(lop_run *run, int32_t index, lop_prune_block *out)
{
    lop_run_mats *m = &run->mats;
    const bool statistics = (run->need.what & LOP_NEED_COLSUM_SQ) != 0;
    run->learning = (lop_learning){.block = run->block,
                                   .spare = &m->other,
                                   .forward = run->forward,
                                   .tape = &m->tape,
                                   .input = &run->input,
                                   .want = &run->dense,
                                   .middle = &run->middle,
                                   .x = m->x,
                                   .windows = run->need.windows,
                                   .tokens = run->calibration.seqlen};
    *out = (lop_prune_block){.index = index,
                             .learning = lop_run_learns(run) ? &run->learning : NULL,
                             .queue = &run->queue,
                             .arena = run->arena,
                             .settings = run->call->settings,
                             .log = run->call->log};
    for (int32_t i = 0; i < run->block->count; i++) {
        const lop_linear_view *view = &run->block->linears[i];
        if (index >= 0 && !lop_choice_takes(&run->choice, &run->net, index, view->id)) continue;
        out->linears[out->count++] =
            (lop_prune_linear){.view = view,
                               .target = run->target,
                               .colsum_sq = statistics ? m->statistics.colsum_sq[view->input] : LOP_NONE,
                               .gram = m->statistics.gram[view->input],
                               .keep = m->keep[i],
                               .grid = m->grid[i]};
    }
}

/* The loss that magnitude's ranks would leave at the same target. The weights are as before afterwards. */
static lop_status loss_of_magnitude(lop_run *run, const lop_prune_block *chosen)
{
    lop_prune_block trial = *chosen;
    trial.settings = NULL;
    LOP_TRY(lop_block_copy_linears(&run->queue, run->block, &run->mats.other));
    LOP_TRY(lop_method_magnitude.block(&trial));
    for (int32_t i = 0; i < trial.count; i++)
        LOP_TRY(lop_zero_dropped(&run->queue, trial.linears[i].keep, trial.linears[i].view->w));
    LOP_TRY(lop_run_pass_loss(run));
    return lop_block_copy_linears(&run->queue, &run->mats.other, run->block);
}

static lop_status decide(lop_run *run, int32_t index, lop_prune_block *chosen)
{
    lop_run_choose(run, index, chosen);
    json_decref(run->learned);
    run->learned = chosen->learned = json_object();
    if (run->learned == NULL) return LOP_FAIL(LOP_E_MEMORY, "there is no memory for the report");
    if (run->options.loss_before) LOP_TRY(loss_of_magnitude(run, chosen));
    const lop_status status = run->method->block(chosen);
    if (status != LOP_OK) lop_note("while pruning block %d with %s", index, run->method->name);
    return status;
}

/* Blocks become written in order. */
lop_status lop_run_tell_written(lop_run *run)
{
    const int32_t done = lop_output_done(run->output);
    for (; run->told < done; run->told++) LOP_TRY(lop_run_tell(run, run->told, "written"));
    return LOP_OK;
}

/* The block's report takes its place in run->blocks; the writer adds to it. Waits until the block before the last is
 * written. */
static lop_status job_begin(lop_run *run, int32_t index, lop_job **out)
{
    const double from = lop_clock_seconds();
    LOP_TRY(lop_writer_job(run->writer, out));
    const double waited = lop_clock_seconds() - from;
    run->seconds.write += waited;
    run->seconds.learn -= waited; /* it stands in the middle of that */
    LOP_TRY(lop_run_tell_written(run));
    LOP_TRY(lop_report_block_json(index, 0.0, -1.0, -1.0, &(*out)->line));
    if (json_array_append_new(run->blocks, (*out)->line) == 0) return LOP_OK;
    return LOP_FAIL(LOP_E_MEMORY, "there is no memory for the report");
}

static lop_status hand_over(lop_run *run, int32_t index, double from, const lop_run_counts *counts,
                            lop_job *job)
{
    const double before = counts->loss[LOP_LOSS_BEFORE], after = counts->loss[LOP_LOSS_AFTER];
    LOP_TRY(lop_run_lines(run, counts, job));
    LOP_TRY(lop_json_put(job->line, "loss_before", before >= 0 ? json_real(before) : json_null()));
    LOP_TRY(lop_json_put(job->line, "loss_after", after >= 0 ? json_real(after) : json_null()));
    if (json_object_size(run->learned) > 0)
        LOP_TRY(lop_json_put(job->line, "learn", json_incref(run->learned)));
    LOP_TRY(lop_json_put(job->line, "seconds", json_real(lop_clock_seconds() - from)));
    atomic_store(&run->handed_over, true);
    lop_writer_submit(run->writer);
    return block_done(run, index, "computed");
}

/* The host waits for the device twice: for what the method decides on, and at the end. */
lop_status lop_run_compute(lop_run *run, int32_t index)
{
    const double from = lop_clock_seconds();
    lop_prune_block chosen;
    lop_run_counts counts;
    lop_job *job = NULL;
    LOP_TRY(lop_log_check_stop(run->call->log));
    LOP_TRY(lop_run_identity_look(run));
    LOP_TRY(load(run));
    LOP_TRY(lop_run_count_begin(run));
    LOP_TRY(lop_run_count_zeros(run, LOP_COUNT_BEFORE));
    const double loaded = lop_clock_seconds();
    if (lop_run_forwards(run)) LOP_TRY(lop_run_pass_dense(run, index));
    if (lop_run_has_dense_stream(run)) LOP_TRY(lop_run_pass_beside(run, index));
    LOP_TRY(lop_run_count_look(run, index, NULL));
    const double calibrated = lop_clock_seconds();
    LOP_TRY(decide(run, index, &chosen));
    LOP_TRY(job_begin(run, index, &job));
    LOP_TRY(lop_run_apply(run, &chosen, job));
    if (lop_run_forwards(run)) LOP_TRY(lop_run_pass_pruned(run, index));
    LOP_TRY(lop_run_count_look(run, index, &counts));
    const double learned = lop_clock_seconds();
    LOP_TRY(hand_over(run, index, from, &counts, job));
    run->seconds.calibrate += calibrated - loaded;
    run->seconds.learn += learned - calibrated;
    return LOP_OK;
}

lop_status lop_run_lead(lop_run *run, int32_t index)
{
    LOP_TRY(lop_log_check_stop(run->call->log));
    LOP_TRY(load(run));
    return lop_run_pass_beside(run, index);
}

lop_status lop_run_replay(lop_run *run, int32_t index)
{
    const double from = lop_clock_seconds();
    LOP_TRY(lop_log_check_stop(run->call->log));
    LOP_TRY(load(run));
    LOP_TRY(lop_run_count_begin(run));
    if (!run->options.dense_stream) LOP_TRY(lop_run_round_rest(run, index, true));
    LOP_TRY(lop_run_pass_replay(run, index));
    LOP_TRY(lop_run_count_look(run, index, NULL));
    run->seconds.calibrate += lop_clock_seconds() - from;
    return block_done(run, index, "replayed");
}
