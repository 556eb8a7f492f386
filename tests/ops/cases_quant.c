/* cases_quant.c - weights on grids, a grid a row. d = (grids, weights of one), of scales (rows, grids of a row). */
#include "core/prune/quant.h"
#include "tests/harness/cases.h"

static const int32_t bits_of[] = {4, 2, 8};

static int32_t most_of(const case_at *at)
{
    return lop_quant_most(bits_of[at->variant]);
}

static lop_quant_grid grid_of(const case_at *at, lop_mat scale, lop_mat zero)
{
    return (lop_quant_grid){.bits = bits_of[at->variant], .scale = scale, .zero = zero};
}

static int range_mats(const case_at *at, case_mat *m)
{
    m[0] = (case_mat){at->d[0], at->d[1], at->word, CASE_IN, FILL_KIND, 0, 0, 0};
    m[1] = (case_mat){at->d[0], 1, LOP_F32, CASE_OUT, FILL_KIND, 0, 0, 0};
    m[2] = (case_mat){at->d[0], 1, LOP_F32, CASE_OUT, FILL_KIND, 0, 0, 0};
    return 3;
}

static lop_status range_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    (void)at;
    return lop_quant_range(q, m[0], m[1], m[2]);
}

static void range_reference(const case_at *at, ref_mat *m)
{
    (void)at;
    ref_quant_range(&m[0], &m[1], &m[2]);
}

/* Ranges are whole numbers or 0, so that ends meet the middle of two points too; the third variant has none learned. */
static bool learns(const case_at *at)
{
    return at->variant != 2;
}

static int scale_mats(const case_at *at, case_mat *m)
{
    m[0] = (case_mat){at->d[0], at->d[1], LOP_F32, CASE_IN, FILL_INT, -3, 0, 0};
    m[1] = (case_mat){at->d[0], at->d[1], LOP_F32, CASE_IN, FILL_INT, 0, 3, 0};
    m[2] =
        (case_mat){at->d[0], 2 * at->d[1], LOP_F32, learns(at) ? CASE_IN : CASE_ABSENT, FILL_PLAIN, 0, 0, 0};
    m[3] = (case_mat){at->d[0], at->d[1], LOP_F32, CASE_OUT, FILL_KIND, 0, 0, 0};
    m[4] = (case_mat){at->d[0], at->d[1], LOP_F32, CASE_OUT, FILL_KIND, 0, 0, 0};
    return 5;
}

static lop_status scale_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    const lop_quant_grid grid = grid_of(at, m[3], m[4]);
    return lop_quant_scale(q, m[0], m[1], learns(at) ? m[2] : LOP_NONE, &grid);
}

static void scale_reference(const case_at *at, ref_mat *m)
{
    ref_quant_scale(&m[0], &m[1], learns(at) ? &m[2] : NULL, most_of(at), &m[3], &m[4]);
}

/* Weights of many steps: some beyond the grid on either side. */
enum { STEPS = 12, SCALE_MOST = 5 };

static void grid_mats(const case_at *at, case_mat *scale, case_mat *zero)
{
    *scale = (case_mat){at->d[0], 1, LOP_F32, CASE_IN, FILL_INT, 1, SCALE_MOST, 0};
    *zero = (case_mat){at->d[0], 1, LOP_F32, CASE_IN, FILL_INT, 0, most_of(at), 0};
}

static int round_mats(const case_at *at, case_mat *m)
{
    m[0] = (case_mat){at->d[0], at->d[1], at->word, CASE_IN, FILL_KIND, 0, STEPS, 0};
    grid_mats(at, &m[1], &m[2]);
    m[3] = (case_mat){at->d[0], at->d[1], at->word, CASE_OUT, FILL_KIND, 0, 0, 0};
    return 4;
}

static lop_status round_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    const lop_quant_grid grid = grid_of(at, m[1], m[2]);
    return lop_quant_round(q, m[0], &grid, m[3]);
}

static void round_reference(const case_at *at, ref_mat *m)
{
    ref_quant_round(&m[0], &m[1], &m[2], most_of(at), &m[3]);
}

static int back_mats(const case_at *at, case_mat *m)
{
    m[0] = (case_mat){at->d[0], at->d[1], LOP_F32, CASE_IN, FILL_KIND, 0, 0, 0};
    m[1] = (case_mat){at->d[0], at->d[1], at->word, CASE_IN, FILL_KIND, 0, STEPS, 0};
    grid_mats(at, &m[2], &m[3]);
    m[4] = (case_mat){at->d[0], 1, LOP_F32, CASE_IN, FILL_INT, -3, 0, 0};
    m[5] = (case_mat){at->d[0], 1, LOP_F32, CASE_IN, FILL_INT, 0, 3, 0};
    m[6] = (case_mat){at->d[0], 2, LOP_F32, CASE_IN, FILL_PLAIN, 0, 0, 0};
    m[7] = (case_mat){at->d[0], 2, LOP_F32, CASE_OUT, FILL_KIND, 0, 0, 0};
    return 8;
}

static lop_status back_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    const lop_quant_grid grid = grid_of(at, m[2], m[3]);
    const lop_quant_clip clip = {m[4], m[5], m[6], m[7]};
    return lop_quant_back(q, m[0], 0.25f, m[1], &grid, &clip);
}

static void back_reference(const case_at *at, ref_mat *m)
{
    const ref_quant_clip clip = {&m[0], &m[1], &m[2], &m[3], &m[4], &m[5], &m[6], 0.25, most_of(at)};
    ref_quant_back(&clip, &m[7]);
}

static const op_case table[] = {
    {"quant_range", WORDS_ALL, KINDS_FINITE, 1, CASE_LAUNCH, &shapes_small, range_mats, range_call,
     range_reference, NULL},
    {"quant_scale", 1u << LOP_F32, 1u << KIND_UNIFORM, 3, CASE_LAUNCH, &shapes_small, scale_mats, scale_call,
     scale_reference, NULL},
    {"quant_round", WORDS_ALL, KINDS_FINITE, 3, CASE_LAUNCH, &shapes_small, round_mats, round_call,
     round_reference, NULL},
    {"quant_back", WORDS_ALL, KINDS_FINITE, 3, CASE_LAUNCH, &shapes_small, back_mats, back_call,
     back_reference, NULL},
};
const case_list cases_quant = {table, sizeof table / sizeof table[0]};
