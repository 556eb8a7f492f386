/* ref_ops.h - the operations of core/device/ops.h in double precision: plain loops, one function per
 * operation, no kernels and nothing of the library's but the standard types.
 *
 * An output carries, beside each value, the sum of the magnitudes of the terms it was made of, and how many
 * terms there were. With f32 arithmetic a correct implementation lies within 4 eps (1 + sqrt(terms))
 * magnitude of the value, eps = 2^-24: rounding errors of n terms add up like a random walk, and the factor
 * is left for the few operations around the sum. Where a function of a sum is taken, its magnitude is what a
 * relative error of the sum becomes through it. terms 0 says that the value is to be met bit for bit.
 *
 * A GPU's matrix units do not round: they shift the products of 16-bit numbers to the largest one's exponent, add them to
 * the sum and cut what is below its last bit. Such errors have one sign, so they do not walk: each term may cost the sum one
 * unit in its last place, 2 eps of the magnitude, and there the root gives way to terms / 2. */
#ifndef LOP_TESTS_REF_OPS_H
#define LOP_TESTS_REF_OPS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct ref_mat { /* packed, row-major; rows and cols as in the call that it belongs to */
    int32_t rows, cols;
    double *at;
    double *magnitude; /* of outputs: as many as values */
    double terms;      /* of outputs */
    bool cut;          /* sums may come out of matrix units */
} ref_mat;

/* Storage words: how many bits of significand, the least exponent of a normal number, the largest finite
 * value. */
typedef struct ref_word {
    int bits, least;
    double largest;
} ref_word;
extern const ref_word ref_f32, ref_f16, ref_bf16;

/* x rounded to the word, to nearest even; NaN stays NaN, what is too large becomes infinite. */
double ref_word_round(const ref_word *word, double x);

/* Half the distance of neighbours of the word around |x|. */
double ref_word_half_ulp(const ref_word *word, double x);

/* -------------------------------------------------------------------------------- products */

/* c = alpha op(a) op(b) + beta c for each of `count` triples that lie below one another: a is (count * rows,
 * cols). */
typedef struct ref_product {
    bool ta, tb;
    double alpha, beta;
    int32_t count;
} ref_product;
void ref_gemm(const ref_product *p, const ref_mat *a, const ref_mat *b, ref_mat *c);
void ref_linear_op(const ref_mat *x, const ref_mat *w, const ref_mat *bias,
                   ref_mat *y); /* bias may be NULL */

/* -------------------------------------------------------------------------------- elementwise */

void ref_cast(const ref_word *word, const ref_mat *from, ref_mat *to);
void ref_axpby(double a, const ref_mat *x, double b, ref_mat *y);
void ref_add_bias(ref_mat *x, const ref_mat *bias); /* bias's rows again and again */
void ref_gather_rows(const ref_mat *from, const ref_mat *index, ref_mat *to);

/* ------------------------------------------------------------------------------------------------ rows */

typedef enum ref_gate_kind { REF_SILU, REF_GELU, REF_GELU_TANH, REF_RELU } ref_gate_kind;
typedef struct ref_softmax {
    int32_t queries, first_query, first_key, window;
    double scale;
} ref_softmax;
void ref_rmsnorm(const ref_mat *x, const ref_mat *gain, double eps, ref_mat *y);
void ref_rmsnorm_back(const ref_mat *x, const ref_mat *gain, double eps, const ref_mat *dy, ref_mat *dx);
void ref_layernorm(const ref_mat *x, const ref_mat *gain, const ref_mat *bias, double eps, ref_mat *y);
void ref_layernorm_back(const ref_mat *x, const ref_mat *gain, double eps, const ref_mat *dy, ref_mat *dx);
void ref_rope_op(ref_mat *x, int32_t head_dim, const ref_mat *table, int32_t tokens,
                 double way); /* -1: back */
void ref_softmax_causal(ref_mat *s, const ref_softmax *how);
void ref_softmax_back(const ref_mat *p, double scale, ref_mat *ds);
void ref_gate(ref_gate_kind kind, const ref_mat *gate, const ref_mat *up, ref_mat *y); /* up may be NULL */
void ref_gate_back(ref_gate_kind kind, const ref_mat *dy, ref_mat *gate, ref_mat *up); /* up may be NULL */
/* f(x) and f'(x); *magnitude: of what makes them up. */
double ref_gate_value(ref_gate_kind kind, double x, double *magnitude);
double ref_gate_slope(ref_gate_kind kind, double x, double *magnitude);
void ref_cross_entropy(const ref_mat *logits, const ref_mat *target, ref_mat *nll);
void ref_argmax_rows(const ref_mat *x, ref_mat *best);

/* -------------------------------------------------------------------------------- reductions */

void ref_colsum_sq(const ref_mat *x, ref_mat *part); /* part has at least one row */
void ref_colsum(const ref_mat *part, ref_mat *sum);
void ref_sum(const ref_mat *part, ref_mat *out);
void ref_sq_error(const ref_mat *a, const ref_mat *b, ref_mat *out);
void ref_count_zero(const ref_mat *x, ref_mat *count);
void ref_count_not_finite(const ref_mat *x, ref_mat *count);

void ref_sum_row_groups(const ref_mat *x, int32_t each, ref_mat *y);

/* -------------------------------------------------------------------------------- learning */

void ref_error_back(ref_mat *y, const ref_mat *want, const ref_mat *weight, double scale, ref_mat *loss);
void ref_reciprocal(ref_mat *x, double numerator, double least_x);

/* Optimisers. Magnitudes here go in and out, for one term: what a number lies off already, and then. So several
 * steps after one another carry along how far f32 may have come. */
typedef struct ref_adam_numbers {
    double lr, beta1, beta2, eps, decay, g_scale;
} ref_adam_numbers;
void ref_adam_step(const ref_adam_numbers *how, ref_mat *x, const ref_mat *g, ref_mat *m, ref_mat *v,
                   ref_mat *step);

typedef struct ref_prodigy_numbers {
    double lr, beta1, beta2, eps, d0, d_coef, growth, decay, g_scale;
} ref_prodigy_numbers;
enum {
    REF_PRODIGY_X,
    REF_PRODIGY_G,
    REF_PRODIGY_M,
    REF_PRODIGY_V,
    REF_PRODIGY_S,
    REF_PRODIGY_STATE, /* (1, REF_PRODIGY_PLACES): d, largest estimate, d^2 / d0, numerator, denominator; then what rounding
                          to f32 takes from each of these, REF_PRODIGY_REST places on; and what the last step used */
    REF_PRODIGY_MATS,
    REF_PRODIGY_REST = 5,
    REF_PRODIGY_PLACES = 14
};
/* m, v, s and state as at the start, then a step. */
void ref_prodigy_zero(double d0, ref_mat *const mats[REF_PRODIGY_MATS]);
void ref_prodigy_once(const ref_prodigy_numbers *how, ref_mat *const mats[REF_PRODIGY_MATS]);

/* -------------------------------------------------------------------------------- selection */

/* Keep bits are matrices of bytes, (R, ceil(C / 8)). */
void ref_score_scaled(const ref_mat *w, const ref_mat *stat, ref_mat *score); /* stat may be NULL */
void ref_keep_rows(const ref_mat *score, const ref_mat *drop, ref_mat *keep);
void ref_rank_value_rows(const ref_mat *score, const ref_mat *rank, ref_mat *value);
void ref_keep_all(const ref_mat *score, int64_t drop, bool ties, ref_mat *keep);
void ref_keep_n_of_m(const ref_mat *score, int32_t n, int32_t m, ref_mat *keep);
void ref_rank_rows(const ref_mat *score, ref_mat *order);
void ref_zero_dropped(const ref_mat *keep, ref_mat *w);

/* -------------------------------------------------------------------------------- one method's own */

/* Wanda's variant: part[r,k] of row r's sum that its k + 1 least scores make up; how many ranks stay within
 * alpha, and after them those whose score equals the last one's. order[r,k]: the column of rank k. */
void ref_wanda_part(const ref_mat *score, const ref_mat *order, ref_mat *part);
void ref_wanda_within(const ref_mat *score, const ref_mat *order, const ref_mat *part, double alpha,
                      ref_mat *drop);

/* SparseGPT's, of a panel of columns: see kernels/sparsegpt.cl. keep receives bits where m > 0. Magnitudes carry along what each
 * step of a row's chain rounds and what the steps before it leave behind, for one term. */
void ref_sparsegpt_row(const ref_mat *u, int32_t n, int32_t m, ref_mat *w, ref_mat *keep, ref_mat *e,
                       ref_mat *error);

/* SparseLLM's auxiliary outputs and targets; see kernels/sparsellm.cl. s and gate NULL: without a gate. `rate` 0: Gauss-Newton,
 * where a magnitude covers what two misfits that f32 does not tell apart leave open. */
typedef struct ref_auxiliary {
    ref_gate_kind kind;
    double rho, rate, most;
} ref_auxiliary;
typedef struct ref_auxiliary_mats {
    ref_mat *z, *s, *up, *gate, *sum;
    const ref_mat *p;
} ref_auxiliary_mats;
void ref_auxiliary_row(const ref_auxiliary *how, const ref_auxiliary_mats *m);
typedef struct ref_target {
    const ref_mat *w, *anchor, *diagonal, *mean; /* anchor may be NULL */
    double fraction, dead;
} ref_target;
void ref_target_row(const ref_target *how, ref_mat *b);

/* BESA's: bucket sums of scale dw w by rank; weights of `used` that change sides between was and now; counts and mean
 * rates of rows of logits, where a count's magnitude is the error that rounding allows it near a whole number; gradients
 * of logits. See kernels/besa.cl. */
typedef struct ref_rates {
    int32_t rates, each, rows,
        width;    /* a row of logits stands for `each` of `rows` rows of `width` weights */
    int32_t form; /* the softmax sees: 0 logits, 1 their sigmoid, 2 their start and the sigmoid of the rest */
    bool threshold;
    double slope, target;
} ref_rates;
void ref_buckets(const ref_mat *dw, const ref_mat *w, const ref_mat *order, double scale, ref_mat *h);
void ref_flip(const ref_mat *w, const ref_mat *order, const ref_mat *now, int32_t each, ref_mat *was,
              ref_mat *used);
void ref_rate_count(const ref_rates *how, const ref_mat *first, const ref_mat *theta, ref_mat *count,
                    ref_mat *alpha, ref_mat *part);
void ref_rate_mean(const ref_mat *part, double weights, ref_mat *mean);
void ref_rate_slope(const ref_rates *how, const ref_mat *first, const ref_mat *theta, const ref_mat *h,
                    ref_mat *slopes);
void ref_rate_price(const ref_mat *slopes, const ref_mat *sparsity, double target, double width,
                    ref_mat *price);
void ref_rate_tilt(const ref_mat *price, const ref_mat *sparsity, double target, ref_mat *first);
void ref_rate_grad(const ref_rates *how, const ref_mat *first, const ref_mat *theta, const ref_mat *h,
                   const ref_mat *sparsity, ref_mat *grad);

/* Rows of weights on grids of most + 1 points; see kernels/quant.cl. Where rounding may go either way, the other side is within
 * the magnitude. phi may be NULL. */
void ref_quant_range(const ref_mat *w, ref_mat *low, ref_mat *high);
void ref_quant_scale(const ref_mat *low, const ref_mat *high, const ref_mat *phi, int32_t most,
                     ref_mat *scale, ref_mat *zero);
void ref_quant_round(const ref_mat *w, const ref_mat *scale, const ref_mat *zero, int32_t most, ref_mat *out);
typedef struct ref_quant_clip {
    const ref_mat *dw, *w, *scale, *zero, *low, *high, *phi;
    double factor;
    int32_t most;
} ref_quant_clip;
void ref_quant_back(const ref_quant_clip *clip, ref_mat *grad);

/* keep[s,u] = whether what Philox 4x32-10 draws for the counter is below 4 p[0,u]; step (1, 1). */
typedef struct ref_chance {
    uint64_t seed;
    uint32_t tag, first_sample, first_unit;
} ref_chance;
void ref_bernoulli(const ref_chance *chance, const ref_mat *p, const ref_mat *step, ref_mat *keep);

#endif
