/* flap.c - heads and channels go whose inputs to o and down vary least, weighted by their columns; what they give on the
 * mean goes into biases. */
#include "core/prune/columns.h"

#include "core/base/memory.h"

/* The variance of each input times its column's squares; for heads the square of that, as the authors' code has it. The mean
 * is kept for the bias. */
static lop_status fluctuations(const lop_prune_block *b, const lop_prune_linear *l, double *column)
{
    const int32_t cols = l->view->w.cols;
    const lop_unit_kind kind = lop_unit_kind_of(l->view->id);
    float *kept = lop_units_mean(b->units, b->index, kind);
    double *mean = NULL, *variance = NULL;
    lop_status status = LOP_OK;
    LOP_TRY_DONE(LOP_NEW(&mean, cols));
    LOP_TRY_DONE(LOP_NEW(&variance, cols));
    LOP_TRY_DONE(lop_moments_read(b->queue, l->moments, b->tokens, mean, variance));
    LOP_TRY_DONE(lop_columns_squares(b, l, column));
    for (int32_t c = 0; c < cols; c++) {
        column[c] *= variance[c];
        if (kind == LOP_UNIT_HEADS) column[c] *= column[c];
        kept[c] = (float)mean[c];
    }
done:
    lop_free(variance);
    lop_free(mean);
    return status;
}

static lop_status score(lop_prune_block *b)
{
    return lop_columns_score(b, fluctuations, true);
}

static lop_status measure(lop_prune_block *b)
{
    return lop_columns_measure(b, false);
}

static const lop_units_method units = {.makes_up = true, .score = score};

const lop_method lop_method_flap = {
    .name = "flap",
    .summary = "heads and channels by the fluctuation of their inputs, their means made up for by biases",
    .source = "FLAP, An et al. 2024 (arXiv 2312.11983); lib/prune.py prune_flap, WIFV, AL-AM",
    .needs = LOP_NEED_MOMENTS,
    .options = lop_units_options,
    .option_count = LOP_UNITS_OPTIONS,
    .units = &units,
    .block = lop_units_block,
    .measure = measure,
};
