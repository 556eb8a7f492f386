/* magnitude.c - the least weights go. No data is needed. */
#include "core/prune/method.h"

#include <string.h>

static const lop_option options[] = {
    {.name = "scope",
     .kind = LOP_OPTION_CHOICE,
     .default_text = "linear",
     .choices = "linear|row",
     .help = "what weights compete in: all of a linear, or each of its rows",
     .source = "Wanda's lib/prune.py prune_magnitude: one threshold per linear"},
};

static lop_status measure_block(lop_prune_block *b)
{
    for (int32_t i = 0; i < b->count; i++) {
        lop_mat score;
        lop_keep_scratch scratch;
        const lop_arena_mark mark = lop_arena_here(b->arena);
        LOP_TRY(lop_keep_place(b->arena, b->linears[i].view->w, &score, &scratch));
        lop_arena_reset(b->arena, mark);
    }
    return LOP_OK;
}

static lop_status prune_linear(lop_prune_block *b, const lop_prune_linear *linear, bool by_row)
{
    lop_mat score;
    lop_keep_scratch scratch;
    const lop_mat w = linear->view->w;
    LOP_TRY(lop_keep_place(b->arena, w, &score, &scratch));
    LOP_TRY(lop_score_scaled(b->queue, w, LOP_NONE, score));
    if (by_row) return lop_keep_by_row(b->queue, &linear->target, score, &scratch, linear->keep);
    return lop_keep_by_matrix(b->queue, &linear->target, true, score, &scratch, linear->keep);
}

static lop_status prune_block(lop_prune_block *b)
{
    const bool by_row = b->settings != NULL && strcmp(lop_settings_text(b->settings, "scope"), "row") == 0;
    for (int32_t i = 0; i < b->count; i++) {
        const lop_arena_mark mark = lop_arena_here(b->arena);
        const lop_status status = prune_linear(b, &b->linears[i], by_row);
        lop_arena_reset(b->arena, mark);
        if (status != LOP_OK) return status;
    }
    return LOP_OK;
}

const lop_method lop_method_magnitude = {
    .name = "magnitude",
    .summary = "the smallest weights of each linear go; needs no data",
    .source = "Han et al. 2015; Wanda's lib/prune.py prune_magnitude",
    .options = options,
    .option_count = (int)(sizeof options / sizeof options[0]),
    .block = prune_block,
    .measure = measure_block,
};
