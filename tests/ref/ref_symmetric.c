/* ref_symmetric.c - Gram matrices, halves of square matrices, and their diagonals. */
#include "tests/ref/ref_factor.h"

#include <math.h>
#include <stddef.h>

void ref_gram(double alpha, const ref_mat *x, ref_mat *h)
{
    const int64_t n = h->cols;
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j <= i; j++) {
            double sum = 0.0, size = 0.0;
            for (int64_t t = 0; t < x->rows; t++) {
                const double term = x->at[t * n + i] * x->at[t * n + j];
                sum += term;
                size += fabs(term);
            }
            h->magnitude[i * n + j] = fabs(alpha) * size + fabs(h->at[i * n + j]);
            h->at[i * n + j] += alpha * sum;
        }
    }
    ref_mirror(h);
    h->terms = x->rows + 1;
}

void ref_mirror(ref_mat *h)
{
    const int64_t n = h->cols;
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < i; j++) {
            h->at[j * n + i] = h->at[i * n + j];
            h->magnitude[j * n + i] = h->magnitude[i * n + j];
        }
    }
    h->terms = 0;
}

void ref_reverse(ref_mat *x)
{
    const int64_t n = (int64_t)x->rows * x->cols;
    for (int64_t i = 0; i < n / 2; i++) {
        const double was = x->at[i], size = x->magnitude[i];
        x->at[i] = x->at[n - 1 - i], x->at[n - 1 - i] = was;
        x->magnitude[i] = x->magnitude[n - 1 - i], x->magnitude[n - 1 - i] = size;
    }
    x->terms = 0;
}

void ref_diagonal(const ref_mat *h, ref_mat *diagonal)
{
    for (int64_t i = 0; i < h->cols; i++) diagonal->at[i] = h->at[i * (h->cols + 1)];
    diagonal->terms = 0;
}

void ref_add_diag(ref_mat *h, double x, const ref_mat *times)
{
    const double more = times == NULL ? x : x * times->at[0];
    for (int64_t i = 0; i < h->cols; i++) {
        const int64_t at = i * (h->cols + 1);
        h->magnitude[at] = fabs(h->at[at]) + fabs(more);
        h->at[at] += more;
    }
    h->terms = 2;
}

void ref_damp(ref_mat *h, double fraction, ref_mat *mean)
{
    double sum = 0.0, size = 0.0, count = 0.0;
    for (int64_t i = 0; i < h->cols; i++) {
        const double v = h->at[i * (h->cols + 1)];
        sum += v;
        size += fabs(v);
        count += v != 0.0;
    }
    mean->at[0] = count > 0.0 ? sum / count : 0.0;
    mean->magnitude[0] = count > 0.0 ? size / count : 0.0;
    mean->terms = 2; /* of a sum that keeps what rounding takes, and a division */
    for (int64_t i = 0; i < h->cols; i++) {
        const int64_t at = i * (h->cols + 1);
        if (h->at[at] == 0.0) continue;
        h->magnitude[at] = fabs(h->at[at]) + fabs(fraction) * mean->magnitude[0];
        h->at[at] += fraction * mean->at[0];
    }
    h->terms = 3;
}

void ref_revive(ref_mat *h, double x)
{
    for (int64_t i = 0; i < h->cols; i++)
        if (h->at[i * (h->cols + 1)] == 0.0) h->at[i * (h->cols + 1)] = x;
    h->terms = 0;
}

void ref_score_obs(const ref_mat *w, const ref_mat *u, int degree, ref_mat *score)
{
    for (int64_t i = 0; i < (int64_t)w->rows * w->cols; i++) {
        const double by = u->at[i % w->cols];
        score->at[i] = w->at[i] * w->at[i] / (degree == 1 ? by : by * by);
        score->magnitude[i] = score->at[i];
    }
    score->terms = 3;
}
