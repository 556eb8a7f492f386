/* check_besa.c - BESA's reference against what can be done by hand: one row from beginning to end, closed forms, an
 * optimizer's published steps, what must not change, and exact budgets. */
#include "tests/ref/checks.h"
#include "tests/ref/ref_besa.h"
#include "tests/ref/ref_learn.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Numbers in (-1, 1) that do not repeat soon. */
static void fill(int n, double phase, double *x)
{
    for (int i = 0; i < n; i++) x[i] = sin(1.7 * i + phase + 0.3 * (double)i * i);
}

static int near(double a, double b)
{
    return fabs(a - b) <= 1e-12 * (1.0 + fabs(b));
}

/* One row of four weights, rates 0, 1/2 and 1, logits 0. */
void besa_by_hand(void **state)
{
    (void)state;
    enum { C = 4, B = 2 };
    const double w[C] = {3.0, -1.0, 2.0, 0.5}, sum_sq[C] = {1.0, 4.0, 1.0, 64.0}, theta[B + 1] = {0};
    const int32_t order[C] = {1, 2, 0, 3}; /* scores 3, 2, 2, 4 */
    const uint8_t keep[C] = {1, 0, 0, 1};
    double beta[B + 1], g[C], h[B] = {0}, dy = 0.0;
    int32_t got_order[C];
    uint8_t got_keep[C];
    ref_besa_order(1, C, w, sum_sq, got_order);
    assert_memory_equal(got_order, order, sizeof order);
    ref_besa_simplex(REF_SOFTMAX, B, NULL, theta, beta);
    for (int q = 0; q <= B; q++) assert_true(near(beta[q], 1.0 / 3.0));
    const int count = ref_besa_count(ref_besa_alpha(B, beta), C);
    assert_int_equal(count, 2);
    ref_besa_keep(C, got_order, count, got_keep);
    assert_memory_equal(got_keep, keep, sizeof keep);
    /* All inputs are 1: the dense row gives 4.5, the pruned one 3.5. */
    const double dense = 4.5, pruned = 3.5;
    assert_true(near(ref_error(1, 1, &dense, &pruned, NULL, &dy), 1.0) && near(dy, -2.0));
    for (int c = 0; c < C; c++) g[c] = dy * w[c];
    ref_besa_buckets(1, C, B, got_order, g, h);
    assert_true(near(h[0], -2.0) && near(h[1], -7.0));
    const double level[B + 1] = {0}, plain[B + 1] = {-11.0 / 9.0, -5.0 / 9.0, 16.0 / 9.0};
    for (int map = REF_SOFTMAX; map <= REF_SOFTMAX_TILTED; map++) {
        double dtheta[B + 1] = {0};
        ref_besa_back((ref_map)map, B, level, theta, h, 0.0, dtheta);
        for (int q = 0; q <= B; q++)
            assert_true(near(dtheta[q], plain[q] * (map == REF_SOFTMAX ? 1.0 : 0.25)));
    }
    const double nothing[B] = {0};
    double ds, dtheta[B + 1] = {0};
    assert_true(near(ref_penalty(0.5, 0.4, 5.0, &ds), 0.3125) && near(ds, 6.25));
    ref_besa_back(REF_SOFTMAX, B, NULL, theta, nothing, ds, dtheta);
    assert_true(near(dtheta[0], -6.25 / 6.0) && near(dtheta[1], 0.0) && near(dtheta[2], 6.25 / 6.0));
}

/* How far a row's rate goes from the tilted target: a step up somewhere in the sigmoids goes furthest. */
static void tilted_reach(double target, double least, double most)
{
    enum { B = 100 };
    double line[B + 1], theta[B + 1] = {0}, beta[B + 1], low = 1.0, high = 0.0;
    ref_besa_start(B, target, line);
    ref_besa_simplex(REF_SOFTMAX_TILTED, B, line, theta, beta);
    assert_true(near(ref_besa_alpha(B, beta), target));
    for (int at = 0; at <= B; at++) {
        for (int sign = -1; sign <= 1; sign += 2) {
            for (int q = 0; q <= B; q++) theta[q] = (q > at ? 50.0 : -50.0) * sign;
            ref_besa_simplex(REF_SOFTMAX_TILTED, B, line, theta, beta);
            low = fmin(low, ref_besa_alpha(B, beta));
            high = fmax(high, ref_besa_alpha(B, beta));
        }
    }
    assert_true(fabs(low - least) < 1e-5 && fabs(high - most) < 1e-5);
}

void besa_closed_forms(void **state)
{
    (void)state;
    enum { B = 100, C = 100 };
    double theta[B + 1] = {0}, beta[B + 1], line[B + 1] = {0};
    for (int map = REF_SOFTMAX; map <= REF_SOFTMAX_TILTED; map++) {
        ref_besa_simplex((ref_map)map, B, line, theta, beta);
        for (int k = 0; k < C; k++) assert_true(near(ref_besa_pruned(B, C, beta, k), (100.0 - k) / 101.0));
        assert_true(near(ref_besa_alpha(B, beta), 0.5));
        assert_int_equal(ref_besa_count(ref_besa_alpha(B, beta), C), 50);
        assert_int_equal(ref_besa_count_threshold(B, C, beta), 50);
    }
    /* How far the sigmoid lets alpha go. */
    for (int q = 0; q <= B; q++) theta[q] = q > B - 38 ? 50.0 : -50.0;
    ref_besa_simplex(REF_SOFTMAX_SIGMOID, B, NULL, theta, beta);
    assert_true(fabs(ref_besa_alpha(B, beta) - 0.6236830) < 1e-7);
    for (int q = 0; q <= B; q++) theta[q] = q < 38 ? 50.0 : -50.0;
    ref_besa_simplex(REF_SOFTMAX_SIGMOID, B, NULL, theta, beta);
    assert_true(fabs(ref_besa_alpha(B, beta) - 0.3763170) < 1e-7);
    tilted_reach(0.7, 0.58988, 0.79192);
    tilted_reach(0.9, 0.85631, 0.93360);
    /* Where the two rules part. */
    double half[11] = {[3] = 0.5, [9] = 0.5};
    assert_int_equal(ref_besa_count(ref_besa_alpha(10, half), 10), 6);
    assert_int_equal(ref_besa_count_threshold(10, 10, half), 3);
    /* What starts rates without steps; a hundred steps make their variance 2 % larger. */
    static const double starts[][2] = {{0.6, 1.23}, {0.7, 2.67}, {0.5, 0.0}, {0.95, NAN}};
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        ref_besa_start(B, starts[i][0], theta);
        ref_besa_simplex(REF_SOFTMAX, B, NULL, theta, beta);
        assert_true(near(ref_besa_alpha(B, beta), starts[i][0]));
        assert_true(isnan(starts[i][1]) || fabs(theta[B] - starts[i][1]) < 0.03 * starts[i][1] + 1e-9);
    }
    static const int widths[] = {128, 384, 4096, 5120, 11008};
    for (size_t i = 0; i < sizeof widths / sizeof widths[0]; i++)
        for (int q = 0; q <= B; q++) {
            const int edge = ref_besa_edge(widths[i], B, q);
            assert_true(edge * B <= widths[i] * q && (edge + 1) * B > widths[i] * q);
        }
}

/* Steps 1, 2, 3, 4, 5 and 10 of two parameters under the gradient (1, -2). */
void besa_prodigy(void **state)
{
    (void)state;
    static const struct {
        double d_coef, d[6], x[6];
    } known[] = {
        {1.0,
         {1.0e-6, 1.581533979e-06, 4.822407776e-06, 1.349609215e-05, 3.450968834e-05, 3.873921462e-03},
         {-3.162276660e-06, -7.411866845e-06, -1.517352888e-05, -3.770989197e-05, -9.811049514e-05,
          -1.104695193e-02}},
        {5.0,
         {1.0e-6, 7.907669896e-06, 3.615648560e-05, 1.796755483e-04, 8.499841313e-04, 2.213893045},
         {-3.162276660e-06, -7.411860832e-06, -3.735124453e-05, -1.756904683e-04, -8.570995629e-04,
          -2.206699239}}};
    const double g[2] = {1.0, -2.0};
    for (int i = 0; i < 2; i++) {
        double x[2] = {0.0, 0.0}, moved[2] = {7.0, -3.0};
        ref_prodigy p, from;
        ref_prodigy_open(&p, 2, known[i].d_coef, x);
        ref_prodigy_open(&from, 2, known[i].d_coef, moved);
        for (int step = 1, row = 0; step <= 10; step++) {
            ref_prodigy_step(&p, 1.0, g, x);
            ref_prodigy_step(&from, 1.0, g, moved);
            if (step > 5 && step < 10) continue;
            assert_true(fabs(p.d / known[i].d[row] - 1.0) < 1e-9);
            assert_true(fabs(x[0] / known[i].x[row++] - 1.0) < 1e-9);
        }
        assert_true(fabs(moved[0] - 7.0 - x[0]) < 1e-9 && fabs(moved[1] + 3.0 - x[1]) < 1e-9);
        ref_prodigy_close(&from);
        ref_prodigy_close(&p);
    }
}

/* A constant gradient moves every coordinate by lr each step, after the decay. */
void besa_adamw(void **state)
{
    (void)state;
    const double g[2] = {3.0, -0.5};
    double x[2] = {1.0, 2.0}, want[2] = {1.0, 2.0};
    ref_adamw a;
    ref_adamw_open(&a, 2, 0.1);
    for (int step = 0; step < 50; step++) {
        ref_adamw_step(&a, 0.01, g, x);
        for (int i = 0; i < 2; i++) {
            want[i] = want[i] * (1.0 - 0.01 * 0.1) - 0.01 * g[i] / (fabs(g[i]) + 1e-8);
            assert_true(near(x[i], want[i]));
        }
    }
    ref_adamw_close(&a);
}

/* -------------------------------------------------------------------------------- what must hold */

static void simplex_check(ref_map map, int B, int C, const double *theta)
{
    double line[101], beta[101], shifted[101], again[101], sum = 0.0, covered = 0.0, places = 0.0,
                                                           before = 1.0;
    ref_besa_start(B, 0.8, line);
    ref_besa_simplex(map, B, line, theta, beta);
    for (int q = 0; q <= B; q++) {
        sum += beta[q];
        covered += beta[q] * ref_besa_edge(C, B, q);
        shifted[q] = theta[q] + 3.0;
    }
    for (int k = 0; k < C; k++) {
        const double p = ref_besa_pruned(B, C, beta, k);
        assert_true(p <= before + 1e-12);
        places += before = p;
    }
    assert_true(near(sum, 1.0) && near(places, covered));
    ref_besa_simplex(map, B, line, shifted, again);
    for (int q = 0; map == REF_SOFTMAX && q <= B; q++) assert_true(near(again[q], beta[q]));
    const double alpha = ref_besa_alpha(B, beta);
    assert_in_range(ref_besa_count(alpha, C), (int)floor(alpha * C), (int)floor(alpha * C + 1e-3));
}

void besa_invariants(void **state)
{
    (void)state;
    static const int widths[] = {1, 7, 100, 128, 130, 384};
    double theta[101];
    for (size_t i = 0; i < sizeof widths / sizeof widths[0]; i++)
        for (int seed = 0; seed < 5; seed++) {
            fill(101, seed, theta);
            for (int q = 0; q <= 100; q++) theta[q] *= 3.0 * seed;
            simplex_check(REF_SOFTMAX, 100, widths[i], theta);
            simplex_check(REF_SOFTMAX_SIGMOID, 100, widths[i], theta);
            simplex_check(REF_SOFTMAX_TILTED, 100, widths[i], theta);
            simplex_check(REF_SOFTMAX, 10, widths[i], theta);
        }
}

void besa_order_and_masks(void **state)
{
    (void)state;
    enum { R = 5, C = 40 };
    double w[R * C], sum_sq[C], scaled[R * C];
    int32_t order[R * C], again[R * C];
    fill(R * C, 0.2, w), fill(C, 1.2, sum_sq);
    for (int c = 0; c < C; c++) sum_sq[c] *= sum_sq[c];
    for (int i = 0; i < R * C; i++) w[i] = floor(8.0 * w[i]) / 8.0; /* many ties where sum_sq is equal */
    for (int c = 0; c < C; c += 2) sum_sq[c + 1] = sum_sq[c];
    for (int i = 0; i < R * C; i++) scaled[i] = w[i] * (double)(1 << (i / C));
    ref_besa_order(R, C, w, sum_sq, order);
    ref_besa_order(R, C, scaled, sum_sq, again);
    assert_memory_equal(order, again, sizeof order);
    for (int r = 0; r < R; r++) {
        uint8_t before[C], keep[C];
        memset(before, 1, sizeof before);
        for (int k = 0; k + 1 < C; k++) {
            const int a = order[r * C + k], b = order[r * C + k + 1];
            const float x = (float)(fabs(w[r * C + a]) * sqrt(sum_sq[a]));
            const float y = (float)(fabs(w[r * C + b]) * sqrt(sum_sq[b]));
            assert_true(x < y || (x == y && a < b));
        }
        for (int count = 0; count <= C; count++) {
            int zeros = 0;
            ref_besa_keep(C, order + r * C, count, keep);
            for (int c = 0; c < C; c++) {
                zeros += !keep[c];
                assert_true(keep[c] <= before[c]); /* what went stays gone */
            }
            assert_int_equal(zeros, count);
            memcpy(before, keep, sizeof keep);
        }
    }
}

/* Sums by bucket against a weight's own rank; a group's are those of its rows; the gradient of the simplex adds up to 0. */
void besa_bucket_sums(void **state)
{
    (void)state;
    enum { R = 3, C = 57, B = 20 };
    double w[R * C], g[R * C], h[B] = {0}, naive[B] = {0}, theta[B + 1], group[B + 1] = {0},
                               rows[B + 1] = {0};
    int32_t order[R * C];
    fill(R * C, 0.2, w), fill(R * C, 0.9, g), fill(B + 1, 0.4, theta);
    ref_besa_order(R, C, w, NULL, order);
    ref_besa_buckets(R, C, B, order, g, h);
    for (int i = 0; i < R * C; i++) {
        int rank = 0, bucket = 0;
        for (int j = i / C * C; j < i / C * C + C; j++) rank += (float)fabs(w[j]) < (float)fabs(w[i]);
        while (floor((double)C * (bucket + 1) / B) <= rank) bucket++;
        naive[bucket] += g[i];
    }
    for (int b = 0; b < B; b++) assert_true(near(h[b], naive[b]));
    ref_besa_back(REF_SOFTMAX, B, NULL, theta, h, 0.3, group);
    for (int r = 0; r < R; r++) {
        double own[B] = {0};
        ref_besa_buckets(1, C, B, order + r * C, g + r * C, own);
        ref_besa_back(REF_SOFTMAX, B, NULL, theta, own, 0.3 / R, rows);
    }
    double sum = 0.0;
    for (int q = 0; q <= B; q++) {
        assert_true(near(group[q], rows[q]));
        sum += group[q];
    }
    assert_true(near(sum, 0.0));
}

/* Another scale of a channel in both outputs, and the same tokens twice, leave the error as it is. */
void besa_errors(void **state)
{
    (void)state;
    enum { T = 6, C = 5 };
    double y[2 * T * C], got[2 * T * C], square[C] = {0}, twice[C] = {0}, d[2 * T * C];
    fill(T * C, 0.1, y), fill(T * C, 0.7, got);
    for (int t = 0; t < T; t++) y[t * C + 4] = 0.0, got[t * C + 4] = 1e-9; /* a dead channel */
    ref_channel_square(T, C, y, square);
    const double error = ref_error(T, C, y, got, square, d);
    double by_hand = 0.0;
    for (int c = 0; c < C; c++) {
        double off = 0.0, all = 0.0;
        for (int t = 0; t < T; t++) {
            off += pow(got[t * C + c] - y[t * C + c], 2.0);
            all += pow(y[t * C + c], 2.0);
        }
        by_hand += off / (c == 4 ? 1e-12 : all) / C;
    }
    assert_true(near(error, by_hand));
    memcpy(y + T * C, y, sizeof(double) * T * C), memcpy(got + T * C, got, sizeof(double) * T * C);
    ref_channel_square(2 * T, C, y, twice);
    twice[4] = 2e-12; /* the floor knows no tokens */
    assert_true(near(ref_error(2 * T, C, y, got, twice, NULL), error));
    for (int t = 0; t < T; t++) y[t * C] *= 16.0, got[t * C] *= 16.0;
    memset(square, 0, sizeof square);
    ref_channel_square(T, C, y, square);
    assert_true(near(ref_error(T, C, y, got, square, NULL), error));
}

/* -------------------------------------------------------------------------------- exact budgets */

enum { ROWS = 97 };

/* Moves to `want` and checks that it is met, that nothing moves but what is missing or too many, and by how much. */
static void budget_check(const double *alpha, const int *C, int64_t want)
{
    int before[ROWS], count[ROWS];
    int64_t start = 0, end = 0, moved = 0;
    for (int r = 0; r < ROWS; r++) start += before[r] = count[r] = ref_besa_count(alpha[r], C[r]);
    const double delta = ref_besa_budget(ROWS, alpha, C, want, count);
    for (int r = 0; r < ROWS; r++) {
        assert_in_range(count[r], 0, C[r]);
        end += count[r];
        moved += abs(count[r] - before[r]);
        const double share = (alpha[r] + delta) * C[r];
        const double low = want >= start ? before[r] : 0, high = want >= start ? C[r] : before[r];
        assert_true(fabs(count[r] - fmin(fmax(share, low), high)) < 1.0);
    }
    assert_int_equal(end, want);
    assert_int_equal(moved, llabs(want - start));
}

void besa_budgets(void **state)
{
    (void)state;
    double alpha[ROWS];
    int C[ROWS], all = 0;
    for (int r = 0; r < ROWS; r++) all += C[r] = r % 3 == 0 ? 384 : 128;
    for (int seed = 0; seed < 20; seed++) {
        fill(ROWS, seed, alpha);
        double mean = 0.0;
        for (int r = 0; r < ROWS; r++) {
            alpha[r] = seed % 4 == 0 ? 0.5 : fmin(fmax(0.5 + alpha[r] * seed / 20.0, 0.0), 1.0);
            mean += alpha[r] * C[r] / all;
        }
        for (int percent = 0; percent <= 100; percent += 10)
            budget_check(alpha, C, llround(all * percent / 100.0));
        budget_check(alpha, C, llround(all * mean));
    }
    /* By hand: of three rows of ten the shares are 3.5, 3.5 and 5.2; one is missing, and the earlier of equals gets it. */
    const double three[3] = {0.35, 0.35, 0.52};
    const int ten[3] = {10, 10, 10};
    int count[3] = {3, 3, 5};
    ref_besa_budget(3, three, ten, 12, count);
    assert_true(count[0] == 4 && count[1] == 3 && count[2] == 5);
}
