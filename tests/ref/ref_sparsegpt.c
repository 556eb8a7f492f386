/* ref_sparsegpt.c - plain loops. Source: SparseGPT, Alg. 1 and eq. 3 to 5; sparsegpt.py fasterprune for the count of a panel. */
#include "tests/ref/ref_sparsegpt.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double *room(int64_t count)
{
    double *at = calloc((size_t)count + 1, sizeof *at);
    if (at == NULL) exit(1);
    return at;
}

/* Gauss and Jordan; positive definite matrices need no pivoting. */
void ref_invert(int32_t n, const double *h, double *inverse)
{
    double *a = room((int64_t)n * n);
    memcpy(a, h, sizeof *a * (size_t)n * (size_t)n);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++) inverse[i * n + j] = i == j;
    for (int64_t k = 0; k < n; k++) {
        const double pivot = a[k * n + k];
        for (int64_t j = 0; j < n; j++) a[k * n + j] /= pivot, inverse[k * n + j] /= pivot;
        for (int64_t i = 0; i < n; i++) {
            const double by = i == k ? 0.0 : a[i * n + k];
            for (int64_t j = 0; by != 0.0 && j < n; j++) {
                a[i * n + j] -= by * a[k * n + j];
                inverse[i * n + j] -= by * inverse[k * n + j];
            }
        }
    }
    free(a);
}

void ref_right_factor(int32_t n, const double *h, double *r)
{
    memset(r, 0, sizeof *r * (size_t)n * (size_t)n);
    for (int64_t j = n - 1; j >= 0; j--)
        for (int64_t i = j; i >= 0; i--) {
            double sum = h[i * n + j];
            for (int64_t k = j + 1; k < n; k++) sum -= r[i * n + k] * r[j * n + k];
            r[i * n + j] = i == j ? sqrt(sum) : sum / r[j * n + j];
        }
}

static double norm(int64_t count, const double *a)
{
    double sum = 0.0;
    for (int64_t i = 0; i < count; i++) sum += a[i] * a[i];
    return sqrt(sum);
}

double ref_condition(int32_t n, const double *h)
{
    double *inverse = room((int64_t)n * n);
    ref_invert(n, h, inverse);
    const double condition = norm((int64_t)n * n, h) * norm((int64_t)n * n, inverse);
    free(inverse);
    return condition;
}

double ref_quadratic(int32_t n, const double *h, const double *d)
{
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++) sum += d[i] * h[i * n + j] * d[j];
    return sum;
}

void ref_least_squares(int32_t n, const double *h, const double *w, const bool *kept, double *q)
{
    int32_t count = 0, *at = calloc((size_t)n + 1, sizeof *at);
    double *part = room((int64_t)n * n), *inverse = room((int64_t)n * n), *right = room(n);
    if (at == NULL) exit(1);
    for (int32_t c = 0; c < n; c++)
        if (kept[c]) at[count++] = c;
    for (int64_t i = 0; i < count; i++) {
        for (int64_t j = 0; j < count; j++) part[i * count + j] = h[(int64_t)at[i] * n + at[j]];
        for (int64_t j = 0; j < n; j++) right[i] += h[(int64_t)at[i] * n + j] * w[j];
    }
    ref_invert(count, part, inverse);
    for (int32_t c = 0; c < n; c++) q[c] = 0.0;
    for (int64_t i = 0; i < count; i++)
        for (int64_t j = 0; j < count; j++) q[at[i]] += inverse[i * count + j] * right[j];
    free(right);
    free(inverse);
    free(part);
    free(at);
}

/* The inverse of h[c:, c:]. */
static void rest_invert(int32_t n, const double *h, int32_t c, double *inverse)
{
    const int64_t left = n - c;
    double *part = room(left * left);
    for (int64_t i = 0; i < left; i++)
        for (int64_t j = 0; j < left; j++) part[i * left + j] = h[(c + i) * n + c + j];
    ref_invert((int32_t)left, part, inverse);
    free(part);
}

typedef struct scored {
    double score;
    int64_t at;
} scored;

static int by_score(const void *a, const void *b)
{
    const scored *x = a, *y = b;
    if (x->score != y->score) return x->score < y->score ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

/* Of w^2 over the first element of the inverse of what is left of H there, in columns [from, end) of `rows` rows from `row` on,
 * the `drop` least; with `ties` what equals the next, and that, too. */
static void drop_least(const ref_sparsegpt *how, const double *first, const double *w, int32_t row,
                       int32_t rows, int32_t from, int32_t end, int64_t drop, bool ties, bool *kept)
{
    const int64_t width = end - from, count = rows * width;
    scored *list = calloc((size_t)count + 1, sizeof *list);
    if (list == NULL) exit(1);
    for (int64_t i = 0; i < count; i++) {
        const int64_t at = (row + i / width) * how->n + from + i % width;
        list[i] = (scored){w[at] * w[at] / first[from + i % width], at};
    }
    qsort(list, (size_t)count, sizeof *list, by_score);
    for (int64_t i = 0; i < count; i++)
        kept[list[i].at] = i >= drop && (!ties || list[i].score > list[drop].score);
    free(list);
}

static int64_t share(const ref_sparsegpt *how, int32_t from, int32_t end)
{
    const double rows = how->rows;
    if (!how->exact) return (int64_t)(rows * (end - from) * how->ratio);
    return (int64_t)(nearbyint(rows * end * how->ratio) - nearbyint(rows * from * how->ratio));
}

static void choose(const ref_sparsegpt *how, const double *first, const double *w, int32_t c, bool *kept)
{
    if (how->group > 0 && c % how->group == 0)
        for (int32_t r = 0; r < how->rows; r++)
            drop_least(how, first, w, r, 1, c, c + how->group, how->group - how->keep, false, kept);
    if (how->group == 0 && c % how->panel == 0) {
        const int32_t end = c + how->panel < how->n ? c + how->panel : how->n;
        drop_least(how, first, w, 0, how->rows, c, end, share(how, c, end), !how->exact && how->ratio > 0.0,
                   kept);
    }
}

void ref_sparsegpt_solve(const ref_sparsegpt *how, const double *h, double *w, bool *kept)
{
    const int32_t n = how->n;
    double *first = room(n), *inverse = room((int64_t)n * n);
    for (int32_t c = 0; c < n; c++) {
        rest_invert(n, h, c, inverse);
        first[c] = inverse[0];
    }
    for (int32_t c = 0; c < n; c++) {
        if (how->chooses) choose(how, first, w, c, kept);
        rest_invert(n, h, c, inverse);
        for (int64_t r = 0; r < how->rows; r++) {
            const double by = w[r * n + c] / inverse[0];
            if (kept[r * n + c]) continue;
            for (int32_t j = c; j < n; j++) w[r * n + j] -= by * inverse[j - c];
            w[r * n + c] = 0.0;
        }
    }
    free(inverse);
    free(first);
}
