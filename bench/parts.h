/* parts.h - what the benches share: the call, its settings, the device and a queue on it. Internal to bench. */
#ifndef LOP_BENCH_PARTS_H
#define LOP_BENCH_PARTS_H

#include "bench/bench.h"
#include "core/base/option.h"
#include "core/device/device.h"

typedef struct bench {
    const bench_call *call;
    lop_settings settings;
    lop_device *device; /* the session's; NULL for a bench that computes nothing on one */
    lop_queue queue;
} bench;

typedef lop_status bench_run_fn(bench *b);
bench_run_fn bench_ops, bench_block, bench_model, bench_io, bench_roof, bench_diff;

/* How many repetitions the call asks for, or `usual`. */
int bench_reps(const bench *b, int usual);

#endif
