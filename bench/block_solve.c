/* block_solve.c - a mark before and behind each statistic that a pass gathers, and behind each part of the method. */
#include "bench/block_solve.h"

#include "bench/marks.h"

typedef struct gathering {
    lop_ffn_watcher watcher;
    bench_marks *marks;
} gathering;

static const char hessian[] = "hessian";

static lop_status gather(void *user, lop_queue *q, lop_input_id input, lop_mat x)
{
    gathering *g = user;
    LOP_TRY(bench_marks_add(g->marks, q, ""));
    LOP_TRY(lop_ffn_watch(&g->watcher, q, input, x));
    return bench_marks_add(g->marks, q, hessian);
}

static lop_status part_end(void *user, lop_queue *q, const char *part)
{
    return bench_marks_add(user, q, part);
}

/* All windows, and the block. */
static lop_status run(block_rig *r, bench_marks *m)
{
    gathering g = {{&r->statistics, block_rig_takes_ffn(r) ? &r->ffn : NULL, 0}, m};
    lop_prune_block p;
    const lop_watch watch = {.fn = gather, .user = &g};
    m->count = 0;
    LOP_TRY(lop_statistics_reset(r->queue, &r->statistics));
    for (int32_t i = 0; i < r->input.count; i++) {
        g.watcher.batch = i;
        LOP_TRY(block_rig_load(r, i));
        LOP_TRY(block_rig_forward(r, i, &watch));
    }
    LOP_TRY(bench_marks_add(m, r->queue, ""));
    LOP_TRY(lop_statistics_end(r->queue, &r->statistics));
    LOP_TRY(bench_marks_add(m, r->queue, hessian));
    block_rig_prune_block(r, &p);
    p.part = part_end;
    p.part_user = m;
    LOP_TRY(r->method->block(&p));
    return lop_queue_wait(r->queue);
}

static lop_status parts_of(const bench_marks *m, json_t *out)
{
    lop_status status = LOP_OK;
    for (int i = 0; i < m->count; i++) {
        const char *part = m->at[i].part;
        if (*part == '\0' || json_object_get(out, part) != NULL) continue;
        const double ns = bench_marks_part(m, part, 0, m->count - 1, &status);
        (void)json_object_set_new(out, part, json_real(ns * 1e-6));
    }
    return status;
}

lop_status block_solve_parts(block_rig *r, json_t **out)
{
    bench_marks m = {0};
    lop_status status = LOP_OK;
    *out = json_object();
    LOP_TRY_DONE(run(r, &m));
    LOP_TRY_DONE(run(r, &m));
    status = parts_of(&m, *out);
done:
    bench_marks_close(&m);
    return status;
}
