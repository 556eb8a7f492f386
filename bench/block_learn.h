/* block_learn.h - what a learner does with the block of a rig, timed from the marks that it leaves in its queue: the whole
 * of it runs as in a prune, and nothing waits between its steps. Internal to bench. */
#ifndef LOP_BENCH_BLOCK_LEARN_H
#define LOP_BENCH_BLOCK_LEARN_H

#include "bench/block_rig.h"
#include "bench/timing.h"

typedef struct block_learn {
    bench_stats step;         /* one window of a full step; reps 0: there was none */
    bench_stats begin, solve; /* all before the first step; all from there to the keep bits */
    int steps;                /* of a run */
    json_t *parts;            /* with `parts`: {name: milliseconds of one window}, medians over the steps */
} block_learn;

/* Runs the method once unseen on the first batch, then `reps` times on all; with `parts` once more with a mark behind each
 * part of a step. The first step of a run puts in place what later ones only change, so it counts in `solve` and, unless it
 * is the only one, not in `step`. The rig's statistics and wanted outputs must be there. Waits. */
LOP_CHECKED lop_status block_learn_time(block_rig *r, int reps, bool parts, block_learn *out);
void block_learn_close(block_learn *l);

/* Runs the method once; nothing is kept. */
LOP_CHECKED lop_status block_learn_run(block_rig *r);

#endif
