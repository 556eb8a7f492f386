/* bench_block.c - lop bench block: what one block costs a method, stage by stage, against the floors of this machine.
 *
 * forward    the dense block over one window, resident: nothing else
 * calibrate  the window from where it is kept, the forward with the method's statistics
 * propagate  the window from where it is kept, the forward of the pruned block, checked and put back
 * solve      scores and masks of all linears of the block
 * total      what a prune does with a block: calibrate over all windows, solve, zero, propagate over all windows */
#include "bench/bench_stages.h"
#include "bench/block_rig.h"
#include "bench/line.h"
#include "bench/roof.h"
#include "core/base/memory.h"

enum { REPS = 3, STAGES = 3, ROW = 8 };

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
    double total_ns;
} block_bench;

static int32_t batch_sequences(const block_rig *r, int turn)
{
    return lop_stream_sequences(&r->input, turn % r->input.count);
}

static lop_status run_block(block_rig *r, int turn, const lop_watch *watch)
{
    return lop_block_forward(r->queue, r->forward, &r->block, block_rig_x(r, turn), batch_sequences(r, turn),
                             r->tokens, watch);
}

static lop_status run_forward(void *user, lop_queue *q, int turn)
{
    (void)q;
    return run_block(user, turn, NULL);
}

static lop_status run_calibrate(void *user, lop_queue *q, int turn)
{
    block_rig *r = user;
    (void)q;
    const lop_watch watch = {.fn = lop_statistics_watch, .user = &r->statistics, .last_needed = true};
    LOP_TRY(block_rig_load(r, turn));
    return run_block(r, turn, &watch);
}

static lop_status run_propagate(void *user, lop_queue *q, int turn)
{
    block_rig *r = user;
    lop_mat stored;
    const int at = turn % r->input.count;
    LOP_TRY(block_rig_load(r, turn));
    LOP_TRY(run_block(r, turn, NULL));
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
    (void)turn;
    lop_prune_block p = {
        .queue = q, .arena = r->arena, .settings = &r->settings, .count = r->block.count, .log = NULL};
    for (int32_t i = 0; i < p.count; i++) {
        const lop_linear_view *view = &r->block.linears[i];
        p.linears[i] = (lop_prune_linear){.view = view, .target = r->target, .keep = r->keep[i]};
        if (r->method->needs & LOP_NEED_COLSUM_SQ)
            p.linears[i].colsum_sq = r->statistics.colsum_sq[view->input];
    }
    return r->method->block(&p);
}

static lop_status zero_dropped(block_rig *r)
{
    for (int32_t i = 0; i < r->block.count; i++)
        LOP_TRY(lop_zero_dropped(r->queue, r->keep[i], r->block.linears[i].w));
    return LOP_OK;
}

static lop_status run_total(void *user, lop_queue *q, int turn)
{
    block_rig *r = user;
    const bool statistics = (r->method->needs & LOP_NEED_COLSUM_SQ) != 0;
    if (statistics) LOP_TRY(lop_statistics_reset(q, &r->statistics));
    for (int32_t i = 0; statistics && i < r->input.count; i++) LOP_TRY(run_calibrate(r, q, i));
    if (statistics) LOP_TRY(lop_statistics_end(q, &r->statistics));
    LOP_TRY(solve_once(r, q, turn));
    LOP_TRY(zero_dropped(r));
    for (int32_t i = 0; i < r->input.count; i++) LOP_TRY(run_propagate(r, q, i));
    return LOP_OK;
}

/* Nanoseconds that one window cannot go below: its products at their roof, and what else must move at that of copies. */
static double floor_of(const block_bench *k, double moved)
{
    const block_rig *r = &k->rig;
    const double flops = lop_block_flops(&r->net, 1, r->tokens);
    return flops / k->roofs.gemm_gflops[lop_walk_word(k->b->device, &r->net)] + moved / k->roofs.copy_gbps;
}

static void set_floors(block_bench *k)
{
    const lop_config *c = k->rig.net.config;
    const double row = (double)k->rig.tokens * (double)lop_type_bytes(k->rig.block.o.type);
    const double inputs = row * (2.0 * c->hidden + (double)c->heads * c->head_dim + c->ffn);
    k->stages[0].floor_ns = floor_of(k, 0.0);
    k->stages[1].floor_ns = floor_of(k, inputs); /* each distinct input is read once more */
    k->stages[2].floor_ns = floor_of(k, 0.0);
}

static lop_status time_all(block_bench *k)
{
    block_rig *r = &k->rig;
    LOP_TRY(bench_roofs_all(r->queue, 1, &k->roofs));
    k->stages[0].name = "forward";
    LOP_TRY(time_stage(k, run_forward, true, &k->stages[0].stats));
    if (r->method == NULL) return LOP_OK;
    if (r->method->needs & LOP_NEED_COLSUM_SQ) {
        k->stages[1].name = "calibrate";
        LOP_TRY(time_stage(k, run_calibrate, false, &k->stages[1].stats));
        LOP_TRY(lop_statistics_end(r->queue, &r->statistics));
    }
    LOP_TRY(bench_time(r->queue, bench_reps(k->b, REPS), 0.0, solve_once, r, &k->solve));
    LOP_TRY(zero_dropped(r));
    k->stages[2].name = "propagate";
    LOP_TRY(time_stage(k, run_propagate, false, &k->stages[2].stats));
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

/* Nanoseconds that all windows cannot go below in run_total; scores and masks count as nothing. */
static double total_floor(const block_bench *k)
{
    const double passes = k->stages[2].floor_ns + (k->stages[1].name ? k->stages[1].floor_ns : 0.0);
    return passes * k->rig.sequences;
}

static json_t *result_json(const block_bench *k)
{
    const block_rig *r = &k->rig;
    const bench_stats *forward = &k->stages[0].stats;
    /* Arenas keep what they ever took, so what is held at the end is the most that was. */
    const size_t held = lop_buf_used(LOP_ON_DEVICE).now - k->roof_bytes;
    const double flops = lop_block_flops(&r->net, 1, r->tokens);
    json_t *o = bench_object(k->b, "block");
    json_t *rest = json_pack(
        "{s:s, s:s, s:s, s:i, s:i, s:i, s:i, s:o, s:o, s:o, s:I, s:o, s:f, s:f, s:f, s:o}", "method",
        r->method ? r->method->name : "none", "shape", lop_settings_text(&k->b->settings, "shape"), "word",
        lop_type_name(r->block.o.type), "nsamples", r->sequences, "seqlen", r->tokens, "forward_batch",
        r->batch, "launches", forward->launches, "ms_per_sample", stages_json(k, stage_med),
        "ms_per_sample_min", stages_json(k, stage_min), "ms_per_sample_p90", stages_json(k, stage_p90),
        "peak_bytes", (json_int_t)held, "floor_ms", stages_json(k, stage_floor), "block_gflop", flops * 1e-9,
        "forward_tflops", flops / forward->ns_min * 1e-3, "forward_roof_frac",
        k->stages[0].floor_ns / forward->ns_min, "roofs", bench_roofs_json(&k->roofs));
    if (rest != NULL && r->method != NULL)
        (void)json_object_set_new(rest, "s_per_block",
                                  json_pack("{s:f, s:f, s:f, s:f}", "solve", k->solve.ns_med * 1e-9,
                                            "solve_min", k->solve.ns_min * 1e-9, "total", k->total_ns * 1e-9,
                                            "total_floor", total_floor(k) * 1e-9));
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
    bench_roofs_close(&k.roofs);
    block_rig_close(&k.rig);
    return status;
}
