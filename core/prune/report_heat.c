/* report_heat.c - sparsity of every linear of every block as a table whose cells are shaded by how far they are from the
 * target: numbers for who reads, colours for who looks. */
#include "core/prune/report_parts.h"

#include <math.h>
#include <string.h>

enum { SHADES = 5 }; /* to each side of the target */

#define STEP_LEAST 0.005 /* half a point, and so are all steps */

typedef struct heat {
    const lop_account *a;
    double goal, step;
    bool shaded; /* any cell is */
    /* Those that are farthest from each other, of the linears that were pruned; NULL: there are none. */
    const lop_account_linear *least, *most;
    const lop_account_block *least_block, *most_block;
} heat;

static double weights_of(const lop_account_linear *l)
{
    return (double)l->rows * (double)l->cols;
}

static void look_over(heat *h)
{
    double far = 0.0;
    for (int32_t b = 0; b < h->a->block_count; b++) {
        const lop_account_block *block = &h->a->blocks[b];
        for (int32_t i = 0; i < block->linear_count; i++) {
            const lop_account_linear *l = &block->linears[i];
            if (l->dense != NULL) continue;
            far = fmax(far, fabs(l->sparsity - h->goal));
            if (h->least == NULL || l->sparsity < h->least->sparsity) {
                h->least = l;
                h->least_block = block;
            }
            if (h->most == NULL || l->sparsity > h->most->sparsity) {
                h->most = l;
                h->most_block = block;
            }
        }
    }
    h->shaded = 2.0 * far > STEP_LEAST;
    h->step = fmax(1.0, ceil(far / SHADES / STEP_LEAST - 1e-9)) * STEP_LEAST;
}

/* -SHADES to SHADES. */
static int shade_of(const heat *h, double sparsity)
{
    const double steps = nearbyint((sparsity - h->goal) / h->step);
    return steps > SHADES ? SHADES : steps < -SHADES ? -SHADES : (int)steps;
}

static void class_of(int shade, char *out, size_t size)
{
    if (shade == 0)
        lop_text_print(out, size, "z");
    else
        lop_text_print(out, size, "%c%d", shade < 0 ? 'm' : 'p', shade < 0 ? -shade : shade);
}

static void cell(lop_markup *m, const heat *h, double sparsity, bool sum)
{
    char class[16], text[LOP_FIGURES_SIZE];
    if (sparsity < 0.0) {
        lop_markup_add(m, "<td></td>");
        return;
    }
    class_of(shade_of(h, sparsity), class, sizeof class);
    lop_report_percent(sparsity, text, sizeof text);
    lop_markup_add(m, "<td class=\"%s%s\">%s</td>", class, sum ? " sum" : "", text);
}

static void linear_cell(lop_markup *m, const heat *h, const lop_account_linear *l)
{
    if (l == NULL || l->dense == NULL)
        cell(m, h, l == NULL ? -1.0 : l->sparsity, false);
    else
        lop_markup_add(m, "<td class=\"dense\">dense</td>");
}

/* Of all linears of a column that were pruned, weighted by weights; -1: of none. */
static double column_sparsity(const lop_account *a, int32_t column)
{
    double zeros = 0.0, weights = 0.0;
    for (int32_t b = 0; b < a->block_count; b++) {
        const lop_account_linear *l = lop_account_at(&a->blocks[b], column);
        if (l == NULL || l->dense != NULL) continue;
        zeros += (double)l->zeros;
        weights += weights_of(l);
    }
    return weights > 0.0 ? zeros / weights : -1.0;
}

static void head_row(lop_markup *m, const lop_account *a)
{
    lop_markup_add(m, "<thead><tr><th scope=\"col\">block</th>");
    for (int32_t c = 0; c < a->column_count; c++) {
        const lop_account_linear *l = NULL;
        for (int32_t b = 0; b < a->block_count && l == NULL; b++) l = lop_account_at(&a->blocks[b], c);
        lop_markup_add(m, "<th scope=\"col\">");
        lop_markup_say(m, a->columns[c].label);
        if (l != NULL)
            lop_markup_add(m, "<small>%lld\xE2\x80\xAF\xC3\x97\xE2\x80\xAF%lld</small>", (long long)l->rows,
                           (long long)l->cols);
        lop_markup_add(m, "</th>");
    }
    lop_markup_add(m, "<th scope=\"col\" class=\"sum\">together</th></tr></thead>\n");
}

static void foot_row(lop_markup *m, const heat *h)
{
    double zeros = 0.0, weights = 0.0;
    lop_markup_add(m, "<tfoot><tr><th scope=\"row\">all</th>");
    for (int32_t c = 0; c < h->a->column_count; c++) cell(m, h, column_sparsity(h->a, c), true);
    for (int32_t b = 0; b < h->a->block_count; b++)
        for (int32_t i = 0; i < h->a->blocks[b].linear_count; i++) {
            const lop_account_linear *l = &h->a->blocks[b].linears[i];
            if (l->dense != NULL) continue;
            zeros += (double)l->zeros;
            weights += weights_of(l);
        }
    cell(m, h, weights > 0.0 ? zeros / weights : -1.0, true);
    lop_markup_add(m, "</tr></tfoot>\n");
}

static void table(lop_markup *m, const heat *h)
{
    lop_markup_add(m, "<table class=\"heat\">\n");
    head_row(m, h->a);
    lop_markup_add(m, "<tbody>\n");
    for (int32_t b = 0; b < h->a->block_count; b++) {
        const lop_account_block *block = &h->a->blocks[b];
        lop_markup_add(m, "<tr><th scope=\"row\">%lld</th>", (long long)block->index);
        for (int32_t c = 0; c < h->a->column_count; c++) linear_cell(m, h, lop_account_at(block, c));
        cell(m, h, lop_account_block_sparsity(block), true);
        lop_markup_add(m, "</tr>\n");
    }
    lop_markup_add(m, "</tbody>\n");
    if (h->a->block_count > 1) foot_row(m, h);
    lop_markup_add(m, "</table>\n");
}

static void key(lop_markup *m, const heat *h)
{
    lop_markup_add(m, "<div class=\"key\"><em>keeps more</em>");
    for (int shade = -SHADES; shade <= SHADES; shade++) {
        char class[16];
        const double value = h->goal + shade * h->step;
        if (value < -0.5 * h->step || value > 1.0 + 0.5 * h->step) continue;
        class_of(shade, class, sizeof class);
        lop_markup_add(m, "<span class=\"%s\">%.4g</span>", class, 100.0 * value);
    }
    lop_markup_add(m, "<em>keeps less</em></div>\n");
}

static void finding(lop_markup *m, const heat *h)
{
    char low[LOP_FIGURES_SIZE], high[LOP_FIGURES_SIZE], place[192];
    if (h->least == NULL) {
        lop_markup_add(m, "<p>No linear was pruned.</p>\n");
        return;
    }
    lop_report_percent(h->least->sparsity, low, sizeof low);
    lop_report_percent(h->most->sparsity, high, sizeof high);
    if (strcmp(low, high) == 0) {
        lop_markup_add(m, "<p>Every linear that was pruned lost the same part: %s %% of its weights.</p>\n",
                       low);
        return;
    }
    lop_markup_add(m, "<p>Between %s %% (", low);
    lop_report_place(h->a, h->least_block, h->least, place, sizeof place);
    lop_markup_say(m, place);
    lop_markup_add(m, ") and %s %% (", high);
    lop_report_place(h->a, h->most_block, h->most, place, sizeof place);
    lop_markup_say(m, place);
    lop_markup_add(m, ") of a linear\xE2\x80\x99s weights are zero.</p>\n");
}

void lop_report_heat(lop_markup *m, const lop_account *a)
{
    heat h = {.a = a, .goal = a->target >= 0.0 ? a->target : a->prunable};
    lop_markup_add(m, "<h2>Where the zeros are</h2>\n");
    look_over(&h);
    finding(m, &h);
    if (a->block_count == 0 || a->column_count == 0) return;
    lop_markup_add(m, "<figure class=\"long\">\n");
    table(m, &h);
    if (h.shaded) key(m, &h);
    lop_markup_add(m, "<figcaption>Zeros in the file, in per cent of each linear\xE2\x80\x99s weights.");
    if (h.shaded)
        lop_markup_add(m, " A shade is %.4g points away from %.4g %%, the %s.", 100.0 * h.step,
                       100.0 * h.goal, a->target >= 0.0 ? "target" : "part of all");
    if (json_array_size(json_object_get(a->report, "skipped")) > 0)
        lop_markup_add(m, " A linear marked dense was left alone.");
    lop_markup_add(m, "</figcaption></figure>\n");
}
