/* report_rows.c - how the rows of each linear share what it lost: a small histogram for each linear of each block, all with
 * the same axes. Bins in which no row of the model lies are left out at both ends. */
#include "core/prune/report_parts.h"

#include <inttypes.h>
#include <math.h>

enum { LEFT = 56, CELL = 116, GAP = 14, ROW = 34, BARS = 26, TOP = 46, BOTTOM = 34, AROUND = 2 };

typedef struct rows {
    lop_markup *m;
    const lop_account *a;
    int low, high;   /* the first and the last bin in which rows are */
    int first, last; /* bins drawn */
    double most;     /* the largest part of a linear's rows in one bin */
} rows;

static void find_bins(rows *p)
{
    p->first = LOP_ROW_BINS - 1;
    for (int32_t b = 0; b < p->a->block_count; b++)
        for (int32_t i = 0; i < p->a->blocks[b].linear_count; i++) {
            const lop_account_linear *l = &p->a->blocks[b].linears[i];
            for (int bin = 0; bin < LOP_ROW_BINS && l->has_rows && l->dense == NULL; bin++) {
                if (l->row_sparsity[bin] == 0) continue;
                if (bin < p->first) p->first = bin;
                if (bin > p->last) p->last = bin;
                p->most = fmax(p->most, (double)l->row_sparsity[bin] / (double)l->rows);
            }
        }
    p->low = p->first;
    p->high = p->last;
    p->first = p->first > AROUND ? p->first - AROUND : 0;
    p->last = p->last < LOP_ROW_BINS - 1 - AROUND ? p->last + AROUND : LOP_ROW_BINS - 1;
}

static double left_of(int32_t column)
{
    return LEFT + (double)column * (CELL + GAP);
}

static double place_of(const rows *p, int32_t column, double part)
{
    const double bins = p->last + 1 - p->first;
    return left_of(column) + CELL * (part * LOP_ROW_BINS - p->first) / bins;
}

static void draw_bars(const rows *p, const lop_account_linear *l, int32_t column, double bottom)
{
    const double width = (double)CELL / (p->last + 1 - p->first);
    lop_markup_add(p->m, "<path class=\"bars\" d=\"");
    for (int bin = p->first; bin <= p->last; bin++) {
        if (l->row_sparsity[bin] == 0) continue;
        const double part = (double)l->row_sparsity[bin] / (double)l->rows;
        const double height = fmax(0.8, BARS * part / p->most);
        lop_markup_add(p->m, "M%.1f %.1fh%.1fv%.1fh%.1fz",
                       place_of(p, column, (double)bin / LOP_ROW_BINS) + 0.5, bottom, width - 1.0, -height,
                       1.0 - width);
    }
    lop_markup_add(p->m, "\"/>");
}

static void draw_linear(const rows *p, const lop_account_linear *l, double bottom)
{
    const double left = left_of(l->column);
    lop_svg_line(p->m, "grid", left, bottom, left + CELL, bottom);
    if (l->dense != NULL)
        lop_svg_text(p->m, "tiny", LOP_SVG_MIDDLE, left + 0.5 * CELL, bottom - 6.0, "dense");
    else if (l->has_rows)
        draw_bars(p, l, l->column, bottom);
}

static void draw_head(const rows *p, double height)
{
    char text[16];
    const double goal = p->a->target;
    for (int32_t c = 0; c < p->a->column_count; c++) {
        const double left = left_of(c);
        lop_svg_text(p->m, "head", LOP_SVG_MIDDLE, left + 0.5 * CELL, 16.0, p->a->columns[c].label);
        if (goal >= (double)p->first / LOP_ROW_BINS && goal <= (double)(p->last + 1) / LOP_ROW_BINS)
            lop_svg_line(p->m, "goal", place_of(p, c, goal), TOP - 14.0, place_of(p, c, goal),
                         height - BOTTOM + 4.0);
        for (int end = 0; end < 2; end++) {
            lop_text_print(text, sizeof text, "%d", 100 / LOP_ROW_BINS * (end ? p->last + 1 : p->first));
            lop_svg_text(p->m, "tiny", end ? LOP_SVG_END : LOP_SVG_START, left + (end ? CELL : 0), 30.0,
                         text);
            lop_svg_text(p->m, "tiny", end ? LOP_SVG_END : LOP_SVG_START, left + (end ? CELL : 0),
                         height - BOTTOM + 16.0, text);
        }
    }
}

static void draw(const rows *p)
{
    lop_markup_add(
        p->m, "<p>Every row of a linear that was pruned lost from %d to %d per cent of its weights.</p>\n",
        100 / LOP_ROW_BINS * p->low, 100 / LOP_ROW_BINS * (p->high + 1));
    const double height = TOP + (double)ROW * p->a->block_count + BOTTOM;
    lop_markup_add(p->m, "<figure class=\"long\">\n");
    lop_svg_open(p->m, LEFT + (double)p->a->column_count * (CELL + GAP), height, "Rows by what they lost",
                 "A histogram for each linear of each block: how many of its rows lost which part of their "
                 "weights. The table of rows has the numbers.");
    lop_svg_text(p->m, "tick", LOP_SVG_END, LEFT - 14.0, 16.0, "block");
    draw_head(p, height);
    lop_markup_add(p->m, "<g class=\"d0\">\n");
    for (int32_t b = 0; b < p->a->block_count; b++) {
        const lop_account_block *block = &p->a->blocks[b];
        const double bottom = TOP + (double)ROW * (b + 1) - 4.0;
        char text[24];
        lop_text_print(text, sizeof text, "%" PRId64, block->index);
        lop_svg_text(p->m, "tick", LOP_SVG_END, LEFT - 14.0, bottom - 2.0, text);
        for (int32_t i = 0; i < block->linear_count; i++) draw_linear(p, &block->linears[i], bottom);
    }
    lop_markup_add(p->m, "</g>\n");
    lop_svg_close(p->m);
    lop_markup_add(p->m,
                   "<figcaption>To the right the part of its weights that a row lost, from %d to %d per cent "
                   "in bins of %d; "
                   "upwards the part of the linear\xE2\x80\x99s rows, full height being %.0f per "
                   "cent.%s</figcaption></figure>\n",
                   100 / LOP_ROW_BINS * p->first, 100 / LOP_ROW_BINS * (p->last + 1), 100 / LOP_ROW_BINS,
                   100.0 * p->most, p->a->target >= 0.0 ? " Dashed: the target." : "");
}

void lop_report_rows(lop_markup *m, const lop_account *a)
{
    rows p = {.m = m, .a = a};
    lop_markup_add(m, "<h2>How rows share it</h2>\n");
    find_bins(&p);
    if (!lop_account_has_rows(a))
        lop_markup_add(m, "<p>The report does not say what each row lost.</p>\n");
    else if (p.most <= 0.0)
        lop_markup_add(m, "<p>No linear was pruned.</p>\n");
    else
        draw(&p);
}
