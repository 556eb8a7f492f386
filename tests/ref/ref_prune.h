/* ref_prune.h - magnitude and Wanda in double precision, block by block as the authors' scripts go: the
 * statistics of a block are those of the dense block over the stream of the blocks already pruned. */
#ifndef LOP_TESTS_REF_PRUNE_H
#define LOP_TESTS_REF_PRUNE_H

#include "tests/ref/ref_model.h"

#include <stdint.h>

/* How many weights go, and from which groups. */
typedef enum ref_cut {
    REF_CUT_THRESHOLD, /* whole matrix: score <= sorted[floor(n ratio)], with ties (the scripts') */
    REF_CUT_MATRIX,    /* whole matrix: round(n ratio) least, ties by row then column */
    REF_CUT_ROWS,      /* every row: floor(C ratio) least, stable (the scripts' Wanda) */
    REF_CUT_BUDGET, /* rows: floor(C ratio + 1e-9), then one more where the next score is least, to round(n ratio) */
    REF_CUT_GROUPS /* of every m neighbours in a row all but the n_keep best, the later of equals */
} ref_cut;

typedef struct ref_rule {
    int scaled; /* score |w| sqrt(sum x^2) instead of |w| */
    ref_cut cut;
    double ratio;
    int n_keep, m;
} ref_rule;

/* keep[i] = 1 or 0 for the scores (rows, cols). Scores are rounded to float first, as every implementation
 * has them: equal floats are ties. */
void ref_keep(const ref_rule *rule, int rows, int cols, const double *score, uint8_t *keep);

/* Carries windows x (windows, T, C) through a block and sums the squares of what its places see: row p of the result
 * (REF_PLACES, *widest) belongs to place p, one number a column. The caller frees. */
double *ref_sum_sq(const ref_model *m, int block, int windows, int T, double *x, int *widest);

/* Prunes every linear of the model in place. keep[block * REF_LINEARS + linear] receives the masks, one byte
 * a weight, unless NULL. `ids` (windows, T) are the calibration tokens; a rule that is not scaled needs none
 * (windows 0). Returns the share of zeros over all linears. */
double ref_prune(ref_model *m, const ref_rule *rule, int windows, int T, const int32_t *ids, uint8_t **keep);

/* Packs n keep bytes into (n + 7) / 8 bytes of bits, most significant bit first. */
void ref_pack_bits(int64_t n, const uint8_t *keep, uint8_t *bits);

#endif
