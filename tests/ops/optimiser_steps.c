/* optimiser_steps.c - many steps in a row: Prodigy against a published way it goes, AdamW where the way is known in closed
 * form, and what steps leave alone or pass on. */
#include "core/device/ops.h"
#include "tests/harness/harness.h"
#include "tests/ops/ops_checks.h"

#include "core/device/device.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { MATS = 7, WIDTH = 16, STEPS = 10, COUNT = 2, ADAM_STEPS = 1000 };

static void done(lop_status status)
{
    if (status != LOP_OK) fail_msg("%s", lop_error());
}

/* Matrices of one row each in a buffer: x, g, m, v, s of `count` columns, state, parts. */
typedef struct rig {
    lop_queue *q;
    lop_buf buf;
    lop_mat m[MATS];
} rig;

static void rig_open(rig *r, harness *h, int32_t count)
{
    r->q = &h->queue;
    done(lop_buf_open(&h->device, LOP_ON_DEVICE, MATS * WIDTH * sizeof(float), &r->buf));
    for (int i = 0; i < MATS; i++) {
        const int32_t cols = i < 5 ? count : i == 5 ? LOP_PRODIGY_STATE : 2;
        r->m[i] = lop_mat_of(&r->buf, (int64_t)i * WIDTH, 1, cols, LOP_F32);
    }
}

static void rig_prodigy(const rig *r, lop_prodigy_args *args)
{
    *args = lop_prodigy_usual();
    args->x = r->m[0], args->g = r->m[1], args->m = r->m[2], args->v = r->m[3], args->s = r->m[4];
    args->state = r->m[5], args->parts = r->m[6];
}

static void rig_adam(const rig *r, lop_adam_args *args)
{
    *args = lop_adam_usual();
    args->x = r->m[0], args->g = r->m[1], args->m = r->m[2], args->v = r->m[3];
    args->step = lop_mat_cols(r->m[5], 0, 1);
    args->step.type = LOP_U32;
}

/* ---- Prodigy on two parameters from 0 with the gradient (1, -2). Both ways come from a transcription of the authors' code
 * in Python that shares nothing with this one: d and the first parameter after steps 1 to 5 and 10. */

static const int told_at[] = {1, 2, 3, 4, 5, 10};
enum { TOLD = sizeof told_at / sizeof told_at[0] };
typedef struct way {
    double d_coef, d[TOLD], x[TOLD];
} way;
static const way ways[] = {
    {1.0,
     {1.0e-6, 1.581533979e-06, 4.822407776e-06, 1.349609215e-05, 3.450968834e-05, 3.873921462e-03},
     {-3.162276660e-06, -7.411866845e-06, -1.517352888e-05, -3.770989197e-05, -9.811049514e-05,
      -1.104695193e-02}},
    {5.0,
     {1.0e-6, 7.907669896e-06, 3.615648560e-05, 1.796755483e-04, 8.499841313e-04, 2.213893045},
     {-3.162276660e-06, -7.411860832e-06, -3.735124453e-05, -1.756904683e-04, -8.570995629e-04,
      -2.206699239}},
};

/* A run of the reference: values and how far one step takes them off. */
typedef struct run {
    double at[REF_PRODIGY_MATS][WIDTH], off[REF_PRODIGY_MATS][WIDTH];
    ref_mat mats[REF_PRODIGY_MATS];
    ref_mat *list[REF_PRODIGY_MATS];
} run;

static void run_bind(run *r)
{
    for (int k = 0; k < REF_PRODIGY_MATS; k++) {
        r->mats[k] =
            (ref_mat){1, k == REF_PRODIGY_STATE ? REF_PRODIGY_PLACES : COUNT, r->at[k], r->off[k], 1, false};
        r->list[k] = &r->mats[k];
    }
}

static void run_open(run *r, const ref_prodigy_numbers *how)
{
    memset(r, 0, sizeof *r);
    run_bind(r);
    r->at[REF_PRODIGY_G][0] = 1.0, r->at[REF_PRODIGY_G][1] = -2.0;
    ref_prodigy_zero(how->d0, r->list);
}

static void run_step(run *r, const ref_prodigy_numbers *how)
{
    run_bind(r);
    memset(r->off, 0, sizeof r->off);
    ref_prodigy_once(how, r->list);
}

static ref_prodigy_numbers numbers(const way *w)
{
    return (ref_prodigy_numbers){.lr = 1.0,
                                 .beta1 = 0.9,
                                 .beta2 = 0.999,
                                 .eps = 1e-8,
                                 .d0 = 1e-6,
                                 .d_coef = w->d_coef,
                                 .growth = (double)INFINITY,
                                 .g_scale = 1.0};
}

static void follow(run *r, const ref_prodigy_numbers *how, int steps)
{
    for (int i = 0; i < steps; i++) run_step(r, how);
}

/* How far f32 may lie from the exact way after `steps`: what each step may round, one number at a time, carried to the end
 * by the reference itself. A number of two floats may be moved by what both lie off, not by what the second is there for. */
static void way_bound(const way *w, int steps, double *d, double *x)
{
    const double unit = 8.0 * 0x1p-24;
    const ref_prodigy_numbers how = numbers(w);
    run end, now, other;
    run_open(&end, &how);
    follow(&end, &how, steps);
    *d = *x = 0.0;
    run_open(&now, &how);
    for (int step = 1; step <= steps; step++) {
        run_step(&now, &how);
        for (int i = 0; i < REF_PRODIGY_REST; i++) {
            double *off = now.off[REF_PRODIGY_STATE];
            off[i] -= off[i + REF_PRODIGY_REST], off[i + REF_PRODIGY_REST] = 0.0;
        }
        for (int i = 0; i < REF_PRODIGY_MATS * WIDTH; i++) {
            const double off = now.off[i / WIDTH][i % WIDTH] * unit;
            if (off == 0.0) continue;
            other = now;
            other.at[i / WIDTH][i % WIDTH] += off;
            follow(&other, &how, steps - step);
            *d += fabs(other.at[REF_PRODIGY_STATE][0] - end.at[REF_PRODIGY_STATE][0]);
            *x += fabs(other.at[REF_PRODIGY_X][0] - end.at[REF_PRODIGY_X][0]);
        }
    }
}

static void way_check(harness *h, const way *w)
{
    static const float start[] = {0.0f, 0.0f}, slope[] = {1.0f, -2.0f};
    const ref_prodigy_numbers exact = numbers(w);
    lop_prodigy_args args;
    float x[COUNT], state[LOP_PRODIGY_STATE];
    run told;
    rig r;
    rig_open(&r, h, COUNT);
    rig_prodigy(&r, &args);
    args.d_coef = w->d_coef;
    run_open(&told, &exact);
    done(lop_upload(r.q, start, args.x));
    done(lop_upload(r.q, slope, args.g));
    done(lop_prodigy_begin(r.q, &args));
    for (int step = 1, k = 0; step <= STEPS; step++) {
        double d_off = 0.0, x_off = 0.0;
        done(lop_prodigy(r.q, &args));
        run_step(&told, &exact);
        if (step != told_at[k]) continue;
        assert_true(fabs(told.at[REF_PRODIGY_STATE][0] - w->d[k]) <= 1e-9 * w->d[k]);
        assert_true(fabs(told.at[REF_PRODIGY_X][0] - w->x[k]) <= 1e-9 * fabs(w->x[k]));
        done(lop_download(r.q, args.state, state));
        done(lop_download(r.q, args.x, x));
        const double d = (double)state[LOP_PRODIGY_D] + (double)state[LOP_PRODIGY_D + LOP_PRODIGY_REST];
        way_bound(w, step, &d_off, &x_off);
        print_message("d_coef %g, step %2d: d off by %.1e of itself, allowed %.1e; x by %.1e, allowed %.1e\n",
                      w->d_coef, step, fabs(d / w->d[k] - 1.0), d_off / w->d[k],
                      fabs((double)x[0] / w->x[k] - 1.0), x_off / fabs(w->x[k]));
        assert_true(fabs(d - w->d[k]) <= d_off + 1e-9 * w->d[k]);
        assert_true(fabs((double)x[0] - w->x[k]) <= x_off + 1e-9 * fabs(w->x[k]));
        k++;
    }
    lop_buf_close(&r.buf);
}

void prodigy_goes_its_way(void **state)
{
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) way_check(*state, &ways[i]);
}

/* ---- AdamW. With a constant gradient both corrected moments are constant too: every step is lr g / (|g| + eps). */

void adam_by_constant_gradient(void **state)
{
    static const float start[] = {0.0f, 1.0f, 0.0f, -0.5f}, slope[] = {1.0f, -1e-3f, 1000.0f, 0.25f};
    lop_adam_args args;
    uint32_t steps = 0;
    float x[4];
    rig r;
    rig_open(&r, *state, 4);
    rig_adam(&r, &args);
    args.weight_decay = 0.0f;
    done(lop_upload(r.q, start, args.x));
    done(lop_upload(r.q, slope, args.g));
    done(lop_adam_begin(r.q, &args));
    for (int n = 0; n < ADAM_STEPS; n++) done(lop_adam(r.q, &args));
    done(lop_download(r.q, args.x, x));
    done(lop_download(r.q, args.step, &steps));
    assert_int_equal(steps, ADAM_STEPS);
    for (int i = 0; i < 4; i++) {
        const double g = (double)slope[i], lr = (double)args.lr;
        const double move = lr * g / (fabs(g) + (double)args.eps), far = ADAM_STEPS * fabs(move);
        /* How far a step's quotient is off, in eps: what enters a moment is rounded 2.5 times a step and stays for 1 / (1 -
         * beta) steps, 10 for m and 1000 for v, whose root halves it; a correction is rounded five times a binary digit of
         * n and once; 20 for the rest. Adding it to x rounds once. */
        const double quotient = (2.5 * (10.0 + 500.0) + 1.5 * (1.0 + 5.0 * 11.0) + 20.0) * 0x1p-24;
        const double bound = far * quotient + ADAM_STEPS * 0x1p-24 * (fabs((double)start[i]) + far);
        if (fabs((double)x[i] - ((double)start[i] - ADAM_STEPS * move)) > bound)
            fail_msg("x[%d] is %.9g, expected %.9g to %.2g", i, (double)x[i],
                     (double)start[i] - ADAM_STEPS * move, bound);
    }
    lop_buf_close(&r.buf);
}

/* ---- what is left alone, and what is passed on */

void prodigy_without_gradient(void **state)
{
    static const float start[] = {0.25f, -3.0f};
    const float none[COUNT] = {0.0f}, nan[COUNT] = {1.0f, NAN};
    float x[COUNT], kept[LOP_PRODIGY_STATE], after[LOP_PRODIGY_STATE];
    lop_prodigy_args args;
    rig r;
    rig_open(&r, *state, COUNT);
    rig_prodigy(&r, &args);
    done(lop_upload(r.q, start, args.x));
    done(lop_upload(r.q, none, args.g));
    args.weight_decay = 0.1f;
    done(lop_prodigy_begin(r.q, &args));
    done(lop_download(r.q, args.state, kept));
    for (int i = 0; i < STEPS; i++) done(lop_prodigy(r.q, &args));
    done(lop_download(r.q, args.x, x));
    done(lop_download(r.q, args.state, after));
    assert_memory_equal(x, start, sizeof x);
    assert_memory_equal(after, kept, sizeof after);
    assert_true(after[LOP_PRODIGY_D] == (float)args.d0 && after[LOP_PRODIGY_MOST] == (float)args.d0);
    /* What is no number stays until somebody begins anew. */
    done(lop_upload(r.q, nan, args.g));
    done(lop_prodigy(r.q, &args));
    done(lop_upload(r.q, start, args.g));
    done(lop_prodigy(r.q, &args));
    done(lop_download(r.q, args.x, x));
    done(lop_download(r.q, args.state, after));
    assert_true(isnan(after[LOP_PRODIGY_D]) && isnan(x[0]) && isnan(x[1]));
    done(lop_upload(r.q, start, args.x));
    done(lop_prodigy_begin(r.q, &args));
    done(lop_prodigy(r.q, &args));
    done(lop_download(r.q, args.x, x));
    assert_true(isfinite(x[0]) && isfinite(x[1]));
    lop_buf_close(&r.buf);
}
