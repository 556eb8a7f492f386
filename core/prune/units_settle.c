/* units_settle.c - scores of columns become scores of units, and the least of these go as far as budgets reach. On the host,
 * in doubles and whole numbers: what goes does not depend on threads. */
#include "core/prune/units.h"

#include "core/base/memory.h"

#include <math.h>
#include <stdlib.h>

/* ---- scores */

/* Less their mean, over their deviation; where they are all one, 0. */
static void standardize(double *x, int32_t n)
{
    double mean = 0.0, squares = 0.0;
    for (int32_t i = 0; i < n; i++) mean += x[i];
    mean /= n;
    for (int32_t i = 0; i < n; i++) squares += (x[i] - mean) * (x[i] - mean);
    const double deviation = n > 1 ? sqrt(squares / (n - 1)) : 0.0;
    for (int32_t i = 0; i < n; i++) x[i] = deviation > 0.0 ? (x[i] - mean) / deviation : 0.0;
}

static double *scores_at(const lop_units *u, int32_t block, lop_unit_kind kind)
{
    return u->score + lop_units_at(u, block, kind);
}

static void gather(const lop_unit_shape *s, const double *column, double factor, double *score)
{
    for (int32_t i = 0; i < s->count; i++) {
        double sum = 0.0;
        for (int32_t c = 0; c < s->cols; c++) sum += column[(int64_t)i * s->cols + c];
        score[i] = sum * factor;
    }
}

lop_status lop_units_put(lop_units *u, int32_t block, lop_unit_kind kind, const double *column,
                         bool by_column)
{
    const lop_unit_shape *s = &u->shape[kind];
    const int32_t cols = s->count * s->cols;
    double *score = scores_at(u, block, kind), *own = NULL;
    LOP_TRY(LOP_NEW(&own, cols));
    for (int32_t c = 0; c < cols; c++) own[c] = column[c];
    if (u->rule.standardize && by_column) standardize(own, cols);
    gather(s, own, 1.0 / (by_column ? s->cols : s->sharing), score);
    if (u->rule.standardize && !by_column) standardize(score, s->count);
    lop_free(own);
    return LOP_OK;
}

float *lop_units_mean(const lop_units *u, int32_t block, lop_unit_kind kind)
{
    const int64_t heads = (int64_t)u->shape[LOP_UNIT_HEADS].count * u->shape[LOP_UNIT_HEADS].cols;
    const int64_t all = heads + (int64_t)u->shape[LOP_UNIT_CHANNELS].count * u->shape[LOP_UNIT_CHANNELS].cols;
    return u->mean + block * all + (kind == LOP_UNIT_HEADS ? 0 : heads);
}

/* ---- what goes */

typedef struct candidate {
    double score, second;
    int64_t at; /* in scores and keep: block by block, heads first */
    lop_unit_kind kind;
    bool gone;
} candidate;

static int by_score(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    if (x->score != y->score) return x->score < y->score ? -1 : 1;
    if (x->second != y->second) return x->second < y->second ? -1 : 1;
    return (x->at < y->at) - (x->at > y->at);
}

/* The units of a kind in a block but the best, which stay whatever the rest of the model has. Returns how many. */
static int32_t candidates_of(const lop_units *u, int32_t block, lop_unit_kind kind, candidate *out)
{
    const lop_unit_shape *s = &u->shape[kind];
    const double *score = scores_at(u, block, kind);
    if (!u->there[block][kind]) return 0;
    for (int32_t i = 0; i < s->count; i++) {
        const int64_t at = score + i - u->score;
        out[i] = (candidate){
            .score = score[i], .second = u->second != NULL ? u->second[at] : 0.0, .at = at, .kind = kind};
    }
    qsort(out, (size_t)s->count, sizeof *out, by_score);
    const int32_t free = s->count - u->rule.least[kind];
    return free > 0 ? free : 0;
}

/* Takes candidates of `kind`, or of both for LOP_UNIT_KINDS, while they fit into `left`; what is too large for it is passed
 * over, or in the manner of the references ends it. Returns what is left. */
static int64_t take(lop_units *u, candidate *c, int64_t n, lop_unit_kind kind, int64_t left)
{
    for (int64_t i = 0; i < n; i++) {
        const int64_t weights = u->shape[c[i].kind].weights;
        if (c[i].gone || (kind != LOP_UNIT_KINDS && c[i].kind != kind)) continue;
        if (weights > left && !u->target.exact) break;
        if (weights > left) continue;
        u->keep[c[i].at] = 0;
        c[i].gone = true;
        left -= weights;
    }
    return left;
}

/* The part of a budget that is a kind's, by the weights of all its units that may go. */
static int64_t share_of(const lop_units *u, int32_t first, int32_t end, lop_unit_kind kind, int64_t budget)
{
    double own = 0.0, all = 0.0;
    for (int32_t b = first; b < end; b++)
        for (int k = 0; k < LOP_UNIT_KINDS; k++) {
            const double weights = u->there[b][k] ? (double)u->shape[k].weights * u->shape[k].count : 0.0;
            all += weights;
            own += k == (int)kind ? weights : 0.0;
        }
    return all > 0.0 ? (int64_t)floor((double)budget * (own / all) * (1.0 + 1e-12) + 1e-9) : 0;
}

static void settle(lop_units *u, int32_t first, int32_t end, candidate *c, int64_t n)
{
    const int64_t budget = lop_units_budget(u, first, end);
    if (!u->rule.by_kind) {
        (void)take(u, c, n, LOP_UNIT_KINDS, budget);
        return;
    }
    const int64_t heads = share_of(u, first, end, LOP_UNIT_HEADS, budget);
    if (!u->target.exact) {
        (void)take(u, c, n, LOP_UNIT_HEADS, heads);
        (void)take(u, c, n, LOP_UNIT_CHANNELS, share_of(u, first, end, LOP_UNIT_CHANNELS, budget));
        return;
    }
    int64_t left = budget - heads + take(u, c, n, LOP_UNIT_HEADS, heads);
    left = take(u, c, n, LOP_UNIT_CHANNELS, left);
    (void)take(u, c, n, LOP_UNIT_HEADS, left); /* where channels are out */
}

lop_status lop_units_settle(lop_units *u, int32_t first, int32_t end)
{
    candidate *c = NULL;
    int64_t n = 0;
    LOP_TRY(LOP_NEW(&c, (int64_t)(end - first) * u->each));
    for (int32_t b = first; b < end; b++) {
        for (int k = 0; k < LOP_UNIT_KINDS; k++) n += candidates_of(u, b, (lop_unit_kind)k, c + n);
        u->settled[b] = true;
    }
    qsort(c, (size_t)n, sizeof *c, by_score);
    settle(u, first, end, c, n);
    lop_free(c);
    return LOP_OK;
}
