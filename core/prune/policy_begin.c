/* policy_begin.c - first probabilities from a metric of units. */
#include "core/prune/policy.h"

#include <math.h>

/* What keeps a deviation, or a range, of nothing from dividing by it: the authors'. */
#define TINY 1e-8

static int32_t rounded(double s)
{
    return (int32_t)llrint((s < 0.0 ? 0.0 : s > 1.0 ? 1.0 : s) * LOP_POLICY_ONE);
}

static double mean_of(const double *x, int32_t n)
{
    double sum = 0.0;
    for (int32_t i = 0; i < n; i++) sum += x[i];
    return sum / n;
}

/* Between 0 and 1, as sigma has it. */
static double sigmoid_of(double metric, double mean, double deviation)
{
    return 1.0 / (1.0 + exp(-(metric - mean) / (deviation + TINY)));
}

static double deviation_of(const double *x, int32_t n, double mean)
{
    double squares = 0.0;
    for (int32_t i = 0; i < n; i++) squares += (x[i] - mean) * (x[i] - mean);
    return n > 1 ? sqrt(squares / (n - 1)) : 0.0;
}

static void by_sigma(const double *metric, int32_t n, double kept, int32_t *s)
{
    const double mean = mean_of(metric, n), deviation = deviation_of(metric, n, mean);
    double sum = 0.0;
    for (int32_t i = 0; i < n; i++) sum += sigmoid_of(metric[i], mean, deviation);
    for (int32_t i = 0; i < n; i++) s[i] = rounded(sigmoid_of(metric[i], mean, deviation) + kept - sum / n);
}

static void by_norm(const double *metric, int32_t n, double kept, int32_t *s)
{
    double least = metric[0], most = metric[0];
    for (int32_t i = 1; i < n; i++) {
        least = metric[i] < least ? metric[i] : least;
        most = metric[i] > most ? metric[i] : most;
    }
    const double range = most - least + TINY, mean = (mean_of(metric, n) - least) / range;
    for (int32_t i = 0; i < n; i++) s[i] = rounded((metric[i] - least) / range + kept - mean);
}

/* Whether fewer than `stay` are better; of equal ones the first are. */
static bool is_best(const double *metric, int32_t n, int32_t i, int32_t stay)
{
    int32_t better = 0;
    for (int32_t k = 0; k < n && better < stay; k++)
        better += metric[k] > metric[i] || (metric[k] == metric[i] && k < i);
    return better < stay;
}

static void by_const(const double *metric, int32_t n, double kept, double constant, int32_t *s)
{
    const int32_t stay = n - (int32_t)floor(n * (1.0 - kept) + 1e-9);
    for (int32_t i = 0; i < n; i++) s[i] = rounded(is_best(metric, n, i, stay) ? constant : 1.0 - constant);
}

void lop_policy_scores(lop_policy_map map, const double *metric, int32_t n, double kept, double constant,
                       int32_t *s)
{
    if (n < 1) return;
    if (map == LOP_POLICY_SIGMA) by_sigma(metric, n, kept, s);
    if (map == LOP_POLICY_NORM) by_norm(metric, n, kept, s);
    if (map == LOP_POLICY_CONST) by_const(metric, n, kept, constant, s);
}
