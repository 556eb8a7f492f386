/* ref_sparsegpt.h - SparseGPT in double precision from its definition: each column that goes is made up for by the inverse of
 * what is left of H, computed anew; no factor. And what tests hold results against: least squares, inverses, H = R R^T. */
#ifndef LOP_TESTS_REF_REF_SPARSEGPT_H
#define LOP_TESTS_REF_REF_SPARSEGPT_H

#include <stdbool.h>
#include <stdint.h>

/* Square matrices of side n, row-major. */
void ref_invert(int32_t n, const double *h, double *inverse);
void ref_right_factor(int32_t n, const double *h, double *r); /* upper triangular, h = r r^T */
double ref_condition(int32_t n, const double *h);             /* not less than it: by Frobenius norms */

/* tr(d h d^T) of a row d. */
double ref_quadratic(int32_t n, const double *h, const double *d);

/* The weights on the columns that stay which come nearest to w in h's norm, 0 elsewhere. */
void ref_least_squares(int32_t n, const double *h, const double *w, const bool *kept, double *q);

typedef struct ref_sparsegpt {
    int32_t rows, n, panel;
    int32_t keep, group; /* of a pattern; group 0: none */
    double ratio;
    bool
        exact; /* panels together lose what the linear does; else floor(share) and every score equal to the next too */
    bool chooses;
} ref_sparsegpt;

/* w (rows, n) in place; kept (rows, n), read unless it is chosen. */
void ref_sparsegpt_solve(const ref_sparsegpt *how, const double *h, double *w, bool *kept);

#endif
