/* page_roofline.c - what operations reach against what the device can do at best: operations per byte to the right,
 * operations per second upwards. Those that compute nothing stand apart, by bytes per second. */
#include "bench/labels.h"
#include "bench/page_parts.h"
#include "bench/results.h"
#include "core/page/figures.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    WIDTH = 1040,
    HEIGHT = 620,
    LEFT = 66,
    RIGHT = 724,
    TOP = 30,
    BOTTOM = 562,
    STRIP_LEFT = 826,
    STRIP_RIGHT = 1030
};

typedef struct picture {
    lop_markup *m;
    const json_t *lines, *first; /* a line of the device and word drawn */
    double copy, product;        /* GB/s and GFLOP/s; 0: not known */
    lop_svg_axis x, y, rate;     /* flop/byte, GFLOP/s, GB/s */
    label computing[LABELS_MOST], moving[LABELS_MOST];
    int computing_count, moving_count;
    int drawn;         /* of those that compute nothing: they stand in three columns by turns */
    char names[2][64]; /* of the roofs */
} picture;

static bool is_ours(const picture *p, const json_t *line)
{
    return bench_is_operation(line) && bench_same_device(line, p->first) &&
           strcmp(bench_word(line), bench_word(p->first)) == 0;
}

static bool computes(const json_t *line)
{
    return bench_number(line, "flops") > 0.0;
}

/* What the last line of the device that has roofs says of one. */
static double roof_of(const picture *p, const char *path)
{
    for (size_t i = json_array_size(p->lines); i-- > 0;) {
        const json_t *line = json_array_get(p->lines, i);
        if (bench_same_device(line, p->first) && bench_number(line, path) > 0.0)
            return bench_number(line, path);
    }
    return 0.0;
}

/* Older lines have no roofs but fractions of them. */
static double copy_from_fractions(const picture *p)
{
    size_t i;
    const json_t *line;
    json_array_foreach(p->lines, i, line)
    {
        if (is_ours(p, line) && strcmp(bench_text(line, "roof"), "memory") == 0)
            return bench_number(line, "gbps") / bench_number(line, "roof_frac");
    }
    return 0.0;
}

static void find_roofs(picture *p)
{
    char path[64];
    p->copy = roof_of(p, "roofs.copy_gbps");
    if (p->copy <= 0.0) p->copy = copy_from_fractions(p);
    (void)snprintf(path, sizeof path, "roofs.gemm_tflops.%.8s", bench_word(p->first));
    p->product = roof_of(p, path) * 1e3;
    if (p->product <= 0.0) p->product = roof_of(p, "roofs.gemm_tflops.f32") * 1e3;
}

static void widen(double value, double *low, double *high)
{
    if (!(value > 0.0)) return;
    if (value < *low) *low = value;
    if (value > *high) *high = value;
}

static void find_axes(picture *p)
{
    double x[2] = {INFINITY, 0}, y[2] = {INFINITY, 0}, rate[2] = {INFINITY, 0};
    size_t i;
    const json_t *line;
    json_array_foreach(p->lines, i, line)
    {
        if (!is_ours(p, line)) continue;
        if (!computes(line)) {
            widen(bench_number(line, "gbps"), &rate[0], &rate[1]);
            continue;
        }
        widen(bench_number(line, "flops") / bench_number(line, "bytes"), &x[0], &x[1]);
        widen(bench_number(line, "gflops"), &y[0], &y[1]);
    }
    if (p->copy > 0.0) widen(p->copy, &rate[0], &rate[1]);
    if (p->product > 0.0) widen(p->product * 1.3, &y[0], &y[1]);
    if (p->copy > 0.0 && p->product > 0.0) {
        widen(p->product / p->copy * 3.0, &x[0], &x[1]);
        widen(p->product / p->copy / 3.0, &x[0], &x[1]);
    }
    p->x = lop_svg_axis_over(x[1] > 0.0 ? x[0] : 1.0, x[1] > 0.0 ? x[1] : 10.0, LEFT, RIGHT);
    p->y = lop_svg_axis_over(y[1] > 0.0 ? y[0] : 1.0, y[1] > 0.0 ? y[1] : 10.0, BOTTOM, TOP);
    p->rate = lop_svg_axis_over(rate[1] > 0.0 ? rate[0] : 1.0, rate[1] > 0.0 ? rate[1] : 10.0, BOTTOM, TOP);
}

/* ---- axes */

/* "0.1", "10", "1 T": of a number of giga-somethings. */
static void giga_text(double value, const char *unit, char *out, size_t size)
{
    const bool tera = value >= 999.0;
    (void)snprintf(out, size, "%g %s%s", tera ? value / 1e3 : value, tera ? "T" : "G", unit);
}

static void draw_level_axis(lop_markup *m, const lop_svg_axis *a, double left, double right, const char *unit)
{
    char text[32];
    for (double v = lop_svg_first(a); v <= lop_svg_last(a); v *= 10.0) {
        const double y = lop_svg_at(a, v);
        lop_svg_line(m, "grid", left, y, right, y);
        giga_text(v, unit, text, sizeof text);
        lop_svg_text(m, "tick", LOP_SVG_END, left - 6.0, y + 4.0, text);
    }
    lop_svg_line(m, "frame", left, TOP, left, BOTTOM);
    lop_svg_line(m, "frame", left, BOTTOM, right, BOTTOM);
}

static void draw_axes(const picture *p)
{
    char text[32];
    for (double v = lop_svg_first(&p->x); v <= lop_svg_last(&p->x); v *= 10.0) {
        const double x = lop_svg_at(&p->x, v);
        lop_svg_line(p->m, "grid", x, TOP, x, BOTTOM);
        (void)snprintf(text, sizeof text, "%g", v);
        lop_svg_text(p->m, "tick", LOP_SVG_MIDDLE, x, BOTTOM + 18.0, text);
    }
    draw_level_axis(p->m, &p->y, LEFT, RIGHT, "");
    lop_svg_text(p->m, "axis", LOP_SVG_START, 4.0, 14.0, "floating-point operations per second");
    lop_svg_text(p->m, "axis", LOP_SVG_MIDDLE, 0.5 * (LEFT + RIGHT), BOTTOM + 40.0,
                 "floating-point operations per byte that must move");
}

static void draw_strip_axis(const picture *p)
{
    draw_level_axis(p->m, &p->rate, STRIP_LEFT, STRIP_RIGHT, "B/s");
    lop_svg_text(p->m, "axis", LOP_SVG_START, STRIP_LEFT - 60.0, 14.0, "bytes per second");
    lop_svg_text(p->m, "axis", LOP_SVG_MIDDLE, 0.5 * (STRIP_LEFT + STRIP_RIGHT), BOTTOM + 40.0,
                 "operations that compute nothing");
}

/* ---- roofs */

static void name_place(label *labels, int *count, double x, double y, const char *text)
{
    if (*count == LABELS_MOST) return;
    labels[*count] = (label){.x = x, .y = y, .text = text};
    *count += 1;
}

static void draw_roofs(picture *p)
{
    char figures[32];
    const bool both = p->copy > 0.0 && p->product > 0.0;
    const double ridge = both ? p->product / p->copy : p->copy > 0.0 ? p->x.high : p->x.low;
    if (p->copy > 0.0) {
        const double from = fmax(p->x.low, p->y.low / p->copy);
        lop_svg_line(p->m, "roof", lop_svg_at(&p->x, from), lop_svg_at(&p->y, from * p->copy),
                     lop_svg_at(&p->x, ridge), lop_svg_at(&p->y, ridge * p->copy));
        const double middle = sqrt(ridge * sqrt(from * ridge));
        lop_figures(p->copy, figures, sizeof figures);
        (void)snprintf(p->names[0], sizeof p->names[0], "copies: %s GB/s", figures);
        name_place(p->computing, &p->computing_count, lop_svg_at(&p->x, middle),
                   lop_svg_at(&p->y, middle * p->copy) - 4.0, p->names[0]);
        lop_svg_line(p->m, "roof", STRIP_LEFT, lop_svg_at(&p->rate, p->copy), STRIP_RIGHT,
                     lop_svg_at(&p->rate, p->copy));
    }
    if (p->product > 0.0) {
        const double y = lop_svg_at(&p->y, p->product);
        lop_svg_line(p->m, "roof", lop_svg_at(&p->x, fmax(ridge, p->x.low)), y, RIGHT, y);
        lop_figures(p->product * 1e-3, figures, sizeof figures);
        (void)snprintf(p->names[1], sizeof p->names[1], "products: %s TFLOP/s", figures);
        name_place(p->computing, &p->computing_count, RIGHT - 6.0, y - 14.0, p->names[1]);
    }
}

/* ---- points */

/* The line of the same operation with the longest rows. */
static const json_t *longest(const picture *p, const json_t *line)
{
    size_t i;
    const json_t *other, *best = line;
    json_array_foreach(p->lines, i, other)
    {
        if (is_ours(p, other) && bench_same_operation(other, line) &&
            bench_columns(other) >= bench_columns(best))
            best = other;
    }
    return best;
}

static void hint_of(const json_t *line, char *out, size_t size)
{
    (void)snprintf(out, size, "%.48s %.8s, rows of %lld: %.4g GB/s, %.4g GFLOP/s, %.2f of the roof",
                   bench_text(line, "bench"), bench_word(line), (long long)bench_columns(line),
                   bench_number(line, "gbps"), bench_number(line, "gflops"), bench_number(line, "roof_frac"));
}

static void point_of(const picture *p, const json_t *line, double *x, double *y)
{
    *x = lop_svg_at(&p->x, bench_number(line, "flops") / bench_number(line, "bytes"));
    *y = lop_svg_at(&p->y, bench_number(line, "gflops"));
    if (computes(line)) return;
    *x = STRIP_LEFT + 26.0 + 34.0 * (p->drawn % 3);
    *y = lop_svg_at(&p->rate, bench_number(line, "gbps"));
}

static void point_name(picture *p, const json_t *line, double x, double y, const char *text)
{
    if (computes(line))
        name_place(p->computing, &p->computing_count, x, y, text);
    else
        name_place(p->moving, &p->moving_count, x, y, text);
}

/* The other lengths of rows as small dots, joined to the longest. */
static void draw_others(picture *p, const json_t *line, double at_x, double at_y)
{
    size_t i;
    const json_t *other;
    char hint[192];
    json_array_foreach(p->lines, i, other)
    {
        double x, y;
        if (other == line || !is_ours(p, other) || !bench_same_operation(other, line)) continue;
        point_of(p, other, &x, &y);
        hint_of(other, hint, sizeof hint);
        lop_svg_line(p->m, "span", at_x, at_y, x, y);
        lop_svg_dot(p->m, "small", x, y, 2.4, hint);
        point_name(p, line, x, y, "");
    }
}

static void draw_points(picture *p)
{
    size_t i;
    const json_t *line;
    json_array_foreach(p->lines, i, line)
    {
        double x, y;
        char hint[192];
        if (!is_ours(p, line) || longest(p, line) != line) continue;
        point_of(p, line, &x, &y);
        hint_of(line, hint, sizeof hint);
        draw_others(p, line, x, y);
        lop_svg_dot(p->m, "point", x, y, 4.0, hint);
        point_name(p, line, x, y, bench_text(line, "bench"));
        p->drawn += !computes(line);
    }
}

static void draw_labels(lop_markup *m, label *labels, int count, label_box room)
{
    labels_place(labels, count, room);
    for (int i = 0; i < count; i++) {
        const label *l = &labels[i];
        double x, y;
        if (l->width == 0.0) continue;
        labels_end(l, &x, &y);
        if (l->led) lop_svg_line(m, "lead", l->x, l->y, x, y);
    }
    for (int i = 0; i < count; i++)
        if (labels[i].width > 0.0)
            lop_svg_text(m, "name", LOP_SVG_START, labels[i].left, labels[i].top + LABEL_HEIGHT - 2.5,
                         labels[i].text);
}

static void draw_roofline(lop_markup *m, const json_t *lines, const json_t *first)
{
    picture p = {.m = m, .lines = lines, .first = first};
    char name[128], title[192];
    bench_device_name(first, name, sizeof name);
    (void)snprintf(title, sizeof title, "%s, storage in %.8s", name, bench_word(first));
    find_roofs(&p);
    find_axes(&p);
    lop_markup_element(m, "h3", title);
    lop_markup_add(m, "<figure class=\"d%d\">", page_device(lines, first));
    lop_svg_open(m, WIDTH, HEIGHT, title,
                 "A roofline: each operation by its arithmetic per byte and its speed, under "
                 "the rates of copies and of products. The table of operations has the numbers.");
    draw_axes(&p);
    draw_strip_axis(&p);
    draw_roofs(&p);
    draw_points(&p);
    draw_labels(m, p.computing, p.computing_count, (label_box){LEFT + 4, TOP - 14, RIGHT + 26, BOTTOM - 2});
    draw_labels(m, p.moving, p.moving_count,
                (label_box){STRIP_LEFT + 4, TOP - 14, STRIP_RIGHT + 8, BOTTOM - 2});
    lop_svg_close(m);
    lop_markup_add(
        m,
        "<figcaption>Large points: the longest rows; small ones joined to them: shorter rows.</figcaption>");
    lop_markup_add(m, "</figure>\n");
}

void page_rooflines(lop_markup *m, const json_t *lines)
{
    bool any = false;
    for (size_t i = 0; i < json_array_size(lines); i++) {
        const json_t *line = json_array_get(lines, i);
        bool drawn = !bench_is_operation(line);
        for (size_t j = 0; j < i && !drawn; j++) {
            const json_t *before = json_array_get(lines, j);
            drawn = bench_is_operation(before) && bench_same_device(before, line) &&
                    strcmp(bench_word(before), bench_word(line)) == 0;
        }
        if (drawn) continue;
        if (!any)
            lop_markup_add(
                m,
                "<h2>Operations under their roofs</h2>\n<p class=\"soft\">The lines are measured on the same "
                "device in the same run. A point on the line could not be faster; one above it moved less "
                "than a copy does.</p>\n");
        any = true;
        draw_roofline(m, lines, line);
    }
}
