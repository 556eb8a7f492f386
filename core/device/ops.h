/* ops.h - the operations methods use, checked once here and launched anywhere.
 *
 * General contract: asynchronous in the order of queue q; `ld` may exceed cols; a wrong shape or type returns
 * LOP_E_ARGUMENT naming both shapes and queues nothing; an output never overlaps another argument (what works in place
 * has one argument for it); reductions leave their result on the device, so nothing waits by itself; ties go by row, then
 * column. Sizes: B batch, T rows of tokens, C width, R rows. Types: W is one of f32, f16, bf16, the same for all W of a
 * call unless said otherwise. Arithmetic is f32. */
#ifndef LOP_CORE_DEVICE_OPS_H
#define LOP_CORE_DEVICE_OPS_H

#include "core/device/matrix.h"

/* ------------------------------------------------------------------------------------------------ products */

/* See lop_gemm_args. C must not overlap A or B. */
LOP_CHECKED lop_status lop_gemm(lop_queue *q, const lop_gemm_args *args);

/* y = x W^T + bias.  Shapes: x (T, in) W, w (out, in) W, bias (1, out) f32 or absent, y (T, out) W or f32. The product is
 * rounded to y's type before the bias comes to it. */
LOP_CHECKED lop_status lop_linear(lop_queue *q, lop_mat x, lop_mat w, lop_mat bias, lop_mat y);

/* Backward of y = x W^T from dy: dx = dy W and dW = dy^T x, each if it is wanted. dW comes in slabs of rows, from the
 * first on, so that it never exists whole: fn is called as soon as rows [first, first + dw.rows) are queued, and what it
 * queues is done before the next slab takes their place.
 *   Shapes   dy (T, out) W; for dx: w (out, in) W, dx (T, in) W or f32; for dW: x (T, in) W, slab (n, in) f32, n > 0:
 *            scratch for up to n rows at a time. The rest is absent */
typedef lop_status lop_slab_fn(void *user, lop_queue *q, int32_t first, lop_mat dw);
typedef struct lop_linear_back_args {
    lop_mat dy;
    lop_mat w, dx;
    lop_mat x, slab;
    lop_slab_fn *fn;
    void *user;
} lop_linear_back_args;
LOP_CHECKED lop_status lop_linear_back(lop_queue *q, const lop_linear_back_args *args);

/* h += alpha x^T x, the lower triangle of it; above the diagonal some is written too, and nothing of it counts. Operands of
 * 16 bits are exact, sums f32, operands of f32 never TF32. Nothing happens for T = 0.
 *   Shapes   x (T, C) of the device's product_types, h (C, C) f32 */
LOP_CHECKED lop_status lop_gram(lop_queue *q, float alpha, lop_mat x, lop_mat h);

/* h[j,i] = h[i,j] for i > j.  Shapes: h (C, C) f32 in place. */
LOP_CHECKED lop_status lop_mirror(lop_queue *q, lop_mat h);

/* ------------------------------------------------------------------------------------------------ elementwise */

/* to = from, rounded to nearest even.  Shapes: equal; types any of f32, f16, bf16. */
LOP_CHECKED lop_status lop_cast(lop_queue *q, lop_mat from, lop_mat to);

/* y = a x + b y.  Shapes: x, y equal; x and y each W (may differ). With b = 0, y need not hold numbers. */
LOP_CHECKED lop_status lop_axpby(lop_queue *q, float a, lop_mat x, float b, lop_mat y);

/* x[r,c] += bias[r % n,c]: a linear's bias with n = 1, and with n tokens what belongs to their positions.
 *   Shapes   x (R, C) W in place, R a multiple of n; bias (n, C) f32 */
LOP_CHECKED lop_status lop_add_bias(lop_queue *q, lop_mat x, lop_mat bias);

/* to[r,:] = from[index[0,r],:].  Shapes: from (N, C) W, index (1, R) i32 in [0, N), to (R, C) W. */
LOP_CHECKED lop_status lop_gather_rows(lop_queue *q, lop_mat from, lop_mat index, lop_mat to);

/* ------------------------------------------------------------------------------------------------ the block's rows */

/* y = x g / sqrt(mean(x^2) + eps), row by row.  Shapes: x (T, C) W or f32, gain (1, C) f32, y (T, C) W. */
LOP_CHECKED lop_status lop_rmsnorm(lop_queue *q, lop_mat x, lop_mat gain, float eps, lop_mat y);

/* dx += the gradient with respect to x from dy, that with respect to y; a residual stream's own is there already.
 *   Shapes   x (T, C) W or f32, gain (1, C) f32, dy (T, C) W, dx (T, C) f32 */
LOP_CHECKED lop_status lop_rmsnorm_back(lop_queue *q, lop_mat x, lop_mat gain, float eps, lop_mat dy,
                                        lop_mat dx);

/* y = (x - mean) g / sqrt(variance + eps) + b, row by row.
 *   Shapes   x (T, C) W or f32, gain, bias (1, C) f32, y (T, C) W
 *   Source   Ba, Kiros and Hinton 2016, eq. 4 */
LOP_CHECKED lop_status lop_layernorm(lop_queue *q, lop_mat x, lop_mat gain, lop_mat bias, float eps,
                                     lop_mat y);

/* dx += the gradient with respect to x from dy, as lop_rmsnorm_back's; it does not depend on the bias.
 *   Shapes   x (T, C) W or f32, gain (1, C) f32, dy (T, C) W, dx (T, C) f32 */
LOP_CHECKED lop_status lop_layernorm_back(lop_queue *q, lop_mat x, lop_mat gain, float eps, lop_mat dy,
                                          lop_mat dx);

/* Rotates pairs (j, j + hd/2) of every head in place by the angle of the row's position.
 *   Shapes   x (T, heads * hd) W; table (P, hd) f32: cosines of the hd/2 frequencies, then their sines, per position;
 *            row r of x has position r % tokens of the table view; tokens <= P, T a multiple of tokens
 *   Source   RoFormer, in the half-split layout of Hugging Face */
LOP_CHECKED lop_status lop_rope(lop_queue *q, lop_mat x, int32_t head_dim, lop_mat table, int32_t tokens);

/* The same by the negative angles: dx holds the gradient with respect to what lop_rope gave, then with respect to what it
 * took. */
LOP_CHECKED lop_status lop_rope_back(lop_queue *q, lop_mat dx, int32_t head_dim, lop_mat table,
                                     int32_t tokens);

/* Softmax over the keys a query may see, in place; the rest of the row becomes 0.
 *   Shapes   s (n * queries, keys) W: n tiles of `queries` rows; row r is query first_query + r % queries, column c is
 *            key first_key + c. Visible: key <= query, and key > query - window if window > 0
 *   Values   softmax(scale * s) */
typedef struct lop_softmax_args {
    int32_t queries, first_query, first_key, window;
    float scale;
} lop_softmax_args;
LOP_CHECKED lop_status lop_softmax_causal(lop_queue *q, lop_mat s, const lop_softmax_args *args);

/* Softmax backward, row by row: ds = scale p (ds - sum(p ds)). ds holds the gradient with respect to p, then with respect
 * to the scores before the scale.  Shapes: p (R, C) W what softmax gave, ds (R, C) W in place. */
LOP_CHECKED lop_status lop_softmax_back(lop_queue *q, lop_mat p, float scale, lop_mat ds);

typedef enum lop_gate_kind { LOP_GATE_SILU, LOP_GATE_GELU, LOP_GATE_GELU_TANH, LOP_GATE_RELU } lop_gate_kind;

/* y = f(gate) * up; without `up` (absent) y = f(gate).  Shapes: gate, up, y (T, F) W. */
LOP_CHECKED lop_status lop_gate(lop_queue *q, lop_gate_kind kind, lop_mat gate, lop_mat up, lop_mat y);

/* Backward of it, in place: gate and up hold what lop_gate took, then the gradients with respect to them.
 *   Shapes   dy, gate, up (T, F) W; up may be absent */
LOP_CHECKED lop_status lop_gate_back(lop_queue *q, lop_gate_kind kind, lop_mat dy, lop_mat gate, lop_mat up);

/* Cross-entropy over a vocabulary that comes in chunks. state (T, 3) f32: running maximum, sum of exponentials below it,
 * logit of the target. lop_cross_entropy_begin sets it; _add takes the logits of tokens [first, first + n);
 * _end gives nll[0,t] = -log softmax(target) in nats.
 *   Shapes   logits (T, n) W or f32; target (1, T) i32, -1: no target, nll 0; nll (1, T) f32 */
LOP_CHECKED lop_status lop_cross_entropy_begin(lop_queue *q, lop_mat state);
LOP_CHECKED lop_status lop_cross_entropy_add(lop_queue *q, lop_mat logits, int32_t first, lop_mat target,
                                             lop_mat state);
LOP_CHECKED lop_status lop_cross_entropy_end(lop_queue *q, lop_mat state, lop_mat target, lop_mat nll);

/* best[0,t] = index of the largest value of row t, the first of equal ones.  Shapes: x (T, n) f32 or W, best (1, T) i32. */
LOP_CHECKED lop_status lop_argmax_rows(lop_queue *q, lop_mat x, lop_mat best);

/* ------------------------------------------------------------------------------------------------ reductions */

/* part[p,c] += the sum of x[r,c]^2 over the p-th of P slabs of rows: what many x add up in, and lop_colsum ends.
 *   Shapes   x (T, C) W, part (P, C) f32; lop_colsum_parts says a P that keeps a device busy */
LOP_CHECKED lop_status lop_colsum_sq(lop_queue *q, lop_mat x, lop_mat part);
int32_t lop_colsum_parts(int32_t rows, int32_t cols); /* grows with rows */

/* sum[0,c] += sum_p part[p,c], in a fixed order.  Shapes: part (P, C) f32, sum (1, C) f32. */
LOP_CHECKED lop_status lop_colsum(lop_queue *q, lop_mat part, lop_mat sum);

/* y[g,:] = the sum of rows [g each, min((g + 1) each, R)) of x, in a fixed order.
 *   Shapes   x (R, C) f32, y (ceil(R / each), C) f32
 *   Range    each >= 1 */
LOP_CHECKED lop_status lop_sum_row_groups(lop_queue *q, lop_mat x, int32_t each, lop_mat y);

/* out[0,0] + out[0,1] += sum (a - b)^2, the second what rounding takes from the first; lop_sum_value is the whole.
 *   Shapes   a, b (T, C) each W, scratch (T, 1) f32, out (1, 2) f32 */
LOP_CHECKED lop_status lop_sq_error(lop_queue *q, lop_mat a, lop_mat b, lop_mat scratch, lop_mat out);
static inline double lop_sum_value(const float sum[2])
{
    return (double)sum[0] + (double)sum[1];
}

/* out[0,0] + out[0,1] += sum of part, a pair as lop_sq_error's.  Shapes: part (R, 1) f32, out (1, 2) f32. */
LOP_CHECKED lop_status lop_sum(lop_queue *q, lop_mat part, lop_mat out);

/* count[0,0] += elements of x that are zero; += those that are NaN or infinite.
 *   Shapes   x (R, C) W, scratch (R, 1) u32, count (1, 1) i64 */
LOP_CHECKED lop_status lop_count_zero(lop_queue *q, lop_mat x, lop_mat scratch, lop_mat count);
LOP_CHECKED lop_status lop_count_not_finite(lop_queue *q, lop_mat x, lop_mat scratch, lop_mat count);

/* ------------------------------------------------------------------------------------------------ scores, selection */

/* Keep bits: (R, ceil(C/8)) u8, the most significant bit of a byte first, 1 kept; bits past C are 0. Scores are f32,
 * >= 0 and not NaN; they order as their bits do. Equal scores go by row, then column: the first is dropped first. */

/* score[r,c] = |w[r,c]| sqrt(stat[0,c]); without `stat` (absent) |w[r,c]|.
 *   Shapes   w (R, C) W, stat (1, C) f32, score (R, C) f32 */
LOP_CHECKED lop_status lop_score_scaled(lop_queue *q, lop_mat w, lop_mat stat, lop_mat score);

/* score[r,c] = (w[r,c] / u[0,c])^2, or of degree 1 w[r,c]^2 / u[0,c]: what the loss grows by where w[r,c] goes and the columns
 * after c make up for it, u being the diagonal of lop_inverse_factor's U.
 *   Shapes   w (R, C) W, u (1, C) f32, > 0, score (R, C) f32
 *   Range    degree 1 or 2
 *   Source   Frantar and Alistarh 2023, eq. 5 */
LOP_CHECKED lop_status lop_score_obs(lop_queue *q, lop_mat w, lop_mat u, int32_t degree, lop_mat score);

/* Drops the drop[r] least scores of every row r.  Shapes: score (R, C) f32, drop (R, 1) u32 <= C, keep bits. */
LOP_CHECKED lop_status lop_keep_rows(lop_queue *q, lop_mat score, lop_mat drop, lop_mat keep);

/* value[r,0] = the score of rank[r] (0: the least) in row r; rank C or more gives +infinity.
 *   Shapes   score (R, C) f32, rank (R, 1) u32, value (R, 1) f32 */
LOP_CHECKED lop_status lop_rank_value_rows(lop_queue *q, lop_mat score, lop_mat rank, lop_mat value);

/* Drops the `drop` least scores of the whole matrix; with `ties` also every score equal to the score of rank `drop`,
 * and that one itself (the reference's `score <= sorted[drop]`; drop < R * C then).
 *   Shapes   score (R, C) f32, scratch u32 with at least lop_keep_all_scratch(R) elements in one row, keep bits */
LOP_CHECKED lop_status lop_keep_all(lop_queue *q, lop_mat score, int64_t drop, bool ties, lop_mat scratch,
                                    lop_mat keep);
int32_t lop_keep_all_scratch(int32_t rows);

/* Keeps the n largest scores of every m neighbours of a row; of equal ones the later columns.
 *   Shapes   score (R, C) f32, C a multiple of m, 1 <= n <= m <= 64; keep bits */
LOP_CHECKED lop_status lop_keep_n_of_m(lop_queue *q, lop_mat score, int32_t n, int32_t m, lop_mat keep);

/* order[r,k] = the column of the k-th least score of row r, stable.  Shapes: score (R, C) f32, C <= 65536, order (R, C)
 * u16, scratch (R, C) u32. */
LOP_CHECKED lop_status lop_rank_rows(lop_queue *q, lop_mat score, lop_mat scratch, lop_mat order);

/* w = 0 where the keep bit is 0 (+0, whatever stood there).  Shapes: w (R, C) W in place, keep bits. */
LOP_CHECKED lop_status lop_zero_dropped(lop_queue *q, lop_mat keep, lop_mat w);

/* ------------------------------------------------------------------------------------------------ learning */

/* With d = y - want: loss[0,0] + loss[0,1] += sum of d[r,c]^2 weight[0,c], a pair as that of lop_sq_error; and in place y =
 * 2 scale d weight, the gradient of scale times that sum.
 *   Shapes   y (T, C) f32 in place, want (T, C) W, weight (1, C) f32, scratch (T, 1) f32, loss (1, 2) f32 */
LOP_CHECKED lop_status lop_error_back(lop_queue *q, lop_mat y, lop_mat want, lop_mat weight, float scale,
                                      lop_mat scratch, lop_mat loss);

/* x = numerator / max(x, least); NaN stays NaN.  Shapes: x (R, C) f32 in place.  Range: least > 0. */
LOP_CHECKED lop_status lop_reciprocal(lop_queue *q, lop_mat x, float numerator, float least);

/* Optimisers. Each takes the gradient g times g_scale (1 / the scale of the loss it is of). _usual gives the numbers that
 * are usual, without matrices; _begin checks as a step does and begins anew; then every call is a step.
 *
 * A gradient that is not a number is not mended: AdamW leaves NaN in the elements of x, m and v where it met one, Prodigy
 * in d, and from this in every element of x. So they stay until somebody sets x and begins anew: a caller looks at the
 * loss or at d. What overflows f32 counts alike.
 *
 *   Range    0 <= beta < 1, lr, weight_decay >= 0, the rest > 0 */

/* AdamW: with n the number of this step, 1 for the first,
 *     m = beta1 m + (1 - beta1) g,  v = beta2 v + (1 - beta2) g^2
 *     x -= lr (weight_decay x + m / (1 - beta1^n) / (sqrt(v / (1 - beta2^n)) + eps))
 *   Shapes   x, g, m, v (R, C) f32, step (1, 1) u32: steps done
 *   Cost     reads x, g, m, v once, writes x, m, v once
 *   Source   Loshchilov and Hutter 2019, Alg. 2, the decay scaled by lr as in torch.optim.AdamW, whose defaults
 *            lop_adam_usual gives */
typedef struct lop_adam_args {
    lop_mat x, g, m, v, step;
    float lr;
    double beta1, beta2; /* f64, so that 1 - beta is not lost: 1 - 0.999f is off by 1e-5 */
    float eps, weight_decay, g_scale;
} lop_adam_args;
lop_adam_args lop_adam_usual(void);
LOP_CHECKED lop_status lop_adam_begin(lop_queue *q, const lop_adam_args *args); /* m = v = 0, step = 0 */
LOP_CHECKED lop_status lop_adam(lop_queue *q, const lop_adam_args *args);

/* Prodigy, Adam whose rate is its own estimate d of how far x has to go. x has begun at 0; beta3 = sqrt(beta2):
 *     numerator = beta3 numerator - d / d0 d lr sum g x,  s = beta3 s + d / d0 d lr g,  estimate = d_coef numerator / sum |s|
 *     m = beta1 m + (1 - beta1) d g,  v = beta2 v + (1 - beta2) d^2 g^2
 *     most = max(most, estimate);  e = min(most, growth d), a d that is d0 taken as max(d, estimate) first
 *     x -= d lr (weight_decay x + m / (sqrt(v) + e eps));  d = e
 * Where sum |s| is 0 nothing changes.
 * Matrices are f32. The scalars of the state are kept as two floats each, to some 2^-44, and rounded once where one meets a
 * matrix: rounding them at each step would push all elements the same way.
 *   Shapes   x, g, m, v, s (R, C) f32; parts (R, 2) f32, scratch; state (1, LOP_PRODIGY_STATE) f32, of which a host may
 *            read the places named below
 *   Range    growth >= 1, infinity: no limit; d0 eps and d0^2 (1 - beta2) g_scale^2 at least the least normal f32
 *   Cost     reads x, g twice, m, v, s once, writes x, m, v, s once
 *   Source   Mishchenko and Defazio 2023, Alg. 4, and its package, whose defaults lop_prodigy_usual gives */
enum {
    LOP_PRODIGY_D = 0,           /* d of the next step */
    LOP_PRODIGY_MOST = 1,        /* the largest estimate so far */
    LOP_PRODIGY_SHARE = 2,       /* d^2 / d0 of the next step */
    LOP_PRODIGY_NUMERATOR = 3,   /* of the last estimate */
    LOP_PRODIGY_DENOMINATOR = 4, /* of the last estimate: sum |s| */
    LOP_PRODIGY_REST =
        5, /* so many places on lies what rounding took from each of these: their sum is the number */
    LOP_PRODIGY_STATE = 14 /* the rest is what one launch of a step tells the next */
};
typedef struct lop_prodigy_args {
    lop_mat x, g, m, v, s, parts, state;
    double lr, beta1, beta2, eps, d0, d_coef; /* f64, for what a float loses of them is lost at every step */
    float growth, weight_decay, g_scale;
} lop_prodigy_args;
lop_prodigy_args lop_prodigy_usual(void);
LOP_CHECKED lop_status lop_prodigy_begin(lop_queue *q,
                                         const lop_prodigy_args *args); /* m = v = s = 0, d = d0 */
LOP_CHECKED lop_status lop_prodigy(lop_queue *q, const lop_prodigy_args *args);

/* ------------------------------------------------------------------------------------------------ chance */

/* keep[s,u] = 1 with probability p[0,u] / 2^30, else 0. What is drawn depends on the counters alone: the same bits on
 * every device and however samples and units are split over calls.
 *   Shapes   p (1, U) u32 <= 2^30, step (1, 1) u32, keep (S, U) u8
 *   Values   kept where word (unit & 3) of Philox 4x32-10 for the counter (unit >> 2, sample, step, tag) under the seed
 *            is less than 4 p; unit = first_unit + u, sample = first_sample + s
 *   Source   Salmon et al., SC 2011 */
typedef struct lop_chance {
    uint64_t seed;
    uint32_t tag;
    int32_t first_sample, first_unit;
} lop_chance;
LOP_CHECKED lop_status lop_bernoulli(lop_queue *q, const lop_chance *chance, lop_mat p, lop_mat step,
                                     lop_mat keep);

/* ------------------------------------------------------------------------------------------------ launch */

/* The way to a kernel that belongs to one method: wide where every matrix allows it, lanes by `cols`.
 *   groups   how many rows or tiles; word: the storage instance; local_bytes: local memory of a group; lanes: of a group, a
 *            power of two from 32 to 512, if `cols` is not to say; no more than the device has */
typedef struct lop_launch_shape {
    int32_t groups, cols;
    lop_type word;
    size_t local_bytes;
    int32_t lanes;
} lop_launch_shape;
LOP_CHECKED lop_status lop_launch(lop_queue *q, lop_kernel k, const lop_launch_shape *shape, int32_t nargs,
                                  const lop_arg *args);

#endif
