/* wanda_sp.c - heads and channels by Wanda's scores of their columns in o and down. */
#include "core/prune/columns.h"

/* The mean over rows of |w| times the norm of the input. */
static lop_status means(const lop_prune_block *b, const lop_prune_linear *l, double *column)
{
    const lop_mat w = l->view->w;
    LOP_TRY(lop_columns_scaled(b, l, l->colsum_sq, column));
    for (int32_t c = 0; c < w.cols; c++) column[c] /= w.rows;
    return LOP_OK;
}

static lop_status score(lop_prune_block *b)
{
    return lop_columns_score(b, means, false);
}

static lop_status measure(lop_prune_block *b)
{
    return lop_columns_measure(b, true);
}

static const lop_units_method units = {.by_block = true, .by_kind = true, .score = score};

const lop_method lop_method_wanda_sp = {
    .name = "wanda-sp",
    .summary = "heads and channels by Wanda's scores of their columns",
    .source = "FLAP's lib/prune.py prune_wanda_sp; Wanda, Sun et al. 2024, eq. 1",
    .needs = LOP_NEED_COLSUM_SQ,
    .options = lop_units_options,
    .option_count = LOP_UNITS_OPTIONS,
    .units = &units,
    .block = lop_units_block,
    .measure = measure,
};
