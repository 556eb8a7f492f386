/* factor_checks.c - factors beside the table: matrices whose factors are known exactly, pivots that fail, and large matrices
 * by what their factors multiply to. */
#include "core/device/factor.h"
#include "tests/harness/harness.h"
#include "tests/harness/inputs.h"
#include "tests/ops/ops_checks.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

typedef struct rig {
    lop_queue *q;
    lop_buf buf;
    lop_mat h, tiles, scratch, bad;
    float *host;
} rig;

static void ok(lop_status status)
{
    if (status != LOP_OK) fail_msg("%s", lop_error());
}

static rig rig_open(harness *h, int32_t n)
{
    rig r = {.q = &h->queue};
    const int32_t scratch = lop_inverse_factor_scratch(n);
    const int64_t square = (int64_t)n * n, tiles = (int64_t)n * LOP_TILE;
    ok(lop_buf_open(&h->device, LOP_ON_DEVICE, (size_t)(square + tiles + scratch + 2) * sizeof(float),
                    &r.buf));
    r.host = calloc((size_t)square, sizeof *r.host);
    assert_non_null(r.host);
    return r;
}

/* Views of a buffer belong to where it lies now. */
static void rig_place(rig *r, int32_t n)
{
    const int64_t square = (int64_t)n * n, tiles = (int64_t)n * LOP_TILE;
    const int32_t scratch = lop_inverse_factor_scratch(n);
    r->h = lop_mat_of(&r->buf, 0, n, n, LOP_F32);
    r->tiles = lop_mat_of(&r->buf, square, n, LOP_TILE, LOP_F32);
    r->scratch = lop_mat_of(&r->buf, square + tiles, 1, scratch, LOP_F32);
    r->bad = lop_mat_of(&r->buf, square + tiles + scratch, 1, 2, LOP_I32);
}

static void rig_close(rig *r)
{
    free(r->host);
    lop_buf_close(&r->buf);
}

/* ------------------------------------------------------------------------------------------------ known factors */

typedef struct known {
    float h[9], factor[9];
} known;

static void known_check(rig *r, const known *k, bool inverse)
{
    lop_bad bad;
    ok(lop_upload(r->q, k->h, r->h));
    if (inverse) ok(lop_inverse_factor(r->q, r->h, r->scratch, r->bad));
    if (!inverse) ok(lop_chol(r->q, r->h, r->tiles, r->scratch, r->bad));
    ok(lop_download(r->q, r->h, r->host));
    ok(lop_bad_read(r->q, r->bad, &bad));
    assert_int_equal(bad.column, -1);
    for (int i = 0; i < 9; i++)
        if (fabs((double)r->host[i] - (double)k->factor[i]) >
            4.0 * 0x1p-24 * 2.0 * fabs((double)k->factor[i]))
            fail_msg("element %d is %.9g, expected %.9g", i, (double)r->host[i], (double)k->factor[i]);
}

/* Whole roots and powers of two; above the diagonal stands what nothing may read. */
void factor_known(void **state)
{
    static const known lower = {{25, NAN, NAN, 15, 18, NAN, -5, 0, 11}, {5, 0, 0, 3, 3, 0, -1, 1, 3}};
    /* R = [2 1 4; 0 4 2; 0 0 1], h = R R^T; U = R^-1. */
    static const known upper = {{21, NAN, NAN, 12, 20, NAN, 4, 2, 1},
                                {0.5f, -0.125f, -1.75f, 0, 0.25f, -0.5f, 0, 0, 1}};
    rig r = rig_open(*state, 3);
    rig_place(&r, 3);
    known_check(&r, &lower, false);
    known_check(&r, &upper, true);
    rig_close(&r);
}

/* ------------------------------------------------------------------------------------------------ pivots that fail */

/* h = B D B^T with B the unit matrix and ones beside its diagonal, below it or, `upper`, above: all is whole and exact, and
 * the pivots are D, ones but for `pivot` at `first` and at `second`. */
static void pivots_fill(float *h, int32_t n, bool upper, float pivot, int32_t first, int32_t second)
{
    for (int64_t i = 0; i < (int64_t)n * n; i++) h[i] = 0.0f;
    for (int64_t k = 0; k < n; k++) {
        const float d = k == first || k == second ? pivot : 1.0f;
        const int64_t other = upper ? k - 1 : k + 1;
        h[k * n + k] += d;
        if (other < 0 || other >= n) continue;
        h[other * n + other] += d;
        h[k * n + other] += d;
        h[other * n + k] += d;
    }
}

static void pivot_check(rig *r, bool upper, float pivot, int32_t first, int32_t second)
{
    lop_bad bad;
    const int32_t n = r->h.cols, expected = upper ? second : first;
    pivots_fill(r->host, n, upper, pivot, first, second);
    ok(lop_upload(r->q, r->host, r->h));
    if (upper) ok(lop_inverse_factor(r->q, r->h, r->scratch, r->bad));
    if (!upper) ok(lop_chol(r->q, r->h, r->tiles, r->scratch, r->bad));
    ok(lop_bad_read(r->q, r->bad, &bad));
    const bool same = isnan(pivot) ? isnan(bad.pivot) : bad.pivot == pivot;
    if (bad.column != expected || !same)
        fail_msg("of %d columns, pivot %g at %d and %d, %s: column %d, pivot %g", n, (double)pivot, first,
                 second, upper ? "from the last" : "from the first", bad.column, (double)bad.pivot);
    ok(lop_download(r->q, r->h, r->host));
    const float at = r->host[(int64_t)expected * (n + 1)];
    if (!isnan(at)) fail_msg("column %d of %d failed and its diagonal is %g", expected, n, (double)at);
}

void factor_pivots(void **state)
{
    static const int32_t sizes[] = {1, 2, 64, 65, 300},
                         columns[] = {0, 1, 63, 64, 65, 127, 128, 255, 256, 299};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        const int32_t n = sizes[s];
        rig r = rig_open(*state, n);
        rig_place(&r, n);
        for (size_t c = 0; c < sizeof columns / sizeof columns[0] && columns[c] < n; c++) {
            pivot_check(&r, false, 0.0f, columns[c], columns[c]);
            pivot_check(&r, true, 0.0f, columns[c], columns[c]);
            pivot_check(&r, false, -1.0f, columns[c], n - 1);
            pivot_check(&r, true, -1.0f, 0, columns[c]);
            pivot_check(&r, c % 2 == 0, NAN, columns[c], columns[c]);
        }
        rig_close(&r);
    }
}

/* ------------------------------------------------------------------------------------------------ large matrices */

/* y = m x, or m^T x. */
static void times(const float *m, int32_t n, bool turned, const double *x, double *y)
{
    for (int32_t i = 0; i < n; i++) y[i] = 0.0;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++) y[turned ? j : i] += (double)m[i * n + j] * x[turned ? i : j];
}

static double length(const double *x, int32_t n)
{
    double sum = 0.0;
    for (int32_t i = 0; i < n; i++) sum += x[i] * x[i];
    return sqrt(sum);
}

/* A Gram matrix of fewer rows than columns, `damping` times its mean diagonal added: its least eigenvalue is what was added,
 * its largest is found by powers. Leaves it in r->host; returns the ratio. */
static double damped_gram(harness *h, rig *r, float damping, double *v, double *w)
{
    const int32_t n = r->h.cols, rows = n / 2;
    draw d = {7};
    lop_buf buf;
    double least = 0.0, most = 0.0;
    float *x = malloc((size_t)rows * (size_t)n * sizeof *x);
    assert_non_null(x);
    for (int64_t i = 0; i < (int64_t)rows * n; i++) x[i] = (float)(2.0 * draw_unit(&d) - 1.0);
    ok(lop_buf_open(&h->device, LOP_ON_DEVICE, ((size_t)rows * (size_t)n + 1) * sizeof *x, &buf));
    const lop_mat inputs = lop_mat_of(&buf, 0, rows, n, LOP_F32),
                  mean = lop_mat_of(&buf, (int64_t)rows * n, 1, 1, LOP_F32);
    ok(lop_upload(r->q, x, inputs));
    ok(lop_mat_zero(r->q, r->h));
    ok(lop_gram(r->q, 1.0f, inputs, r->h));
    ok(lop_damp(r->q, r->h, damping, mean));
    ok(lop_mirror(r->q, r->h));
    ok(lop_download(r->q, r->h, r->host));
    float value = 0.0f;
    ok(lop_download(r->q, mean, &value));
    least = (double)damping * (double)value;
    for (int32_t i = 0; i < n; i++) v[i] = 1.0;
    for (int k = 0; k < 20; k++) {
        most = length(v, n);
        for (int32_t i = 0; i < n; i++) v[i] /= most;
        times(r->host, n, false, v, w);
        most = length(w, n);
        for (int32_t i = 0; i < n; i++) v[i] = w[i];
    }
    lop_buf_close(&buf);
    free(x);
    return 1.5 * most / least; /* powers come from below */
}

/* Magnitudes: y = |m| x or |m^T| x. */
static void sizes(const float *m, int32_t n, bool turned, const double *x, double *y)
{
    for (int32_t i = 0; i < n; i++) y[i] = 0.0;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++) y[turned ? j : i] += fabs((double)m[i * n + j]) * x[turned ? i : j];
}

/* x = |L_t^T| |V_t^T| x, tile by tile: what it costs to multiply by inverses of tiles (ref_factor.h). */
static void tiles_cost(const float *l, const float *tiles, int32_t n, double *x)
{
    for (int32_t at = 0; at < n; at += LOP_TILE) {
        double y[LOP_TILE] = {0.0}, z[LOP_TILE] = {0.0};
        const int32_t width = n - at < LOP_TILE ? n - at : LOP_TILE;
        for (int64_t i = 0; i < width; i++)
            for (int64_t j = 0; j <= i; j++) y[j] += fabs((double)tiles[(at + i) * LOP_TILE + j]) * x[at + i];
        for (int64_t i = 0; i < width; i++)
            for (int64_t j = 0; j <= i; j++) z[j] += fabs((double)l[(at + i) * n + at + j]) * y[i];
        for (int32_t j = 0; j < width; j++) x[at + j] = z[j];
    }
}

typedef struct vectors {
    double *t, *ht, *a, *b, *c; /* t is random, ht = h t; the rest is room */
} vectors;

/* L L^T t against h t: a backward error, whatever the condition, element by element within |L| D |L^T| |t|. */
static void factor_check(rig *r, const vectors *v, double eps)
{
    const int32_t n = r->h.cols;
    float *tiles = malloc((size_t)n * LOP_TILE * sizeof *tiles);
    double worst = 0.0;
    assert_non_null(tiles);
    ok(lop_chol(r->q, r->h, r->tiles, r->scratch, r->bad));
    ok(lop_download(r->q, r->h, r->host));
    ok(lop_download(r->q, r->tiles, tiles));
    for (int32_t i = 0; i < n; i++) v->c[i] = fabs(v->t[i]);
    sizes(r->host, n, true, v->c, v->a);
    tiles_cost(r->host, tiles, n, v->a);
    sizes(r->host, n, false, v->a, v->c);
    times(r->host, n, true, v->t, v->a);
    times(r->host, n, false, v->a, v->b);
    for (int32_t i = 0; i < n; i++) {
        const double off = fabs(v->b[i] - v->ht[i]), allowed = eps * v->c[i];
        worst = fmax(worst, off / allowed);
        if (!(off <= allowed)) fail_msg("row %d of L L^T t is off by %g, allowed %g", i, off, allowed);
    }
    print_message("%d columns: L L^T t takes %.2g of its bound", n, worst);
    free(tiles);
}

/* U^T U h t against t: what a backward error of h and one of U become by the condition of h, as lengths. */
static void inverse_check(rig *r, const vectors *v, double eps, double condition)
{
    const int32_t n = r->h.cols;
    ok(lop_inverse_factor(r->q, r->h, r->scratch, r->bad));
    ok(lop_download(r->q, r->h, r->host));
    times(r->host, n, false, v->ht, v->a);
    times(r->host, n, true, v->a, v->b);
    for (int32_t i = 0; i < n; i++) v->b[i] -= v->t[i];
    const double off = length(v->b, n), allowed = 2.0 * eps * condition * length(v->t, n);
    print_message(", U^T U h t %.2g at a condition of %.0f\n", off / allowed, condition);
    if (!(off <= allowed)) fail_msg("U^T U h t is off by %g, allowed %g", off, allowed);
}

static void large_check(harness *h, int32_t n)
{
    rig r = rig_open(h, n);
    rig_place(&r, n);
    double *room = calloc((size_t)n * 5, sizeof *room);
    float *kept = malloc((size_t)n * (size_t)n * sizeof *kept);
    assert_non_null(room), assert_non_null(kept);
    const int64_t next = n;
    const vectors v = {room, room + next, room + 2 * next, room + 3 * next, room + 4 * next};
    const double condition = damped_gram(h, &r, 0.01f, v.a, v.b),
                 eps = 4.0 * 0x1p-24 * (1.0 + sqrt((double)n));
    draw d = {11};
    for (int32_t i = 0; i < n; i++) v.t[i] = 2.0 * draw_unit(&d) - 1.0;
    for (int64_t i = 0; i < (int64_t)n * n; i++) kept[i] = r.host[i];
    times(kept, n, false, v.t, v.ht);
    factor_check(&r, &v, eps);
    ok(lop_upload(r.q, kept, r.h));
    inverse_check(&r, &v, eps, condition);
    free(kept), free(room);
    rig_close(&r);
}

void factor_large(void **state)
{
    large_check(*state, 577);
    large_check(*state, 1000);
}
