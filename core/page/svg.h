/* svg.h - shapes, and axes that count in tens or evenly. Colours and sizes are classes of the page's style. */
#ifndef LOP_CORE_PAGE_SVG_H
#define LOP_CORE_PAGE_SVG_H

#include "core/page/markup.h"

#include <stdbool.h>

/* A picture with its name and what it shows, for those who do not see it. */
void lop_svg_open(lop_markup *m, double width, double height, const char *title, const char *what);
void lop_svg_close(lop_markup *m);

void lop_svg_line(lop_markup *m, const char *class, double x1, double y1, double x2, double y2);
void lop_svg_rect(lop_markup *m, const char *class, double x, double y, double width, double height);
void lop_svg_dot(lop_markup *m, const char *class, double x, double y, double radius,
                 const char *hint); /* hint NULL: none */

typedef enum lop_svg_anchor { LOP_SVG_START, LOP_SVG_MIDDLE, LOP_SVG_END } lop_svg_anchor;
void lop_svg_text(lop_markup *m, const char *class, lop_svg_anchor anchor, double x, double y,
                  const char *text);

/* About how wide a text is at the size of labels. */
double lop_svg_width(const char *text);

/* A line through many points, in order: open, points, close. */
void lop_svg_path_open(lop_markup *m, const char *class);
void lop_svg_path_to(lop_markup *m, double x, double y);
void lop_svg_path_close(lop_markup *m);

/* Values [low, high] at places [from, to]: logarithmic, or even. */
typedef struct lop_svg_axis {
    double low, high, from, to;
    bool even;
} lop_svg_axis;

/* A logarithmic axis; widens [low, high] to the next 1, 2 or 5 times a power of ten. 0 < low <= high. */
lop_svg_axis lop_svg_axis_over(double low, double high, double from, double to);

/* An even axis over just [low, high]. low < high. */
lop_svg_axis lop_svg_axis_even(double low, double high, double from, double to);

double lop_svg_at(const lop_svg_axis *a, double value); /* values outside stand at the end */

/* Of a logarithmic axis the first power of ten on it; the others are ten times the one before, up to lop_svg_last. */
double lop_svg_first(const lop_svg_axis *a);
double lop_svg_last(const lop_svg_axis *a);

/* The least 1, 2 or 5 times a power of ten that is not below the value: for steps. value > 0. */
double lop_svg_round_up(double value);

#endif
