/* labels.h - names beside points so that none covers another. Internal to bench. */
#ifndef LOP_BENCH_LABELS_H
#define LOP_BENCH_LABELS_H

#include <stdbool.h>

enum { LABELS_MOST = 192 };

typedef struct label {
    double x, y;             /* of the point */
    const char *text;        /* not owned; "": a point without a name, in the way of the others' */
    double left, top, width; /* where it went */
    bool led;                /* far enough from its point to need a line to it */
} label;

typedef struct label_box {
    double left, top, right, bottom;
} label_box;

#define LABEL_HEIGHT 13.0

/* Places all of them inside `room`, the nearest place first, away from all points and labels and, where that leaves a place,
 * from the lines of those placed before. One that fits nowhere is given a width of 0. */
void labels_place(label *labels, int count, label_box room);

/* The end of the line from a point to its label. */
void labels_end(const label *l, double *x, double *y);

#endif
