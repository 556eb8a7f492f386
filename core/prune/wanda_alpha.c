/* wanda_alpha.c - one alpha for a linear: each row loses what makes up at most that part of its summed scores. */
#include "core/prune/wanda_alpha.h"

#include "core/base/memory.h"
#include "core/device/device.h"

#include <math.h>

/* Wanda's lib/prune.py: where the bisection begins, what it can reach, and when it ends. */
static const double alpha_first = 0.4, alpha_most = 0.8, alpha_step = 0.001, fraction_error = 0.001;

typedef struct alpha_mats {
    lop_mat order;   /* (R, C) u16: columns by rank */
    lop_mat scratch; /* (R, C) u32 */
    lop_mat part;    /* (R, C) f32: of the row's sum, up to and including this rank */
    lop_mat within;  /* (R, ceil(C/8)) u8: bits by rank */
} alpha_mats;

static lop_status mats_place(lop_arena *arena, int32_t rows, int32_t cols, alpha_mats *out)
{
    LOP_TRY(lop_arena_mat(arena, rows, cols, LOP_U16, &out->order));
    LOP_TRY(lop_arena_mat(arena, rows, cols, LOP_U32, &out->scratch));
    LOP_TRY(lop_arena_mat(arena, rows, cols, LOP_F32, &out->part));
    return lop_arena_mat(arena, rows, (cols + 7) / 8, LOP_U8, &out->within);
}

lop_status lop_wanda_alpha_measure(lop_arena *arena, lop_mat weight)
{
    alpha_mats m;
    return mats_place(arena, weight.rows, weight.cols, &m);
}

static lop_status parts(lop_queue *q, lop_mat score, const alpha_mats *m)
{
    const lop_launch_shape shape = {.groups = score.rows, .cols = score.cols, .word = LOP_F32};
    const lop_arg args[] = {{.m = score}, {.m = m->order}, {.m = m->part}, {.i = score.cols}};
    LOP_TRY(lop_rank_rows(q, score, m->scratch, m->order));
    return lop_launch(q, LOP_KERNEL_wanda_part_row, &shape, 4, args);
}

static lop_status within(lop_queue *q, lop_mat score, const alpha_mats *m, double alpha, lop_mat drop)
{
    const lop_launch_shape shape = {.groups = score.rows, .cols = score.cols, .word = LOP_F32};
    const lop_arg args[] = {{.m = score},        {.m = m->order}, {.m = m->part},
                            {.f = (float)alpha}, {.m = drop},     {.i = score.cols}};
    return lop_launch(q, LOP_KERNEL_wanda_within_row, &shape, 6, args);
}

/* Which part of all weights the counts in `drop` are. */
static lop_status fraction(lop_queue *q, lop_mat drop, int32_t cols, uint32_t *host, double *out)
{
    int64_t sum = 0;
    LOP_TRY(lop_download(q, drop, host));
    for (int32_t r = 0; r < drop.rows; r++) sum += host[r];
    *out = (double)sum / ((double)drop.rows * cols);
    return LOP_OK;
}

static lop_status bisect(lop_queue *q, lop_mat score, const alpha_mats *m, double target, lop_mat drop)
{
    double low = 0.0, high = alpha_most, alpha = alpha_first, reached = 0.0;
    uint32_t *host = NULL;
    lop_status status = LOP_OK;
    LOP_TRY(LOP_NEW(&host, drop.rows));
    for (;;) {
        LOP_TRY_DONE(within(q, score, m, alpha, drop));
        LOP_TRY_DONE(fraction(q, drop, score.cols, host, &reached));
        if (fabs(reached - target) <= fraction_error || high - low < alpha_step) break;
        if (reached > target)
            high = alpha;
        else
            low = alpha;
        alpha = (low + high) / 2.0;
    }
done:
    lop_free(host);
    return status;
}

/* The alpha at which exactly the budget qualifies is the part of the rank that comes in last: so the ranks themselves
 * are ranked by their part, and each row drops as many as are among the first of all. */
static lop_status spread(lop_queue *q, const lop_target *target, lop_mat score,
                         const lop_keep_scratch *scratch, const alpha_mats *m, lop_mat drop)
{
    lop_status status = LOP_OK;
    const int32_t rows = score.rows, line = m->within.cols;
    unsigned char *bits = NULL;
    uint32_t *host = NULL;
    LOP_TRY_DONE(lop_keep_all(q, m->part, lop_budget_all(target, rows, score.cols), false, scratch->select,
                              m->within));
    LOP_TRY_DONE(lop_alloc((size_t)rows, (size_t)line, &bits));
    LOP_TRY_DONE(LOP_NEW(&host, rows));
    LOP_TRY_DONE(lop_download(q, m->within, bits));
    for (int32_t r = 0; r < rows; r++)
        host[r] = (uint32_t)lop_keep_count_dropped(bits + (size_t)r * (size_t)line, 1, score.cols);
    LOP_TRY_DONE(lop_upload(q, host, drop));
done:
    lop_free(host);
    lop_free(bits);
    return status;
}

lop_status lop_wanda_alpha(lop_prune_block *block, const lop_prune_linear *linear, lop_mat score,
                           const lop_keep_scratch *scratch)
{
    alpha_mats m;
    const lop_mat drop = lop_mat_rows(scratch->drop, 0, score.rows);
    if (!linear->target.exact && linear->target.ratio <= 0.0)
        return lop_keep_by_row(block->queue, &linear->target, score, scratch, linear->keep);
    LOP_TRY(mats_place(block->arena, score.rows, score.cols, &m));
    LOP_TRY(parts(block->queue, score, &m));
    if (linear->target.exact)
        LOP_TRY(spread(block->queue, &linear->target, score, scratch, &m, drop));
    else
        LOP_TRY(bisect(block->queue, score, &m, linear->target.ratio, drop));
    return lop_keep_rows(block->queue, score, drop, linear->keep);
}
