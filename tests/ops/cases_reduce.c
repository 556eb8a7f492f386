/* cases_reduce.c - reductions: d = (rows, columns). Sums go on from what the output holds. */
#include "tests/harness/cases.h"

static double flops(const case_at *at)
{
    return 2.0 * at->d[0] * at->d[1];
}

/* Variants: as many partial sums as a device likes, fewer, more than there are rows. */
static const int32_t parts[] = {0, 3, 300};

static int colsum_mats(const case_at *at, case_mat *m)
{
    m[0] = (case_mat){at->d[0], at->d[1], at->word, CASE_IN, FILL_KIND, 0, 0, LOOSE_ROWS};
    m[1] = (case_mat){parts[at->variant], at->d[1], LOP_F32, CASE_INOUT, FILL_NONNEG, 0, 0, LOOSE_ROWS};
    if (at->variant == 0) m[1].rows = lop_colsum_parts(at->d[0], at->d[1]);
    return m[1].rows > 0 ? 2 : 0;
}

static lop_status colsum_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    (void)at;
    return lop_colsum_sq(q, m[0], m[1]);
}

static void colsum_reference(const case_at *at, ref_mat *m)
{
    (void)at;
    ref_colsum_sq(&m[0], &m[1]);
}

static int parts_mats(const case_at *at, case_mat *m)
{
    m[0] = (case_mat){at->d[0], at->d[1], LOP_F32, CASE_IN, FILL_KIND, 0, 0, LOOSE_ROWS};
    m[1] = (case_mat){1, at->d[1], LOP_F32, CASE_INOUT, FILL_KIND, 0, 0, 0};
    return 2;
}

static lop_status parts_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    (void)at;
    return lop_colsum(q, m[0], m[1]);
}

static void parts_reference(const case_at *at, ref_mat *m)
{
    (void)at;
    ref_colsum(&m[0], &m[1]);
}

/* Variants: the word of b. */
static int error_mats(const case_at *at, case_mat *m)
{
    m[0] = (case_mat){at->d[0], at->d[1], at->word, CASE_IN, FILL_KIND, 0, 0, 0};
    m[1] = (case_mat){at->d[0], at->d[1], case_word(at->variant), CASE_IN, FILL_KIND, 0, 0, 0};
    m[2] = (case_mat){at->d[0], 1, LOP_F32, CASE_SCRATCH, FILL_KIND, 0, 0, 0};
    m[3] = (case_mat){1, 2, LOP_F32, CASE_INOUT, FILL_PLAIN, 0, 0, 0};
    return 4;
}

static lop_status error_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    (void)at;
    return lop_sq_error(q, m[0], m[1], m[2], m[3]);
}

static void error_reference(const case_at *at, ref_mat *m)
{
    (void)at;
    ref_sq_error(&m[0], &m[1], &m[3]);
}

static int sum_mats(const case_at *at, case_mat *m)
{
    m[0] = (case_mat){at->d[0], 1, LOP_F32, CASE_IN, FILL_KIND, 0, 0, LOOSE_ROWS};
    m[1] = (case_mat){1, 2, LOP_F32, CASE_INOUT, FILL_PLAIN, 0, 0, 0};
    return 2;
}

static lop_status sum_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    (void)at;
    return lop_sum(q, m[0], m[1]);
}

static void sum_reference(const case_at *at, ref_mat *m)
{
    (void)at;
    ref_sum(&m[0], &m[1]);
}

static int count_mats(const case_at *at, case_mat *m)
{
    m[0] = (case_mat){at->d[0], at->d[1], at->word, CASE_IN, FILL_KIND, 0, 0, LOOSE_COLS};
    m[1] = (case_mat){at->d[0], 1, LOP_U32, CASE_SCRATCH, FILL_KIND, 0, 0, 0};
    m[2] = (case_mat){1, 1, LOP_I64, CASE_INOUT, FILL_INT, 0, 1000000, 0};
    return 3;
}

static lop_status zero_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    (void)at;
    return lop_count_zero(q, m[0], m[1], m[2]);
}

static void zero_reference(const case_at *at, ref_mat *m)
{
    (void)at;
    ref_count_zero(&m[0], &m[2]);
}

/* Variant 1 has values past the range of f16, which are infinite there. */
static int not_finite_mats(const case_at *at, case_mat *m)
{
    const int count = count_mats(at, m);
    if (at->variant == 1) m[0].high = 100000.0;
    return count;
}

static lop_status not_finite_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    (void)at;
    return lop_count_not_finite(q, m[0], m[1], m[2]);
}

static void not_finite_reference(const case_at *at, ref_mat *m)
{
    (void)at;
    ref_count_not_finite(&m[0], &m[2]);
}

static const op_case table[] = {
    {"colsum_sq", WORDS_ALL, KINDS_ALL, 3, 0, &shapes_rows, colsum_mats, colsum_call, colsum_reference,
     flops},
    {"colsum", 1u << LOP_F32, KINDS_ALL, 1, 0, &shapes_rows, parts_mats, parts_call, parts_reference, NULL},
    {"sum", 1u << LOP_F32, KINDS_ALL, 1, 0, &shapes_rows, sum_mats, sum_call, sum_reference, NULL},
    {"sq_error", WORDS_ALL, KINDS_ALL, 3, 0, &shapes_rows, error_mats, error_call, error_reference, flops},
    {"count_zero", WORDS_ALL, KINDS_ALL, 1, 0, &shapes_rows, count_mats, zero_call, zero_reference, NULL},
    {"count_not_finite", WORDS_ALL, KINDS_ALL, 2, 0, &shapes_rows, not_finite_mats, not_finite_call,
     not_finite_reference, NULL},
};
const case_list cases_reduce = {table, sizeof table / sizeof table[0]};
