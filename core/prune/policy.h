/* policy.h - the arithmetic of learning which units stay, from losses alone: each unit has a probability of being kept, masks are
 * drawn from these, and the losses under several masks move them.
 *
 * Everything here is on the host and knows no model: units are numbers. Probabilities are whole numbers of 2^-30 and sums of them
 * are exact, so that given the same losses every run has the same bits.
 *
 * Letters: n units, K masks of a step, L_j the loss under mask j, t a step of T in all, s_i a probability, v of a projection. */
#ifndef LOP_CORE_PRUNE_POLICY_H
#define LOP_CORE_PRUNE_POLICY_H

#include "core/base/status.h"

#include <stdbool.h>
#include <stdint.h>

#define LOP_POLICY_ONE ((int32_t)1 << 30) /* the probability 1 */

enum { LOP_POLICY_MASKS_MOST = 64 }; /* of a step */

/* ---- budgets */

/* Units that stand one behind another and cost the same. */
typedef struct lop_policy_run {
    int32_t first, count;
    int32_t
        cost; /* of one, >= 1: weights over a divisor that all costs have; of all units together less than 2^32 */
} lop_policy_run;

/* Runs [first, first + count) of a list, whose expected cost is to be no more than `kept`. */
typedef struct lop_policy_budget {
    int32_t first, count;
    int64_t kept; /* in costs of 2^-30: what may be kept, times 2^30 */
} lop_policy_budget;

/* The nearest probabilities that a budget allows: z_i becomes min(max(z_i - v c_i, 0), 1) with the least v for which the
 * costs of all are no more than `kept`, v >= 0, or with `equal` v >= -2. Exact: whatever v the search begins at.
 *
 *   Shapes   z[..], numbers of 2^-30, in place; from: where the last call for this budget ended, 0 for the first
 *   Source   the projection on a box cut by a half-space; its conditions of Karush, Kuhn and Tucker. v is found in steps of
 *            2^-30, where costs differ of 2^-50 */
void lop_policy_project(int32_t *z, const lop_policy_run *runs, const lop_policy_budget *budget, bool equal,
                        int64_t *from);

/* ---- first probabilities */

typedef enum lop_policy_map { LOP_POLICY_SIGMA, LOP_POLICY_NORM, LOP_POLICY_CONST } lop_policy_map;

/* Probabilities of n units of one kind in one block from a metric, `kept` of which are to stay on the mean.
 *   sigma   sigmoid of the standardized metric, moved to the mean `kept`, cut to [0, 1]
 *   norm    the metric between its least and largest, moved and cut alike
 *   const   `constant` for those among the best ceil(kept n), 1 - `constant` for the rest; 0.5 < constant < 1
 *   Source  the authors' utils.py, --score-from-metric */
void lop_policy_scores(lop_policy_map map, const double *metric, int32_t n, double kept, double constant,
                       int32_t *s);

/* ---- masks */

typedef struct lop_policy_chance {
    uint64_t seed;
    int32_t
        floor; /* while drawing, probabilities are within [floor, 1 - floor] of 2^-30; 0: they may be 0 and 1 */
    bool
        antithetic; /* masks come in pairs, the second from the inverted words of the first; K is even then */
} lop_policy_chance;

/* keep[i] = 1 or 0 of mask `sample` at step `step`: 1 iff word (i & 3) of Philox's counter (i >> 2, sample, step, tag) is below
 * 4 s_i. Units of a kind begin at a multiple of 4.  Source: lop_bernoulli draws the same bits. */
void lop_policy_draw(const lop_policy_chance *chance, uint32_t step, uint32_t sample, const int32_t *s,
                     int32_t n, uint8_t *keep);

/* ---- baselines */

typedef enum lop_policy_baseline {
    LOP_POLICY_MOVING, /* the authors': a moving average, which the step's own losses are part of */
    LOP_POLICY_LEAVE_ONE_OUT,
    LOP_POLICY_MIXED /* of both, so that the variance is least: as the moments say so far */
} lop_policy_baseline;

/* What is known of losses. Zero-initialise. */
typedef struct lop_policy_memory {
    bool begun;
    double average; /* moving */
    double within,
        off; /* sums over steps: variance over a step's masks; square of their mean less the average before */
    int64_t steps; /* of those sums */
} lop_policy_memory;

/* What one mask's whitened score is multiplied by in a step's gradient. */
typedef struct lop_policy_weights {
    double of[LOP_POLICY_MASKS_MOST]; /* 0 of a mask that does not count */
    bool pairs;                       /* the sum is to be multiplied by max(s_i, 1 - s_i) */
    double mix;                       /* what the mixed baseline took */
} lop_policy_weights;

/* Weights from the losses of a step, K of them; `rate`: of the moving average, one over its window. Losses that are no numbers
 * do not count, of pairs both; false when fewer than two are left: nothing is learned then.
 *   Source   docs/methods/policy_gradient.md */
bool lop_policy_weigh(lop_policy_memory *memory, lop_policy_baseline baseline, double rate, bool antithetic,
                      const double *losses, int32_t masks, lop_policy_weights *out);

/* ---- a step */

/* gradient[i] of units [first, first + count), from keep[j][i] of all masks. */
typedef struct lop_policy_step {
    const lop_policy_chance *chance;
    const lop_policy_weights *weights;
    const uint8_t *const *keep;
    int32_t masks;
} lop_policy_step;
void lop_policy_gradient(const lop_policy_step *step, const int32_t *s, int32_t first, int32_t count,
                         double *gradient);

/* s_i -= rate gradient_i of the same units, rounded to the nearest, each by less than 1. Not cut: a projection follows. */
void lop_policy_move(int32_t *s, const double *gradient, int32_t first, int32_t count, double rate);

/* rate_0 / 2 (1 + cos(pi t / T)), rounded to f32, so that the last bit of a machine's cos has no say. */
double lop_policy_rate(double rate, int64_t step, int64_t steps);

#endif
