/* block_solve.h - where a method that solves for weights spends its time: its statistics of inputs, factors, and the rest.
 * Internal to bench. */
#ifndef LOP_BENCH_BLOCK_SOLVE_H
#define LOP_BENCH_BLOCK_SOLVE_H

#include "bench/block_rig.h"

/* *out: {"hessian": milliseconds, ...} of all windows of one block; "hessian" is every statistic of the inputs, the others as
 * the method names them. One run behind an unseen one. The caller drops it. Waits. */
LOP_CHECKED lop_status block_solve_parts(block_rig *r, json_t **out);

#endif
