/* test_prune_sparsegpt_solve.c - SparseGPT's own code with the kernels of production on one linear: against its definition in
 * double precision, closed forms, least squares, the identity E = D R, and Hessians that are singular. */
#include "tests/prune/groups.h"
#include "tests/prune/sparsegpt_rig.h"
#include "tests/ref/ref_sparsegpt.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static double *doubles(int64_t count)
{
    double *at = calloc((size_t)count + 1, sizeof *at);
    assert_non_null(at);
    return at;
}

static void solve(solve_rig *r)
{
    prune_ok(solve_rig_run(r));
    solve_rig_damp(r);
}

/* q against `want`, row by row; the largest part of the bound that is taken. */
static double hold(const solve_rig *r, const double *want)
{
    double most = 0.0;
    const double condition = ref_condition(r->n, r->h);
    for (int32_t row = 0; row < r->rows; row++) {
        double sum = 0.0;
        for (int64_t i = (int64_t)row * r->n; i < (int64_t)(row + 1) * r->n; i++)
            sum += ((double)r->q[i] - want[i]) * ((double)r->q[i] - want[i]);
        most = fmax(most, sqrt(sum) / solve_rig_bound(r, condition, row));
    }
    assert_true(most <= 1.0);
    return most;
}

static int64_t dropped(const solve_rig *r)
{
    int64_t count = 0;
    for (int64_t i = 0; i < (int64_t)r->rows * r->n; i++) count += !r->kept[i];
    return count;
}

/* ---- the definition */

typedef struct shape {
    int32_t rows, n, panel, keep, group;
    double ratio;
    bool exact;
} shape;

static void same_as_defined(const shape *s, uint64_t seed)
{
    solve_rig r;
    solve_rig_open(&r, s->rows, s->n, RIG_USUAL, seed);
    r.options.panel = s->panel;
    r.target = (lop_target){.ratio = s->ratio, .keep = s->keep, .group = s->group, .exact = s->exact};
    solve(&r);
    const ref_sparsegpt how = {.rows = s->rows,
                               .n = s->n,
                               .panel = s->panel,
                               .keep = s->keep,
                               .group = s->group,
                               .ratio = s->ratio,
                               .exact = s->exact,
                               .chooses = true};
    const int64_t weights = (int64_t)s->rows * s->n;
    double *w = doubles(weights);
    bool *kept = calloc((size_t)weights, sizeof *kept);
    assert_non_null(kept);
    for (int64_t i = 0; i < weights; i++) w[i] = (double)r.w[i];
    ref_sparsegpt_solve(&how, r.h, w, kept);
    assert_memory_equal(r.kept, kept, (size_t)weights * sizeof *kept);
    const double part = hold(&r, w);
    for (int64_t i = 0; i < weights; i++) assert_true(r.kept[i] || r.q[i] == 0.0f);
    if (s->exact && s->group == 0)
        assert_int_equal(dropped(&r), (int64_t)nearbyint((double)weights * s->ratio));
    print_message("%d x %d, panels of %d, %d:%d, %g: %.2g of the bound\n", s->rows, s->n, s->panel, s->keep,
                  s->group, s->ratio, part);
    free(kept);
    free(w);
    solve_rig_close(&r);
}

static void definition(void **state)
{
    (void)state;
    static const shape shapes[] = {
        {1, 8, 8, 0, 0, 0.5, true},         {5, 8, 128, 0, 0, 0.3, true},
        {7, 40, 16, 0, 0, 0.5, true},       {7, 40, 16, 0, 0, 0.5, false},
        {3, 37, 8, 0, 0, 0.7, true},        {9, 33, 24, 0, 0, 0.7, false},
        {6, 32, 8, 2, 4, 0.5, true},        {6, 40, 16, 4, 8, 0.5, true},
        {4, 36, 24, 1, 4, 0.75, false},     {4, 30, 48, 2, 3, 1.0 / 3.0, true},
        {3, 24, 24, 5, 6, 1.0 / 6.0, true}, {5, 29, 16, 0, 0, 0.0, true},
        {5, 29, 16, 0, 0, 0.0, false},      {5, 29, 16, 0, 0, 0.99, true},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) same_as_defined(&shapes[i], 100 + i);
}

/* ---- closed forms */

/* What goes stands left of what stays: then making up to the right is all there is, and the result the least squares. */
static void prefixes(void **state)
{
    (void)state;
    for (int32_t k = 1; k < 24; k += 5) {
        solve_rig r;
        double want[3 * 24], row[24];
        solve_rig_open(&r, 3, 24, RIG_USUAL, (uint64_t)k);
        r.options.chooses = false;
        for (int32_t i = 0; i < 3 * 24; i++) r.kept[i] = i % 24 >= k;
        solve(&r);
        for (int32_t i = 0; i < 3; i++) {
            for (int32_t c = 0; c < 24; c++) row[c] = (double)r.w[i * 24 + c];
            ref_least_squares(24, r.h, row, &r.kept[i * 24], &want[i * 24]);
        }
        (void)hold(&r, want);
        solve_rig_close(&r);
    }
}

/* With D what weights have lost, D R is the error that each column passes on: 0 where a weight stays, in all its squares what is
 * reported. */
static void error_identity(const solve_rig *r)
{
    const int64_t n = r->n;
    const double condition = ref_condition(r->n, r->h);
    double *right = doubles(n * n), length = 0.0, sum = 0.0, most = 0.0;
    ref_right_factor(r->n, r->h, right);
    for (int64_t i = 0; i < n * n; i++) length += right[i] * right[i];
    for (int32_t row = 0; row < r->rows; row++) {
        const double bound = solve_rig_bound(r, condition, row) * sqrt(length);
        for (int64_t c = 0; c < n; c++) {
            double e = 0.0;
            for (int64_t j = 0; j <= c; j++)
                e += ((double)r->w[row * n + j] - (double)r->q[row * n + j]) * right[j * n + c];
            if (r->kept[row * n + c])
                most = fmax(most, fabs(e) / bound);
            else
                sum += e * e;
        }
    }
    print_message("%d x %d: errors of kept weights %.2g of the bound, error %.9g, reported %.9g\n", r->rows,
                  r->n, most, sum, r->error);
    assert_true(most <= 1.0);
    assert_true(fabs(sum - r->error) <= 1e-4 * sum);
    free(right);
}

/* Beyond the columns of a lazy product, and whatever the panels. */
static void identities(void **state)
{
    (void)state;
    static const int32_t panels[] = {128, 512, 72};
    for (int i = 0; i < 3; i++) {
        solve_rig r;
        solve_rig_open(&r, 4, 600, RIG_USUAL, 7);
        r.options.panel = panels[i];
        solve(&r);
        error_identity(&r);
        r.target = (lop_target){.ratio = 0.5, .keep = 4, .group = 8, .exact = true};
        solve(&r);
        error_identity(&r);
        r.options.chooses = false;
        for (int32_t j = 0; j < r.rows * r.n; j++) r.kept[j] = (j * 7 + j / 11) % 3 != 0;
        solve(&r);
        error_identity(&r);
        solve_rig_close(&r);
    }
}

/* ---- by brute force */

typedef struct losses {
    double masked, solved, squares, best;
} losses;

/* Of one row of eight columns under 2:4: only masked, SparseGPT's, least squares on its mask, the best mask's. */
static losses losses_of(uint64_t seed)
{
    solve_rig r;
    losses l = {.best = INFINITY};
    double w[8], q[8], d[8];
    solve_rig_open(&r, 1, 8, RIG_USUAL, seed);
    r.target = (lop_target){.ratio = 0.5, .keep = 2, .group = 4, .exact = true};
    solve(&r);
    for (int c = 0; c < 8; c++) w[c] = (double)r.w[c], d[c] = r.kept[c] ? 0.0 : w[c];
    l.masked = ref_quadratic(8, r.h, d);
    for (int c = 0; c < 8; c++) d[c] = w[c] - (double)r.q[c];
    l.solved = ref_quadratic(8, r.h, d);
    ref_least_squares(8, r.h, w, r.kept, q);
    for (int c = 0; c < 8; c++) d[c] = w[c] - q[c];
    l.squares = ref_quadratic(8, r.h, d);
    for (unsigned bits = 0; bits < 256; bits++) {
        bool kept[8];
        if (__builtin_popcount(bits & 15u) != 2 || __builtin_popcount(bits >> 4) != 2) continue;
        for (int c = 0; c < 8; c++) kept[c] = (bits >> c & 1u) != 0;
        ref_least_squares(8, r.h, w, kept, q);
        for (int c = 0; c < 8; c++) d[c] = w[c] - q[c];
        l.best = fmin(l.best, ref_quadratic(8, r.h, d));
    }
    solve_rig_close(&r);
    return l;
}

static void brute_force(void **state)
{
    (void)state;
    losses sum = {0};
    for (uint64_t seed = 1; seed <= 100; seed++) {
        const losses l = losses_of(seed);
        const double rounding = 1e-5 * l.masked;
        assert_true(l.solved >= l.squares - rounding && l.squares >= l.best - rounding);
        sum.masked += l.masked;
        sum.solved += l.solved;
        sum.squares += l.squares;
        sum.best += l.best;
    }
    print_message("masked %.4f, solved %.4f, least squares on that mask %.4f, on the best %.4f\n",
                  sum.masked / 100, sum.solved / 100, sum.squares / 100, sum.best / 100);
    assert_true(sum.solved < sum.masked);
}

/* ---- special Hessians */

/* Inputs that have nothing in common make up for nothing: Wanda's choice, and what stays is what it was. */
static void orthogonal(void **state)
{
    (void)state;
    for (int pattern = 0; pattern < 2; pattern++) {
        solve_rig r;
        solve_rig_open(&r, pattern ? 6 : 1, 32, RIG_ORTHOGONAL, 3);
        r.options.damping = 0.0;
        r.options.panel = 32;
        if (pattern) r.target = (lop_target){.ratio = 0.5, .keep = 2, .group = 4, .exact = true};
        solve(&r);
        for (int32_t row = 0; row < r.rows; row++)
            for (int32_t c = 0; c < r.n; c++) {
                const int32_t group = pattern ? 4 : r.n, first = c / group * group, at = row * r.n;
                int32_t below = 0;
                for (int32_t j = first; j < first + group; j++)
                    below += (double)(r.w[at + j] * r.w[at + j]) * r.h[j * (r.n + 1)] <
                             (double)(r.w[at + c] * r.w[at + c]) * r.h[c * (r.n + 1)];
                assert_true(r.kept[at + c] == (below >= group / 2));
                assert_true(r.q[at + c] == (r.kept[at + c] ? r.w[at + c] : 0.0f));
            }
        solve_rig_close(&r);
    }
}

/* H by a power of two is the same problem, to the bit. */
static void any_scale(void **state)
{
    (void)state;
    static const float scales[] = {0x1p-24f, 0x1p20f};
    solve_rig r;
    solve_rig_open(&r, 9, 40, RIG_USUAL, 5);
    solve(&r);
    float *first = calloc(9 * 40, sizeof *first);
    assert_non_null(first);
    memcpy(first, r.q, 9 * 40 * sizeof *first);
    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < 40 * 40; j++) r.gram[j] *= scales[i];
        prune_ok(solve_rig_run(&r));
        assert_memory_equal(first, r.q, 9 * 40 * sizeof *first);
    }
    free(first);
    solve_rig_close(&r);
}

static void numbers_all(const solve_rig *r)
{
    for (int32_t i = 0; i < r->rows * r->n; i++) assert_true(isfinite(r->q[i]));
}

/* Weights on inputs that never are go first, the least of them before the others; what an exact budget spares is as it was. */
static void dead_columns(void **state)
{
    (void)state;
    static const double ratios[] = {0.3, 0.6};
    for (int i = 0; i < 2; i++) {
        solve_rig r;
        solve_rig_open(&r, 8, 40, RIG_DEAD, 11);
        r.target.ratio = ratios[i];
        prune_ok(solve_rig_run(&r));
        numbers_all(&r);
        assert_int_equal(r.factor.dead, 20);
        assert_int_equal(r.factor.escalations, 0);
        assert_int_equal(dropped(&r), (int64_t)nearbyint(320 * ratios[i]));
        for (int32_t at = 0; at < 320; at++) {
            const bool dead = at % 2 != 0;
            if (dead && r.kept[at]) assert_true(r.q[at] == r.w[at]);
            assert_true(ratios[i] > 0.5 ? !dead || !r.kept[at] : dead || r.kept[at]);
        }
        solve_rig_close(&r);
    }
}

static void nothing_seen(void **state)
{
    (void)state;
    solve_rig r;
    float most_dropped = 0.0f, least_kept = 1.0f;
    solve_rig_open(&r, 8, 40, RIG_NOTHING, 12);
    prune_ok(solve_rig_run(&r));
    assert_int_equal(r.factor.dead, 40);
    for (int32_t i = 0; i < 320; i++) {
        const float size = fabsf(r.w[i]);
        assert_true(r.q[i] == (r.kept[i] ? r.w[i] : 0.0f));
        if (r.kept[i])
            least_kept = fminf(least_kept, size);
        else
            most_dropped = fmaxf(most_dropped, size);
    }
    assert_int_equal(dropped(&r), 160);
    assert_true(most_dropped <= least_kept);
    solve_rig_close(&r);
}

/* Damping makes a singular Hessian one that can be factored; without any it grows from what follows 0. */
static void singular(void **state)
{
    (void)state;
    static const rig_inputs kinds[] = {RIG_TWINS, RIG_FEW};
    for (int i = 0; i < 4; i++) {
        solve_rig r;
        solve_rig_open(&r, 6, 64, kinds[i / 2], 21);
        r.options.damping = i % 2 == 0 ? 0.01 : 0.0;
        solve(&r);
        numbers_all(&r);
        print_message("damping %g after %d tries\n", r.factor.damping, r.factor.escalations);
        assert_true((r.factor.escalations > 0) == (i % 2 != 0));
        assert_true(r.factor.damping >= 0.001 && dropped(&r) == 192);
        error_identity(&r);
        solve_rig_close(&r);
    }
}

static void not_a_number(void **state)
{
    (void)state;
    solve_rig r;
    solve_rig_open(&r, 3, 16, RIG_USUAL, 31);
    r.gram[9 * 16 + 4] = NAN;
    prune_fails(solve_rig_run(&r), LOP_E_NUMERIC, "the Hessian of linear cannot be factored");
    solve_rig_close(&r);
}

/* Of two equal columns one goes and the other takes its weight: twice as much as f16 can hold. */
static void beyond_the_word(void **state)
{
    (void)state;
    static const struct {
        lop_type word;
        float weight;
        bool holds;
    } cases[] = {
        {LOP_F32, 6e4f, true}, {LOP_BF16, 6e4f, true}, {LOP_F16, 1e4f, true}, {LOP_F16, 6e4f, false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        solve_rig r;
        solve_rig_open(&r, 3, 16, RIG_TWINS, 41);
        r.word = cases[i].word;
        for (int32_t k = 0; k < r.rows * r.n; k++) r.w[k] = cases[i].weight;
        if (cases[i].holds)
            solve(&r);
        else
            prune_fails(solve_rig_run(&r), LOP_E_NUMERIC,
                        "compensated weights of linear leave the range of f16");
        solve_rig_close(&r);
    }
}

int test_prune_sparsegpt_solve(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(definition),   cmocka_unit_test(prefixes),        cmocka_unit_test(identities),
        cmocka_unit_test(brute_force),  cmocka_unit_test(orthogonal),      cmocka_unit_test(any_scale),
        cmocka_unit_test(dead_columns), cmocka_unit_test(nothing_seen),    cmocka_unit_test(singular),
        cmocka_unit_test(not_a_number), cmocka_unit_test(beyond_the_word),
    };
    return cmocka_run_group_tests_name("sparsegpt solve", tests, NULL, NULL);
}
