/* ops_set.c - operands placed and filled. Random numbers come from the host for one slab of rows; the device repeats it. */
#include "bench/ops_set.h"

#include "core/base/memory.h"
#include "core/base/random.h"
#include "core/device/device.h"
#include "core/device/factor.h"
#include "core/device/launch.h"
#include "core/prune/calibrate.h"
#include "core/prune/quant.h"

#include <math.h>

enum { SLAB_ROWS = 512 };

static lop_status place_large(lop_arena *a, int32_t R, int32_t C, lop_type word, ops_set *s)
{
    LOP_TRY(lop_arena_mat(a, R, C, word, &s->a));
    LOP_TRY(lop_arena_mat(a, R, C, word, &s->b));
    for (int t = 0; t < 3; t++) LOP_TRY(lop_arena_mat(a, R, C, (lop_type)t, &s->to[t]));
    s->c = s->to[word];
    LOP_TRY(lop_arena_mat(a, R, C, LOP_F32, &s->score));
    LOP_TRY(lop_arena_mat(a, R, C, LOP_U32, &s->rank));
    LOP_TRY(lop_arena_mat(a, R, C, LOP_U16, &s->order));
    LOP_TRY(lop_arena_mat(a, R, C, LOP_F32, &s->part));
    LOP_TRY(lop_arena_mat(a, R, (C + 7) / 8, LOP_U8, &s->keep));
    LOP_TRY(lop_arena_mat(a, OPS_TOKENS, OPS_TOKENS, word, &s->square));
    return lop_arena_mat(a, lop_colsum_parts(R, C), C, LOP_F32, &s->col_scratch);
}

static lop_status place_small(lop_arena *a, int32_t R, int32_t C, ops_set *s)
{
    LOP_TRY(lop_arena_mat(a, 1, C, LOP_F32, &s->row));
    LOP_TRY(lop_arena_mat(a, 1, C, LOP_F32, &s->sum));
    LOP_TRY(lop_arena_mat(a, OPS_TOKENS, OPS_HEAD, LOP_F32, &s->table));
    LOP_TRY(lop_arena_mat(a, 1, R, LOP_I32, &s->index));
    LOP_TRY(lop_arena_mat(a, 1, R, LOP_I32, &s->target));
    LOP_TRY(lop_arena_mat(a, R, 3, LOP_F32, &s->state));
    LOP_TRY(lop_arena_mat(a, R, 1, LOP_F32, &s->per_row));
    LOP_TRY(lop_arena_mat(a, R, 1, LOP_U32, &s->count));
    LOP_TRY(lop_arena_mat(a, R, 1, LOP_U32, &s->dropped));
    LOP_TRY(lop_arena_mat(a, R, 1, LOP_U32, &s->row_scratch));
    LOP_TRY(lop_arena_mat(a, 1, lop_keep_all_scratch(R), LOP_U32, &s->all_scratch));
    LOP_TRY(lop_arena_mat(a, 1, R, LOP_I32, &s->best));
    LOP_TRY(lop_arena_mat(a, 1, 2, LOP_F32, &s->one));
    LOP_TRY(lop_arena_mat(a, 1, 1, LOP_U32, &s->step));
    LOP_TRY(lop_arena_mat(a, 1, LOP_PRODIGY_STATE, LOP_F32, &s->distance));
    return lop_arena_mat(a, 1, 1, LOP_I64, &s->total);
}

static lop_status place_logits(lop_arena *a, int32_t R, ops_set *s)
{
    LOP_TRY(lop_arena_mat(a, R, 1, LOP_U32, &s->few));
    LOP_TRY(lop_arena_mat(a, R, 1, LOP_U32, &s->was));
    LOP_TRY(lop_arena_mat(a, R, OPS_RATES - 1, LOP_F32, &s->bucket));
    LOP_TRY(lop_arena_mat(a, 1, OPS_RATES, LOP_F32, &s->start));
    LOP_TRY(lop_arena_mat(a, OPS_LOGITS, OPS_RATES, LOP_F32, &s->theta));
    LOP_TRY(lop_arena_mat(a, OPS_LOGITS, OPS_RATES, LOP_F32, &s->theta_grad));
    LOP_TRY(lop_arena_mat(a, OPS_LOGITS, OPS_RATES - 1, LOP_F32, &s->theta_bucket));
    LOP_TRY(lop_arena_mat(a, OPS_LOGITS, 1, LOP_U32, &s->rate_count));
    LOP_TRY(lop_arena_mat(a, OPS_LOGITS, 1, LOP_F32, &s->rate_mean));
    LOP_TRY(lop_arena_mat(a, OPS_LOGITS, 2, LOP_F32, &s->rate_slopes));
    LOP_TRY(lop_arena_mat(a, 1, 2, LOP_F32, &s->rate_price));
    return lop_arena_mat(a, OPS_LOGITS, 1, LOP_I64, &s->rate_part);
}

static lop_status place_grids(lop_arena *a, int32_t R, ops_set *s)
{
    LOP_TRY(lop_arena_mat(a, R, 1, LOP_F32, &s->low));
    LOP_TRY(lop_arena_mat(a, R, 1, LOP_F32, &s->high));
    LOP_TRY(lop_arena_mat(a, R, 1, LOP_F32, &s->scale));
    LOP_TRY(lop_arena_mat(a, R, 1, LOP_F32, &s->zero));
    LOP_TRY(lop_arena_mat(a, R, 2, LOP_F32, &s->phi));
    return lop_arena_mat(a, R, 2, LOP_F32, &s->phi_grad);
}

static lop_status place_squares(lop_arena *a, ops_set *s)
{
    const int32_t n = OPS_TOKENS;
    LOP_TRY(lop_arena_mat(a, n, n, LOP_F32, &s->gram));
    LOP_TRY(lop_arena_mat(a, n, n, LOP_F32, &s->grown));
    LOP_TRY(lop_arena_mat(a, n, n, LOP_F32, &s->factor));
    LOP_TRY(lop_arena_mat(a, n, LOP_TILE, LOP_F32, &s->tiles));
    LOP_TRY(lop_arena_mat(a, 1, lop_inverse_factor_scratch(n), LOP_F32, &s->room));
    return lop_arena_mat(a, 1, 2, LOP_I32, &s->bad);
}

static void random_rows(uint32_t seed, bool positive, int32_t rows, int32_t cols, float *out)
{
    for (int64_t i = 0; i < (int64_t)rows * cols; i += 4) { /* cols is a multiple of 4 */
        const uint32_t counter[4] = {(uint32_t)i, (uint32_t)(i >> 32), 0, 0}, key[2] = {seed, 0};
        uint32_t words[4];
        lop_philox(counter, key, words);
        for (int32_t j = 0; j < 4; j++) {
            const float x = (float)((int32_t)words[j] >> 8) / 8388608.0f;
            out[i + j] = positive ? fabsf(x) + 1e-6f : x;
        }
    }
}

/* Random numbers in (-1, 1), or of one sign, in m (f32): a slab, repeated. */
static lop_status fill_random(lop_queue *q, uint32_t seed, bool positive, lop_mat m)
{
    const int32_t slab = m.rows < SLAB_ROWS ? m.rows : SLAB_ROWS;
    float *host = NULL;
    LOP_TRY(lop_alloc((size_t)slab * (size_t)m.cols, sizeof *host, &host));
    random_rows(seed, positive, slab, m.cols, host);
    lop_status status = lop_upload(q, host, lop_mat_rows(m, 0, slab));
    lop_free(host);
    for (int32_t r = slab; status == LOP_OK && r < m.rows; r += slab) {
        const int32_t n = m.rows - r < slab ? m.rows - r : slab;
        status = lop_cast(q, lop_mat_rows(m, 0, n), lop_mat_rows(m, r, n));
    }
    return status;
}

static lop_status fill_indices(lop_queue *q, const ops_set *s)
{
    const int32_t R = s->a.rows, C = s->a.cols;
    int32_t *list = NULL;
    lop_status status = LOP_OK;
    LOP_TRY(LOP_NEW(&list, R));
    /* Rows from all over: a shuffle unless R has a factor in common with 805. */
    for (int32_t r = 0; r < R; r++) list[r] = (int32_t)(((int64_t)r * 805 + 11) % R);
    LOP_TRY_DONE(lop_upload(q, list, s->index));
    for (int32_t r = 0; r < R; r++) list[r] = (int32_t)((int64_t)r * 7 % C);
    LOP_TRY_DONE(lop_upload(q, list, s->target));
    for (int32_t r = 0; r < R; r++) list[r] = C / 2;
    LOP_TRY_DONE(lop_upload(q, list, s->count));
    for (int32_t r = 0; r < R; r++) list[r] = C / 2 - C / 100;
    status = lop_upload(q, list, s->few);
done:
    lop_free(list);
    return status;
}

/* Results: memory that was never written is not there yet, and the first turn would pay for it. */
static lop_status touch(lop_queue *q, const ops_set *s)
{
    const lop_mat written[] = {s->to[0],       s->to[1],      s->to[2],      s->rank,      s->part,
                               s->sum,         s->step,       s->state,      s->per_row,   s->col_scratch,
                               s->all_scratch, s->one,        s->total,      s->was,       s->bucket,
                               s->start,       s->theta_grad, s->rate_count, s->rate_mean, s->rate_part,
                               s->rate_slopes, s->rate_price};
    for (size_t i = 0; i < sizeof written / sizeof written[0]; i++) LOP_TRY(lop_mat_zero(q, written[i]));
    return LOP_OK;
}

/* Where Prodigy begins: moments are what the matrices hold. */
static lop_status fill_distance(lop_queue *q, const ops_set *s)
{
    const float d0 = (float)lop_prodigy_usual().d0;
    float state[LOP_PRODIGY_STATE] = {0};
    state[LOP_PRODIGY_D] = state[LOP_PRODIGY_MOST] = state[LOP_PRODIGY_SHARE] = d0;
    return lop_upload(q, state, s->distance);
}

/* What the kernels of Wanda's variant read: ranks of the scores, and which part each makes up. */
static lop_status fill_parts(lop_queue *q, const ops_set *s)
{
    const lop_launch_shape shape = {.groups = s->score.rows, .cols = s->score.cols, .word = LOP_F32};
    const lop_arg args[] = {LOP_M(s->score), LOP_M(s->order), LOP_M(s->part), LOP_I(s->score.cols)};
    LOP_TRY(lop_rank_rows(q, s->score, s->rank, s->order));
    return LOP_LAUNCH(q, LOP_KERNEL_wanda_part_row, &shape, args);
}

/* A Gram matrix of `corner` (f32), and its factor. */
static lop_status fill_squares(lop_queue *q, lop_mat corner, const ops_set *s)
{
    LOP_TRY(lop_mat_zero(q, s->gram));
    LOP_TRY(lop_gram(q, 1.0f, corner, s->gram));
    LOP_TRY(lop_damp(q, s->gram, 0.01f, lop_mat_cols(s->room, 0, 1)));
    LOP_TRY(lop_mirror(q, s->gram));
    LOP_TRY(lop_cast(q, s->gram, s->grown));
    LOP_TRY(lop_cast(q, s->gram, s->factor));
    return lop_chol(q, s->factor, s->tiles, s->room, s->bad);
}

/* Rows of random numbers have a length that is a multiple of 4. */
static lop_status fill_logits(lop_queue *q, uint32_t seed, const ops_set *s)
{
    LOP_TRY(fill_random(q, seed, false, lop_mat_reshape(s->theta, OPS_LOGITS / 4, 4 * OPS_RATES)));
    return fill_random(q, seed + 1, false, s->theta_bucket);
}

static lop_status fill_grids(lop_queue *q, const ops_set *s)
{
    const lop_quant_grid grid = {.bits = OPS_BITS, .scale = s->scale, .zero = s->zero};
    LOP_TRY(lop_mat_zero(q, s->phi));
    LOP_TRY(lop_mat_zero(q, s->phi_grad));
    LOP_TRY(lop_quant_range(q, s->a, s->low, s->high));
    return lop_quant_scale(q, s->low, s->high, LOP_NONE, &grid);
}

static lop_status fill(lop_queue *q, uint32_t seed, const ops_set *s)
{
    const lop_mat wide = s->to[LOP_F32];
    const lop_mat corner = lop_mat_cols(lop_mat_rows(wide, 0, OPS_TOKENS), 0, OPS_TOKENS);
    LOP_TRY(touch(q, s));
    LOP_TRY(fill_random(q, seed, false, wide));
    LOP_TRY(lop_cast(q, wide, s->a));
    LOP_TRY(lop_cast(q, wide, s->b));
    LOP_TRY(lop_cast(q, corner, s->square));
    LOP_TRY(fill_squares(q, corner, s));
    for (int t = LOP_F32 + 1; t < 3; t++) LOP_TRY(lop_cast(q, wide, s->to[t]));
    LOP_TRY(fill_random(q, seed + 1, true, s->row));
    LOP_TRY(fill_random(q, seed + 2, false, s->table));
    LOP_TRY(lop_score_scaled(q, s->a, s->row, s->score));
    LOP_TRY(fill_indices(q, s));
    LOP_TRY(fill_distance(q, s));
    LOP_TRY(fill_logits(q, seed + 3, s));
    LOP_TRY(fill_grids(q, s));
    LOP_TRY(lop_keep_rows(q, s->score, s->count, s->keep));
    LOP_TRY(fill_parts(q, s));
    return lop_queue_wait(q);
}

lop_status ops_set_open(lop_queue *q, lop_arena *a, int32_t rows, int32_t cols, lop_type word, uint32_t seed,
                        ops_set *out)
{
    LOP_TRY(place_large(a, rows, cols, word, out));
    LOP_TRY(place_small(a, rows, cols, out));
    LOP_TRY(place_squares(a, out));
    LOP_TRY(place_logits(a, rows, out));
    LOP_TRY(place_grids(a, rows, out));
    return fill(q, seed, out);
}
