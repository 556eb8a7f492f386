/* ref_prune.c - magnitude and Wanda, by sorting. Sources: Wanda, Sun et al. 2024, eq. 1 and algorithm 1;
 * magnitude as that paper's baseline and SparseGPT's script have it. */
#include "tests/ref/ref_prune.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct entry {
    float score;
    int64_t at; /* breaks ties: lower first */
} entry;

static int entry_compare(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    if (x->score != y->score) return x->score < y->score ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* The n scores from `first` on, least first, ties in order. The caller frees. */
static entry *sorted(int64_t n, int64_t first, const double *score)
{
    entry *e = calloc((size_t)n + 1, sizeof *e);
    if (e == NULL) exit(1);
    for (int64_t i = 0; i < n; i++) e[i] = (entry){(float)score[first + i], first + i};
    qsort(e, (size_t)n, sizeof *e, entry_compare);
    return e;
}

static void drop_least(int64_t n, int64_t first, int64_t drop, const double *score, uint8_t *keep)
{
    entry *e = sorted(n, first, score);
    for (int64_t i = 0; i < drop; i++) keep[e[i].at] = 0;
    free(e);
}

static void cut_threshold(int64_t n, double ratio, const double *score, uint8_t *keep)
{
    entry *e = sorted(n, 0, score);
    const float threshold = e[(int64_t)((double)n * ratio)].score;
    for (int64_t i = 0; i < n; i++) keep[i] = (float)score[i] > threshold;
    free(e);
}

static void cut_budget(double ratio, int rows, int cols, const double *score, uint8_t *keep)
{
    const int64_t each = (int64_t)floor(cols * ratio + 1e-9), total = llround((double)rows * cols * ratio);
    entry *next = calloc((size_t)rows + 1, sizeof *next);
    if (next == NULL) exit(1);
    for (int r = 0; r < rows; r++) {
        entry *e = sorted(cols, (int64_t)r * cols, score);
        for (int64_t i = 0; i < each; i++) keep[e[i].at] = 0;
        next[r] = (entry){each < cols ? e[each].score : INFINITY, each < cols ? e[each].at : INT64_MAX};
        free(e);
    }
    qsort(next, (size_t)rows, sizeof *next, entry_compare);
    for (int64_t i = 0; i < total - each * rows; i++) keep[next[i].at] = 0;
    free(next);
}

void ref_keep(const ref_rule *rule, int rows, int cols, const double *score, uint8_t *keep)
{
    const int64_t n = (int64_t)rows * cols;
    memset(keep, 1, (size_t)n);
    switch (rule->cut) {
    case REF_CUT_THRESHOLD:
        cut_threshold(n, rule->ratio, score, keep);
        break;
    case REF_CUT_MATRIX:
        drop_least(n, 0, llround((double)n * rule->ratio), score, keep);
        break;
    case REF_CUT_ROWS:
        for (int r = 0; r < rows; r++)
            drop_least(cols, (int64_t)r * cols, (int64_t)(cols * rule->ratio), score, keep);
        break;
    case REF_CUT_BUDGET:
        cut_budget(rule->ratio, rows, cols, score, keep);
        break;
    case REF_CUT_GROUPS:
        for (int64_t i = 0; i < n; i += rule->m) drop_least(rule->m, i, rule->m - rule->n_keep, score, keep);
        break;
    }
}

/* Sums of squares of one pass, per window, place and column; summed over windows in order afterwards, for windows pass
 * on several threads. */
typedef struct statistic {
    int widest; /* columns of a place at most */
    double *of; /* (windows, places, widest) */
} statistic;

static void statistic_see(void *user, int window, ref_place place, int T, int cols, const double *x)
{
    statistic *s = user;
    double *own = s->of + ((int64_t)window * REF_PLACES + place) * s->widest;
    for (int t = 0; t < T; t++) {
        for (int c = 0; c < cols; c++) own[c] += x[(int64_t)t * cols + c] * x[(int64_t)t * cols + c];
    }
}

double *ref_sum_sq(const ref_model *m, int block, int windows, int T, double *x, int *widest)
{
    const int q_cols = m->heads * m->head_dim, wide = m->hidden > m->ffn ? m->hidden : m->ffn;
    statistic s = {q_cols > wide ? q_cols : wide, NULL};
    const int64_t size = (int64_t)REF_PLACES * s.widest;
    s.of = ref_doubles(size * (windows + 1));
    const ref_tap tap = {statistic_see, &s};
    ref_block_forward_all(m, block, windows, T, x, &tap);
    for (int i = 1; i < windows; i++)
        for (int64_t c = 0; c < size; c++) s.of[c] += s.of[i * size + c];
    *widest = s.widest;
    return s.of;
}

/* Prunes one linear; returns how many of its weights are zero now. */
static int64_t linear_prune(const ref_rule *rule, ref_linear *linear, const double *sum_sq, uint8_t *keep)
{
    const int64_t n = (int64_t)linear->rows * linear->cols;
    double *score = ref_doubles(n);
    uint8_t *own = keep == NULL ? malloc((size_t)n) : keep;
    if (own == NULL) exit(1);
    for (int64_t i = 0; i < n; i++) {
        score[i] = fabs(linear->w[i]) * (rule->scaled ? sqrt(sum_sq[i % linear->cols]) : 1.0);
    }
    ref_keep(rule, linear->rows, linear->cols, score, own);
    int64_t zeros = 0;
    for (int64_t i = 0; i < n; i++) {
        if (!own[i]) linear->w[i] = 0.0;
        zeros += linear->w[i] == 0.0;
    }
    if (keep == NULL) free(own);
    free(score);
    return zeros;
}

/* Prunes block b; x (windows, T, C) holds its inputs and receives what the pruned block makes of them. */
static int64_t block_prune(ref_model *m, const ref_rule *rule, int b, int windows, int T, double *x,
                           uint8_t **keep)
{
    const int64_t size = (int64_t)windows * T * m->hidden;
    int widest = 0;
    double *copy = ref_doubles(size);
    memcpy(copy, x, (size_t)size * sizeof(double));
    double *sums = ref_sum_sq(m, b, rule->scaled ? windows : 0, T, copy, &widest);
    free(copy);
    int64_t zeros = 0;
    for (int i = 0; i < REF_LINEARS; i++) {
        const double *sum_sq = sums + (int64_t)ref_place_of((ref_linear_name)i) * widest;
        zeros += linear_prune(rule, &m->block[b].linear[i], sum_sq,
                              keep == NULL ? NULL : keep[b * REF_LINEARS + i]);
    }
    if (rule->scaled && b + 1 < m->blocks) ref_block_forward_all(m, b, windows, T, x, NULL);
    free(sums);
    return zeros;
}

double ref_prune(ref_model *m, const ref_rule *rule, int windows, int T, const int32_t *ids, uint8_t **keep)
{
    double *x = ref_doubles((int64_t)windows * T * m->hidden);
    for (int i = 0; i < windows; i++) {
        ref_embed(m, T, ids + (int64_t)i * T, x + (int64_t)i * T * m->hidden);
    }
    int64_t zeros = 0, all = 0;
    for (int b = 0; b < m->blocks; b++) {
        zeros += block_prune(m, rule, b, windows, T, x, keep);
        for (int i = 0; i < REF_LINEARS; i++) {
            all += (int64_t)m->block[b].linear[i].rows * m->block[b].linear[i].cols;
        }
    }
    free(x);
    return (double)zeros / (double)all;
}

void ref_pack_bits(int64_t n, const uint8_t *keep, uint8_t *bits)
{
    memset(bits, 0, (size_t)((n + 7) / 8));
    for (int64_t i = 0; i < n; i++) {
        if (keep[i]) bits[i / 8] = (uint8_t)(bits[i / 8] | (0x80u >> (i % 8)));
    }
}
