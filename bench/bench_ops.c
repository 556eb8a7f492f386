/* bench_ops.c - lop bench ops: one line for each operation at the widths of real models. Operands are rotated, so that
 * the caches hold nothing of the turn before. */
#include "bench/line.h"
#include "bench/ops_cases.h"
#include "bench/roof.h"
#include "core/base/memory.h"
#include "core/base/random.h"
#include "core/prune/calibrate.h"

#include <math.h>

enum { SETS_LEAST = 2, SETS_MOST = 8, ROOF_REPS = 3 };
#define ROTATED_BYTES ((size_t)256 << 20) /* between two uses of one operand: beyond any last-level cache */
#define SECONDS       0.5                 /* of one operation */

static const int32_t widths[] = {2048, 4096, 11008};

typedef struct ops_bench {
    bench *b;
    bench_roofs roofs;
    lop_arena *arena;
    ops_set sets[SETS_MOST];
    int set_count;
    const ops_case *at;
    int lines;
} ops_bench;

static lop_status place_large(lop_arena *a, int32_t C, ops_set *s)
{
    LOP_TRY(lop_arena_mat(a, OPS_ROWS, C, LOP_F32, &s->a));
    LOP_TRY(lop_arena_mat(a, OPS_ROWS, C, LOP_F32, &s->b));
    LOP_TRY(lop_arena_mat(a, OPS_ROWS, C, LOP_F32, &s->c));
    LOP_TRY(lop_arena_mat(a, OPS_ROWS, C, LOP_F32, &s->score));
    LOP_TRY(lop_arena_mat(a, OPS_ROWS, C, LOP_U32, &s->rank));
    LOP_TRY(lop_arena_mat(a, OPS_ROWS, C, LOP_U16, &s->order));
    LOP_TRY(lop_arena_mat(a, OPS_ROWS, C, LOP_BF16, &s->half));
    LOP_TRY(lop_arena_mat(a, OPS_ROWS, (C + 7) / 8, LOP_U8, &s->keep));
    LOP_TRY(lop_arena_mat(a, OPS_ROWS, OPS_ROWS, LOP_F32, &s->square));
    return lop_arena_mat(a, OPS_ROWS / 128, C, LOP_F32, &s->col_scratch);
}

static lop_status place_small(lop_arena *a, int32_t C, ops_set *s)
{
    LOP_TRY(lop_arena_mat(a, 1, C, LOP_F32, &s->row));
    LOP_TRY(lop_arena_mat(a, 1, C, LOP_F32, &s->sum));
    LOP_TRY(lop_arena_mat(a, OPS_ROWS, OPS_HEAD, LOP_F32, &s->table));
    LOP_TRY(lop_arena_mat(a, 1, OPS_ROWS, LOP_I32, &s->index));
    LOP_TRY(lop_arena_mat(a, 1, OPS_ROWS, LOP_I32, &s->target));
    LOP_TRY(lop_arena_mat(a, OPS_ROWS, 3, LOP_F32, &s->state));
    LOP_TRY(lop_arena_mat(a, OPS_ROWS, 1, LOP_F32, &s->per_row));
    LOP_TRY(lop_arena_mat(a, OPS_ROWS, 1, LOP_U32, &s->count));
    LOP_TRY(lop_arena_mat(a, OPS_ROWS, 1, LOP_U32, &s->row_scratch));
    LOP_TRY(lop_arena_mat(a, 1, lop_keep_all_scratch(OPS_ROWS), LOP_U32, &s->all_scratch));
    LOP_TRY(lop_arena_mat(a, 1, OPS_ROWS, LOP_I32, &s->best));
    LOP_TRY(lop_arena_mat(a, 1, 1, LOP_F64, &s->one));
    return lop_arena_mat(a, 1, 1, LOP_I64, &s->total);
}

/* Random numbers in (-1, 1), or of one sign; `row` is host memory for a row. */
static lop_status fill_random(lop_queue *q, uint32_t seed, bool positive, float *row, lop_mat m)
{
    for (int32_t r = 0; r < m.rows; r++) {
        for (int32_t c = 0; c < m.cols; c += 4) {
            const uint32_t counter[4] = {(uint32_t)r, (uint32_t)c, 0, 0}, key[2] = {seed, 0};
            uint32_t words[4];
            lop_philox(counter, key, words);
            for (int32_t i = 0; i < 4 && c + i < m.cols; i++) {
                const float x = (float)((int32_t)words[i] >> 8) / 8388608.0f;
                row[c + i] = positive ? fabsf(x) + 1e-6f : x;
            }
        }
        LOP_TRY(lop_upload(q, row, lop_mat_rows(m, r, 1)));
    }
    return LOP_OK;
}

static lop_status fill_indices(lop_queue *q, int32_t C, int32_t *list, const ops_set *s)
{
    for (int32_t r = 0; r < OPS_ROWS; r++) list[r] = (r * 805 + 11) % OPS_ROWS; /* 805 is odd: a shuffle */
    LOP_TRY(lop_upload(q, list, s->index));
    for (int32_t r = 0; r < OPS_ROWS; r++) list[r] = r * 7 % C;
    LOP_TRY(lop_upload(q, list, s->target));
    for (int32_t r = 0; r < OPS_ROWS; r++) list[r] = C / 2;
    return lop_upload(q, list, s->count);
}

/* Results: memory that was never written is not there yet, and the first turn would pay for it. */
static lop_status touch(lop_queue *q, const ops_set *s)
{
    const lop_mat written[] = {s->c,           s->half,        s->order, s->rank,
                               s->col_scratch, s->all_scratch, s->one,   s->total};
    for (size_t i = 0; i < sizeof written / sizeof written[0]; i++) LOP_TRY(lop_mat_zero(q, written[i]));
    return LOP_OK;
}

static lop_status fill_set(lop_queue *q, int32_t C, uint32_t seed, const ops_set *s)
{
    float *row = NULL;
    int32_t *list = NULL;
    lop_status status = LOP_OK;
    LOP_TRY_DONE(LOP_NEW(&row, C + OPS_ROWS));
    LOP_TRY_DONE(LOP_NEW(&list, OPS_ROWS));
    LOP_TRY_DONE(touch(q, s));
    LOP_TRY_DONE(fill_random(q, seed, false, row, s->a));
    LOP_TRY_DONE(lop_cast(q, s->a, s->b));
    LOP_TRY_DONE(fill_random(q, seed + 1, true, row, s->row));
    LOP_TRY_DONE(fill_random(q, seed + 2, false, row, s->square));
    LOP_TRY_DONE(fill_random(q, seed + 3, false, row, s->table));
    LOP_TRY_DONE(fill_random(q, seed + 3, false, row, s->sum));
    LOP_TRY_DONE(lop_score_scaled(q, s->a, s->row, s->score));
    LOP_TRY_DONE(fill_indices(q, C, list, s));
    LOP_TRY_DONE(lop_keep_rows(q, s->score, s->count, s->keep));
    status = lop_queue_wait(q);
done:
    lop_free(list);
    lop_free(row);
    return status;
}

static lop_status place_sets(ops_bench *o, int32_t C)
{
    const size_t operand = (size_t)OPS_ROWS * (size_t)C * sizeof(float);
    const size_t wanted = (ROTATED_BYTES + operand - 1) / operand;
    o->set_count = wanted < SETS_LEAST ? SETS_LEAST : wanted > SETS_MOST ? SETS_MOST : (int)wanted;
    for (int i = 0; i < o->set_count; i++) {
        LOP_TRY(place_large(o->arena, C, &o->sets[i]));
        LOP_TRY(place_small(o->arena, C, &o->sets[i]));
        LOP_TRY(fill_set(&o->b->queue, C, 97u + 16u * (uint32_t)i, &o->sets[i]));
    }
    return LOP_OK;
}

static lop_status run_case(void *user, lop_queue *q, int turn)
{
    const ops_bench *o = user;
    return o->at->run(q, &o->sets[turn % o->set_count]);
}

static lop_status time_case(ops_bench *o, int32_t C)
{
    const double elements = (double)OPS_ROWS * C;
    bench_line line = {.name = o->at->name,
                       .shape = {OPS_ROWS, C},
                       .shape_rank = 2,
                       .bytes = o->at->bytes_each * elements,
                       .flops = o->at->flops_each * elements,
                       .copy_gbps = o->roofs.copy_gbps,
                       .gemm_gflops = o->roofs.gemm_gflops[LOP_F32]};
    const lop_status status =
        bench_time(&o->b->queue, bench_reps(o->b, 0), SECONDS, run_case, o, &line.stats);
    if (status != LOP_OK) {
        lop_note("while timing %s", o->at->name);
        return status;
    }
    o->lines++;
    return bench_line_print(o->b, &line);
}

static lop_status time_width(ops_bench *o, int32_t C)
{
    lop_status status = LOP_OK;
    LOP_TRY(lop_arena_open(o->b->device, LOP_ON_DEVICE, 0, &o->arena));
    LOP_TRY_DONE(place_sets(o, C));
    for (int i = 0; i < ops_case_count; i++) {
        o->at = &ops_cases[i];
        LOP_TRY_DONE(time_case(o, C));
    }
done:
    lop_arena_close(o->arena);
    o->arena = NULL;
    return status;
}

lop_status bench_ops(bench *b)
{
    ops_bench o = {.b = b};
    lop_status status = LOP_OK;
    LOP_TRY(bench_roofs_open(&b->queue, &o.roofs));
    LOP_TRY_DONE(bench_roofs_all(&b->queue, ROOF_REPS, &o.roofs));
    bench_roofs_close(&o.roofs);
    for (size_t i = 0; i < sizeof widths / sizeof widths[0]; i++) LOP_TRY_DONE(time_width(&o, widths[i]));
    status = bench_lines_end(b, "ops", o.lines);
done:
    bench_roofs_close(&o.roofs);
    return status;
}
