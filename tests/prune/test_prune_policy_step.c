/* test_prune_policy_step.c - one step of learning masks: estimators against all masks that there are, the projection against its
 * conditions, a step by hand. Golden values are those of exact fractions. */
#include "core/prune/policy.h"
#include "tests/prune/groups.h"
#include "tests/prune/policy_rig.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- estimators over all masks */

enum { UNITS_MOST = 4 };

typedef struct table {
    int n;
    double p[UNITS_MOST];         /* as they are in fixed point */
    double loss[1 << UNITS_MOST]; /* of each mask; bit i: unit i is kept */
    int32_t s[UNITS_MOST];
} table;

static double chance_of(const table *t, int mask)
{
    double p = 1.0;
    for (int i = 0; i < t->n; i++) p *= mask >> i & 1 ? t->p[i] : 1.0 - t->p[i];
    return p;
}

/* The expected loss with unit i kept less that without it, times sqrt(p (1 - p)) and what the epsilon of whitening takes. */
static double slope_of(const table *t, int i)
{
    double slope = 0.0;
    for (int mask = 0; mask < 1 << t->n; mask++)
        slope +=
            chance_of(t, mask) * t->loss[mask] * (mask >> i & 1 ? 1.0 / t->p[i] : -1.0 / (1.0 - t->p[i]));
    const double p = t->p[i], e = 1e-7;
    return slope * p * (1.0 - p) / sqrt((p + e) * (1.0 - p + e));
}

static table spec_table(void)
{
    /* Of units 1, 2, 3 the table has mask 001 as bit 2. */
    static const double loss[8] = {4.0, 3.25, 3.5, 2.5, 3.0, 2.75, 2.0, 1.5};
    table t = {.n = 3, .s = {policy_fixed(0.2), policy_fixed(0.5), policy_fixed(0.8)}};
    memcpy(t.loss, loss, sizeof loss);
    for (int i = 0; i < 3; i++) t.p[i] = policy_real(t.s[i]);
    return t;
}

static table random_table(uint64_t *seed)
{
    table t = {.n = 3};
    for (int i = 0; i < t.n; i++) t.s[i] = policy_fixed(0.1 + 0.8 * policy_draw(seed));
    for (int i = 0; i < t.n; i++) t.p[i] = policy_real(t.s[i]);
    for (int m = 0; m < 1 << t.n; m++) t.loss[m] = 1.0 + 3.0 * policy_draw(seed);
    return t;
}

typedef struct estimator {
    lop_policy_baseline baseline;
    double rate;
    lop_policy_memory memory;
    int masks;
} estimator;

static void gradient_of(const table *t, const estimator *e, const int *mask, double *gradient)
{
    const lop_policy_chance chance = {.seed = 0};
    lop_policy_memory memory = e->memory;
    lop_policy_weights weights;
    double losses[4];
    uint8_t keep[4][UNITS_MOST];
    const uint8_t *rows[4];
    for (int j = 0; j < e->masks; j++) {
        losses[j] = t->loss[mask[j]];
        for (int i = 0; i < t->n; i++) keep[j][i] = mask[j] >> i & 1;
        rows[j] = keep[j];
    }
    assert_true(lop_policy_weigh(&memory, e->baseline, e->rate, false, losses, e->masks, &weights));
    const lop_policy_step step = {&chance, &weights, rows, e->masks};
    lop_policy_gradient(&step, t->s, 0, t->n, gradient);
}

/* The expectation over all tuples of masks. */
static void expect(const table *t, const estimator *e, double *mean)
{
    const int all = 1 << t->n;
    int tuples = 1;
    for (int j = 0; j < e->masks; j++) tuples *= all;
    memset(mean, 0, UNITS_MOST * sizeof *mean);
    for (int tuple = 0; tuple < tuples; tuple++) {
        int mask[4];
        double p = 1.0, gradient[UNITS_MOST];
        for (int j = 0, left = tuple; j < e->masks; j++, left /= all) {
            mask[j] = left % all;
            p *= chance_of(t, mask[j]);
        }
        gradient_of(t, e, mask, gradient);
        for (int i = 0; i < t->n; i++) mean[i] += p * gradient[i];
    }
}

static void estimators(void **state)
{
    (void)state;
    static const double golden[] = {-.342, -.855, -.828};
    double mean[UNITS_MOST];
    table t = spec_table();
    const estimator parity = {LOP_POLICY_MOVING, 0.2, {.begun = true, .average = 2.0}, 2};
    expect(&t, &parity, mean);
    for (int i = 0; i < 3; i++) policy_near(mean[i], golden[i], 1e-6);
    uint64_t seed = 7;
    for (int round = 0; round < 6; round++) {
        t = round == 0 ? spec_table() : random_table(&seed);
        for (int masks = 2; masks <= 3; masks++) {
            const double average = 5.0 * policy_draw(&seed), rate = 0.1 + 0.4 * policy_draw(&seed);
            const estimator moving = {LOP_POLICY_MOVING, rate, {.begun = true, .average = average}, masks};
            const estimator first = {LOP_POLICY_MOVING, rate, {.begun = false}, masks};
            const estimator others = {LOP_POLICY_LEAVE_ONE_OUT, rate, moving.memory, masks};
            const estimator mixed = {LOP_POLICY_MIXED,
                                     rate,
                                     {true, average, 1.0 + policy_draw(&seed), 1.0 + policy_draw(&seed), 9},
                                     masks};
            const double factor = (masks - rate) / (masks - 1);
            expect(&t, &moving, mean);
            for (int i = 0; i < t.n; i++) policy_near(mean[i], factor * slope_of(&t, i), 1e-12);
            expect(&t, &first, mean); /* at first it is the other masks' mean */
            for (int i = 0; i < t.n; i++) policy_near(mean[i], slope_of(&t, i), 1e-12);
            expect(&t, &others, mean);
            for (int i = 0; i < t.n; i++) policy_near(mean[i], slope_of(&t, i), 1e-12);
            expect(&t, &mixed, mean);
            for (int i = 0; i < t.n; i++) policy_near(mean[i], slope_of(&t, i), 1e-12);
        }
    }
}

/* Over all thresholds that a word and its inverse can be on either side of: of unit i both, one or the other, or none. */
static void antithetic_pairs(void **state)
{
    (void)state;
    uint64_t seed = 11;
    const lop_policy_chance chance = {.antithetic = true};
    for (int round = 0; round < 5; round++) {
        const table t = round == 0 ? spec_table() : random_table(&seed);
        double mean[UNITS_MOST] = {0};
        for (int pair = 0; pair < 1 << 2 * t.n; pair++) {
            uint8_t keep[2][UNITS_MOST];
            const uint8_t *rows[] = {keep[0], keep[1]};
            double p = 1.0, losses[2], gradient[UNITS_MOST];
            int mask[2] = {0, 0};
            for (int i = 0; i < t.n; i++) {
                const int a = pair >> 2 * i & 1, b = pair >> 2 * i & 2;
                const double s = t.p[i], both = s > 0.5 ? 2.0 * s - 1.0 : 0.0,
                             none = s > 0.5 ? 0.0 : 1.0 - 2.0 * s;
                p *= a && b ? both : a || b ? (s > 0.5 ? 1.0 - s : s) : none;
                keep[0][i] = a != 0;
                keep[1][i] = b != 0;
                mask[0] |= (a != 0) << i;
                mask[1] |= (b != 0) << i;
            }
            losses[0] = t.loss[mask[0]];
            losses[1] = t.loss[mask[1]];
            lop_policy_memory memory = {.begun = false};
            lop_policy_weights weights;
            assert_true(lop_policy_weigh(&memory, LOP_POLICY_MIXED, 0.2, true, losses, 2, &weights));
            const lop_policy_step step = {&chance, &weights, rows, 2};
            lop_policy_gradient(&step, t.s, 0, t.n, gradient);
            for (int i = 0; i < t.n; i++) mean[i] += p * gradient[i];
        }
        for (int i = 0; i < t.n; i++) policy_near(mean[i], slope_of(&t, i), 1e-12);
    }
}

/* Losses that are no numbers do not count; one alone teaches nothing and is not remembered. */
static void losses_that_are_none(void **state)
{
    (void)state;
    lop_policy_memory memory = {.begun = false}, other = {.begun = false};
    lop_policy_weights a, b;
    const double three[] = {2.0, NAN, 3.0}, two[] = {2.0, 3.0}, one[] = {INFINITY, 2.0, NAN};
    assert_true(lop_policy_weigh(&memory, LOP_POLICY_MOVING, 0.2, false, three, 3, &a));
    assert_true(lop_policy_weigh(&other, LOP_POLICY_MOVING, 0.2, false, two, 2, &b));
    assert_true(a.of[0] == b.of[0] && a.of[1] == 0.0 && a.of[2] == b.of[1]);
    assert_false(lop_policy_weigh(&memory, LOP_POLICY_MOVING, 0.2, false, one, 3, &a));
    assert_memory_equal(&memory, &other, sizeof memory);
    const double pairs[] = {2.0, NAN, 3.0, 4.0};
    assert_true(lop_policy_weigh(&memory, LOP_POLICY_MIXED, 0.2, true, pairs, 4, &a));
    assert_true(a.of[0] == 0.0 && a.of[1] == 0.0 && a.of[2] == -0.5 && a.of[3] == 0.5);
}

/* Where batches differ much and masks little the mixed baseline is the step's own mean, and where masks differ much the average
 * has its part: tau^2 / (tau^2 + sigma^2 / K). */
static void mixes(void **state)
{
    (void)state;
    static const double spreads[][2] = {{0.2, 0.05}, {0.01, 0.2}, {0.1, 0.2}}; /* tau, sigma */
    for (int c = 0; c < 3; c++) {
        lop_policy_memory memory = {.begun = false};
        lop_policy_weights weights;
        uint64_t seed = 21;
        const double tau = spreads[c][0], sigma = spreads[c][1], uniform = sqrt(12.0);
        for (int step = 0; step < 40000; step++) {
            double losses[2];
            const double batch = 3.0 + tau * uniform * (policy_draw(&seed) - 0.5);
            for (int j = 0; j < 2; j++) losses[j] = batch + sigma * uniform * (policy_draw(&seed) - 0.5);
            assert_true(lop_policy_weigh(&memory, LOP_POLICY_MIXED, 0.1, false, losses, 2, &weights));
        }
        /* The average is off by its own noise too: a part rate / (2 - rate) of a mean's. */
        const double off = tau * tau + 0.1 / 1.9 * (tau * tau + sigma * sigma / 2);
        policy_near(weights.mix, off / (off + sigma * sigma / 2), 0.03);
    }
}

/* ---- projection */

static void projected(const double *z, int n, const lop_policy_run *runs, int count, double kept,
                      int32_t *out)
{
    int64_t from = 0;
    for (int i = 0; i < n; i++) out[i] = policy_fixed(z[i]);
    const lop_policy_budget budget = {0, count, (int64_t)llrint(kept * LOP_POLICY_ONE)};
    lop_policy_project(out, runs, &budget, false, &from);
}

static void projection_golden(void **state)
{
    (void)state;
    static const double z[] = {1.3, .9, .55, .4, .1, -.2};
    static const double want[][7] = {{3, 1, .9, .55, .4, .1, 0},
                                     {2, 1, 37.0 / 60, 4.0 / 15, 7.0 / 60, 0, 0},
                                     {1, .7, .3, 0, 0, 0, 0},
                                     {0, 0, 0, 0, 0, 0, 0}};
    const lop_policy_run one = {0, 6, 1}, two[] = {{0, 2, 2}, {2, 4, 1}};
    static const double weighted[] = {.83, .43, .315, .165, 0, 0};
    int32_t s[6];
    for (int c = 0; c < 4; c++) {
        projected(z, 6, &one, 1, want[c][0], s);
        for (int i = 0; i < 6; i++) policy_near(policy_real(s[i]), want[c][i + 1], 4e-9);
    }
    projected(z, 6, two, 2, 3.0, s);
    for (int i = 0; i < 6; i++) policy_near(policy_real(s[i]), weighted[i], 4e-9);
}

/* Of runs at v: what is inside is moved by v c, what is out was beyond, no more than the budget is kept, and v is the least. */
static void conditions(const int32_t *z, const int32_t *s, const lop_policy_run *runs, int count,
                       int64_t kept, int64_t v, double unit)
{
    int64_t all = 0, inside = 0;
    for (int r = 0; r < count; r++)
        for (int32_t i = runs[r].first; i < runs[r].first + runs[r].count; i++) {
            const double moved = (double)z[i] - (double)v * unit * runs[r].cost;
            all += (int64_t)s[i] * runs[r].cost;
            inside += (int64_t)runs[r].cost * (s[i] > 0 && s[i] < LOP_POLICY_ONE);
            if (s[i] > 0 && s[i] < LOP_POLICY_ONE) policy_near(s[i], moved, 1.0);
            if (s[i] == 0) assert_true(moved < 1.0);
            if (s[i] == LOP_POLICY_ONE) assert_true(moved > LOP_POLICY_ONE - 1.0);
        }
    assert_true(all <= kept);
    if (v > 0) assert_true(kept - all <= inside * (runs[0].cost > 1 || count > 1 ? 2 : 1));
}

static void projection_conditions(void **state)
{
    (void)state;
    static const int sizes[] = {1, 2, 10, 1000, 300000};
    uint64_t seed = 3;
    for (size_t c = 0; c < sizeof sizes / sizeof sizes[0]; c++) {
        const int n = sizes[c];
        int32_t *z = malloc((size_t)n * sizeof *z), *s = malloc((size_t)n * sizeof *s),
                *t = malloc((size_t)n * sizeof *t);
        assert_true(z != NULL && s != NULL && t != NULL);
        for (int costs = 0; costs < 2; costs++) {
            const lop_policy_run runs[] = {{0, n / 3, costs ? 512 : 1}, {n / 3, n - n / 3, costs ? 3 : 1}};
            const double all = costs ? 512.0 * (n / 3) + 3.0 * (n - n / 3) : n;
            const lop_policy_budget budget = {0, 2, (int64_t)(0.4 * all * LOP_POLICY_ONE)};
            int64_t v = 0, again = 0, elsewhere = (int64_t)1 << 50;
            for (int i = 0; i < n; i++) z[i] = policy_fixed(2.0 * policy_draw(&seed) - 0.5);
            memcpy(s, z, (size_t)n * sizeof *s);
            memcpy(t, z, (size_t)n * sizeof *s);
            lop_policy_project(s, runs, &budget, false, &v);
            conditions(z, s, runs, 2, budget.kept, v, costs ? 1.0 / (1 << 20) : 1.0);
            lop_policy_project(t, runs, &budget, false, &elsewhere); /* wherever the search begins */
            assert_true(v == elsewhere);
            assert_memory_equal(s, t, (size_t)n * sizeof *s);
            lop_policy_project(t, runs, &budget, false, &again); /* what is projected stays */
            assert_memory_equal(s, t, (size_t)n * sizeof *s);
            assert_true(again == 0);
        }
        free(t);
        free(s);
        free(z);
    }
}

/* Projections of two points are no further apart than these; those of a permuted point are permuted. */
static void projection_theorems(void **state)
{
    (void)state;
    enum { N = 500 };
    static int32_t x[N], y[N], px[N], py[N], turned[N];
    const lop_policy_run run = {0, N, 1};
    const lop_policy_budget budget = {0, 1, (int64_t)(0.3 * N * LOP_POLICY_ONE)};
    uint64_t seed = 9;
    for (int round = 0; round < 20; round++) {
        int64_t v = 0, w = 0, u = 0;
        double before = 0.0, after = 0.0;
        for (int i = 0; i < N; i++) {
            px[i] = x[i] = policy_fixed(1.5 * policy_draw(&seed) - 0.2);
            py[i] = y[i] = round % 2 ? x[i] + policy_fixed(0.01 * policy_draw(&seed))
                                     : policy_fixed(1.9 * policy_draw(&seed) - 0.9);
            turned[(i * 7 + 3) % N] = x[i];
        }
        lop_policy_project(px, &run, &budget, false, &v);
        lop_policy_project(py, &run, &budget, false, &w);
        lop_policy_project(turned, &run, &budget, false, &u);
        for (int i = 0; i < N; i++) {
            before += (policy_real(x[i]) - policy_real(y[i])) * (policy_real(x[i]) - policy_real(y[i]));
            after += (policy_real(px[i]) - policy_real(py[i])) * (policy_real(px[i]) - policy_real(py[i]));
            assert_int_equal(turned[(i * 7 + 3) % N], px[i]);
        }
        assert_true(sqrt(after) <= sqrt(before) + 1e-9 * N);
    }
}

static void projection_of_ties(void **state)
{
    (void)state;
    enum { N = 64 };
    static int32_t s[N];
    const lop_policy_run run = {0, N, 1};
    for (int kept = 0; kept <= N; kept += 16) {
        const lop_policy_budget budget = {0, 1, (int64_t)kept * LOP_POLICY_ONE};
        int64_t v = 0;
        for (int i = 0; i < N; i++) s[i] = policy_fixed(0.7);
        lop_policy_project(s, &run, &budget, false, &v);
        for (int i = 0; i < N; i++) assert_int_equal(s[i], s[0]);
        policy_near(policy_real(s[0]), kept / (double)N < 0.7 ? kept / (double)N : 0.7, 1e-9);
        lop_policy_project(s, &run, &budget, true, &v); /* as much as is allowed, not less */
        policy_near(policy_real(s[0]), kept / (double)N, 1e-9);
    }
}

/* ---- a step by hand */

static void one_step(void **state)
{
    (void)state;
    static const double gradient[] = {.187499941, -.749999850, -.499999844};
    static const double small[] = {.198916667, .500791667, .800291667},
                        large[] = {.091666695, .579166653, .829166652};
    static const uint8_t first[] = {1, 0, 1}, second[] = {0, 1, 1};
    static const double losses[] = {2.75, 2.0}, rates[] = {0.002, 0.2};
    const uint8_t *keep[] = {first, second};
    const lop_policy_chance chance = {.seed = 0};
    for (int c = 0; c < 2; c++) {
        lop_policy_memory memory = {.begun = true, .average = 3.0};
        lop_policy_weights weights;
        const lop_policy_step step = {&chance, &weights, keep, 2};
        const lop_policy_run run = {0, 3, 1};
        const lop_policy_budget budget = {0, 1, (int64_t)(1.5 * LOP_POLICY_ONE)};
        int32_t s[] = {policy_fixed(0.2), policy_fixed(0.5), policy_fixed(0.8)};
        double g[3];
        int64_t v = 0;
        assert_true(lop_policy_weigh(&memory, LOP_POLICY_MOVING, 0.2, false, losses, 2, &weights));
        policy_near(memory.average, 2.875, 1e-15);
        lop_policy_gradient(&step, s, 0, 3, g);
        lop_policy_move(s, g, 0, 3, rates[c]);
        lop_policy_project(s, &run, &budget, false, &v);
        for (int i = 0; i < 3; i++) policy_near(g[i], gradient[i], 2e-9);
        for (int i = 0; i < 3; i++) policy_near(policy_real(s[i]), c == 0 ? small[i] : large[i], 4e-9);
        if (c == 0) policy_near((double)v / LOP_POLICY_ONE, .000708333, 2e-9);
    }
    policy_near(lop_policy_rate(0.002, 0, 10), 0.002, 1e-10);
    policy_near(lop_policy_rate(0.002, 5, 10), 0.001, 1e-10);
    policy_near(lop_policy_rate(0.002, 10, 10), 0.0, 1e-18);
    int32_t far[] = {LOP_POLICY_ONE, 0};
    const double huge[] = {-1e300, 1e300};
    lop_policy_move(far, huge, 0, 2, 1.0);
    assert_true(far[0] > LOP_POLICY_ONE && far[1] < 0);
}

int test_prune_policy_step(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(estimators),
        cmocka_unit_test(antithetic_pairs),
        cmocka_unit_test(losses_that_are_none),
        cmocka_unit_test(mixes),
        cmocka_unit_test(projection_golden),
        cmocka_unit_test(projection_conditions),
        cmocka_unit_test(projection_theorems),
        cmocka_unit_test(projection_of_ties),
        cmocka_unit_test(one_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
