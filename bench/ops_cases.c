/* ops_cases.c - the table. Traffic counts what the contract must read and write once; caches and passes over the same row
 * are the implementation's. */
#include "bench/ops_cases.h"

#include <math.h>

static lop_status run_linear(lop_queue *q, const ops_set *s)
{
    return lop_linear(q, s->a, s->b, LOP_NONE, s->square);
}

static lop_status run_gemm(lop_queue *q, const ops_set *s)
{
    const lop_gemm_args args = {.a = s->square, .b = s->a, .c = s->c, .alpha = 1.0f, .count = 1};
    return lop_gemm(q, &args);
}

static lop_status run_cast(lop_queue *q, const ops_set *s)
{
    return lop_cast(q, s->a, s->half);
}

static lop_status run_axpby(lop_queue *q, const ops_set *s)
{
    return lop_axpby(q, 0.5f, s->a, 0.5f, s->b);
}

static lop_status run_add_bias(lop_queue *q, const ops_set *s)
{
    return lop_add_bias(q, s->b, s->row);
}

static lop_status run_gather_rows(lop_queue *q, const ops_set *s)
{
    return lop_gather_rows(q, s->a, s->index, s->c);
}

static lop_status run_rmsnorm(lop_queue *q, const ops_set *s)
{
    return lop_rmsnorm(q, s->a, s->row, 1e-5f, s->c);
}

static lop_status run_rope(lop_queue *q, const ops_set *s)
{
    return lop_rope(q, s->b, OPS_HEAD, s->table, OPS_ROWS);
}

static lop_status run_softmax(lop_queue *q, const ops_set *s)
{
    const lop_softmax_args args = {.queries = OPS_QUERIES,
                                   .first_query = s->b.cols - OPS_QUERIES,
                                   .scale = (float)(1.0 / sqrt((double)OPS_HEAD))};
    return lop_softmax_causal(q, s->b, &args);
}

static lop_status run_gate(lop_queue *q, const ops_set *s)
{
    return lop_gate(q, LOP_GATE_SILU, s->a, s->b, s->c);
}

static lop_status run_cross_entropy(lop_queue *q, const ops_set *s)
{
    LOP_TRY(lop_cross_entropy_begin(q, s->state));
    LOP_TRY(lop_cross_entropy_add(q, s->a, 0, s->target, s->state));
    return lop_cross_entropy_end(q, s->state, s->target, lop_mat_reshape(s->per_row, 1, OPS_ROWS));
}

static lop_status run_argmax(lop_queue *q, const ops_set *s)
{
    return lop_argmax_rows(q, s->a, s->best);
}

static lop_status run_colsum_sq(lop_queue *q, const ops_set *s)
{
    return lop_colsum_sq(q, s->a, s->col_scratch, s->sum);
}

static lop_status run_sq_error(lop_queue *q, const ops_set *s)
{
    return lop_sq_error(q, s->a, s->b, s->per_row, s->one);
}

static lop_status run_count_zero(lop_queue *q, const ops_set *s)
{
    return lop_count_zero(q, s->a, s->row_scratch, s->total);
}

static lop_status run_count_not_finite(lop_queue *q, const ops_set *s)
{
    return lop_count_not_finite(q, s->a, s->row_scratch, s->total);
}

static lop_status run_score_scaled(lop_queue *q, const ops_set *s)
{
    return lop_score_scaled(q, s->a, s->row, s->c);
}

static lop_status run_keep_rows(lop_queue *q, const ops_set *s)
{
    return lop_keep_rows(q, s->score, s->count, s->keep);
}

static lop_status run_rank_value_rows(lop_queue *q, const ops_set *s)
{
    return lop_rank_value_rows(q, s->score, s->count, s->per_row);
}

static lop_status run_keep_all(lop_queue *q, const ops_set *s)
{
    return lop_keep_all(q, s->score, lop_mat_elements(s->score) / 2, false, s->all_scratch, s->keep);
}

static lop_status run_keep_n_of_m(lop_queue *q, const ops_set *s)
{
    return lop_keep_n_of_m(q, s->score, 2, 4, s->keep);
}

static lop_status run_rank_rows(lop_queue *q, const ops_set *s)
{
    return lop_rank_rows(q, s->score, s->rank, s->order);
}

static lop_status run_zero_dropped(lop_queue *q, const ops_set *s)
{
    return lop_zero_dropped(q, s->keep, s->b);
}

const ops_case ops_cases[] = {
    {"linear", run_linear, 8, 2.0 * OPS_ROWS}, /* (R, C) by (R, C) transposed */
    {"gemm", run_gemm, 8, 2.0 * OPS_ROWS},     /* (R, R) by (R, C) */
    {"cast_bf16", run_cast, 6, 0},
    {"axpby", run_axpby, 12, 3},
    {"add_bias", run_add_bias, 8, 1},
    {"gather_rows", run_gather_rows, 8, 0},
    {"rmsnorm", run_rmsnorm, 8, 4},
    {"rope", run_rope, 8, 3},
    {"softmax_causal", run_softmax, 8, 14},
    {"gate_silu", run_gate, 12, 13},
    {"cross_entropy", run_cross_entropy, 4, 13},
    {"argmax_rows", run_argmax, 4, 1},
    {"colsum_sq", run_colsum_sq, 4, 2},
    {"sq_error", run_sq_error, 8, 3},
    {"count_zero", run_count_zero, 4, 1},
    {"count_not_finite", run_count_not_finite, 4, 1},
    {"score_scaled", run_score_scaled, 8, 2},
    {"keep_rows", run_keep_rows, 4.125, 0},
    {"rank_value_rows", run_rank_value_rows, 4, 0},
    {"keep_all", run_keep_all, 4.125, 0},
    {"keep_2_of_4", run_keep_n_of_m, 4.125, 0},
    {"rank_rows", run_rank_rows, 6, 0},
    {"zero_dropped", run_zero_dropped, 8.125, 0},
};
const int ops_case_count = (int)(sizeof ops_cases / sizeof ops_cases[0]);
