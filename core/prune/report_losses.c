/* report_losses.c - the loss of each block as it was written, beside what magnitude's ranks would have left. Losses of
 * blocks differ by powers of ten, so the scale is logarithmic: equal distances are equal ratios. */
#include "core/prune/report_parts.h"

#include <inttypes.h>
#include <math.h>

enum {
    WIDTH = 1040,
    HEIGHT = 336,
    LEFT = 64,
    RIGHT = 930,
    TOP = 44,
    BOTTOM = 290,
    UNDER = 24,      /* room for a value under the lowest dot */
    NAMED_MOST = 14, /* blocks whose values fit beside their dots */
    TICKS_MOST = 26
};

#define DECADES_MOST 12.0 /* what is smaller than the largest by more stands at the bottom */

typedef struct losses {
    lop_markup *m;
    const lop_account *a;
    lop_svg_axis y;
} losses;

static double place_of(const losses *p, int32_t block)
{
    return LEFT + (RIGHT - LEFT) * (block + 0.5) / p->a->block_count;
}

static bool find_axis(losses *p)
{
    double low = INFINITY, high = 0.0;
    for (int32_t b = 0; b < p->a->block_count; b++) {
        const double both[] = {p->a->blocks[b].loss_before, p->a->blocks[b].loss_after};
        for (int i = 0; i < 2; i++) {
            if (!(both[i] > 0.0)) continue;
            low = fmin(low, both[i]);
            high = fmax(high, both[i]);
        }
    }
    if (high <= 0.0) return false;
    p->y = lop_svg_axis_over(fmax(low, high * pow(10.0, -DECADES_MOST)), high, BOTTOM - UNDER, TOP);
    return true;
}

static void draw_tick(const losses *p, double value)
{
    char text[LOP_FIGURES_SIZE];
    const double y = lop_svg_at(&p->y, value);
    lop_text_print(text, sizeof text, "%g", value);
    lop_svg_line(p->m, "grid", LEFT, y, RIGHT, y);
    lop_svg_text(p->m, "tick", LOP_SVG_END, LEFT - 8.0, y + 4.0, text);
}

/* Powers of ten, with 2 and 5 between them where there are few. */
static void draw_scale(const losses *p)
{
    static const double between[] = {1.0, 2.0, 5.0};
    const int steps = p->y.high / p->y.low < 200.0 ? 3 : 1;
    for (int ten = -1; ten <= (int)DECADES_MOST + 1; ten++)
        for (int i = 0; i < steps; i++) {
            const double value = lop_svg_first(&p->y) * pow(10.0, ten) * between[i];
            if (value >= p->y.low * (1.0 - 1e-9) && value <= lop_svg_last(&p->y)) draw_tick(p, value);
        }
    lop_svg_line(p->m, "frame", LEFT, BOTTOM, RIGHT, BOTTOM);
    lop_svg_text(p->m, "axis", LOP_SVG_START, 4.0, 14.0,
                 "mean squared error of an element of the block\xE2\x80\x99s output");
    lop_svg_text(p->m, "axis", LOP_SVG_MIDDLE, 0.5 * (LEFT + RIGHT), BOTTOM + 40.0, "block");
}

static void draw_indices(const losses *p)
{
    char text[24];
    const int32_t step = (p->a->block_count + TICKS_MOST - 1) / TICKS_MOST;
    for (int32_t b = 0; b < p->a->block_count; b += step) {
        lop_text_print(text, sizeof text, "%" PRId64, p->a->blocks[b].index);
        lop_svg_text(p->m, "tick", LOP_SVG_MIDDLE, place_of(p, b), BOTTOM + 18.0, text);
    }
}

static void draw_value(const losses *p, double x, double value, bool above)
{
    char text[LOP_FIGURES_SIZE];
    if (value < 0.0 || p->a->block_count > NAMED_MOST) return;
    lop_figures_far(value, text, sizeof text);
    lop_svg_text(p->m, above ? "label" : "value", LOP_SVG_MIDDLE, x,
                 lop_svg_at(&p->y, value) + (above ? -10.0 : 20.0), text);
}

static void draw_block(const losses *p, int32_t at, double radius)
{
    const lop_account_block *b = &p->a->blocks[at];
    const bool both = b->loss_before >= 0.0 && b->loss_after >= 0.0;
    const double x = place_of(p, at);
    char hint[160], before[LOP_FIGURES_SIZE], after[LOP_FIGURES_SIZE];
    lop_figures_far(b->loss_before, before, sizeof before);
    lop_figures_far(b->loss_after, after, sizeof after);
    lop_text_print(hint, sizeof hint, "block %" PRId64 ": %s by magnitude, %s as written", b->index,
                   b->loss_before < 0.0 ? "not computed" : before,
                   b->loss_after < 0.0 ? "not computed" : after);
    if (both)
        lop_svg_line(p->m, "stem", x, lop_svg_at(&p->y, b->loss_before), x, lop_svg_at(&p->y, b->loss_after));
    if (b->loss_before >= 0.0) lop_svg_dot(p->m, "ring", x, lop_svg_at(&p->y, b->loss_before), radius, hint);
    if (b->loss_after >= 0.0) lop_svg_dot(p->m, "dot", x, lop_svg_at(&p->y, b->loss_after), radius, hint);
    draw_value(p, x, b->loss_before, !(both && b->loss_before < b->loss_after));
    draw_value(p, x, b->loss_after, both && b->loss_before < b->loss_after);
}

static void draw_line(const losses *p, bool after)
{
    lop_svg_path_open(p->m, "faint");
    for (int32_t b = 0; b < p->a->block_count; b++) {
        const double value = after ? p->a->blocks[b].loss_after : p->a->blocks[b].loss_before;
        if (value >= 0.0) lop_svg_path_to(p->m, place_of(p, b), lop_svg_at(&p->y, value));
    }
    lop_svg_path_close(p->m);
}

/* The series' names stand at their last points, pushed apart where these are near. */
static void draw_names(const losses *p)
{
    const lop_account_block *last = &p->a->blocks[p->a->block_count - 1];
    const bool both = last->loss_before >= 0.0 && last->loss_after >= 0.0;
    double before = lop_svg_at(&p->y, last->loss_before), after = lop_svg_at(&p->y, last->loss_after);
    const double gap = 16.0 - fabs(before - after);
    if (both && gap > 0.0) {
        before += 0.5 * (last->loss_before >= last->loss_after ? -gap : gap);
        after += 0.5 * (last->loss_before >= last->loss_after ? gap : -gap);
    }
    if (last->loss_before >= 0.0)
        lop_svg_text(p->m, "label", LOP_SVG_START, RIGHT + 8.0, before + 4.0, "by magnitude");
    if (last->loss_after < 0.0) return;
    lop_markup_add(p->m, "<g class=\"d0\">");
    lop_svg_text(p->m, "series", LOP_SVG_START, RIGHT + 8.0, after + 4.0, p->a->method);
    lop_markup_add(p->m, "</g>");
}

static void draw(losses *p)
{
    const double room = (double)(RIGHT - LEFT) / p->a->block_count;
    const double radius = room < 9.0 ? fmax(1.2, 0.4 * room) : 4.6;
    lop_markup_add(p->m, "<figure>\n");
    lop_svg_open(p->m, WIDTH, HEIGHT, "Losses of blocks",
                 "For each block the loss that magnitude's ranks would leave and the loss as written, on a "
                 "logarithmic scale. The table of blocks has the numbers.");
    draw_scale(p);
    draw_indices(p);
    lop_markup_add(p->m, "<g class=\"d7\">");
    draw_line(p, false);
    lop_markup_add(p->m, "</g><g class=\"d0\">");
    draw_line(p, true);
    for (int32_t b = 0; b < p->a->block_count; b++) draw_block(p, b, radius);
    lop_markup_add(p->m, "</g>");
    draw_names(p);
    lop_svg_close(p->m);
    lop_markup_add(
        p->m,
        "<figcaption>Each block\xE2\x80\x99s output against that of the dense block on the same input. ");
    lop_markup_add(p->m,
                   "The scale is logarithmic: equal distances are equal ratios.</figcaption></figure>\n");
}

static void finding(const losses *p)
{
    int32_t both = 0, better = 0;
    for (int32_t b = 0; b < p->a->block_count; b++) {
        if (p->a->blocks[b].loss_before < 0.0 || p->a->blocks[b].loss_after < 0.0) continue;
        both++;
        better += p->a->blocks[b].loss_after < p->a->blocks[b].loss_before;
    }
    if (both == 0) return;
    lop_markup_add(p->m, "<p>");
    lop_markup_say(p->m, p->a->method);
    lop_markup_add(
        p->m,
        " leaves less than magnitude\xE2\x80\x99s ranks at the same target would in %d of %d blocks.</p>\n",
        (int)better, (int)both);
}

void lop_report_losses(lop_markup *m, const lop_account *a)
{
    losses p = {.m = m, .a = a};
    lop_markup_add(m, "<h2>What each block lost</h2>\n");
    if (!lop_account_has_losses(a)) {
        lop_markup_add(
            m, "<p>No losses were computed: that takes calibration data and <code>--losses</code>.</p>\n");
        return;
    }
    finding(&p);
    if (find_axis(&p))
        draw(&p);
    else
        lop_markup_add(m, "<p>Every loss is zero.</p>\n");
}
