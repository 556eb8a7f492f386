/* page_stages.c - milliseconds of each stage on each device. Devices differ a thousandfold, so the scale is logarithmic;
 * what lies between the floor and the end of a bar is then how many times the floor it takes, the same length everywhere. */
#include "bench/page_parts.h"
#include "bench/results.h"
#include "core/page/figures.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { WIDTH = 1040, LEFT = 270, RIGHT = 850, TOP = 34, ROW = 24, GROUP = 30, BARS_MOST = 512 };

typedef struct bar {
    const json_t *line;
    const char *group;   /* heading: bars of one heading stand together */
    char name[64];       /* of the stage */
    double ms, floor_ms; /* floor 0: none */
} bar;

typedef struct bars {
    bar at[BARS_MOST];
    int count;
} bars;

static void add(bars *b, const json_t *line, const char *group, const char *name, double ms, double floor_ms)
{
    if (b->count == BARS_MOST || !(ms > 0.0)) return;
    bar *to = &b->at[b->count++];
    *to = (bar){.line = line, .group = group, .ms = ms, .floor_ms = floor_ms};
    (void)snprintf(to->name, sizeof to->name, "%s", name);
}

static void add_stages(bars *b, const json_t *line)
{
    const char *stage;
    json_t *ms;
    json_object_foreach(json_object_get(line, "ms_per_sample_min"), stage, ms)
    {
        const json_t *floor_ms = json_object_get(json_object_get(line, "floor_ms"), stage);
        char name[64];
        (void)snprintf(name, sizeof name, "%.32s, one window", stage);
        add(b, line, "block", name, json_number_value(ms), json_number_value(floor_ms));
    }
    char name[64];
    (void)snprintf(name, sizeof name, "whole block, %.0f windows", bench_number(line, "nsamples"));
    const double init = bench_number(line, "s_per_block.init");
    add(b, line, "block", "before the first step", init * 1e3, 0.0);
    add(b, line, "block", init > 0.0 ? "all steps, scores and masks" : "scores and masks",
        bench_number(line, "s_per_block.solve_min") * 1e3, 0.0);
    add(b, line, "block", name, bench_number(line, "s_per_block.total") * 1e3,
        bench_number(line, "s_per_block.total_floor") * 1e3);
}

static void add_parts(bars *b, const json_t *line, const char *member, const char *group)
{
    const char *part;
    json_t *ms;
    json_object_foreach(json_object_get(line, member), part, ms)
    {
        char name[64];
        (void)snprintf(name, sizeof name, "%.32s", part);
        add(b, line, group, name, json_number_value(ms), 0.0);
    }
}

static void add_eval(bars *b, const json_t *line)
{
    if (strcmp(bench_text(line, "bench"), "eval") != 0) return;
    add(b, line, "eval", "embedding", bench_number(line, "parts_ms.embedding"), 0.0);
    add(b, line, "eval", "blocks", bench_number(line, "parts_ms.blocks"), 0.0);
    add(b, line, "eval", "head and losses", bench_number(line, "parts_ms.head"), 0.0);
    add(b, line, "eval", "whole", bench_number(line, "ms.min"), bench_number(line, "floor_ms"));
}

/* ---- drawing */

static bool same_row(const bar *a, const bar *b)
{
    return strcmp(a->group, b->group) == 0 && strcmp(a->name, b->name) == 0 &&
           strcmp(bench_text(a->line, "shape"), bench_text(b->line, "shape")) == 0;
}

static bool is_first(const bars *b, int at)
{
    for (int i = 0; i < at; i++)
        if (same_row(&b->at[i], &b->at[at])) return false;
    return true;
}

static lop_svg_axis axis_of(const bars *b, const char *group)
{
    double low = INFINITY, high = 0.0;
    for (int i = 0; i < b->count; i++) {
        const bar *r = &b->at[i];
        if (strcmp(r->group, group) != 0) continue;
        const double least = r->floor_ms > 0.0 && r->floor_ms < r->ms ? r->floor_ms : r->ms;
        if (least < low) low = least;
        if (r->ms > high) high = r->ms;
    }
    return lop_svg_axis_over(low * 0.5, high, LEFT, RIGHT);
}

static void draw_bar(lop_markup *m, const json_t *lines, const bar *r, const lop_svg_axis *x, double y)
{
    char text[96], name[128], ms[32];
    const double end = lop_svg_at(x, r->ms), floor_x = r->floor_ms > 0.0 ? lop_svg_at(x, r->floor_ms) : end;
    lop_figures(r->ms, ms, sizeof ms);
    bench_device_name(r->line, name, sizeof name);
    (void)snprintf(text, sizeof text, "%s ms", ms);
    if (r->floor_ms > 0.0) (void)snprintf(text, sizeof text, "%s ms = %.2f x floor", ms, r->ms / r->floor_ms);
    lop_svg_text(m, "tick", LOP_SVG_END, LEFT - 8.0, y + 14.0, name);
    lop_markup_add(m, "<g class=\"d%d\">", page_device(lines, r->line));
    lop_svg_rect(m, r->floor_ms > 0.0 ? "light" : "whole", LEFT, y + 3.0,
                 (floor_x < end ? floor_x : end) - LEFT, 14.0);
    if (end > floor_x) lop_svg_rect(m, "whole", floor_x, y + 3.0, end - floor_x, 14.0);
    lop_markup_add(m, "</g>");
    if (r->floor_ms > 0.0) lop_svg_line(m, "floor", floor_x, y, floor_x, y + 20.0);
    lop_svg_text(m, "label", LOP_SVG_START, (end > floor_x ? end : floor_x) + 7.0, y + 14.0, text);
}

static double height_of(const bars *b, const char *group)
{
    double height = TOP + 16.0;
    for (int i = 0; i < b->count; i++)
        if (strcmp(b->at[i].group, group) == 0) height += ROW + (is_first(b, i) ? GROUP : 0);
    return height;
}

static void draw_scale(lop_markup *m, const lop_svg_axis *x, double height)
{
    for (double v = lop_svg_first(x); v <= lop_svg_last(x); v *= 10.0) {
        char text[32];
        const double at = lop_svg_at(x, v);
        (void)snprintf(text, sizeof text, v < 1000.0 ? "%g ms" : "%g s", v < 1000.0 ? v : v / 1000.0);
        lop_svg_line(m, "grid", at, TOP - 8.0, at, height - 8.0);
        lop_svg_text(m, "tick", LOP_SVG_MIDDLE, at, TOP - 14.0, text);
    }
}

static void draw_group(lop_markup *m, const json_t *lines, const bars *b, const char *group,
                       const char *title)
{
    double y = TOP;
    const double height = height_of(b, group);
    if (height <= TOP + 16.0) return;
    const lop_svg_axis x = axis_of(b, group);
    lop_markup_element(m, "h3", title);
    lop_markup_add(m, "<figure>");
    lop_svg_open(m, WIDTH, height, title,
                 "Bars of milliseconds by stage and device; the tables have the numbers.");
    draw_scale(m, &x, height);
    for (int i = 0; i < b->count; i++) {
        if (strcmp(b->at[i].group, group) != 0 || !is_first(b, i)) continue;
        char text[160];
        (void)snprintf(text, sizeof text, "%s (%.40s)", b->at[i].name, bench_text(b->at[i].line, "shape"));
        lop_svg_text(m, "group", LOP_SVG_START, 4.0, y + 20.0, text);
        y += GROUP;
        for (int j = i; j < b->count; j++) {
            if (!same_row(&b->at[i], &b->at[j])) continue;
            draw_bar(m, lines, &b->at[j], &x, y);
            y += ROW;
        }
    }
    lop_svg_close(m);
    lop_markup_add(m, "</figure>\n");
}

void page_stages(lop_markup *m, const json_t *lines)
{
    bars b = {.count = 0};
    size_t i;
    const json_t *line;
    json_array_foreach(lines, i, line)
    {
        add_stages(&b, line);
        add_parts(&b, line, "forward_parts_ms", "parts");
        add_parts(&b, line, "step_parts_ms", "step");
        add_parts(&b, line, "block_parts_ms", "solve");
        add_eval(&b, line);
    }
    if (b.count == 0) return;
    lop_markup_add(
        m,
        "<h2>Milliseconds by stage</h2>\n<p class=\"soft\">The black mark is the floor: the stage's products "
        "at "
        "the measured rate of products, and what else must move at that of copies. The scale is logarithmic, "
        "so "
        "the full part of a bar, from the floor to its end, has the same length for the same multiple of the "
        "floor on every device.</p>\n");
    draw_group(m, lines, &b, "block", "One block");
    draw_group(m, lines, &b, "parts", "The parts of a forward, each alone");
    draw_group(m, lines, &b, "step", "The parts of a learner's step");
    draw_group(m, lines, &b, "solve", "The parts of a block that is solved for, all windows");
    draw_group(m, lines, &b, "eval", "Perplexity of a whole model");
}
