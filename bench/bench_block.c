/* bench_block.c - lop bench block: what one block costs a method, stage by stage, against the floors of this machine.
 *
 * forward    the dense block over one window, resident: nothing else
 * calibrate  the window from where it is kept, the forward with the method's statistics
 * propagate  the window from where it is kept, the forward of the pruned block, checked and put back
 * train_step of a learner: one step, in a row with all others of a block
 * init       of a learner: what comes before its first step
 * solve      scores and masks of all linears of the block, and changed weights; of a learner all its steps and what follows
 * total      what a prune does with a block: calibrate over all windows, solve, zero, propagate over all windows */
#include "bench/bench_stages.h"
#include "bench/block_learn.h"
#include "bench/block_rig.h"
#include "bench/block_solve.h"
#include "bench/line.h"
#include "bench/roof.h"
#include "core/base/memory.h"

enum { REPS = 3, ROW = 8 };
enum { FORWARD, CALIBRATE, TRAIN_STEP, PROPAGATE, STAGES };

typedef struct stage {
    const char *name; /* NULL: the method has none */
    bench_stats stats;
    double floor_ns;
} stage;

typedef struct block_bench {
    bench *b;
    block_rig rig;
    bench_roofs roofs;
    size_t roof_bytes; /* device memory that only the roofs take */
    stage stages[STAGES];
    bench_stats solve;
    block_learn learn;
    json_t *solve_parts; /* of a method that is no learner, with --stages */
    double total_ns;
} block_bench;

static int32_t batch_sequences(const block_rig *r, int turn)
{
    return lop_stream_sequences(&r->input, turn % r->input.count);
}

static lop_status run_forward(void *user, lop_queue *q, int turn)
{
    (void)q;
    return block_rig_forward(user, turn, NULL);
}

static lop_status run_calibrate(void *user, lop_queue *q, int turn)
{
    (void)q;
    return block_rig_calibrate(user, turn);
}

static lop_status run_propagate(void *user, lop_queue *q, int turn)
{
    block_rig *r = user;
    lop_mat stored;
    const int at = turn % r->input.count;
    LOP_TRY(block_rig_load(r, turn));
    LOP_TRY(block_rig_forward(r, turn, NULL));
    LOP_TRY(lop_stream_store(q, &r->input, at, block_rig_x(r, turn)));
    LOP_TRY(lop_stream_view(q, &r->input, at, &stored));
    return lop_count_not_finite(q, stored, lop_mat_rows(r->row_count, 0, stored.rows), r->wrong);
}

/* A stage several times in a row: on an accelerator the way to the device must not count. */
typedef struct in_a_row {
    bench_fn *fn;
    block_rig *rig;
    int count;
} in_a_row;

/* Only full batches are compared. */
static int full_turn(const block_rig *r, int turn)
{
    return batch_sequences(r, turn) == r->batch ? turn : 0;
}

static lop_status run_row(void *user, lop_queue *q, int turn)
{
    const in_a_row *row = user;
    for (int i = 0; i < row->count; i++) LOP_TRY(row->fn(row->rig, q, full_turn(row->rig, turn + i)));
    return LOP_OK;
}

/* Times a stage over the windows; with `between` the product's roof is looked at again before each run. */
static lop_status time_stage(block_bench *k, bench_fn *fn, bool between, bench_stats *out)
{
    block_rig *r = &k->rig;
    in_a_row row = {fn, r, k->b->device->accelerator ? ROW : 1};
    const int usual = r->input.count > REPS ? r->input.count : REPS, reps = bench_reps(k->b, usual);
    const double per_sample = 1.0 / ((double)r->batch * row.count);
    double *ns = NULL, unseen = 0.0;
    lop_status status = LOP_OK;
    LOP_TRY(LOP_NEW(&ns, reps));
    LOP_TRY_DONE(block_rig_load(r, 0));
    LOP_TRY_DONE(bench_time_once(r->queue, fn, r, 0, &unseen));
    for (int i = 0; i < reps; i++) {
        if (between)
            LOP_TRY_DONE(bench_roofs_gemm(r->queue, lop_walk_word(k->b->device, &r->net), 1, &k->roofs));
        LOP_TRY_DONE(block_rig_load(r, full_turn(r, i)));
        LOP_TRY_DONE(bench_time_once(r->queue, run_row, &row, i, &ns[i]));
        ns[i] *= per_sample;
    }
    *out = bench_stats_of(ns, reps);
    out->launches = row.count;
done:
    lop_free(ns);
    return status;
}

static lop_status solve_once(void *user, lop_queue *q, int turn)
{
    block_rig *r = user;
    lop_prune_block p;
    (void)q, (void)turn;
    if (block_rig_learns(r)) return block_learn_run(r);
    block_rig_prune_block(r, &p);
    return r->method->block(&p);
}

/* What was decided comes to the block. */
static lop_status apply(block_rig *r)
{
    const bool changed = r->need.what & LOP_NEED_SPARE;
    for (int32_t i = 0; i < r->block.count; i++) {
        const lop_mat w = r->block.linears[i].w;
        if (changed) LOP_TRY(lop_cast(r->queue, r->spare.linears[i].w, w));
        LOP_TRY(lop_zero_dropped(r->queue, r->keep[i], w));
    }
    return LOP_OK;
}

static lop_status run_total(void *user, lop_queue *q, int turn)
{
    block_rig *r = user;
    if (r->need.what != 0) LOP_TRY(block_rig_calibrate_all(r));
    LOP_TRY(solve_once(r, q, turn));
    LOP_TRY(apply(r));
    for (int32_t i = 0; i < r->input.count; i++) LOP_TRY(run_propagate(r, q, i));
    return LOP_OK;
}

/* Nanoseconds that one window cannot go below: its products at their roof, and what else must move at that of copies. */
static double floor_of(const block_bench *k, double flops, double moved)
{
    const lop_type word = lop_walk_word(k->b->device, &k->rig.net);
    return flops / k->roofs.gemm_gflops[word] + moved / k->roofs.copy_gbps;
}

static double flops_forward(const block_rig *r)
{
    return lop_block_flops(&r->net, 1, r->tokens);
}

static double flops_step(const block_rig *r)
{
    return flops_forward(r) + lop_block_back_flops(&r->net, 1, r->tokens, false);
}

static void set_floors(block_bench *k)
{
    const block_rig *r = &k->rig;
    const lop_config *c = r->net.config;
    const double row = (double)r->tokens * (double)lop_type_bytes(r->block.o.type);
    const double inputs = row * (2.0 * c->hidden + (double)c->heads * c->head_dim + c->ffn);
    k->stages[FORWARD].floor_ns = k->stages[PROPAGATE].floor_ns = floor_of(k, flops_forward(r), 0.0);
    k->stages[CALIBRATE].floor_ns =
        floor_of(k, flops_forward(r), inputs); /* each distinct input is read once more */
    k->stages[TRAIN_STEP].floor_ns = floor_of(k, flops_step(r), 0.0);
}

/* The learner goes over the windows in the order in which a prune does, and its trials leave the block dense. */
static lop_status time_learner(block_bench *k)
{
    block_rig *r = &k->rig;
    const bool parts = lop_settings_flag(&k->b->settings, "stages");
    LOP_TRY(block_rig_calibrate_all(r));
    LOP_TRY(block_learn_time(r, bench_reps(k->b, 1), parts, &k->learn));
    k->solve = k->learn.solve;
    if (k->learn.step.reps > 0) k->stages[TRAIN_STEP].name = "train_step";
    k->stages[TRAIN_STEP].stats = k->learn.step;
    return LOP_OK;
}

static lop_status time_solve(block_bench *k)
{
    if (block_rig_learns(&k->rig)) return time_learner(k);
    if (k->rig.need.what != 0) LOP_TRY(block_rig_calibrate_all(&k->rig));
    if (k->rig.need.what & LOP_NEED_GRAM && lop_settings_flag(&k->b->settings, "stages"))
        LOP_TRY(block_solve_parts(&k->rig, &k->solve_parts));
    return bench_time(k->rig.queue, bench_reps(k->b, REPS), 0.0, solve_once, &k->rig, &k->solve);
}

static lop_status time_all(block_bench *k)
{
    block_rig *r = &k->rig;
    LOP_TRY(bench_roofs_all(r->queue, 1, &k->roofs));
    k->stages[FORWARD].name = "forward";
    LOP_TRY(time_stage(k, run_forward, true, &k->stages[FORWARD].stats));
    if (r->method == NULL) return LOP_OK;
    if (r->need.what & LOP_NEED_COLSUM_SQ) {
        k->stages[CALIBRATE].name = "calibrate";
        LOP_TRY(time_stage(k, run_calibrate, false, &k->stages[CALIBRATE].stats));
        LOP_TRY(lop_statistics_end(r->queue, &r->statistics));
    }
    LOP_TRY(time_solve(k));
    LOP_TRY(apply(r));
    k->stages[PROPAGATE].name = "propagate";
    LOP_TRY(time_stage(k, run_propagate, false, &k->stages[PROPAGATE].stats));
    LOP_TRY(bench_time_once(r->queue, run_total, r, 0, &k->total_ns));
    return bench_roofs_copy(r->queue, REPS, &k->roofs);
}

static json_t *stages_json(const block_bench *k, double (*value)(const stage *s))
{
    json_t *o = json_object();
    for (int i = 0; i < STAGES; i++)
        if (k->stages[i].name != NULL)
            (void)json_object_set_new(o, k->stages[i].name, json_real(value(&k->stages[i]) * 1e-6));
    return o;
}

static double stage_med(const stage *s)
{
    return s->stats.ns_med;
}

static double stage_min(const stage *s)
{
    return s->stats.ns_min;
}

static double stage_p90(const stage *s)
{
    return s->stats.ns_p90;
}

static double stage_floor(const stage *s)
{
    return s->floor_ns;
}

/* Of a method's epochs over the feed-forward half. */
static double ffn_floor(const block_bench *k)
{
    const block_rig *r = &k->rig;
    if (!block_rig_takes_ffn(r)) return 0.0;
    const int64_t tokens = (int64_t)r->sequences * r->tokens;
    return floor_of(k, r->method->flops_ffn(&r->net, tokens, r->need.epochs), 0.0);
}

/* Nanoseconds that all windows cannot go below in run_total; scores and masks count as nothing. */
static double total_floor(const block_bench *k)
{
    double passes = k->stages[PROPAGATE].floor_ns;
    if (k->stages[CALIBRATE].name) passes += k->stages[CALIBRATE].floor_ns;
    if (k->stages[TRAIN_STEP].name) passes += k->rig.need.epochs * k->stages[TRAIN_STEP].floor_ns;
    return passes * k->rig.sequences + ffn_floor(k);
}

static json_t *once_json(const block_bench *k)
{
    json_t *o =
        json_pack("{s:f, s:f, s:f, s:f}", "solve", k->solve.ns_med * 1e-9, "solve_min",
                  k->solve.ns_min * 1e-9, "total", k->total_ns * 1e-9, "total_floor", total_floor(k) * 1e-9);
    if (block_rig_learns(&k->rig))
        (void)json_object_set_new(o, "init", json_real(k->learn.begin.ns_med * 1e-9));
    return o;
}

/* What the line of a learner has beside others. */
static void add_learner(const block_bench *k, json_t *line)
{
    const block_rig *r = &k->rig;
    const stage *step = &k->stages[TRAIN_STEP];
    (void)json_object_set_new(line, "steps", json_integer(k->learn.steps));
    (void)json_object_set_new(line, "step_windows", json_integer(r->need.windows));
    if (k->learn.parts != NULL) (void)json_object_set_new(line, "step_parts_ms", json_incref(k->learn.parts));
    if (step->name == NULL) return;
    (void)json_object_set_new(line, "step_gflop", json_real(flops_step(r) * 1e-9));
    (void)json_object_set_new(line, "step_roof_frac", json_real(step->floor_ns / step->stats.ns_min));
    (void)json_object_set_new(line, "step_forwards",
                              json_real(step->stats.ns_min / k->stages[FORWARD].stats.ns_min));
}

static json_t *result_json(const block_bench *k)
{
    const block_rig *r = &k->rig;
    const bench_stats *forward = &k->stages[FORWARD].stats;
    /* Arenas keep what they ever took, so what is held at the end is the most that was. */
    const size_t held = lop_buf_used(LOP_ON_DEVICE).now - k->roof_bytes;
    const double flops = flops_forward(r);
    json_t *o = bench_object(k->b, "block");
    json_t *rest = json_pack(
        "{s:s, s:s, s:s, s:i, s:i, s:i, s:i, s:o, s:o, s:o, s:I, s:o, s:f, s:f, s:f, s:o}", "method",
        r->method ? r->method->name : "none", "shape", lop_settings_text(&k->b->settings, "shape"), "word",
        lop_type_name(r->block.o.type), "nsamples", r->sequences, "seqlen", r->tokens, "forward_batch",
        r->batch, "launches", forward->launches, "ms_per_sample", stages_json(k, stage_med),
        "ms_per_sample_min", stages_json(k, stage_min), "ms_per_sample_p90", stages_json(k, stage_p90),
        "peak_bytes", (json_int_t)held, "floor_ms", stages_json(k, stage_floor), "block_gflop", flops * 1e-9,
        "forward_tflops", flops / forward->ns_min * 1e-3, "forward_roof_frac",
        k->stages[FORWARD].floor_ns / forward->ns_min, "roofs", bench_roofs_json(&k->roofs));
    if (rest != NULL && r->method != NULL) (void)json_object_set_new(rest, "s_per_block", once_json(k));
    if (rest != NULL && block_rig_learns(r)) add_learner(k, rest);
    if (rest != NULL && block_rig_takes_ffn(r))
        (void)json_object_set_new(rest, "ffn_streams",
                                  json_string(lop_settings_text(&k->b->settings, "ffn-streams")));
    if (rest != NULL && k->solve_parts != NULL)
        (void)json_object_set_new(rest, "block_parts_ms", json_incref(k->solve_parts));
    if (o == NULL || rest == NULL || json_object_update(o, rest) != 0) {
        json_decref(o);
        o = NULL;
    }
    json_decref(rest);
    return o;
}

static lop_status measure(block_bench *k)
{
    json_t *parts = NULL;
    const size_t before = lop_buf_used(LOP_ON_DEVICE).now;
    LOP_TRY(bench_roofs_open(&k->b->queue, &k->roofs));
    k->roof_bytes = lop_buf_used(LOP_ON_DEVICE).now - before;
    LOP_TRY(block_rig_open(k->b, &k->rig));
    LOP_TRY(time_all(k));
    set_floors(k);
    json_t *o = result_json(k);
    if (o != NULL && lop_settings_flag(&k->b->settings, "stages")) {
        const lop_status status = bench_stages(k->b, &k->rig, &parts);
        if (status != LOP_OK) {
            json_decref(o);
            return status;
        }
        (void)json_object_set_new(o, "forward_parts_ms", parts);
    }
    return bench_object_print(k->b, o, true);
}

lop_status bench_block(bench *b)
{
    block_bench k = {.b = b};
    const lop_status status = measure(&k);
    block_learn_close(&k.learn);
    json_decref(k.solve_parts);
    bench_roofs_close(&k.roofs);
    block_rig_close(&k.rig);
    return status;
}
