/* ref_units.c - scores of columns from all inputs at once, and the least unit that still fits, again and again. Sources: FLAP,
 * An et al. 2024, and its lib/prune.py: prune_flap (WIFV, AL-AM, UL-UM), prune_wanda_sp, prune_magnitude_sp. */
#include "tests/ref/ref_units.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { HEADS, CHANNELS, KINDS };

typedef struct half {
    int cols;              /* of o or down */
    double *x;             /* (windows T, cols): what entered it */
    double *mean, *column; /* (cols) */
} half;

typedef struct pass {
    int T;
    half half[KINDS];
} pass;

static void see(void *user, int window, ref_place place, int T, int cols, const double *x)
{
    pass *p = user;
    if (place != REF_AT_O && place != REF_AT_DOWN) return;
    memcpy(p->half[place == REF_AT_DOWN].x + (int64_t)window * T * cols, x,
           (size_t)T * (size_t)cols * sizeof *x);
}

static int unit_count(const ref_model *m, int kind)
{
    return kind == HEADS ? m->kv_heads : m->ffn;
}

static int unit_cols(const ref_model *m, int kind)
{
    return kind == HEADS ? m->heads / m->kv_heads * m->head_dim : 1;
}

/* Whether a linear is of a kind; whether units are its rows; how many of them one has. */
static int kind_of(int linear)
{
    return linear > REF_O;
}

static int by_rows(int linear)
{
    return linear != REF_O && linear != REF_DOWN;
}

static int side_of(const ref_model *m, int linear)
{
    return linear == REF_K || linear == REF_V ? m->head_dim : unit_cols(m, kind_of(linear));
}

static int64_t unit_weights(const ref_model *m, int kind)
{
    int64_t weights = 0;
    for (int l = 0; l < REF_LINEARS; l++) {
        const ref_linear *linear = &m->block[0].linear[l];
        if (kind_of(l) != kind || linear->rows == 0) continue;
        weights += (int64_t)side_of(m, l) * (by_rows(l) ? linear->cols : linear->rows);
    }
    return weights;
}

static void standardize(double *x, int n)
{
    double mean = 0.0, squares = 0.0;
    for (int i = 0; i < n; i++) mean += x[i] / n;
    for (int i = 0; i < n; i++) squares += (x[i] - mean) * (x[i] - mean) / (n - 1);
    for (int i = 0; i < n; i++) x[i] = (x[i] - mean) / sqrt(squares);
}

/* What each column of the half's last linear counts. */
static void columns(const ref_model *m, const ref_units_rule *rule, int block, int kind, int rows, half *h)
{
    const ref_linear *last = &m->block[block].linear[kind == HEADS ? REF_O : REF_DOWN];
    for (int c = 0; c < h->cols; c++) {
        double sum = 0.0, squares = 0.0, length = 0.0, size = 0.0;
        for (int t = 0; t < rows; t++) sum += h->x[(int64_t)t * h->cols + c];
        h->mean[c] = sum / rows;
        for (int t = 0; t < rows; t++) {
            const double x = h->x[(int64_t)t * h->cols + c];
            squares += rule->metric == REF_UNIT_WANDA ? x * x : (x - h->mean[c]) * (x - h->mean[c]);
        }
        for (int r = 0; r < last->rows; r++) {
            length += last->w[(int64_t)r * last->cols + c] * last->w[(int64_t)r * last->cols + c];
            size += fabs(last->w[(int64_t)r * last->cols + c]) / last->rows;
        }
        const double fluctuation = squares / (rows - 1) * length;
        h->column[c] = rule->metric == REF_UNIT_LENGTH  ? sqrt(length)
                       : rule->metric == REF_UNIT_WANDA ? size * sqrt(squares)
                       : kind == HEADS                  ? fluctuation * fluctuation
                                                        : fluctuation;
    }
}

static void scores(const ref_model *m, const ref_units_rule *rule, int kind, const half *h, double *score)
{
    const int units = unit_count(m, kind), cols = unit_cols(m, kind);
    const int first = rule->metric == REF_UNIT_FLUCTUATION;
    if (!rule->raw && first) standardize(h->column, h->cols);
    for (int u = 0; u < units; u++) {
        score[u] = 0.0;
        for (int c = 0; c < cols; c++) score[u] += h->column[u * cols + c];
        if (first)
            score[u] /= cols;
        else if (kind == HEADS)
            score[u] /= (double)m->heads / m->kv_heads;
    }
    if (!rule->raw && !first) standardize(score, units);
}

typedef struct choosing {
    const ref_model *m;
    const ref_units_rule *rule;
    const double *score;
    uint8_t *keep;
    int first, end; /* blocks */
} choosing;

static int allowed(const ref_units_rule *rule, int kind)
{
    return kind == HEADS ? rule->heads : rule->channels;
}

/* Whether so many of its kind and block are better that it is not one of those that stay in any case. */
static int may_go(const choosing *c, int block, int kind, int unit)
{
    const int each = c->m->kv_heads + c->m->ffn, from = block * each + (kind == HEADS ? 0 : c->m->kv_heads);
    const int least = kind == HEADS ? c->rule->least_heads : c->rule->least_channels;
    const double own = c->score[from + unit];
    int better = 0;
    for (int u = 0; u < unit_count(c->m, kind); u++)
        better += c->score[from + u] > own || (c->score[from + u] == own && u < unit);
    return better >= least;
}

/* Removes the least of the given kinds that still fits, until none does. Returns what is left. */
static int64_t remove_least(choosing *c, int heads, int channels, int64_t left)
{
    const int each = c->m->kv_heads + c->m->ffn;
    for (;;) {
        int best = -1, best_kind = 0;
        for (int b = c->first; b < c->end; b++)
            for (int i = 0; i < each; i++) {
                const int kind = i >= c->m->kv_heads, at = b * each + i;
                if (!(kind == HEADS ? heads : channels) || !allowed(c->rule, kind) || !c->keep[at]) continue;
                if (unit_weights(c->m, kind) > left) continue;
                if (best >= 0 && c->score[at] > c->score[best]) continue;
                if (!may_go(c, b, kind, kind == HEADS ? i : i - c->m->kv_heads)) continue;
                best = at;
                best_kind = kind;
            }
        if (best < 0) return left;
        c->keep[best] = 0;
        left -= unit_weights(c->m, best_kind);
    }
}

static void choose(choosing *c)
{
    double all = 0.0, of[KINDS];
    for (int k = 0; k < KINDS; k++) {
        of[k] = (double)unit_weights(c->m, k) * unit_count(c->m, k) * (c->end - c->first);
        all += of[k];
    }
    const int64_t budget = (int64_t)floor(c->rule->ratio * all + 1e-6);
    const double there = (c->rule->heads ? of[HEADS] : 0.0) + (c->rule->channels ? of[CHANNELS] : 0.0);
    if (!c->rule->by_kind) {
        (void)remove_least(c, 1, 1, budget);
        return;
    }
    const int64_t share = c->rule->heads ? (int64_t)floor((double)budget * of[HEADS] / there + 1e-6) : 0;
    int64_t left = budget - share + remove_least(c, 1, 0, share);
    left = remove_least(c, 0, 1, left);
    (void)remove_least(c, 1, 0, left);
}

/* The model's own arrays, which it lends as constants. */
static double *bias_of(ref_linear *linear)
{
    double *bias;
    memcpy(&bias, &linear->bias, sizeof bias);
    return bias;
}

static void linear_cut(ref_model *m, const ref_units_rule *rule, int block, int l, const uint8_t *keep,
                       const double *mean)
{
    ref_linear *linear = &m->block[block].linear[l];
    const int side = side_of(m, l), makes_up = rule->metric == REF_UNIT_FLUCTUATION;
    double *bias = bias_of(linear);
    for (int r = 0; r < linear->rows; r++)
        for (int c = 0; c < linear->cols; c++) {
            double *w = &linear->w[(int64_t)r * linear->cols + c];
            if (keep[(by_rows(l) ? r : c) / side]) continue;
            if (bias != NULL && !by_rows(l) && makes_up) bias[r] += *w * mean[c];
            if (bias != NULL && by_rows(l)) bias[r] = 0.0;
            *w = 0.0;
        }
}

static void block_cut(ref_model *m, const ref_units_rule *rule, int block, const uint8_t *keep,
                      double *const mean[KINDS])
{
    for (int l = 0; l < REF_LINEARS; l++)
        if (m->block[block].linear[l].rows > 0)
            linear_cut(m, rule, block, l, keep + (kind_of(l) == HEADS ? 0 : m->kv_heads), mean[kind_of(l)]);
}

void ref_units_prune(ref_model *m, const ref_units_rule *rule, int windows, int T, const int32_t *ids,
                     uint8_t *keep)
{
    const int each = m->kv_heads + m->ffn, rows = windows * T;
    const int64_t size = (int64_t)rows * m->hidden;
    double *x = ref_doubles(size), *trial = ref_doubles(size),
           *score = ref_doubles((int64_t)m->blocks * each);
    double **mean = malloc((size_t)m->blocks * KINDS * sizeof *mean);
    pass p = {.T = T};
    for (int k = 0; k < KINDS; k++) {
        p.half[k].cols = unit_count(m, k) * unit_cols(m, k);
        p.half[k].x = ref_doubles((int64_t)rows * p.half[k].cols);
        p.half[k].column = ref_doubles(p.half[k].cols);
    }
    if (mean == NULL) exit(1);
    memset(keep, 1, (size_t)m->blocks * (size_t)each);
    for (int w = 0; w < windows; w++) ref_embed(m, T, ids + w * T, x + (int64_t)w * T * m->hidden);
    const ref_tap tap = {see, &p};
    for (int b = 0; b < m->blocks; b++) {
        memcpy(trial, x, (size_t)size * sizeof *x);
        for (int w = 0; w < windows; w++)
            ref_block_forward(m, b, w, T, trial + (int64_t)w * T * m->hidden, &tap);
        for (int k = 0; k < KINDS; k++) {
            mean[b * KINDS + k] = p.half[k].mean = ref_doubles(p.half[k].cols);
            columns(m, rule, b, k, rows, &p.half[k]);
            scores(m, rule, k, &p.half[k], score + b * each + (k == HEADS ? 0 : m->kv_heads));
        }
        if (rule->by_block) {
            choose(&(choosing){m, rule, score, keep, b, b + 1});
            block_cut(m, rule, b, keep + b * each, mean + b * KINDS);
        }
        for (int w = 0; w < windows && rule->by_block && !rule->dense; w++)
            ref_block_forward(m, b, w, T, x + (int64_t)w * T * m->hidden, NULL);
        if (!rule->by_block || rule->dense) memcpy(x, trial, (size_t)size * sizeof *x);
    }
    if (!rule->by_block) choose(&(choosing){m, rule, score, keep, 0, m->blocks});
    for (int b = 0; b < m->blocks && !rule->by_block; b++)
        block_cut(m, rule, b, keep + b * each, mean + b * KINDS);
    for (int i = 0; i < m->blocks * KINDS; i++) free(mean[i]);
    for (int k = 0; k < KINDS; k++) {
        free(p.half[k].column);
        free(p.half[k].x);
    }
    free(mean);
    free(score);
    free(trial);
    free(x);
}
