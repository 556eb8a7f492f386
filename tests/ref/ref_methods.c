/* ref_methods.c - what only one method computes. Source: Wanda, lib/prune.py, return_given_alpha; SparseGPT, Alg. 1. */
#include "tests/ref/ref_ops.h"

#include <math.h>

void ref_wanda_part(const ref_mat *score, const ref_mat *order, ref_mat *part)
{
    for (int32_t r = 0; r < score->rows; r++) {
        const int64_t row = (int64_t)r * score->cols;
        double all = 0.0, sum = 0.0;
        for (int32_t c = 0; c < score->cols; c++) all += score->at[row + c];
        for (int32_t k = 0; k < score->cols; k++) {
            sum += score->at[row + (int64_t)order->at[row + k]];
            part->at[row + k] = all > 0.0 ? sum / all : 0.0;
            part->magnitude[row + k] = part->at[row + k];
        }
    }
    part->terms = score->cols;
}

void ref_wanda_within(const ref_mat *score, const ref_mat *order, const ref_mat *part, double alpha,
                      ref_mat *drop)
{
    for (int32_t r = 0; r < score->rows; r++) {
        const int64_t row = (int64_t)r * score->cols;
        int32_t count = 0;
        for (int32_t k = 0; k < score->cols; k++) count += part->at[row + k] <= alpha;
        while (count > 0 && count < score->cols &&
               score->at[row + (int64_t)order->at[row + count]] ==
                   score->at[row + (int64_t)order->at[row + count - 1]]) {
            count++;
        }
        drop->at[r] = count;
    }
    drop->terms = 0;
}

static bool bit_of(const ref_mat *keep, int32_t r, int32_t c)
{
    return ((unsigned)keep->at[(int64_t)r * keep->cols + c / 8] >> (7 - c % 8) & 1u) != 0;
}

static void bit_set(ref_mat *keep, int32_t r, int32_t c, bool kept)
{
    double *at = &keep->at[(int64_t)r * keep->cols + c / 8];
    if (c % 8 == 0) *at = 0.0;
    if (kept) *at += 0x80u >> (c % 8);
}

/* Whether column c is among the m - n least of its m neighbours from `first` on. */
static bool goes(const ref_mat *u, const double *w, int32_t first, int32_t c, int32_t n, int32_t m)
{
    int32_t below = 0;
    const double own = fabs(w[c]) / u->at[(int64_t)c * u->cols + c];
    for (int32_t j = first; j < first + m; j++) {
        const double other = fabs(w[j]) / u->at[(int64_t)j * u->cols + j];
        below += other < own || (other == own && j < c);
    }
    return below < m - n;
}

/* The row's weights lose e u[c,:] from column c on. */
static void make_up(const ref_mat *u, int32_t c, double e, double off, double *w, double *magnitude)
{
    for (int32_t j = c + 1; j < u->cols; j++) {
        const double by = u->at[(int64_t)c * u->cols + j];
        w[j] -= e * by;
        magnitude[j] += off * fabs(by) + fabs(e * by) + fabs(w[j]);
    }
}

void ref_sparsegpt_row(const ref_mat *u, int32_t n, int32_t m, ref_mat *w, ref_mat *keep, ref_mat *e,
                       ref_mat *error)
{
    for (int32_t r = 0; r < w->rows; r++) {
        double *row = &w->at[(int64_t)r * w->cols], *magnitude = &w->magnitude[(int64_t)r * w->cols];
        error->magnitude[r] = fabs(error->at[r]);
        for (int32_t c = 0; c < w->cols; c++) magnitude[c] = 0.0;
        for (int32_t c = 0; c < w->cols; c++) {
            const int64_t at = (int64_t)r * w->cols + c;
            const double by = u->at[(int64_t)c * u->cols + c];
            for (int32_t j = c; m > 0 && c % m == 0 && j < c + m; j++)
                bit_set(keep, r, j, !goes(u, row, c, j, n, m));
            e->at[at] = e->magnitude[at] = 0.0;
            if (bit_of(keep, r, c)) continue;
            e->at[at] = row[c] / by;
            e->magnitude[at] = magnitude[c] / by + fabs(e->at[at]);
            make_up(u, c, e->at[at], e->magnitude[at], row, magnitude);
            error->at[r] += e->at[at] * e->at[at];
            error->magnitude[r] += 2.0 * fabs(e->at[at]) * e->magnitude[at] + e->at[at] * e->at[at];
            row[c] = magnitude[c] = 0.0;
        }
    }
    w->terms = e->terms = 1;
    error->terms = w->cols + 1;
    keep->terms = 0;
}
