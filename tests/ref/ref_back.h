/* ref_back.h - the backward pass of a block in double precision: the reference of core/model/block_backward.c, itself held
 * against central differences of ref_block_forward. */
#ifndef LOP_TESTS_REF_BACK_H
#define LOP_TESTS_REF_BACK_H

#include "tests/ref/ref_model.h"

/* Of the loss sum(dy * block(x)) over one sequence: dw[l] += its gradient with respect to the weight of linear l, and dy
 * becomes that with respect to x.  Shapes: x, dy (T, C); dw[l] like the weight. */
void ref_block_backward(const ref_model *m, int block, int T, const double *x, double *dy,
                        double *const dw[REF_LINEARS]);

#endif
