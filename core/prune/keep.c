/* keep.c - scores into keep bits under a target: row by row, or the whole matrix as one group. */
#include "core/prune/sparsity.h"

#include "core/base/memory.h"
#include "core/device/device.h"

lop_status lop_keep_place(lop_arena *arena, lop_mat w, lop_mat *score, lop_keep_scratch *scratch)
{
    LOP_TRY(lop_arena_mat(arena, w.rows, w.cols, LOP_F32, score));
    LOP_TRY(lop_arena_mat(arena, w.rows, 1, LOP_U32, &scratch->drop));
    LOP_TRY(lop_arena_mat(arena, w.rows, 1, LOP_F32, &scratch->next));
    return lop_arena_mat(arena, 1, lop_keep_all_scratch(w.rows), LOP_U32, &scratch->select);
}

/* Uploads one drop count for all rows. */
static lop_status drop_fill(lop_queue *q, uint32_t *host, uint32_t count, lop_mat drop)
{
    for (int32_t r = 0; r < drop.rows; r++) host[r] = count;
    return lop_upload(q, host, drop);
}

/* Uploads the drop counts that the target sets for the rows of `score`. Only an exact budget that does not divide evenly
 * needs to look at scores: at the one that would go next in each row. */
static lop_status drop_place(lop_queue *q, const lop_target *target, lop_mat score,
                             const lop_keep_scratch *scratch)
{
    lop_status status = LOP_OK;
    const int32_t rows = score.rows, each = lop_budget_row(target, score.cols);
    const lop_mat drop_mat = lop_mat_rows(scratch->drop, 0, rows),
                  next_mat = lop_mat_rows(scratch->next, 0, rows);
    const bool even = !target->exact || lop_budget_all(target, rows, score.cols) == (int64_t)rows * each;
    uint32_t *drop = NULL;
    float *next = NULL;
    LOP_TRY_DONE(LOP_NEW(&drop, rows));
    LOP_TRY_DONE(LOP_NEW(&next, rows));
    LOP_TRY_DONE(drop_fill(q, drop, (uint32_t)each, drop_mat));
    if (even) goto done;
    LOP_TRY_DONE(lop_rank_value_rows(q, score, drop_mat, next_mat));
    LOP_TRY_DONE(lop_download(q, next_mat, next));
    LOP_TRY_DONE(lop_budget_spread(target, rows, score.cols, next, drop));
    LOP_TRY_DONE(lop_upload(q, drop, drop_mat));
done:
    lop_free(next);
    lop_free(drop);
    return status;
}

lop_status lop_keep_by_row(lop_queue *q, const lop_target *target, lop_mat score,
                           const lop_keep_scratch *scratch, lop_mat keep)
{
    if (target->group != 0) return lop_keep_n_of_m(q, score, target->keep, target->group, keep);
    LOP_TRY(drop_place(q, target, score, scratch));
    return lop_keep_rows(q, score, lop_mat_rows(scratch->drop, 0, score.rows), keep);
}

lop_status lop_keep_by_matrix(lop_queue *q, const lop_target *target, bool ties, lop_mat score,
                              const lop_keep_scratch *scratch, lop_mat keep)
{
    if (target->group != 0) return lop_keep_n_of_m(q, score, target->keep, target->group, keep);
    /* The reference prunes nothing at ratio 0: its main program does not call the method then. */
    const bool with_ties = ties && !target->exact && target->ratio > 0.0;
    return lop_keep_all(q, score, lop_budget_all(target, score.rows, score.cols), with_ties, scratch->select,
                        keep);
}
