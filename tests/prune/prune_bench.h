/* prune_bench.h - a small model with seeded weights and calibration ids, in a folder of their own, ready to be pruned. */
#ifndef LOP_TESTS_PRUNE_PRUNE_BENCH_H
#define LOP_TESTS_PRUNE_PRUNE_BENCH_H

#include "tests/model/made_model.h"
#include "tests/prune/prune_rig.h"

enum { BENCH_WINDOWS = 6, BENCH_SEQLEN = 32 };

typedef struct prune_bench {
    made_model model;
    char scratch[64], ids[96], save[96], other[96];
    int32_t id[BENCH_WINDOWS * BENCH_SEQLEN];
} prune_bench;

void bench_open(prune_bench *b, made_shape shape);
void bench_close(const prune_bench *b);

/* Another folder to save to; one at a time. */
const char *bench_other(prune_bench *b, const char *name);

/* A prune with the bench's ids, save-masks and force, and the settings `more`, which end at the first without a name and
 * win over these. */
prune_try bench_try(const prune_bench *b, const char *method, const lop_setting *more);

/* The part of all mask bits in which two folders differ. */
double bench_masks_differ(const char *a, const char *b);

#endif
