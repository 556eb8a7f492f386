/* cases_learn.c - gradients of errors, statistics and optimisers: d = (rows, columns). */
#include "tests/harness/cases.h"

#include <math.h>

/* ---- error_back. Variants: what the gradient is scaled by. */

static const float error_scales[] = {1.0f, 1000.0f};

static int error_mats(const case_at *at, case_mat *m)
{
    m[0] = (case_mat){at->d[0], at->d[1], LOP_F32, CASE_INOUT, FILL_KIND, 0, 0, 0};
    m[1] = (case_mat){at->d[0], at->d[1], at->word, CASE_IN, FILL_KIND, 0, 0, 0};
    m[2] = (case_mat){1, at->d[1], LOP_F32, CASE_IN, FILL_NONNEG, 0, 0.001, 0}; /* so that no sum overflows */
    m[3] = (case_mat){at->d[0], 1, LOP_F32, CASE_SCRATCH, FILL_KIND, 0, 0, 0};
    m[4] = (case_mat){1, 2, LOP_F32, CASE_INOUT, FILL_PLAIN, 0, 0, 0};
    return 5;
}

static lop_status error_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    return lop_error_back(q, m[0], m[1], m[2], error_scales[at->variant], m[3], m[4]);
}

static void error_reference(const case_at *at, ref_mat *m)
{
    ref_error_back(&m[0], &m[1], &m[2], (double)error_scales[at->variant], &m[4]);
}

static double error_flops(const case_at *at)
{
    return 5.0 * at->d[0] * at->d[1];
}

/* ---- reciprocal */

static const float numerator = 3.0f, least = 0.25f;

static int reciprocal_mats(const case_at *at, case_mat *m)
{
    m[0] = (case_mat){at->d[0], at->d[1], LOP_F32, CASE_INOUT, FILL_KIND, 0, 0, LOOSE_ROWS | LOOSE_COLS};
    return 1;
}

static lop_status reciprocal_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    (void)at;
    return lop_reciprocal(q, m[0], numerator, least);
}

static void reciprocal_reference(const case_at *at, ref_mat *m)
{
    (void)at;
    ref_reciprocal(&m[0], (double)numerator, (double)least);
}

/* ---- sum_row_groups. Variants: rows of a group: one, few, many. */

static const int32_t each[] = {1, 3, 300};

static int groups_mats(const case_at *at, case_mat *m)
{
    const int32_t n = each[at->variant];
    m[0] = (case_mat){at->d[0], at->d[1], LOP_F32, CASE_IN, FILL_KIND, 0, 0, LOOSE_ROWS};
    m[1] = (case_mat){(at->d[0] + n - 1) / n, at->d[1], LOP_F32, CASE_OUT, FILL_KIND, 0, 0, 0};
    return 2;
}

static lop_status groups_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    return lop_sum_row_groups(q, m[0], each[at->variant], m[1]);
}

static void groups_reference(const case_at *at, ref_mat *m)
{
    ref_sum_row_groups(&m[0], each[at->variant], &m[1]);
}

static double groups_flops(const case_at *at)
{
    return 1.0 * at->d[0] * at->d[1];
}

/* ---- adam: one step of a state as it may stand. Variants: the usual numbers; others, and a gradient to be scaled. */

static lop_adam_args adam_args(int variant, const lop_mat *m)
{
    lop_adam_args args = lop_adam_usual();
    if (variant == 1) args.lr = 0.01f, args.beta1 = 0.8, args.beta2 = 0.95, args.weight_decay = 0.1f;
    if (variant == 1) args.g_scale = 0x1p-10f;
    args.x = m[0], args.g = m[1], args.m = m[2], args.v = m[3], args.step = m[4];
    return args;
}

static int adam_mats(const case_at *at, case_mat *m)
{
    for (int i = 0; i < 4; i++)
        m[i] = (case_mat){at->d[0], at->d[1], LOP_F32, CASE_INOUT, FILL_KIND, 0, 0, 0};
    m[1].role = CASE_IN;
    m[3].fill = FILL_NONNEG;
    m[4] = (case_mat){1, 1, LOP_U32, CASE_INOUT, FILL_INT, 0, 2000, 0};
    return 5;
}

static lop_status adam_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    const lop_adam_args args = adam_args(at->variant, m);
    return lop_adam(q, &args);
}

static void adam_reference(const case_at *at, ref_mat *m)
{
    const lop_mat none[5] = {{0}};
    const lop_adam_args a = adam_args(at->variant, none);
    const ref_adam_numbers how = {.lr = (double)a.lr,
                                  .beta1 = a.beta1,
                                  .beta2 = a.beta2,
                                  .eps = (double)a.eps,
                                  .decay = (double)a.weight_decay,
                                  .g_scale = (double)a.g_scale};
    ref_adam_step(&how, &m[0], &m[1], &m[2], &m[3], &m[4]);
}

static double optimiser_flops(const case_at *at)
{
    return 16.0 * at->d[0] * at->d[1];
}

/* ---- prodigy: from its beginning. Variants: a step with the usual numbers; two with others; two of limited growth. */

static lop_prodigy_args prodigy_args(int variant, const lop_mat *m)
{
    lop_prodigy_args args = lop_prodigy_usual();
    if (variant == 1) args.d_coef = 5.0, args.weight_decay = 0.01f, args.g_scale = 0.25f, args.lr = 0.7;
    if (variant == 2) args.growth = 1.5f, args.beta1 = 0.8, args.beta2 = 0.95, args.d0 = 1e-4;
    args.x = m[0], args.g = m[1], args.m = m[2], args.v = m[3], args.s = m[4];
    args.state = m[5], args.parts = m[6];
    return args;
}

static int prodigy_steps(const case_at *at)
{
    return at->variant == 0 ? 1 : 2;
}

static int prodigy_mats(const case_at *at, case_mat *m)
{
    for (int i = 0; i < 5; i++) m[i] = (case_mat){at->d[0], at->d[1], LOP_F32, CASE_OUT, FILL_KIND, 0, 0, 0};
    m[0].role = CASE_INOUT;
    m[1].role = CASE_IN;
    m[5] = (case_mat){1, LOP_PRODIGY_STATE, LOP_F32, CASE_OUT, FILL_KIND, 0, 0, 0};
    m[6] = (case_mat){at->d[0], 2, LOP_F32, CASE_SCRATCH, FILL_KIND, 0, 0, 0};
    return 7;
}

static lop_status prodigy_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    const lop_prodigy_args args = prodigy_args(at->variant, m);
    LOP_TRY(lop_prodigy_begin(q, &args));
    for (int i = 0; i < prodigy_steps(at); i++) LOP_TRY(lop_prodigy(q, &args));
    return LOP_OK;
}

static void prodigy_reference(const case_at *at, ref_mat *m)
{
    const lop_mat none[7] = {{0}};
    const lop_prodigy_args a = prodigy_args(at->variant, none);
    const ref_prodigy_numbers how = {.lr = a.lr,
                                     .beta1 = a.beta1,
                                     .beta2 = a.beta2,
                                     .eps = a.eps,
                                     .d0 = a.d0,
                                     .d_coef = a.d_coef,
                                     .growth = (double)a.growth,
                                     .decay = (double)a.weight_decay,
                                     .g_scale = (double)a.g_scale};
    ref_mat *const mats[REF_PRODIGY_MATS] = {&m[0], &m[1], &m[2], &m[3], &m[4], &m[5]};
    m[0].terms = 1;
    ref_prodigy_zero(how.d0, mats);
    for (int i = 0; i < prodigy_steps(at); i++) ref_prodigy_once(&how, mats);
}

static const op_case table[] = {
    {"error_back", WORDS_ALL, KINDS_ALL, 2, 0, &shapes_rows, error_mats, error_call, error_reference,
     error_flops},
    {"reciprocal", 1u << LOP_F32, KINDS_ALL, 1, 0, &shapes_rows, reciprocal_mats, reciprocal_call,
     reciprocal_reference, NULL},
    {"sum_row_groups", 1u << LOP_F32, KINDS_ALL, 3, 0, &shapes_rows, groups_mats, groups_call,
     groups_reference, groups_flops},
    {"adam", 1u << LOP_F32, KINDS_ALL, 2, 0, &shapes_rows, adam_mats, adam_call, adam_reference,
     optimiser_flops},
    {"prodigy", 1u << LOP_F32, KINDS_ALL, 3, 0, &shapes_rows, prodigy_mats, prodigy_call, prodigy_reference,
     optimiser_flops},
};
const case_list cases_learn = {table, sizeof table / sizeof table[0]};
