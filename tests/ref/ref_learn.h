/* ref_learn.h - blockwise losses, the sparsity penalty and the optimizers of learners, in double precision. */
#ifndef LOP_TESTS_REF_LEARN_H
#define LOP_TESTS_REF_LEARN_H

#include <stdint.h>

/* square[c] += sum over tokens of y[t, c]^2.  Shapes: y (T, C), square (C). */
void ref_channel_square(int64_t T, int C, const double *y, double *square);

/* The error of got against y: sum of squares over tokens, for each channel divided by its square (never by less than
 * 1e-12), then the mean over channels; the plain sum over all when `square` is NULL. d_got receives the gradient unless
 * NULL.  Shapes: y, got, d_got (T, C), square (C). Source: the authors' get_loss; BESA, eq. 1. */
double ref_error(int64_t T, int C, const double *y, const double *got, const double *square, double *d_got);

/* weight ((s - target) / target)^2; *ds receives its derivative. Source: the authors' code. */
double ref_penalty(double s, double target, double weight, double *ds);

/* Prodigy with betas 0.9 and 0.999, eps 1e-8, d0 1e-6, no decay, correction or safeguard, growth without limit.
 * Source: Mishchenko and Defazio 2023, algorithm 4, and its package. */
typedef struct ref_prodigy {
    int64_t count;
    double d_coef, d, numerator;
    double *start, *m, *v, *s;
} ref_prodigy;
void ref_prodigy_open(ref_prodigy *p, int64_t count, double d_coef, const double *x);
void ref_prodigy_step(ref_prodigy *p, double lr, const double *g, double *x);
void ref_prodigy_close(ref_prodigy *p);

/* AdamW with betas 0.9 and 0.999, eps 1e-8. Source: Loshchilov and Hutter 2019, as torch.optim.AdamW has it. */
typedef struct ref_adamw {
    int64_t count, steps;
    double decay, *m, *v;
} ref_adamw;
void ref_adamw_open(ref_adamw *a, int64_t count, double decay);
void ref_adamw_step(ref_adamw *a, double lr, const double *g, double *x);
void ref_adamw_close(ref_adamw *a);

#endif
