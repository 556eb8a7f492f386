/* ops_rows.c - the rows of a transformer's block and of its loss. */
#include "core/device/check.h"
#include "core/device/launch.h"

lop_status lop_rmsnorm(lop_queue *q, lop_mat x, lop_mat gain, float eps, lop_mat y)
{
    const lop_operand operands[] = {
        {"x", x, LOP_FREE, LOP_FREE, LOP_BIT(y.type) | LOP_BIT(LOP_F32), LOP_READ},
        {"gain", gain, 1, x.cols, LOP_BIT(LOP_F32), LOP_READ},
        {"y", y, x.rows, x.cols, LOP_WORDS_ANY, LOP_WRITTEN},
    };
    LOP_CHECK(q, "rmsnorm", operands);
    const lop_launch_shape shape = lop_by_rows(x.rows, x.cols, y.type);
    const lop_arg args[] = {LOP_M(x), LOP_M(gain), LOP_F(eps), LOP_M(y), LOP_I(x.cols)};
    const lop_kernel k = x.type == y.type ? LOP_KERNEL_rmsnorm_row : LOP_KERNEL_rmsnorm_row_f32;
    return LOP_LAUNCH(q, k, &shape, args);
}

lop_status lop_layernorm(lop_queue *q, lop_mat x, lop_mat gain, lop_mat bias, float eps, lop_mat y)
{
    const lop_operand operands[] = {
        {"x", x, LOP_FREE, LOP_FREE, LOP_BIT(y.type) | LOP_BIT(LOP_F32), LOP_READ},
        {"gain", gain, 1, x.cols, LOP_BIT(LOP_F32), LOP_READ},
        {"bias", bias, 1, x.cols, LOP_BIT(LOP_F32), LOP_READ},
        {"y", y, x.rows, x.cols, LOP_WORDS_ANY, LOP_WRITTEN},
    };
    LOP_CHECK(q, "layernorm", operands);
    const lop_launch_shape shape = lop_by_rows(x.rows, x.cols, y.type);
    const lop_arg args[] = {LOP_M(x), LOP_M(gain), LOP_M(bias), LOP_F(eps), LOP_M(y), LOP_I(x.cols)};
    const lop_kernel k = x.type == y.type ? LOP_KERNEL_layernorm_row : LOP_KERNEL_layernorm_row_f32;
    return LOP_LAUNCH(q, k, &shape, args);
}

/* A norm's backward: its kernel for an x of dy's type, and that for one of f32. */
typedef struct norm_kernels {
    const char *name;
    lop_kernel own, from_f32;
} norm_kernels;

static lop_status norm_back(lop_queue *q, const norm_kernels *k, lop_mat x, lop_mat gain, float eps,
                            lop_mat dy, lop_mat dx)
{
    const lop_operand operands[] = {
        {"x", x, LOP_FREE, LOP_FREE, LOP_BIT(dy.type) | LOP_BIT(LOP_F32), LOP_READ},
        {"gain", gain, 1, x.cols, LOP_BIT(LOP_F32), LOP_READ},
        {"dy", dy, x.rows, x.cols, LOP_WORDS_ANY, LOP_READ},
        {"dx", dx, x.rows, x.cols, LOP_BIT(LOP_F32), LOP_WRITTEN},
    };
    LOP_CHECK(q, k->name, operands);
    const lop_launch_shape shape = lop_by_rows(x.rows, x.cols, dy.type);
    const lop_arg args[] = {LOP_M(x), LOP_M(gain), LOP_F(eps), LOP_M(dy), LOP_M(dx), LOP_I(x.cols)};
    return LOP_LAUNCH(q, x.type == dy.type ? k->own : k->from_f32, &shape, args);
}

lop_status lop_rmsnorm_back(lop_queue *q, lop_mat x, lop_mat gain, float eps, lop_mat dy, lop_mat dx)
{
    static const norm_kernels k = {"rmsnorm_back", LOP_KERNEL_rmsnorm_back_row,
                                   LOP_KERNEL_rmsnorm_back_row_f32};
    return norm_back(q, &k, x, gain, eps, dy, dx);
}

lop_status lop_layernorm_back(lop_queue *q, lop_mat x, lop_mat gain, float eps, lop_mat dy, lop_mat dx)
{
    static const norm_kernels k = {"layernorm_back", LOP_KERNEL_layernorm_back_row,
                                   LOP_KERNEL_layernorm_back_row_f32};
    return norm_back(q, &k, x, gain, eps, dy, dx);
}

/* By the angles times `way`: 1 or -1. */
static lop_status turn(lop_queue *q, const char *op, lop_mat x, int32_t head_dim, lop_mat table,
                       int32_t tokens, float way)
{
    const lop_operand operands[] = {
        {"x", x, LOP_FREE, LOP_FREE, LOP_WORDS_ANY, LOP_WRITTEN},
        {"table", table, LOP_FREE, head_dim, LOP_BIT(LOP_F32), LOP_READ},
    };
    LOP_CHECK(q, op, operands);
    if (head_dim <= 0 || head_dim % 2 != 0 || x.cols % head_dim != 0)
        return LOP_FAIL(LOP_E_ARGUMENT, "%s: heads of %d columns in x (%d, %d)", op, head_dim, x.rows,
                        x.cols);
    if (tokens <= 0 || tokens > table.rows || x.rows % tokens != 0)
        return LOP_FAIL(LOP_E_ARGUMENT,
                        "%s: sequences of %d tokens in x (%d, %d) with a table of %d positions", op, tokens,
                        x.rows, x.cols, table.rows);
    const lop_launch_shape shape = {.groups = x.rows, .cols = head_dim / 2, .word = x.type};
    const lop_arg args[] = {
        LOP_M(x), LOP_M(table), LOP_F(way), LOP_I(head_dim / 2), LOP_I(x.cols / head_dim), LOP_I(tokens)};
    return LOP_LAUNCH(q, LOP_KERNEL_rope_row, &shape, args);
}

lop_status lop_rope(lop_queue *q, lop_mat x, int32_t head_dim, lop_mat table, int32_t tokens)
{
    return turn(q, "rope", x, head_dim, table, tokens, 1.0f);
}

lop_status lop_rope_back(lop_queue *q, lop_mat dx, int32_t head_dim, lop_mat table, int32_t tokens)
{
    return turn(q, "rope_back", dx, head_dim, table, tokens, -1.0f);
}

lop_status lop_softmax_causal(lop_queue *q, lop_mat s, const lop_softmax_args *a)
{
    const lop_operand operands[] = {{"s", s, LOP_FREE, LOP_FREE, LOP_WORDS_ANY, LOP_WRITTEN}};
    LOP_CHECK(q, "softmax_causal", operands);
    if (a->queries <= 0 || s.rows % a->queries != 0)
        return LOP_FAIL(LOP_E_ARGUMENT, "softmax_causal: tiles of %d queries in s (%d, %d)", a->queries,
                        s.rows, s.cols);
    if (a->first_query < 0 || a->first_key < 0 || a->window < 0 || a->first_query > INT32_MAX - a->queries)
        return LOP_FAIL(LOP_E_ARGUMENT, "softmax_causal: query %d, key %d, window %d must not be negative",
                        a->first_query, a->first_key, a->window);
    const lop_launch_shape shape = lop_by_rows(s.rows, s.cols, s.type);
    const lop_arg args[] = {LOP_M(s),         LOP_I(a->queries), LOP_I(a->first_query), LOP_I(a->first_key),
                            LOP_I(a->window), LOP_F(a->scale),   LOP_I(s.cols)};
    return LOP_LAUNCH(q, LOP_KERNEL_softmax_row, &shape, args);
}

lop_status lop_softmax_back(lop_queue *q, lop_mat p, float scale, lop_mat ds)
{
    const lop_operand operands[] = {
        {"p", p, LOP_FREE, LOP_FREE, LOP_WORDS_ANY, LOP_READ},
        {"ds", ds, p.rows, p.cols, LOP_BIT(p.type), LOP_WRITTEN},
    };
    LOP_CHECK(q, "softmax_back", operands);
    const lop_launch_shape shape = lop_by_rows(ds.rows, ds.cols, ds.type);
    const lop_arg args[] = {LOP_M(p), LOP_M(ds), LOP_F(scale), LOP_I(ds.cols)};
    return LOP_LAUNCH(q, LOP_KERNEL_softmax_back_row, &shape, args);
}

lop_status lop_gate(lop_queue *q, lop_gate_kind kind, lop_mat gate, lop_mat up, lop_mat y)
{
    const lop_operand operands[] = {
        {"gate", gate, LOP_FREE, LOP_FREE, LOP_WORDS_ANY, LOP_READ},
        {"up", up, gate.rows, gate.cols, LOP_BIT(gate.type), LOP_READ_MAYBE},
        {"y", y, gate.rows, gate.cols, LOP_BIT(gate.type), LOP_WRITTEN},
    };
    LOP_CHECK(q, "gate", operands);
    if (kind < LOP_GATE_SILU || kind > LOP_GATE_RELU)
        return LOP_FAIL(LOP_E_ARGUMENT, "gate: kind %d", (int)kind);
    const lop_launch_shape shape = lop_by_rows(y.rows, y.cols, y.type);
    const lop_arg args[] = {
        LOP_M(gate), LOP_M(up), LOP_M(y), LOP_I((int32_t)kind), LOP_I(lop_mat_present(up)), LOP_I(y.cols)};
    return LOP_LAUNCH(q, LOP_KERNEL_gate_row, &shape, args);
}

lop_status lop_gate_back(lop_queue *q, lop_gate_kind kind, lop_mat dy, lop_mat gate, lop_mat up)
{
    const lop_operand operands[] = {
        {"dy", dy, LOP_FREE, LOP_FREE, LOP_WORDS_ANY, LOP_READ},
        {"gate", gate, dy.rows, dy.cols, LOP_BIT(dy.type), LOP_WRITTEN},
        {"up", up, dy.rows, dy.cols, LOP_BIT(dy.type), LOP_WRITTEN},
    };
    const int present = lop_mat_present(up) ? 3 : 2;
    LOP_TRY(lop_check(q, "gate_back", operands, present));
    if (kind < LOP_GATE_SILU || kind > LOP_GATE_RELU)
        return LOP_FAIL(LOP_E_ARGUMENT, "gate_back: kind %d", (int)kind);
    const lop_launch_shape shape = lop_by_rows(dy.rows, dy.cols, dy.type);
    const lop_arg args[] = {LOP_M(dy),           LOP_M(gate),   LOP_M(up), LOP_I((int32_t)kind),
                            LOP_I(present == 3), LOP_I(dy.cols)};
    return LOP_LAUNCH(q, LOP_KERNEL_gate_back_row, &shape, args);
}

lop_status lop_cross_entropy_begin(lop_queue *q, lop_mat state)
{
    const lop_operand operands[] = {{"state", state, LOP_FREE, 3, LOP_BIT(LOP_F32), LOP_WRITTEN}};
    LOP_CHECK(q, "cross_entropy_begin", operands);
    const lop_launch_shape shape = {.groups = state.rows > 0, .cols = state.rows, .word = LOP_F32};
    const lop_arg args[] = {LOP_M(state), LOP_I(state.rows)};
    return LOP_LAUNCH(q, LOP_KERNEL_cross_entropy_begin, &shape, args);
}

lop_status lop_cross_entropy_add(lop_queue *q, lop_mat logits, int32_t first, lop_mat target, lop_mat state)
{
    const lop_operand operands[] = {
        {"logits", logits, LOP_FREE, LOP_FREE, LOP_WORDS_ANY, LOP_READ},
        {"target", target, 1, logits.rows, LOP_BIT(LOP_I32), LOP_READ},
        {"state", state, logits.rows, 3, LOP_BIT(LOP_F32), LOP_WRITTEN},
    };
    LOP_CHECK(q, "cross_entropy_add", operands);
    if (first < 0) return LOP_FAIL(LOP_E_ARGUMENT, "cross_entropy_add: the first token is %d", first);
    const lop_launch_shape shape = lop_by_rows(logits.rows, logits.cols, logits.type);
    const lop_arg args[] = {LOP_M(logits), LOP_M(target), LOP_M(state), LOP_I(first), LOP_I(logits.cols)};
    return LOP_LAUNCH(q, LOP_KERNEL_cross_entropy_add, &shape, args);
}

lop_status lop_cross_entropy_end(lop_queue *q, lop_mat state, lop_mat target, lop_mat nll)
{
    const lop_operand operands[] = {
        {"state", state, LOP_FREE, 3, LOP_BIT(LOP_F32), LOP_READ},
        {"target", target, 1, state.rows, LOP_BIT(LOP_I32), LOP_READ},
        {"nll", nll, 1, state.rows, LOP_BIT(LOP_F32), LOP_WRITTEN},
    };
    LOP_CHECK(q, "cross_entropy_end", operands);
    const lop_launch_shape shape = {.groups = state.rows > 0, .cols = state.rows, .word = LOP_F32};
    const lop_arg args[] = {LOP_M(state), LOP_M(target), LOP_M(nll), LOP_I(state.rows)};
    return LOP_LAUNCH(q, LOP_KERNEL_cross_entropy_end, &shape, args);
}

lop_status lop_argmax_rows(lop_queue *q, lop_mat x, lop_mat best)
{
    const lop_operand operands[] = {
        {"x", x, LOP_FREE, LOP_FREE, LOP_WORDS_ANY, LOP_READ},
        {"best", best, 1, x.rows, LOP_BIT(LOP_I32), LOP_WRITTEN},
    };
    LOP_CHECK(q, "argmax_rows", operands);
    if (x.cols == 0) return LOP_FAIL(LOP_E_ARGUMENT, "argmax_rows: x (%d, 0) has no columns", x.rows);
    const lop_launch_shape shape = lop_by_rows(x.rows, x.cols, x.type);
    const lop_arg args[] = {LOP_M(x), LOP_M(best), LOP_I(x.cols)};
    return LOP_LAUNCH(q, LOP_KERNEL_argmax_row, &shape, args);
}
