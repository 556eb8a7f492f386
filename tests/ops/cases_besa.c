/* cases_besa.c - the kernels of kernels/besa.cl as BESA launches them. Of buckets and flips d = (rows, columns); of rows of
 * logits d = (rows of logits, candidates). */
#include "core/device/launch.h"
#include "tests/harness/cases.h"

enum { CHUNK = 64 };
static const int32_t bucket_counts[] = {100, 7, 100};

/* The third variant has local memory for a part of a row only. */
static int32_t chunk_of(const case_at *at)
{
    const int32_t all = (at->d[1] + 7) / 8 * 8;
    return at->variant == 2 && all > CHUNK ? CHUNK : all;
}

static int bucket_mats(const case_at *at, case_mat *m)
{
    const int32_t rows = at->d[0], cols = at->d[1];
    m[0] = (case_mat){rows, cols, LOP_F32, CASE_IN, FILL_KIND, 0, 0, 0};
    m[1] = (case_mat){rows, cols, at->word, CASE_IN, FILL_PLAIN, 0, 0, 0};
    m[2] = (case_mat){rows, cols, LOP_U16, CASE_IN, FILL_RANK, 0, 0, 0};
    m[3] = (case_mat){rows, bucket_counts[at->variant], LOP_F32, CASE_OUT, FILL_KIND, 0, 0, 0};
    return 4;
}

static lop_status bucket_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    const int32_t chunk = chunk_of(at);
    const lop_launch_shape shape = {
        .groups = at->d[0], .cols = at->d[1], .word = at->word, .local_bytes = (size_t)chunk * sizeof(float)};
    const lop_arg args[] = {LOP_M(m[0]),  LOP_M(m[1]),    LOP_M(m[2]),
                            LOP_M(m[3]),  LOP_F(0.25f),   LOP_I(bucket_counts[at->variant]),
                            LOP_I(chunk), LOP_I(at->d[1])};
    return LOP_LAUNCH(q, LOP_KERNEL_bucket_row, &shape, args);
}

static void bucket_reference(const case_at *at, ref_mat *m)
{
    (void)at;
    ref_buckets(&m[0], &m[1], &m[2], 0.25, &m[3]);
}

static double bucket_flops(const case_at *at)
{
    return 2.0 * at->d[0] * at->d[1];
}

static const int32_t flip_rows[] = {1, 3, 1000000};

static int flip_mats(const case_at *at, case_mat *m)
{
    const int32_t rows = at->d[0], cols = at->d[1], each = flip_rows[at->variant];
    m[0] = (case_mat){rows, cols, at->word, CASE_IN, FILL_KIND, 0, 0, 0};
    m[1] = (case_mat){rows, cols, LOP_U16, CASE_IN, FILL_RANK, 0, 0, 0};
    m[2] = (case_mat){(rows + each - 1) / each, 1, LOP_U32, CASE_IN, FILL_INT, 0, cols, 0};
    m[3] = (case_mat){rows, 1, LOP_U32, CASE_INOUT, FILL_INT, 0, cols, 0};
    m[4] = (case_mat){rows, cols, at->word, CASE_INOUT, FILL_PLAIN, 0, 0, 0};
    return 5;
}

static lop_status flip_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    const lop_launch_shape shape = lop_by_rows(at->d[0], at->d[1], at->word);
    const lop_arg args[] = {LOP_M(m[1]), LOP_M(m[0]), LOP_M(m[2]), LOP_I(flip_rows[at->variant]),
                            LOP_M(m[3]), LOP_M(m[4])};
    return LOP_LAUNCH(q, LOP_KERNEL_flip_row, &shape, args);
}

static void flip_reference(const case_at *at, ref_mat *m)
{
    ref_flip(&m[0], &m[1], &m[2], flip_rows[at->variant], &m[3], &m[4]);
}

/* Rows of a linear: the last row of logits stands for fewer than the others. */
enum { EACH = 3, WIDTH = 4096, FORMS = 3 };

static int32_t rows_of(const case_at *at)
{
    return at->d[0] > 0 ? EACH * at->d[0] - 1 : 0;
}

static ref_rates rates_of(const case_at *at)
{
    return (ref_rates){.rates = at->d[1],
                       .each = EACH,
                       .rows = rows_of(at),
                       .width = WIDTH,
                       .form = at->variant % FORMS,
                       .threshold = at->variant >= FORMS,
                       .slope = 3.0,
                       .target = 0.5};
}

static int count_mats(const case_at *at, case_mat *m)
{
    m[0] = (case_mat){1, at->d[1], LOP_F32, CASE_IN, FILL_PLAIN, 0, 0, 0};
    m[1] = (case_mat){at->d[0], at->d[1], LOP_F32, CASE_IN, FILL_KIND, 0, 0, 0};
    m[2] = (case_mat){at->d[0], 1, LOP_U32, CASE_OUT, FILL_KIND, 0, 0, 0};
    m[3] = (case_mat){at->d[0], 1, LOP_F32, CASE_OUT, FILL_KIND, 0, 0, 0};
    m[4] = (case_mat){at->d[0], 1, LOP_I64, CASE_OUT, FILL_KIND, 0, 0, 0};
    return 5;
}

static lop_status count_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    const ref_rates how = rates_of(at);
    const lop_launch_shape shape = lop_by_rows(at->d[0], at->d[1], LOP_F32);
    const lop_arg args[] = {LOP_M(m[0]),     LOP_M(m[1]),      LOP_M(m[2]),          LOP_M(m[3]),
                            LOP_M(m[4]),     LOP_I(how.form),  LOP_I(how.threshold), LOP_I(how.each),
                            LOP_I(how.rows), LOP_I(how.width), LOP_I(how.rates)};
    return LOP_LAUNCH(q, LOP_KERNEL_rate_count_row, &shape, args);
}

static void count_reference(const case_at *at, ref_mat *m)
{
    const ref_rates how = rates_of(at);
    ref_rate_count(&how, &m[0], &m[1], &m[2], &m[3], &m[4]);
}

static int mean_mats(const case_at *at, case_mat *m)
{
    m[0] = (case_mat){at->d[0], 1, LOP_I64, CASE_IN, FILL_INT, 0, 4294967296.0 * WIDTH, 0};
    m[1] = (case_mat){1, 1, LOP_F32, CASE_OUT, FILL_KIND, 0, 0, 0};
    return at->d[0] > 0 ? 2 : 0;
}

static lop_status mean_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    const lop_launch_shape one = lop_by_rows(1, at->d[0], LOP_F32);
    const lop_arg args[] = {LOP_M(m[0]), LOP_M(m[1]), LOP_L((int64_t)at->d[0] * WIDTH), LOP_I(at->d[0])};
    return LOP_LAUNCH(q, LOP_KERNEL_rate_mean, &one, args);
}

static void mean_reference(const case_at *at, ref_mat *m)
{
    ref_rate_mean(&m[0], (double)at->d[0] * WIDTH, &m[1]);
}

static int grad_mats(const case_at *at, case_mat *m)
{
    m[0] = (case_mat){1, at->d[1], LOP_F32, CASE_IN, FILL_PLAIN, 0, 0, 0};
    m[1] = (case_mat){at->d[0], at->d[1], LOP_F32, CASE_IN, FILL_KIND, 0, 0, 0};
    m[2] = (case_mat){at->d[0], at->d[1] - 1, LOP_F32, CASE_IN, FILL_PLAIN, 0, 0, 0};
    m[3] = (case_mat){1, 1, LOP_F32, CASE_IN, FILL_PLAIN, 0, 0, 0};
    m[4] = (case_mat){at->d[0], at->d[1], LOP_F32, CASE_OUT, FILL_KIND, 0, 0, 0};
    return 5;
}

static lop_status grad_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    const ref_rates how = rates_of(at);
    const lop_launch_shape shape = lop_by_rows(at->d[0], at->d[1], LOP_F32);
    const lop_arg args[] = {LOP_M(m[0]),     LOP_M(m[1]),     LOP_M(m[2]),     LOP_M(m[3]),
                            LOP_M(m[4]),     LOP_F(3.0f),     LOP_F(0.5f),     LOP_I(how.form),
                            LOP_I(how.each), LOP_I(how.rows), LOP_I(how.rates)};
    return LOP_LAUNCH(q, LOP_KERNEL_rate_grad_row, &shape, args);
}

static void grad_reference(const case_at *at, ref_mat *m)
{
    const ref_rates how = rates_of(at);
    ref_rate_grad(&how, &m[0], &m[1], &m[2], &m[3], &m[4]);
}

static int slope_mats(const case_at *at, case_mat *m)
{
    m[0] = (case_mat){1, at->d[1], LOP_F32, CASE_IN, FILL_PLAIN, 0, 0, 0};
    m[1] = (case_mat){at->d[0], at->d[1], LOP_F32, CASE_IN, FILL_KIND, 0, 0, 0};
    m[2] = (case_mat){at->d[0], at->d[1] - 1, LOP_F32, CASE_IN, FILL_PLAIN, 0, 0, 0};
    m[3] = (case_mat){at->d[0], 2, LOP_F32, CASE_OUT, FILL_KIND, 0, 0, 0};
    return 4;
}

static lop_status slope_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    const ref_rates how = rates_of(at);
    const lop_launch_shape shape = lop_by_rows(at->d[0], at->d[1], LOP_F32);
    const lop_arg args[] = {LOP_M(m[0]),     LOP_M(m[1]),     LOP_M(m[2]),     LOP_M(m[3]),     LOP_F(3.0f),
                            LOP_I(how.form), LOP_I(how.each), LOP_I(how.rows), LOP_I(how.rates)};
    return LOP_LAUNCH(q, LOP_KERNEL_rate_slope_row, &shape, args);
}

static void slope_reference(const case_at *at, ref_mat *m)
{
    const ref_rates how = rates_of(at);
    ref_rate_slope(&how, &m[0], &m[1], &m[2], &m[3]);
}

/* Slopes are whole numbers, whose sums are exact, for a quotient by what is nearly 0 could be anything; in the second variant so
 * small that the least is divided by. */
static int price_mats(const case_at *at, case_mat *m)
{
    m[0] = at->variant == 0 ? (case_mat){at->d[0], 2, LOP_F32, CASE_IN, FILL_INT, 0, 1000, 0}
                            : (case_mat){at->d[0], 2, LOP_F32, CASE_IN, FILL_NONNEG, 0, 0x1p-42, 0};
    m[1] = (case_mat){1, 1, LOP_F32, CASE_IN, FILL_PLAIN, 0, 0, 0};
    m[2] = (case_mat){1, 2, LOP_F32, CASE_OUT, FILL_KIND, 0, 0, 0};
    return at->d[0] > 0 ? 3 : 0;
}

static lop_status price_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    const lop_launch_shape one = lop_by_rows(1, at->d[0], LOP_F32);
    const lop_arg args[] = {LOP_M(m[0]), LOP_M(m[1]),  LOP_M(m[2]),
                            LOP_F(0.5f), LOP_F(0.25f), LOP_I(at->d[0])};
    return LOP_LAUNCH(q, LOP_KERNEL_rate_price, &one, args);
}

static void price_reference(const case_at *at, ref_mat *m)
{
    (void)at;
    ref_rate_price(&m[0], &m[1], 0.5, 0.25, &m[2]);
}

static int tilt_mats(const case_at *at, case_mat *m)
{
    m[0] = (case_mat){1, 2, LOP_F32, CASE_IN, FILL_INT, 1, 8, 0};
    m[1] = (case_mat){1, 1, LOP_F32, CASE_IN, FILL_PLAIN, 0, 0, 0};
    m[2] = (case_mat){1, at->d[1], LOP_F32, CASE_INOUT, FILL_KIND, 0, 0, 0};
    return at->d[0] > 0 ? 3 : 0;
}

static lop_status tilt_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    const lop_launch_shape one = lop_by_rows(1, at->d[1], LOP_F32);
    const lop_arg args[] = {LOP_M(m[0]), LOP_M(m[1]), LOP_M(m[2]), LOP_F(0.5f), LOP_I(at->d[1])};
    return LOP_LAUNCH(q, LOP_KERNEL_rate_tilt, &one, args);
}

static void tilt_reference(const case_at *at, ref_mat *m)
{
    (void)at;
    ref_rate_tilt(&m[0], &m[1], 0.5, &m[2]);
}

static const int32_t logits[][CASE_DIMS] = {{1, 2},    {7, 3},   {5, 101}, {300, 101},
                                            {33, 128}, {3, 256}, {0, 101}};
static const case_shapes shapes_logits = {logits, sizeof logits / sizeof logits[0]};

/* Logits are of moderate size: beyond, e^x has no digits left to compare. */
#define KINDS_LOGITS (1u << KIND_UNIFORM | 1u << KIND_EQUAL | 1u << KIND_FEW | 1u << KIND_ZERO)

static const op_case table[] = {
    {"buckets", WORDS_ALL, KINDS_FINITE, 3, CASE_LAUNCH, &shapes_small, bucket_mats, bucket_call,
     bucket_reference, bucket_flops},
    {"flip", WORDS_ALL, KINDS_FINITE, 3, CASE_LAUNCH, &shapes_small, flip_mats, flip_call, flip_reference,
     NULL},
    {"rate_count", 1u << LOP_F32, KINDS_LOGITS, 2 * FORMS, CASE_LAUNCH, &shapes_logits, count_mats,
     count_call, count_reference, NULL},
    {"rate_mean", 1u << LOP_F32, 1u << KIND_UNIFORM, 1, CASE_LAUNCH, &shapes_logits, mean_mats, mean_call,
     mean_reference, NULL},
    {"rate_grad", 1u << LOP_F32, KINDS_LOGITS, FORMS, CASE_LAUNCH, &shapes_logits, grad_mats, grad_call,
     grad_reference, NULL},
    {"rate_slope", 1u << LOP_F32, KINDS_LOGITS, FORMS, CASE_LAUNCH, &shapes_logits, slope_mats, slope_call,
     slope_reference, NULL},
    {"rate_price", 1u << LOP_F32, 1u << KIND_UNIFORM | 1u << KIND_ZERO, 2, CASE_LAUNCH, &shapes_logits,
     price_mats, price_call, price_reference, NULL},
    {"rate_tilt", 1u << LOP_F32, KINDS_LOGITS, 1, CASE_LAUNCH, &shapes_logits, tilt_mats, tilt_call,
     tilt_reference, NULL},
};
const case_list cases_besa = {table, sizeof table / sizeof table[0]};
