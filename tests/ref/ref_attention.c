/* ref_attention.c - attention row by row: a query, the keys it sees, and what each step may lose. */
#include "tests/ref/ref_attention.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define EPS 0x1p-24

/* One query of one head over its keys [from, to): scores s, shares p, gradients dp of the shares and ds of the scores, and
 * by how much each may be off: s_off, dp_off, ds_off absolute, p_off relative. */
typedef struct row {
    int32_t sequence, head, token, from, to;
    const double *q, *d_out;
    double *s, *p, *dp, *ds, *s_off, *p_off, *dp_off, *ds_off;
    double scale, log_sum, log_off, delta, delta_off;
} row;

/* What n additions of f32 lose of their terms' magnitudes, as ref_ops.h has it. */
static double sum_loss(double n)
{
    return 4.0 * EPS * (1.0 + sqrt(n));
}

/* Rounding to the word: at most unit(x) * |x| + least, least where the word is denormal. */
static double unit(const ref_attention *a)
{
    return a->word == &ref_f32 ? 0.0 : ldexp(1.0, -a->word->bits);
}

static double least(const ref_attention *a)
{
    return a->word == &ref_f32 ? (double)FLT_MIN
                               : ldexp(1.0, a->word->least - a->word->bits) + (double)FLT_MIN;
}

static double stored(const ref_attention *a, double value, double off)
{
    return off + (a->word == &ref_f32 ? EPS * (fabs(value) + off) + (double)FLT_MIN
                                      : ref_word_half_ulp(a->word, fabs(value) + off));
}

static double dot(const double *x, const double *y, int32_t n, double *magnitude)
{
    double sum = 0.0;
    *magnitude = 0.0;
    for (int32_t i = 0; i < n; i++) {
        sum += x[i] * y[i];
        *magnitude += fabs(x[i] * y[i]);
    }
    return sum;
}

/* Element 0 of the row's head in a matrix like k. */
static int64_t key_at(const ref_attention *a, const row *r, int32_t key)
{
    const ref_attention_sizes *z = &a->sizes;
    const int64_t at = (int64_t)r->sequence * (z->first + z->tokens) + key;
    return (at * z->kv_heads + r->head * z->kv_heads / z->heads) * z->head_dim;
}

static int64_t query_at(const ref_attention *a, const row *r)
{
    const ref_attention_sizes *z = &a->sizes;
    return (((int64_t)r->sequence * z->tokens + r->token) * z->heads + r->head) * z->head_dim;
}

static void row_scores(const ref_attention *a, row *r)
{
    const int32_t D = a->sizes.head_dim;
    double most = 0.0;
    for (int32_t i = r->from; i < r->to; i++) {
        double magnitude;
        r->s[i] = r->scale * dot(r->q, a->k + key_at(a, r, i), D, &magnitude);
        r->s_off[i] = sum_loss(D) * r->scale * magnitude;
        if (a->tiles) r->s_off[i] += unit(a) * (fabs(r->s[i]) + r->s_off[i]) + r->scale * least(a);
        most = fmax(most, fabs(r->s[i]));
    }
    /* The exponent s - log_sum is taken in f32 from two rounded numbers, or three. */
    for (int32_t i = r->from; i < r->to; i++) r->s_off[i] += 4.0 * EPS * (fabs(r->s[i]) + most);
}

/* p = exp(s - log_sum): off by the factor exp of what the exponent is off by. */
static void row_shares(const ref_attention *a, row *r)
{
    double top = -INFINITY, sum = 0.0, high = 0.0;
    (void)a;
    for (int32_t i = r->from; i < r->to; i++) top = fmax(top, r->s[i]);
    for (int32_t i = r->from; i < r->to; i++) {
        sum += exp(r->s[i] - top);
        high += exp(r->s[i] + r->s_off[i] - top);
    }
    r->log_sum = top + log(sum);
    r->log_off = log(high / sum) + sum_loss(r->to - r->from) + 16.0 * EPS + 4.0 * EPS * fabs(r->log_sum);
    for (int32_t i = r->from; i < r->to; i++) {
        r->p[i] = exp(r->s[i] - r->log_sum);
        r->p_off[i] = expm1(r->s_off[i] + r->log_off + 16.0 * EPS);
    }
}

/* p as the second product takes it: rounded to the word. */
static double share_off(const ref_attention *a, const row *r, int32_t i)
{
    return r->p[i] * ((1.0 + r->p_off[i]) * (1.0 + unit(a)) - 1.0) + least(a);
}

static void row_out(ref_attention *a, const row *r)
{
    const int32_t D = a->sizes.head_dim;
    for (int32_t d = 0; d < D; d++) {
        double value = 0.0, size = 0.0, off = 0.0;
        for (int32_t i = r->from; i < r->to; i++) {
            const double v = a->v[key_at(a, r, i) + d];
            value += r->p[i] * v;
            size += fabs(r->p[i] * v);
            off += share_off(a, r, i) * fabs(v);
        }
        off += sum_loss(r->to - r->from) * (size + off);
        a->out.at[query_at(a, r) + d] = value;
        a->out.bound[query_at(a, r) + d] = stored(a, value, off);
    }
    const int64_t at = ((int64_t)r->sequence * a->sizes.heads + r->head) * a->sizes.tokens + r->token;
    a->log_sum.at[at] = r->log_sum;
    a->log_sum.bound[at] = r->log_off;
}

/* delta: from the rounded out, or, tile by tile, from the rounded shares and their gradients. */
static void row_delta(const ref_attention *a, row *r)
{
    const int32_t D = a->sizes.head_dim;
    const int64_t at = query_at(a, r);
    double size = 0.0, off = 0.0;
    r->delta = dot(r->d_out, a->out.at + at, D, &size);
    if (!a->tiles) {
        for (int32_t d = 0; d < D; d++) off += fabs(r->d_out[d]) * a->out.bound[at + d];
        r->delta_off = off + sum_loss(D) * (size + off);
        return;
    }
    size = 0.0;
    for (int32_t i = r->from; i < r->to; i++) {
        const double p_off = share_off(a, r, i);
        size += r->p[i] * fabs(r->dp[i]);
        off += (r->p[i] + p_off) * r->dp_off[i] + p_off * fabs(r->dp[i]);
    }
    r->delta_off = off + sum_loss(r->to - r->from) * (size + off);
}

static void row_gradients(const ref_attention *a, row *r)
{
    for (int32_t i = r->from; i < r->to; i++) {
        double magnitude;
        r->dp[i] = dot(r->d_out, a->v + key_at(a, r, i), a->sizes.head_dim, &magnitude);
        r->dp_off[i] = sum_loss(a->sizes.head_dim) * magnitude;
        if (a->tiles) r->dp_off[i] += unit(a) * (fabs(r->dp[i]) + r->dp_off[i]) + least(a);
    }
    row_delta(a, r);
    for (int32_t i = r->from; i < r->to; i++) {
        const double p_off = a->tiles ? share_off(a, r, i) : r->p[i] * r->p_off[i] + (double)FLT_MIN;
        const double p = r->p[i] + p_off, far = fabs(r->dp[i] - r->delta);
        double off = p * (r->dp_off[i] + r->delta_off) + p_off * far;
        off += 4.0 * EPS * p * (fabs(r->dp[i]) + fabs(r->delta) + r->dp_off[i] + r->delta_off);
        r->ds[i] = r->p[i] * (r->dp[i] - r->delta);
        /* Tiles hold ds times the scale, so what is lost among denormals counts for more. */
        r->ds_off[i] = off + unit(a) * (fabs(r->ds[i]) + off) + least(a) / (a->tiles ? r->scale : 1.0);
    }
}

/* dq of the row; its shares of dk and dv, whose magnitudes gather in `sizes`, like k twice. */
static void row_spread(ref_attention *a, const row *r, double *sizes)
{
    const ref_attention_sizes *z = &a->sizes;
    const int64_t keys = (int64_t)z->sequences * (z->first + z->tokens) * z->kv_heads * z->head_dim;
    for (int32_t d = 0; d < z->head_dim; d++) {
        double value = 0.0, size = 0.0, off = 0.0;
        for (int32_t i = r->from; i < r->to; i++) {
            const int64_t at = key_at(a, r, i) + d;
            const double p_off = share_off(a, r, i);
            value += r->scale * r->ds[i] * a->k[at];
            size += r->scale * fabs(r->ds[i] * a->k[at]);
            off += r->scale * r->ds_off[i] * fabs(a->k[at]);
            a->dk.at[at] += r->scale * r->ds[i] * r->q[d];
            a->dk.bound[at] += r->scale * r->ds_off[i] * fabs(r->q[d]);
            sizes[at] += r->scale * (fabs(r->ds[i]) + r->ds_off[i]) * fabs(r->q[d]);
            a->dv.at[at] += r->p[i] * r->d_out[d];
            a->dv.bound[at] += p_off * fabs(r->d_out[d]);
            sizes[keys + at] += (r->p[i] + p_off) * fabs(r->d_out[d]);
        }
        off += sum_loss(r->to - r->from) * (size + off);
        a->dq.at[query_at(a, r) + d] = value;
        a->dq.bound[query_at(a, r) + d] = stored(a, value, off);
    }
}

static void row_run(ref_attention *a, row *r, double *sizes)
{
    const ref_attention_sizes *z = &a->sizes;
    r->to = z->first + r->token + 1;
    r->from = z->window > 0 && r->to > z->window ? r->to - z->window : 0;
    r->q = a->q + query_at(a, r);
    r->d_out = a->d_out + query_at(a, r);
    row_scores(a, r);
    row_shares(a, r);
    row_out(a, r);
    row_gradients(a, r);
    row_spread(a, r, sizes);
}

void ref_attention_run(ref_attention *a)
{
    const ref_attention_sizes *z = &a->sizes;
    const int32_t P = z->first + z->tokens;
    const int64_t keys = (int64_t)z->sequences * P * z->kv_heads * z->head_dim;
    double *sizes = calloc((size_t)keys * 2 + 1, sizeof *sizes),
           *room = calloc((size_t)P * 8 + 1, sizeof *room);
    if (sizes == NULL || room == NULL) exit(1);
    row r = {.s = room,
             .p = room + P,
             .dp = room + 2 * P,
             .ds = room + 3 * P,
             .s_off = room + 4 * P,
             .p_off = room + 5 * P,
             .dp_off = room + 6 * P,
             .ds_off = room + 7 * P,
             .scale = 1.0 / sqrt((double)z->head_dim)};
    for (int64_t i = 0; i < keys; i++) a->dk.at[i] = a->dk.bound[i] = a->dv.at[i] = a->dv.bound[i] = 0.0;
    for (r.sequence = 0; r.sequence < z->sequences; r.sequence++)
        for (r.head = 0; r.head < z->heads; r.head++)
            for (r.token = 0; r.token < z->tokens; r.token++) row_run(a, &r, sizes);
    const double lost = sum_loss((double)z->tokens * z->heads / z->kv_heads);
    for (int64_t i = 0; i < keys; i++) {
        a->dk.bound[i] = stored(a, a->dk.at[i], a->dk.bound[i] + lost * sizes[i]);
        a->dv.bound[i] = stored(a, a->dv.at[i], a->dv.bound[i] + lost * sizes[keys + i]);
    }
    free(room);
    free(sizes);
}
