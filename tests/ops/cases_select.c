/* cases_select.c - scores and selections: d = (rows, columns). Scores are f32, so the word is f32 but where
 * weights come in. */
#include "tests/harness/cases.h"

#define F32 (1u << LOP_F32)

static int32_t bytes_of(int32_t cols)
{
    return (cols + 7) / 8;
}

static case_mat scores(const case_at *at)
{
    return (case_mat){at->d[0], at->d[1], LOP_F32, CASE_IN, FILL_NONNEG, 0, 0, 0};
}

static case_mat keep(const case_at *at)
{
    return (case_mat){at->d[0], bytes_of(at->d[1]), LOP_U8, CASE_OUT, FILL_KIND, 0, 0, 0};
}

/* ------------------------------------------------------------------------------------------------
 * score_scaled */

static double score_flops(const case_at *at)
{
    return (double)at->d[0] * at->d[1];
}

static int score_mats(const case_at *at, case_mat *m)
{
    m[0] = (case_mat){at->d[0], at->d[1], at->word, CASE_IN, FILL_KIND, 0, 0, 0};
    m[1] = (case_mat){1, at->d[1], LOP_F32, at->variant == 1 ? CASE_ABSENT : CASE_IN, FILL_NONNEG, 0, 0, 0};
    m[2] = (case_mat){at->d[0], at->d[1], LOP_F32, CASE_OUT, FILL_KIND, 0, 0, 0};
    return 3;
}

static lop_status score_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    (void)at;
    return lop_score_scaled(q, m[0], m[1], m[2]);
}

static void score_reference(const case_at *at, ref_mat *m)
{
    ref_score_scaled(&m[0], at->variant == 1 ? NULL : &m[1], &m[2]);
}

/* ------------------------------------------------------------------------------------------------ rows */

static int keep_rows_mats(const case_at *at, case_mat *m)
{
    m[0] = scores(at);
    m[1] = (case_mat){at->d[0], 1, LOP_U32, CASE_IN, FILL_INT, 0, at->d[1], 0};
    m[2] = keep(at);
    if (at->variant == 1) m[1].low = m[1].high; /* every row loses all */
    if (at->variant == 2) m[1].low = m[1].high = at->d[1] / 2;
    if (at->d[1] % 8 != 1) m[0].loose = LOOSE_COLS; /* as many bytes of bits */
    return 3;
}

static lop_status keep_rows_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    (void)at;
    return lop_keep_rows(q, m[0], m[1], m[2]);
}

static void keep_rows_reference(const case_at *at, ref_mat *m)
{
    (void)at;
    ref_keep_rows(&m[0], &m[1], &m[2]);
}

static int rank_value_mats(const case_at *at, case_mat *m)
{
    m[0] = scores(at);
    m[0].loose = LOOSE_COLS;
    m[1] = (case_mat){at->d[0], 1, LOP_U32, CASE_IN, FILL_INT, 0, at->d[1] + 2, 0};
    m[2] = (case_mat){at->d[0], 1, LOP_F32, CASE_OUT, FILL_KIND, 0, 0, 0};
    if (at->variant == 1) m[1].high = 0;
    return 3;
}

static lop_status rank_value_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    (void)at;
    return lop_rank_value_rows(q, m[0], m[1], m[2]);
}

static void rank_value_reference(const case_at *at, ref_mat *m)
{
    (void)at;
    ref_rank_value_rows(&m[0], &m[1], &m[2]);
}

static int rank_rows_mats(const case_at *at, case_mat *m)
{
    m[0] = scores(at);
    m[1] = (case_mat){at->d[0], at->d[1], LOP_U32, CASE_SCRATCH, FILL_KIND, 0, 0, 0};
    m[2] = (case_mat){at->d[0], at->d[1], LOP_U16, CASE_OUT, FILL_KIND, 0, 0, 0};
    return 3;
}

static lop_status rank_rows_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    (void)at;
    return lop_rank_rows(q, m[0], m[1], m[2]);
}

static void rank_rows_reference(const case_at *at, ref_mat *m)
{
    (void)at;
    ref_rank_rows(&m[0], &m[2]);
}

/* -------------------------------------------------------------------------------- whole matrix */

/* Variants: drop none, one, half, all but one, all; then the first four with ties. */
static int64_t all_drop(const case_at *at)
{
    const int64_t n = (int64_t)at->d[0] * at->d[1];
    const int64_t drops[5] = {0, n > 1, n / 2, n - 1, n};
    return n == 0 ? 0 : drops[at->variant % 5];
}

static int keep_all_mats(const case_at *at, case_mat *m)
{
    if (at->variant >= 5 && at->d[0] == 0) return 0; /* no score to tie with */
    m[0] = scores(at);
    if (at->d[1] % 8 != 1) m[0].loose = LOOSE_COLS;
    m[1] = (case_mat){1, lop_keep_all_scratch(at->d[0]), LOP_U32, CASE_SCRATCH, FILL_KIND, 0, 0, LOOSE_ROWS};
    m[2] = keep(at);
    return 3;
}

static lop_status keep_all_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    return lop_keep_all(q, m[0], all_drop(at), at->variant >= 5, m[1], m[2]);
}

static void keep_all_reference(const case_at *at, ref_mat *m)
{
    ref_keep_all(&m[0], all_drop(at), at->variant >= 5, &m[2]);
}

/* ------------------------------------------------------------------------------------------------ groups */

/* d = (rows, groups); the columns are groups times m. */
static const int32_t n_of_m[6][2] = {{2, 4}, {4, 8}, {1, 4}, {1, 1}, {16, 32}, {5, 64}};
static const int32_t group_table[][CASE_DIMS] = {{0, 3},   {1, 1},    {2, 127}, {127, 3},
                                                 {5, 129}, {1000, 1}, {9, 61}};
static const case_shapes group_shapes = {group_table, sizeof group_table / sizeof group_table[0]};

static case_at group_at(const case_at *at)
{
    case_at out = *at;
    out.d[1] *= n_of_m[at->variant][1];
    return out;
}

static int group_mats(const case_at *at, case_mat *m)
{
    const case_at wide = group_at(at);
    m[0] = scores(&wide);
    m[0].loose = LOOSE_COLS; /* refusals.c takes columns away */
    m[1] = keep(&wide);
    return 2;
}

static lop_status group_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    return lop_keep_n_of_m(q, m[0], n_of_m[at->variant][0], n_of_m[at->variant][1], m[1]);
}

static void group_reference(const case_at *at, ref_mat *m)
{
    ref_keep_n_of_m(&m[0], n_of_m[at->variant][0], n_of_m[at->variant][1], &m[1]);
}

/* ------------------------------------------------------------------------------------------------ zeros */

static int zero_mats(const case_at *at, case_mat *m)
{
    m[0] = (case_mat){at->d[0], bytes_of(at->d[1]), LOP_U8, CASE_IN, FILL_KEEP, 0, at->d[1], 0};
    m[1] = (case_mat){at->d[0], at->d[1], at->word, CASE_INOUT, FILL_KIND, 0, 0, 0};
    if (at->d[1] % 8 != 1) m[1].loose = LOOSE_COLS;
    return 2;
}

static lop_status zero_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    (void)at;
    return lop_zero_dropped(q, m[0], m[1]);
}

static void zero_reference(const case_at *at, ref_mat *m)
{
    (void)at;
    ref_zero_dropped(&m[0], &m[1]);
}

static const op_case table[] = {
    {"score_scaled", WORDS_ALL, KINDS_FINITE, 2, 0, &shapes_rows, score_mats, score_call, score_reference,
     score_flops},
    {"keep_rows", F32, KINDS_FINITE, 3, 0, &shapes_small, keep_rows_mats, keep_rows_call, keep_rows_reference,
     NULL},
    {"rank_value_rows", F32, KINDS_FINITE, 2, 0, &shapes_small, rank_value_mats, rank_value_call,
     rank_value_reference, NULL},
    {"rank_rows", F32, KINDS_FINITE, 1, 0, &shapes_small, rank_rows_mats, rank_rows_call, rank_rows_reference,
     NULL},
    {"keep_all", F32, KINDS_FINITE, 9, 0, &shapes_rows, keep_all_mats, keep_all_call, keep_all_reference,
     NULL},
    {"keep_n_of_m", F32, KINDS_FINITE, 6, 0, &group_shapes, group_mats, group_call, group_reference, NULL},
    {"zero_dropped", WORDS_ALL, KINDS_ALL, 1, 0, &shapes_rows, zero_mats, zero_call, zero_reference, NULL},
};
const case_list cases_select = {table, sizeof table / sizeof table[0]};
