/* run.c - a prune from beginning to end: prepared, opened, walked block by block, finished, closed. */
#include "core/prune/run_parts.h"

#include "core/base/file.h"
#include "core/base/memory.h"

static lop_status output_open(lop_run *run)
{
    char *fingerprint = NULL;
    lop_status status = LOP_OK;
    bool finished = false;
    if (run->options.resume) {
        const atomic_bool *stop = run->call->log != NULL ? &run->call->log->stop : NULL;
        LOP_TRY_DONE(lop_run_identify(run, stop, &fingerprint));
        LOP_TRY_DONE(lop_run_is_finished(run, &finished));
    }
    const lop_output_plan plan = {.source = run->call->model,
                                  .folder = run->call->save,
                                  .dtype_given = run->options.dtype_given,
                                  .dtype = run->options.dtype,
                                  .fingerprint = fingerprint,
                                  .force = run->options.force,
                                  .resume = run->options.resume,
                                  .finished = finished,
                                  .digests = true};
    LOP_TRY_DONE(lop_output_open(&plan, &run->output));
    if (fingerprint == NULL) status = lop_run_identity_start(run);
done:
    lop_free(fingerprint);
    return status;
}

static lop_status masks_plan(lop_run *run)
{
    lop_mask_entry *entries = NULL;
    int32_t count = 0;
    LOP_TRY(LOP_NEW(&entries, run->choice.blocks * LOP_LINEAR_COUNT));
    for (int32_t b = 0; b < run->choice.blocks; b++)
        for (int i = 0; i < LOP_LINEAR_COUNT; i++) {
            const lop_linear_file *l = &run->net.blocks[b].linear[i];
            if (!lop_choice_takes(&run->choice, &run->net, b, (lop_linear_id)i)) continue;
            entries[count++] =
                (lop_mask_entry){.name = (char *)(uintptr_t)l->weight->name, .rows = l->out, .cols = l->in};
        }
    const lop_status status = lop_masks_plan(entries, count, &run->masks);
    lop_free(entries);
    return status;
}

static lop_status masks_open(lop_run *run)
{
    char *path = NULL;
    LOP_TRY(masks_plan(run));
    LOP_TRY(lop_output_work_path(run->output, LOP_MASKS_NAME, true, &path));
    const lop_status status = lop_masks_create(&run->masks, path);
    lop_free(path);
    return status;
}

/* Everything that computing needs, and nothing when there is nothing left to compute. */
static lop_status machine_open(lop_run *run)
{
    lop_device *device = run->call->device;
    LOP_TRY(lop_queue_open(device, &run->queue));
    LOP_TRY(lop_run_place(run, device, run->place, (size_t)run->bytes.arena));
    if (lop_run_forwards(run))
        LOP_TRY(lop_forward_open_back(&run->net, device, run->word, run->options.forward_batch,
                                      run->calibration.seqlen, lop_run_learns(run) ? run->need.windows : 0,
                                      &run->forward));
    return LOP_OK;
}

lop_status lop_run_reader_open(lop_run *run, int32_t first, int32_t end, bool dense)
{
    const lop_source source = lop_run_written_source(run);
    const lop_reader_plan plan = {.net = &run->net,
                                  .device = run->call->device,
                                  .source = dense ? NULL : &source,
                                  .first = first,
                                  .end = end,
                                  .blocks = run->mats.blocks,
                                  .count = run->need.span + 1,
                                  .held = run->need.span};
    return lop_reader_open(&plan, &run->reader);
}

/* Reads what is walked: from the blocks on that are to be computed, or from the first one on, of which those that are
 * written come as they were written unless dense ones are to be gone through. */
static lop_status walk_open(lop_run *run)
{
    return lop_run_reader_open(run, lop_run_walks(run) ? 0 : run->done, run->net.config->blocks,
                               run->done == 0 || run->options.dense_stream);
}

/* The stream of the dense model goes ahead through the blocks that are written: their dense weights are read once more. */
static lop_status dense_stream_lead(lop_run *run)
{
    lop_status status = LOP_OK;
    for (int32_t b = 0; status == LOP_OK && b < run->done; b++) status = lop_run_lead(run, b);
    if (status == LOP_OK) status = lop_queue_wait(&run->queue);
    lop_reader_close(run->reader);
    run->reader = NULL;
    return status == LOP_OK ? walk_open(run) : status;
}

static lop_status blocks_walk(lop_run *run)
{
    const int32_t blocks = run->net.config->blocks, done = run->done;
    const bool replays = lop_run_walks(run), leads = lop_run_has_dense_stream(run) && done > 0;
    if (done == blocks) return LOP_OK;
    LOP_TRY(machine_open(run));
    if (run->need.surveys) LOP_TRY(lop_run_survey(run));
    LOP_TRY(leads ? lop_run_reader_open(run, 0, done, true) : walk_open(run));
    const double from = lop_clock_seconds();
    if (replays) LOP_TRY(lop_run_embed(run));
    if (leads) LOP_TRY(dense_stream_lead(run));
    run->seconds.calibrate += lop_clock_seconds() - from;
    for (int32_t b = replays ? 0 : done, n; b < blocks; b += n) {
        n = lop_run_span(run, b);
        LOP_TRY(b < done ? lop_run_replay(run, b, n) : lop_run_compute(run, b, n));
    }
    return LOP_OK;
}

/* A run that was stopped while it published is finished by opening it: only its report is left to be read. */
static lop_status report_read(const lop_run *run, char **report)
{
    char *path = NULL;
    size_t size = 0;
    lop_log_say(run->call->log, LOP_EVENT_NOTE, "%s was complete: nothing was computed", run->call->save);
    LOP_TRY(lop_path_join(run->call->save, LOP_REPORT_NAME, &path));
    const lop_status status = lop_file_read(path, LOP_REPORT_MOST, report, &size);
    lop_free(path);
    return status;
}

static lop_status run_open(lop_run *run, const lop_prune_call *call)
{
    LOP_TRY(lop_run_prepare(run, call));
    LOP_TRY(lop_run_fit(run, &run->place,
                        &run->bytes)); /* before anything is written, or another thread at work */
    LOP_TRY(output_open(run));
    if (lop_output_published(run->output)) return LOP_OK;
    LOP_TRY(lop_run_take_journal(run));
    if (run->options.save_masks) LOP_TRY(masks_open(run));
    const lop_writer_plan writer = {.output = run->output,
                                    .masks = run->options.save_masks ? &run->masks : NULL,
                                    .device = call->device,
                                    .room = lop_run_job_bytes(run),
                                    .first = lop_run_copy_untouched,
                                    .user = run};
    return lop_writer_open(&writer, &run->writer);
}

/* True if there is no use in going on later: what failed will fail again, or no block was finished. */
static bool is_lost(const lop_run *run, lop_status status)
{
    const bool again = status == LOP_E_ARGUMENT || status == LOP_E_FORMAT || status == LOP_E_UNSUPPORTED ||
                       status == LOP_E_NUMERIC;
    const bool empty = run->output != NULL && lop_output_committed(run->output) == 0;
    return status != LOP_OK && (again || empty);
}

/* What the writer has under way becomes part of the journal, and what is held back until the run is identified, so that a
 * stopped run loses little. The device fills the writer's memory: its queue ends first. */
static void run_close(lop_run *run, lop_status status)
{
    lop_error_record record;
    lop_error_save(&record);
    if (run->queue.device != NULL && lop_queue_wait(&run->queue) != LOP_OK) lop_error_clear();
    lop_writer_close(run->writer);
    const bool lost = is_lost(run, status);
    if (run->output != NULL) lop_run_identity_close(run, !lost);
    lop_reader_close(run->reader);
    lop_forward_close(run->forward);
    if (run->queue.device != NULL) lop_queue_close(&run->queue);
    lop_run_unplace(run);
    lop_masks_close(&run->masks);
    if (lost) lop_output_discard(run->output);
    lop_output_close(run->output);
    for (int32_t k = 0; k < LOP_SPAN_MOST; k++) json_decref(run->learned[k]);
    json_decref(run->lines);
    json_decref(run->blocks);
    lop_calibration_close(&run->calibration);
    lop_units_close(&run->structure);
    lop_choice_close(&run->choice);
    lop_net_close(&run->net);
    lop_comm_close(&run->self);
    lop_error_restore(&record);
}

lop_status lop_prune_run(const lop_prune_call *call, char **report)
{
    lop_status status = LOP_OK;
    lop_run *run = NULL;
    *report = NULL;
    LOP_TRY(LOP_NEW(&run, 1));
    LOP_TRY_DONE(run_open(run, call));
    if (lop_output_published(run->output)) {
        status = report_read(run, report);
        goto done;
    }
    LOP_TRY_DONE(blocks_walk(run));
    LOP_TRY_DONE(lop_run_finish(run, report));
done:
    run_close(run, status);
    lop_free(run);
    if (status != LOP_OK) {
        lop_free(*report);
        *report = NULL;
    }
    return status;
}
