/* policy_step.c - masks drawn by counters, losses weighed against a baseline, and probabilities moved by what they say. */
#include "core/prune/policy.h"

#include "core/base/random.h"

#include <assert.h>
#include <math.h>

#define MASK_TAG 0x4D41534Bu /* "MASK" */
#define EPSILON  1e-7        /* the authors': whitened scores of sure units */

static const double pi = 3.14159265358979323846;

/* ---- masks */

static int32_t drawn_from(const lop_policy_chance *chance, int32_t s)
{
    const int32_t most = LOP_POLICY_ONE - chance->floor;
    return s < chance->floor ? chance->floor : s > most ? most : s;
}

void lop_policy_draw(const lop_policy_chance *chance, uint32_t step, uint32_t sample, const int32_t *s,
                     int32_t n, uint8_t *keep)
{
    const uint32_t key[2] = {(uint32_t)chance->seed, (uint32_t)(chance->seed >> 32)};
    const bool inverted = chance->antithetic && sample % 2 != 0;
    for (int32_t i = 0; i < n; i += 4) {
        const uint32_t counter[4] = {(uint32_t)i / 4, inverted ? sample - 1 : sample, step, MASK_TAG};
        uint32_t words[4];
        lop_philox(counter, key, words);
        for (int32_t k = 0; k < 4 && i + k < n; k++) {
            const uint32_t word = inverted ? ~words[k] : words[k];
            keep[i + k] = word < (uint64_t)drawn_from(chance, s[i + k]) << 2;
        }
    }
}

/* ---- baselines */

/* Which losses count; how many. */
static int32_t losses_valid(const double *losses, int32_t masks, bool antithetic, bool *valid)
{
    int32_t count = 0;
    for (int32_t j = 0; j < masks; j++) valid[j] = isfinite(losses[j]);
    for (int32_t j = 0; antithetic && j + 1 < masks; j += 2)
        valid[j] = valid[j + 1] = valid[j] && valid[j + 1];
    for (int32_t j = 0; j < masks; j++) count += valid[j];
    return count;
}

/* The part of the step's own mean in a mixed baseline: tau^2 / (tau^2 + sigma^2 / K), with tau^2 from how far means were off. */
static double mix_of(const lop_policy_memory *m, int32_t masks)
{
    if (m->steps == 0 || !(m->off > 0.0)) return 1.0;
    const double mix = 1.0 - m->within / (masks * m->off);
    return mix < 0.0 ? 0.0 : mix;
}

typedef struct step_losses {
    int32_t count;
    double mean, variance;
} step_losses;

static step_losses losses_of(const double *losses, int32_t masks, const bool *valid)
{
    step_losses all = {0, 0.0, 0.0};
    for (int32_t j = 0; j < masks; j++) {
        if (!valid[j]) continue;
        all.mean += losses[j];
        all.count++;
    }
    all.mean /= all.count;
    for (int32_t j = 0; j < masks; j++)
        if (valid[j]) all.variance += (losses[j] - all.mean) * (losses[j] - all.mean) / (all.count - 1);
    return all;
}

/* What losses are held against, and what divides; moves the average on. */
static void baseline_take(lop_policy_memory *m, lop_policy_baseline kind, double rate, const step_losses *all,
                          double *baseline, double *divisor, double *mix)
{
    const double before = m->begun ? m->average : all->mean;
    const double part = kind == LOP_POLICY_MIXED ? mix_of(m, all->count) : 1.0;
    m->average = (1.0 - rate) * before + rate * all->mean;
    if (m->begun) {
        m->within += all->variance;
        m->off += (all->mean - before) * (all->mean - before);
        m->steps++;
    }
    m->begun = true;
    *mix = kind == LOP_POLICY_MOVING ? rate : part;
    *baseline = kind == LOP_POLICY_MOVING ? m->average : (1.0 - part) * before + part * all->mean;
    *divisor = kind == LOP_POLICY_MOVING ? all->count - 1 : all->count - part;
}

bool lop_policy_weigh(lop_policy_memory *memory, lop_policy_baseline baseline, double rate, bool antithetic,
                      const double *losses, int32_t masks, lop_policy_weights *out)
{
    bool valid[LOP_POLICY_MASKS_MOST];
    double against = 0.0, divisor = 1.0;
    assert(masks >= 2 && masks <= LOP_POLICY_MASKS_MOST);
    *out = (lop_policy_weights){.pairs = antithetic};
    if (losses_valid(losses, masks, antithetic, valid) < 2) return false;
    const step_losses all = losses_of(losses, masks, valid);
    baseline_take(memory, baseline, rate, &all, &against, &divisor, &out->mix);
    for (int32_t j = 0; j < masks; j++) {
        if (!valid[j]) continue;
        /* Of a pair the mean is what each is held against, whatever the baseline: its other half is not independent of it. */
        const double other = antithetic ? losses[j ^ 1] : 0.0;
        out->of[j] = antithetic ? (losses[j] - other) / all.count : (losses[j] - against) / divisor;
    }
    return true;
}

/* ---- a step */

void lop_policy_gradient(const lop_policy_step *step, const int32_t *s, int32_t first, int32_t count,
                         double *gradient)
{
    double all = 0.0;
    for (int32_t j = 0; j < step->masks; j++) all += step->weights->of[j];
    for (int32_t i = first; i < first + count; i++) {
        const double p = (double)drawn_from(step->chance, s[i]) / LOP_POLICY_ONE;
        double kept = 0.0;
        for (int32_t j = 0; j < step->masks; j++)
            if (step->keep[j][i]) kept += step->weights->of[j];
        const double whitened = (kept - p * all) / sqrt((p + EPSILON) * (1.0 - p + EPSILON));
        gradient[i] = step->weights->pairs ? whitened * (p > 0.5 ? p : 1.0 - p) : whitened;
    }
}

void lop_policy_move(int32_t *s, const double *gradient, int32_t first, int32_t count, double rate)
{
    for (int32_t i = first; i < first + count; i++) {
        const double by = rate * gradient[i],
                     most = 1.0 - 1.0 / LOP_POLICY_ONE; /* so that 2 is not reached */
        s[i] -= (int32_t)llrint((by > most ? most : by < -most ? -most : by) * LOP_POLICY_ONE);
    }
}

double lop_policy_rate(double rate, int64_t step, int64_t steps)
{
    return (double)(float)(0.5 * rate * (1.0 + cos(pi * (double)step / (double)steps)));
}
