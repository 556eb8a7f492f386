/* sparsity.h - how much goes: ratios, patterns, exact budgets, and counting what went.
 *
 * A ratio is the fraction removed. A pattern n:m keeps n of every m neighbours of a row. */
#ifndef LOP_CORE_PRUNE_SPARSITY_H
#define LOP_CORE_PRUNE_SPARSITY_H

#include "core/base/option.h"
#include "core/device/arena.h"
#include "core/device/ops.h"

typedef struct lop_target {
    double ratio;        /* removed, 0 <= ratio < 1 */
    int32_t keep, group; /* keep of every group neighbours; group 0: no pattern */
    bool exact;          /* exactly round(ratio * weights) of each linear; false: the reference's own count */
} lop_target;

/* Reads sparsity-ratio, sparsity-type, keep, prunen, prunem and exact-budget.
 * LOP_E_ARGUMENT: no ratio, out of range ("did you mean 0.5?"), no pattern, a ratio that is not the pattern's. */
LOP_CHECKED lop_status lop_target_read(const lop_settings *settings, lop_target *out);

/* LOP_E_ARGUMENT naming the linear if the pattern does not fit its columns. */
LOP_CHECKED lop_status lop_target_fits(const lop_target *target, const char *name, int32_t cols);

/* How many weights of (rows, cols) an exact budget removes: round(ratio * rows * cols), halves to even; with a pattern
 * the count of the pattern. */
int64_t lop_budget_all(const lop_target *target, int32_t rows, int32_t cols);

/* How many of each row go at least: floor(cols * ratio + 1e-9) when exact, int(cols * ratio) when not. */
int32_t lop_budget_row(const lop_target *target, int32_t cols);

/* Drop counts of the rows of an exact budget: lop_budget_row each, then one more in the rows whose next score is least,
 * equal ones by row, until lop_budget_all is met.
 *   Shapes   next[rows], the score of rank lop_budget_row of each row; drop[rows] receives the counts */
LOP_CHECKED lop_status lop_budget_spread(const lop_target *target, int32_t rows, int32_t cols,
                                         const float *next, uint32_t *drop);

/* Marks `keep` by the scores under a row's own budget, or by the pattern when the target has one: what row-wise methods
 * share. Waits when an exact budget does not divide evenly by the rows.
 *   Shapes   score (R, C) f32; keep (R, ceil(C/8)) u8; scratch from lop_keep_place */
typedef struct lop_keep_scratch {
    lop_mat drop;   /* (R, 1) u32 */
    lop_mat next;   /* (R, 1) f32 */
    lop_mat select; /* (1, lop_keep_all_scratch(R)) u32 */
} lop_keep_scratch;
/* Places the scores of a linear's weights w (R, C), and the scratch. */
LOP_CHECKED lop_status lop_keep_place(lop_arena *arena, lop_mat w, lop_mat *score, lop_keep_scratch *scratch);
LOP_CHECKED lop_status lop_keep_by_row(lop_queue *q, const lop_target *target, lop_mat score,
                                       const lop_keep_scratch *scratch, lop_mat keep);

/* The same with one comparison group for the whole matrix. `ties`: what the reference does when the budget is not exact:
 * everything up to and including the score of rank int(n * ratio). */
LOP_CHECKED lop_status lop_keep_by_matrix(lop_queue *q, const lop_target *target, bool ties, lop_mat score,
                                          const lop_keep_scratch *scratch, lop_mat keep);

/* Bits that are 0 within `cols` columns of packed keep bits (rows, ceil(cols/8)) on the host. */
int64_t lop_keep_count_dropped(const unsigned char *bits, int32_t rows, int32_t cols);

/* The same, and in bins[i] how many rows lost a part in [i / LOP_ROW_BINS, (i + 1) / LOP_ROW_BINS); the last bin has those
 * that lost all, too. */
enum { LOP_ROW_BINS = 20 };
int64_t lop_keep_count_rows(const unsigned char *bits, int32_t rows, int32_t cols,
                            int64_t bins[LOP_ROW_BINS]);

#endif
