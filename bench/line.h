/* line.h - what a bench prints: JSON objects, one a line, and where a number comes from. Internal to bench. */
#ifndef LOP_BENCH_LINE_H
#define LOP_BENCH_LINE_H

#include "bench/parts.h"
#include "bench/timing.h"

#include <jansson.h>

/* What one timed thing is and did. */
typedef struct bench_line {
    const char *name; /* of what was timed */
    const char *word; /* of its storage; NULL: none to speak of */
    int64_t shape[3]; /* shape_rank of them count */
    int shape_rank;
    bench_stats stats;
    double bytes,
        flops; /* least traffic of memory and floating-point operations of one run; 0: none to speak of */
    double copy_gbps, gemm_gflops; /* the roofs; 0: not measured */
} bench_line;

/* {"bench": name, "backend": ..., "device": ...}: how every object begins. */
json_t *bench_object(const bench *b, const char *name);

/* Prints the line of one timed thing: rates at the least time, and the fraction of whichever roof allows less. */
LOP_CHECKED lop_status bench_line_print(const bench *b, const bench_line *line);

/* Prints an object, to which where it comes from (build, commit, date, argv) is added, and takes it; NULL is LOP_E_MEMORY.
 * `last`: it is the only line of this bench. */
LOP_CHECKED lop_status bench_object_print(const bench *b, json_t *object, bool last);

/* Ends what printed several lines, with --json alone; takes the object. */
LOP_CHECKED lop_status bench_result_print(const bench *b, json_t *object);

/* The same with how many lines there were; nothing where --compare will end it. */
LOP_CHECKED lop_status bench_lines_end(const bench *b, const char *name, int lines);

#endif
