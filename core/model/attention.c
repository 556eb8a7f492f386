/* attention.c - attention forward, the device's own way or tile by tile; and what a call must be. */
#include "core/model/attention.h"

#include "core/device/check.h"
#include "core/model/attention_tiles.h"

lop_status lop_attention_check(lop_queue *q, const lop_attention_args *a)
{
    if (a->heads < 1 || a->kv_heads < 1 || a->head_dim < 1 || a->heads % a->kv_heads != 0 ||
        a->heads > INT32_MAX / a->head_dim)
        return LOP_FAIL(LOP_E_ARGUMENT, "attention: %d heads of %d over %d key heads", a->heads, a->head_dim,
                        a->kv_heads);
    if (a->sequences < 0 || a->tokens < 0 || a->first < 0 || a->window < 0 ||
        a->sequences * ((int64_t)a->first + a->tokens) > INT32_MAX)
        return LOP_FAIL(LOP_E_ARGUMENT, "attention: %d sequences of %d tokens from position %d, window %d",
                        a->sequences, a->tokens, a->first, a->window);
    const int32_t wide = a->heads * a->head_dim, kv = a->kv_heads * a->head_dim;
    const int32_t rows = a->sequences * a->tokens, positions = a->sequences * (a->first + a->tokens);
    const lop_operand operands[] = {
        {"q", a->q, rows, wide, q->device->product_types, LOP_READ},
        {"k", a->k, positions, kv, LOP_BIT(a->q.type), LOP_READ},
        {"v", a->v, positions, kv, LOP_BIT(a->q.type), LOP_READ},
        {"out", a->out, rows, wide, LOP_BIT(a->q.type), LOP_WRITTEN},
        {"log_sum", a->log_sum, a->sequences * a->heads, a->tokens, LOP_BIT(LOP_F32), LOP_READ_MAYBE},
    };
    LOP_CHECK(q, "attention", operands);
    return LOP_OK;
}

lop_attend_args lop_attention_call(const lop_attention_args *a, const lop_attention_grads *g)
{
    lop_attend_args call = {.q = a->q,
                            .k = a->k,
                            .v = a->v,
                            .out = a->out,
                            .log_sum = a->log_sum,
                            .heads = a->heads,
                            .kv_heads = a->kv_heads,
                            .head_dim = a->head_dim,
                            .sequences = a->sequences,
                            .tokens = a->tokens,
                            .first = a->first,
                            .window = a->window,
                            .scale = lop_attention_scale(a)};
    if (g == NULL) return call;
    call.d_out = g->d_out;
    call.dq = g->dq;
    call.dk = g->dk;
    call.dv = g->dv;
    call.delta = g->delta;
    return call;
}

static lop_status attend_part(lop_queue *q, const lop_attention_args *a, const lop_attention_part *part,
                              const void *user)
{
    (void)user;
    LOP_TRY(lop_attention_shares(q, a, part));
    const lop_gemm_args mix = {.a = lop_attention_scores(a->tile, part),
                               .c = lop_attention_queries_of(a->out, a, part, part->head),
                               .alpha = 1.0f,
                               .math = q->device->math,
                               .step_a = lop_attention_scores_step(part),
                               .step_c = a->head_dim};
    return lop_attention_by_keys(q, a, part, mix, a->v);
}

lop_status lop_attention(lop_queue *q, const lop_attention_args *a)
{
    const lop_attend_args call = lop_attention_call(a, NULL);
    const lop_fast *fast = q->device->fast;
    LOP_TRY(lop_attention_check(q, a));
    if (lop_mat_elements(a->q) == 0) return LOP_OK;
    if (fast && fast->attend && fast->attend_takes(q->device, &call)) return fast->attend(q, &call);
    for (int32_t s = 0; s < a->sequences; s++) LOP_TRY(lop_attention_parts(q, a, s, attend_part, NULL));
    return LOP_OK;
}

double lop_attention_flops(int32_t heads, int32_t head_dim, int32_t tokens, int32_t window)
{
    const double whole = window > 0 && window < tokens ? window : tokens;
    const double visible = whole * (whole + 1.0) / 2.0 + (tokens - whole) * whole;
    return 4.0 * heads * head_dim * visible;
}
