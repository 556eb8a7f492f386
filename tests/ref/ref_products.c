/* ref_products.c - products and elementwise operations. */
#include "tests/ref/ref_ops.h"

#include <math.h>
#include <string.h>

/* Element (i, j) of op(m) where the matrices of a batch have `rows` rows each. */
static double element(const ref_mat *m, bool transposed, int32_t rows, int32_t batch, int32_t i, int32_t j)
{
    const int64_t r = transposed ? j : i, c = transposed ? i : j;
    return m->at[((int64_t)batch * rows + r) * m->cols + c];
}

void ref_gemm(const ref_product *p, const ref_mat *a, const ref_mat *b, ref_mat *c)
{
    const int32_t a_rows = a->rows / p->count, b_rows = b->rows / p->count, rows = c->rows / p->count;
    const int32_t inner = p->ta ? a_rows : a->cols;
    for (int32_t n = 0; n < p->count; n++) {
        for (int32_t i = 0; i < rows; i++) {
            for (int32_t j = 0; j < c->cols; j++) {
                double sum = 0.0, magnitude = 0.0;
                for (int32_t k = 0; k < inner; k++) {
                    const double term =
                        element(a, p->ta, a_rows, n, i, k) * element(b, p->tb, b_rows, n, k, j);
                    sum += term;
                    magnitude += fabs(term);
                }
                const int64_t at = ((int64_t)n * rows + i) * c->cols + j;
                const double before = p->beta == 0.0 ? 0.0 : p->beta * c->at[at];
                c->at[at] = p->alpha * sum + before;
                c->magnitude[at] = fabs(p->alpha) * magnitude + fabs(before);
            }
        }
    }
    c->terms = inner + 1;
}

void ref_linear_op(const ref_mat *x, const ref_mat *w, const ref_mat *bias, ref_mat *y)
{
    const ref_product p = {false, true, 1.0, 0.0, 1};
    ref_gemm(&p, x, w, y);
    for (int64_t i = 0; bias != NULL && i < (int64_t)y->rows * y->cols; i++) {
        y->at[i] += bias->at[i % y->cols];
        y->magnitude[i] += fabs(bias->at[i % y->cols]);
    }
}

void ref_cast(const ref_word *word, const ref_mat *from, ref_mat *to)
{
    for (int64_t i = 0; i < (int64_t)from->rows * from->cols; i++)
        to->at[i] = ref_word_round(word, from->at[i]);
    to->terms = 0;
}

void ref_axpby(double a, const ref_mat *x, double b, ref_mat *y)
{
    for (int64_t i = 0; i < (int64_t)x->rows * x->cols; i++) {
        const double first = a * x->at[i], second = b == 0.0 ? 0.0 : b * y->at[i];
        y->at[i] = first + second;
        y->magnitude[i] = fabs(first) + fabs(second);
    }
    y->terms = 2;
}

void ref_add_bias(ref_mat *x, const ref_mat *bias)
{
    const int64_t repeat = (int64_t)bias->rows * bias->cols;
    for (int64_t i = 0; i < (int64_t)x->rows * x->cols; i++) {
        x->magnitude[i] = fabs(x->at[i]) + fabs(bias->at[i % repeat]);
        x->at[i] += bias->at[i % repeat];
    }
    x->terms = 2;
}

void ref_gather_rows(const ref_mat *from, const ref_mat *index, ref_mat *to)
{
    for (int32_t r = 0; r < to->rows; r++) {
        memcpy(to->at + (int64_t)r * to->cols, from->at + (int64_t)index->at[r] * from->cols,
               (size_t)to->cols * sizeof(double));
    }
    to->terms = 0;
}
