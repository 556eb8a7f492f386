/* wanda.c - weights ranked by their size times the norm of the input they meet. */
#include "core/prune/wanda_alpha.h"

#include <string.h>

static const lop_option options[] = {
    {.name = "scope",
     .kind = LOP_OPTION_CHOICE,
     .default_text = "row",
     .choices = "row|linear",
     .help = "what weights compete in: each row of a linear, or all of it",
     .source = "Wanda, section 3: comparison per output"},
    {.name = "alpha-search",
     .alias = "use-variant",
     .kind = LOP_OPTION_FLAG,
     .default_text = "off",
     .help = "rows lose the same part of their summed scores, not the same number of weights",
     .source = "Wanda's lib/prune.py return_given_alpha (--use_variant)"},
};

static lop_status measure_block(lop_prune_block *b)
{
    for (int32_t i = 0; i < b->count; i++) {
        lop_mat score;
        lop_keep_scratch scratch;
        const lop_mat w = b->linears[i].view->w;
        const lop_arena_mark mark = lop_arena_here(b->arena);
        LOP_TRY(lop_keep_place(b->arena, w, &score, &scratch));
        if (lop_settings_flag(b->settings, "alpha-search")) LOP_TRY(lop_wanda_alpha_measure(b->arena, w));
        lop_arena_reset(b->arena, mark);
    }
    return LOP_OK;
}

static lop_status prune_linear(lop_prune_block *b, const lop_prune_linear *linear)
{
    lop_mat score;
    lop_keep_scratch scratch;
    const lop_mat w = linear->view->w;
    LOP_TRY(lop_keep_place(b->arena, w, &score, &scratch));
    LOP_TRY(lop_score_scaled(b->queue, w, linear->colsum_sq, score));
    if (strcmp(lop_settings_text(b->settings, "scope"), "linear") == 0)
        return lop_keep_by_matrix(b->queue, &linear->target, false, score, &scratch, linear->keep);
    if (lop_settings_flag(b->settings, "alpha-search") && linear->target.group == 0)
        return lop_wanda_alpha(b, linear, score, &scratch);
    return lop_keep_by_row(b->queue, &linear->target, score, &scratch, linear->keep);
}

static lop_status prune_block(lop_prune_block *b)
{
    for (int32_t i = 0; i < b->count; i++) {
        const lop_arena_mark mark = lop_arena_here(b->arena);
        const lop_status status = prune_linear(b, &b->linears[i]);
        lop_arena_reset(b->arena, mark);
        if (status != LOP_OK) return status;
    }
    return LOP_OK;
}

const lop_method lop_method_wanda = {
    .name = "wanda",
    .summary = "weights times the norms of their inputs, ranked within each row; one forward pass",
    .source = "Wanda, Sun et al. 2024 (arXiv 2306.11695), eq. 1 and Alg. 1; lib/prune.py prune_wanda",
    .needs = LOP_NEED_COLSUM_SQ,
    .options = options,
    .option_count = (int)(sizeof options / sizeof options[0]),
    .block = prune_block,
    .measure = measure_block,
};
