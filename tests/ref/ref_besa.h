/* ref_besa.h - BESA's mask algebra in double precision, one function per formula: candidate rates and their simplex, how
 * many weights a row loses and which, exact budgets, and the straight-through gradient. ref_besa_block.h learns with it.
 *
 * Letters: R rows and C columns of a linear; B buckets of a row; q = 0 .. B a candidate, whose rate is q / B (the authors
 * list them from rate 1 down); k the place of a weight in its row by importance, least first. Logits theta and their
 * simplex beta have B + 1 numbers. Source: BESA, Xu et al. 2024, sections 3.2 and 3.3, and the authors' code where they
 * differ. */
#ifndef LOP_TESTS_REF_BESA_H
#define LOP_TESTS_REF_BESA_H

#include <stdint.h>

typedef enum ref_map {
    REF_SOFTMAX,         /* of theta */
    REF_SOFTMAX_SIGMOID, /* of its sigmoid */
    REF_SOFTMAX_TILTED   /* of its sigmoid added to a line */
} ref_map;

/* How many of the least important places candidate q covers: floor(C q / B). */
int ref_besa_edge(int C, int B, int q);

/* line (B + 1): what is added where the map is tilted; else not used, and may be NULL. So in the functions below. */
void ref_besa_simplex(ref_map map, int B, const double *line, const double *theta, double *beta);

/* Expected sparsity: the mean rate. */
double ref_besa_alpha(int B, const double *beta);

/* P(k): the probability that place k is pruned, which is that of the candidates that cover it. */
double ref_besa_pruned(int B, int C, const double *beta, int k);

/* Logits c q / B whose softmax has expected sparsity `target`, in (0, 1). */
void ref_besa_start(int B, double target, double *theta);

/* How many places of a row go: floor(alpha C + 1e-3), or, as printed in the paper, all with P(k) >= alpha. */
int ref_besa_count(double alpha, int C);
int ref_besa_count_threshold(int B, int C, const double *beta);

/* order[r, k]: the column of place k of row r by |w| sqrt(sum_sq), or |w| alone without sum_sq (C); equal columns in
 * their order. Scores are rounded to float first, as every implementation has them.  Shapes: w, order (R, C). */
void ref_besa_order(int R, int C, const double *w, const double *sum_sq, int32_t *order);

/* One row: its first `count` places get 0, the others 1.  Shapes: order, keep (C). */
void ref_besa_keep(int C, const int32_t *order, int count, uint8_t *keep);

/* Changes the counts of all rows of a block so that they add up to `want` with as few weights moved as can be: where some
 * are missing no count falls, where there are too many none rises. Row r gets (alpha_r + delta) C_r cut off at its old
 * count and at C_r (at 0 if too many), delta being common to all; whole parts first, then one more each for the largest
 * fractions, equal ones in the order of rows. Returns delta.
 * Shapes: alpha, C, count (rows); want in [0, sum C]. */
double ref_besa_budget(int rows, const double *alpha, const int *C, int64_t want, int *count);

/* h[b] += the sum of g over bucket b of every row: the places [edge(b), edge(b + 1)).  Shapes: g, order (R, C), h (B). */
void ref_besa_buckets(int R, int C, int B, const int32_t *order, const double *g, double *h);

/* dtheta += the gradient of a loss whose gradient by the group's keep probabilities has bucket sums h (B), and by the
 * group's alpha is `pull`.  Shapes: theta, dtheta (B + 1). */
void ref_besa_back(ref_map map, int B, const double *line, const double *theta, const double *h, double pull,
                   double *dtheta);

/* By how much that loss and, in *rate, the group's alpha grow as what the softmax sees grows by mu q / B, at mu = 0. */
double ref_besa_lift(ref_map map, int B, const double *line, const double *theta, const double *h,
                     double *rate);

/* p + |p| (s - target) / width with p = -loss / rate: the price of a block's sparsity s from the slopes of its loss and of s
 * along such a lift of all its groups; p is 0 where s has no slope. */
double ref_besa_price(double loss, double rate, double s, double target, double width);

#endif
