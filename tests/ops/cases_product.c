/* cases_product.c - products: d = (rows of C, columns of C, inner size, matrices of a batch). */
#include "tests/harness/cases.h"

#include <math.h>
#include <string.h>

static const int32_t product_table[][CASE_DIMS] = {
    {0, 5, 7, 1},       {1, 1, 1, 1},    {2, 3, 1, 1},      {1, 127, 128, 1},  {127, 2, 129, 1},
    {129, 128, 127, 1}, {3, 1000, 3, 1}, {257, 5, 1000, 1}, {5, 3, 4097, 1},   {17, 19, 23, 3},
    {64, 16, 64, 4},    {64, 64, 16, 2}, {31, 997, 8, 1},   {300, 129, 64, 1},
};

static const case_shapes products = {product_table, sizeof product_table / sizeof product_table[0]};

static double product_flops(const case_at *at)
{
    return 2.0 * at->d[0] * at->d[1] * at->d[2] * at->d[3];
}

/* The variants of gemm: transposed operands, factors, C in f32. */
static const struct {
    bool ta, tb, wide_c;
    float alpha, beta;
} gemm_variants[] = {
    {false, false, true, 1.0f, 0.0f}, {false, true, true, 1.0f, 0.0f},   {true, false, true, 1.0f, 1.0f},
    {true, true, true, -0.5f, 2.0f},  {false, true, false, 0.25f, 0.0f}, {false, false, false, 1.0f, 0.0f},
};

static int gemm_mats(const case_at *at, case_mat *m)
{
    const int32_t rows = at->d[0], cols = at->d[1], inner = at->d[2], count = at->d[3];
    const bool ta = gemm_variants[at->variant].ta, tb = gemm_variants[at->variant].tb;
    const bool wide_c = gemm_variants[at->variant].wide_c && at->word != LOP_F64;
    if (wide_c == false && at->word == LOP_F32) return 0; /* the same as the variants before */
    m[0] = (case_mat){count * (ta ? inner : rows), ta ? rows : inner, at->word, CASE_IN, FILL_KIND, 0, 0, 0};
    m[1] = (case_mat){count * (tb ? cols : inner), tb ? inner : cols, at->word, CASE_IN, FILL_KIND, 0, 0, 0};
    m[2] = (case_mat){count * rows, cols, wide_c ? LOP_F32 : at->word, CASE_INOUT, FILL_KIND, 0, 0, 0};
    if (gemm_variants[at->variant].beta == 0.0f) m[2].fill = FILL_NAN;
    return 3;
}

static lop_status gemm_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    const int32_t count = at->d[3];
    lop_gemm_args g = {.a = m[0], .b = m[1], .c = m[2], .math = LOP_MATH_F32, .count = count};
    g.ta = gemm_variants[at->variant].ta, g.tb = gemm_variants[at->variant].tb;
    g.alpha = gemm_variants[at->variant].alpha, g.beta = gemm_variants[at->variant].beta;
    g.a.rows /= count, g.b.rows /= count, g.c.rows /= count;
    g.step_a = (int64_t)g.a.rows * g.a.ld, g.step_b = (int64_t)g.b.rows * g.b.ld;
    g.step_c = (int64_t)g.c.rows * g.c.ld;
    return lop_gemm(q, &g);
}

static void gemm_reference(const case_at *at, ref_mat *m)
{
    const ref_product p = {gemm_variants[at->variant].ta, gemm_variants[at->variant].tb,
                           (double)gemm_variants[at->variant].alpha, (double)gemm_variants[at->variant].beta,
                           at->d[3]};
    ref_gemm(&p, &m[0], &m[1], &m[2]);
    if (at->word != LOP_F64) return;
    for (int64_t i = 0; i < (int64_t)m[2].rows * m[2].cols; i++)
        m[2].magnitude[i] *= 0x1p-29; /* eps of f64 */
}

/* y = x w^T: variants are bias or none, y in the word or in f32. */
static int linear_mats(const case_at *at, case_mat *m)
{
    const lop_type y = at->variant & 2 ? LOP_F32 : at->word;
    if (at->d[3] != 1 || (at->variant & 2 && at->word == LOP_F32)) return 0;
    m[0] = (case_mat){at->d[0], at->d[2], at->word, CASE_IN, FILL_KIND, 0, 0, 0};
    m[1] = (case_mat){at->d[1], at->d[2], at->word, CASE_IN, FILL_KIND, 0, 0, 0};
    m[2] = (case_mat){1, at->d[1], LOP_F32, at->variant & 1 ? CASE_IN : CASE_ABSENT, FILL_KIND, 0, 0, 0};
    m[3] = (case_mat){at->d[0], at->d[1], y, CASE_OUT, FILL_KIND, 0, 0, 0};
    return 4;
}

static lop_status linear_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    (void)at;
    return lop_linear(q, m[0], m[1], m[2], m[3]);
}

static void linear_reference(const case_at *at, ref_mat *m)
{
    const ref_word *word = at->word == LOP_F16 ? &ref_f16 : at->word == LOP_BF16 ? &ref_bf16 : NULL;
    const bool twice = (at->variant & 1) != 0 && (at->variant & 2) == 0 && word != NULL;
    ref_linear_op(&m[0], &m[1], at->variant & 1 ? &m[2] : NULL, &m[3]);
    /* A 16-bit product is rounded before the bias comes to it: half an ulp more, said in units of the bound. */
    for (int64_t i = 0; twice && i < (int64_t)m[3].rows * m[3].cols; i++) {
        const double product = m[3].at[i] - m[2].at[i % m[3].cols];
        m[3].magnitude[i] +=
            ref_word_half_ulp(word, fabs(product)) / (4.0 * 0x1p-24 * (1.0 + sqrt(m[3].terms)));
    }
}

/* dy is (d[0], d[2]), w (d[2], d[1]); dW gathers from slabs of 16 rows. Variants: dx in the word, in f32, none; dW or none. */
enum { SLAB = 16 };
static int linear_back_mats(const case_at *at, case_mat *m)
{
    const int32_t T = at->d[0], in = at->d[1], out = at->d[2];
    const bool with_dx = at->variant % 3 < 2, with_dw = at->variant < 3;
    if (at->d[3] != 1 || (at->variant % 3 == 1 && at->word == LOP_F32) || (!with_dx && !with_dw)) return 0;
    m[0] = (case_mat){T, out, at->word, CASE_IN, FILL_KIND, 0, 0, 0};
    m[1] = (case_mat){out, in, at->word, with_dx ? CASE_IN : CASE_ABSENT, FILL_KIND, 0, 0, 0};
    m[2] = (case_mat){
        T, in, at->variant % 3 == 1 ? LOP_F32 : at->word, with_dx ? CASE_OUT : CASE_ABSENT, FILL_KIND, 0,
        0, 0};
    m[3] = (case_mat){T, in, at->word, with_dw ? CASE_IN : CASE_ABSENT, FILL_KIND, 0, 0, 0};
    m[4] = (case_mat){SLAB, in, LOP_F32, with_dw ? CASE_SCRATCH : CASE_ABSENT, FILL_KIND, 0, 0, LOOSE_ROWS};
    m[5] = (case_mat){out,       in, LOP_F32, with_dw ? CASE_OUT : CASE_ABSENT,
                      FILL_KIND, 0,  0,       LOOSE_ROWS | LOOSE_COLS};
    return 6;
}

static lop_status linear_back_slab(void *user, lop_queue *q, int32_t first, lop_mat dw)
{
    const lop_mat *whole = user;
    return lop_cast(q, dw, lop_mat_rows(*whole, first, dw.rows));
}

static lop_status linear_back_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    lop_mat whole = m[5];
    const lop_linear_back_args args = {
        .dy = m[0], .w = m[1], .dx = m[2], .x = m[3], .slab = m[4], .fn = linear_back_slab, .user = &whole};
    (void)at;
    return lop_linear_back(q, &args);
}

static void linear_back_reference(const case_at *at, ref_mat *m)
{
    const ref_product plain = {false, false, 1.0, 0.0, 1}, turned = {true, false, 1.0, 0.0, 1};
    if (at->variant % 3 < 2) ref_gemm(&plain, &m[0], &m[1], &m[2]);
    if (at->variant < 3) ref_gemm(&turned, &m[0], &m[3], &m[5]);
}

static const op_case table[] = {
    {"gemm", WORDS_ALL | 1u << LOP_F64, KINDS_ALL, 6, CASE_PRODUCT, &products, gemm_mats, gemm_call,
     gemm_reference, product_flops},
    {"linear", WORDS_ALL, KINDS_ALL, 4, CASE_PRODUCT, &products, linear_mats, linear_call, linear_reference,
     product_flops},
    {"linear_back", WORDS_ALL, KINDS_FINITE, 6, CASE_PRODUCT | CASE_STEPS, &products, linear_back_mats,
     linear_back_call, linear_back_reference, product_flops},
};
const case_list cases_product = {table, sizeof table / sizeof table[0]};
