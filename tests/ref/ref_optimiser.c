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

/* What else is known of a quotient a / b as f32 has it: that its b is no less in size than one number, itself no more than
 * another. */
typedef struct limits {
    double least, most;
} limits;
/* Enough where b is known to a fraction of itself. */
static const limits unlimited = {0.0, (double)INFINITY};

/* How far a quotient lies from a / b before it is rounded. With a' and b' the operands that f32 has,
 *     a' / b' - a / b = ((a' - a) - (a / b) (b' - b)) / b',
 * whatever the errors, and b' is at least |b| - off. Where that is little or below 0, what is known of b' takes its place, and
 * no quotient of at most `most` lies further than most + |a / b| from this one. */
static double quotient_off(near a, near b, limits known)
{
    const double at = fabs(a.at / b.at), low = fmax(fabs(b.at) - b.off, known.least);
    const double carried = low > 0.0 ? (a.off + at * b.off) / low : (double)INFINITY;
    return fmin(carried, known.most + at);
}

/* To 2.5 ulp, roots to 3: OpenCL's least, without an option. */
static near over(near a, near b, limits known)
{
    return rounded(a.at / b.at, quotient_off(a, b, known), 5.0);
}

/* Roots of all of [a - off, a + off] that is not below 0: of its lower end, or of 0, the furthest unless off is above a. */
static near root(near a)
{
    const double at = sqrt(a.at), down = a.off < a.at ? a.off / (at + sqrt(a.at - a.off)) : at;
    return rounded(at, fmax(down, sqrt(a.at + a.off) - at), 6.0);
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

static near twofold_over(near a, near b, limits known)
{
    const near lossy = {a.at, a.off + 8.0 * (double)FLT_MIN};
    return twofold(a.at / b.at, quotient_off(lossy, b, known));
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
    const near pace = over(of(how->lr), power_rest(how->beta1, n), unlimited);
    const near spread = over(one, root(power_rest(how->beta2, n)), unlimited);
    const near keep = of(1.0 - how->lr * how->decay);
    for (int64_t i = 0; i < elements(x); i++) {
        const near t = times(of(how->g_scale), get(g, i));
        const near mean = sum(times(beta1, get(m, i)), times(rest1, t));
        const near square = sum(times(beta2, get(v, i)), times(rest2, times(t, t)));
        const near move = over(mean, sum(times(spread, root(square)), of(how->eps)), unlimited);
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

/* The sums of the estimate, g x and |s|. Of |s| at least `kept` is left from the steps before, and for each unit of share at
 * least `grown` is new. */
typedef struct prodigy_sums {
    near along, size;
    double kept, grown;
} prodigy_sums;

/* Takes g into s and sums up. A row's terms add up as in any sum of f32, the rows' sums in two floats; so rows that all err
 * the same way err by no more than one row does for its size. */
static void prodigy_sum(const ref_prodigy_numbers *how, near share, ref_mat *const mats[REF_PRODIGY_MATS],
                        prodigy_sums *out)
{
    const near beta3 = of(sqrt(how->beta2)), scaled = met(twofold_times(share, twofold_of(how->g_scale)));
    const ref_mat *x = mats[REF_PRODIGY_X];
    const int64_t n = elements(x);
    const double loss = 4.0 * EPS * (1.0 + sqrt(x->cols)) + 4.0 * EPS * EPS * (1.0 + sqrt(x->rows));
    double products = 0.0;
    *out = (prodigy_sums){{0.0, 0.0}, {0.0, 0.0}, 0.0, 0.0};
    for (int64_t i = 0; i < n; i++) {
        const near g = get(mats[REF_PRODIGY_G], i), before = get(mats[REF_PRODIGY_S], i);
        const near product = times(of(how->g_scale), times(g, get(x, i)));
        const near s = sum(times(beta3, before), times(scaled, g));
        put(mats[REF_PRODIGY_S], i, s);
        out->along = (near){out->along.at + product.at, out->along.off + product.off};
        out->size = (near){out->size.at + fabs(s.at), out->size.off + s.off};
        products += fabs(product.at) + product.off;
        if (fabs(before.at) <= before.off || before.at * g.at <= 0.0) continue; /* |s| may have fallen */
        out->kept += beta3.at * (fabs(before.at) - before.off);
        out->grown += how->g_scale * fabs(g.at);
    }
    out->along.off += loss * products;
    out->size.off += loss * (out->size.at + out->size.off);
    /* Each of the parts of |s| is rounded five times at most, then their sum as above; what is lost below the normal is taken
     * from what was kept. */
    out->kept = (1.0 - loss - 8.0 * EPS) * out->kept - 4.0 * (double)n * (double)FLT_MIN;
    out->grown *= 1.0 - loss - 8.0 * EPS;
}

/* The estimate, however little is known of this step's share, for that is the same number in numerator and denominator:
 * with share the device's, |beta3 old - share along| / |s| is at most
 *     (beta3 |old| + share |along|) / (kept + share grown) <= max(beta3 |old| / kept, |along| / grown).
 * where the products of the numerator lose something below the normal, each twice. */
static near prodigy_estimate(const ref_prodigy_numbers *how, near old, near numerator,
                             const prodigy_sums *sums)
{
    const near factor = twofold_of(how->d_coef), before = twofold_times(factor, old),
               along = twofold_times(factor, sums->along);
    const double lost = 16.0 * (1.0 + how->d_coef) * (double)FLT_MIN;
    const double by_old = (fabs(before.at) + before.off + lost) / sums->kept,
                 by_new = (fabs(along.at) + along.off) / sums->grown;
    const bool bounded = sums->kept > 0.0 && sums->grown > 0.0;
    const limits known = {sums->kept, (1.0 + 0x1p-40) * fmax(by_old, by_new)};
    return twofold_over(twofold_times(factor, numerator), sums->size, bounded ? known : unlimited);
}

/* m / (sqrt(v) + floor), however little is known of d, for that is the same number in m and v: what g is multiplied by for m
 * is c times the root of what g^2 is multiplied by for v, c = (1 - beta1) / sqrt(1 - beta2). So as long as |m| <= k sqrt(v),
 * after a step, by Cauchy and Schwarz,
 *     |m| <= beta1 k sqrt(v) + c sqrt(to_v) |g| <= sqrt(k^2 beta1^2 / beta2 + c^2) sqrt(beta2 v + to_v g^2),
 * and from 0 on k^2 stays below c^2 / (1 - beta1^2 / beta2). A step rounds k^2 by less than 64 eps of itself. What m and v
 * lose below the normal, 2 and 3 times its least, m keeps for 1 / (1 - beta1) steps, and it is divided by the floor, which is
 * not below what it starts at, for d never falls. */
static limits move_limits(const ref_prodigy_numbers *how)
{
    const double lost = 3.0 * (double)FLT_MIN, rest1 = 1.0 - how->beta1, kept = 1.0 - 64.0 * EPS;
    const double least = kept * how->d0 * how->eps - lost;
    const double room = kept - how->beta1 * how->beta1 / how->beta2;
    if (!(room > 0.0 && least > 0.0)) return (limits){fmax(least, 0.0), (double)INFINITY};
    const double most = rest1 / sqrt((1.0 - how->beta2) * room);
    return (limits){least, most + 2.0 * (most * sqrt(lost) + lost) / (rest1 * least)};
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

/* What the growth of d is limited by: d, or the estimate if that is more and d is still where it began. The device may
 * take it to have moved where it has not, or the other way round, unless d is far from its beginning for what it lies off,
 * or as sure as a number of the call. */
static near growth_base(double d0, near d, near estimate)
{
    const near start = twofold_of(d0), more = largest(d, estimate);
    const bool first = d.at == d0;
    const near base = first ? more : d, other = first ? d : more;
    if (fabs(d.at - d0) > d.off + start.off || (first && d.off <= 2.0 * start.off)) return base;
    return (near){base.at, fmax(base.off, fabs(other.at - base.at) + other.off)};
}

void ref_prodigy_once(const ref_prodigy_numbers *how, ref_mat *const mats[REF_PRODIGY_MATS])
{
    ref_mat *x = mats[REF_PRODIGY_X], *m = mats[REF_PRODIGY_M], *v = mats[REF_PRODIGY_V],
            *state = mats[REF_PRODIGY_STATE];
    const near d = get_twofold(state, 0), lr = twofold_of(how->lr), scale = twofold_of(how->g_scale);
    const near share = twofold_times(get_twofold(state, 2), lr), beta3 = twofold_of(sqrt(how->beta2));
    const near old = twofold_times(beta3, get_twofold(state, 3));
    const limits moves = move_limits(how);
    prodigy_sums sums;
    if (elements(x) == 0) return;
    prodigy_sum(how, share, mats, &sums);
    put_twofold(state, 4, sums.size);
    if (sums.size.at == 0.0) return;
    const near numerator = twofold_less(old, twofold_times(share, sums.along));
    const near estimate = prodigy_estimate(how, old, numerator, &sums);
    const near most = largest(get_twofold(state, 1), estimate);
    const near next =
        smallest(twofold_times((near){how->growth, 0.0}, growth_base(how->d0, d, estimate)), most);
    const near to_m = met(twofold_times(d, twofold_times(twofold_of(1.0 - how->beta1), scale))),
               to_v = met(twofold_times(twofold_times(d, d),
                                        twofold_of((1.0 - how->beta2) * how->g_scale * how->g_scale)));
    const near rate = met(twofold_times(d, lr)), floor = met(twofold_times(next, twofold_of(how->eps)));
    const near pairs[] = {next, most, twofold_times(twofold_over(next, twofold_of(how->d0), unlimited), next),
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
        const near move = sum(over(mean, sum(root(square), floor), moves), times(of(how->decay), at));
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
