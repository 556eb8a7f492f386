/* magnitude_sp.c - heads and channels whose columns in o and down are short go. No data is needed. */
#include "core/prune/columns.h"

#include <math.h>

/* The length of each column. */
static lop_status lengths(const lop_prune_block *b, const lop_prune_linear *l, double *column)
{
    LOP_TRY(lop_columns_squares(b, l, column));
    for (int32_t c = 0; c < l->view->w.cols; c++) column[c] = sqrt(column[c]);
    return LOP_OK;
}

static lop_status score(lop_prune_block *b)
{
    return lop_columns_score(b, lengths, false);
}

static lop_status measure(lop_prune_block *b)
{
    return lop_columns_measure(b, false);
}

static const lop_units_method units = {.by_block = true, .by_kind = true, .score = score};

const lop_method lop_method_magnitude_sp = {
    .name = "magnitude-sp",
    .summary = "heads and channels by the lengths of their columns; needs no data",
    .source = "FLAP's lib/prune.py prune_magnitude_sp",
    .options = lop_units_options,
    .option_count = LOP_UNITS_OPTIONS,
    .units = &units,
    .block = lop_units_block,
    .measure = measure,
};
