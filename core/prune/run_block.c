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

void lop_run_turn(lop_run *run, int32_t at)
{
    run->at = at;
    run->block = run->span[at];
}

lop_status lop_run_load(lop_run *run, int32_t count)
{
    const double from = lop_clock_seconds();
    lop_status status = LOP_OK;
    run->span_count = count;
    for (int32_t k = 0; status == LOP_OK && k < count; k++)
        status = lop_reader_take(run->reader, &run->queue, &run->span[k]);
    lop_run_turn(run, 0);
    run->seconds.load += lop_clock_seconds() - from;
    return status;
}

/* Where linear `i` of a block gets another bias; absent where it does not, or no block is meant. */
static lop_mat bias_of(const lop_run *run, int32_t index, int32_t i)
{
    const bool taken = index >= 0 && lop_run_takes_bias(run, index, run->block->linears[i].id);
    return taken ? run->mats.bias[i] : LOP_NONE;
}

/* Block k of the span, as lop_run_choose has it. */
static void choose_block(lop_run *run, int32_t index, int32_t k, lop_prune_block *out)
{
    const lop_run_mats *m = &run->mats;
    const lop_statistics *statistics = &m->statistics[k];
    const bool sums = (lop_run_gathers(run) & LOP_NEED_COLSUM_SQ) != 0;
    const bool moments = (lop_run_gathers(run) & LOP_NEED_MOMENTS) != 0;
    const bool spare = (run->need.what & LOP_NEED_SPARE) != 0;
    for (int32_t i = 0; i < run->span[k]->count; i++) {
        const lop_linear_view *view = &run->span[k]->linears[i];
        if (index >= 0 && !lop_choice_takes(&run->choice, &run->net, index + k, view->id)) continue;
        out->linears[out->count++] =
            (lop_prune_linear){.view = view,
                               .block = k,
                               .target = run->target,
                               .colsum_sq = sums ? statistics->colsum_sq[view->input] : LOP_NONE,
                               .gram = statistics->gram[view->input],
                               .moments = moments ? &statistics->moments[view->input] : NULL,
                               .spare = spare ? m->other[k].linears[i].w : LOP_NONE,
                               .keep = m->keep[k][i],
                               .bias = bias_of(run, index + k, i),
                               .grid = m->grid[k][i]};
    }
}

void lop_run_choose(lop_run *run, int32_t index, lop_prune_block *out)
{
    lop_run_mats *m = &run->mats;
    run->learning = (lop_learning){.span = run->span_count,
                                   .forward = run->forward,
                                   .input = &run->input,
                                   .want = &run->dense,
                                   .middle = &run->middle,
                                   .x = m->x,
                                   .windows = run->need.windows,
                                   .tokens = run->calibration.seqlen};
    *out = (lop_prune_block){.index = index,
                             .learning = lop_run_learns(run) ? &run->learning : NULL,
                             .ffn = lop_run_keeps_ffn(run) ? &run->ffn : NULL,
                             .units = run->structure.net != NULL ? &run->structure : NULL,
                             .queue = &run->queue,
                             .arena = run->arena,
                             .settings = run->call->settings,
                             .log = run->call->log,
                             .tokens = (int64_t)run->calibration.windows * run->calibration.seqlen,
                             .again = run->span_count == 1 ? lop_run_pass_again : NULL,
                             .again_user = run};
    for (int32_t k = 0; k < run->span_count; k++) {
        run->learning.blocks[k] = (lop_learning_block){run->span[k], &m->other[k], &m->tape[k]};
        choose_block(run, index, k, out);
    }
}

/* The loss that magnitude's ranks would leave at the same target. The weights are as before afterwards. */
static lop_status loss_of_magnitude(lop_run *run, const lop_prune_block *chosen)
{
    lop_prune_block trial = *chosen;
    trial.settings = NULL;
    for (int32_t k = 0; k < run->span_count; k++)
        LOP_TRY(lop_block_copy_linears(&run->queue, run->span[k], &run->mats.other[k]));
    LOP_TRY(lop_method_magnitude.block(&trial));
    for (int32_t i = 0; i < trial.count; i++)
        LOP_TRY(lop_zero_dropped(&run->queue, trial.linears[i].keep, trial.linears[i].view->w));
    LOP_TRY(lop_run_pass_loss(run));
    for (int32_t k = 0; k < run->span_count; k++)
        LOP_TRY(lop_block_copy_linears(&run->queue, &run->mats.other[k], run->span[k]));
    return LOP_OK;
}

static lop_status decide(lop_run *run, int32_t index, lop_prune_block *chosen)
{
    lop_run_choose(run, index, chosen);
    for (int32_t k = 0; k < run->span_count; k++) {
        json_decref(run->learned[k]);
        run->learned[k] = chosen->learned[k] = json_object();
        if (run->learned[k] == NULL) return LOP_FAIL(LOP_E_MEMORY, "there is no memory for the report");
    }
    if (run->options.loss_before) LOP_TRY(loss_of_magnitude(run, chosen));
    lop_status status = run->method->block(chosen);
    if (status != LOP_OK) lop_note("while pruning block %d with %s", index, run->method->name);
    if (status != LOP_OK || run->update == NULL) return status;
    status = run->update->block(chosen);
    if (status != LOP_OK) lop_note("while updating block %d with %s", index, run->update->name);
    return status;
}

/* Spans become written in order. */
lop_status lop_run_tell_written(lop_run *run)
{
    const int32_t units = lop_output_done(run->output);
    for (; run->units < units; run->units++)
        for (int32_t left = lop_run_span(run, run->told); left > 0; left--, run->told++)
            LOP_TRY(lop_run_tell(run, run->told, "written"));
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
    LOP_TRY(lop_report_block_json(index, 0.0, -1.0, -1.0, &(*out)->block));
    if (json_array_append_new(run->blocks, (*out)->block) == 0) return LOP_OK;
    return LOP_FAIL(LOP_E_MEMORY, "there is no memory for the report");
}

/* What a learner tells; of a span also which blocks were learned together. */
static lop_status learned_put(const lop_run *run, json_t *block)
{
    json_t *learned = run->learned[run->at];
    const int first = run->span[0]->index, last = first + run->span_count - 1;
    if (json_object_size(learned) == 0) return LOP_OK;
    if (run->span_count > 1) LOP_TRY(lop_json_put(learned, "blocks", json_pack("[i, i]", first, last)));
    return lop_json_put(block, "learn", json_incref(learned));
}

/* A span is one unit of the journal: a run that dies within it computes all of it again. */
static lop_status line_put(lop_run *run, lop_job *job)
{
    if (run->span_count == 1) job->line = job->block;
    if (run->span_count == 1 || run->at + 1 < run->span_count) return LOP_OK;
    json_t *line = json_object(), *span = json_array();
    const size_t first = json_array_size(run->blocks) - (size_t)run->span_count;
    if (line == NULL || json_array_append_new(run->lines, line) != 0)
        return LOP_FAIL(LOP_E_MEMORY, "there is no memory for the journal's line");
    LOP_TRY(lop_json_put(line, LOP_JOURNAL_SPAN, span));
    for (size_t i = first; i < json_array_size(run->blocks); i++)
        if (json_array_append(span, json_array_get(run->blocks, i)) != 0)
            return LOP_FAIL(LOP_E_MEMORY, "there is no memory for the journal's line");
    job->line = line;
    return LOP_OK;
}

/* Which units stay, and the biases that go with them. */
static lop_status units_put(lop_run *run, lop_job *job)
{
    json_t *units = NULL;
    LOP_TRY(lop_units_tell(&run->structure, run->block->index, &units));
    LOP_TRY(lop_json_put(job->block, "units", units));
    return lop_run_bias_lines(run, job);
}

static lop_status hand_over(lop_run *run, double from, const lop_run_counts *counts, lop_job *job)
{
    const double before = counts->loss[LOP_LOSS_BEFORE], after = counts->loss[LOP_LOSS_AFTER];
    LOP_TRY(lop_run_lines(run, counts, job));
    if (run->structure.net != NULL) LOP_TRY(units_put(run, job));
    LOP_TRY(lop_json_put(job->block, "loss_before", before >= 0 ? json_real(before) : json_null()));
    LOP_TRY(lop_json_put(job->block, "loss_after", after >= 0 ? json_real(after) : json_null()));
    LOP_TRY(learned_put(run, job->block));
    LOP_TRY(lop_json_put(job->block, "seconds", json_real(lop_clock_seconds() - from)));
    LOP_TRY(line_put(run, job));
    if (job->line != NULL) atomic_store(&run->handed_over, true);
    lop_writer_submit(run->writer);
    return block_done(run, run->block->index, "computed");
}

/* Decided on already: applied, propagated, and on its way to the disk. */
static lop_status finish_block(lop_run *run, const lop_prune_block *chosen, double from)
{
    lop_run_counts counts;
    lop_job *job = NULL;
    LOP_TRY(job_begin(run, run->block->index, &job));
    LOP_TRY(lop_run_apply(run, chosen, job));
    if (lop_run_walks(run)) LOP_TRY(lop_run_pass_pruned(run));
    LOP_TRY(lop_run_count_look(run, run->block->index, &counts));
    return hand_over(run, from, &counts, job);
}

/* The host waits for the device, beside what the method does: for what it decides on, and at the end of each block. */
lop_status lop_run_compute(lop_run *run, int32_t index, int32_t count)
{
    double from = lop_clock_seconds();
    lop_prune_block chosen;
    LOP_TRY(lop_log_check_stop(run->call->log));
    LOP_TRY(lop_run_identity_look(run));
    LOP_TRY(lop_run_load(run, count));
    LOP_TRY(lop_run_count_begin(run));
    for (int32_t k = 0; k < count; k++) {
        lop_run_turn(run, k);
        LOP_TRY(lop_run_count_zeros(run, LOP_COUNT_BEFORE));
    }
    const double loaded = lop_clock_seconds();
    if (lop_run_walks(run)) LOP_TRY(lop_run_pass_dense(run, index));
    if (lop_run_has_dense_stream(run)) LOP_TRY(lop_run_pass_beside(run, index));
    for (int32_t k = 0; k < count; k++) {
        lop_run_turn(run, k);
        LOP_TRY(lop_run_count_look(run, index + k, NULL));
    }
    const double calibrated = lop_clock_seconds();
    LOP_TRY(decide(run, index, &chosen));
    for (int32_t k = 0; k < count; k++) {
        lop_run_turn(run, k);
        LOP_TRY(finish_block(run, &chosen, from));
        from = lop_clock_seconds();
    }
    run->seconds.calibrate += calibrated - loaded;
    run->seconds.learn += from - calibrated;
    return LOP_OK;
}

lop_status lop_run_lead(lop_run *run, int32_t index)
{
    LOP_TRY(lop_log_check_stop(run->call->log));
    LOP_TRY(lop_run_load(run, 1));
    return lop_run_pass_beside(run, index);
}

static lop_status replay(lop_run *run, int32_t index, int32_t count)
{
    const double from = lop_clock_seconds();
    LOP_TRY(lop_log_check_stop(run->call->log));
    LOP_TRY(lop_run_load(run, count));
    LOP_TRY(lop_run_count_begin(run));
    if (!run->options.dense_stream) LOP_TRY(lop_run_round_rest(run, index, true));
    LOP_TRY(lop_run_pass_replay(run, index));
    LOP_TRY(lop_run_count_look(run, index + count - 1, NULL));
    run->seconds.calibrate += lop_clock_seconds() - from;
    for (int32_t k = 0; k < count; k++) LOP_TRY(block_done(run, index + k, "replayed"));
    return LOP_OK;
}

/* What came out of each pruned block was rounded to the stream's word, and of dense ones what came out of the span. */
lop_status lop_run_replay(lop_run *run, int32_t index, int32_t count)
{
    const int32_t step = run->options.dense_stream ? count : 1;
    for (int32_t k = 0; k < count; k += step) LOP_TRY(replay(run, index + k, step));
    return LOP_OK;
}
