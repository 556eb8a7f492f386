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

/* A view that lies in a buffer of 64 KB on the device. */
static lop_mat mat(lop_buf *buf, int32_t at_rows, int32_t rows, int32_t cols, lop_type type)
{
    return lop_mat_of(buf, (int64_t)at_rows * 1024 / (int64_t)lop_type_bytes(type), rows, cols, type);
}

#define REFUSED(call)                                                                                        \
    do {                                                                                                     \
        const int64_t queued = h->counter.queued;                                                            \
        const lop_status status = (call);                                                                    \
        if (status != LOP_E_ARGUMENT) fail_msg("%s gave %s", #call, lop_status_name(status));                \
        if (h->counter.queued != queued) fail_msg("%s queued work", #call);                                  \
        if (strlen(lop_error()) < 10) fail_msg("%s says \"%s\"", #call, lop_error());                        \
    } while (0)

void refusals(void **state)
{
    harness *h = *state;
    lop_queue *q = &h->queue;
    lop_buf buf;
    if (lop_buf_open(&h->device, LOP_ON_DEVICE, 65536, &buf) != LOP_OK) fail_msg("%s", lop_error());
    const lop_mat score = mat(&buf, 0, 4, 8, LOP_F32), bits = mat(&buf, 1, 4, 1, LOP_U8);
    const lop_mat x = mat(&buf, 2, 4, 8, LOP_F32), y = mat(&buf, 3, 4, 8, LOP_F32), none = LOP_NONE;
    const lop_mat scratch = mat(&buf, 4, 1, lop_keep_all_scratch(4), LOP_U32);
    const lop_mat table = mat(&buf, 40, 8, 8, LOP_F32), gain = mat(&buf, 42, 1, 8, LOP_F32);
    lop_mat past = x;
    past.at = 65536 / 4 - 8; /* the first row alone lies in the buffer */
    lop_mat narrow = x;
    narrow.ld = 7;
    /* Selections. */
    REFUSED(lop_keep_all(q, score, -1, false, scratch, bits));
    REFUSED(lop_keep_all(q, score, 33, false, scratch, bits));
    REFUSED(lop_keep_all(q, score, 32, true, scratch, bits));
    REFUSED(lop_keep_n_of_m(q, score, 0, 4, bits));
    REFUSED(lop_keep_n_of_m(q, score, 5, 4, bits));
    REFUSED(lop_keep_n_of_m(q, score, 1, 3, bits));
    REFUSED(lop_keep_n_of_m(q, score, 1, 128, bits));
    /* Rows. */
    REFUSED(lop_rope(q, x, 3, table, 4));
    REFUSED(lop_rope(q, x, 8, table, 3));
    REFUSED(lop_rope(q, x, 8, table, 9));
    REFUSED(lop_rope(q, x, 0, table, 4));
    REFUSED(lop_softmax_causal(q, x, &(lop_softmax_args){3, 0, 0, 0, 1.0f}));
    REFUSED(lop_softmax_causal(q, x, &(lop_softmax_args){0, 0, 0, 0, 1.0f}));
    REFUSED(lop_rope_back(q, x, 8, table, 3));
    REFUSED(lop_gate(q, (lop_gate_kind)17, x, none, y));
    REFUSED(lop_gate_back(q, (lop_gate_kind)17, x, y, none));
    lop_mat no_rows = y;
    no_rows.rows = 0;
    REFUSED(lop_linear_back(q, &(lop_linear_back_args){.dy = x, .x = score, .slab = no_rows}));
    const lop_mat target = mat(&buf, 44, 1, 4, LOP_I32), sums = mat(&buf, 45, 4, 3, LOP_F32);
    const lop_mat short_target = mat(&buf, 44, 1, 3, LOP_I32), nll = mat(&buf, 46, 1, 4, LOP_F32);
    REFUSED(lop_cross_entropy_add(q, x, 0, short_target, sums));
    REFUSED(lop_cross_entropy_add(q, x, -1, target, sums));
    REFUSED(lop_cross_entropy_add(q, x, 0, target, gain));
    REFUSED(lop_cross_entropy_end(q, sums, short_target, nll));
    REFUSED(lop_cross_entropy_end(q, gain, target, nll));
    /* Learning. */
    lop_adam_args adam = lop_adam_usual();
    adam.x = x, adam.g = y, adam.m = score, adam.v = table, adam.step = mat(&buf, 47, 1, 1, LOP_U32);
    adam.v.rows = 4;
    adam.g_scale = 0.0f;
    REFUSED(lop_adam(q, &adam));
    REFUSED(lop_adam_begin(q, &adam));
    adam.g_scale = 1.0f, adam.beta2 = 1.0;
    REFUSED(lop_adam(q, &adam));
    adam.beta2 = 0.999, adam.lr = NAN;
    REFUSED(lop_adam(q, &adam));
    lop_prodigy_args prodigy = lop_prodigy_usual();
    prodigy.x = x, prodigy.g = y, prodigy.m = score, prodigy.v = adam.v,
    prodigy.s = mat(&buf, 48, 4, 8, LOP_F32);
    prodigy.parts = mat(&buf, 49, 4, 2, LOP_F32),
    prodigy.state = mat(&buf, 50, 1, LOP_PRODIGY_STATE, LOP_F32);
    prodigy.growth = 0.5f;
    REFUSED(lop_prodigy(q, &prodigy));
    prodigy.growth = 2.0f, prodigy.d0 = 1e-35; /* times eps it is none of f32's normal numbers */
    REFUSED(lop_prodigy_begin(q, &prodigy));
    prodigy.d0 = 1e-17, prodigy.beta2 = 0.9999; /* nor is its square times 1 - beta2 */
    REFUSED(lop_prodigy_begin(q, &prodigy));
    REFUSED(lop_sum_row_groups(q, x, 0, y));
    REFUSED(lop_reciprocal(q, x, 1.0f, 0.0f));
    /* Views that are none. */
    REFUSED(lop_cast(q, none, y));
    REFUSED(lop_cast(q, x, none));
    REFUSED(lop_cast(q, past, y));
    REFUSED(lop_cast(q, narrow, y));
    REFUSED(lop_rmsnorm(q, x, gain, 1e-5f, x));
    REFUSED(lop_layernorm(q, x, gain, gain, 1e-5f, x));
    REFUSED(lop_add_bias(q, x, lop_mat_rows(y, 0, 3)));
    REFUSED(lop_add_bias(q, x, lop_mat_rows(y, 0, 0)));
    REFUSED(lop_gemm(q, &(lop_gemm_args){.a = x, .b = table, .c = y, .alpha = 1.0f, .count = -1}));
    /* Two squares along a diagonal, whose first result is the second operand; then apart by a column too little. */
    const lop_mat h6 = mat(&buf, 0, 6, 6, LOP_F32), first = lop_mat_cols(lop_mat_rows(h6, 0, 2), 0, 2);
    lop_gemm_args squares = {.a = first,
                             .b = first,
                             .c = lop_mat_cols(lop_mat_rows(h6, 2, 2), 2, 2),
                             .alpha = 1.0f,
                             .count = 2,
                             .step_a = 14,
                             .step_b = 14,
                             .step_c = 14};
    REFUSED(lop_gemm(q, &squares));
    squares.c = lop_mat_cols(lop_mat_rows(h6, 2, 2), 1, 2);
    REFUSED(lop_gemm(q, &squares));
    /* Factors. */
    const lop_mat h8 = mat(&buf, 0, 8, 8, LOP_F32), tiles = mat(&buf, 52, 8, LOP_TILE, LOP_F32);
    const lop_mat bad = mat(&buf, 55, 1, 2, LOP_I32);
    const lop_mat room = mat(&buf, 8, 1, lop_inverse_factor_scratch(8) - 1, LOP_F32);
    const lop_mat less = lop_mat_cols(room, 0, lop_chol_scratch(8) - 1);
    REFUSED(lop_inverse_factor(q, h8, room, bad));
    REFUSED(lop_chol(q, h8, tiles, less, bad));
    REFUSED(lop_tri_inverse(q, h8, tiles, less));
    REFUSED(lop_chol_inverse(q, h8, tiles, less));
    REFUSED(lop_chol_solve(q, h8, tiles, lop_mat_cols(room, 0, lop_solve_scratch(4) - 1), x));
    REFUSED(lop_chol(q, x, tiles, room, bad));
    REFUSED(lop_mirror(q, x));
    REFUSED(lop_score_obs(q, x, gain, 0, y));
    REFUSED(lop_score_obs(q, x, gain, 3, y));
    lop_buf_close(&buf);
}
