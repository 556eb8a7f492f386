/* ref_rows.c - the operations of a transformer's rows: norm, rotary positions, softmax, gates, loss, argmax.
 * */
#include "tests/ref/ref_ops.h"

#include <float.h>
#include <math.h>
#include <stddef.h>

void ref_rmsnorm(const ref_mat *x, const ref_mat *gain, double eps, ref_mat *y)
{
    const int32_t C = x->cols;
    for (int32_t r = 0; r < x->rows; r++) {
        const double *row = x->at + (int64_t)r * C;
        double sum = 0.0;
        for (int32_t c = 0; c < C; c++) sum += row[c] * row[c];
        const double scale = 1.0 / sqrt(sum / C + eps);
        for (int32_t c = 0; c < C; c++) {
            const int64_t at = (int64_t)r * C + c;
            y->at[at] = row[c] * scale * gain->at[c];
            y->magnitude[at] = fabs(y->at[at]);
        }
    }
    y->terms = C;
}

void ref_rmsnorm_back(const ref_mat *x, const ref_mat *gain, double eps, const ref_mat *dy, ref_mat *dx)
{
    const int32_t C = x->cols;
    for (int32_t r = 0; r < x->rows; r++) {
        const double *row = x->at + (int64_t)r * C, *d = dy->at + (int64_t)r * C;
        double squares = 0.0, shared = 0.0, size = 0.0;
        for (int32_t c = 0; c < C; c++) {
            squares += row[c] * row[c];
            shared += row[c] * d[c] * gain->at[c];
            size += fabs(row[c] * d[c] * gain->at[c]);
        }
        const double scale = 1.0 / sqrt(squares / C + eps), cube = scale * scale * scale;
        for (int32_t c = 0; c < C; c++) {
            const int64_t at = (int64_t)r * C + c;
            const double direct = scale * d[c] * gain->at[c];
            dx->magnitude[at] = fabs(dx->at[at]) + fabs(direct) + fabs(row[c]) * cube * size / C;
            dx->at[at] += direct - row[c] * cube * shared / C;
        }
    }
    dx->terms = C + 1;
}

void ref_rope_op(ref_mat *x, int32_t head_dim, const ref_mat *table, int32_t tokens, double way)
{
    const int32_t half = head_dim / 2;
    for (int32_t r = 0; r < x->rows; r++) {
        const double *cosine = table->at + (int64_t)(r % tokens) * table->cols, *sine = cosine + half;
        for (int32_t c = 0; c < x->cols; c++) {
            const int32_t j = c % head_dim;
            if (j >= half) continue;
            double *first = x->at + (int64_t)r * x->cols + c, *second = first + half;
            const double a = *first, b = *second;
            *first = a * cosine[j] - way * b * sine[j];
            *second = b * cosine[j] + way * a * sine[j];
            x->magnitude[first - x->at] = fabs(a * cosine[j]) + fabs(b * sine[j]);
            x->magnitude[second - x->at] = fabs(b * cosine[j]) + fabs(a * sine[j]);
        }
    }
    x->terms = 2;
}

/* One row, keys [from, to) visible. A probability p_i moves by p_i times the errors of its own exponent, of
 * the largest one, and of the exponents in the sum, weighted by their shares. */
static void softmax_row(double *s, double *magnitude, int32_t cols, int32_t from, int32_t to, double scale)
{
    double top = -INFINITY, sum = 0.0, moved = 0.0;
    for (int32_t c = from; c < to; c++) top = fmax(top, scale * s[c]);
    for (int32_t c = from; c < to; c++) {
        const double part = exp(scale * s[c] - top);
        sum += part;
        moved += part * fabs(scale * s[c]);
    }
    for (int32_t c = 0; c < cols; c++) {
        const bool visible = c >= from && c < to;
        const double p = visible ? exp(scale * s[c] - top) / sum : 0.0;
        magnitude[c] = visible ? p * (1.0 + fabs(scale * s[c]) + fabs(top) + moved / sum) : 0.0;
        s[c] = p;
    }
}

void ref_softmax_causal(ref_mat *s, const ref_softmax *how)
{
    for (int32_t r = 0; r < s->rows; r++) {
        const int64_t query = (int64_t)how->first_query + r % how->queries;
        int64_t from = 0, to = query - how->first_key + 1;
        if (how->window > 0) from = query - how->window + 1 - how->first_key;
        if (from < 0) from = 0;
        if (to > s->cols) to = s->cols;
        const int64_t at = (int64_t)r * s->cols;
        softmax_row(s->at + at, s->magnitude + at, s->cols, (int32_t)from, (int32_t)to, how->scale);
    }
    s->terms = s->cols;
}

void ref_softmax_back(const ref_mat *p, double scale, ref_mat *ds)
{
    for (int32_t r = 0; r < p->rows; r++) {
        const double *share = p->at + (int64_t)r * p->cols;
        double *row = ds->at + (int64_t)r * p->cols, *magnitude = ds->magnitude + (int64_t)r * p->cols;
        double mean = 0.0, size = 0.0;
        for (int32_t c = 0; c < p->cols; c++) {
            mean += share[c] * row[c];
            size += fabs(share[c] * row[c]);
        }
        for (int32_t c = 0; c < p->cols; c++) {
            magnitude[c] = scale * fabs(share[c]) * (fabs(row[c]) + size);
            row[c] = scale * share[c] * (row[c] - mean);
        }
    }
    ds->terms = p->cols;
}

/* f(g); *magnitude receives the sum of the magnitudes of what makes it up. */
double ref_gate_value(ref_gate_kind kind, double g, double *magnitude)
{
    const double inner = 0.79788456080286535588 * (g + 0.044715 * g * g * g); /* sqrt(2 / pi) */
    switch (kind) {
    case REF_SILU:
        *magnitude = fabs(g) / (1.0 + exp(-g));
        /* Below -87 the exponential leaves the range of f32 and the value may come out as 0. */
        if (g < -87.0) *magnitude += fabs(g) / (double)FLT_MAX / 0x1p-24;
        return g / (1.0 + exp(-g));
    case REF_GELU:
        *magnitude = 0.5 * fabs(g) * (1.0 + fabs(erf(g * 0.70710678118654752440)));
        return 0.5 * g * erfc(-g * 0.70710678118654752440);
    case REF_GELU_TANH:
        *magnitude = 0.5 * fabs(g) * (1.0 + fabs(tanh(inner)));
        return 0.5 * g * (1.0 + tanh(inner));
    case REF_RELU:
        break;
    }
    *magnitude = g > 0.0 ? g : 0.0;
    return g > 0.0 ? g : 0.0;
}

void ref_gate(ref_gate_kind kind, const ref_mat *gate, const ref_mat *up, ref_mat *y)
{
    for (int64_t i = 0; i < (int64_t)gate->rows * gate->cols; i++) {
        const double by = up == NULL ? 1.0 : up->at[i];
        double magnitude = 0.0;
        y->at[i] = ref_gate_value(kind, gate->at[i], &magnitude) * by;
        y->magnitude[i] = magnitude * fabs(by);
    }
    y->terms = 2;
}

/* f'(g), f as above; *magnitude: of its terms, and of what a relative error of an exponent becomes. */
double ref_gate_slope(ref_gate_kind kind, double g, double *magnitude)
{
    const double inner = 1.5957691216057307118 * (g + 0.044715 * g * g * g);    /* twice that above */
    const double rise = 1.5957691216057307118 * (1.0 + 3.0 * 0.044715 * g * g); /* and how it grows */
    const double by = kind == REF_GELU_TANH ? inner : g;
    const double part = 1.0 / (1.0 + exp(-by)), rest = 1.0 / (1.0 + exp(by));
    const double density = 0.39894228040143267794 * exp(-0.5 * g * g),
                 share = erf(g * 0.70710678118654752440);
    switch (kind) {
    case REF_SILU:
        *magnitude = part * (1.0 + fabs(g) * rest);
        if (g < -87.0) *magnitude += (1.0 + fabs(g)) / (double)FLT_MAX / 0x1p-24;
        return part * (1.0 + g * rest);
    case REF_GELU:
        *magnitude = 0.5 * (1.0 + fabs(share)) + fabs(g) * density * (1.0 + 0.5 * g * g);
        return 0.5 * erfc(-g * 0.70710678118654752440) + g * density;
    case REF_GELU_TANH:
        *magnitude = 0.5 * (1.0 + fabs(part - rest)) + fabs(g) * rise * part * rest * (1.0 + fabs(inner));
        return part * (1.0 + g * rise * rest);
    case REF_RELU:
        break;
    }
    *magnitude = g > 0.0 ? 1.0 : 0.0;
    return g > 0.0 ? 1.0 : 0.0;
}

void ref_gate_back(ref_gate_kind kind, const ref_mat *dy, ref_mat *gate, ref_mat *up)
{
    for (int64_t i = 0; i < (int64_t)gate->rows * gate->cols; i++) {
        const double by = dy->at[i] * (up == NULL ? 1.0 : up->at[i]);
        double size = 0.0, steep = 0.0;
        const double value = ref_gate_value(kind, gate->at[i], &size);
        gate->at[i] = by * ref_gate_slope(kind, gate->at[i], &steep);
        gate->magnitude[i] = fabs(by) * steep;
        if (up == NULL) continue;
        up->at[i] = dy->at[i] * value;
        up->magnitude[i] = fabs(dy->at[i]) * size;
    }
    gate->terms = 2;
    if (up != NULL) up->terms = 2;
}

void ref_cross_entropy(const ref_mat *logits, const ref_mat *target, ref_mat *nll)
{
    for (int32_t t = 0; t < logits->rows; t++) {
        const double *row = logits->at + (int64_t)t * logits->cols;
        const int32_t want = (int32_t)target->at[t];
        double top = -INFINITY, sum = 0.0, moved = 0.0;
        for (int32_t i = 0; i < logits->cols; i++) top = fmax(top, row[i]);
        for (int32_t i = 0; i < logits->cols; i++) {
            sum += exp(row[i] - top);
            moved += exp(row[i] - top) * (fabs(row[i]) + fabs(top));
        }
        nll->at[t] = want < 0 ? 0.0 : top + log(sum) - row[want];
        nll->magnitude[t] = want < 0 ? 0.0 : 1.0 + fabs(top) + log(sum) + fabs(row[want]) + moved / sum;
    }
    nll->terms = logits->cols;
}

void ref_argmax_rows(const ref_mat *x, ref_mat *best)
{
    for (int32_t t = 0; t < x->rows; t++) {
        const double *row = x->at + (int64_t)t * x->cols;
        int32_t at = 0;
        for (int32_t i = 1; i < x->cols; i++) at = row[i] > row[at] ? i : at;
        best->at[t] = at;
    }
    best->terms = 0;
}
