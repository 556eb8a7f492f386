/* ref_layernorm.c - layer normalisation and its gradient, and how far rounding may carry them.
 *
 * What is normalised is a difference: x - mean moves by the errors of x and of the mean, which are shares of |x| and of the
 * mean of |x|, however small the difference is. So do the variance, whose share of error is `loose` below, and with it the
 * scale of the row. */
#include "tests/ref/ref_ops.h"

#include <math.h>

/* One row: its mean, the mean of |x|, 1 / sqrt(variance + eps), and by what share of itself that moves for each unit of
 * rounding: the variance's derivative is 2 (x - mean) / C by each difference, whose error is |x| + size. */
typedef struct row_norm {
    double mean, size, scale, loose;
} row_norm;

static row_norm row_of(const double *x, int32_t cols, double eps)
{
    row_norm n = {0};
    double variance = 0.0, moved = 0.0;
    for (int32_t c = 0; c < cols; c++) {
        n.mean += x[c] / cols;
        n.size += fabs(x[c]) / cols;
    }
    for (int32_t c = 0; c < cols; c++) {
        variance += (x[c] - n.mean) * (x[c] - n.mean) / cols;
        moved += fabs(x[c] - n.mean) * (fabs(x[c]) + n.size) / cols;
    }
    n.scale = 1.0 / sqrt(variance + eps);
    n.loose = 1.0 + n.scale * n.scale * moved;
    return n;
}

/* The magnitude of (x - mean) scale: what the difference loses, and what the scale does. */
static double size_of(const row_norm *n, double x)
{
    return n->scale * (fabs(x) + n->size + fabs(x - n->mean) * n->loose);
}

void ref_layernorm(const ref_mat *x, const ref_mat *gain, const ref_mat *bias, double eps, ref_mat *y)
{
    for (int32_t r = 0; r < x->rows; r++) {
        const double *row = x->at + (int64_t)r * x->cols;
        const row_norm n = row_of(row, x->cols, eps);
        for (int32_t c = 0; c < x->cols; c++) {
            const int64_t at = (int64_t)r * x->cols + c;
            y->at[at] = (row[c] - n.mean) * n.scale * gain->at[c] + bias->at[c];
            y->magnitude[at] = size_of(&n, row[c]) * fabs(gain->at[c]) + fabs(bias->at[c]);
        }
    }
    y->terms = x->cols;
}

void ref_layernorm_back(const ref_mat *x, const ref_mat *gain, double eps, const ref_mat *dy, ref_mat *dx)
{
    const int32_t C = x->cols;
    for (int32_t r = 0; r < x->rows; r++) {
        const double *row = x->at + (int64_t)r * C, *d = dy->at + (int64_t)r * C;
        const row_norm n = row_of(row, C, eps);
        double level = 0.0, level_size = 0.0, tilt = 0.0, tilt_size = 0.0;
        for (int32_t c = 0; c < C; c++) {
            const double t = d[c] * gain->at[c];
            level += t / C;
            level_size += fabs(t) / C;
            tilt += t * (row[c] - n.mean) * n.scale / C;
            tilt_size += fabs(t) * size_of(&n, row[c]) / C;
        }
        for (int32_t c = 0; c < C; c++) {
            const int64_t at = (int64_t)r * C + c;
            const double t = d[c] * gain->at[c], normed = (row[c] - n.mean) * n.scale;
            const double whole =
                fabs(t) + level_size + size_of(&n, row[c]) * fabs(tilt) + fabs(normed) * tilt_size;
            dx->magnitude[at] = fabs(dx->at[at]) + n.scale * n.loose * whole;
            dx->at[at] += n.scale * (t - level - normed * tilt);
        }
    }
    dx->terms = C + 1;
}
