/* attention_back.c - attention backward, the device's own way or tile by tile: the shares P anew, then with dP = dO V^T
 *
 *   dV = P^T dO      dS = P * (dP - sum(P * dP)) / sqrt(hd)      dQ = dS K      dK = dS^T Q
 *
 * dQ of a tile is whole; dK and dV grow from tile to tile, in f32, and over the heads that share a key head. */
#include "core/device/check.h"
#include "core/device/device.h"
#include "core/model/attention_tiles.h"

/* sum += (scores of a head)^T (the head's rows of m), for every head of the part. */
static lop_status add_turned(lop_queue *q, const lop_attention_args *a, const lop_attention_part *part,
                             lop_mat scores, lop_mat m, lop_mat sum)
{
    /* One call must not add twice to the same columns: call i takes the heads that stand i-th in their group. */
    const int32_t group = a->heads / a->kv_heads, end = part->head + part->count;
    const int64_t step = lop_attention_scores_step(part);
    for (int32_t i = 0; i < group; i++) {
        const int32_t head = part->head + ((i - part->head) % group + group) % group;
        if (head >= end) continue;
        lop_gemm_args product = {.a = lop_attention_scores(scores, part),
                                 .ta = true,
                                 .b = lop_attention_queries_of(m, a, part, head),
                                 .c = lop_mat_cols(lop_mat_rows(sum, part->first_key, part->keys),
                                                   head / group * a->head_dim, a->head_dim),
                                 .alpha = 1.0f,
                                 .beta = 1.0f,
                                 .math = q->device->math,
                                 .count = (end - head + group - 1) / group,
                                 .step_a = group * step,
                                 .step_b = (int64_t)group * a->head_dim,
                                 .step_c = a->head_dim};
        product.a.at += (head - part->head) * step;
        LOP_TRY(lop_gemm(q, &product));
    }
    return LOP_OK;
}

static lop_status attend_back_part(lop_queue *q, const lop_attention_args *a, const lop_attention_part *part,
                                   const void *user)
{
    const lop_attention_grads *g = user;
    const lop_mat shares = lop_attention_scores_all(a->tile, part);
    const lop_mat ds = lop_attention_scores_all(g->tile, part);
    lop_gemm_args product = {.a = lop_attention_queries_of(g->d_out, a, part, part->head),
                             .tb = true,
                             .c = lop_attention_scores(g->tile, part),
                             .alpha = 1.0f,
                             .math = q->device->math,
                             .step_a = a->head_dim,
                             .step_c = lop_attention_scores_step(part)};
    LOP_TRY(lop_attention_shares(q, a, part));
    LOP_TRY(add_turned(q, a, part, a->tile, g->d_out, g->dv_sum));
    LOP_TRY(lop_attention_by_keys(q, a, part, product, a->v));
    LOP_TRY(lop_softmax_back(q, shares, lop_attention_scale(a), ds));
    LOP_TRY(add_turned(q, a, part, g->tile, a->q, g->dk_sum));
    product.tb = false;
    product.a = product.c;
    product.step_a = product.step_c;
    product.c = lop_attention_queries_of(g->dq, a, part, part->head);
    product.step_c = a->head_dim;
    return lop_attention_by_keys(q, a, part, product, a->k);
}

/* One sequence: sums from zero, rounded at the end. */
static lop_status attend_back(lop_queue *q, const lop_attention_args *a, const lop_attention_grads *g,
                              int32_t sequence)
{
    const int32_t positions = a->first + a->tokens;
    LOP_TRY(lop_mat_zero(q, g->dk_sum));
    LOP_TRY(lop_mat_zero(q, g->dv_sum));
    LOP_TRY(lop_attention_parts(q, a, sequence, attend_back_part, g));
    LOP_TRY(lop_cast(q, g->dk_sum, lop_mat_rows(g->dk, sequence * positions, positions)));
    return lop_cast(q, g->dv_sum, lop_mat_rows(g->dv, sequence * positions, positions));
}

static lop_status check(lop_queue *q, const lop_attention_args *a, const lop_attention_grads *g)
{
    LOP_TRY(lop_attention_check(q, a));
    const uint32_t word = LOP_BIT(a->q.type), f32 = LOP_BIT(LOP_F32);
    const lop_operand operands[] = {
        {"q", a->q, LOP_FREE, LOP_FREE, word, LOP_READ},
        {"k", a->k, LOP_FREE, LOP_FREE, word, LOP_READ},
        {"v", a->v, LOP_FREE, LOP_FREE, word, LOP_READ},
        {"out", a->out, LOP_FREE, LOP_FREE, word, LOP_READ},
        {"log_sum", a->log_sum, LOP_FREE, LOP_FREE, f32, LOP_READ},
        {"d_out", g->d_out, a->q.rows, a->q.cols, word, LOP_READ},
        {"dq", g->dq, a->q.rows, a->q.cols, word, LOP_WRITTEN},
        {"dk", g->dk, a->k.rows, a->k.cols, word, LOP_WRITTEN},
        {"dv", g->dv, a->k.rows, a->k.cols, word, LOP_WRITTEN},
        {"delta", g->delta, a->log_sum.rows, a->log_sum.cols, f32, LOP_WRITTEN},
        {"dk_sum", g->dk_sum, a->first + a->tokens, a->k.cols, f32, LOP_WRITTEN},
        {"dv_sum", g->dv_sum, a->first + a->tokens, a->k.cols, f32, LOP_WRITTEN},
    };
    LOP_CHECK(q, "attention's backward", operands);
    return LOP_OK;
}

lop_status lop_attention_back(lop_queue *q, const lop_attention_args *a, const lop_attention_grads *g)
{
    const lop_attend_args call = lop_attention_call(a, g);
    const lop_fast *fast = q->device->fast;
    LOP_TRY(check(q, a, g));
    if (lop_mat_elements(a->k) == 0) return LOP_OK;
    if (fast && fast->attend_back && fast->attend_takes(q->device, &call)) return fast->attend_back(q, &call);
    for (int32_t s = 0; s < a->sequences; s++) LOP_TRY(attend_back(q, a, g, s));
    return LOP_OK;
}
