/* ref_optimiser.c - gradients of weighted errors and steps of optimisers. What a step gives goes through quotients, roots
 * and its own earlier results, so each number here carries how far f32 may lie from it: every operation adds to what its
 * operands lie off what rounding adds (Higham 2002, section 3.3, running error bounds). */
#include "tests/ref/ref_ops.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#define EPS  0x1p-24
#define UNIT (8.0 * EPS) /* of a magnitude with one term: 4 eps (1 + sqrt(1)) */

typedef struct near {
    double at, off;
} near;

/* The result of an operation whose operands bring `off`, rounded to within `units` eps, or lost below the normal. */
static near rounded(double at, double off, double units)
{
    return (near){at, off + units * EPS * (fabs(at) + off) + (double)FLT_MIN};
}

static near of(double at) /* a number of the call, as a float */
{
    return (near){at, EPS * fabs(at)};
}

static near sum(near a, near b)
{
    return rounded(a.at + b.at, a.off + b.off, 1.0);
}

static near less(near a, near b)
{
    return sum(a, (near){-b.at, b.off});
}

static near times(near a, near b)
{
    return rounded(a.at * b.at, fabs(a.at) * b.off + fabs(b.at) * a.off + a.off * b.off, 1.0);
}

/* To 2.5 ulp, roots to 3: OpenCL's least, without an option. */
static near over(near a, near b)
{
    const double at = a.at / b.at;
    return rounded(at, (a.off + fabs(at) * b.off) / (fabs(b.at) - b.off), 5.0);
}

static near root(near a)
{
    const double at = sqrt(a.at);
    return rounded(at, fmin(sqrt(a.off), a.off / at), 6.0);
}

/* The same on numbers of two floats: products, sums and quotients lose 2^-44 at most, and of what underflows the few parts
 * that they are made of. */
static near twofold(double at, double off)
{
    return (near){at, off + 0x1p-44 * (fabs(at) + off) + 8.0 * (double)FLT_MIN};
}

static near twofold_of(double at) /* a number of the call */
{
    return (near){at, 0x1p-48 * fabs(at)};
}

static near twofold_less(near a, near b)
{
    return twofold(a.at - b.at, a.off + b.off);
}

static near twofold_times(near a, near b)
{
    return twofold(a.at * b.at, fabs(a.at) * b.off + fabs(b.at) * a.off + a.off * b.off);
}

static near twofold_over(near a, near b)
{
    const double at = a.at / b.at, lost = 8.0 * (double)FLT_MIN;
    return twofold(at, (a.off + fabs(at) * b.off + lost) / (fabs(b.at) - b.off));
}

static near met(near a) /* where it meets a matrix */
{
    return rounded(a.at, a.off, 1.0);
}

static near get(const ref_mat *m, int64_t i)
{
    return (near){m->at[i], m->magnitude[i] * UNIT};
}

static void put(ref_mat *m, int64_t i, near value)
{
    m->at[i] = value.at;
    m->magnitude[i] = value.off / UNIT;
    m->terms = 1;
}

/* The number of two floats at a place of Prodigy's state: its first float lies off what the number does and what the second
 * is there for, of which nothing is wanted but that it is small. */
static near get_twofold(const ref_mat *state, int place)
{
    const near hi = get(state, place), lo = get(state, place + REF_PRODIGY_REST);
    return (near){hi.at, fmax(hi.off - lo.off, 0.0)};
}

static void put_twofold(ref_mat *state, int place, near value)
{
    const double rest = met(value).off - value.off;
    put(state, place, (near){value.at, value.off + rest});
    put(state, place + REF_PRODIGY_REST, (near){isfinite(value.at) ? 0.0 : (double)NAN, rest});
}

static int64_t elements(const ref_mat *m)
{
    return (int64_t)m->rows * m->cols;
}

/* ---- AdamW */

/* 1 - beta^n from 1 - beta by squaring: of each of n's digits, five operations at most add to the relative error. */
static near power_rest(double beta, double n)
{
    const double at = beta > 0.0 ? -expm1(n * log(beta)) : 1.0;
    return (near){at, (1.0 + 5.0 * (1.0 + log2(n))) * EPS * at};
}

void ref_adam_step(const ref_adam_numbers *how, ref_mat *x, const ref_mat *g, ref_mat *m, ref_mat *v,
                   ref_mat *step)
{
    const double n = step->at[0] += 1.0;
    const near one = {1.0, 0.0}, rest1 = of(1.0 - how->beta1), rest2 = of(1.0 - how->beta2);
    const near beta1 = less(one, rest1), beta2 = less(one, rest2);
    const near pace = over(of(how->lr), power_rest(how->beta1, n));
    const near spread = over(one, root(power_rest(how->beta2, n)));
    const near keep = of(1.0 - how->lr * how->decay);
    for (int64_t i = 0; i < elements(x); i++) {
        const near t = times(of(how->g_scale), get(g, i));
        const near mean = sum(times(beta1, get(m, i)), times(rest1, t));
        const near square = sum(times(beta2, get(v, i)), times(rest2, times(t, t)));
        const near move = over(mean, sum(times(spread, root(square)), of(how->eps)));
        put(m, i, mean);
        put(v, i, square);
        put(x, i, less(times(keep, get(x, i)), times(pace, move)));
    }
    step->terms = 0;
}

/* ---- Prodigy */

void ref_prodigy_zero(double d0, ref_mat *const mats[REF_PRODIGY_MATS])
{
    for (int k = REF_PRODIGY_M; k < REF_PRODIGY_MATS; k++) {
        for (int64_t i = 0; i < elements(mats[k]); i++) put(mats[k], i, (near){0.0, 0.0});
    }
    for (int place = 0; place < 3; place++) put_twofold(mats[REF_PRODIGY_STATE], place, twofold_of(d0));
    for (int k = REF_PRODIGY_M; k < REF_PRODIGY_MATS; k++) mats[k]->terms = 1;
}

/* Takes g into s and gives the two sums of the estimate: g x and |s|, whose terms add up as in any sum. */
static void prodigy_sums(const ref_prodigy_numbers *how, near share, ref_mat *const mats[REF_PRODIGY_MATS],
                         near *along, near *size)
{
    const near beta3 = of(sqrt(how->beta2)), scaled = met(twofold_times(share, twofold_of(how->g_scale)));
    const int64_t n = elements(mats[REF_PRODIGY_X]);
    double products = 0.0;
    *along = *size = (near){0.0, 0.0};
    for (int64_t i = 0; i < n; i++) {
        const near g = get(mats[REF_PRODIGY_G], i);
        const near product = times(of(how->g_scale), times(g, get(mats[REF_PRODIGY_X], i)));
        const near s = sum(times(beta3, get(mats[REF_PRODIGY_S], i)), times(scaled, g));
        put(mats[REF_PRODIGY_S], i, s);
        *along = (near){along->at + product.at, along->off + product.off};
        *size = (near){size->at + fabs(s.at), size->off + s.off};
        products += fabs(product.at);
    }
    along->off += 4.0 * EPS * (1.0 + sqrt((double)n)) * products;
    size->off += 4.0 * EPS * (1.0 + sqrt((double)n)) * size->at;
}

/* The larger of two, and the smaller; what is no number is taken. Where it is not sure which, the error is that of either. */
static near largest(near a, near b)
{
    if (b.at + b.off < a.at - a.off) return a;
    if (a.at + a.off < b.at - b.off) return b;
    return (near){b.at <= a.at ? a.at : b.at, fmax(a.off, b.off)};
}

static near smallest(near a, near b)
{
    if (a.at + a.off < b.at - b.off) return a;
    if (b.at + b.off < a.at - a.off || isinf(a.at)) return b;
    return (near){a.at < b.at ? a.at : b.at, fmax(a.off, b.off)};
}

void ref_prodigy_once(const ref_prodigy_numbers *how, ref_mat *const mats[REF_PRODIGY_MATS])
{
    ref_mat *x = mats[REF_PRODIGY_X], *m = mats[REF_PRODIGY_M], *v = mats[REF_PRODIGY_V],
            *state = mats[REF_PRODIGY_STATE];
    const near d = get_twofold(state, 0), lr = twofold_of(how->lr), scale = twofold_of(how->g_scale);
    const near share = twofold_times(get_twofold(state, 2), lr), beta3 = twofold_of(sqrt(how->beta2));
    near along, size;
    if (elements(x) == 0) return;
    prodigy_sums(how, share, mats, &along, &size);
    put_twofold(state, 4, size);
    if (size.at == 0.0) return;
    const near numerator =
        twofold_less(twofold_times(beta3, get_twofold(state, 3)), twofold_times(share, along));
    const near estimate = twofold_over(twofold_times(twofold_of(how->d_coef), numerator), size);
    const near most = largest(get_twofold(state, 1), estimate);
    const near base = d.at == how->d0 ? largest(d, estimate) : d;
    const near next = smallest(twofold_times((near){how->growth, 0.0}, base), most);
    const near to_m = met(twofold_times(d, twofold_times(twofold_of(1.0 - how->beta1), scale))),
               to_v = met(twofold_times(twofold_times(d, d),
                                        twofold_of((1.0 - how->beta2) * how->g_scale * how->g_scale)));
    const near rate = met(twofold_times(d, lr)), floor = met(twofold_times(next, twofold_of(how->eps)));
    const near pairs[] = {next, most, twofold_times(twofold_over(next, twofold_of(how->d0)), next),
                          numerator};
    const near floats[] = {to_m, to_v, rate, floor};
    for (int i = 0; i < 4; i++) {
        put_twofold(state, i, pairs[i]);
        put(state, 2 * REF_PRODIGY_REST + i, floats[i]);
    }
    for (int64_t i = 0; i < elements(x); i++) {
        const near g = get(mats[REF_PRODIGY_G], i), at = get(x, i);
        const near mean = sum(times(of(how->beta1), get(m, i)), times(to_m, g));
        const near square = sum(times(of(how->beta2), get(v, i)), times(times(to_v, g), g));
        const near move = sum(over(mean, sum(root(square), floor)), times(of(how->decay), at));
        put(m, i, mean);
        put(v, i, square);
        put(x, i, less(at, times(rate, move)));
    }
}

/* ---- without a memory */

void ref_error_back(ref_mat *y, const ref_mat *want, const ref_mat *weight, double scale, ref_mat *loss)
{
    const int64_t n = elements(y);
    y->terms = 1;
    loss->terms = 0;
    if (n == 0) return; /* nothing is added, nothing is written */
    loss->magnitude[0] = fabs(loss->at[0]) + fabs(loss->at[1]);
    loss->at[0] += loss->at[1];
    for (int64_t i = 0; i < n; i++) {
        const double d = y->at[i] - want->at[i], w = weight->at[i % y->cols];
        loss->at[0] += d * d * w;
        loss->magnitude[0] += d * d * w;
        y->at[i] = 2.0 * scale * d * w;
        y->magnitude[i] = fabs(y->at[i]);
    }
    /* What rounding takes from the first number: as large as that may be, nothing where the sum is not finite. */
    loss->at[1] = 0.0;
    loss->magnitude[1] = isfinite(loss->at[0]) ? loss->magnitude[0] : 0.0;
    loss->terms = (double)n + 1;
}

void ref_reciprocal(ref_mat *x, double numerator, double least_x)
{
    for (int64_t i = 0; i < elements(x); i++) {
        x->at[i] = numerator / (x->at[i] < least_x ? least_x : x->at[i]);
        x->magnitude[i] = fabs(x->at[i]);
    }
    x->terms = 1;
}

void ref_sum_row_groups(const ref_mat *x, int32_t each, ref_mat *y)
{
    for (int64_t i = 0; i < elements(x); i++) {
        const int64_t at = i / x->cols / each * x->cols + i % x->cols;
        y->at[at] += x->at[i];
        y->magnitude[at] += fabs(x->at[i]);
    }
    y->terms = each;
}
