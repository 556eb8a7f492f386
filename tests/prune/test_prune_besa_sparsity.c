/* test_prune_besa_sparsity.c - how much BESA takes: the exact budget of rows on its own, and blocks of the tiny trained model
 * at 30 to 90 %. */
#include "core/prune/besa_parts.h"
#include "tests/prune/groups.h"
#include "tests/prune/prune_rig.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- the budget of rows */

enum { ROWS = 97 };

static double draw(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (double)(*seed >> 11) * 0x1p-53;
}

/* Rows of two widths; counts as the learner has them, or, as its threshold rule may, anywhere. */
static int64_t rows_make(uint64_t *seed, double spread, bool anywhere, lop_besa_row *rows)
{
    int64_t all = 0;
    for (int r = 0; r < ROWS; r++) {
        const double alpha = fmin(fmax(0.5 + spread * (draw(seed) - 0.5), 0.0), 1.0);
        const int32_t cols = r % 3 == 0 ? 384 : 128;
        const double count = anywhere ? draw(seed) * cols : alpha * cols + 1e-3;
        rows[r] = (lop_besa_row){alpha, cols, (uint32_t)fmin(floor(count), cols)};
        all += cols;
    }
    return all;
}

static int64_t sum_of(const lop_besa_row *rows)
{
    int64_t sum = 0;
    for (int r = 0; r < ROWS; r++) sum += rows[r].count;
    return sum;
}

/* There is one shift from which every row is less than a weight away, but for what its bounds take: from its old count to
 * its last weight where some were missing, else from none. */
static void check_shift(const lop_besa_row *before, const lop_besa_row *after, bool up)
{
    const double rounding = 1e-9;
    double low = -1.0, high = 1.0;
    for (int r = 0; r < ROWS; r++) {
        const double n = after[r].count, cols = after[r].cols, alpha = after[r].alpha;
        const double least = up ? before[r].count : 0.0, most = up ? cols : before[r].count;
        assert_true(n >= least && n <= most);
        if (n > least) low = fmax(low, (n - 1.0) / cols - alpha - rounding);
        if (n < most) high = fmin(high, (n + 1.0) / cols - alpha + rounding);
    }
    assert_true(low <= high);
}

static void check_budget(const lop_besa_row *before, int64_t want)
{
    lop_besa_row after[ROWS];
    int64_t moved = 0;
    memcpy(after, before, sizeof after);
    const int64_t have = sum_of(before);
    prune_ok(lop_besa_budget(after, ROWS, want));
    for (int r = 0; r < ROWS; r++) moved += labs((long)after[r].count - (long)before[r].count);
    assert_int_equal(sum_of(after), want);
    assert_int_equal(moved, llabs((long long)(want - have)));
    check_shift(before, after, want >= have);
}

static void budgets_of_rows(void **state)
{
    (void)state;
    uint64_t seed = 3;
    for (int turn = 0; turn < 60; turn++) {
        lop_besa_row rows[ROWS];
        const int64_t all = rows_make(&seed, (turn % 7) / 6.0 * 1.4, turn % 3 == 2, rows);
        for (int percent = 0; percent <= 100; percent += 10) check_budget(rows, all * percent / 100);
        for (int i = -3; i <= 3; i++) check_budget(rows, sum_of(rows) + i);
        check_budget(rows, (int64_t)(draw(&seed) * (double)all));
    }
}

/* Shares 3.5, 3.5 and 5.2 of ten: with one missing the earlier of equals gets it; with one too many the row that is least
 * above its count gives it back. */
static void budgets_by_hand(void **state)
{
    (void)state;
    const lop_besa_row start[3] = {{0.35, 10, 3}, {0.35, 10, 3}, {0.52, 10, 5}};
    static const struct {
        int64_t want;
        uint32_t count[3];
    } cases[] = {{11, {3, 3, 5}}, {12, {4, 3, 5}},    {13, {4, 4, 5}},  {10, {3, 3, 4}},
                 {0, {0, 0, 0}},  {30, {10, 10, 10}}, {29, {10, 9, 10}}};
    lop_besa_row rows[3];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        memcpy(rows, start, sizeof rows);
        prune_ok(lop_besa_budget(rows, 3, cases[i].want));
        for (int r = 0; r < 3; r++) assert_int_equal(rows[r].count, cases[i].count[r]);
    }
    prune_fails(lop_besa_budget(rows, 3, -1), LOP_E_ARGUMENT, "of 30");
    prune_fails(lop_besa_budget(rows, 3, 31), LOP_E_ARGUMENT, "31 weights");
    prune_ok(lop_besa_budget(rows, 0, 0));
}

/* ---- of a trained model's blocks */

static json_t *tiny_report(const char *ratio, const char *exact)
{
    char scratch[64], save[96];
    scratch_open(scratch);
    (void)snprintf(save, sizeof save, "%s/out", scratch);
    const prune_try t = {.model = LOP_SOURCE_DIR "/tests/data/tiny-llama",
                         .method = "besa",
                         .save = save,
                         .settings = {{"calib", LOP_SOURCE_DIR "/tests/golden/tiny-llama/calib_32x256.i32"},
                                      {"nsamples", "32"},
                                      {"seqlen", "256"},
                                      {"sparsity-ratio", ratio},
                                      {"exact-budget", exact}}};
    json_t *report = prune_report(&t);
    scratch_close(scratch);
    return report;
}

/* What of a block's weights is zero, and how many there are. */
static double zeros_of(const json_t *block, double *weights)
{
    double zeros = 0.0;
    size_t i;
    const json_t *line;
    *weights = 0.0;
    json_array_foreach(json_object_get(block, "linears"), i, line)
    {
        const json_t *shape = json_object_get(line, "shape");
        zeros += json_at(line, "zeros");
        *weights += json_number_value(json_array_get(shape, 0)) * json_number_value(json_array_get(shape, 1));
    }
    return zeros;
}

static void exact_budgets(void **state)
{
    (void)state;
    static const char *const ratios[] = {"0.3", "0.5", "0.7"};
    for (int i = 0; i < 3; i++) {
        json_t *report = tiny_report(ratios[i], "on"), *block;
        size_t b;
        json_array_foreach(json_object_get(report, "blocks"), b, block)
        {
            double weights, zeros = zeros_of(block, &weights);
            const double moved = json_at(block, "learn.moved");
            print_message("%s, block %zu: %.0f of %.0f are zero, %.0f by the cut\n", ratios[i], b, zeros,
                          weights, moved);
            assert_true(zeros == nearbyint(weights * strtod(ratios[i], NULL)));
            if (i == 1) assert_true(moved < 0.01 * weights);
        }
        json_decref(report);
    }
}

/* Where a tilted line follows they end on the target, as near as its floats can say. */
static void learned_sparsities(void **state)
{
    (void)state;
    static const char *const ratios[] = {"0.5", "0.7", "0.9"};
    static const double within[] = {0.01, 1e-6, 0.01};
    bool good = true;
    for (int i = 0; i < 3; i++) {
        json_t *report = tiny_report(ratios[i], "off"), *block;
        size_t b;
        json_array_foreach(json_object_get(report, "blocks"), b, block)
        {
            const double expected = json_at(block, "learn.expected");
            print_message("%s, block %zu: %.7f\n", ratios[i], b, expected);
            good = good && fabs(expected - strtod(ratios[i], NULL)) <= within[i];
        }
        json_decref(report);
    }
    assert_true(good);
}

int test_prune_besa_sparsity(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(budgets_of_rows),
        cmocka_unit_test(budgets_by_hand),
        cmocka_unit_test(exact_budgets),
        cmocka_unit_test(learned_sparsities),
    };
    return cmocka_run_group_tests_name("besa sparsity", tests, NULL, NULL);
}
