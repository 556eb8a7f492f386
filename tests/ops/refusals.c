/* refusals.c - arguments out of their ranges: what a spoiled shape does not try. Nothing may be queued. */
#include "core/device/factor.h"
#include "tests/harness/harness.h"
#include "tests/ops/ops_checks.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* What is refused beside other arguments that would do: views of a buffer of 64 KB on the device. */
typedef struct refuse_rig {
    harness *h;
    lop_queue *q;
    lop_buf buf;
    lop_mat score, x, y; /* (4, 8) f32 */
    lop_mat bits;        /* (4, 1) u8 */
    lop_mat table, gain; /* (8, 8), (1, 8) f32 */
    lop_mat scratch;     /* of lop_keep_all */
} refuse_rig;

static lop_mat mat(lop_buf *buf, int32_t at_rows, int32_t rows, int32_t cols, lop_type type)
{
    return lop_mat_of(buf, (int64_t)at_rows * 1024 / (int64_t)lop_type_bytes(type), rows, cols, type);
}

#define REFUSED(call)                                                                                        \
    do {                                                                                                     \
        const int64_t queued = r->h->counter.queued;                                                         \
        const lop_status status = (call);                                                                    \
        if (status != LOP_E_ARGUMENT) fail_msg("%s gave %s", #call, lop_status_name(status));                \
        if (r->h->counter.queued != queued) fail_msg("%s queued work", #call);                               \
        if (strlen(lop_error()) < 10) fail_msg("%s says \"%s\"", #call, lop_error());                        \
    } while (0)

static void selections(refuse_rig *r)
{
    REFUSED(lop_keep_all(r->q, r->score, -1, false, r->scratch, r->bits));
    REFUSED(lop_keep_all(r->q, r->score, 33, false, r->scratch, r->bits));
    REFUSED(lop_keep_all(r->q, r->score, 32, true, r->scratch, r->bits));
    REFUSED(lop_keep_n_of_m(r->q, r->score, 0, 4, r->bits));
    REFUSED(lop_keep_n_of_m(r->q, r->score, 5, 4, r->bits));
    REFUSED(lop_keep_n_of_m(r->q, r->score, 1, 3, r->bits));
    REFUSED(lop_keep_n_of_m(r->q, r->score, 1, 128, r->bits));
}

static void rows(refuse_rig *r)
{
    REFUSED(lop_rope(r->q, r->x, 3, r->table, 4));
    REFUSED(lop_rope(r->q, r->x, 8, r->table, 3));
    REFUSED(lop_rope(r->q, r->x, 8, r->table, 9));
    REFUSED(lop_rope(r->q, r->x, 0, r->table, 4));
    REFUSED(lop_softmax_causal(r->q, r->x, &(lop_softmax_args){3, 0, 0, 0, 1.0f}));
    REFUSED(lop_softmax_causal(r->q, r->x, &(lop_softmax_args){0, 0, 0, 0, 1.0f}));
    REFUSED(lop_rope_back(r->q, r->x, 8, r->table, 3));
    REFUSED(lop_gate(r->q, (lop_gate_kind)17, r->x, LOP_NONE, r->y));
    REFUSED(lop_gate_back(r->q, (lop_gate_kind)17, r->x, r->y, LOP_NONE));
    lop_mat no_rows = r->y;
    no_rows.rows = 0;
    REFUSED(lop_linear_back(r->q, &(lop_linear_back_args){.dy = r->x, .x = r->score, .slab = no_rows}));
}

static void losses(refuse_rig *r)
{
    const lop_mat target = mat(&r->buf, 44, 1, 4, LOP_I32), sum = mat(&r->buf, 45, 4, 3, LOP_F32);
    const lop_mat short_target = mat(&r->buf, 44, 1, 3, LOP_I32), nll = mat(&r->buf, 46, 1, 4, LOP_F32);
    REFUSED(lop_cross_entropy_add(r->q, r->x, 0, short_target, sum));
    REFUSED(lop_cross_entropy_add(r->q, r->x, -1, target, sum));
    REFUSED(lop_cross_entropy_add(r->q, r->x, 0, target, r->gain));
    REFUSED(lop_cross_entropy_end(r->q, sum, short_target, nll));
    REFUSED(lop_cross_entropy_end(r->q, r->gain, target, nll));
}

static void adam(refuse_rig *r)
{
    lop_adam_args args = lop_adam_usual();
    args.x = r->x, args.g = r->y, args.m = r->score, args.v = lop_mat_rows(r->table, 0, 4);
    args.step = mat(&r->buf, 47, 1, 1, LOP_U32);
    args.g_scale = 0.0f;
    REFUSED(lop_adam(r->q, &args));
    REFUSED(lop_adam_begin(r->q, &args));
    args.g_scale = 1.0f, args.beta2 = 1.0;
    REFUSED(lop_adam(r->q, &args));
    args.beta2 = 0.999, args.lr = NAN;
    REFUSED(lop_adam(r->q, &args));
}

static void prodigy(refuse_rig *r)
{
    lop_prodigy_args args = lop_prodigy_usual();
    args.x = r->x, args.g = r->y, args.m = r->score, args.v = lop_mat_rows(r->table, 0, 4);
    args.s = mat(&r->buf, 48, 4, 8, LOP_F32);
    args.parts = mat(&r->buf, 49, 4, 2, LOP_F32);
    args.state = mat(&r->buf, 50, 1, LOP_PRODIGY_STATE, LOP_F32);
    args.growth = 0.5f;
    REFUSED(lop_prodigy(r->q, &args));
    args.growth = 2.0f, args.d0 = 1e-35; /* times eps it is none of f32's normal numbers */
    REFUSED(lop_prodigy_begin(r->q, &args));
    args.d0 = 1e-17, args.beta2 = 0.9999; /* nor is its square times 1 - beta2 */
    REFUSED(lop_prodigy_begin(r->q, &args));
}

static void sums(refuse_rig *r)
{
    REFUSED(lop_sum_row_groups(r->q, r->x, 0, r->y));
    REFUSED(lop_reciprocal(r->q, r->x, 1.0f, 0.0f));
}

static void views(refuse_rig *r)
{
    lop_mat past = r->x, narrow = r->x;
    past.at = 65536 / 4 - 8; /* the first row alone lies in the buffer */
    narrow.ld = 7;
    REFUSED(lop_cast(r->q, LOP_NONE, r->y));
    REFUSED(lop_cast(r->q, r->x, LOP_NONE));
    REFUSED(lop_cast(r->q, past, r->y));
    REFUSED(lop_cast(r->q, narrow, r->y));
    REFUSED(lop_rmsnorm(r->q, r->x, r->gain, 1e-5f, r->x));
    REFUSED(lop_layernorm(r->q, r->x, r->gain, r->gain, 1e-5f, r->x));
    REFUSED(lop_add_bias(r->q, r->x, lop_mat_rows(r->y, 0, 3)));
    REFUSED(lop_add_bias(r->q, r->x, lop_mat_rows(r->y, 0, 0)));
}

static void products(refuse_rig *r)
{
    REFUSED(
        lop_gemm(r->q, &(lop_gemm_args){.a = r->x, .b = r->table, .c = r->y, .alpha = 1.0f, .count = -1}));
    /* Two squares along a diagonal, whose first result is the second operand; then apart by a column too little. */
    const lop_mat h6 = mat(&r->buf, 0, 6, 6, LOP_F32), first = lop_mat_cols(lop_mat_rows(h6, 0, 2), 0, 2);
    lop_gemm_args squares = {.a = first,
                             .b = first,
                             .c = lop_mat_cols(lop_mat_rows(h6, 2, 2), 2, 2),
                             .alpha = 1.0f,
                             .count = 2,
                             .step_a = 14,
                             .step_b = 14,
                             .step_c = 14};
    REFUSED(lop_gemm(r->q, &squares));
    squares.c = lop_mat_cols(lop_mat_rows(h6, 2, 2), 1, 2);
    REFUSED(lop_gemm(r->q, &squares));
}

static void factors(refuse_rig *r)
{
    const lop_mat h8 = mat(&r->buf, 0, 8, 8, LOP_F32), tiles = mat(&r->buf, 52, 8, LOP_TILE, LOP_F32);
    const lop_mat bad = mat(&r->buf, 55, 1, 2, LOP_I32);
    const lop_mat room = mat(&r->buf, 8, 1, lop_inverse_factor_scratch(8) - 1, LOP_F32);
    const lop_mat less = lop_mat_cols(room, 0, lop_chol_scratch(8) - 1);
    REFUSED(lop_inverse_factor(r->q, h8, room, bad));
    REFUSED(lop_chol(r->q, h8, tiles, less, bad));
    REFUSED(lop_tri_inverse(r->q, h8, tiles, less));
    REFUSED(lop_chol_inverse(r->q, h8, tiles, less));
    REFUSED(lop_chol_solve(r->q, h8, tiles, lop_mat_cols(room, 0, lop_solve_scratch(4) - 1), r->x));
    REFUSED(lop_chol(r->q, r->x, tiles, room, bad));
    REFUSED(lop_mirror(r->q, r->x));
    REFUSED(lop_score_obs(r->q, r->x, r->gain, 0, r->y));
    REFUSED(lop_score_obs(r->q, r->x, r->gain, 3, r->y));
}

static void rig_open(harness *h, refuse_rig *r)
{
    *r = (refuse_rig){.h = h, .q = &h->queue};
    if (lop_buf_open(&h->device, LOP_ON_DEVICE, 65536, &r->buf) != LOP_OK) fail_msg("%s", lop_error());
    r->score = mat(&r->buf, 0, 4, 8, LOP_F32);
    r->bits = mat(&r->buf, 1, 4, 1, LOP_U8);
    r->x = mat(&r->buf, 2, 4, 8, LOP_F32);
    r->y = mat(&r->buf, 3, 4, 8, LOP_F32);
    r->scratch = mat(&r->buf, 4, 1, lop_keep_all_scratch(4), LOP_U32);
    r->table = mat(&r->buf, 40, 8, 8, LOP_F32);
    r->gain = mat(&r->buf, 42, 1, 8, LOP_F32);
}

void refusals(void **state)
{
    static void (*const of[])(refuse_rig *) = {selections, rows,  losses,   adam,   prodigy,
                                               sums,       views, products, factors};
    refuse_rig r;
    rig_open(*state, &r);
    for (size_t i = 0; i < sizeof of / sizeof of[0]; i++) of[i](&r);
    lop_buf_close(&r.buf);
}
