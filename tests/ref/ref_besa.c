/* ref_besa.c - BESA's formulas, each as it is written down. */
#include "tests/ref/ref_besa.h"
#include "tests/ref/ref_model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int ref_besa_edge(int C, int B, int q)
{
    return (int)((int64_t)C * q / B);
}

static double sigmoid(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

void ref_besa_simplex(ref_map map, int B, const double *line, const double *theta, double *beta)
{
    double top = -INFINITY, sum = 0.0;
    for (int q = 0; q <= B; q++) {
        beta[q] = map == REF_SOFTMAX ? theta[q] : sigmoid(theta[q]);
        if (map == REF_SOFTMAX_TILTED) beta[q] += line[q];
        top = fmax(top, beta[q]);
    }
    for (int q = 0; q <= B; q++) sum += beta[q] = exp(beta[q] - top);
    for (int q = 0; q <= B; q++) beta[q] /= sum;
}

double ref_besa_alpha(int B, const double *beta)
{
    double sum = 0.0;
    for (int q = 0; q <= B; q++) sum += beta[q] * q / B;
    return sum;
}

double ref_besa_pruned(int B, int C, const double *beta, int k)
{
    double sum = 0.0;
    for (int q = 0; q <= B; q++)
        if (ref_besa_edge(C, B, q) > k) sum += beta[q];
    return sum;
}

void ref_besa_start(int B, double target, double *theta)
{
    double *beta = ref_doubles(B + 1), low = -1e4, high = 1e4;
    for (int turn = 0; turn < 200; turn++) {
        const double c = (low + high) / 2.0;
        for (int q = 0; q <= B; q++) theta[q] = c * q / B;
        ref_besa_simplex(REF_SOFTMAX, B, NULL, theta, beta);
        if (ref_besa_alpha(B, beta) < target)
            low = c;
        else
            high = c;
    }
    free(beta);
}

int ref_besa_count(double alpha, int C)
{
    return (int)floor(alpha * C + 1e-3);
}

int ref_besa_count_threshold(int B, int C, const double *beta)
{
    const double alpha = ref_besa_alpha(B, beta);
    int count = 0;
    for (int k = 0; k < C; k++) count += ref_besa_pruned(B, C, beta, k) >= alpha;
    return count;
}

/* -------------------------------------------------------------------------------- order and masks */

typedef struct entry {
    double score;
    int at; /* breaks ties: lower first */
} entry;

static int entry_compare(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    if (x->score != y->score) return x->score < y->score ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

static entry *entries(int count)
{
    entry *e = calloc((size_t)count + 1, sizeof *e);
    if (e == NULL) {
        fprintf(stderr, "the reference needs room for %d scores and there is no memory\n", count);
        exit(1);
    }
    return e;
}

void ref_besa_order(int R, int C, const double *w, const double *sum_sq, int32_t *order)
{
    entry *e = entries(C);
    for (int r = 0; r < R; r++, w += C, order += C) {
        for (int c = 0; c < C; c++) {
            const double score = fabs(w[c]) * (sum_sq == NULL ? 1.0 : sqrt(sum_sq[c]));
            e[c] = (entry){(double)(float)score, c};
        }
        qsort(e, (size_t)C, sizeof *e, entry_compare);
        for (int k = 0; k < C; k++) order[k] = e[k].at;
    }
    free(e);
}

void ref_besa_keep(int C, const int32_t *order, int count, uint8_t *keep)
{
    for (int k = 0; k < C; k++) keep[order[k]] = k >= count;
}

/* -------------------------------------------------------------------------------- exact budgets */

typedef struct span {
    int low, high;
} span;

static double shifted(double alpha, int C, double delta, span s)
{
    return fmin(fmax((alpha + delta) * C, s.low), s.high);
}

/* The largest delta at which the rows together lose at most `want`. */
static double common_shift(int rows, const double *alpha, const int *C, const span *s, int64_t want)
{
    double low = -1.0, high = 1.0;
    for (int turn = 0; turn < 100; turn++) {
        const double delta = (low + high) / 2.0;
        double sum = 0.0;
        for (int r = 0; r < rows; r++) sum += shifted(alpha[r], C[r], delta, s[r]);
        if (sum <= (double)want)
            low = delta;
        else
            high = delta;
    }
    return low;
}

double ref_besa_budget(int rows, const double *alpha, const int *C, int64_t want, int *count)
{
    span *s = calloc((size_t)rows + 1, sizeof *s);
    entry *fraction = entries(rows);
    if (s == NULL) exit(1);
    int64_t before = 0;
    for (int r = 0; r < rows; r++) before += count[r];
    for (int r = 0; r < rows; r++) s[r] = want >= before ? (span){count[r], C[r]} : (span){0, count[r]};
    const double delta = common_shift(rows, alpha, C, s, want);
    int64_t left = want;
    for (int r = 0; r < rows; r++) {
        const double share = shifted(alpha[r], C[r], delta, s[r]);
        count[r] = (int)floor(share);
        fraction[r] = (entry){count[r] - share, r}; /* the largest fraction is the least entry */
        left -= count[r];
    }
    qsort(fraction, (size_t)rows, sizeof *fraction, entry_compare);
    for (int i = 0; i < rows && left > 0; i++) {
        const int r = fraction[i].at;
        if (count[r] < s[r].high) count[r]++, left--;
    }
    free(fraction), free(s);
    return delta;
}

/* -------------------------------------------------------------------------------- gradient */

void ref_besa_buckets(int R, int C, int B, const int32_t *order, const double *g, double *h)
{
    for (int r = 0; r < R; r++, order += C, g += C)
        for (int b = 0; b < B; b++)
            for (int k = ref_besa_edge(C, B, b); k < ref_besa_edge(C, B, b + 1); k++) h[b] += g[order[k]];
}

void ref_besa_back(ref_map map, int B, const double *line, const double *theta, const double *h, double pull,
                   double *dtheta)
{
    double *beta = ref_doubles(B + 1), *a = ref_doubles(B + 1), covered = 0.0, mean = 0.0;
    ref_besa_simplex(map, B, line, theta, beta);
    for (int q = 0; q <= B; q++) {
        a[q] = pull * q / B - covered; /* the loss by beta_q: its candidate takes away all buckets below q */
        if (q < B) covered += h[q];
        mean += beta[q] * a[q];
    }
    for (int q = 0; q <= B; q++) {
        const double part = sigmoid(theta[q]);
        const double slope = map == REF_SOFTMAX ? 1.0 : part * (1.0 - part);
        dtheta[q] += beta[q] * (a[q] - mean) * slope;
    }
    free(a), free(beta);
}

double ref_besa_lift(ref_map map, int B, const double *line, const double *theta, const double *h,
                     double *rate)
{
    double *beta = ref_doubles(B + 1), covered = 0.0, both = 0.0, loss = 0.0, square = 0.0;
    ref_besa_simplex(map, B, line, theta, beta);
    const double alpha = ref_besa_alpha(B, beta);
    for (int q = 0; q <= B; q++) {
        const double r = (double)q / B;
        loss -= beta[q] * covered;
        both -= beta[q] * covered * r;
        square += beta[q] * (r - alpha) * (r - alpha);
        if (q < B) covered += h[q];
    }
    free(beta);
    *rate = square;
    return both - loss * alpha;
}

double ref_besa_price(double loss, double rate, double s, double target, double width)
{
    const double p = -loss / fmax(rate, 0x1p-32);
    return p + fabs(p) * (s - target) / width;
}
