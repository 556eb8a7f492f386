/* ref_quant.c - weights on grids in double precision: ranges, scales, points, and the gradient of a learned range. Source:
 * kernels/quant.cl says what each computes. */
#include "tests/ref/ref_ops.h"

#include <math.h>
#include <stddef.h>

static const double scale_least = (double)1e-5f;

/* A magnitude at which a single term is allowed to be off by `error`. */
static double allowing(double error)
{
    return 1.01 * error * 0x1p24 / 8.0;
}

/* Quotients in f32 are off by a few units of their last place: nearer to the middle of two whole numbers than this, either is
 * right. */
static bool either_way(double v)
{
    return fabs(v - floor(v) - 0.5) <= 0x1p-21 * fabs(v) + 0x1p-30;
}

static double step_of(double v, double zero, double most)
{
    return fmin(fmax(rint(v) + zero, 0.0), most) - zero;
}

static double sigmoid(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

void ref_quant_range(const ref_mat *w, ref_mat *low, ref_mat *high)
{
    for (int32_t r = 0; r < w->rows; r++) {
        low->at[r] = high->at[r] = 0.0;
        for (int32_t c = 0; c < w->cols; c++) {
            low->at[r] = fmin(low->at[r], w->at[(int64_t)r * w->cols + c]);
            high->at[r] = fmax(high->at[r], w->at[(int64_t)r * w->cols + c]);
        }
        low->at[r] += 0.0; /* no -0 */
        high->at[r] += 0.0;
    }
    low->terms = high->terms = 0;
}

void ref_quant_scale(const ref_mat *low, const ref_mat *high, const ref_mat *phi, int32_t most,
                     ref_mat *scale, ref_mat *zero)
{
    const int64_t n = (int64_t)low->rows * low->cols;
    for (int64_t g = 0; g < n; g++) {
        const double down = low->at[g] * (phi != NULL ? sigmoid(phi->at[2 * g]) : 1.0),
                     up = high->at[g] * (phi != NULL ? sigmoid(phi->at[2 * g + 1]) : 1.0);
        scale->at[g] = fmax((up - down) / most, scale_least);
        scale->magnitude[g] = scale->at[g];
        zero->at[g] = rint(-down / scale->at[g]) + 0.0;
        zero->magnitude[g] = either_way(-down / scale->at[g]) ? allowing(1.0) : 0.0;
    }
    scale->terms = zero->terms = 1.0;
}

void ref_quant_round(const ref_mat *w, const ref_mat *scale, const ref_mat *zero, int32_t most, ref_mat *out)
{
    for (int32_t r = 0; r < w->rows; r++)
        for (int32_t c = 0; c < w->cols; c++) {
            const int64_t at = (int64_t)r * w->cols + c;
            const double h = scale->at[r], v = w->at[at] / h;
            out->at[at] = h * step_of(v, zero->at[r], most);
            out->magnitude[at] = either_way(v) ? allowing(h) : fabs(out->at[at]);
        }
    out->terms = 1.0;
}

void ref_quant_back(const ref_quant_clip *clip, ref_mat *grad)
{
    const int32_t cols = clip->w->cols;
    for (int32_t r = 0; r < clip->w->rows; r++) {
        const double h = clip->scale->at[r], zero = clip->zero->at[r];
        double sum = 0.0, size = 0.0;
        for (int32_t c = 0; c < cols; c++) {
            const int64_t at = (int64_t)r * cols + c;
            const double v = clip->w->at[at] / h, step = step_of(v, zero, clip->most),
                         inside = rint(v) == step ? v : 0.0;
            sum += clip->dw->at[at] * (step - inside);
            size += fabs(clip->dw->at[at]) * (fabs(step) + fabs(inside));
            if (either_way(v)) size += allowing(fabs(clip->dw->at[at]) * (fabs(step) + fabs(v) + 1.0));
        }
        const double slope = h > scale_least ? clip->factor / clip->most : 0.0;
        const double ends[2] = {-clip->low->at[r], clip->high->at[r]};
        for (int i = 0; i < 2; i++) {
            const double g = sigmoid(clip->phi->at[2 * (int64_t)r + i]),
                         chain = g * (1.0 - g) * ends[i] * slope;
            grad->at[2 * (int64_t)r + i] = chain * sum;
            grad->magnitude[2 * (int64_t)r + i] = fabs(chain) * size;
        }
    }
    grad->terms = cols;
}
