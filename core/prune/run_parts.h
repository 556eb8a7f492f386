/* run_parts.h - a run as its parts see it. Internal to core/prune/run*.c.
 *
 * Letters: N calibration windows of S tokens, F windows of one forward call, C hidden width. */
#ifndef LOP_CORE_PRUNE_RUN_PARTS_H
#define LOP_CORE_PRUNE_RUN_PARTS_H

#include "core/base/clock.h"
#include "core/io/output.h"
#include "core/model/walk.h"
#include "core/prune/calibrate.h"
#include "core/prune/choose.h"
#include "core/prune/report.h"
#include "core/prune/run.h"
#include "core/prune/stream.h"
#include "core/prune/writer.h"

typedef struct lop_run_options {
    int32_t forward_batch;
    bool dense_stream;            /* --propagate dense: blocks see what the dense model would give them */
    bool loss_before, loss_after; /* only with calibration windows */
    bool save_masks, force, resume, dtype_given;
    lop_dtype dtype;
} lop_run_options;

/* What lies on the device for the whole run. */
typedef struct lop_run_mats {
    lop_block block;      /* the one at work */
    lop_block dense;      /* its dense weights, kept while magnitude is tried; only with loss_before */
    lop_mat x;            /* (F S, C) f32: the residual stream of one forward call */
    lop_mat row_sum;      /* (F S, 1) f32: scratch of sums over rows */
    lop_mat row_count;    /* (F S, 1) u32: scratch of counts over rows */
    lop_mat loss;         /* (1, 1) f64 */
    lop_mat wrong;        /* (1, 1) i64: values that are no numbers */
    lop_mat zeros;        /* (2, LOP_LINEAR_COUNT) i64: zeros of each linear before and after */
    lop_mat linear_count; /* (the most rows of a linear, 1) u32: scratch of counts over them */
    lop_mat keep[LOP_LINEAR_COUNT];
    lop_statistics statistics;
} lop_run_mats;

typedef struct lop_run {
    const lop_prune_call *call;
    const lop_method *method;
    lop_run_options options;
    lop_target target;
    lop_net net;
    lop_choice choice;
    lop_calibration calibration;
    char model_sha256[LOP_SHA256_TEXT], fingerprint_sha256[LOP_SHA256_TEXT];
    lop_comm self, *comm;

    lop_output *output;
    int32_t done;    /* blocks that an earlier run wrote */
    lop_masks masks; /* only with save_masks */
    lop_writer *writer;

    lop_type word; /* of weights on the device */
    lop_queue queue;
    lop_arena *arena;
    lop_run_mats mats;
    lop_forward *forward;
    lop_reader *reader;
    lop_stream input; /* of the block at work, in the word of weights */
    lop_stream dense; /* the dense block's output, f32: what losses are held against */

    json_t *blocks; /* of the report */
    lop_report_seconds seconds;
    double began;
} lop_run;

/* True if the run feeds calibration windows through blocks at all. */
bool lop_run_forwards(const lop_run *run);

/* Options and what follows from headers alone (run_options.c): nothing is computed or written. */
LOP_CHECKED lop_status lop_run_prepare(lop_run *run, const lop_prune_call *call);

/* The settings as JSON, with defaults in place; `all`: also those that only say where things lie. */
LOP_CHECKED lop_status lop_run_settings(const lop_run *run, bool all, json_t **out);

/* What a resumed run must have in common with the one it goes on with (run_resume.c). *out: JSON text, lop_free. */
LOP_CHECKED lop_status lop_run_fingerprint(const lop_run *run, char **out);

/* True if the folder to be written holds, sealed, the report of this very run: it ended, or died behind its last act
 * (run_resume.c). */
LOP_CHECKED lop_status lop_run_is_finished(const lop_run *run, bool *out);

/* The source of blocks that are already written: their pruned weights (run_resume.c). */
lop_source lop_run_written_source(lop_run *run);

/* Takes the report's blocks from the journal (run_resume.c). */
LOP_CHECKED lop_status lop_run_take_journal(lop_run *run);

/* Where everything of the run lies, placed or only measured (run_memory.c). arena and streams of `run` are opened;
 * `device` NULL: measure. */
typedef struct lop_run_bytes {
    uint64_t device, host; /* at the peak */
    uint64_t weights,
        activations; /* of which on the device: one block and its scratch; the stream of hidden states */
    uint64_t arena;  /* of which in run->arena */
} lop_run_bytes;
LOP_CHECKED lop_status lop_run_place(lop_run *run, lop_device *device, lop_place place, size_t arena_bytes);
void lop_run_unplace(lop_run *run);
LOP_CHECKED lop_status lop_run_measure(const lop_run *run, lop_place place, lop_run_bytes *out);

/* Where hidden states lie under the budgets. LOP_E_DEVICE_MEMORY, LOP_E_MEMORY: the smallest budget that would do. */
LOP_CHECKED lop_status lop_run_fit(const lop_run *run, lop_place *out, lop_run_bytes *used);

/* The most bytes that values and bits of a block take while they are written. */
size_t lop_run_job_bytes(const lop_run *run);

/* The passes of calibration windows through run->mats.block (run_pass.c). */
LOP_CHECKED lop_status lop_run_embed(lop_run *run);
LOP_CHECKED lop_status lop_run_pass_dense(lop_run *run, int32_t index);
LOP_CHECKED lop_status lop_run_pass_pruned(lop_run *run, int32_t index, double *loss);
LOP_CHECKED lop_status lop_run_pass_loss(lop_run *run, int32_t index, double *loss); /* measures only */
LOP_CHECKED lop_status lop_run_pass_replay(lop_run *run, int32_t index);             /* propagates only */

/* Masks, rounding, counts and the way to the host (run_apply.c). */
lop_type lop_run_type(lop_dtype dtype);                                     /* of F32, F16, BF16 */
LOP_CHECKED lop_status lop_run_round(lop_run *run, lop_mat m, lop_type as); /* m to `as` and back, in place */
LOP_CHECKED lop_status lop_run_count_before(lop_run *run);
LOP_CHECKED lop_status lop_run_round_rest(lop_run *run, int32_t index, bool linears);
LOP_CHECKED lop_status lop_run_apply(lop_run *run, const lop_prune_block *chosen, lop_job *job);

/* One block: computed, or replayed from what is written (run_block.c). An event tells each of its states: "computed",
 * "written" (with its line in the journal, so that no later run computes it again), "replayed". */
LOP_CHECKED lop_status lop_run_tell(const lop_run *run, int32_t index, const char *state);
LOP_CHECKED lop_status lop_run_compute(lop_run *run, int32_t index);
LOP_CHECKED lop_status lop_run_replay(lop_run *run, int32_t index);

/* What no method touches is copied before anything is computed: a weight that is no number is found now, not hours
 * later (run_finish.c). */
LOP_CHECKED lop_status lop_run_copy_untouched(lop_run *run);

/* The report of a finished run, and the folder published (run_finish.c). */
LOP_CHECKED lop_status lop_run_finish(lop_run *run, char **report);

#endif
