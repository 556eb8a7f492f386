/* report_numbers.c - every number of the report as tables. Reals are printed with nine figures, which tell any two numbers
 * in single precision apart; the exact one is the value of the <data> around it, for whoever reads the page by program. */
#include "core/prune/report_parts.h"

#include <inttypes.h>
#include <string.h>

static void real_cell(lop_markup *m, double value)
{
    if (value < 0.0)
        lop_markup_add(m, "<td class=\"o\">\xE2\x80\x93</td>");
    else
        lop_markup_add(m, "<td><data value=\"%.17g\">%#.9g</data></td>", value, value);
}

static void count_cell(lop_markup *m, int64_t value)
{
    if (value < 0)
        lop_markup_add(m, "<td class=\"o\">\xE2\x80\x93</td>");
    else
        lop_markup_add(m, "<td%s>%" PRId64 "</td>", value == 0 ? " class=\"o\"" : "", value);
}

static void name_cell(lop_markup *m, const char *name)
{
    lop_markup_add(m, "<td class=\"name\">");
    lop_markup_say(m, name);
    lop_markup_add(m, "</td>");
}

/* Heads parted by |. */
static void table_open(lop_markup *m, const char *title, const char *id, const char *heads)
{
    if (title != NULL) lop_markup_element(m, "h3", title);
    lop_markup_add(m, "<div class=\"scroll\"><table class=\"all\" id=\"%s\">\n<thead><tr>", id);
    while (*heads != '\0') {
        const int size = (int)strcspn(heads, "|");
        lop_markup_add(m, "<th scope=\"col\"%s>%.*s</th>",
                       strncmp(heads, "linear", 6) == 0 ? " class=\"name\"" : "", size, heads);
        heads += size + (heads[size] == '|');
    }
    lop_markup_add(m, "</tr></thead>\n<tbody>\n");
}

static void table_close(lop_markup *m)
{
    lop_markup_add(m, "</tbody></table></div>\n");
}

static void totals(lop_markup *m, const lop_account *a)
{
    table_open(m, "The whole", "whole",
               "target|prunable|all parameters|dropped|zeros|zeros before|prunable weights|parameters");
    lop_markup_add(m, "<tr>");
    real_cell(m, a->target);
    real_cell(m, a->prunable);
    real_cell(m, a->all_parameters);
    count_cell(m, a->dropped);
    count_cell(m, a->zeros);
    count_cell(m, a->zeros_before);
    count_cell(m, a->prunable_weights);
    count_cell(m, a->parameters);
    lop_markup_add(m, "</tr>\n");
    table_close(m);
    table_open(m, "Seconds and bytes", "cost", "total|load|calibrate|learn|write|device bytes|host bytes");
    lop_markup_add(m, "<tr>");
    real_cell(m, a->seconds.total);
    real_cell(m, a->seconds.load);
    real_cell(m, a->seconds.calibrate);
    real_cell(m, a->seconds.learn);
    real_cell(m, a->seconds.write);
    count_cell(m, (int64_t)a->device_bytes);
    count_cell(m, (int64_t)a->host_bytes);
    lop_markup_add(m, "</tr>\n");
    table_close(m);
}

static void blocks(lop_markup *m, const lop_account *a)
{
    const bool learnt = lop_account_has_steps(a);
    table_open(m, "Blocks", "blocks",
               learnt ? "block|seconds|loss before|loss after|steps|first step|last step"
                      : "block|seconds|loss before|loss after");
    for (int32_t i = 0; i < a->block_count; i++) {
        const lop_account_block *b = &a->blocks[i];
        lop_markup_add(m, "<tr><td>%" PRId64 "</td>", b->index);
        real_cell(m, b->seconds);
        real_cell(m, b->loss_before);
        real_cell(m, b->loss_after);
        if (learnt) {
            count_cell(m, b->step_count);
            real_cell(m, b->step_count > 0 ? b->steps[0].loss : -1.0);
            real_cell(m, b->step_count > 0 ? b->steps[b->step_count - 1].loss : -1.0);
        }
        lop_markup_add(m, "</tr>\n");
    }
    table_close(m);
}

static void linears(lop_markup *m, const lop_account *a)
{
    const bool expected = lop_account_has_expected(a);
    table_open(m, "Linears", "linears",
               expected ? "linear|block|rows|columns|dropped|zeros|zeros before|sparsity|expected"
                        : "linear|block|rows|columns|dropped|zeros|zeros before|sparsity");
    for (int32_t b = 0; b < a->block_count; b++)
        for (int32_t i = 0; i < a->blocks[b].linear_count; i++) {
            const lop_account_linear *l = &a->blocks[b].linears[i];
            lop_markup_add(m, "<tr>");
            name_cell(m, l->name);
            lop_markup_add(m, "<td>%" PRId64 "</td>", a->blocks[b].index);
            count_cell(m, l->rows);
            count_cell(m, l->cols);
            count_cell(m, l->dropped);
            count_cell(m, l->zeros);
            count_cell(m, l->zeros_before);
            real_cell(m, l->sparsity);
            if (expected) real_cell(m, l->expected);
            lop_markup_add(m, "</tr>\n");
        }
    table_close(m);
}

static void rows(lop_markup *m, const lop_account *a)
{
    if (!lop_account_has_rows(a)) return;
    lop_string heads = {0};
    lop_status status = lop_string_print(&heads, "linear");
    for (int i = 0; i < LOP_ROW_BINS && status == LOP_OK; i++)
        status = lop_string_print(&heads, "|%d", 100 / LOP_ROW_BINS * i);
    if (m->status == LOP_OK) m->status = status;
    lop_markup_add(m, "<h3>Rows</h3>\n<p class=\"soft\">How many rows of each linear lost so many per cent "
                      "of their weights "
                      "or more, and less than the next column says.</p>\n");
    if (m->status == LOP_OK) table_open(m, NULL, "rows", heads.at);
    lop_string_close(&heads);
    for (int32_t b = 0; b < a->block_count; b++)
        for (int32_t i = 0; i < a->blocks[b].linear_count; i++) {
            const lop_account_linear *l = &a->blocks[b].linears[i];
            if (!l->has_rows) continue;
            lop_markup_add(m, "<tr>");
            name_cell(m, l->name);
            for (int bin = 0; bin < LOP_ROW_BINS; bin++) count_cell(m, l->row_sparsity[bin]);
            lop_markup_add(m, "</tr>\n");
        }
    table_close(m);
}

static void steps(lop_markup *m, const lop_account *a)
{
    if (!lop_account_has_steps(a)) return;
    lop_markup_add(m, "<h3>Learning steps</h3>\n");
    for (int32_t i = 0; i < a->block_count; i++) {
        const lop_account_block *b = &a->blocks[i];
        char id[32], label[LOP_ACCOUNT_LABEL];
        if (b->step_count == 0) continue;
        lop_text_print(id, sizeof id, "steps-%d", (int)i);
        lop_account_label(b, label);
        lop_markup_add(m, "<details><summary>%s, %d steps</summary>\n", label, (int)b->step_count);
        table_open(m, NULL, id, "step|reconstruction loss|expected sparsity");
        for (int32_t s = 0; s < b->step_count; s++) {
            lop_markup_add(m, "<tr><td>%d</td>", (int)s);
            real_cell(m, b->steps[s].loss);
            real_cell(m, b->steps[s].sparsity);
            lop_markup_add(m, "</tr>\n");
        }
        table_close(m);
        lop_markup_add(m, "</details>\n");
    }
}

void lop_report_numbers(lop_markup *m, const lop_account *a)
{
    lop_markup_add(m, "<h2>All numbers</h2>\n<p class=\"soft\">As prune_report.json holds them; fractions "
                      "are fractions.</p>\n");
    totals(m, a);
    blocks(m, a);
    linears(m, a);
    rows(m, a);
    steps(m, a);
}
