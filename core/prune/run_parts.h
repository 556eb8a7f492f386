/* run_parts.h - a run as its parts see it. Internal to core/prune/run*.c.
 *
 * Letters: N calibration windows of S tokens, F windows of one forward call, C hidden width. A span is what a method is
 * given at once: a block, or B neighbouring ones. */
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

#include <pthread.h>

typedef struct lop_run_options {
    int32_t forward_batch;
    bool dense_stream;            /* --propagate dense: blocks see what the dense model would give them */
    bool loss_before, loss_after; /* only with calibration windows */
    lop_quant quant;
    bool save_masks, force, resume, dtype_given;
    lop_dtype dtype;
} lop_run_options;

/* What is counted while a block goes by: rows of one matrix, a column for each linear or each kind of activations. */
enum { LOP_COUNT_BEFORE, LOP_COUNT_AFTER, LOP_COUNT_RANGE, LOP_COUNT_WRONG, LOP_COUNT_ROWS };
enum { LOP_WRONG_INPUTS, LOP_WRONG_OUTPUTS };
enum { LOP_LOSS_BEFORE, LOP_LOSS_AFTER, LOP_LOSSES };

/* What lies on the device for the whole run. */
typedef struct lop_run_mats {
    lop_block blocks[LOP_SPAN_MOST + 1]; /* the reader fills one while the others are at work */
    /* As large as those at work: their dense weights while magnitude is tried, a learner's trials. */
    lop_block other[LOP_SPAN_MOST];
    lop_tape tape[LOP_SPAN_MOST]; /* of a learner's step */
    lop_mat x;                    /* (F S, C) f32: the residual stream of one forward call */
    lop_mat want;      /* (S, C) f32: of a window what its difference is kept of; absent unless one is */
    lop_mat row_sum;   /* (F S, 1) f32: scratch of sums over rows */
    lop_mat row_count; /* (F S, 1) u32: scratch of counts over rows */
    lop_mat loss;      /* (B, 2 LOP_LOSSES) f32: of each block of a span pairs, lop_sum_value */
    /* (B LOP_COUNT_ROWS, LOP_LINEAR_COUNT) i64: of each linear the zeros before and after and what leaves the range of its
     * type; activations that are no numbers */
    lop_mat count;
    lop_mat linear_count; /* (the most rows of a linear, 1) u32: scratch of counts over them */
    lop_mat keep[LOP_SPAN_MOST][LOP_LINEAR_COUNT];
    lop_quant_grid grid[LOP_SPAN_MOST][LOP_LINEAR_COUNT]; /* of weights that are rounded to grids */
    lop_mat bias[LOP_LINEAR_COUNT]; /* (1, out) f32: biases in the place of those that units change */
    lop_statistics statistics[LOP_SPAN_MOST];
} lop_run_mats;

/* The thread that finds what the run is (run_identity.c). */
typedef struct lop_identity {
    pthread_t thread;
    bool started;
    atomic_bool stop, lost;  /* lost: `failed` is written */
    lop_error_record failed; /* code LOP_OK: nothing has */
} lop_identity;

/* What a run takes (run_memory.c). */
typedef struct lop_run_bytes {
    uint64_t device, host; /* at the peak */
    /* Of which on the device: one block and its scratch; the stream of hidden states. */
    uint64_t weights, activations;
    uint64_t arena; /* of which in run->arena */
} lop_run_bytes;

typedef struct lop_run {
    const lop_prune_call *call;
    const lop_method *method;
    const lop_update *update; /* what follows it on each block; NULL: nothing */
    lop_run_options options;
    lop_target target;
    lop_need need; /* of the method under these settings */
    lop_net net;
    lop_choice choice;
    lop_units structure; /* of a method that decides on units; net NULL: it decides on weights */
    lop_calibration calibration;
    char model_sha256[LOP_SHA256_TEXT], fingerprint_sha256[LOP_SHA256_TEXT];
    lop_comm self, *comm;

    lop_output *output;
    lop_identity identity;
    int32_t done;    /* blocks that an earlier run wrote */
    int32_t told;    /* blocks of which it was told that they are written, those included */
    int32_t units;   /* of the journal that they are: spans */
    lop_masks masks; /* only with save_masks */
    lop_writer *writer;

    lop_ffn_places
        place; /* of hidden states, the feed-forward's among them, and of what is as wide as it inside */
    lop_run_bytes bytes; /* that it takes */
    lop_type word;       /* of weights on the device */
    lop_queue queue;
    lop_arena *arena;
    lop_run_mats mats;
    lop_block *span[LOP_SPAN_MOST]; /* those at work, of mats.blocks */
    int32_t span_count;
    int32_t at;       /* of the span: whose turn it is */
    lop_block *block; /* that one */
    lop_forward *forward;
    lop_learning learning; /* of the span at work */
    lop_reader *reader;
    lop_stream input; /* of the span at work, later of its block whose turn it is, in the word of weights */
    /* f32, or above the input (lop_run_keeps_added): between the halves of the block that makes `dense`, where a learner
     * wants it; or between the blocks of a span that do, where losses are measured */
    lop_stream middle;
    /* f32, or above the input: what the dense span makes of the input, which losses are held against; or the stream that
     * goes through dense blocks alone */
    lop_stream dense;
    lop_ffn ffn; /* of the block at work, where the method needs it */

    json_t *blocks;                 /* of the report */
    json_t *lines;                  /* of the journal, where they are not of one block each */
    json_t *learned[LOP_SPAN_MOST]; /* what the method tells of those at work; NULL: none is */
    lop_report_seconds seconds;
    atomic_bool handed_over; /* a block stands behind the writer's first job: it is worth ending */
    double began;
} lop_run;

/* True if the run feeds calibration windows through blocks at all; and while it prunes them, not only before. If its method
 * learns from them, and towards a stream that goes through dense blocks alone; and if what the dense block makes of them is
 * kept. */
bool lop_run_forwards(const lop_run *run);
bool lop_run_walks(const lop_run *run);
bool lop_run_learns(const lop_run *run);
bool lop_run_has_dense_stream(const lop_run *run);
bool lop_run_keeps_dense(const lop_run *run);
bool lop_run_keeps_between(const lop_run *run); /* what dense blocks make within a span */
bool lop_run_keeps_ffn(const lop_run *run);     /* what enters feed-forward halves */

/* True if that is kept as what the block adds to its input, in the word of weights: f32 would be twice the bytes, and the
 * largest thing on the device. Of a block that learns on its own, for what is rounded of the addition is no more than
 * arithmetic in that word rounds on the way to it; elsewhere the input may be gone by the last use, or a stream goes on from
 * it. */
bool lop_run_keeps_added(const lop_run *run);

/* Blocks of the span that begins with block `first`. Those of which nothing is pruned stand alone. */
int32_t lop_run_span(const lop_run *run, int32_t first);

/* All that the method is given of statistics, before it prunes or while it does: LOP_NEED_... */
uint32_t lop_run_gathers(const lop_run *run);

/* Whether a linear's bias is written anew, and whether anybody writes a tensor anew. */
bool lop_run_takes_bias(const lop_run *run, int32_t block, lop_linear_id id);
bool lop_run_changes(const lop_run *run, const lop_tensor *t);

/* The next blocks from the reader, as a span (run_block.c). */
LOP_CHECKED lop_status lop_run_load(lop_run *run, int32_t count);

/* Reads blocks [first, end), `dense` or as they are written where they are (run.c). */
LOP_CHECKED lop_status lop_run_reader_open(lop_run *run, int32_t first, int32_t end, bool dense);

/* The method scores the units of every block of the dense model, and decides on all (run_survey.c). */
LOP_CHECKED lop_status lop_run_survey(lop_run *run);

/* Whose turn it is of the span at work. */
void lop_run_turn(lop_run *run, int32_t at);

/* Options and what follows from headers alone (run_options.c): nothing is computed or written. */
LOP_CHECKED lop_status lop_run_prepare(lop_run *run, const lop_prune_call *call);

/* The settings as JSON, with defaults in place; `all`: also those that only say where things lie. */
LOP_CHECKED lop_status lop_run_settings(const lop_run *run, bool all, json_t **out);

/* The key of a journal's line that is of several blocks: a list of their reports. */
#define LOP_JOURNAL_SPAN "span"

/* What a resumed run must have in common with the one it goes on with (run_resume.c). *out: JSON text, lop_free. */
LOP_CHECKED lop_status lop_run_fingerprint(const lop_run *run, char **out);

/* Reads the whole model for its digest, and the fingerprint with it (run_identity.c): at once, or in a thread that tells
 * the output. Closing waits for that thread when lines are held back for it and `wanted`, else it is stopped. */
LOP_CHECKED lop_status lop_run_identify(lop_run *run, const atomic_bool *stop, char **fingerprint);
LOP_CHECKED lop_status lop_run_identity_start(lop_run *run);
LOP_CHECKED lop_status lop_run_identity_wait(lop_run *run);
LOP_CHECKED lop_status lop_run_identity_look(lop_run *run); /* what has failed by now; does not wait */
void lop_run_identity_close(lop_run *run, bool wanted);

/* True if the folder to be written holds, sealed, the report of this very run: it ended, or died behind its last act
 * (run_resume.c). */
LOP_CHECKED lop_status lop_run_is_finished(const lop_run *run, bool *out);

/* The source of blocks that are already written: their pruned weights (run_resume.c). */
lop_source lop_run_written_source(lop_run *run);

/* Takes the report's blocks from the journal (run_resume.c). */
LOP_CHECKED lop_status lop_run_take_journal(lop_run *run);

/* Where everything of the run lies, placed or only measured (run_memory.c). arena and streams of `run` are opened;
 * `device` NULL: measure. */
LOP_CHECKED lop_status lop_run_place(lop_run *run, lop_device *device, lop_ffn_places place,
                                     size_t arena_bytes);
void lop_run_unplace(lop_run *run);
LOP_CHECKED lop_status lop_run_measure(const lop_run *run, lop_ffn_places place, lop_run_bytes *out);

/* Where hidden states lie under the budgets. LOP_E_DEVICE_MEMORY, LOP_E_MEMORY: the bytes that it takes at least. */
LOP_CHECKED lop_status lop_run_fit(const lop_run *run, lop_ffn_places *out, lop_run_bytes *used);

/* The most bytes that values and bits of a block take while they are written. */
size_t lop_run_job_bytes(const lop_run *run);

/* The passes of calibration windows through the span at work, whose first block is block `index`; the pruned one goes through
 * run->block alone (run_pass.c). They queue and do not wait. */
LOP_CHECKED lop_status lop_run_embed(lop_run *run); /* waits once, at its end */
LOP_CHECKED lop_status lop_run_pass_dense(lop_run *run, int32_t index);
LOP_CHECKED lop_status
lop_run_pass_survey(lop_run *run); /* statistics, and the stream goes through dense blocks */
LOP_CHECKED lop_status lop_run_pass_pruned(lop_run *run);
LOP_CHECKED lop_status lop_run_pass_beside(lop_run *run, int32_t index); /* moves the dense stream on */
LOP_CHECKED lop_status lop_run_pass_loss(lop_run *run);                  /* measures LOP_LOSS_BEFORE only */
lop_status lop_run_pass_again(const lop_prune_block *block, int32_t count, lop_input_id input);
LOP_CHECKED lop_status lop_run_pass_replay(lop_run *run, int32_t index); /* propagates only */

/* What the work on run->block counts and measures, on the device until it is looked at (run_count.c). */
typedef struct lop_run_counts {
    int64_t at[LOP_COUNT_ROWS][LOP_LINEAR_COUNT];
    double loss[LOP_LOSSES]; /* mean squared error per element; -1: not measured */
} lop_run_counts;
LOP_CHECKED lop_status lop_run_count_begin(lop_run *run); /* all 0, of the whole span */
LOP_CHECKED lop_status lop_run_count_zeros(lop_run *run, int row);
LOP_CHECKED lop_status lop_run_count_range(lop_run *run, int32_t linear, lop_mat rounded);
LOP_CHECKED lop_status lop_run_count_wrong(lop_run *run, int what, lop_mat x);

/* Waits for the queue. `out` NULL: only looks for what is wrong; index -1: the embeddings. LOP_E_NUMERIC says of which linear
 * of block `index` weights left their type's range, or which activations are no numbers. */
LOP_CHECKED lop_status lop_run_count_look(lop_run *run, int32_t index, lop_run_counts *out);

/* Masks, rounding and the way to the host (run_apply.c): queued. */
lop_type lop_run_type(lop_dtype dtype);                                     /* of F32, F16, BF16 */
LOP_CHECKED lop_status lop_run_round(lop_run *run, lop_mat m, lop_type as); /* m to `as` and back, in place */
LOP_CHECKED lop_status lop_run_round_rest(lop_run *run, int32_t index, bool linears);
LOP_CHECKED lop_status lop_run_apply(lop_run *run, const lop_prune_block *chosen, lop_job *job);

/* Weights on grids (run_quant.c). Placing; what passes by a linear at work; and a linear's weights rounded, by the method or
 * here: queued, as is `exact`, which makes of w what the file shall hold in the words of `out`. */
LOP_CHECKED lop_status lop_run_quant_place(const lop_run *run, lop_mat w, lop_quant_grid *grid);
LOP_CHECKED lop_status lop_run_quant_measure(const lop_run *run, lop_mat w, lop_type out);
LOP_CHECKED lop_status lop_run_quant_apply(lop_run *run, const lop_prune_linear *linear);
LOP_CHECKED lop_status lop_run_quant_exact(lop_run *run, const lop_quant_grid *grid, lop_mat w, lop_mat out);

/* LOP_E_ARGUMENT: groups that do not divide a linear's columns, or so many grids that no report holds them. */
LOP_CHECKED lop_status lop_run_quant_check(const lop_run *run);

/* The biases of the block whose turn it is that are written anew, to the job; and their lines of the report (run_bias.c). */
LOP_CHECKED lop_status lop_run_apply_biases(lop_run *run, const lop_prune_block *chosen, lop_job *job);
LOP_CHECKED lop_status lop_run_bias_lines(lop_run *run, lop_job *job);

/* Queues the way of packed elements to the job's memory (run_apply.c). */
LOP_CHECKED lop_status lop_run_fetch(lop_run *run, lop_mat from, lop_job *job, size_t at);

/* The report's lines of all linears, chosen or not; those of the job get theirs to add to. */
LOP_CHECKED lop_status lop_run_lines(lop_run *run, const lop_run_counts *counts, lop_job *job);

/* The type a tensor is written in, known without an output. */
lop_dtype lop_run_written_as(const lop_run *run, const lop_tensor *t);

/* The linears of the span at work as a method sees them: those chosen of blocks from `index` on, or all of them for -1. */
void lop_run_choose(lop_run *run, int32_t index, lop_prune_block *out);

/* `count` blocks: a span computed, or some replayed from what is written (run_block.c). An event tells each of a block's
 * states: "computed", "written" (with its line in the journal, so that no later run computes it again), "replayed". */
LOP_CHECKED lop_status lop_run_tell(const lop_run *run, int32_t index, const char *state);
LOP_CHECKED lop_status lop_run_tell_written(lop_run *run); /* of those that are by now */
LOP_CHECKED lop_status lop_run_compute(lop_run *run, int32_t index, int32_t count);
LOP_CHECKED lop_status lop_run_replay(lop_run *run, int32_t index, int32_t count);

/* Moves the dense stream through a block that is written. */
LOP_CHECKED lop_status lop_run_lead(lop_run *run, int32_t index);

/* What no method touches is copied before the first block is written, by the writer: a weight that is no number is found
 * then, not hours later (run_finish.c). */
lop_status lop_run_copy_untouched(void *run);

/* The report of a finished run, and the folder published (run_finish.c). */
LOP_CHECKED lop_status lop_run_finish(lop_run *run, char **report);

#endif
