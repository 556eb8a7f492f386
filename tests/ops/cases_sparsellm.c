/* cases_sparsellm.c - where SparseLLM's auxiliary outputs move, and targets of linears: d = (rows, columns). Numbers are in
 * (-1, 1), where the least of every element is its only one: which of several f32 finds follows from nothing. */
#include "core/device/launch.h"
#include "tests/harness/cases.h"

#include <math.h>

/* By variant. The last of each cuts off what lies beyond 0.4. */
static const struct {
    ref_auxiliary how; /* rate 0: Gauss-Newton */
} gated[] = {{{REF_SILU, 1.0, 0.0, 1e30}}, {{REF_SILU, 2.0, 0.1, 1e30}}, {{REF_GELU_TANH, 0.5, 0.0, 0.4}}},
  plain[] = {{{REF_RELU, 1.0, 0.0, 1e30}}, {{REF_RELU, 0.25, 0.0, 0.4}}, {{REF_GELU, 1.0, 0.0, 1e30}}};

static case_mat word_mat(const case_at *at, case_role role)
{
    return (case_mat){at->d[0], at->d[1], at->word, role, FILL_PLAIN, 0, 0, 0};
}

static int gated_mats(const case_at *at, case_mat *m)
{
    for (int i = 0; i < 4; i++) m[i] = word_mat(at, CASE_INOUT);
    m[4] = word_mat(at, CASE_IN);
    m[5] = (case_mat){at->d[0], 1, LOP_F32, CASE_OUT, FILL_KIND, 0, 0, 0};
    return 6;
}

static lop_status gated_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    const ref_auxiliary *how = &gated[at->variant].how;
    const lop_launch_shape shape = lop_by_rows(at->d[0], at->d[1], at->word);
    const lop_arg args[] = {LOP_M(m[0]),
                            LOP_M(m[1]),
                            LOP_M(m[2]),
                            LOP_M(m[3]),
                            LOP_M(m[4]),
                            LOP_M(m[5]),
                            LOP_F((float)how->rho),
                            LOP_F((float)how->rate),
                            LOP_F((float)how->most),
                            LOP_I((int32_t)how->kind),
                            LOP_I(at->d[1])};
    return LOP_LAUNCH(q, LOP_KERNEL_auxiliary_gated_row, &shape, args);
}

static void gated_reference(const case_at *at, ref_mat *m)
{
    const ref_auxiliary_mats mats = {&m[0], &m[1], &m[2], &m[3], &m[5], &m[4]};
    ref_auxiliary_row(&gated[at->variant].how, &mats);
}

static double gated_flops(const case_at *at)
{
    return 400.0 * at->d[0] * at->d[1]; /* 15 misfits and 3 slopes of some 20 operations each */
}

static int plain_mats(const case_at *at, case_mat *m)
{
    m[0] = word_mat(at, CASE_INOUT);
    m[1] = word_mat(at, CASE_INOUT);
    m[2] = word_mat(at, CASE_IN);
    m[3] = (case_mat){at->d[0], 1, LOP_F32, CASE_OUT, FILL_KIND, 0, 0, 0};
    return 4;
}

static lop_status plain_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    const ref_auxiliary *how = &plain[at->variant].how;
    const lop_launch_shape shape = lop_by_rows(at->d[0], at->d[1], at->word);
    const lop_arg args[] = {LOP_M(m[0]),
                            LOP_M(m[1]),
                            LOP_M(m[2]),
                            LOP_M(m[3]),
                            LOP_F((float)how->rho),
                            LOP_F((float)(sqrt(1.0 + how->rho) - 1.0)),
                            LOP_F((float)how->most),
                            LOP_I((int32_t)how->kind),
                            LOP_I(at->d[1])};
    return LOP_LAUNCH(q, LOP_KERNEL_auxiliary_row, &shape, args);
}

static void plain_reference(const case_at *at, ref_mat *m)
{
    const ref_auxiliary_mats mats = {.z = &m[0], .up = &m[1], .p = &m[2], .sum = &m[3]};
    ref_auxiliary_row(&plain[at->variant].how, &mats);
}

/* ---- targets: with an anchor and without */

static int target_mats(const case_at *at, case_mat *m)
{
    m[0] = (case_mat){at->d[0], at->d[1], LOP_F32, CASE_INOUT, FILL_KIND, 0, 0, 0};
    m[1] = (case_mat){at->d[0], at->d[1], at->word, CASE_IN, FILL_KIND, 0, 0, 0};
    m[2] = m[1];
    m[3] = (case_mat){1, at->d[1], LOP_F32, CASE_IN, FILL_INT, 0, 2, 0};
    m[4] = (case_mat){1, 1, LOP_F32, CASE_IN, FILL_PLAIN, 0, 0, 0};
    return 5;
}

static lop_status target_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    const lop_launch_shape shape = lop_by_rows(at->d[0], at->d[1], at->word);
    const lop_arg args[] = {LOP_M(m[0]),    LOP_M(m[1]),  LOP_M(m[2]),     LOP_M(m[3]),
                            LOP_M(m[4]),    LOP_F(0.25f), LOP_F(0x1p-80f), LOP_I(at->variant == 0),
                            LOP_I(at->d[1])};
    return LOP_LAUNCH(q, LOP_KERNEL_target_row, &shape, args);
}

static void target_reference(const case_at *at, ref_mat *m)
{
    const ref_target how = {&m[1], at->variant == 0 ? &m[2] : NULL, &m[3], &m[4], 0.25, 0x1p-80};
    ref_target_row(&how, &m[0]);
}

static double target_flops(const case_at *at)
{
    return 3.0 * at->d[0] * at->d[1];
}

static const op_case table[] = {
    {"auxiliary_gated", WORDS_ALL, 1u << KIND_UNIFORM, 3, CASE_LAUNCH, &shapes_small, gated_mats, gated_call,
     gated_reference, gated_flops},
    {"auxiliary", WORDS_ALL, 1u << KIND_UNIFORM, 3, CASE_LAUNCH, &shapes_small, plain_mats, plain_call,
     plain_reference, NULL},
    {"target", WORDS_ALL, KINDS_FINITE, 2, CASE_LAUNCH, &shapes_small, target_mats, target_call,
     target_reference, target_flops},
};
const case_list cases_sparsellm = {table, sizeof table / sizeof table[0]};
