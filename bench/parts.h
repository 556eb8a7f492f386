/* parts.h - what the benches share: the call, its settings, the device and a queue on it, the lines so far. Internal to
 * bench. */
#ifndef LOP_BENCH_PARTS_H
#define LOP_BENCH_PARTS_H

#include "bench/bench.h"
#include "core/base/option.h"
#include "core/device/device.h"

#include <jansson.h>

typedef struct bench {
    const bench_call *call;
    lop_settings settings;
    lop_device *device; /* the session's; NULL for a bench that computes nothing on one */
    lop_queue queue;
    json_t *lines;     /* an array of every line so far: tables and pages are made of it */
    const char *entry; /* the device as --compare names it; NULL: the session's */
    bool tabled;       /* lines are kept and not printed: a table comes instead */
} bench;

typedef lop_status bench_run_fn(bench *b);
bench_run_fn bench_ops, bench_block, bench_model, bench_eval, bench_io, bench_roof, bench_diff, bench_report,
    bench_table;

/* A row of the table of benches. */
typedef struct bench_kind {
    const char *name;
    const char *reads;           /* options, parted by blanks; "*": any */
    int words_least, words_most; /* how many arguments follow its name */
    bool computes;               /* on the session's device: it is opened before */
    bool compares;               /* --compare and --report: on several devices, as a page */
    bench_run_fn *run;
} bench_kind;

/* Runs it on the device of b->call->session. */
LOP_CHECKED lop_status bench_run_here(bench *b, const bench_kind *kind);

/* Runs it on each device that --compare names, one after the other. What cannot be opened, or has too little memory, gets a
 * line that says why. LOP_E_DEVICE: none of them could. */
LOP_CHECKED lop_status bench_compare(bench *b, const bench_kind *kind);

/* How many repetitions the call asks for, or `usual`. */
int bench_reps(const bench *b, int usual);

#endif
