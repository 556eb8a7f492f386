/* ref_rates.c - BESA's candidate rates in double precision: bucket sums, counts, gradients of logits, weights that change
 * sides. Source: kernels/besa.cl says what each computes. */
#include "tests/ref/ref_ops.h"

#include <math.h>

static int32_t edge(int32_t cols, int32_t bucket, int32_t buckets)
{
    return (int32_t)((int64_t)cols * bucket / buckets);
}

void ref_buckets(const ref_mat *dw, const ref_mat *w, const ref_mat *order, double scale, ref_mat *h)
{
    const int32_t cols = dw->cols, buckets = h->cols;
    for (int32_t r = 0; r < h->rows; r++)
        for (int32_t b = 0; b < buckets; b++) {
            double sum = 0.0, size = 0.0;
            for (int32_t k = edge(cols, b, buckets); k < edge(cols, b + 1, buckets); k++) {
                const int64_t at = (int64_t)r * cols + (int64_t)order->at[(int64_t)r * cols + k];
                sum += dw->at[at] * w->at[at];
                size += fabs(dw->at[at] * w->at[at]);
            }
            h->at[(int64_t)r * buckets + b] = scale * sum;
            h->magnitude[(int64_t)r * buckets + b] = scale * size;
        }
    h->terms = (double)cols / buckets + 1.0;
}

void ref_flip(const ref_mat *w, const ref_mat *order, const ref_mat *now, int32_t each, ref_mat *was,
              ref_mat *used)
{
    const int32_t cols = w->cols;
    for (int32_t r = 0; r < w->rows; r++) {
        const int64_t row = (int64_t)r * cols;
        const int32_t to = (int32_t)now->at[r / each], from = (int32_t)was->at[r];
        for (int32_t k = 0; k < cols; k++) {
            const int64_t at = row + (int64_t)order->at[row + k];
            if (k >= from && k < to) used->at[at] = 0.0;
            if (k >= to && k < from) used->at[at] = w->at[at];
        }
        was->at[r] = to;
    }
    was->terms = used->terms = 0;
}

/* The weights of a row's candidates, whose sum is 1, and the slopes of what the softmax sees by theta. Returns the errors of
 * the exponents, which grow with what they are summed from, and of 31-bit weights. */
static double weigh(const ref_rates *how, const double *first, const double *theta, double *weight,
                    double *chain)
{
    const int32_t rates = how->rates;
    double all = 0.0, top = -INFINITY, most = 0.0;
    for (int32_t q = 0; q < rates; q++) {
        const double logit = how->form == 2 ? theta[q] : first[q] + theta[q];
        const double line = how->form == 2 ? first[q] : 0.0, part = 1.0 / (1.0 + exp(-logit));
        weight[q] = how->form == 0 ? logit : line + part;
        chain[q] = how->form == 0 ? 1.0 : part * (1.0 - part);
        most = fmax(most, how->form == 0 ? fabs(logit) : 1.0 + fabs(line));
        top = fmax(top, weight[q]);
    }
    for (int32_t q = 0; q < rates; q++) all += weight[q] = exp(weight[q] - top);
    for (int32_t q = 0; q < rates; q++) weight[q] /= all;
    return 2.0 + most;
}

/* Within this of a whole number the other side of it is right too. */
static const double count_slack = 1e-3;

static void count_row(const ref_rates *how, const double *weight, double spread, double *count, double *may,
                      double *alpha)
{
    const int32_t buckets = how->rates - 1;
    double mean = 0.0, above = 1.0;
    for (int32_t q = 0; q < how->rates; q++) mean += weight[q] * q / buckets;
    const double want = mean * how->width + 1e-3, slack = count_slack * spread;
    *alpha = mean;
    *count = floor(want);
    *may = want - floor(want) < slack || ceil(want) - want < slack;
    if (!how->threshold) return;
    int32_t b = 0;
    *may = 0.0;
    for (; b < buckets; b++) {
        above -= weight[b];
        if (fabs(above - mean) < 1e-6 * spread) *may = 1.0 + (double)how->width / buckets;
        if (above < mean) break;
    }
    *count = edge(how->width, b, buckets);
}

/* Of the rows that a row of logits stands for. */
static double weights_of(const ref_rates *how, int32_t group)
{
    const int32_t left = how->rows - group * how->each;
    return (double)(left < how->each ? left : how->each) * how->width;
}

void ref_rate_count(const ref_rates *how, const ref_mat *first, const ref_mat *theta, ref_mat *count,
                    ref_mat *alpha, ref_mat *part)
{
    double weight[512], chain[512];
    for (int32_t g = 0; g < theta->rows; g++) {
        const double spread = weigh(how, first->at, theta->at + (int64_t)g * theta->cols, weight, chain);
        count_row(how, weight, spread, &count->at[g], &count->magnitude[g], &alpha->at[g]);
        part->at[g] = alpha->at[g] * 0x1p32 * weights_of(how, g);
        alpha->magnitude[g] = spread;
        part->magnitude[g] = spread * 0x1p32 * weights_of(how, g);
    }
    alpha->terms = part->terms = 1.0;
    /* The magnitude is the error that is allowed. */
    count->terms = 1.0;
    for (int32_t g = 0; g < theta->rows; g++) count->magnitude[g] *= 1.01 * 0x1p24 / 8.0;
}

void ref_rate_mean(const ref_mat *part, double weights, ref_mat *mean)
{
    double sum = 0.0;
    for (int32_t g = 0; g < part->rows; g++) sum += part->at[g];
    mean->at[0] = mean->magnitude[0] = sum / weights / 0x1p32;
    mean->terms = 1.0;
}

/* slope is the part of a row in the mean rate. */
void ref_rate_slope(const ref_rates *how, const ref_mat *first, const ref_mat *theta, const ref_mat *h,
                    ref_mat *slopes)
{
    double weight[512], chain[512];
    const int32_t rates = how->rates;
    for (int32_t g = 0; g < theta->rows; g++) {
        const double *hr = h->at + (int64_t)g * (rates - 1), rows = weights_of(how, g) / how->width;
        double alpha = 0.0, both = 0.0, square = 0.0, sum = 0.0, size = 0.0;
        const double spread = weigh(how, first->at, theta->at + (int64_t)g * rates, weight, chain);
        for (int32_t q = 0; q < rates; q++) alpha += weight[q] * q / (rates - 1);
        for (int32_t q = 0; q < rates; q++) {
            const double off = (double)q / (rates - 1) - alpha;
            both -= weight[q] * off * sum;
            square += weight[q] * off * off;
            sum += q < rates - 1 ? hr[q] : 0.0;
            size += q < rates - 1 ? fabs(hr[q]) : 0.0;
        }
        slopes->at[2 * g] = both;
        slopes->magnitude[2 * g] = 2.0 * size * spread;
        slopes->at[2 * g + 1] = how->slope * rows * square;
        slopes->magnitude[2 * g + 1] = how->slope * rows * spread;
    }
    slopes->terms = rates;
}

void ref_rate_price(const ref_mat *slopes, const ref_mat *s, double target, double width, ref_mat *price)
{
    double error = 0.0, rate = 0.0, size = 0.0;
    for (int32_t g = 0; g < slopes->rows; g++) {
        error += slopes->at[2 * g];
        rate += slopes->at[2 * g + 1];
        size += fabs(slopes->at[2 * g]);
    }
    rate = fmax(rate, 0x1p-32);
    const double p = -error / rate, most = size / rate;
    price->at[0] = p + fabs(p) * (s->at[0] - target) / width;
    price->magnitude[0] = most * (1.0 + (fabs(s->at[0]) + target) / width);
    price->at[1] = price->magnitude[1] = rate;
    price->terms = slopes->rows;
}

void ref_rate_tilt(const ref_mat *price, const ref_mat *s, double target, ref_mat *first)
{
    const double mu = (target - s->at[0]) / price->at[1], most = (target + fabs(s->at[0])) / price->at[1];
    for (int32_t q = 0; q < first->cols; q++) {
        const double was = first->at[q];
        first->at[q] += mu * q / (first->cols - 1);
        first->magnitude[q] = fabs(was) + most;
    }
    first->terms = 1.0;
}

void ref_rate_grad(const ref_rates *how, const ref_mat *first, const ref_mat *theta, const ref_mat *h,
                   const ref_mat *s, ref_mat *grad)
{
    double weight[512], chain[512], rise[512], size[512];
    const int32_t rates = how->rates;
    for (int32_t g = 0; g < theta->rows; g++) {
        const double *hr = h->at + (int64_t)g * (rates - 1);
        const double rows = weights_of(how, g) / how->width, pull = how->slope * rows / (rates - 1);
        const double lift = pull * (s->at[0] - how->target),
                     lift_size = pull * (fabs(s->at[0]) + how->target);
        double sum = 0.0, sum_size = 0.0, mean = 0.0, mean_size = 0.0;
        const double spread = weigh(how, first->at, theta->at + (int64_t)g * rates, weight, chain);
        for (int32_t q = 0; q < rates; q++) {
            rise[q] = lift * q - sum;
            size[q] = fabs(lift_size) * q + sum_size;
            mean += weight[q] * rise[q];
            mean_size += weight[q] * size[q];
            sum += q < rates - 1 ? hr[q] : 0.0;
            sum_size += q < rates - 1 ? fabs(hr[q]) : 0.0;
        }
        for (int32_t q = 0; q < rates; q++) {
            const int64_t at = (int64_t)g * rates + q;
            grad->at[at] = weight[q] * (rise[q] - mean) * chain[q];
            grad->magnitude[at] = weight[q] * (size[q] + mean_size) * spread;
        }
    }
    grad->terms = rates;
}
