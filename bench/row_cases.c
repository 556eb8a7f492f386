/* row_cases.c - the operations of a transformer's rows: norms, rotary positions, softmax, gates, loss, argmax. Traffic as in
 * ops_cases.c. */
#include "bench/ops_cases.h"

#include <math.h>

static lop_status run_rmsnorm(lop_queue *q, const ops_set *s)
{
    return lop_rmsnorm(q, s->a, s->row, 1e-5f, s->c);
}

static lop_status run_rmsnorm_f32(lop_queue *q, const ops_set *s)
{
    return lop_rmsnorm(q, s->to[LOP_F32], s->row, 1e-5f, s->c);
}

static lop_status run_rmsnorm_back(lop_queue *q, const ops_set *s)
{
    return lop_rmsnorm_back(q, s->a, s->row, 1e-5f, s->b, s->to[LOP_F32]);
}

static lop_status run_rmsnorm_back_f32(lop_queue *q, const ops_set *s)
{
    return lop_rmsnorm_back(q, s->score, s->row, 1e-5f, s->b, s->to[LOP_F32]);
}

static lop_status run_layernorm(lop_queue *q, const ops_set *s)
{
    return lop_layernorm(q, s->a, s->row, s->row, 1e-5f, s->c);
}

static lop_status run_layernorm_f32(lop_queue *q, const ops_set *s)
{
    return lop_layernorm(q, s->to[LOP_F32], s->row, s->row, 1e-5f, s->c);
}

static lop_status run_layernorm_back(lop_queue *q, const ops_set *s)
{
    return lop_layernorm_back(q, s->a, s->row, 1e-5f, s->b, s->to[LOP_F32]);
}

static lop_status run_layernorm_back_f32(lop_queue *q, const ops_set *s)
{
    return lop_layernorm_back(q, s->score, s->row, 1e-5f, s->b, s->to[LOP_F32]);
}

static lop_status run_rope_back(lop_queue *q, const ops_set *s)
{
    return lop_rope_back(q, s->b, OPS_HEAD, s->table, OPS_TOKENS);
}

static lop_status run_rope(lop_queue *q, const ops_set *s)
{
    return lop_rope(q, s->b, OPS_HEAD, s->table, OPS_TOKENS);
}

static lop_status run_softmax(lop_queue *q, const ops_set *s)
{
    const lop_softmax_args args = {.queries = OPS_QUERIES,
                                   .first_query = s->b.cols - OPS_QUERIES,
                                   .scale = (float)(1.0 / sqrt((double)OPS_HEAD))};
    return lop_softmax_causal(q, s->b, &args);
}

/* The scale keeps what turn after turn goes through in place from growing or vanishing. */
static lop_status run_softmax_back(lop_queue *q, const ops_set *s)
{
    return lop_softmax_back(q, s->a, 3.0f / (float)s->a.cols, s->b);
}

static lop_status run_gate(lop_queue *q, const ops_set *s)
{
    return lop_gate(q, LOP_GATE_SILU, s->a, s->b, s->c);
}

static lop_status run_gate_back(lop_queue *q, const ops_set *s)
{
    return lop_gate_back(q, LOP_GATE_SILU, s->a, s->b, s->c);
}

/* Ungated, as a ReLU stands. */
static lop_status run_gate_relu(lop_queue *q, const ops_set *s)
{
    return lop_gate(q, LOP_GATE_RELU, s->a, LOP_NONE, s->c);
}

static lop_status run_gate_back_relu(lop_queue *q, const ops_set *s)
{
    return lop_gate_back(q, LOP_GATE_RELU, s->a, s->b, LOP_NONE);
}

static lop_status run_cross_entropy(lop_queue *q, const ops_set *s)
{
    LOP_TRY(lop_cross_entropy_begin(q, s->state));
    LOP_TRY(lop_cross_entropy_add(q, s->a, 0, s->target, s->state));
    return lop_cross_entropy_end(q, s->state, s->target, lop_mat_reshape(s->per_row, 1, s->a.rows));
}

static lop_status run_argmax(lop_queue *q, const ops_set *s)
{
    return lop_argmax_rows(q, s->a, s->best);
}

static const ops_case table[] = {
    {"rmsnorm", run_rmsnorm, OPS_EVERY, 2, 0, 4},
    {"rmsnorm_f32", run_rmsnorm_f32, OPS_HALVES, 1, 4, 4}, /* from the stream */
    {"rmsnorm_back", run_rmsnorm_back, OPS_EVERY, 2, 8, 11},
    {"rmsnorm_back_f32", run_rmsnorm_back_f32, OPS_HALVES, 1, 12, 11},
    {"layernorm", run_layernorm, OPS_EVERY, 2, 0, 8},
    {"layernorm_f32", run_layernorm_f32, OPS_HALVES, 1, 4, 8}, /* from the stream */
    {"layernorm_back", run_layernorm_back, OPS_EVERY, 2, 8, 18},
    {"layernorm_back_f32", run_layernorm_back_f32, OPS_HALVES, 1, 12, 18},
    {"rope", run_rope, OPS_EVERY, 2, 0, 3},
    {"rope_back", run_rope_back, OPS_EVERY, 2, 0, 3},
    {"softmax_causal", run_softmax, OPS_EVERY, 2, 0, 14},
    {"softmax_back", run_softmax_back, OPS_EVERY, 3, 0, 5},
    {"gate_silu", run_gate, OPS_EVERY, 3, 0, 13},
    {"gate_back_silu", run_gate_back, OPS_EVERY, 5, 0, 32},
    {"gate_relu", run_gate_relu, OPS_EVERY, 2, 0, 1},
    {"gate_back_relu", run_gate_back_relu, OPS_EVERY, 3, 0, 3},
    {"cross_entropy", run_cross_entropy, OPS_EVERY, 1, 0, 13},
    {"argmax_rows", run_argmax, OPS_EVERY, 1, 0, 1},
};
const ops_list ops_rows = {table, (int)(sizeof table / sizeof table[0])};
