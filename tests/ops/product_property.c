/* product_property.c - large products, as BLIS tests them: C t against alpha A (B t) + beta C0 t for a
 * random vector t, in double. A wrong element of C shows unless t happens to hide it; the cost is that of a
 * matrix times a vector. */
#include "tests/harness/harness.h"
#include "tests/harness/inputs.h"
#include "tests/harness/words.h"
#include "tests/ops/ops_checks.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct product {
    int32_t rows, cols, inner;
    bool ta, tb;
    float alpha, beta;
} product;

/* y = op(m) x and the sums of the magnitudes of its terms, given those of x. */
static void apply(const view *v, const double *m, bool transposed, const double *x, const double *x_size,
                  double *y, double *y_size)
{
    const int32_t rows = v->mat.rows, cols = v->mat.cols, n = transposed ? cols : rows;
    memset(y, 0, (size_t)n * sizeof *y), memset(y_size, 0, (size_t)n * sizeof *y_size);
    for (int32_t r = 0; r < rows; r++) {
        for (int32_t c = 0; c < cols; c++) {
            const double value = m[(int64_t)r * cols + c];
            const int32_t to = transposed ? c : r, from = transposed ? r : c;
            y[to] += value * x[from];
            y_size[to] += fabs(value) * x_size[from];
        }
    }
}

static double *random_matrix(int64_t count, lop_type type, draw *d)
{
    double *out = malloc(sizeof(double) * (size_t)(count + 1));
    assert_non_null(out);
    for (int64_t i = 0; i < count; i++) {
        out[i] = 2.0 * draw_unit(d) - 1.0;
        if (word_of(type) != NULL) out[i] = ref_word_round(word_of(type), out[i]);
    }
    return out;
}

static void ok(lop_status status)
{
    if (status != LOP_OK) fail_msg("%s", lop_error());
}

/* Rows of want = alpha A (B t) + beta C0 t against C t. C's rows are rounded on storage, each element by
 * half an ulp. */
static void rows_compare(const harness *h, const product *p, lop_type type, const double *t,
                         const double *want, const double *size)
{
    const view *c = &h->views[2];
    const double terms = p->inner + 1;
    for (int32_t r = 0; r < p->rows; r++) {
        double got = 0.0, rounding = 0.0;
        for (int32_t j = 0; j < p->cols; j++) {
            const double value =
                word_get(c->mat.type, (const char *)view_row(c, r) + (size_t)j * lop_type_bytes(c->mat.type));
            got += value * t[j];
            rounding += c->mat.type == LOP_F32 ? 0.0 : ref_word_half_ulp(word_of(type), value) * fabs(t[j]);
        }
        const double bound = 4.0 * 0x1p-24 * (1.0 + sqrt(terms)) * size[r] + rounding;
        if (fabs(got - want[r]) <= bound) continue;
        fail_msg("%d x %d x %d %s: row %d of C t is %.9g, expected %.9g, allowed %.3g", p->rows, p->cols,
                 p->inner, lop_type_name(type), r, got, want[r], bound);
    }
}

static void product_check(harness *h, const product *p, lop_type type, uint64_t seed)
{
    draw d = {seed};
    const int32_t longest = p->rows + p->cols + p->inner;
    double *a = random_matrix((int64_t)p->rows * p->inner, type, &d);
    double *b = random_matrix((int64_t)p->inner * p->cols, type, &d);
    double *c = random_matrix((int64_t)p->rows * p->cols, type, &d);
    double *t = random_matrix(longest, LOP_F64, &d), *size = random_matrix(longest, LOP_F64, &d);
    double *bt = random_matrix(longest, LOP_F64, &d), *bt_size = random_matrix(longest, LOP_F64, &d);
    double *abt = random_matrix(longest, LOP_F64, &d), *abt_size = random_matrix(longest, LOP_F64, &d);
    double *ct = random_matrix(longest, LOP_F64, &d), *ct_size = random_matrix(longest, LOP_F64, &d);
    view *v = h->views;
    for (int32_t i = 0; i < p->cols; i++) size[i] = fabs(t[i]);
    ok(view_put(&h->queue, &v[0], VIEW_ALIGNED, p->ta ? p->inner : p->rows, p->ta ? p->rows : p->inner, type,
                0xff, a));
    ok(view_put(&h->queue, &v[1], VIEW_ODD, p->tb ? p->cols : p->inner, p->tb ? p->inner : p->cols, type,
                0xff, b));
    const lop_type c_type = p->beta == 0.0f ? type : LOP_F32;
    ok(view_put(&h->queue, &v[2], VIEW_ODD, p->rows, p->cols, c_type, 0xff, c));
    apply(&v[1], b, p->tb, t, size, bt, bt_size);
    apply(&v[0], a, p->ta, bt, bt_size, abt, abt_size);
    apply(&v[2], c, false, t, size, ct, ct_size);
    for (int32_t r = 0; r < p->rows; r++) {
        abt[r] = (double)p->alpha * abt[r] + (double)p->beta * ct[r];
        abt_size[r] = fabs((double)p->alpha) * abt_size[r] + fabs((double)p->beta) * ct_size[r];
    }
    const lop_gemm_args g = {.a = v[0].mat,
                             .b = v[1].mat,
                             .c = v[2].mat,
                             .ta = p->ta,
                             .tb = p->tb,
                             .alpha = p->alpha,
                             .beta = p->beta,
                             .math = LOP_MATH_F32,
                             .count = 1};
    ok(lop_gemm(&h->queue, &g));
    ok(lop_queue_wait(&h->queue));
    ok(view_fetch(&h->queue, &v[2]));
    assert_int_equal(view_red_changed(&v[2]), -1);
    rows_compare(h, p, type, t, abt, abt_size);
    double *const all[] = {a, b, c, t, size, bt, bt_size, abt, abt_size, ct, ct_size};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) free(all[i]);
}

void product_property(void **state)
{
    harness *h = *state;
    static const product products[] = {
        {1000, 1000, 1000, false, false, 1.0f, 0.0f}, {1025, 513, 2049, false, true, 1.0f, 1.0f},
        {700, 1300, 997, true, false, -0.5f, 2.0f},   {257, 4097, 129, true, true, 1.0f, 0.0f},
        {2048, 64, 768, false, true, 1.0f, 0.0f},
    };
    for (int word = 0; word < 3; word++) {
        const lop_type type = case_word(word);
        if (!(h->device.product_types >> type & 1u)) continue;
        for (size_t i = 0; i < sizeof products / sizeof products[0]; i++) {
            product_check(h, &products[i], type, 100 * (uint64_t)word + i + 1);
        }
    }
}

/* Many small products at once, over and over, of whole numbers small enough to be exact: what threads do to
 * each other shows as a wrong number. Matrix i of the batch is all i + 1 times all ones. */
void products_together(void **state)
{
    harness *h = *state;
    enum { SIDE = 64, COUNT = 64, TIMES = 200 };
    const int32_t rows = SIDE * COUNT;
    draw d = {1};
    double *a = random_matrix((int64_t)rows * SIDE, LOP_F32, &d),
           *b = random_matrix((int64_t)rows * SIDE, LOP_F32, &d);
    for (int32_t i = 0; i < rows * SIDE; i++) a[i] = 1 + i / (SIDE * SIDE), b[i] = 1.0;
    view *v = h->views;
    ok(view_put(&h->queue, &v[0], VIEW_ALIGNED, rows, SIDE, LOP_F32, 0xff, a));
    ok(view_put(&h->queue, &v[1], VIEW_ALIGNED, rows, SIDE, LOP_F32, 0xff, b));
    ok(view_put(&h->queue, &v[2], VIEW_ALIGNED, rows, SIDE, LOP_F32, 0xff, b));
    lop_gemm_args g = {.a = v[0].mat,
                       .b = v[1].mat,
                       .c = v[2].mat,
                       .tb = true,
                       .alpha = 1.0f,
                       .math = LOP_MATH_F32,
                       .count = COUNT,
                       .step_a = SIDE * SIDE,
                       .step_b = SIDE * SIDE,
                       .step_c = SIDE * SIDE};
    g.a.rows = g.b.rows = g.c.rows = SIDE;
    ok(lop_device_threads(&h->device, 0));
    for (int time = 0; time < TIMES; time++) {
        ok(lop_gemm(&h->queue, &g));
        ok(lop_queue_wait(&h->queue));
        ok(view_fetch(&h->queue, &v[2]));
        const float *c = view_row(&v[2], 0);
        for (int32_t i = 0; i < rows * SIDE; i++) {
            const float want = (float)(SIDE * (1 + i / (SIDE * SIDE)));
            if (c[i] != want)
                fail_msg("product %d of call %d has %g for %g", i / (SIDE * SIDE), time, (double)c[i],
                         (double)want);
        }
    }
    free(b), free(a);
}

/* C, a product of ones, is all the inner size. */
static void ones_compare(harness *h, const lop_gemm_args *g)
{
    ok(lop_queue_wait(&h->queue));
    ok(view_fetch(&h->queue, &h->views[2]));
    for (int32_t r = 0; r < g->c.rows; r++) {
        const float *c = view_row(&h->views[2], r);
        for (int32_t j = 0; j < g->c.cols; j++)
            if (c[j] != (float)g->a.cols)
                fail_msg("%d x %d x %d of ones: (%d, %d) is %g", g->c.rows, g->c.cols, g->a.cols, r, j,
                         (double)c[j]);
    }
}

/* More shapes than a backend keeps anything for, each of them twice: what it keeps of one must not serve another. */
void products_of_many_shapes(void **state)
{
    harness *h = *state;
    enum { ROWS = 40, SIDE = 48, TIMES = 4 };
    double ones[SIDE * SIDE];
    for (int i = 0; i < SIDE * SIDE; i++) ones[i] = 1.0;
    view *v = h->views;
    for (int i = 0; i < 3; i++) ok(view_put(&h->queue, &v[i], VIEW_ALIGNED, SIDE, SIDE, LOP_F32, 0xff, ones));
    lop_gemm_args g = {
        .a = v[0].mat, .b = v[1].mat, .c = v[2].mat, .alpha = 1.0f, .math = LOP_MATH_F32, .count = 1};
    for (int time = 0; time < TIMES; time++) {
        for (int32_t i = 0; i < ROWS * SIDE; i++) {
            g.a.rows = g.c.rows = 1 + i / SIDE;
            g.b.cols = g.c.cols = 1 + i % SIDE;
            g.a.cols = g.b.rows = 1 + i % 7 + time / 2 * 7;
            ok(lop_gemm(&h->queue, &g));
            ones_compare(h, &g);
        }
    }
}
