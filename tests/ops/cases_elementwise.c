/* cases_elementwise.c - cast, axpby, add_bias, gather_rows: d = (rows, columns). */
#include "tests/harness/cases.h"
#include "tests/harness/words.h"

static double one_flop(const case_at *at)
{
    return (double)at->d[0] * at->d[1];
}

static double three_flops(const case_at *at)
{
    return 3.0 * one_flop(at);
}

static int cast_mats(const case_at *at, case_mat *m)
{
    m[0] = (case_mat){at->d[0], at->d[1], at->word, CASE_IN, FILL_KIND, 0, 0, 0};
    m[1] = (case_mat){at->d[0], at->d[1], case_word(at->variant), CASE_OUT, FILL_KIND, 0, 0, 0};
    return 2;
}

static lop_status cast_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    (void)at;
    return lop_cast(q, m[0], m[1]);
}

static void cast_reference(const case_at *at, ref_mat *m)
{
    ref_cast(word_of(case_word(at->variant)), &m[0], &m[1]);
}

/* Variants: the word of y, times three pairs of factors; with b = 0 y holds NaN. */
static const float axpby_factors[3][2] = {{1.0f, 1.0f}, {-0.3f, 0.7f}, {2.5f, 0.0f}};

static int axpby_mats(const case_at *at, case_mat *m)
{
    const bool unread = axpby_factors[at->variant / 3][1] == 0.0f;
    m[0] = (case_mat){at->d[0], at->d[1], at->word, CASE_IN, FILL_KIND, 0, 0, 0};
    m[1] = (case_mat){at->d[0], at->d[1], case_word(at->variant % 3), CASE_INOUT, FILL_KIND, 0, 0, 0};
    if (unread) m[1].fill = FILL_NAN;
    return 2;
}

static lop_status axpby_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    const float *factors = axpby_factors[at->variant / 3];
    return lop_axpby(q, factors[0], m[0], factors[1], m[1]);
}

static void axpby_reference(const case_at *at, ref_mat *m)
{
    const float *factors = axpby_factors[at->variant / 3];
    ref_axpby((double)factors[0], &m[0], (double)factors[1], &m[1]);
}

/* Variants: one row; as many as divide x's rows, and not one. */
static int bias_mats(const case_at *at, case_mat *m)
{
    const int32_t rows = at->variant == 0 ? 1 : at->d[0] % 2 == 0 ? at->d[0] / 2 : at->d[0];
    if (rows == 0) return 0;
    m[0] = (case_mat){at->d[0], at->d[1], at->word, CASE_INOUT, FILL_KIND, 0, 0, LOOSE_ROWS};
    m[1] = (case_mat){rows, at->d[1], LOP_F32, CASE_IN, FILL_KIND, 0, 0, rows == 1 ? 0 : LOOSE_ROWS};
    return 2;
}

static lop_status bias_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    (void)at;
    return lop_add_bias(q, m[0], m[1]);
}

static void bias_reference(const case_at *at, ref_mat *m)
{
    (void)at;
    ref_add_bias(&m[0], &m[1]);
}

/* Rows are taken from a table of 7 (variant 0) or 300 rows. */
static int gather_mats(const case_at *at, case_mat *m)
{
    const int32_t from = at->variant == 0 ? 7 : 300;
    m[0] = (case_mat){from, at->d[1], at->word, CASE_IN, FILL_KIND, 0, 0, LOOSE_ROWS};
    m[1] = (case_mat){1, at->d[0], LOP_I32, CASE_IN, FILL_INT, 0, from - 1, 0};
    m[2] = (case_mat){at->d[0], at->d[1], at->word, CASE_OUT, FILL_KIND, 0, 0, 0};
    return 3;
}

static lop_status gather_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    (void)at;
    return lop_gather_rows(q, m[0], m[1], m[2]);
}

static void gather_reference(const case_at *at, ref_mat *m)
{
    (void)at;
    ref_gather_rows(&m[0], &m[1], &m[2]);
}

static const op_case table[] = {
    {"cast", WORDS_ALL, KINDS_ALL, 3, 0, &shapes_rows, cast_mats, cast_call, cast_reference, NULL},
    {"axpby", WORDS_ALL, KINDS_ALL, 9, 0, &shapes_rows, axpby_mats, axpby_call, axpby_reference, three_flops},
    {"add_bias", WORDS_ALL, KINDS_ALL, 2, 0, &shapes_rows, bias_mats, bias_call, bias_reference, one_flop},
    {"gather_rows", WORDS_ALL, KINDS_ALL, 2, 0, &shapes_rows, gather_mats, gather_call, gather_reference,
     NULL},
};
const case_list cases_elementwise = {table, sizeof table / sizeof table[0]};
