/* timing.c - fences marked between runs in one queue, so that the host waits only when all of them are queued. */
#include "bench/timing.h"

#include "core/base/memory.h"

#include <stdlib.h>
#include <time.h>

enum { REPS_LEAST = 5, REPS_MOST = 50, LAUNCHES_MOST = 64 };
#define BETWEEN_NS                                                                                           \
    2e6 /* what lies between two fences of an accelerator is at least as long, or LAUNCHES_MOST runs */

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
                         .launches = 1,
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

/* How runs stand between fences: reps times `launches`. */
typedef struct plan {
    int reps, launches, first_turn;
} plan;

static lop_status run_all(lop_queue *q, lop_fence *fences, const plan *p, bench_fn *fn, void *user)
{
    int turn = p->first_turn;
    LOP_TRY(lop_fence_mark(q, &fences[0]));
    for (int i = 0; i < p->reps; i++) {
        for (int j = 0; j < p->launches; j++) LOP_TRY(fn(user, q, turn++));
        LOP_TRY(lop_fence_mark(q, &fences[i + 1]));
    }
    return lop_queue_wait(q);
}

/* ns[reps] receives the times between the fences, of one run. */
static lop_status time_runs(lop_queue *q, const plan *p, bench_fn *fn, void *user, double *ns)
{
    lop_fence *fences = NULL;
    lop_status status = LOP_OK;
    LOP_TRY_DONE(fences_open(q->device, p->reps + 1, &fences));
    LOP_TRY_DONE(run_all(q, fences, p, fn, user));
    for (int i = 0; i < p->reps; i++) {
        LOP_TRY_DONE(lop_fence_nanoseconds(&fences[i], &fences[i + 1], &ns[i]));
        ns[i] /= p->launches;
    }
done:
    if (fences) fences_close(fences, p->reps + 1);
    return status;
}

lop_status bench_time_once(lop_queue *q, bench_fn *fn, void *user, int turn, double *ns)
{
    const plan once = {1, 1, turn};
    return time_runs(q, &once, fn, user, ns);
}

static int at_least(double n, int low, int high)
{
    return n < low ? low : n > high ? high : (int)n;
}

lop_status bench_time(lop_queue *q, int reps, double seconds, bench_fn *fn, void *user, bench_stats *out)
{
    double first = 0.0, *ns = NULL;
    plan p = {1, 1, 0};
    LOP_TRY(time_runs(q, &p, fn, user, &first));
    if (q->device->accelerator) { /* the first may have chosen or compiled something */
        p.first_turn = 1;
        LOP_TRY(time_runs(q, &p, fn, user, &first));
        p.launches = at_least(BETWEEN_NS / (first > 1.0 ? first : 1.0) + 1.0, 1, LAUNCHES_MOST);
    }
    const double one = first * p.launches > 1.0 ? first * p.launches : 1.0;
    p.reps = reps > 0 ? reps : at_least(seconds * 1e9 / one, REPS_LEAST, REPS_MOST);
    p.first_turn++;
    LOP_TRY(LOP_NEW(&ns, p.reps));
    const lop_status status = time_runs(q, &p, fn, user, ns);
    if (status == LOP_OK) *out = bench_stats_of(ns, p.reps);
    if (status == LOP_OK) out->launches = p.launches;
    lop_free(ns);
    return status;
}
