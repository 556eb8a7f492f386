/* ref_select.c - reductions, scores, and selections by a stable sort. */
#include "tests/ref/ref_ops.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void ref_colsum_sq(const ref_mat *x, ref_mat *part)
{
    const int32_t slab = (x->rows + part->rows - 1) / part->rows;
    for (int64_t i = 0; i < (int64_t)part->rows * part->cols; i++) part->magnitude[i] = fabs(part->at[i]);
    for (int32_t r = 0; r < x->rows; r++)
        for (int32_t c = 0; c < x->cols; c++) {
            const double value = x->at[(int64_t)r * x->cols + c];
            part->at[(int64_t)(r / slab) * part->cols + c] += value * value;
            part->magnitude[(int64_t)(r / slab) * part->cols + c] += value * value;
        }
    part->terms = slab + 1;
}

void ref_colsum(const ref_mat *part, ref_mat *sum)
{
    for (int32_t c = 0; c < part->cols; c++) {
        sum->magnitude[c] = fabs(sum->at[c]);
        for (int32_t p = 0; p < part->rows; p++) {
            sum->at[c] += part->at[(int64_t)p * part->cols + c];
            sum->magnitude[c] += fabs(part->at[(int64_t)p * part->cols + c]);
        }
    }
    sum->terms = part->rows + 1;
}

/* A pair whose sum is a sum so far. The second number is what rounding takes from the first: as large as that may be, and
 * nothing where the sum is not finite. */
static void pair_begin(ref_mat *out)
{
    out->magnitude[0] = fabs(out->at[0]) + fabs(out->at[1]);
    out->at[0] += out->at[1];
}

static void pair_end(ref_mat *out, int64_t terms)
{
    out->at[1] = 0.0;
    out->magnitude[1] = isfinite(out->at[0]) ? out->magnitude[0] : 0.0;
    out->terms = (double)terms + 1;
}

void ref_sum(const ref_mat *part, ref_mat *out)
{
    out->terms = 0.0;
    if (part->rows == 0) return; /* nothing is added, nothing is written */
    pair_begin(out);
    for (int64_t r = 0; r < part->rows; r++) {
        out->at[0] += part->at[r];
        out->magnitude[0] += fabs(part->at[r]);
    }
    pair_end(out, part->rows);
}

void ref_sq_error(const ref_mat *a, const ref_mat *b, ref_mat *out)
{
    const int64_t n = (int64_t)a->rows * a->cols;
    out->terms = 0.0;
    if (n == 0) return;
    pair_begin(out);
    for (int64_t i = 0; i < n; i++) {
        const double square = (a->at[i] - b->at[i]) * (a->at[i] - b->at[i]);
        out->at[0] += square;
        out->magnitude[0] += square;
    }
    pair_end(out, n);
}

void ref_count_zero(const ref_mat *x, ref_mat *count)
{
    for (int64_t i = 0; i < (int64_t)x->rows * x->cols; i++) count->at[0] += x->at[i] == 0.0;
    count->terms = 0;
}

void ref_count_not_finite(const ref_mat *x, ref_mat *count)
{
    for (int64_t i = 0; i < (int64_t)x->rows * x->cols; i++) count->at[0] += !isfinite(x->at[i]);
    count->terms = 0;
}

void ref_score_scaled(const ref_mat *w, const ref_mat *stat, ref_mat *score)
{
    for (int64_t i = 0; i < (int64_t)w->rows * w->cols; i++) {
        score->at[i] = fabs(w->at[i]) * (stat == NULL ? 1.0 : sqrt(stat->at[i % w->cols]));
        score->magnitude[i] = score->at[i];
    }
    score->terms = stat == NULL ? 0 : 1;
}

typedef struct scored {
    double score;
    int64_t at;
} scored;

static int scored_compare(const void *a, const void *b)
{
    const scored *x = a, *y = b;
    if (x->score != y->score) return x->score < y->score ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* The n scores from `first` on with their places, least first, equal ones in order of place. The caller
 * frees. */
static scored *scores_sorted(const ref_mat *score, int64_t first, int64_t n)
{
    scored *s = calloc((size_t)n + 1, sizeof *s);
    if (s == NULL) exit(1);
    for (int64_t i = 0; i < n; i++) s[i] = (scored){score->at[first + i], first + i};
    qsort(s, (size_t)n, sizeof *s, scored_compare);
    return s;
}

static void bits_all_kept(int32_t cols, ref_mat *keep)
{
    memset(keep->at, 0, (size_t)keep->rows * (size_t)keep->cols * sizeof(double));
    for (int32_t r = 0; r < keep->rows; r++) {
        for (int32_t c = 0; c < cols; c++) keep->at[(int64_t)r * keep->cols + c / 8] += 128 >> c % 8;
    }
    keep->terms = 0;
}

static void bit_drop(int32_t cols, int64_t at, ref_mat *keep)
{
    const int64_t r = at / cols, c = at % cols;
    keep->at[r * keep->cols + c / 8] -= 128 >> c % 8;
}

void ref_keep_rows(const ref_mat *score, const ref_mat *drop, ref_mat *keep)
{
    bits_all_kept(score->cols, keep);
    for (int32_t r = 0; r < score->rows; r++) {
        scored *s = scores_sorted(score, (int64_t)r * score->cols, score->cols);
        for (int32_t i = 0; i < (int32_t)drop->at[r]; i++) bit_drop(score->cols, s[i].at, keep);
        free(s);
    }
}

void ref_rank_value_rows(const ref_mat *score, const ref_mat *rank, ref_mat *value)
{
    for (int32_t r = 0; r < score->rows; r++) {
        scored *s = scores_sorted(score, (int64_t)r * score->cols, score->cols);
        value->at[r] = rank->at[r] >= score->cols ? (double)INFINITY : s[(int64_t)rank->at[r]].score;
        free(s);
    }
    value->terms = 0;
}

void ref_keep_all(const ref_mat *score, int64_t drop, bool ties, ref_mat *keep)
{
    const int64_t n = (int64_t)score->rows * score->cols;
    scored *s = scores_sorted(score, 0, n);
    bits_all_kept(score->cols, keep);
    for (int64_t i = 0; i < n; i++) {
        if (i < drop || (ties && s[i].score <= s[drop].score)) bit_drop(score->cols, s[i].at, keep);
    }
    free(s);
}

void ref_keep_n_of_m(const ref_mat *score, int32_t n, int32_t m, ref_mat *keep)
{
    bits_all_kept(score->cols, keep);
    for (int64_t first = 0; first < (int64_t)score->rows * score->cols; first += m) {
        scored *s = scores_sorted(score, first, m);
        for (int32_t i = 0; i < m - n; i++) bit_drop(score->cols, s[i].at, keep);
        free(s);
    }
}

void ref_rank_rows(const ref_mat *score, ref_mat *order)
{
    for (int32_t r = 0; r < score->rows; r++) {
        const int64_t first = (int64_t)r * score->cols;
        scored *s = scores_sorted(score, first, score->cols);
        for (int32_t k = 0; k < score->cols; k++) order->at[first + k] = (double)(s[k].at - first);
        free(s);
    }
    order->terms = 0;
}

void ref_zero_dropped(const ref_mat *keep, ref_mat *w)
{
    for (int32_t r = 0; r < w->rows; r++) {
        for (int32_t c = 0; c < w->cols; c++) {
            const int byte = (int)keep->at[(int64_t)r * keep->cols + c / 8];
            if (!(byte & 128 >> c % 8)) w->at[(int64_t)r * w->cols + c] = 0.0;
        }
    }
    w->terms = 0;
}
