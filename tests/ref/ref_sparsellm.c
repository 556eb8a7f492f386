/* ref_sparsellm.c - where auxiliary outputs of a feed-forward layer move, element by element, and targets of its linears. */
#include "tests/ref/ref_ops.h"

#include <math.h>
#include <stddef.h>

static const double eps = 0x1p-24;

/* A number, and how far f32 may leave it from there, by eps. */
typedef struct near {
    double at, off;
} near;

/* One element: (x - m)^2 + rho (p - z f(x))^2. */
typedef struct element {
    const ref_auxiliary *how;
    double m, p;
    near z;
} element;

static double misfit(const element *e, double x)
{
    double size;
    const double d = x - e->m, rest = e->p - e->z.at * ref_gate_value(e->how->kind, x, &size);
    return d * d + e->how->rho * rest * rest;
}

static near within(const ref_auxiliary *how, near x)
{
    x.at = fmin(fmax(x.at, -how->most), how->most);
    return x;
}

/* The gradient's half at x, how fast it turns there at most, and what rounds in it. */
static double gradient(const element *e, double x, double *turns, double *size)
{
    double value_size, slope_size;
    const double rho = e->how->rho, f = ref_gate_value(e->how->kind, x, &value_size);
    const double g = ref_gate_slope(e->how->kind, x, &slope_size), rest = e->p - e->z.at * f;
    const double loose = fabs(e->p) + fabs(e->z.at) * value_size + fabs(f) * e->z.off;
    *turns = 1.0 + rho * (e->z.at * e->z.at * g * g + fabs(rest * e->z.at));
    *size =
        fabs(x) + fabs(e->m) +
        rho * (loose * fabs(e->z.at * g) + fabs(rest) * (fabs(e->z.at) * slope_size + fabs(g) * e->z.off));
    return x - e->m - rho * rest * e->z.at * g;
}

static near descent(const element *e, double x)
{
    near s = {x, 0.0};
    for (int i = 0; i < 2; i++) {
        double turns, size;
        const double g = gradient(e, s.at, &turns, &size);
        s.off = s.off * (1.0 + e->how->rate * turns) + fabs(s.at) + e->how->rate * (size + fabs(g));
        s.at -= e->how->rate * g;
    }
    return s;
}

/* What rounding may leave of a misfit at x, and so, as it is flat by 1 at least, the root of that of x itself. */
static double misfit_off(const element *e, double x)
{
    double size;
    const double value = fabs(e->z.at) * fabs(ref_gate_value(e->how->kind, x, &size)) + fabs(e->p);
    return (x - e->m) * (x - e->m) + fabs(x - e->m) * (fabs(x) + fabs(e->m)) +
           e->how->rho * value * (value + fabs(e->z.at) * size + e->z.off);
}

/* Where Gauss-Newton stands: the best so far, and the step whose halves are tried from where its turn began. */
typedef struct path {
    double x, least, from, step;
    int trial;
} path;
enum { TRIALS = 4, TRIALS_ALL = 12 };

/* The first, and so far off that the other is within. */
static near either(near own, near other)
{
    own.off = fmax(own.off, other.off + fabs(own.at - other.at) / eps);
    return own;
}

/* The same candidates as the kernel's. Of two whose misfits rounding does not tell apart it may take either: where that is more
 * than rounding of x itself, both ways are gone. */
static near go(const element *e, path w)
{
    double size, turns, rise;
    for (; w.trial < TRIALS_ALL; w.trial++, w.step /= 2.0) {
        if (w.trial % TRIALS == 0) {
            w.from = w.x;
            rise = e->z.at * ref_gate_slope(e->how->kind, w.from, &size);
            w.step = gradient(e, w.from, &turns, &size) / (1.0 + e->how->rho * rise * rise);
        }
        const double at = w.from - w.step, value = misfit(e, at),
                     off = misfit_off(e, at) + misfit_off(e, w.x);
        const bool even = fabs(value - w.least) <= 16.0 * eps * off && fabs(at - w.x) >= sqrt(eps * off);
        const path stay = {w.x, w.least, w.from, w.step / 2.0, w.trial + 1};
        const path move = {at, value, w.from, w.step / 2.0, w.trial + 1};
        if (even) return either(go(e, value < w.least ? move : stay), go(e, value < w.least ? stay : move));
        if (value < w.least) w.x = at, w.least = value;
    }
    (void)gradient(e, w.x, &turns, &size);
    return (near){w.x, size + sqrt(misfit_off(e, w.x) / eps) + misfit(e, w.x)};
}

static near newton(const element *e, double x)
{
    const path as_it_was = {.x = x, .least = misfit(e, x)}, anew = {.x = e->m, .least = misfit(e, e->m)};
    const bool moves = anew.least < as_it_was.least;
    const near own = go(e, moves ? anew : as_it_was);
    const double off = misfit_off(e, x) + misfit_off(e, e->m);
    const bool even = fabs(anew.least - as_it_was.least) <= 16.0 * eps * off;
    return even ? either(own, go(e, moves ? as_it_was : anew)) : own;
}

static near rectified(const element *e)
{
    const double rho = e->how->rho, edge = (sqrt(1.0 + rho) - 1.0) * e->p;
    const double both = (e->m + rho * e->p) / (1.0 + rho);
    near z = {fmax(both, 0.0), (fabs(e->m) + rho * fabs(e->p)) / (1.0 + rho)};
    if (e->m >= 0.0) return z;
    z.at = edge < -e->m ? e->m : both;
    if (fabs(edge + e->m) <= 8.0 * eps * (fabs(edge) + fabs(e->m))) z.off += fabs(both - e->m) / eps;
    return z;
}

/* z by the closed form, which is linear in it. */
static near gated_z(const element *e, double s)
{
    double size;
    const double rho = e->how->rho, f = ref_gate_value(e->how->kind, s, &size);
    const double top = e->m + rho * f * e->p, below = 1.0 + rho * f * f;
    return (near){top / below, (fabs(e->m) + rho * size * fabs(e->p)) / below +
                                   fabs(top) / below * (1.0 + 2.0 * rho * f * size / below)};
}

/* x = what moved, y = how far from m; and what the misfit may be off with them. */
static double give(const element *e, near x, ref_mat *to, ref_mat *far, int64_t at)
{
    to->at[at] = x.at;
    to->magnitude[at] = x.off;
    far->at[at] = x.at - e->m;
    far->magnitude[at] = x.off + fabs(e->m) + fabs(x.at);
    const double d = fabs(x.at - e->m), off = x.off + fabs(x.at) + fabs(e->m);
    return d * d + d * off + eps * off * off;
}

static void element_move(const ref_auxiliary *how, const ref_auxiliary_mats *m, int64_t at, int32_t row)
{
    const bool gated = m->s != NULL;
    const ref_gate_kind kind = how->kind;
    const double p = m->p->at[at], up = m->up->at[at], gate = gated ? m->gate->at[at] : 0.0;
    element first = {how, up, p, {1.0, 0.0}}, second = {how, gate, p, {0.0, 0.0}};
    near z = gated ? gated_z(&first, m->s->at[at])
                   : (kind == REF_RELU ? rectified(&first) : newton(&first, m->z->at[at]));
    near s = z;
    second.z = z = within(how, z);
    if (gated) s = how->rate > 0.0 ? descent(&second, m->s->at[at]) : newton(&second, m->s->at[at]);
    s = within(how, s);
    double value_size, slope_size, sum = 0.0;
    const double by = gated ? z.at : 1.0, f = ref_gate_value(kind, s.at, &value_size);
    const double g = ref_gate_slope(kind, s.at, &slope_size), rest = fabs(p - by * f);
    const double off =
        fabs(p) + fabs(by) * value_size + fabs(by * g) * s.off + (gated ? fabs(f) * z.off : 0.0);
    m->sum->magnitude[row] +=
        give(&first, z, m->z, m->up, at) + how->rho * (rest * rest + rest * off + eps * off * off);
    if (gated) m->sum->magnitude[row] += give(&second, s, m->s, m->gate, at);
    sum = (z.at - up) * (z.at - up) + how->rho * rest * rest;
    m->sum->at[row] += gated ? sum + (s.at - gate) * (s.at - gate) : sum;
}

void ref_auxiliary_row(const ref_auxiliary *how, const ref_auxiliary_mats *m)
{
    const int32_t cols = m->z->cols;
    for (int32_t row = 0; row < m->z->rows; row++) {
        m->sum->at[row] = m->sum->magnitude[row] = 0.0;
        for (int32_t c = 0; c < cols; c++) element_move(how, m, (int64_t)row * cols + c, row);
    }
    m->z->terms = m->up->terms = 2;
    if (m->s != NULL) m->s->terms = m->gate->terms = 2;
    m->sum->terms = 4.0 * cols;
}

void ref_target_row(const ref_target *how, ref_mat *b)
{
    const double living = how->fraction * how->mean->at[0];
    for (int64_t i = 0; i < (int64_t)b->rows * b->cols; i++) {
        const double d = how->diagonal->at[i % b->cols] == 0.0 ? how->dead : living;
        const double w = how->w->at[i], held = how->anchor != NULL ? how->anchor->at[i] : 0.0;
        b->magnitude[i] = fabs(b->at[i]) + fabs(d) * (fabs(w) + fabs(held));
        b->at[i] -= d * (w - held);
    }
    b->terms = 3;
}
