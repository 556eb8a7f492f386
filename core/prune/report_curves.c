/* report_curves.c - what a learner did, one small picture for each block, all with the same axes: the loss of each step in
 * parts of the loss that the block began with, its running mean, and below it the sparsity that the learner expected of
 * itself. Losses of blocks differ by powers of ten and by tenths while they are learnt: parts show the latter, the numbers in
 * the titles the former. */
#include "core/prune/report_parts.h"

#include "core/base/memory.h"

#include <inttypes.h>
#include <math.h>

enum {
    WIDTH = 200,
    HEIGHT = 140,
    LOSS_TOP = 24,
    LOSS_BOTTOM = 92,
    SHARE_TOP = 104,
    SHARE_BOTTOM = 136,
    POINTS_MOST = 200, /* of a line: one for each unit of width */
    MEAN_PARTS = 16    /* the running mean is over this part of all steps */
};

#define LOSS_MOST   2.0  /* in parts of the first: what is above stands at the top */
#define SHARE_LEAST 0.01 /* of a fraction, that the lower axis shows at least to each side */

typedef struct curves {
    lop_markup *m;
    const lop_account *a;
    lop_svg_axis loss, share;
    double goal; /* -1: none */
    bool cut;    /* a step lies above LOSS_MOST */
} curves;

/* ---- numbers over steps */

typedef enum series { LOSS, SHARE } series;

static double value_of(const lop_account_step *s, series what)
{
    return what == LOSS ? s->loss : s->sparsity;
}

/* Sums and counts of what is there, of all steps before each. */
typedef struct sums {
    double *sum;
    int32_t *count;
} sums;

static void sums_close(sums *s)
{
    lop_free(s->count);
    lop_free(s->sum);
    *s = (sums){NULL, NULL};
}

static lop_status sums_open(const lop_account_block *b, series what, sums *out)
{
    lop_status status = LOP_OK;
    *out = (sums){NULL, NULL};
    LOP_TRY_DONE(LOP_NEW(&out->sum, b->step_count + 1));
    LOP_TRY_DONE(LOP_NEW(&out->count, b->step_count + 1));
    for (int32_t i = 0; i < b->step_count; i++) {
        const double value = value_of(&b->steps[i], what);
        out->sum[i + 1] = out->sum[i] + (value >= 0.0 ? value : 0.0);
        out->count[i + 1] = out->count[i] + (value >= 0.0);
    }
done:
    if (status != LOP_OK) sums_close(out);
    return status;
}

/* The mean of [from, to), -1 when nothing is there. */
static double mean_of(const sums *s, int32_t from, int32_t to)
{
    const int32_t count = s->count[to] - s->count[from];
    return count > 0 ? (s->sum[to] - s->sum[from]) / count : -1.0;
}

static int32_t window_of(const lop_account_block *b)
{
    return b->step_count < MEAN_PARTS ? 1 : b->step_count / MEAN_PARTS;
}

/* The loss that a block began with, and the one it ended with; -1: unknown. */
static double first_of(const lop_account_block *b, const sums *s)
{
    return mean_of(s, 0, window_of(b));
}

static double last_of(const lop_account_block *b, const sums *s)
{
    return mean_of(s, b->step_count - window_of(b), b->step_count);
}

/* ---- axes, which all blocks share */

static void widen(double value, double *low, double *high)
{
    if (value < 0.0) return;
    *low = fmin(*low, value);
    *high = fmax(*high, value);
}

static lop_status find_axes(curves *p)
{
    double loss[2] = {0.0, 1.0}, share[2] = {INFINITY, -1.0};
    widen(p->goal, &share[0], &share[1]);
    for (int32_t i = 0; i < p->a->block_count; i++) {
        const lop_account_block *b = &p->a->blocks[i];
        sums s;
        if (b->step_count == 0) continue;
        LOP_TRY(sums_open(b, LOSS, &s));
        const double first = first_of(b, &s);
        sums_close(&s);
        for (int32_t k = 0; k < b->step_count; k++) {
            if (first > 0.0) widen(b->steps[k].loss / first, &loss[0], &loss[1]);
            widen(b->steps[k].sparsity, &share[0], &share[1]);
        }
    }
    p->cut = loss[1] > LOSS_MOST;
    if (share[1] < 0.0) share[0] = share[1] = 0.5;
    p->loss = lop_svg_axis_even(0.0, fmin(loss[1], LOSS_MOST), LOSS_BOTTOM, LOSS_TOP);
    p->share = lop_svg_axis_even(share[0] - SHARE_LEAST, share[1] + SHARE_LEAST, SHARE_BOTTOM, SHARE_TOP);
    return LOP_OK;
}

/* ---- drawing */

static double place_of(const lop_account_block *b, double step)
{
    return b->step_count < 2 ? 0.5 * WIDTH : WIDTH * step / (b->step_count - 1);
}

/* Every step in parts of `first`; where there are more than units of width, the least and the most of each unit. */
static void draw_raw(const curves *p, const lop_account_block *b, double first)
{
    const int32_t n = b->step_count, parts = n < 2 * POINTS_MOST ? n : POINTS_MOST;
    lop_svg_path_open(p->m, "raw");
    for (int32_t k = 0; k < parts; k++) {
        const int32_t from = (int32_t)((int64_t)k * n / parts), to = (int32_t)((int64_t)(k + 1) * n / parts);
        double low = INFINITY, high = -1.0;
        for (int32_t i = from; i < to; i++) widen(b->steps[i].loss, &low, &high);
        if (high < 0.0) continue;
        lop_svg_path_to(p->m, place_of(b, from), lop_svg_at(&p->loss, low / first));
        if (to - from > 1) lop_svg_path_to(p->m, place_of(b, from), lop_svg_at(&p->loss, high / first));
    }
    lop_svg_path_close(p->m);
}

/* A line of means over `window` steps around each point, in parts of `first`. */
static void draw_mean(const curves *p, const lop_account_block *b, const sums *s, series what, double first)
{
    const int32_t n = b->step_count, points = n < POINTS_MOST ? n : POINTS_MOST;
    const int32_t window = what == LOSS ? window_of(b) : 1;
    lop_svg_path_open(p->m, what == LOSS ? "mean" : "thin");
    for (int32_t k = 0; k < points; k++) {
        const int32_t at = points < 2 ? 0 : (int32_t)((int64_t)k * (n - 1) / (points - 1));
        const int32_t from = at - window / 2 < 0 ? 0 : at - window / 2;
        const double value = mean_of(s, from, from + window > n ? n : from + window);
        if (value >= 0.0)
            lop_svg_path_to(p->m, place_of(b, at),
                            lop_svg_at(what == LOSS ? &p->loss : &p->share, value / first));
    }
    lop_svg_path_close(p->m);
}

static void draw_scale(const curves *p)
{
    const double one = lop_svg_at(&p->loss, 1.0);
    lop_svg_line(p->m, "grid", 0.0, one, WIDTH, one);
    lop_svg_text(p->m, "tiny", LOP_SVG_END, WIDTH, one - 3.0, "1");
    lop_svg_line(p->m, "frame", 0.0, LOSS_BOTTOM, WIDTH, LOSS_BOTTOM);
    lop_svg_text(p->m, "tiny", LOP_SVG_END, WIDTH, LOSS_BOTTOM - 3.0, "0");
    if (p->goal < 0.0) return;
    const double y = lop_svg_at(&p->share, p->goal);
    lop_svg_line(p->m, "goal", 0.0, y, WIDTH, y);
}

static void draw_head(const curves *p, const lop_account_block *b, const sums *s)
{
    char text[128], from[LOP_FIGURES_SIZE], to[LOP_FIGURES_SIZE];
    const double first = first_of(b, s), last = last_of(b, s);
    lop_account_label(b, text);
    lop_svg_text(p->m, "head", LOP_SVG_START, 0.0, 12.0, text);
    if (first < 0.0 || last < 0.0) return;
    lop_figures_far(first, from, sizeof from);
    lop_figures_far(last, to, sizeof to);
    lop_text_print(text, sizeof text, "%s \xE2\x86\x92 %s", from, to);
    lop_svg_text(p->m, "value", LOP_SVG_END, WIDTH, 12.0, text);
}

static void draw_lines(const curves *p, const lop_account_block *b, const sums *loss, const sums *share)
{
    char text[LOP_FIGURES_SIZE];
    const double first = first_of(b, loss), aim = b->steps[b->step_count - 1].sparsity;
    lop_markup_add(p->m, "<g class=\"d0\">");
    if (first > 0.0) draw_raw(p, b, first);
    if (first > 0.0) draw_mean(p, b, loss, LOSS, first);
    lop_markup_add(p->m, "</g><g class=\"d1\">");
    draw_mean(p, b, share, SHARE, 1.0);
    lop_markup_add(p->m, "</g>");
    if (aim < 0.0) return;
    lop_report_percent(aim, text, sizeof text);
    lop_svg_text(p->m, "tiny", LOP_SVG_END, WIDTH, SHARE_BOTTOM, text);
}

static lop_status draw_block(const curves *p, const lop_account_block *b)
{
    lop_status status = LOP_OK;
    sums loss = {NULL, NULL}, share = {NULL, NULL};
    char title[128], label[LOP_ACCOUNT_LABEL];
    LOP_TRY_DONE(sums_open(b, LOSS, &loss));
    LOP_TRY_DONE(sums_open(b, SHARE, &share));
    lop_account_label(b, label);
    lop_text_print(title, sizeof title, "Learning in %s", label);
    lop_svg_open(
        p->m, WIDTH, HEIGHT, title,
        "The loss of each step with its running mean, and the expected sparsity against its target.");
    draw_head(p, b, &loss);
    draw_scale(p);
    draw_lines(p, b, &loss, &share);
    lop_svg_close(p->m);
done:
    sums_close(&share);
    sums_close(&loss);
    return status;
}

static lop_status finding(const curves *p)
{
    int32_t drawn = 0, lower = 0, most = 0;
    for (int32_t i = 0; i < p->a->block_count; i++) {
        const lop_account_block *b = &p->a->blocks[i];
        sums s;
        if (b->step_count == 0) continue;
        LOP_TRY(sums_open(b, LOSS, &s));
        lower += last_of(b, &s) < first_of(b, &s);
        sums_close(&s);
        drawn++;
        if (b->step_count > most) most = b->step_count;
    }
    lop_markup_add(p->m, "<p>%d steps each; the loss ends lower than it began in %d of %d.</p>\n", (int)most,
                   (int)lower, (int)drawn);
    return LOP_OK;
}

static lop_status draw(curves *p)
{
    LOP_TRY(find_axes(p));
    LOP_TRY(finding(p));
    lop_markup_add(p->m, "<figure class=\"long\"><div class=\"many\">\n");
    for (int32_t b = 0; b < p->a->block_count; b++)
        if (p->a->blocks[b].step_count > 0) LOP_TRY(draw_block(p, &p->a->blocks[b]));
    lop_markup_add(
        p->m,
        "</div><figcaption><span class=\"swatch d0\"></span>Loss of each step in parts of the loss at "
        "the beginning, and its running mean over a sixteenth of the steps; the titles have the means "
        "of the first and the last sixteenth.%s ",
        p->cut ? " What is above twice the beginning stands at the top." : "");
    lop_markup_add(
        p->m,
        "<span class=\"swatch d1\"></span>Sparsity that the learner expects, from %.1f to %.1f per "
        "cent%s. All pictures have the same axes.</figcaption></figure>\n",
        100.0 * p->share.low, 100.0 * p->share.high, p->goal >= 0.0 ? "; dashed: the target" : "");
    return LOP_OK;
}

void lop_report_curves(lop_markup *m, const lop_account *a)
{
    curves p = {.m = m, .a = a, .goal = a->target};
    if (!lop_account_has_steps(a)) return;
    lop_markup_add(m, "<h2>How the learner got there</h2>\n");
    const lop_status status = draw(&p);
    if (m->status == LOP_OK) m->status = status;
}
