/* cases_methods.c - kernels that belong to one method, launched as that method launches them: d = (rows,
 * columns). */
#include "core/device/launch.h"
#include "core/prune/sparsegpt_parts.h"
#include "tests/harness/cases.h"

static const float alphas[3] = {0.4f, 0.0f, 0.8f};

static int part_mats(const case_at *at, case_mat *m)
{
    m[0] = (case_mat){at->d[0], at->d[1], LOP_F32, CASE_IN, FILL_NONNEG, 0, 0, 0};
    m[1] = (case_mat){at->d[0], at->d[1], LOP_U16, CASE_IN, FILL_RANK, 0, 0, 0};
    m[2] = (case_mat){at->d[0], at->d[1], LOP_F32, CASE_OUT, FILL_KIND, 0, 0, 0};
    return 3;
}

static lop_status part_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    const lop_launch_shape shape = {.groups = at->d[0], .cols = at->d[1], .word = LOP_F32};
    const lop_arg args[] = {LOP_M(m[0]), LOP_M(m[1]), LOP_M(m[2]), LOP_I(at->d[1])};
    return LOP_LAUNCH(q, LOP_KERNEL_wanda_part_row, &shape, args);
}

static void part_reference(const case_at *at, ref_mat *m)
{
    (void)at;
    ref_wanda_part(&m[0], &m[1], &m[2]);
}

static double part_flops(const case_at *at)
{
    return 3.0 * at->d[0] * at->d[1];
}

static int within_mats(const case_at *at, case_mat *m)
{
    part_mats(at, m);
    m[2].role = CASE_IN;
    m[2].fill = FILL_NONNEG;
    m[3] = (case_mat){at->d[0], 1, LOP_U32, CASE_OUT, FILL_KIND, 0, 0, 0};
    return 4;
}

static lop_status within_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    const lop_launch_shape shape = lop_by_rows(at->d[0], at->d[1], LOP_F32);
    const lop_arg args[] = {LOP_M(m[0]), LOP_M(m[1]),    LOP_M(m[2]), LOP_F(alphas[at->variant]),
                            LOP_M(m[3]), LOP_I(at->d[1])};
    return LOP_LAUNCH(q, LOP_KERNEL_wanda_within_row, &shape, args);
}

static void within_reference(const case_at *at, ref_mat *m)
{
    ref_wanda_within(&m[0], &m[1], &m[2], (double)alphas[at->variant], &m[3]);
}

/* ---- SparseGPT: a panel of columns with keep bits that stand, 2 of 4, 4 of 8, 1 of 4 */

static const int32_t panel_table[][CASE_DIMS] = {
    {1, 1}, {3, 8}, {129, 7}, {5, 64}, {17, 100}, {40, 128}, {33, 136}, {9, 250}, {7, 512}, {0, 128},
};
static const case_shapes panels = {panel_table, sizeof panel_table / sizeof panel_table[0]};
static const int32_t panel_keep[] = {0, 2, 4, 1}, panel_group[] = {0, 4, 8, 4};

static int panel_mats(const case_at *at, case_mat *m)
{
    const int32_t rows = at->d[0], cols = at->d[1], group = panel_group[at->variant];
    if (group > 0 && cols % group != 0) return 0;
    m[0] = (case_mat){rows, cols, LOP_F32, CASE_INOUT, FILL_KIND, 0, 0, 0};
    m[1] = (case_mat){cols, cols, LOP_F32, CASE_IN, FILL_UPPER, 0, 0, 0};
    m[2] = (case_mat){rows, (cols + 7) / 8, LOP_U8, group > 0 ? CASE_OUT : CASE_IN, FILL_KEEP, 0, cols, 0};
    m[3] = (case_mat){rows, cols, LOP_F32, CASE_OUT, FILL_KIND, 0, 0, 0};
    m[4] = (case_mat){rows, 1, LOP_F32, CASE_INOUT, FILL_NONNEG, 0, 0, 0};
    return 5;
}

static lop_status panel_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    const lop_sparsegpt_panel panel = {.w = m[0],
                                       .u = m[1],
                                       .keep = m[2],
                                       .e = m[3],
                                       .error = m[4],
                                       .kept = panel_keep[at->variant],
                                       .group = panel_group[at->variant]};
    return lop_sparsegpt_walk(q, &panel);
}

static void panel_reference(const case_at *at, ref_mat *m)
{
    ref_sparsegpt_row(&m[1], panel_keep[at->variant], panel_group[at->variant], &m[0], &m[2], &m[3], &m[4]);
}

static double panel_flops(const case_at *at)
{
    return 0.5 * at->d[0] * at->d[1] * at->d[1];
}

static const op_case table[] = {
    {"wanda_part", 1u << LOP_F32, KINDS_FINITE, 1, CASE_LAUNCH, &shapes_small, part_mats, part_call,
     part_reference, part_flops},
    {"wanda_within", 1u << LOP_F32, KINDS_FINITE, 3, CASE_LAUNCH, &shapes_small, within_mats, within_call,
     within_reference, NULL},
    {"sparsegpt_panel", 1u << LOP_F32, KINDS_FINITE, 4, CASE_LAUNCH, &panels, panel_mats, panel_call,
     panel_reference, panel_flops},
};
const case_list cases_methods = {table, sizeof table / sizeof table[0]};
