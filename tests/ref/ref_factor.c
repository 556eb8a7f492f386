/* ref_factor.c - Cholesky factors and what is made of them; ref_factor.h derives the bounds. */
#include "tests/ref/ref_factor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Square matrices of one size, zeros when they are handed out, in one piece of memory. */
enum { SPACE_MOST = 40 };
typedef struct space {
    int64_t n;
    int used;
    double *at;
} space;

static double *space_memory(int64_t n)
{
    double *at = calloc((size_t)(n * n) * SPACE_MOST + 1, sizeof *at);
    if (at == NULL) exit(1);
    return at;
}

static double *blank(space *s)
{
    if (s->used == SPACE_MOST) exit(1);
    return s->at + s->n * s->n * s->used++;
}

static double *product(space *s, const double *a, const double *b)
{
    const int64_t n = s->n;
    double *c = blank(s);
    for (int64_t i = 0; i < n; i++) {
        for (int64_t k = 0; k < n; k++) {
            const double x = a[i * n + k];
            for (int64_t j = 0; j < n && x != 0.0; j++) c[i * n + j] += x * b[k * n + j];
        }
    }
    return c;
}

static double *turned(space *s, const double *a)
{
    double *c = blank(s);
    for (int64_t i = 0; i < s->n; i++)
        for (int64_t j = 0; j < s->n; j++) c[j * s->n + i] = a[i * s->n + j];
    return c;
}

static double *size_of(space *s, const double *a)
{
    double *c = blank(s);
    for (int64_t i = 0; i < s->n * s->n; i++) c[i] = fabs(a[i]);
    return c;
}

static void add(space *s, double *a, const double *b)
{
    for (int64_t i = 0; i < s->n * s->n; i++) a[i] += b[i];
}

/* A factor, its inverse, their magnitudes, and the magnitudes of the inverses of the tiles. */
typedef struct factor {
    space s;
    double *l, *v;           /* exact */
    double *l_size, *v_size; /* |l|, |v| */
    double *dl, *dv;         /* how far l and v may be off, by g */
    double *tile_inverse, *tile_error;
} factor;

static double *lower_factor(space *s, const double *h)
{
    const int64_t n = s->n;
    double *l = blank(s);
    for (int64_t j = 0; j < n; j++) {
        for (int64_t i = j; i < n; i++) {
            double sum = h[i * n + j];
            for (int64_t k = 0; k < j; k++) sum -= l[i * n + k] * l[j * n + k];
            l[i * n + j] = i == j ? sqrt(sum) : sum / l[j * n + j];
        }
    }
    return l;
}

static double *lower_inverse(space *s, const double *l)
{
    const int64_t n = s->n;
    double *v = blank(s);
    for (int64_t i = 0; i < n; i++) {
        double *row = v + i * n;
        row[i] = 1.0;
        for (int64_t k = 0; k < i; k++)
            for (int64_t j = 0; j <= k; j++) row[j] -= l[i * n + k] * v[k * n + j];
        for (int64_t j = 0; j <= i; j++) row[j] /= l[i * n + i];
    }
    return v;
}

/* What of m lies in the tiles on the diagonal. */
static double *tiles_of(space *s, const double *m, int64_t side)
{
    double *c = blank(s);
    for (int64_t i = 0; i < s->n; i++)
        for (int64_t j = 0; j < s->n; j++) c[i * s->n + j] = i / side == j / side ? m[i * s->n + j] : 0.0;
    return c;
}

/* Phi: the lower triangle with half of the diagonal. */
static double *half(space *s, const double *m)
{
    double *c = blank(s);
    for (int64_t i = 0; i < s->n; i++)
        for (int64_t j = 0; j <= i; j++) c[i * s->n + j] = (i == j ? 0.5 : 1.0) * m[i * s->n + j];
    return c;
}

/* |a| |b| |c| */
static double *three(space *s, const double *a, const double *b, const double *c)
{
    return product(s, product(s, a, b), c);
}

static void errors(factor *f, int64_t side)
{
    space *s = &f->s;
    const double *tile_l = tiles_of(s, f->l_size, side);
    f->tile_inverse = lower_inverse(s, tiles_of(s, f->l, side));
    const double *tile_v = size_of(s, f->tile_inverse);
    const double *turning = turned(s, product(s, tile_v, tile_l)); /* D */
    const double *backward = three(s, f->l_size, turning, turned(s, f->l_size));
    const double *forward = three(s, f->v_size, backward, turned(s, f->v_size));
    f->dl = product(s, f->l_size, half(s, forward));
    f->tile_error = three(s, tile_v, tiles_of(s, f->dl, side), tile_v);
    add(s, f->tile_error, three(s, tile_v, tile_l, tile_v));
    const double *vl = product(s, f->v_size, f->l_size);
    const double *block = three(s, f->v_size, f->l_size, f->v_size);
    f->dv = three(s, vl, block, product(s, f->l_size, f->v_size));
    add(s, f->dv, three(s, f->v_size, f->dl, f->v_size));
}

static void factor_open(const ref_mat *h, int64_t side, double *memory, factor *f)
{
    f->s = (space){h->cols, 0, memory};
    f->l = lower_factor(&f->s, h->at);
    f->v = lower_inverse(&f->s, f->l);
    f->l_size = size_of(&f->s, f->l);
    f->v_size = size_of(&f->s, f->v);
    errors(f, side);
}

static void give(const space *s, const double *values, const double *magnitude, ref_mat *m)
{
    const size_t bytes = (size_t)(s->n * s->n) * sizeof(double);
    memcpy(m->at, values, bytes);
    memcpy(m->magnitude, magnitude, bytes);
    m->terms = (double)s->n + 1.0;
}

void ref_chol(int32_t side, ref_mat *h, ref_mat *tiles)
{
    factor f;
    double *memory = space_memory(h->cols);
    const int64_t n = h->cols;
    factor_open(h, side, memory, &f);
    for (int64_t i = 0; i < n && tiles != NULL; i++) {
        for (int64_t j = 0; j < side; j++) {
            const int64_t col = i / side * side + j;
            tiles->at[i * side + j] = col < n ? f.tile_inverse[i * n + col] : 0.0;
            tiles->magnitude[i * side + j] = col < n ? f.tile_error[i * n + col] : 0.0;
        }
    }
    if (tiles != NULL) tiles->terms = (double)n + 1.0;
    give(&f.s, f.l, f.dl, h);
    free(memory);
}

void ref_tri_inverse(int32_t side, ref_mat *h)
{
    factor f;
    double *memory = space_memory(h->cols);
    factor_open(h, side, memory, &f);
    give(&f.s, f.v, f.dv, h);
    free(memory);
}

void ref_chol_inverse(int32_t side, ref_mat *h)
{
    factor f;
    double *memory = space_memory(h->cols);
    factor_open(h, side, memory, &f);
    space *s = &f.s;
    const double *turned_size = turned(s, f.v_size);
    double *error = product(s, turned_size, f.dv);
    add(s, error, product(s, turned(s, f.dv), f.v_size));
    add(s, error, product(s, turned_size, f.v_size));
    give(s, product(s, turned(s, f.v), f.v), error, h);
    free(memory);
}

void ref_inverse_factor(int32_t side, ref_mat *h)
{
    ref_mirror(h);
    ref_reverse(h);
    ref_tri_inverse(side, h);
    const double terms = h->terms;
    ref_reverse(h);
    h->terms = terms;
}

/* y = x m */
static void row_times(const space *s, const double *x, const double *m, double *y)
{
    memset(y, 0, (size_t)s->n * sizeof *y);
    for (int64_t k = 0; k < s->n; k++)
        for (int64_t j = 0; j < s->n; j++) y[j] += x[k] * m[k * s->n + j];
}

/* How far y = x m^-1 may be off, by magnitudes of m and of its inverse, where x was off by `error`: sums of |x| and |y| |m| are
 * rounded, and multiplied by tiles that are off by |V_t| |L_t| |V_t|. */
static void row_error(const space *s, const double *x, const double *y, const double *error, const double *m,
                      const double *inverse, double *out)
{
    double *a = calloc((size_t)s->n * 3 + 1, sizeof *a), *b = a + s->n, *c = b + s->n;
    if (a == NULL) exit(1);
    for (int64_t j = 0; j < s->n; j++) c[j] = fabs(y[j]);
    row_times(s, c, m, a);
    for (int64_t j = 0; j < s->n; j++) a[j] += fabs(x[j]);
    row_times(s, a, inverse, b);
    row_times(s, b, m, a);
    for (int64_t j = 0; j < s->n; j++) a[j] += error[j];
    row_times(s, a, inverse, out);
    free(a);
}

void ref_chol_solve(int32_t side, ref_mat *h, ref_mat *rows)
{
    factor f;
    double *memory = space_memory(h->cols);
    factor_open(h, side, memory, &f);
    space *s = &f.s;
    const int64_t n = s->n;
    const double *vt = turned(s, f.v), *lt_size = turned(s, f.l_size), *vt_size = turned(s, f.v_size);
    /* The factor's own error: x moves by |x| E |H^-1|, E = |L| D |L^T| within |L| |L^T| |V^T| |L^T|. */
    const double *own = product(s, three(s, f.l_size, lt_size, vt_size), lt_size);
    const double *moved = three(s, own, vt_size, f.v_size);
    double *y = calloc((size_t)n * 5 + 1, sizeof *y), *x = y + n, *forth = x + n, *back = forth + n,
           *size = back + n;
    if (y == NULL) exit(1);
    for (int64_t r = 0; r < rows->rows; r++) {
        double *b = rows->at + r * n;
        row_times(s, b, vt, y);
        row_times(s, y, f.v, x);
        memset(size, 0, (size_t)n * sizeof *size);
        row_error(s, b, y, size, lt_size, vt_size, forth);
        row_error(s, y, x, forth, f.l_size, f.v_size, back);
        for (int64_t j = 0; j < n; j++) size[j] = fabs(x[j]);
        row_times(s, size, moved, rows->magnitude + r * n);
        for (int64_t j = 0; j < n; j++) rows->magnitude[r * n + j] += back[j];
        memcpy(b, x, (size_t)n * sizeof *b);
    }
    rows->terms = (double)n + 1.0;
    give(s, f.l, f.dl, h);
    free(y);
    free(memory);
}

/* Each sum rounds by itself, and U's own error goes through both. */
void ref_inverse_factor_solve(int32_t side, ref_mat *h, ref_mat *rows)
{
    const int64_t n = h->cols;
    double *y = calloc((size_t)n * 3 + 1, sizeof *y), *size = y + n, *off = size + n;
    if (y == NULL) exit(1);
    ref_inverse_factor(side, h);
    for (int64_t r = 0; r < rows->rows; r++) {
        double *b = rows->at + r * n, *magnitude = rows->magnitude + r * n;
        for (int64_t j = 0; j < n; j++) {
            y[j] = size[j] = off[j] = 0.0;
            for (int64_t k = j; k < n; k++) {
                y[j] += b[k] * h->at[j * n + k];
                size[j] += fabs(b[k] * h->at[j * n + k]);
                off[j] += fabs(b[k]) * h->magnitude[j * n + k];
            }
        }
        for (int64_t j = 0; j < n; j++) {
            b[j] = magnitude[j] = 0.0;
            for (int64_t k = 0; k <= j; k++) {
                const double u = h->at[k * n + j];
                b[j] += y[k] * u;
                magnitude[j] += fabs(u) * (2.0 * size[k] + off[k]) + fabs(y[k]) * h->magnitude[k * n + j];
            }
        }
    }
    rows->terms = h->terms > (double)n ? h->terms : (double)n;
    free(y);
}
