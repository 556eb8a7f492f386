/* ops_cases.h - every operation of core/device/ops.h as something to time: how to call it, and the least it must move and
 * compute. Internal to bench. */
#ifndef LOP_BENCH_OPS_CASES_H
#define LOP_BENCH_OPS_CASES_H

#include "core/device/ops.h"

#define OPS_ROWS    2048 /* of every large matrix: the tokens of a window, or the rows of a linear */
#define OPS_HEAD    64   /* head size of rope: divides every width that is timed */
#define OPS_QUERIES 256  /* of a tile of attention */

/* Operands of one turn. Each case uses what it needs; R = OPS_ROWS, C the columns timed. */
typedef struct ops_set {
    lop_mat a, b, c;     /* (R, C) f32, values of both signs */
    lop_mat score;       /* (R, C) f32, >= 0: a's magnitudes */
    lop_mat keep;        /* (R, ceil(C/8)) u8, half of the bits set */
    lop_mat order;       /* (R, C) u16 */
    lop_mat rank;        /* (R, C) u32: scratch of lop_rank_rows */
    lop_mat half;        /* (R, C) bf16 */
    lop_mat row;         /* (1, C) f32, > 0 */
    lop_mat sum;         /* (1, C) f32 */
    lop_mat table;       /* (R, OPS_HEAD) f32: angles */
    lop_mat index;       /* (1, R) i32, a shuffle of the rows */
    lop_mat target;      /* (1, R) i32 < C */
    lop_mat state;       /* (R, 3) f32 */
    lop_mat per_row;     /* (R, 1) f32 */
    lop_mat count;       /* (R, 1) u32: C / 2 */
    lop_mat row_scratch; /* (R, 1) u32 */
    lop_mat col_scratch; /* (R / 128, C) f32 */
    lop_mat all_scratch; /* (1, lop_keep_all_scratch(R)) u32 */
    lop_mat best;        /* (1, R) i32 */
    lop_mat square;      /* (R, R) f32: of products */
    lop_mat one, total;  /* (1, 1) f64, i64 */
} ops_set;

typedef struct ops_case {
    const char *name;
    lop_status (*run)(lop_queue *q, const ops_set *s);
    double bytes_each; /* read and written per element of an (R, C) matrix */
    double flops_each; /* per element, additions, products, comparisons and roots alike; exp counts as 10 */
} ops_case;

extern const ops_case ops_cases[];
extern const int ops_case_count;

#endif
