/* block_learn.c - marks are opened in the unseen run and used again. */
#include "bench/block_learn.h"

#include "bench/marks.h"
#include "core/base/memory.h"

#include <string.h>

typedef struct marks {
    bench_marks list;
    bool every; /* also within steps */
} marks;

/* ---- a run with its marks */

static lop_status mark_add(void *user, lop_queue *q, const char *part)
{
    marks *m = user;
    const bool within =
        strcmp(part, LOP_PART_BEGIN) != 0 && strcmp(part, LOP_PART_STEP) != 0 && *part != '\0';
    if (within && !m->every) return LOP_OK;
    return bench_marks_add(&m->list, q, part);
}

static lop_status run_method(block_rig *r, lop_part_fn *fn, void *user)
{
    lop_prune_block p;
    block_rig_prune_block(r, &p);
    p.part = fn;
    p.part_user = user;
    p.learned[0] = json_object();
    if (p.learned[0] == NULL) return LOP_FAIL(LOP_E_MEMORY, "there is no memory for what was learned");
    const lop_status status = r->method->block(&p);
    json_decref(p.learned[0]);
    return status;
}

static lop_status run_marked(block_rig *r, marks *m)
{
    m->list.count = 0;
    LOP_TRY(mark_add(m, r->queue, ""));
    LOP_TRY(run_method(r, mark_add, m));
    LOP_TRY(mark_add(m, r->queue, ""));
    return lop_queue_wait(r->queue);
}

lop_status block_learn_run(block_rig *r)
{
    return run_method(r, NULL, NULL);
}

/* On one batch alone, so that whatever is compiled or chosen at its first use is. */
static lop_status run_unseen(block_rig *r, marks *m)
{
    const lop_stream input = r->input, want = r->want, middle = r->middle;
    lop_stream *const all[] = {&r->input, &r->want, &r->middle};
    const int32_t sequences = lop_stream_sequences(&r->input, 0);
    for (int i = 0; i < 3; i++) {
        all[i]->shape.sequences = sequences;
        all[i]->count = 1;
    }
    m->every = true;
    const lop_status status = run_marked(r, m);
    r->input = input;
    r->want = want;
    r->middle = middle;
    return status;
}

/* ---- what the marks say */

/* Where step `n` of a run ends, n = 0 its beginning; -1: there are not so many. */
static int step_end(const marks *m, int n)
{
    int seen = -1;
    for (int i = 0; i < m->list.count; i++) {
        const char *part = m->list.at[i].part;
        seen += strcmp(part, LOP_PART_BEGIN) == 0 || strcmp(part, LOP_PART_STEP) == 0;
        if (seen == n) return i;
    }
    return -1;
}

static int steps_of(const marks *m)
{
    int steps = 0;
    while (step_end(m, steps + 1) >= 0) steps++;
    return steps;
}

/* Windows of a step: fewer than the others where a batch ends. */
static int32_t windows_of(const block_rig *r, int step)
{
    for (int32_t batch = 0;; batch = (batch + 1) % r->input.count)
        for (int32_t left = lop_stream_sequences(&r->input, batch); left > 0; left -= r->need.windows)
            if (step-- == 0) return left < r->need.windows ? left : r->need.windows;
}

static bool is_counted(const block_rig *r, int step, int steps)
{
    return windows_of(r, step) == r->need.windows && (step > 0 || steps == 1);
}

/* Times of `reps` runs, each with a value. */
typedef struct times {
    double *begin, *solve, *step;
    int runs, steps; /* so far */
} times;

static lop_status look(const block_rig *r, const marks *m, times *t)
{
    const int steps = steps_of(m), begun = step_end(m, 0);
    lop_status status = LOP_OK;
    t->begin[t->runs] = bench_marks_between(&m->list, 0, begun, &status);
    t->solve[t->runs++] = bench_marks_between(&m->list, begun, m->list.count - 1, &status);
    for (int n = 0; n < steps; n++) {
        const double ns = bench_marks_between(&m->list, step_end(m, n), step_end(m, n + 1), &status);
        if (is_counted(r, n, steps)) t->step[t->steps++] = ns / r->need.windows;
    }
    return status;
}

static lop_status time_runs(block_rig *r, marks *m, int reps, block_learn *out)
{
    times t = {0};
    lop_status status = LOP_OK;
    LOP_TRY_DONE(LOP_NEW(&t.begin, reps));
    LOP_TRY_DONE(LOP_NEW(&t.solve, reps));
    for (int i = 0; i < reps; i++) {
        LOP_TRY_DONE(run_marked(r, m));
        out->steps = steps_of(m);
        if (t.step == NULL) LOP_TRY_DONE(LOP_NEW(&t.step, reps * out->steps + 1));
        LOP_TRY_DONE(look(r, m, &t));
    }
    out->begin = bench_stats_of(t.begin, reps);
    out->solve = bench_stats_of(t.solve, reps);
    if (t.steps > 0) out->step = bench_stats_of(t.step, t.steps);
done:
    lop_free(t.step);
    lop_free(t.solve);
    lop_free(t.begin);
    return status;
}

/* ---- parts of a step */

static lop_status part_add(const block_rig *r, const marks *m, const char *part, json_t *into)
{
    const int steps = steps_of(m);
    int count = 0;
    double *ns = NULL;
    lop_status status = LOP_OK;
    LOP_TRY(LOP_NEW(&ns, steps));
    for (int n = 0; n < steps; n++)
        if (is_counted(r, n, steps))
            ns[count++] = bench_marks_part(&m->list, part, step_end(m, n), step_end(m, n + 1), &status);
    if (status == LOP_OK && count > 0) {
        const double per_window = bench_stats_of(ns, count).ns_med / r->need.windows;
        (void)json_object_set_new(into, part, json_real(per_window * 1e-6));
    }
    lop_free(ns);
    return status;
}

static lop_status time_parts(block_rig *r, marks *m, json_t **out)
{
    *out = json_object();
    m->every = true;
    LOP_TRY(run_marked(r, m));
    const int first = step_end(m, 0), end = step_end(m, 1);
    for (int i = first + 1; i < end; i++)
        if (json_object_get(*out, m->list.at[i].part) == NULL)
            LOP_TRY(part_add(r, m, m->list.at[i].part, *out));
    return LOP_OK;
}

lop_status block_learn_time(block_rig *r, int reps, bool parts, block_learn *out)
{
    marks m = {0};
    lop_status status = LOP_OK;
    *out = (block_learn){0};
    LOP_TRY_DONE(run_unseen(r, &m));
    m.every = false;
    LOP_TRY_DONE(time_runs(r, &m, reps, out));
    if (parts) LOP_TRY_DONE(time_parts(r, &m, &out->parts));
done:
    bench_marks_close(&m.list);
    return status;
}

void block_learn_close(block_learn *l)
{
    json_decref(l->parts);
    l->parts = NULL;
}
