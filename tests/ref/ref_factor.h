/* ref_factor.h - symmetric matrices, their factors and inverses in double precision: plain loops.
 *
 * Bounds of factors. With g the relative error of a sum of n terms, 4 eps (1 + sqrt n), a computed L is the exact factor
 * of H + E to first order, and |E| <= g |L| D |L^T|: sums of products of what was computed; D, with |L_t^T| |V_t^T| in
 * the places of the diagonal's tiles L_t with inverses V_t, is what it takes to multiply by a tile's computed inverse
 * instead of solving with the tile. From L L^T = H + E follows L^-1 dL = Phi(L^-1 E L^-T), Phi the lower triangle with
 * half of the diagonal, so |dL| <= g |L| Phi(|V| |L| D |L^T| |V^T|). What is made of L: an error dL moves V = L^-1 by at
 * most |V| |dL| |V|; the blocks of V are products C^-1 B A^-1 with errors g |C^-1| |B| |A^-1|, within |V| |L| |V|, and such
 * an error F in a block comes to |V| |L| F |L| |V| in V, since products of computed blocks telescope to that.
 * Magnitudes below are these without g. */
#ifndef LOP_TESTS_REF_REF_FACTOR_H
#define LOP_TESTS_REF_REF_FACTOR_H

#include "tests/ref/ref_ops.h"

void ref_gram(double alpha, const ref_mat *x, ref_mat *h); /* both halves, from h's lower one */
void ref_mirror(ref_mat *h);
void ref_reverse(ref_mat *x);
void ref_diagonal(const ref_mat *h, ref_mat *diagonal);
void ref_add_diag(ref_mat *h, double x, const ref_mat *times); /* times may be NULL */
void ref_damp(ref_mat *h, double fraction, ref_mat *mean);
void ref_revive(ref_mat *h, double x);
void ref_score_obs(const ref_mat *w, const ref_mat *u, int degree, ref_mat *score);

/* h, of which the lower triangle is read, becomes L; tiles of `side` columns receive the inverses of the diagonal's. */
void ref_chol(int32_t side, ref_mat *h, ref_mat *tiles);

/* h becomes L^-1, its inverse, or the factor U with h^-1 = U^T U. */
void ref_tri_inverse(int32_t side, ref_mat *h);
void ref_chol_inverse(int32_t side, ref_mat *h);
void ref_inverse_factor(int32_t side, ref_mat *h);

/* h becomes L; rows = rows h^-1. */
void ref_chol_solve(int32_t side, ref_mat *h, ref_mat *rows);
void ref_inverse_factor_solve(int32_t side, ref_mat *h, ref_mat *rows); /* of h and its inverse's factor */

#endif
