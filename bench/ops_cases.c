/* ops_cases.c - the table of all operations but those of row_cases.c. Traffic counts what the contract must read and write
 * once; caches and passes over the same row are the implementation's. */
#include "bench/ops_cases.h"

#include "core/device/factor.h"
#include "core/device/launch.h"
#include "core/prune/besa_parts.h"
#include "core/prune/sparsegpt_parts.h"

/* Products take as many rows as a sequence has tokens, however many rows the others take. */
static lop_mat tokens_of(lop_mat m)
{
    return lop_mat_rows(m, 0, OPS_TOKENS);
}

static lop_status run_linear(lop_queue *q, const ops_set *s)
{
    return lop_linear(q, tokens_of(s->a), tokens_of(s->b), LOP_NONE, s->square);
}

/* Each slab of the gradient of a weight is left where it is. */
static lop_status leave(void *user, lop_queue *q, int32_t first, lop_mat dw)
{
    (void)user, (void)q, (void)first, (void)dw;
    return LOP_OK;
}

static lop_status run_linear_back(lop_queue *q, const ops_set *s)
{
    const lop_linear_back_args args = {
        .dy = s->square, .x = tokens_of(s->a), .slab = tokens_of(s->to[LOP_F32]), .fn = leave};
    return lop_linear_back(q, &args);
}

static lop_status run_gemm(lop_queue *q, const ops_set *s)
{
    const lop_gemm_args args = {
        .a = s->square, .b = tokens_of(s->a), .c = tokens_of(s->c), .alpha = 1.0f, .count = 1};
    return lop_gemm(q, &args);
}

static lop_status run_cast_f32(lop_queue *q, const ops_set *s)
{
    return lop_cast(q, s->a, s->to[LOP_F32]);
}

static lop_status run_cast_f16(lop_queue *q, const ops_set *s)
{
    return lop_cast(q, s->a, s->to[LOP_F16]);
}

static lop_status run_cast_bf16(lop_queue *q, const ops_set *s)
{
    return lop_cast(q, s->a, s->to[LOP_BF16]);
}

static lop_status run_axpby(lop_queue *q, const ops_set *s)
{
    return lop_axpby(q, 0.5f, s->a, 0.5f, s->b);
}

static lop_status run_axpby_f32(lop_queue *q, const ops_set *s)
{
    return lop_axpby(q, 0.5f, s->a, 0.5f, s->to[LOP_F32]);
}

static lop_status run_add_bias(lop_queue *q, const ops_set *s)
{
    return lop_add_bias(q, s->b, s->row);
}

static lop_status run_gather_rows(lop_queue *q, const ops_set *s)
{
    return lop_gather_rows(q, s->a, s->index, s->c);
}

static lop_status run_colsum_sq(lop_queue *q, const ops_set *s)
{
    LOP_TRY(lop_colsum_sq(q, s->a, s->col_scratch));
    return lop_colsum(q, s->col_scratch, s->sum);
}

static lop_status run_sq_error(lop_queue *q, const ops_set *s)
{
    return lop_sq_error(q, s->a, s->b, s->per_row, s->one);
}

static lop_status run_sq_error_f32(lop_queue *q, const ops_set *s)
{
    return lop_sq_error(q, s->a, s->to[LOP_F32], s->per_row, s->one);
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
    return lop_score_scaled(q, s->a, s->row, s->to[LOP_F32]);
}

static lop_status run_score_obs(lop_queue *q, const ops_set *s)
{
    return lop_score_obs(q, s->a, s->row, 2, s->to[LOP_F32]);
}

static lop_status run_gram(lop_queue *q, const ops_set *s)
{
    return lop_gram(q, 1.0f, s->square, s->grown);
}

static lop_status run_damp(lop_queue *q, const ops_set *s)
{
    return lop_damp(q, s->grown, 0.01f, lop_mat_cols(s->room, 0, 1));
}

static lop_status run_mirror(lop_queue *q, const ops_set *s)
{
    return lop_mirror(q, s->grown);
}

static lop_status run_reverse(lop_queue *q, const ops_set *s)
{
    return lop_reverse(q, s->grown);
}

/* Factors take the place of what they are of, so each turn begins with a copy. */
static lop_status run_chol(lop_queue *q, const ops_set *s)
{
    LOP_TRY(lop_cast(q, s->gram, s->factor));
    return lop_chol(q, s->factor, s->tiles, s->room, s->bad);
}

static lop_status run_chol_inverse(lop_queue *q, const ops_set *s)
{
    LOP_TRY(run_chol(q, s));
    return lop_chol_inverse(q, s->factor, s->tiles, s->room);
}

static lop_status run_inverse_factor(lop_queue *q, const ops_set *s)
{
    LOP_TRY(lop_cast(q, s->gram, s->factor));
    return lop_inverse_factor(q, s->factor, s->room, s->bad);
}

/* Right-hand sides shrink from turn to turn until they are the least numbers there are; a copy keeps them. */
static lop_status run_chol_solve(lop_queue *q, const ops_set *s)
{
    LOP_TRY(run_chol(q, s));
    LOP_TRY(lop_cast(q, s->square, s->grown));
    return lop_chol_solve(q, s->factor, s->tiles, s->room, s->grown);
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

/* All columns in panels of 128, with the same triangle for each. What goes in the first turn is 0 in later ones, which compute
 * the same. */
static lop_status run_panels(lop_queue *q, const ops_set *s, int32_t n, int32_t m)
{
    enum { PANEL = 128 };
    const lop_mat u = lop_mat_cols(lop_mat_rows(s->gram, 0, PANEL), 0, PANEL);
    for (int32_t at = 0; at < s->b.cols; at += PANEL) {
        const int32_t width = s->b.cols - at < PANEL ? s->b.cols - at : PANEL;
        const lop_sparsegpt_panel panel = {.w = lop_mat_cols(s->b, at, width),
                                           .u = u,
                                           .keep = lop_mat_cols(s->keep, at / 8, width / 8),
                                           .e = lop_mat_cols(s->c, at, width),
                                           .error = s->per_row,
                                           .kept = n,
                                           .group = m};
        LOP_TRY(lop_sparsegpt_walk(q, &panel));
    }
    return LOP_OK;
}

static lop_status run_sparsegpt(lop_queue *q, const ops_set *s)
{
    return run_panels(q, s, 0, 0);
}

static lop_status run_sparsegpt_2_of_4(lop_queue *q, const ops_set *s)
{
    return run_panels(q, s, 2, 4);
}

static lop_status run_wanda_part(lop_queue *q, const ops_set *s)
{
    const lop_launch_shape shape = {.groups = s->score.rows, .cols = s->score.cols, .word = LOP_F32};
    const lop_arg args[] = {LOP_M(s->score), LOP_M(s->order), LOP_M(s->c), LOP_I(s->score.cols)};
    return LOP_LAUNCH(q, LOP_KERNEL_wanda_part_row, &shape, args);
}

static lop_status run_wanda_within(lop_queue *q, const ops_set *s)
{
    const lop_launch_shape shape = lop_by_rows(s->score.rows, s->score.cols, LOP_F32);
    const lop_arg args[] = {LOP_M(s->score), LOP_M(s->order),   LOP_M(s->part),
                            LOP_F(0.4f),     LOP_M(s->dropped), LOP_I(s->score.cols)};
    return LOP_LAUNCH(q, LOP_KERNEL_wanda_within_row, &shape, args);
}

/* Bits into the memory of c; what the ranks left in their scratch are chances as good as others. */
static lop_status run_bernoulli(lop_queue *q, const ops_set *s)
{
    const lop_chance chance = {.seed = 1};
    lop_mat keep = s->c;
    keep.at *= (int64_t)lop_type_bytes(keep.type);
    keep.type = LOP_U8;
    const lop_mat p = lop_mat_rows(s->rank, 0, 1), step = lop_mat_cols(lop_mat_rows(s->rank, 1, 1), 0, 1);
    return lop_bernoulli(q, &chance, p, step, keep);
}

static lop_status run_zero_dropped(lop_queue *q, const ops_set *s)
{
    return lop_zero_dropped(q, s->keep, s->b);
}

static lop_status run_error_back(lop_queue *q, const ops_set *s)
{
    return lop_error_back(q, s->to[LOP_F32], s->b, s->row, 0.5f, s->per_row, s->one);
}

static lop_status run_reciprocal(lop_queue *q, const ops_set *s)
{
    return lop_reciprocal(q, s->score, 1.0f, 1e-6f);
}

static lop_status sum_groups(lop_queue *q, const ops_set *s, int32_t each)
{
    return lop_sum_row_groups(q, s->score, each, lop_mat_rows(s->to[LOP_F32], 0, s->score.rows / each));
}

static lop_status run_sum_groups_few(lop_queue *q, const ops_set *s)
{
    return sum_groups(q, s, 16);
}

static lop_status run_sum_groups_many(lop_queue *q, const ops_set *s)
{
    return sum_groups(q, s, OPS_TOKENS);
}

/* Optimisers move b along a; their moments begin as what lies in matrices that no case after them reads. */
static lop_status run_adam(lop_queue *q, const ops_set *s)
{
    lop_adam_args args = lop_adam_usual();
    args.x = s->b, args.g = s->a, args.m = s->to[LOP_F32], args.v = s->part, args.step = s->step;
    return lop_adam(q, &args);
}

static lop_status run_prodigy(lop_queue *q, const ops_set *s)
{
    lop_prodigy_args args = lop_prodigy_usual();
    args.x = s->b, args.g = s->a, args.m = s->to[LOP_F32], args.v = s->part, args.s = s->score;
    args.parts = lop_mat_cols(s->state, 0, 2), args.state = s->distance;
    args.growth = 1.0f; /* a gradient that never turns would take d beyond f32 */
    return lop_prodigy(q, &args);
}

static lop_status run_buckets(lop_queue *q, const ops_set *s)
{
    const lop_mat w = s->a;
    const int32_t chunk = lop_besa_chunk(q->device, w.cols);
    const lop_launch_shape shape = {
        .groups = w.rows, .cols = w.cols, .word = w.type, .local_bytes = (size_t)chunk * sizeof(float)};
    const lop_arg args[] = {LOP_M(s->score),  LOP_M(w),     LOP_M(s->order),
                            LOP_M(s->bucket), LOP_F(1.0f),  LOP_I(OPS_RATES - 1),
                            LOP_I(chunk),     LOP_I(w.cols)};
    return LOP_LAUNCH(q, LOP_KERNEL_bucket_row, &shape, args);
}

static lop_status flip_to(lop_queue *q, const ops_set *s, lop_mat count)
{
    const lop_launch_shape shape = lop_by_rows(s->a.rows, s->a.cols, s->a.type);
    const lop_arg args[] = {LOP_M(s->order), LOP_M(s->a), LOP_M(count), LOP_I(1), LOP_M(s->was), LOP_M(s->b)};
    return LOP_LAUNCH(q, LOP_KERNEL_flip_row, &shape, args);
}

/* A hundredth of the weights put back, and taken out again. */
static lop_status run_flips(lop_queue *q, const ops_set *s)
{
    LOP_TRY(flip_to(q, s, s->few));
    return flip_to(q, s, s->count);
}

static lop_status run_quant_range(lop_queue *q, const ops_set *s)
{
    return lop_quant_range(q, s->a, s->low, s->high);
}

static lop_quant_grid grid_of(const ops_set *s)
{
    return (lop_quant_grid){.bits = OPS_BITS, .scale = s->scale, .zero = s->zero};
}

static lop_status run_quant_round(lop_queue *q, const ops_set *s)
{
    const lop_quant_grid grid = grid_of(s);
    return lop_quant_round(q, s->a, &grid, s->b);
}

/* And the scales that follow from phi, one a row. */
static lop_status run_quant_back(lop_queue *q, const ops_set *s)
{
    const lop_quant_grid grid = grid_of(s);
    const lop_quant_clip clip = {.low = s->low, .high = s->high, .phi = s->phi, .grad = s->phi_grad};
    LOP_TRY(lop_quant_scale(q, s->low, s->high, s->phi, &grid));
    return lop_quant_back(q, s->score, 1.0f, s->a, &grid, &clip);
}

static lop_status run_rate_count(lop_queue *q, const ops_set *s)
{
    const lop_launch_shape shape = lop_by_rows(OPS_LOGITS, OPS_RATES, LOP_F32);
    const lop_arg args[] = {
        LOP_M(s->start),     LOP_M(s->theta),         LOP_M(s->rate_count),     LOP_M(s->rate_mean),
        LOP_M(s->rate_part), LOP_I(LOP_BESA_SIGMOID), LOP_I(LOP_BESA_BY_COUNT), LOP_I(1),
        LOP_I(OPS_LOGITS),   LOP_I(s->a.cols),        LOP_I(OPS_RATES)};
    return LOP_LAUNCH(q, LOP_KERNEL_rate_count_row, &shape, args);
}

static lop_status run_rate_slope(lop_queue *q, const ops_set *s)
{
    const lop_launch_shape shape = lop_by_rows(OPS_LOGITS, OPS_RATES, LOP_F32);
    const lop_arg args[] = {
        LOP_M(s->start),         LOP_M(s->theta), LOP_M(s->theta_bucket), LOP_M(s->rate_slopes), LOP_F(1.0f),
        LOP_I(LOP_BESA_SIGMOID), LOP_I(1),        LOP_I(OPS_LOGITS),      LOP_I(OPS_RATES)};
    return LOP_LAUNCH(q, LOP_KERNEL_rate_slope_row, &shape, args);
}

static lop_status run_rate_price(lop_queue *q, const ops_set *s)
{
    const lop_launch_shape one = lop_by_rows(1, OPS_LOGITS, LOP_F32);
    const lop_arg args[] = {LOP_M(s->rate_slopes), LOP_M(lop_mat_cols(s->one, 0, 1)),
                            LOP_M(s->rate_price),  LOP_F(0.5f),
                            LOP_F(1.0f),           LOP_I(OPS_LOGITS)};
    return LOP_LAUNCH(q, LOP_KERNEL_rate_price, &one, args);
}

static lop_status run_rate_tilt(lop_queue *q, const ops_set *s)
{
    const lop_launch_shape one = lop_by_rows(1, OPS_RATES, LOP_F32);
    const lop_arg args[] = {LOP_M(s->rate_price), LOP_M(lop_mat_cols(s->one, 0, 1)),
                            LOP_M(lop_mat_rows(s->theta_grad, 0, 1)), LOP_F(0.5f), LOP_I(OPS_RATES)};
    return LOP_LAUNCH(q, LOP_KERNEL_rate_tilt, &one, args);
}

static lop_status run_rate_grad(lop_queue *q, const ops_set *s)
{
    const lop_launch_shape shape = lop_by_rows(OPS_LOGITS, OPS_RATES, LOP_F32);
    const lop_arg args[] = {LOP_M(s->start),   LOP_M(s->theta),         LOP_M(s->theta_bucket),
                            LOP_M(s->one),     LOP_M(s->theta_grad),    LOP_F(1.0f),
                            LOP_F(0.5f),       LOP_I(LOP_BESA_SIGMOID), LOP_I(1),
                            LOP_I(OPS_LOGITS), LOP_I(OPS_RATES)};
    return LOP_LAUNCH(q, LOP_KERNEL_rate_grad_row, &shape, args);
}

static lop_status run_rate_mean(lop_queue *q, const ops_set *s)
{
    const lop_launch_shape one = lop_by_rows(1, OPS_LOGITS, LOP_F32);
    const lop_arg args[] = {LOP_M(s->rate_part), LOP_M(lop_mat_cols(s->one, 0, 1)),
                            LOP_L((int64_t)OPS_LOGITS * s->a.cols), LOP_I(OPS_LOGITS)};
    return LOP_LAUNCH(q, LOP_KERNEL_rate_mean, &one, args);
}

/* Names say the second word where there are two: cast_f32 is from W to f32, axpby_f32 adds W to f32. */
static const ops_case table[] = {
    {"linear", run_linear, OPS_PRODUCT, 2, 0, 2.0 * OPS_TOKENS},           /* (T, C) by (T, C) transposed */
    {"gemm", run_gemm, OPS_PRODUCT, 2, 0, 2.0 * OPS_TOKENS},               /* (T, T) by (T, C) */
    {"linear_back", run_linear_back, OPS_PRODUCT, 1, 4, 2.0 * OPS_TOKENS}, /* (T, T) transposed by (T, C) */
    {"cast_f32", run_cast_f32, OPS_EVERY, 1, 4, 0},
    {"cast_f16", run_cast_f16, OPS_EVERY, 1, 2, 0},
    {"cast_bf16", run_cast_bf16, OPS_EVERY, 1, 2, 0},
    {"axpby", run_axpby, OPS_EVERY, 3, 0, 3},
    {"axpby_f32", run_axpby_f32, OPS_HALVES, 1, 8, 3},
    {"add_bias", run_add_bias, OPS_EVERY, 2, 0, 1},
    {"gather_rows", run_gather_rows, OPS_EVERY, 2, 0, 0},
    {"colsum_sq", run_colsum_sq, OPS_EVERY, 1, 0, 2},
    {"sq_error", run_sq_error, OPS_EVERY, 2, 0, 3},
    {"sq_error_f32", run_sq_error_f32, OPS_HALVES, 1, 4, 3},
    {"count_zero", run_count_zero, OPS_EVERY, 1, 0, 1},
    {"count_not_finite", run_count_not_finite, OPS_EVERY, 1, 0, 1},
    {"score_scaled", run_score_scaled, OPS_EVERY, 1, 4, 2},
    {"zero_dropped", run_zero_dropped, OPS_EVERY, 2, 0.125, 0},
    {"score_obs", run_score_obs, OPS_EVERY, 1, 4, 3},
    {"gram", run_gram, OPS_GRAM, 1, 4, OPS_TOKENS}, /* the triangle alone */
    {"damp", run_damp, OPS_SQUARE, 0, 8.0 / OPS_TOKENS, 0},
    {"mirror", run_mirror, OPS_SQUARE, 1, 0, 0},
    {"reverse", run_reverse, OPS_SQUARE, 2, 0, 0},
    {"chol", run_chol, OPS_SQUARE, 1, 0, OPS_TOKENS / 3.0},
    {"chol_inverse", run_chol_inverse, OPS_SQUARE, 2, 0, OPS_TOKENS},
    {"inverse_factor", run_inverse_factor, OPS_SQUARE, 2, 0, 2.0 * OPS_TOKENS / 3.0},
    {"chol_solve", run_chol_solve, OPS_SQUARE, 3, 0, 7.0 * OPS_TOKENS / 3.0}, /* and the factor */
    {"keep_rows", run_keep_rows, OPS_F32, 1, 0.125, 0},
    {"rank_value_rows", run_rank_value_rows, OPS_F32, 1, 0, 0},
    {"keep_all", run_keep_all, OPS_F32, 1, 0.125, 0},
    {"keep_2_of_4", run_keep_n_of_m, OPS_F32, 1, 0.125, 0},
    {"rank_rows", run_rank_rows, OPS_F32, 1, 2, 0},
    {"wanda_part", run_wanda_part, OPS_F32, 2, 2, 2},
    {"wanda_within", run_wanda_within, OPS_F32, 1, 0, 1},
    {"sparsegpt_panels", run_sparsegpt, OPS_F32, 3, 0.125, 64}, /* half of the columns go */
    {"sparsegpt_panels_2_of_4", run_sparsegpt_2_of_4, OPS_F32, 3, 0.125, 72},
    {"bernoulli", run_bernoulli, OPS_F32, 0, 1, 0},
    {"error_back", run_error_back, OPS_EVERY, 1, 8, 5},
    {"reciprocal", run_reciprocal, OPS_F32, 2, 0, 2},
    {"sum_row_groups_16", run_sum_groups_few, OPS_F32, 1, 4.0 / 16.0, 1},
    {"sum_row_groups_2048", run_sum_groups_many, OPS_F32, 1, 4.0 / OPS_TOKENS, 1},
    {"adam", run_adam, OPS_F32, 7, 0, 14},
    {"prodigy", run_prodigy, OPS_F32, 11, 0, 18},
    {"buckets", run_buckets, OPS_EVERY, 1, 6, 2},
    {"flips", run_flips, OPS_EVERY, 0.03, 0.04, 0}, /* and the counts of all rows */
    {"rate_count", run_rate_count, OPS_OF_LOGITS, 1, 0, 60},
    {"rate_grad", run_rate_grad, OPS_OF_LOGITS, 3, 0, 40},
    {"rate_mean", run_rate_mean, OPS_OF_LOGITS, 0, 8.0 / OPS_RATES, 0},
    {"rate_slope", run_rate_slope, OPS_OF_LOGITS, 2, 8.0 / OPS_RATES, 40},
    {"rate_price", run_rate_price, OPS_OF_LOGITS, 0, 8.0 / OPS_RATES, 0},
    {"rate_tilt", run_rate_tilt, OPS_OF_LOGITS, 0, 12.0 / OPS_LOGITS, 0},
    {"quant_range", run_quant_range, OPS_EVERY, 1, 0, 2},
    {"quant_round", run_quant_round, OPS_EVERY, 2, 0, 7},
    {"quant_back", run_quant_back, OPS_EVERY, 1, 4, 12},
};
const ops_list ops_cases = {table, (int)(sizeof table / sizeof table[0])};
