/* timing.h - how long work takes on a device: time between fences, the first run left out, and what a list of times says.
 * Internal to bench. */
#ifndef LOP_BENCH_TIMING_H
#define LOP_BENCH_TIMING_H

#include "core/device/device.h"

/* Queues one run of what is timed. `turn` counts up from 0: benches take other buffers each turn, so that what a cache
 * holds of the last turn is not read again. */
typedef lop_status bench_fn(void *user, lop_queue *q, int turn);

/* Times of `reps` runs, in nanoseconds; each is the mean of `launches` runs between two fences. p90: nine in ten were not
 * slower. */
typedef struct bench_stats {
    int reps, launches;
    double ns_min, ns_med, ns_p90;
} bench_stats;

/* Runs `fn` once unseen, then `reps` times, or as often as fills `seconds` (5 to 50 times) when reps is 0. On an accelerator
 * short runs go many between two fences, so that neither the fences nor the way to the device count. Waits. */
LOP_CHECKED lop_status bench_time(lop_queue *q, int reps, double seconds, bench_fn *fn, void *user,
                                  bench_stats *out);

/* One run between two fences. Waits. */
LOP_CHECKED lop_status bench_time_once(lop_queue *q, bench_fn *fn, void *user, int turn, double *ns);

/* What `count` times say; sorts them. */
bench_stats bench_stats_of(double *ns, int count);

/* Nanoseconds of the host since some fixed point: for work that no queue orders. */
double bench_clock(void);

#endif
