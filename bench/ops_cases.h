/* ops_cases.h - every operation of core/device/ops.h, and every kernel of kernels/list.h, as something to time: how to call
 * it, and the least it must move and compute. Internal to bench. */
#ifndef LOP_BENCH_OPS_CASES_H
#define LOP_BENCH_OPS_CASES_H

#include "bench/ops_set.h"

/* Which words an operation has instances of. */
typedef enum ops_words {
    OPS_EVERY,    /* each word */
    OPS_F32,      /* f32 alone */
    OPS_HALVES,   /* f16 and bf16 */
    OPS_PRODUCT,  /* what the device takes products of */
    OPS_SQUARE,   /* f32, of OPS_TOKENS rows and columns whatever the width that is timed */
    OPS_GRAM,     /* the same, of what the device takes products of */
    OPS_OF_LOGITS /* f32, of OPS_LOGITS rows of OPS_RATES whatever the width that is timed */
} ops_words;

/* Bytes of one element of an (R, C) matrix: moved = word * size of W + plain; reads and writes alike. */
typedef struct ops_case {
    const char *name;
    lop_status (*run)(lop_queue *q, const ops_set *s);
    ops_words words;
    double word, plain;
    double flops_each; /* per element, additions, products, comparisons and roots alike; exp counts as 10 */
} ops_case;

typedef struct ops_list {
    const ops_case *at;
    int count;
} ops_list;
extern const ops_list ops_cases, ops_rows;

#endif
