/* compare.h - a fetched matrix against its reference, within the bound that ref_ops.h derives. */
#ifndef LOP_TESTS_HARNESS_COMPARE_H
#define LOP_TESTS_HARNESS_COMPARE_H

#include "tests/harness/views.h"
#include "tests/ref/ref_ops.h"

/* How far element i may lie from want->at[i] when stored in `type`. */
double compare_bound(const ref_mat *want, int64_t i, lop_type type);

typedef struct difference {
    int32_t row, col;
    double got, want, bound;
} difference;

/* True if every element lies within its bound; otherwise *first is the first that does not. */
bool compare_view(const view *v, const ref_mat *want, difference *first);

#endif
