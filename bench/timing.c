/* timing.c - fences marked between runs in one queue, so that the host waits only when all of them are queued. */
#include "bench/timing.h"

#include "core/base/memory.h"

#include <stdlib.h>
#include <time.h>

enum { REPS_LEAST = 5, REPS_MOST = 50 };

double bench_clock(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

bench_stats bench_stats_of(double *ns, int count)
{
    qsort(ns, (size_t)count, sizeof *ns, by_value);
    const int p90 = (9 * count + 9) / 10 - 1;
    return (bench_stats){.reps = count,
                         .ns_min = ns[0],
                         .ns_med = 0.5 * (ns[(count - 1) / 2] + ns[count / 2]),
                         .ns_p90 = ns[p90]};
}

static void fences_close(lop_fence *fences, int count)
{
    for (int i = 0; i < count; i++)
        if (fences[i].device) lop_fence_close(&fences[i]);
    lop_free(fences);
}

static lop_status fences_open(lop_device *device, int count, lop_fence **out)
{
    LOP_TRY(LOP_NEW(out, count));
    for (int i = 0; i < count; i++) {
        const lop_status status = lop_fence_open(device, &(*out)[i]);
        if (status == LOP_OK) continue;
        fences_close(*out, count);
        *out = NULL;
        return status;
    }
    return LOP_OK;
}

static lop_status run_all(lop_queue *q, lop_fence *fences, int reps, int first_turn, bench_fn *fn, void *user)
{
    LOP_TRY(lop_fence_mark(q, &fences[0]));
    for (int i = 0; i < reps; i++) {
        LOP_TRY(fn(user, q, first_turn + i));
        LOP_TRY(lop_fence_mark(q, &fences[i + 1]));
    }
    return lop_queue_wait(q);
}

/* ns[reps] receives the times between the fences. */
static lop_status time_runs(lop_queue *q, int reps, int first_turn, bench_fn *fn, void *user, double *ns)
{
    lop_fence *fences = NULL;
    lop_status status = LOP_OK;
    LOP_TRY_DONE(fences_open(q->device, reps + 1, &fences));
    LOP_TRY_DONE(run_all(q, fences, reps, first_turn, fn, user));
    for (int i = 0; i < reps; i++) LOP_TRY_DONE(lop_fence_nanoseconds(&fences[i], &fences[i + 1], &ns[i]));
done:
    if (fences) fences_close(fences, reps + 1);
    return status;
}

lop_status bench_time_once(lop_queue *q, bench_fn *fn, void *user, int turn, double *ns)
{
    return time_runs(q, 1, turn, fn, user, ns);
}

lop_status bench_time(lop_queue *q, int reps, double seconds, bench_fn *fn, void *user, bench_stats *out)
{
    double first = 0.0, *ns = NULL;
    LOP_TRY(time_runs(q, 1, 0, fn, user, &first));
    if (reps == 0) {
        const double fit = seconds * 1e9 / (first > 1.0 ? first : 1.0);
        reps = fit < REPS_LEAST ? REPS_LEAST : fit > REPS_MOST ? REPS_MOST : (int)fit;
    }
    LOP_TRY(LOP_NEW(&ns, reps));
    const lop_status status = time_runs(q, reps, 1, fn, user, ns);
    if (status == LOP_OK) *out = bench_stats_of(ns, reps);
    lop_free(ns);
    return status;
}
