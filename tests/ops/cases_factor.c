/* cases_factor.c - factors of symmetric matrices and what is made of them: d = (columns, right-hand sides). What lies above
 * the diagonal is NaN before: nothing may read it. */
#include "core/device/factor.h"
#include "tests/harness/cases.h"
#include "tests/ref/ref_factor.h"

static const int32_t factor_table[][CASE_DIMS] = {
    {1, 1},   {2, 3},   {3, 5},   {63, 4},  {64, 7},  {65, 64},
    {127, 1}, {128, 9}, {129, 5}, {255, 2}, {257, 3}, {300, 70},
};
static const case_shapes factors = {factor_table, sizeof factor_table / sizeof factor_table[0]};

static double cube(const case_at *at)
{
    return (double)at->d[0] * at->d[0] * at->d[0];
}

static double chol_flops(const case_at *at)
{
    return cube(at) / 3.0;
}

static double inverse_factor_flops(const case_at *at)
{
    return 2.0 * cube(at) / 3.0;
}

static double chol_inverse_flops(const case_at *at)
{
    return cube(at);
}

static double solve_flops(const case_at *at)
{
    return cube(at) / 3.0 + 2.0 * at->d[0] * at->d[0] * at->d[1];
}

/* h, scratch, bad, tiles, rows to solve. */
static int factor_mats(const case_at *at, case_mat *m)
{
    const int32_t n = at->d[0];
    m[0] = (case_mat){n, n, LOP_F32, CASE_INOUT, FILL_POSITIVE, 0, 0, 0};
    m[1] = (case_mat){1, lop_chol_scratch(n), LOP_F32, CASE_SCRATCH, FILL_KIND, 0, 0, 0};
    m[2] = (case_mat){1, 2, LOP_I32, CASE_OUT, FILL_KIND, 0, 0, 0};
    m[3] = (case_mat){n, LOP_TILE, LOP_F32, CASE_SCRATCH, FILL_KIND, 0, 0, 0};
    return 4;
}

/* ------------------------------------------------------------------------------------------------ chol */

/* Of the tiles what a size that is no multiple of theirs leaves is not written: a whole number of them is looked at. */
static int chol_mats(const case_at *at, case_mat *m)
{
    factor_mats(at, m);
    if (at->d[0] % LOP_TILE == 0) m[3].role = CASE_OUT;
    return 4;
}

static lop_status chol_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    (void)at;
    return lop_chol(q, m[0], m[3], m[1], m[2]);
}

static void chol_reference(const case_at *at, ref_mat *m)
{
    (void)at;
    ref_chol(LOP_TILE, &m[0], &m[3]);
}

/* ------------------------------------------------------------------------------------------------ inverses */

static lop_status tri_inverse_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    LOP_TRY(chol_call(q, at, m));
    return lop_tri_inverse(q, m[0], m[3], m[1]);
}

static void tri_inverse_reference(const case_at *at, ref_mat *m)
{
    (void)at;
    ref_tri_inverse(LOP_TILE, &m[0]);
}

static lop_status chol_inverse_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    LOP_TRY(chol_call(q, at, m));
    return lop_chol_inverse(q, m[0], m[3], m[1]);
}

static void chol_inverse_reference(const case_at *at, ref_mat *m)
{
    (void)at;
    ref_chol_inverse(LOP_TILE, &m[0]);
}

static int inverse_factor_mats(const case_at *at, case_mat *m)
{
    factor_mats(at, m);
    m[1].cols = lop_inverse_factor_scratch(at->d[0]);
    return 3;
}

static lop_status inverse_factor_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    (void)at;
    return lop_inverse_factor(q, m[0], m[1], m[2]);
}

static void inverse_factor_reference(const case_at *at, ref_mat *m)
{
    (void)at;
    ref_inverse_factor(LOP_TILE, &m[0]);
}

/* ------------------------------------------------------------------------------------------------ solving */

static int solve_mats(const case_at *at, case_mat *m)
{
    factor_mats(at, m);
    if (m[1].cols < lop_solve_scratch(at->d[1])) m[1].cols = lop_solve_scratch(at->d[1]);
    m[1].loose = LOOSE_COLS; /* what the factor wants is more than what solving wants, or less */
    m[4] = (case_mat){at->d[1], at->d[0], LOP_F32, CASE_INOUT, FILL_PLAIN, 0, 0, LOOSE_ROWS};
    return 5;
}

static lop_status solve_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    LOP_TRY(chol_call(q, at, m));
    return lop_chol_solve(q, m[0], m[3], m[1], m[4]);
}

static void solve_reference(const case_at *at, ref_mat *m)
{
    (void)at;
    ref_chol_solve(LOP_TILE, &m[0], &m[4]);
}

/* ---- with the factor of an inverse: sizes over a panel of products, which is 512 */

static const int32_t upper_table[][CASE_DIMS] = {
    {1, 1}, {5, 3}, {64, 7}, {65, 64}, {129, 5}, {300, 70}, {520, 3},
};
static const case_shapes uppers = {upper_table, sizeof upper_table / sizeof upper_table[0]};

static int upper_solve_mats(const case_at *at, case_mat *m)
{
    inverse_factor_mats(at, m);
    m[3] = (case_mat){at->d[1], at->d[0], LOP_F32, CASE_SCRATCH, FILL_KIND, 0, 0, LOOSE_ROWS};
    m[4] = (case_mat){at->d[1], at->d[0], LOP_F32, CASE_INOUT, FILL_PLAIN, 0, 0, LOOSE_ROWS};
    return 5;
}

static lop_status upper_solve_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    LOP_TRY(inverse_factor_call(q, at, m));
    return lop_inverse_factor_solve(q, m[0], m[3], m[4]);
}

static void upper_solve_reference(const case_at *at, ref_mat *m)
{
    (void)at;
    ref_inverse_factor_solve(LOP_TILE, &m[0], &m[4]);
}

static double upper_solve_flops(const case_at *at)
{
    return inverse_factor_flops(at) + 2.0 * at->d[0] * at->d[0] * at->d[1];
}

static const op_case table[] = {
    {"chol", 1u << LOP_F32, KINDS_FINITE, 1, 0, &factors, chol_mats, chol_call, chol_reference, chol_flops},
    {"tri_inverse", 1u << LOP_F32, KINDS_FINITE, 1, CASE_STEPS, &factors, factor_mats, tri_inverse_call,
     tri_inverse_reference, inverse_factor_flops},
    {"chol_inverse", 1u << LOP_F32, KINDS_FINITE, 1, CASE_STEPS, &factors, factor_mats, chol_inverse_call,
     chol_inverse_reference, chol_inverse_flops},
    {"inverse_factor", 1u << LOP_F32, KINDS_FINITE, 1, 0, &factors, inverse_factor_mats, inverse_factor_call,
     inverse_factor_reference, inverse_factor_flops},
    {"chol_solve", 1u << LOP_F32, KINDS_FINITE, 1, CASE_STEPS, &factors, solve_mats, solve_call,
     solve_reference, solve_flops},
    {"inverse_factor_solve", 1u << LOP_F32, KINDS_FINITE, 1, CASE_STEPS, &uppers, upper_solve_mats,
     upper_solve_call, upper_solve_reference, upper_solve_flops},
};
const case_list cases_factor = {table, sizeof table / sizeof table[0]};
