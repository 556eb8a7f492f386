/* ops_learn.c - gradients of weighted errors, and the steps of optimisers. What a step needs of the steps before it lies on
 * the device, so that nothing waits for the host. */
#include "core/device/check.h"
#include "core/device/device.h"
#include "core/device/launch.h"

#include <float.h>
#include <math.h>
#include <string.h>

lop_status lop_error_back(lop_queue *q, lop_mat y, lop_mat want, lop_mat weight, float scale, lop_mat scratch,
                          lop_mat loss)
{
    const lop_operand operands[] = {
        {"y", y, LOP_FREE, LOP_FREE, LOP_BIT(LOP_F32), LOP_WRITTEN},
        {"want", want, y.rows, y.cols, LOP_WORDS_ANY, LOP_READ},
        {"weight", weight, 1, y.cols, LOP_BIT(LOP_F32), LOP_READ},
        {"scratch", scratch, y.rows, 1, LOP_BIT(LOP_F32), LOP_WRITTEN},
        {"loss", loss, 1, 2, LOP_BIT(LOP_F32), LOP_WRITTEN},
    };
    LOP_CHECK(q, "error_back", operands);
    const lop_launch_shape rows = lop_by_rows(y.rows, y.cols, want.type);
    const lop_arg parts[] = {LOP_M(y),       LOP_M(want),  LOP_M(weight), LOP_F(2.0f * scale),
                             LOP_M(scratch), LOP_I(y.cols)};
    LOP_TRY(LOP_LAUNCH(q, LOP_KERNEL_error_back_row, &rows, parts));
    const lop_launch_shape one = lop_by_rows(y.rows > 0, y.rows, LOP_F32);
    const lop_arg total[] = {LOP_M(scratch), LOP_M(loss), LOP_I(y.rows)};
    return LOP_LAUNCH(q, LOP_KERNEL_sum_add, &one, total);
}

lop_status lop_reciprocal(lop_queue *q, lop_mat x, float numerator, float least)
{
    const lop_operand operands[] = {
        {"x", x, LOP_FREE, LOP_FREE, LOP_BIT(LOP_F32), LOP_WRITTEN},
    };
    LOP_CHECK(q, "reciprocal", operands);
    if (!(least > 0.0f))
        return LOP_FAIL(LOP_E_ARGUMENT,
                        "reciprocal: x (%d, %d) is taken as %g at least, expected more than 0", x.rows,
                        x.cols, (double)least);
    const lop_launch_shape shape = lop_by_rows(x.rows, x.cols, LOP_F32);
    const lop_arg args[] = {LOP_M(x), LOP_F(numerator), LOP_F(least), LOP_I(x.cols)};
    return LOP_LAUNCH(q, LOP_KERNEL_reciprocal_row, &shape, args);
}

/* ---- what the optimisers share: names and ranges of their numbers */

typedef struct number {
    const char *name;
    double value, least, most; /* in [least, most] */
} number;

static lop_status check_numbers(const char *op, const number *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const number *n = &numbers[i];
        if (n->value >= n->least && n->value <= n->most) continue;
        return LOP_FAIL(LOP_E_ARGUMENT, "%s: %s is %g, expected from %g to %g", op, n->name, n->value,
                        n->least, n->most);
    }
    return LOP_OK;
}
#define CHECK_NUMBERS(op, numbers)                                                                           \
    LOP_TRY(check_numbers((op), (numbers), sizeof(numbers) / sizeof((numbers)[0])))

/* The largest beta below 1 whose rest f32 still tells from 0, and the least number that is not lost in sums. */
#define BETA_MOST  (1.0 - 0x1p-52)
#define REAL_MOST  ((double)FLT_MAX)
#define REAL_LEAST ((double)FLT_MIN)

/* ---- AdamW */

lop_adam_args lop_adam_usual(void)
{
    return (lop_adam_args){
        .lr = 1e-3f, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8f, .weight_decay = 1e-2f, .g_scale = 1.0f};
}

static lop_status adam_check(const lop_queue *q, const lop_adam_args *a)
{
    const int32_t R = a->x.rows, C = a->x.cols;
    const lop_operand operands[] = {
        {"x", a->x, LOP_FREE, LOP_FREE, LOP_BIT(LOP_F32), LOP_WRITTEN},
        {"g", a->g, R, C, LOP_BIT(LOP_F32), LOP_READ},
        {"m", a->m, R, C, LOP_BIT(LOP_F32), LOP_WRITTEN},
        {"v", a->v, R, C, LOP_BIT(LOP_F32), LOP_WRITTEN},
        {"step", a->step, 1, 1, LOP_BIT(LOP_U32), LOP_WRITTEN},
    };
    LOP_CHECK(q, "adam", operands);
    const number numbers[] = {
        {"lr", (double)a->lr, 0.0, REAL_MOST},
        {"beta1", a->beta1, 0.0, BETA_MOST},
        {"beta2", a->beta2, 0.0, BETA_MOST},
        {"eps", (double)a->eps, REAL_LEAST, REAL_MOST},
        {"weight_decay", (double)a->weight_decay, 0.0, REAL_MOST},
        {"g_scale", (double)a->g_scale, REAL_LEAST, REAL_MOST},
    };
    CHECK_NUMBERS("adam", numbers);
    return LOP_OK;
}

lop_status lop_adam_begin(lop_queue *q, const lop_adam_args *a)
{
    LOP_TRY(adam_check(q, a));
    LOP_TRY(lop_mat_zero(q, a->m));
    LOP_TRY(lop_mat_zero(q, a->v));
    return lop_mat_zero(q, a->step);
}

lop_status lop_adam(lop_queue *q, const lop_adam_args *a)
{
    LOP_TRY(adam_check(q, a));
    const lop_launch_shape rows = lop_by_rows(a->x.rows, a->x.cols, LOP_F32);
    const double keep = 1.0 - (double)a->lr * (double)a->weight_decay;
    const lop_arg args[] = {LOP_M(a->x),
                            LOP_M(a->g),
                            LOP_M(a->m),
                            LOP_M(a->v),
                            LOP_M(a->step),
                            LOP_F(a->lr),
                            LOP_F((float)(1.0 - a->beta1)),
                            LOP_F((float)(1.0 - a->beta2)),
                            LOP_F(a->eps),
                            LOP_F((float)keep),
                            LOP_F(a->g_scale),
                            LOP_I(a->x.cols)};
    LOP_TRY(LOP_LAUNCH(q, LOP_KERNEL_adam_row, &rows, args));
    const lop_launch_shape one = lop_by_rows(1, 1, LOP_F32);
    const lop_arg count[] = {LOP_M(a->step)};
    return LOP_LAUNCH(q, LOP_KERNEL_count_up, &one, count);
}

/* ---- Prodigy */

/* A number as the two floats of kernels/twofold.h. */
static lop_arg twofold_arg(double x)
{
    const float both[] = {(float)x, (float)(x - (double)(float)x)};
    uint32_t bits[2];
    memcpy(bits, both, sizeof bits);
    return LOP_U((uint64_t)bits[0] << 32 | bits[1]);
}

lop_prodigy_args lop_prodigy_usual(void)
{
    return (lop_prodigy_args){.lr = 1.0,
                              .beta1 = 0.9,
                              .beta2 = 0.999,
                              .eps = 1e-8,
                              .d0 = 1e-6,
                              .d_coef = 1.0,
                              .growth = INFINITY,
                              .g_scale = 1.0f};
}

static lop_status prodigy_check(const lop_queue *q, const lop_prodigy_args *a)
{
    const int32_t R = a->x.rows, C = a->x.cols;
    const lop_operand operands[] = {
        {"x", a->x, LOP_FREE, LOP_FREE, LOP_BIT(LOP_F32), LOP_WRITTEN},
        {"g", a->g, R, C, LOP_BIT(LOP_F32), LOP_READ},
        {"m", a->m, R, C, LOP_BIT(LOP_F32), LOP_WRITTEN},
        {"v", a->v, R, C, LOP_BIT(LOP_F32), LOP_WRITTEN},
        {"s", a->s, R, C, LOP_BIT(LOP_F32), LOP_WRITTEN},
        {"parts", a->parts, R, 2, LOP_BIT(LOP_F32), LOP_WRITTEN},
        {"state", a->state, 1, LOP_PRODIGY_STATE, LOP_BIT(LOP_F32), LOP_WRITTEN},
    };
    LOP_CHECK(q, "prodigy", operands);
    const double d0 = a->d0 * (double)a->g_scale;
    const number numbers[] = {
        {"lr", a->lr, 0.0, REAL_MOST},
        {"beta1", a->beta1, 0.0, BETA_MOST},
        {"beta2", a->beta2, 0.0, BETA_MOST},
        {"eps", a->eps, REAL_LEAST, REAL_MOST},
        {"d0", a->d0, REAL_LEAST, REAL_MOST},
        {"d0 eps", a->d0 * a->eps, REAL_LEAST, REAL_MOST},
        {"d0^2 (1 - beta2) g_scale^2", d0 * d0 * (1.0 - a->beta2), REAL_LEAST, REAL_MOST},
        {"d_coef", a->d_coef, REAL_LEAST, REAL_MOST},
        {"growth", (double)a->growth, 1.0, (double)INFINITY},
        {"weight_decay", (double)a->weight_decay, 0.0, REAL_MOST},
        {"g_scale", (double)a->g_scale, REAL_LEAST, REAL_MOST},
    };
    CHECK_NUMBERS("prodigy", numbers);
    return LOP_OK;
}

lop_status lop_prodigy_begin(lop_queue *q, const lop_prodigy_args *a)
{
    LOP_TRY(prodigy_check(q, a));
    LOP_TRY(lop_mat_zero(q, a->m));
    LOP_TRY(lop_mat_zero(q, a->v));
    LOP_TRY(lop_mat_zero(q, a->s));
    const lop_launch_shape one = lop_by_rows(1, LOP_PRODIGY_STATE, LOP_F32);
    const lop_arg args[] = {LOP_M(a->state), twofold_arg(a->d0)};
    return LOP_LAUNCH(q, LOP_KERNEL_prodigy_begin, &one, args);
}

/* From x, g and the distance so far to each row's parts of the estimate; s comes along. */
static lop_status prodigy_parts(lop_queue *q, const lop_prodigy_args *a)
{
    const lop_launch_shape rows = lop_by_rows(a->x.rows, a->x.cols, LOP_F32);
    const lop_arg args[] = {LOP_M(a->x),
                            LOP_M(a->g),
                            LOP_M(a->s),
                            LOP_M(a->parts),
                            LOP_M(a->state),
                            twofold_arg(a->lr * (double)a->g_scale),
                            LOP_F((float)sqrt(a->beta2)),
                            LOP_F(a->g_scale),
                            LOP_I(a->x.cols)};
    return LOP_LAUNCH(q, LOP_KERNEL_prodigy_part_row, &rows, args);
}

static lop_status prodigy_estimate(lop_queue *q, const lop_prodigy_args *a)
{
    const lop_launch_shape one = lop_by_rows(a->x.rows > 0, a->x.rows, LOP_F32);
    const double scale = (double)a->g_scale;
    const lop_arg args[] = {LOP_M(a->parts),
                            LOP_M(a->state),
                            twofold_arg(a->lr),
                            twofold_arg(a->d0),
                            twofold_arg(sqrt(a->beta2)),
                            twofold_arg(a->d_coef),
                            LOP_F(a->growth),
                            twofold_arg((1.0 - a->beta1) * scale),
                            twofold_arg((1.0 - a->beta2) * scale * scale),
                            twofold_arg(a->eps),
                            LOP_I(a->x.rows)};
    return LOP_LAUNCH(q, LOP_KERNEL_prodigy_estimate, &one, args);
}

lop_status lop_prodigy(lop_queue *q, const lop_prodigy_args *a)
{
    LOP_TRY(prodigy_check(q, a));
    LOP_TRY(prodigy_parts(q, a));
    LOP_TRY(prodigy_estimate(q, a));
    const lop_launch_shape rows = lop_by_rows(a->x.rows, a->x.cols, LOP_F32);
    const lop_arg args[] = {LOP_M(a->x),
                            LOP_M(a->g),
                            LOP_M(a->m),
                            LOP_M(a->v),
                            LOP_M(a->state),
                            LOP_F((float)a->beta1),
                            LOP_F((float)a->beta2),
                            LOP_F(a->weight_decay),
                            LOP_I(a->x.cols)};
    return LOP_LAUNCH(q, LOP_KERNEL_prodigy_row, &rows, args);
}
