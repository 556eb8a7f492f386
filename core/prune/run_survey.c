/* run_survey.c - before the first block is pruned, the units of all are scored where the dense model has them: what competes
 * over blocks is decided on at once. A resumed run scores again, with the same result. */
#include "core/prune/run_parts.h"

static lop_status survey_block(lop_run *run, int32_t index)
{
    lop_prune_block all;
    LOP_TRY(lop_log_check_stop(run->call->log));
    LOP_TRY(lop_run_identity_look(run));
    LOP_TRY(lop_run_load(run, 1));
    LOP_TRY(lop_run_count_begin(run));
    if (run->need.survey != 0) LOP_TRY(lop_run_pass_survey(run));
    LOP_TRY(lop_run_count_look(run, index, NULL));
    lop_run_choose(run, index, &all);
    const lop_status status = run->method->units->score(&all);
    if (status != LOP_OK) lop_note("while scoring block %d with %s", index, run->method->name);
    return status;
}

lop_status lop_run_survey(lop_run *run)
{
    const double from = lop_clock_seconds();
    const int32_t blocks = run->net.config->blocks;
    lop_status status = LOP_OK;
    LOP_TRY(lop_run_reader_open(run, 0, blocks, true));
    if (run->need.survey != 0) LOP_TRY_DONE(lop_run_embed(run));
    for (int32_t b = 0; b < blocks; b++) {
        LOP_TRY_DONE(survey_block(run, b));
        lop_log_progress(run->call->log, "blocks scored", b + 1, blocks);
    }
    LOP_TRY_DONE(lop_units_settle(&run->structure, 0, blocks));
    LOP_TRY_DONE(lop_queue_wait(&run->queue));
    run->seconds.calibrate += lop_clock_seconds() - from;
done:
    if (status != LOP_OK) lop_queue_settle(&run->queue);
    lop_reader_close(run->reader);
    run->reader = NULL;
    return status;
}
