/* ref_learn.c - losses and optimizers, formula by formula. */
#include "tests/ref/ref_learn.h"
#include "tests/ref/ref_model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double beta1 = 0.9, beta2 = 0.999, eps = 1e-8, d0 = 1e-6;

void ref_channel_square(int64_t T, int C, const double *y, double *square)
{
    for (int64_t t = 0; t < T; t++)
        for (int c = 0; c < C; c++) square[c] += y[t * C + c] * y[t * C + c];
}

double ref_error(int64_t T, int C, const double *y, const double *got, const double *square, double *d_got)
{
    double sum = 0.0;
    for (int64_t t = 0; t < T; t++)
        for (int c = 0; c < C; c++) {
            const int64_t at = t * C + c;
            const double off = got[at] - y[at],
                         share = square == NULL ? 1.0 : 1.0 / fmax(square[c], 1e-12) / C;
            sum += share * off * off;
            if (d_got != NULL) d_got[at] = 2.0 * share * off;
        }
    return sum;
}

double ref_penalty(double s, double target, double weight, double *ds)
{
    const double off = (s - target) / target;
    *ds = 2.0 * weight * off / target;
    return weight * off * off;
}

void ref_prodigy_open(ref_prodigy *p, int64_t count, double d_coef, const double *x)
{
    *p = (ref_prodigy){count,
                       d_coef,
                       d0,
                       0.0,
                       ref_doubles(count),
                       ref_doubles(count),
                       ref_doubles(count),
                       ref_doubles(count)};
    memcpy(p->start, x, (size_t)count * sizeof *x);
}

void ref_prodigy_step(ref_prodigy *p, double lr, const double *g, double *x)
{
    const double beta3 = sqrt(beta2), rate = p->d * lr;
    double moved = 0.0, denominator = 0.0;
    for (int64_t i = 0; i < p->count; i++) {
        moved += g[i] * (p->start[i] - x[i]);
        p->m[i] = beta1 * p->m[i] + (1.0 - beta1) * p->d * g[i];
        p->v[i] = beta2 * p->v[i] + (1.0 - beta2) * p->d * p->d * g[i] * g[i];
        p->s[i] = beta3 * p->s[i] + p->d / d0 * rate * g[i];
        denominator += fabs(p->s[i]);
    }
    p->numerator = beta3 * p->numerator + p->d / d0 * rate * moved;
    if (denominator == 0.0) return;
    p->d = fmax(p->d, p->d_coef * p->numerator / denominator);
    for (int64_t i = 0; i < p->count; i++) x[i] -= rate * p->m[i] / (sqrt(p->v[i]) + p->d * eps);
}

void ref_prodigy_close(ref_prodigy *p)
{
    free(p->start), free(p->m), free(p->v), free(p->s);
}

void ref_adamw_open(ref_adamw *a, int64_t count, double decay)
{
    *a = (ref_adamw){count, 0, decay, ref_doubles(count), ref_doubles(count)};
}

void ref_adamw_step(ref_adamw *a, double lr, const double *g, double *x)
{
    a->steps++;
    const double first = 1.0 - pow(beta1, (double)a->steps), second = 1.0 - pow(beta2, (double)a->steps);
    for (int64_t i = 0; i < a->count; i++) {
        a->m[i] = beta1 * a->m[i] + (1.0 - beta1) * g[i];
        a->v[i] = beta2 * a->v[i] + (1.0 - beta2) * g[i] * g[i];
        x[i] -= lr * a->decay * x[i];
        x[i] -= lr * (a->m[i] / first) / (sqrt(a->v[i] / second) + eps);
    }
}

void ref_adamw_close(ref_adamw *a)
{
    free(a->m), free(a->v);
}
