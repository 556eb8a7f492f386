/* inputs.h - the numbers a case works on, drawn from a seed. */
#ifndef LOP_TESTS_HARNESS_INPUTS_H
#define LOP_TESTS_HARNESS_INPUTS_H

#include "tests/harness/cases.h"

/* A stream of random numbers: splitmix64. */
typedef struct draw {
    uint64_t state;
} draw;
uint64_t draw_bits(draw *d);
double draw_unit(draw *d); /* in [0, 1) */

const char *kind_name(case_kind kind);

/* Fills values (rows * cols) as the case's matrix and the kind ask, each rounded to the matrix's type. */
void input_fill(const case_mat *m, case_kind kind, draw *d, double *values);

#endif
