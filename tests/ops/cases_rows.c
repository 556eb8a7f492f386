/* cases_rows.c - the operations of a transformer's rows: d = (rows, columns), and as each case says. */
#include "tests/harness/cases.h"

static double per_element(const case_at *at, double flops)
{
    return flops * at->d[0] * at->d[1];
}

/* ------------------------------------------------------------------------------------------------ rmsnorm */

/* Variants: x in the word, or in f32. */
static int rmsnorm_mats(const case_at *at, case_mat *m)
{
    if (at->variant == 1 && at->word == LOP_F32) return 0;
    m[0] = (case_mat){at->d[0], at->d[1], at->variant == 1 ? LOP_F32 : at->word, CASE_IN, FILL_KIND, 0, 0, 0};
    m[1] = (case_mat){1, at->d[1], LOP_F32, CASE_IN, FILL_PLAIN, 0, 0, 0};
    m[2] = (case_mat){at->d[0], at->d[1], at->word, CASE_OUT, FILL_KIND, 0, 0, 0};
    return 3;
}

static lop_status rmsnorm_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    (void)at;
    return lop_rmsnorm(q, m[0], m[1], 1e-5f, m[2]);
}

static void rmsnorm_reference(const case_at *at, ref_mat *m)
{
    (void)at;
    ref_rmsnorm(&m[0], &m[1], (double)1e-5f, &m[2]);
}

static double rmsnorm_flops(const case_at *at)
{
    return per_element(at, 4.0);
}

/* Variants as above. */
static int rmsnorm_back_mats(const case_at *at, case_mat *m)
{
    if (at->variant == 1 && at->word == LOP_F32) return 0;
    m[0] = (case_mat){at->d[0], at->d[1], at->variant == 1 ? LOP_F32 : at->word, CASE_IN, FILL_KIND, 0, 0, 0};
    m[1] = (case_mat){1, at->d[1], LOP_F32, CASE_IN, FILL_PLAIN, 0, 0, 0};
    m[2] = (case_mat){at->d[0], at->d[1], at->word, CASE_IN, FILL_PLAIN, 0, 0, 0};
    m[3] = (case_mat){at->d[0], at->d[1], LOP_F32, CASE_INOUT, FILL_KIND, 0, 0, 0};
    return 4;
}

static lop_status rmsnorm_back_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    (void)at;
    return lop_rmsnorm_back(q, m[0], m[1], 1e-5f, m[2], m[3]);
}

static void rmsnorm_back_reference(const case_at *at, ref_mat *m)
{
    (void)at;
    ref_rmsnorm_back(&m[0], &m[1], (double)1e-5f, &m[2], &m[3]);
}

static double rmsnorm_back_flops(const case_at *at)
{
    return per_element(at, 11.0);
}

/* ------------------------------------------------------------------------------------------------ layernorm */

/* Variants as above. */
static int layernorm_mats(const case_at *at, case_mat *m)
{
    if (rmsnorm_mats(at, m) == 0) return 0;
    m[3] = m[2];
    m[2] = m[1];
    return 4;
}

static lop_status layernorm_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    (void)at;
    return lop_layernorm(q, m[0], m[1], m[2], 1e-5f, m[3]);
}

static void layernorm_reference(const case_at *at, ref_mat *m)
{
    (void)at;
    ref_layernorm(&m[0], &m[1], &m[2], (double)1e-5f, &m[3]);
}

static double layernorm_flops(const case_at *at)
{
    return per_element(at, 8.0);
}

static lop_status layernorm_back_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    (void)at;
    return lop_layernorm_back(q, m[0], m[1], 1e-5f, m[2], m[3]);
}

static void layernorm_back_reference(const case_at *at, ref_mat *m)
{
    (void)at;
    ref_layernorm_back(&m[0], &m[1], (double)1e-5f, &m[2], &m[3]);
}

static double layernorm_back_flops(const case_at *at)
{
    return per_element(at, 18.0);
}

/* ------------------------------------------------------------------------------------------------ rope */

/* d = (tokens, heads, head size, sequences); the table has three positions to spare. What x may be depends
 * on the scalars: refusals.c tries that. */
static const int32_t rope_table[][CASE_DIMS] = {{1, 1, 2, 1},    {2, 3, 4, 2},    {127, 2, 64, 1},
                                                {5, 8, 16, 3},   {129, 1, 10, 2}, {16, 4, 128, 4},
                                                {1000, 1, 6, 1}, {3, 32, 80, 0}};
static const case_shapes rope_shapes = {rope_table, sizeof rope_table / sizeof rope_table[0]};

static int rope_mats(const case_at *at, case_mat *m)
{
    m[0] = (case_mat){at->d[0] * at->d[3],    at->d[1] * at->d[2], at->word, CASE_INOUT, FILL_KIND, 0, 0,
                      LOOSE_ROWS | LOOSE_COLS};
    m[1] = (case_mat){at->d[0] + 3, at->d[2], LOP_F32, CASE_IN, FILL_ANGLE, 0, 0, LOOSE_ROWS};
    return 2;
}

static lop_status rope_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    return lop_rope(q, m[0], at->d[2], m[1], at->d[0]);
}

static void rope_reference(const case_at *at, ref_mat *m)
{
    ref_rope_op(&m[0], at->d[2], &m[1], at->d[0], 1.0);
}

static lop_status rope_back_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    return lop_rope_back(q, m[0], at->d[2], m[1], at->d[0]);
}

static void rope_back_reference(const case_at *at, ref_mat *m)
{
    ref_rope_op(&m[0], at->d[2], &m[1], at->d[0], -1.0);
}

static double rope_flops(const case_at *at)
{
    return 3.0 * at->d[0] * at->d[1] * at->d[2] * at->d[3];
}

/* ------------------------------------------------------------------------------------------------ softmax */

/* d = (queries of a tile, keys, first query, tiles); variants: window none, 3, 100; keys from the first
 * visible on. */
static const int32_t softmax_table[][CASE_DIMS] = {
    {1, 1, 0, 1},     {2, 2, 0, 3},       {127, 127, 0, 1}, {128, 129, 1, 2},  {16, 1000, 984, 1},
    {3, 997, 500, 2}, {5, 4097, 4092, 1}, {129, 64, 0, 1},  {64, 256, 192, 4}, {4, 8, 3, 0}};
static const case_shapes softmax_shapes = {softmax_table, sizeof softmax_table / sizeof softmax_table[0]};
static const int32_t softmax_windows[3] = {0, 3, 100};

static lop_softmax_args softmax_args(const case_at *at)
{
    lop_softmax_args out = {at->d[0], at->d[2], 0, softmax_windows[at->variant], 0.25f};
    if (out.window > 0 && out.first_query >= out.window) out.first_key = out.first_query - out.window + 1;
    return out;
}

static int softmax_mats(const case_at *at, case_mat *m)
{
    m[0] = (case_mat){at->d[0] * at->d[3], at->d[1], at->word, CASE_INOUT,
                      FILL_KIND,           0,        8,        LOOSE_ROWS | LOOSE_COLS};
    return 1;
}

static lop_status softmax_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    const lop_softmax_args args = softmax_args(at);
    return lop_softmax_causal(q, m[0], &args);
}

static void softmax_reference(const case_at *at, ref_mat *m)
{
    const lop_softmax_args args = softmax_args(at);
    const ref_softmax how = {args.queries, args.first_query, args.first_key, args.window, (double)args.scale};
    ref_softmax_causal(&m[0], &how);
}

static double softmax_flops(const case_at *at)
{
    return 4.0 * at->d[0] * at->d[1] * at->d[3];
}

/* d = (rows, columns). */
static int softmax_back_mats(const case_at *at, case_mat *m)
{
    m[0] = (case_mat){at->d[0], at->d[1], at->word, CASE_IN, FILL_NONNEG, 0, 0, 0};
    m[1] = (case_mat){at->d[0], at->d[1], at->word, CASE_INOUT, FILL_PLAIN, 0, 0, 0};
    return 2;
}

static lop_status softmax_back_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    (void)at;
    return lop_softmax_back(q, m[0], 0.25f, m[1]);
}

static void softmax_back_reference(const case_at *at, ref_mat *m)
{
    (void)at;
    ref_softmax_back(&m[0], 0.25, &m[1]);
}

static double softmax_back_flops(const case_at *at)
{
    return per_element(at, 5.0);
}

/* ------------------------------------------------------------------------------------------------ gate */

/* Variants: four functions, with and without `up`. Arguments reach past where the exponential leaves f32. */
static int gate_mats(const case_at *at, case_mat *m)
{
    m[0] = (case_mat){at->d[0], at->d[1], at->word, CASE_IN, FILL_KIND, 0, 4, 0};
    m[1] =
        (case_mat){at->d[0], at->d[1], at->word, at->variant & 4 ? CASE_ABSENT : CASE_IN, FILL_KIND, 0, 0, 0};
    m[2] = (case_mat){at->d[0], at->d[1], at->word, CASE_OUT, FILL_KIND, 0, 0, 0};
    return 3;
}

static const lop_gate_kind gate_kinds[4] = {LOP_GATE_SILU, LOP_GATE_GELU, LOP_GATE_GELU_TANH, LOP_GATE_RELU};
static const ref_gate_kind ref_kinds[4] = {REF_SILU, REF_GELU, REF_GELU_TANH, REF_RELU};

static lop_status gate_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    return lop_gate(q, gate_kinds[at->variant & 3], m[0], m[1], m[2]);
}

static void gate_reference(const case_at *at, ref_mat *m)
{
    ref_gate(ref_kinds[at->variant & 3], &m[0], at->variant & 4 ? NULL : &m[1], &m[2]);
}

static double gate_flops(const case_at *at)
{
    return per_element(at, 5.0);
}

/* Variants as above. */
static int gate_back_mats(const case_at *at, case_mat *m)
{
    const case_role up = at->variant & 4 ? CASE_ABSENT : CASE_INOUT;
    m[0] = (case_mat){at->d[0], at->d[1], at->word, CASE_IN, FILL_KIND, 0, 0, 0};
    m[1] = (case_mat){at->d[0], at->d[1], at->word, CASE_INOUT, FILL_KIND, 0, 4, 0};
    m[2] = (case_mat){at->d[0], at->d[1], at->word, up, FILL_KIND, 0, 0, 0};
    return 3;
}

static lop_status gate_back_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    return lop_gate_back(q, gate_kinds[at->variant & 3], m[0], m[1], m[2]);
}

static void gate_back_reference(const case_at *at, ref_mat *m)
{
    ref_gate_back(ref_kinds[at->variant & 3], &m[0], &m[1], at->variant & 4 ? NULL : &m[2]);
}

static double gate_back_flops(const case_at *at)
{
    return per_element(at, 12.0);
}

/* ------------------------------------------------------------------------------------------------ loss */

/* The whole of begin, add and end over chunks: one (variant 0), or of 100 tokens. */
static int loss_mats(const case_at *at, case_mat *m)
{
    m[0] = (case_mat){at->d[0], at->d[1], at->word, CASE_IN, FILL_KIND, 0, 8, LOOSE_COLS};
    m[1] = (case_mat){1, at->d[0], LOP_I32, CASE_IN, FILL_INT, -1, at->d[1] - 1, 0};
    m[2] = (case_mat){at->d[0], 3, LOP_F32, CASE_SCRATCH, FILL_KIND, 0, 0, 0};
    m[3] = (case_mat){1, at->d[0], LOP_F32, CASE_OUT, FILL_KIND, 0, 0, 0};
    return 4;
}

static lop_status loss_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    const int32_t all = m[0].cols, chunk = at->variant == 0 ? all : 100;
    LOP_TRY(lop_cross_entropy_begin(q, m[2]));
    for (int32_t first = 0; first < all; first += chunk) {
        const int32_t n = first + chunk < all ? chunk : all - first;
        LOP_TRY(lop_cross_entropy_add(q, lop_mat_cols(m[0], first, n), first, m[1], m[2]));
    }
    return lop_cross_entropy_end(q, m[2], m[1], m[3]);
}

static void loss_reference(const case_at *at, ref_mat *m)
{
    (void)at;
    ref_cross_entropy(&m[0], &m[1], &m[3]);
}

static double loss_flops(const case_at *at)
{
    return per_element(at, 3.0);
}

static int argmax_mats(const case_at *at, case_mat *m)
{
    m[0] = (case_mat){at->d[0], at->d[1], at->word, CASE_IN, FILL_KIND, 0, 0, LOOSE_COLS};
    m[1] = (case_mat){1, at->d[0], LOP_I32, CASE_OUT, FILL_KIND, 0, 0, 0};
    return 2;
}

static lop_status argmax_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    (void)at;
    return lop_argmax_rows(q, m[0], m[1]);
}

static void argmax_reference(const case_at *at, ref_mat *m)
{
    (void)at;
    ref_argmax_rows(&m[0], &m[1]);
}

static const op_case table[] = {
    {"rmsnorm", WORDS_ALL, KINDS_ALL, 2, 0, &shapes_rows, rmsnorm_mats, rmsnorm_call, rmsnorm_reference,
     rmsnorm_flops},
    {"rmsnorm_back", WORDS_ALL, KINDS_ALL, 2, 0, &shapes_rows, rmsnorm_back_mats, rmsnorm_back_call,
     rmsnorm_back_reference, rmsnorm_back_flops},
    {"layernorm", WORDS_ALL, KINDS_ALL, 2, 0, &shapes_rows, layernorm_mats, layernorm_call,
     layernorm_reference, layernorm_flops},
    {"layernorm_back", WORDS_ALL, KINDS_ALL, 2, 0, &shapes_rows, rmsnorm_back_mats, layernorm_back_call,
     layernorm_back_reference, layernorm_back_flops},
    {"rope", WORDS_ALL, KINDS_ALL, 1, 0, &rope_shapes, rope_mats, rope_call, rope_reference, rope_flops},
    {"rope_back", WORDS_ALL, KINDS_ALL, 1, 0, &rope_shapes, rope_mats, rope_back_call, rope_back_reference,
     rope_flops},
    {"softmax_causal", WORDS_ALL, KINDS_FINITE, 3, 0, &softmax_shapes, softmax_mats, softmax_call,
     softmax_reference, softmax_flops},
    {"softmax_back", WORDS_ALL, KINDS_FINITE, 1, 0, &shapes_rows, softmax_back_mats, softmax_back_call,
     softmax_back_reference, softmax_back_flops},
    {"gate", WORDS_ALL, KINDS_FINITE, 8, 0, &shapes_rows, gate_mats, gate_call, gate_reference, gate_flops},
    {"gate_back", WORDS_ALL, KINDS_FINITE, 8, 0, &shapes_rows, gate_back_mats, gate_back_call,
     gate_back_reference, gate_back_flops},
    {"cross_entropy", WORDS_ALL, KINDS_FINITE, 2, CASE_STEPS, &shapes_rows, loss_mats, loss_call,
     loss_reference, loss_flops},
    {"argmax_rows", WORDS_ALL, KINDS_FINITE, 1, 0, &shapes_rows, argmax_mats, argmax_call, argmax_reference,
     NULL},
};
const case_list cases_rows = {table, sizeof table / sizeof table[0]};
