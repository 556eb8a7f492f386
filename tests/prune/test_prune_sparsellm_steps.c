/* test_prune_sparsellm_steps.c - SparseLLM's steps, one at a time, against closed forms in double precision: where single outputs
 * move, that no step raises what it minimises, and what is pruned in a second epoch. */
#include "core/device/device.h"
#include "core/device/launch.h"
#include "tests/prune/ffn_rig.h"
#include "tests/prune/groups.h"
#include "tests/ref/ref_ops.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { UP = LOP_SPARSELLM_UP, GATE = LOP_SPARSELLM_GATE, DOWN = LOP_SPARSELLM_DOWN };

/* ---- single elements */

/* Every combination of a few m, p and, by row, z (or n) and old s, of which the last are far out. */
static const float few[] = {-40.0f, -3.0f, -1.0f, -0.3f, 0.0f, 0.2f, 0.9f, 2.5f, 30.0f, 1000.0f, -900.0f};
enum { FEW = sizeof few / sizeof few[0], CELLS = FEW * FEW };

typedef struct elements {
    float z[CELLS], s[CELLS], up[CELLS], gate[CELLS], p[CELLS];
} elements;

static void elements_move(elements *e, const ref_auxiliary *how, bool with_gate)
{
    lop_device device;
    lop_queue q;
    lop_arena *a = NULL;
    float *const all[] = {e->z, e->s, e->up, e->gate, e->p};
    lop_mat m[6];
    prune_ok(test_device_open(prune_backend, &device));
    prune_ok(lop_queue_open(&device, &q));
    prune_ok(lop_arena_open(&device, LOP_ON_DEVICE, 0, &a));
    for (int i = 0; i < 6; i++) prune_ok(lop_arena_mat(a, 1, i < 5 ? CELLS : 1, LOP_F32, &m[i]));
    for (int i = 0; i < 5; i++) prune_ok(lop_upload(&q, all[i], m[i]));
    const lop_launch_shape shape = lop_by_rows(1, CELLS, LOP_F32);
    const lop_arg both[] = {LOP_M(m[0]),
                            LOP_M(m[1]),
                            LOP_M(m[2]),
                            LOP_M(m[3]),
                            LOP_M(m[4]),
                            LOP_M(m[5]),
                            LOP_F((float)how->rho),
                            LOP_F(0.0f),
                            LOP_F(1e30f),
                            LOP_I((int32_t)how->kind),
                            LOP_I(CELLS)};
    const lop_arg one[] = {LOP_M(m[0]),
                           LOP_M(m[2]),
                           LOP_M(m[4]),
                           LOP_M(m[5]),
                           LOP_F((float)how->rho),
                           LOP_F((float)(sqrt(1.0 + how->rho) - 1.0)),
                           LOP_F(1e30f),
                           LOP_I((int32_t)how->kind),
                           LOP_I(CELLS)};
    prune_ok(with_gate ? LOP_LAUNCH(&q, LOP_KERNEL_auxiliary_gated_row, &shape, both)
                       : LOP_LAUNCH(&q, LOP_KERNEL_auxiliary_row, &shape, one));
    for (int i = 0; i < 4; i++) prune_ok(lop_download(&q, m[i], all[i]));
    lop_queue_close(&q);
    lop_arena_close(a);
    lop_device_close(&device);
}

static double value(ref_gate_kind kind, double x)
{
    double size;
    return ref_gate_value(kind, x, &size);
}

static double misfit(const ref_auxiliary *how, double x, double m, double p, double z)
{
    const double rest = p - z * value(how->kind, x);
    return (x - m) * (x - m) + how->rho * rest * rest;
}

/* No z of a grid is better than the rule's, whatever rho. */
static void rectified_outputs(void **state)
{
    (void)state;
    static const double rhos[] = {0.1, 1.0, 7.0};
    for (int k = 0; k < 3; k++) {
        const ref_auxiliary how = {REF_RELU, rhos[k], 0.0, 1e30};
        elements e = {.z = {0}};
        for (int i = 0; i < CELLS; i++) {
            e.up[i] = few[i / FEW];
            e.p[i] = few[i % FEW];
        }
        elements_move(&e, &how, false);
        for (int i = 0; i < CELLS; i++) {
            const double m = (double)few[i / FEW], p = (double)few[i % FEW];
            const double own = misfit(&how, (double)e.z[i], m, p, 1.0);
            assert_true(fabs((double)e.up[i] - ((double)e.z[i] - m)) <=
                        1e-6 * (fabs(m) + fabs((double)e.z[i])));
            for (int g = -800; g <= 800; g++)
                assert_true(own <= misfit(&how, 0.01 * g, m, p, 1.0) * (1.0 + 1e-6) + 1e-9);
        }
    }
}

/* z has no slope left; s is nowhere worse than before or than what its linear gives, and stays a number. */
static void gated_outputs(void **state)
{
    (void)state;
    static const float zs[] = {1.0f, -7.0f, 50.0f, 1000.0f};
    int better = 0;
    for (int k = 0; k < 4; k++) {
        const ref_auxiliary how = {REF_SILU, k == 1 ? 0.2 : 1.0, 0.0, 1e30};
        elements e;
        for (int i = 0; i < CELLS; i++) {
            e.up[i] = zs[k];
            e.s[i] = few[i / FEW];
            e.p[i] = few[i % FEW];
            e.gate[i] = few[(i + 3 * k) % FEW];
            e.z[i] = 0.0f;
        }
        const elements was = e;
        elements_move(&e, &how, true);
        for (int i = 0; i < CELLS; i++) {
            const double m = (double)was.up[i], n = (double)was.gate[i], p = (double)was.p[i];
            const double f = value(REF_SILU, (double)was.s[i]), z = (double)e.z[i], s = (double)e.s[i];
            const double slope = z - m + how.rho * f * (f * z - p);
            assert_true(fabs(slope) <=
                        1e-5 * (fabs(z) + fabs(m) + how.rho * fabs(f) * (fabs(f * z) + fabs(p))));
            const double own = misfit(&how, s, n, p, z), before = misfit(&how, (double)was.s[i], n, p, z);
            const double rounding = 1e-5 * (before + n * n + how.rho * p * p) + 1e-9;
            assert_true(isfinite(own) && own <= before + rounding &&
                        own <= misfit(&how, n, n, p, z) + rounding);
            better += own < 0.9 * before;
        }
    }
    assert_true(better > CELLS);
}

/* ---- a pass, and what F is made of */

typedef struct point {
    double *w[LOP_SPARSELLM_LINEARS], *z, *s, *p;
} point;

static double far(const double *a, const double *b, int64_t count)
{
    double sum = 0.0;
    for (int64_t i = 0; i < count; i++) sum += (a[i] - b[i]) * (a[i] - b[i]);
    return sum;
}

/* F / alpha. */
static double objective(const ffn_rig *r, const point *at)
{
    const int32_t d = r->shape.hidden, f = r->shape.ffn, rows = ffn_rig_tokens(r);
    const int64_t inner = (int64_t)rows * f;
    double *m = ffn_product(r->x, at->w[UP], r->bias, rows, f, d), *a = ffn_active(r, at->z, at->s);
    double *y = ffn_product(at->p, at->w[DOWN], NULL, rows, d, f);
    double sum =
        far(at->z, m, inner) + r->options.rho * far(at->p, a, inner) + far(r->y, y, (int64_t)rows * d);
    free(m);
    if (at->s != NULL) {
        m = ffn_product(r->x, at->w[GATE], NULL, rows, f, d);
        sum += far(at->s, m, inner);
        free(m);
    }
    free(y);
    free(a);
    return sum;
}

/* W^T (W p - Y) + rho (p - r), against the sizes of its terms. */
static double slope_of_p(const ffn_rig *r, const point *at, const double *active)
{
    const int32_t d = r->shape.hidden, f = r->shape.ffn, rows = ffn_rig_tokens(r);
    double *y = ffn_product(at->p, at->w[DOWN], NULL, rows, d, f), slope = 0.0, size = 0.0;
    for (int32_t t = 0; t < rows; t++)
        for (int32_t c = 0; c < f; c++) {
            const int64_t i = (int64_t)t * f + c;
            double sum = r->options.rho * (at->p[i] - active[i]), terms = fabs(at->p[i]) + fabs(active[i]);
            for (int32_t o = 0; o < d; o++) {
                const double w = at->w[DOWN][(int64_t)o * f + c];
                sum += w * (y[(int64_t)t * d + o] - r->y[(int64_t)t * d + o]);
                terms += fabs(w) * (fabs(y[(int64_t)t * d + o]) + fabs(r->y[(int64_t)t * d + o]));
            }
            slope += sum * sum;
            size += terms * terms;
        }
    free(y);
    return sqrt(slope / size);
}

static void pass_check(ffn_shape shape)
{
    ffn_rig r;
    point at = {.w = {NULL}};
    ffn_rig_open(&r, prune_backend, shape);
    r.target.ratio = 0.7;
    ffn_rig_begin(&r);
    prune_ok(lop_sparsellm_dense(&r.b));
    at.w[UP] = ffn_rig_weights(&r, UP);
    at.w[DOWN] = ffn_rig_weights(&r, DOWN);
    if (shape.gated) at.w[GATE] = ffn_rig_weights(&r, GATE);
    for (int epoch = 0; epoch < 3; epoch++) { /* the weights stay: only what is auxiliary moves */
        at.z = ffn_rig_stream(&r, &r.ffn.up);
        at.s = shape.gated ? ffn_rig_stream(&r, &r.ffn.gate) : NULL;
        double *active = ffn_active(&r, at.z, at.s), *older = at.z, *old_s = at.s;
        prune_ok(lop_sparsellm_pass(&r.b, epoch, false));
        at.p = active;
        const double before = objective(&r, &at);
        at.p = ffn_rig_matrix(&r, r.b.p);
        const double between = objective(&r, &at);
        assert_true(slope_of_p(&r, &at, active) < 1e-5);
        at.z = ffn_rig_stream(&r, &r.ffn.up);
        if (shape.gated) at.s = ffn_rig_stream(&r, &r.ffn.gate);
        const double after = objective(&r, &at);
        print_message("F %.6g -> %.6g -> %.6g\n", before, between, after);
        assert_true(between <= before * (1.0 + 1e-6) && after <= between * (1.0 + 1e-6) && after < before);
        free(at.p);
        free(at.z);
        if (shape.gated) free(at.s);
        free(active);
        free(older);
        free(old_s);
    }
    for (int i = 0; i < LOP_SPARSELLM_LINEARS; i++) free(at.w[i]);
    ffn_rig_close(&r);
}

static void passes_lower_the_objective(void **state)
{
    (void)state;
    ffn_shape gelu = ffn_plain;
    gelu.kind = LOP_GATE_GELU;
    pass_check(ffn_gated);
    pass_check(ffn_plain);
    pass_check(gelu);
}

/* ---- targets */

/* Rows b of `rows` become b h^-1, h (n, n) positive definite, which becomes its factor. */
static void rows_solve(double *h, int32_t n, double *rows, int32_t count)
{
    for (int32_t j = 0; j < n; j++)
        for (int32_t i = j; i < n; i++) {
            double sum = h[(int64_t)i * n + j];
            for (int32_t k = 0; k < j; k++) sum -= h[(int64_t)i * n + k] * h[(int64_t)j * n + k];
            h[(int64_t)i * n + j] = i == j ? sqrt(sum) : sum / h[(int64_t)j * n + j];
        }
    for (double *b = rows; b < rows + (int64_t)count * n; b += n) {
        for (int32_t i = 0; i < n; i++) {
            for (int32_t k = 0; k < i; k++) b[i] -= h[(int64_t)i * n + k] * b[k];
            b[i] /= h[(int64_t)i * n + i];
        }
        for (int32_t i = n - 1; i >= 0; i--) {
            for (int32_t k = i + 1; k < n; k++) b[i] -= h[(int64_t)k * n + i] * b[k];
            b[i] /= h[(int64_t)i * n + i];
        }
    }
}

/* anchor + (want - anchor x) x^T (x x^T + damping mean)^-1; x (T, in), want (T, out), anchor NULL: 0. */
static double *target(const double *x, const double *want, const double *anchor, const int32_t size[3],
                      double damping)
{
    const int32_t rows = size[0], out = size[1], in = size[2];
    double *h = calloc((size_t)in * (size_t)in, sizeof *h), *b = calloc((size_t)out * (size_t)in, sizeof *b);
    double *held = calloc((size_t)rows * (size_t)out, sizeof *held), mean = 0.0;
    assert_true(h != NULL && b != NULL && held != NULL);
    if (anchor != NULL) {
        free(held);
        held = ffn_product(x, anchor, NULL, rows, out, in);
    }
    for (int32_t t = 0; t < rows; t++)
        for (int32_t i = 0; i < in; i++) {
            const double v = x[(int64_t)t * in + i];
            for (int32_t j = 0; j < in; j++) h[(int64_t)i * in + j] += v * x[(int64_t)t * in + j];
            for (int32_t o = 0; o < out; o++)
                b[(int64_t)o * in + i] += (want[(int64_t)t * out + o] - held[(int64_t)t * out + o]) * v;
        }
    for (int32_t i = 0; i < in; i++) mean += h[(int64_t)i * in + i] / in;
    for (int32_t i = 0; i < in; i++) h[(int64_t)i * in + i] += damping * mean;
    rows_solve(h, in, b, out);
    for (int64_t i = 0; anchor != NULL && i < (int64_t)out * in; i++) b[i] += anchor[i];
    free(held);
    free(h);
    return b;
}

static double apart(const double *a, const double *b, int64_t count)
{
    double zero = 0.0;
    for (int64_t i = 0; i < count; i++) zero += b[i] * b[i];
    return sqrt(far(a, b, count) / zero);
}

/* What a second epoch prunes, seen by pruning nothing. */
static void targets_check(ffn_shape shape, bool pseudo, double within)
{
    const int32_t d = shape.hidden, f = shape.ffn, rows = shape.tokens * shape.windows;
    ffn_rig r;
    ffn_rig_open(&r, prune_backend, shape);
    r.target.ratio = 0.6;
    r.options.pseudo = pseudo;
    ffn_rig_begin(&r);
    prune_ok(lop_sparsellm_dense(&r.b));
    prune_ok(lop_sparsellm_pass(&r.b, 0, false));
    for (int32_t i = 0; i < r.block.count; i++) r.block.linears[i].target.ratio = 0.0;
    double *p = ffn_rig_matrix(&r, r.b.p);
    prune_ok(lop_sparsellm_prune(&r.b));
    const double damping = pseudo ? 1e-6 : r.options.solver.damping;
    const lop_stream *const streams[] = {&r.ffn.up, &r.ffn.gate};
    for (int i = UP; i <= (shape.gated ? GATE : UP); i++) {
        double *z = ffn_rig_stream(&r, streams[i]), *got = ffn_rig_weights(&r, i);
        for (int64_t k = 0; r.bias != NULL && k < (int64_t)rows * f; k++) z[k] -= r.bias[k % f];
        double *want = target(r.x, z, pseudo ? NULL : r.dense[i], (const int32_t[]){rows, f, d}, damping);
        print_message("linear %d is off by %.3g\n", i, apart(got, want, (int64_t)f * d));
        assert_true(apart(got, want, (int64_t)f * d) < within);
        free(want);
        free(got);
        free(z);
    }
    double *got = ffn_rig_weights(&r, DOWN);
    double *want = target(p, r.y, pseudo ? NULL : r.dense[DOWN], (const int32_t[]){rows, d, f}, damping);
    print_message("the last linear is off by %.3g\n", apart(got, want, (int64_t)f * d));
    assert_true(apart(got, want, (int64_t)f * d) < within);
    free(want);
    free(got);
    free(p);
    ffn_rig_close(&r);
}

static void targets(void **state)
{
    (void)state;
    targets_check(ffn_gated, false, 1e-4);
    targets_check(ffn_plain, false, 1e-4);
    targets_check(ffn_gated, true, 1e-4);
}

/* Where nothing goes nothing moves. */
static void nothing_pruned(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++) {
        ffn_rig r;
        ffn_rig_open(&r, prune_backend, k == 0 ? ffn_gated : ffn_plain);
        r.target.ratio = 0.0;
        r.options.last = true;
        ffn_rig_run(&r);
        assert_true(ffn_rig_loss(&r, 3) < 1e-9);
        for (int i = 0; i < LOP_SPARSELLM_LINEARS; i++) {
            if (r.dense[i] == NULL) continue;
            double *w = ffn_rig_weights(&r, i);
            assert_true(apart(w, r.dense[i], (int64_t)r.shape.hidden * r.shape.ffn) < 1e-5);
            free(w);
        }
        ffn_rig_close(&r);
    }
}

int test_prune_sparsellm_steps(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rectified_outputs),
        cmocka_unit_test(gated_outputs),
        cmocka_unit_test(passes_lower_the_objective),
        cmocka_unit_test(targets),
        cmocka_unit_test(nothing_pruned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
