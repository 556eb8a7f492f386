/* svg.h - shapes, and axes that count in tens. Colours and sizes are classes of the page's style. Internal to bench. */
#ifndef LOP_BENCH_SVG_H
#define LOP_BENCH_SVG_H

#include "bench/markup.h"

/* A picture with its name and what it shows, for those who do not see it. */
void svg_open(markup *m, double width, double height, const char *title, const char *what);
void svg_close(markup *m);

void svg_line(markup *m, const char *class, double x1, double y1, double x2, double y2);
void svg_rect(markup *m, const char *class, double x, double y, double width, double height);
void svg_dot(markup *m, const char *class, double x, double y, double radius,
             const char *hint); /* hint NULL: none */

typedef enum svg_anchor { SVG_START, SVG_MIDDLE, SVG_END } svg_anchor;
void svg_text(markup *m, const char *class, svg_anchor anchor, double x, double y, const char *text);

/* About how wide a text is at the size of labels. */
double svg_width(const char *text);

/* A logarithmic axis: values [low, high] at places [from, to]. */
typedef struct svg_axis {
    double low, high, from, to;
} svg_axis;

/* Widens [low, high] to the next 1, 2 or 5 times a power of ten. */
svg_axis svg_axis_over(double low, double high, double from, double to);
double svg_at(const svg_axis *a, double value); /* values outside stand at the end */

/* The first power of ten on it; the others are ten times the one before, up to svg_last. */
double svg_first(const svg_axis *a);
double svg_last(const svg_axis *a);

#endif
