/* marks.h - places in a queue, each with the name of the part of the work that ended there, and the time between them. Internal
 * to bench. */
#ifndef LOP_BENCH_MARKS_H
#define LOP_BENCH_MARKS_H

#include "core/device/device.h"

typedef struct bench_mark {
    lop_fence fence;
    const char *part; /* that ended here; "": nothing */
} bench_mark;

/* Zero-initialise. Fences stay when `count` is set to 0 to begin anew: opening them is no part of what is timed then. */
typedef struct bench_marks {
    bench_mark *at;
    int count, opened;
} bench_marks;

LOP_CHECKED lop_status bench_marks_add(bench_marks *m, lop_queue *q, const char *part);
void bench_marks_close(bench_marks *m);

/* Nanoseconds from mark `from` to mark `to`; 0 after a failure. The queue must have been waited for. */
double bench_marks_between(const bench_marks *m, int from, int to, lop_status *status);

/* Nanoseconds of a part behind mark `begin` up to mark `end`, over all its pieces. */
double bench_marks_part(const bench_marks *m, const char *part, int begin, int end, lop_status *status);

#endif
