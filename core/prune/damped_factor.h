/* damped_factor.h - the upper factor of the inverse of an input's Gram matrix, under as little damping as lets it be found:
 * what SparseGPT compensates and ranks with, and who ranks as it does. A scale of the Hessian is a scale of all scores of a
 * row and leaves compensated weights as they are, so the plain sum over tokens stands for the mean. */
#ifndef LOP_CORE_PRUNE_DAMPED_FACTOR_H
#define LOP_CORE_PRUNE_DAMPED_FACTOR_H

#include "core/prune/method.h"

/* What stands on the diagonal for an input that was always 0: so far below any damped column that its weights go first, the
 * least of them before the others, and cost nothing. Its root and that of its inverse are exact. */
#define LOP_DAMPED_DEAD 0x1p-80f

/* For inputs of up to n columns; what `tries` tries say stays until it is read. */
typedef struct lop_damped_room {
    lop_mat u;             /* (n, n) f32 */
    lop_mat diagonal;      /* (1, n) f32 */
    lop_mat scratch, mean; /* of the factorisation */
    lop_mat said;          /* (tries, 2) i64: a lop_damped_said each */
    lop_mat dead_scratch;  /* (1, 1) u32 */
} lop_damped_room;
LOP_CHECKED lop_status lop_damped_place(lop_arena *a, int32_t n, int32_t tries, lop_damped_room *out);

/* What one try says: columns that never saw an input, and what lop_bad_of reads. */
typedef struct lop_damped_said {
    int64_t dead;
    int32_t bad[2];
} lop_damped_said;

/* What became of the factor of one input. */
typedef struct lop_damped {
    double damping;      /* that it was found with */
    int32_t escalations; /* tries before it that failed */
    int64_t dead;        /* columns that never saw an input */
} lop_damped;

/* Puts `damping`, `escalations` and `dead_columns` into a line of the report. */
LOP_CHECKED lop_status lop_damped_tell(const lop_damped *damped, json_t *line);

/* One try with this damping, whose U is not what lop_damped_factor says if a pivot failed: row `at` of `said` tells. Queued. */
LOP_CHECKED lop_status lop_damped_try(lop_queue *q, lop_mat gram, double damping, const lop_damped_room *room,
                                      int32_t at);

/* What the first `count` tries said. Waits. */
LOP_CHECKED lop_status lop_damped_read(lop_queue *q, const lop_damped_room *room, int32_t count,
                                       lop_damped_said *out);

/* U, upper triangular with (G + damping mean(diagonal) I)^-1 = U^T U, from G, the Gram matrix of the linear, which stays as it
 * is. Tries that fail are told to the log. Spoils the first row of `said`. Waits. LOP_E_NUMERIC: no damping helps. */
LOP_CHECKED lop_status lop_damped_factor(const lop_prune_block *block, const lop_prune_linear *linear,
                                         double damping, const lop_damped_room *room, lop_damped *out);

/* Where it lies: (n, n). */
lop_mat lop_damped_u(const lop_damped_room *room, int32_t n);

#endif
