/* cases_symmetric.c - Gram matrices, halves of square matrices, their diagonals, and scores from them: d = (columns, rows of
 * x), for scores (rows, columns). */
#include "core/device/factor.h"
#include "tests/harness/cases.h"
#include "tests/ref/ref_factor.h"

#define F32 (1u << LOP_F32)

static const int32_t gram_table[][CASE_DIMS] = {
    {5, 0}, {1, 1}, {2, 3}, {3, 1000}, {127, 7}, {129, 130}, {300, 64}, {513, 5}, {700, 33}, {1025, 2},
};
static const int32_t square_table[][CASE_DIMS] = {{1, 0},  {2, 0},  {3, 0},   {31, 0},  {32, 0},  {33, 0},
                                                  {64, 0}, {65, 0}, {127, 0}, {200, 0}, {1000, 0}};
static const case_shapes grams = {gram_table, sizeof gram_table / sizeof gram_table[0]};
static const case_shapes squares = {square_table, sizeof square_table / sizeof square_table[0]};

/* ------------------------------------------------------------------------------------------------ gram */

static const float alphas[2] = {1.0f, -0.5f};

static int gram_mats(const case_at *at, case_mat *m)
{
    m[0] = (case_mat){at->d[1], at->d[0], at->word, CASE_IN, FILL_KIND, 0, 0, LOOSE_ROWS};
    m[1] = (case_mat){at->d[0], at->d[0], LOP_F32, CASE_INOUT, FILL_KIND, 0, 0, 0};
    return 2;
}

/* The other half is looked at as a mirror of the one that counts. */
static lop_status gram_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    LOP_TRY(lop_gram(q, alphas[at->variant], m[0], m[1]));
    return lop_mirror(q, m[1]);
}

static void gram_reference(const case_at *at, ref_mat *m)
{
    ref_gram((double)alphas[at->variant], &m[0], &m[1]);
}

static double gram_flops(const case_at *at)
{
    return (double)at->d[1] * at->d[0] * (at->d[0] + 1.0);
}

/* ------------------------------------------------------------------------------------------------ halves */

static int square_mats(const case_at *at, case_mat *m)
{
    m[0] = (case_mat){at->d[0], at->d[0], LOP_F32, CASE_INOUT, FILL_KIND, 0, 0, 0};
    return 1;
}

static lop_status mirror_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    (void)at;
    return lop_mirror(q, m[0]);
}

static void mirror_reference(const case_at *at, ref_mat *m)
{
    (void)at;
    ref_mirror(&m[0]);
}

static int reverse_mats(const case_at *at, case_mat *m)
{
    m[0] = (case_mat){at->d[0], at->d[1], LOP_F32, CASE_INOUT, FILL_KIND, 0, 0, LOOSE_ROWS | LOOSE_COLS};
    return 1;
}

static lop_status reverse_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    (void)at;
    return lop_reverse(q, m[0]);
}

static void reverse_reference(const case_at *at, ref_mat *m)
{
    (void)at;
    ref_reverse(&m[0]);
}

/* ------------------------------------------------------------------------------------------------ diagonals */

static int diagonal_mats(const case_at *at, case_mat *m)
{
    m[0] = (case_mat){at->d[0], at->d[0], LOP_F32, CASE_IN, FILL_KIND, 0, 0, 0};
    m[1] = (case_mat){1, at->d[0], LOP_F32, CASE_OUT, FILL_KIND, 0, 0, 0};
    return 2;
}

static lop_status diagonal_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    (void)at;
    return lop_diagonal(q, m[0], m[1]);
}

static void diagonal_reference(const case_at *at, ref_mat *m)
{
    (void)at;
    ref_diagonal(&m[0], &m[1]);
}

static int add_diag_mats(const case_at *at, case_mat *m)
{
    square_mats(at, m);
    m[1] = (case_mat){1, 1, LOP_F32, at->variant == 1 ? CASE_IN : CASE_ABSENT, FILL_PLAIN, 0, 0, 0};
    return 2;
}

static lop_status add_diag_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    (void)at;
    return lop_add_diag(q, m[0], 0.75f, m[1]);
}

static void add_diag_reference(const case_at *at, ref_mat *m)
{
    ref_add_diag(&m[0], 0.75, at->variant == 1 ? &m[1] : NULL);
}

static int damp_mats(const case_at *at, case_mat *m)
{
    square_mats(at, m);
    m[1] = (case_mat){1, 1, LOP_F32, CASE_OUT, FILL_KIND, 0, 0, 0};
    return 2;
}

static lop_status damp_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    (void)at;
    return lop_damp(q, m[0], 0.125f, m[1]);
}

static void damp_reference(const case_at *at, ref_mat *m)
{
    (void)at;
    ref_damp(&m[0], 0.125, &m[1]);
}

static const float revivals[] = {1.0f, 0x1p-80f};

static lop_status revive_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    return lop_revive(q, m[0], revivals[at->variant]);
}

static void revive_reference(const case_at *at, ref_mat *m)
{
    ref_revive(&m[0], (double)revivals[at->variant]);
}

/* ------------------------------------------------------------------------------------------------ scores */

static int score_mats(const case_at *at, case_mat *m)
{
    m[0] = (case_mat){at->d[0], at->d[1], at->word, CASE_IN, FILL_KIND, 0, 0, 0};
    m[1] = (case_mat){1, at->d[1], LOP_F32, CASE_IN, FILL_INT, 1, 1000, 0};
    m[2] = (case_mat){at->d[0], at->d[1], LOP_F32, CASE_OUT, FILL_KIND, 0, 0, 0};
    return 3;
}

static lop_status score_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    return lop_score_obs(q, m[0], m[1], 2 - at->variant, m[2]);
}

static void score_reference(const case_at *at, ref_mat *m)
{
    ref_score_obs(&m[0], &m[1], 2 - at->variant, &m[2]);
}

static double score_flops(const case_at *at)
{
    return 2.0 * at->d[0] * at->d[1];
}

static const op_case table[] = {
    {"gram", WORDS_ALL, KINDS_ALL, 2, CASE_PRODUCT | CASE_STEPS, &grams, gram_mats, gram_call, gram_reference,
     gram_flops},
    {"mirror", F32, KINDS_FINITE, 1, 0, &squares, square_mats, mirror_call, mirror_reference, NULL},
    {"reverse", F32, KINDS_FINITE, 1, 0, &shapes_rows, reverse_mats, reverse_call, reverse_reference, NULL},
    {"diagonal", F32, KINDS_ALL, 1, 0, &squares, diagonal_mats, diagonal_call, diagonal_reference, NULL},
    {"add_diag", F32, KINDS_ALL, 2, 0, &squares, add_diag_mats, add_diag_call, add_diag_reference, NULL},
    {"damp", F32, KINDS_ALL, 1, CASE_STEPS, &squares, damp_mats, damp_call, damp_reference, NULL},
    {"revive", F32, KINDS_ALL, 2, 0, &squares, square_mats, revive_call, revive_reference, NULL},
    {"score_obs", WORDS_ALL, KINDS_ALL, 2, 0, &shapes_rows, score_mats, score_call, score_reference,
     score_flops},
};
const case_list cases_symmetric = {table, sizeof table / sizeof table[0]};
