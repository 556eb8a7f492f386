/* policy_project.c - the nearest probabilities that cost no more than a budget, by halving in whole numbers. */
#include "core/prune/policy.h"

#include <stdbool.h>

/* v is a whole number of 2^-30, or where costs differ of 2^-50, so that no step of it is too coarse for the dearest unit. */
enum { FINER = 20 };

#define SPAN ((int64_t)1 << 33) /* more than any z - 0 or z - 1 is, either way */

/* v c / 2^FINER; far beyond all z where that is more than any. */
static int64_t lowered_by(int64_t v, int32_t cost, int finer)
{
    const int64_t most = (SPAN << finer) / cost;
    if (v > most) return SPAN;
    if (v < -most) return -SPAN;
    const int64_t product = v * cost, unit = (int64_t)1 << finer;
    return product >= 0 ? product / unit : -((-product + unit - 1) / unit);
}

static int64_t clamped(int64_t z)
{
    return z < 0 ? 0 : z > LOP_POLICY_ONE ? LOP_POLICY_ONE : z;
}

/* The cost of all at v. */
static int64_t cost_at(const int32_t *z, const lop_policy_run *runs, const lop_policy_budget *b, int64_t v,
                       int finer)
{
    int64_t all = 0;
    for (int32_t r = b->first; r < b->first + b->count; r++) {
        const int64_t less = lowered_by(v, runs[r].cost, finer);
        const int32_t *at = z + runs[r].first;
        int64_t sum = 0;
        for (int32_t i = 0; i < runs[r].count; i++) sum += clamped((int64_t)at[i] - less);
        all += sum * runs[r].cost;
    }
    return all;
}

/* The least v in [low, high] whose cost is allowed; high's is. */
static int64_t halve(const int32_t *z, const lop_policy_run *runs, const lop_policy_budget *b, int64_t low,
                     int64_t high, int finer)
{
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (cost_at(z, runs, b, middle, finer) <= b->kept)
            high = middle;
        else
            low = middle + 1;
    }
    return high;
}

/* Bounds that grow around the last v: it moves little from step to step. */
static int64_t search(const int32_t *z, const lop_policy_run *runs, const lop_policy_budget *b, int64_t least,
                      int64_t from, int finer)
{
    const int64_t most = SPAN << finer;
    int64_t at = from < least ? least : from > most ? most : from, width = (int64_t)1 << (10 + finer);
    if (cost_at(z, runs, b, least, finer) <= b->kept) return least;
    if (cost_at(z, runs, b, at, finer) <= b->kept) {
        int64_t low = at;
        while (low > least && cost_at(z, runs, b, low, finer) <= b->kept) {
            at = low;
            low = low - least > width ? low - width : least;
            width *= 4;
        }
        return halve(z, runs, b, low, at, finer);
    }
    int64_t high = at;
    while (high < most && cost_at(z, runs, b, high, finer) > b->kept) {
        at = high;
        high = most - high > width ? high + width : most;
        width *= 4;
    }
    return halve(z, runs, b, at, high, finer);
}

void lop_policy_project(int32_t *z, const lop_policy_run *runs, const lop_policy_budget *budget, bool equal,
                        int64_t *from)
{
    bool alike = true;
    for (int32_t r = budget->first; r < budget->first + budget->count; r++)
        alike = alike && runs[r].cost == 1;
    const int finer = alike ? 0 : FINER;
    const int64_t least = equal ? -((int64_t)2 * LOP_POLICY_ONE << finer) : 0;
    *from = search(z, runs, budget, least, *from, finer);
    for (int32_t r = budget->first; r < budget->first + budget->count; r++) {
        const int64_t less = lowered_by(*from, runs[r].cost, finer);
        for (int32_t i = runs[r].first; i < runs[r].first + runs[r].count; i++)
            z[i] = (int32_t)clamped((int64_t)z[i] - less);
    }
}
