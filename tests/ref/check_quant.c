/* check_quant.c - weights on grids in double precision: by hand, what must hold, and the gradient of a learned range by
 * differences of what rounding lets through. */
#include "tests/ref/checks.h"
#include "tests/ref/ref_ops.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 3, COLS = 40, MOST = 15 };

/* Matrices of a few rows, and what the references write beside them. */
typedef struct linear {
    double w[ROWS * COLS], out[ROWS * COLS], dw[ROWS * COLS], side[ROWS * COLS];
    double low[ROWS], high[ROWS], scale[ROWS], zero[ROWS], phi[2 * ROWS], grad[2 * ROWS], sides[4][2 * ROWS];
} linear;

static ref_mat mat(int32_t rows, int32_t cols, double *at, double *side)
{
    return (ref_mat){rows, cols, at, side, 0, false};
}

static void linear_fill(linear *l)
{
    memset(l, 0, sizeof *l);
    for (int i = 0; i < ROWS * COLS; i++) {
        l->w[i] = sin(1.7 * i + 0.3 * i * i) * (i % 7 == 0 ? 2.0 : 1.0);
        l->dw[i] = i % 3 == 0 ? 0.0 : cos(0.9 * i + 0.2 * i * i); /* some are dropped */
    }
    for (int i = 0; i < 2 * ROWS; i++) l->phi[i] = 0.7 * i - 1.0;
}

static void scales_set(linear *l, bool learned)
{
    ref_mat w = mat(ROWS, COLS, l->w, l->side), low = mat(ROWS, 1, l->low, l->sides[0]),
            high = mat(ROWS, 1, l->high, l->sides[1]), phi = mat(ROWS, 2, l->phi, l->sides[2]),
            scale = mat(ROWS, 1, l->scale, l->sides[0]), zero = mat(ROWS, 1, l->zero, l->sides[1]);
    ref_quant_range(&w, &low, &high);
    ref_quant_scale(&low, &high, learned ? &phi : NULL, MOST, &scale, &zero);
}

static void round_all(linear *l)
{
    ref_mat w = mat(ROWS, COLS, l->w, l->side), scale = mat(ROWS, 1, l->scale, l->sides[0]),
            zero = mat(ROWS, 1, l->zero, l->sides[1]), out = mat(ROWS, COLS, l->out, l->side);
    ref_quant_round(&w, &scale, &zero, MOST, &out);
}

/* One row of [-1, 2] at 2 bits: steps of 1, zero 1, codes 0 to 3. */
void quant_by_hand(void **state)
{
    (void)state;
    double w[] = {-1.0, 2.0, 0.4, 0.6, -0.2, 1.5}, side[6], low, high, scale, zero, out[6];
    static const double want[] = {-1.0, 2.0, 0.0, 1.0, 0.0, 2.0};
    ref_mat row = mat(1, 6, w, side), lows = mat(1, 1, &low, side), highs = mat(1, 1, &high, side),
            scales = mat(1, 1, &scale, side), zeros = mat(1, 1, &zero, side), to = mat(1, 6, out, side);
    ref_quant_range(&row, &lows, &highs);
    ref_quant_scale(&lows, &highs, NULL, 3, &scales, &zeros);
    ref_quant_round(&row, &scales, &zeros, 3, &to);
    assert_true(low == -1.0 && high == 2.0 && scale == 1.0 && zero == 1.0);
    for (int i = 0; i < 6; i++) assert_true(out[i] == want[i]);
}

/* What lies on a grid stays where it is when all of its range is kept; 0 is always a point. */
void quant_keeps_points(void **state)
{
    (void)state;
    linear l;
    linear_fill(&l);
    scales_set(&l, false);
    round_all(&l);
    for (int i = 0; i < ROWS * COLS; i++) {
        const double h = l.scale[i / COLS];
        assert_true(fabs(l.out[i] - l.w[i]) <= 0.5 * h + 1e-12 || fabs(l.out[i] - l.w[i]) <= h);
    }
    memcpy(l.w, l.out, sizeof l.w);
    round_all(&l);
    for (int i = 0; i < ROWS * COLS; i++) assert_true(fabs(l.out[i] - l.w[i]) < 1e-15);
    memset(l.w, 0, sizeof l.w);
    round_all(&l);
    for (int i = 0; i < ROWS * COLS; i++) assert_true(l.out[i] == 0.0);
}

static double sigmoid(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

/* Sum dw What of a row with what rounding adds, the zero point, and who lies beyond the last point held as they are at
 * l->phi: there rounding passes gradients on, and no step is a jump. */
static double surrogate(const linear *l, int row, const double phi[2])
{
    const double h = (sigmoid(phi[1]) * l->high[row] - sigmoid(phi[0]) * l->low[row]) / MOST;
    double sum = 0.0;
    for (int c = 0; c < COLS; c++) {
        const int i = row * COLS + c;
        const double v = l->w[i] / l->scale[row], code = rint(v) + l->zero[row];
        const bool inside = code >= 0.0 && code <= MOST;
        const double point = code < 0.0 ? -l->zero[row] : MOST - l->zero[row];
        sum += l->dw[i] * (inside ? l->w[i] + h * (rint(v) - v) : h * point);
    }
    return sum;
}

void quant_gradient(void **state)
{
    (void)state;
    const double step = 1e-5;
    linear l;
    int beyond = 0;
    linear_fill(&l);
    scales_set(&l, true);
    for (int i = 0; i < ROWS * COLS; i++) {
        const double code = rint(l.w[i] / l.scale[i / COLS]) + l.zero[i / COLS];
        beyond += code < 0.0 || code > MOST;
    }
    assert_true(beyond > 5); /* both kinds of weights are there */
    const ref_mat dw = mat(ROWS, COLS, l.dw, l.side), w = mat(ROWS, COLS, l.w, l.side),
                  scale = mat(ROWS, 1, l.scale, l.sides[0]), zero = mat(ROWS, 1, l.zero, l.sides[0]),
                  low = mat(ROWS, 1, l.low, l.sides[0]), high = mat(ROWS, 1, l.high, l.sides[0]),
                  phi = mat(ROWS, 2, l.phi, l.sides[0]);
    ref_mat grad = mat(ROWS, 2, l.grad, l.sides[1]);
    const ref_quant_clip clip = {&dw, &w, &scale, &zero, &low, &high, &phi, 1.0, MOST};
    ref_quant_back(&clip, &grad);
    for (int i = 0; i < 2 * ROWS; i++) {
        double up[2] = {l.phi[i / 2 * 2], l.phi[i / 2 * 2 + 1]}, down[2] = {up[0], up[1]};
        up[i % 2] += step;
        down[i % 2] -= step;
        const double slope = (surrogate(&l, i / 2, up) - surrogate(&l, i / 2, down)) / (2.0 * step);
        assert_true(fabs(slope - l.grad[i]) < 1e-8 * (1.0 + fabs(slope)));
    }
}
