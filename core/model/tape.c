/* tape.c - where the matrices of a tape lie, and what of them a call fills. */
#include "core/model/tape.h"

#include "core/device/matrix.h"

lop_status lop_tape_place(lop_arena *a, const lop_net *net, lop_type word, int32_t sequences, int32_t tokens,
                          bool input, lop_tape *out)
{
    const lop_config *c = net->config;
    const int32_t wide = c->heads * c->head_dim, kv = c->kv_heads * c->head_dim;
    const int32_t stacked = net->family->linear[LOP_LINEAR_GATE] ? 2 : 1;
    *out = (lop_tape){0};
    if (sequences < 1 || tokens < 1 || sequences > INT32_MAX / tokens)
        return LOP_FAIL(LOP_E_ARGUMENT, "a tape over %d sequences of %d tokens was asked for", sequences,
                        tokens);
    const int32_t rows = sequences * tokens;
    if (input) LOP_TRY(lop_arena_mat(a, rows, c->hidden, LOP_F32, &out->input));
    LOP_TRY(lop_arena_mat(a, rows, c->hidden, LOP_F32, &out->middle));
    if (c->norm_after) LOP_TRY(lop_arena_mat(a, rows, c->hidden, LOP_F32, &out->attention_sum));
    if (c->norm_after) LOP_TRY(lop_arena_mat(a, rows, c->hidden, LOP_F32, &out->ffn_sum));
    LOP_TRY(lop_arena_mat(a, rows, c->hidden, word, &out->normed_attention));
    LOP_TRY(lop_arena_mat(a, rows, wide + 2 * kv, word, &out->qkv));
    LOP_TRY(lop_arena_mat(a, sequences * c->heads, tokens, LOP_F32, &out->log_sum));
    LOP_TRY(lop_arena_mat(a, rows, wide, word, &out->mixed));
    LOP_TRY(lop_arena_mat(a, rows, c->hidden, word, &out->normed_ffn));
    LOP_TRY(lop_arena_mat(a, rows, stacked * c->ffn, word, &out->gate_up));
    return lop_arena_mat(a, rows, c->ffn, word, &out->gated);
}

size_t lop_tape_bytes(const lop_net *net, lop_type word, int32_t sequences, int32_t tokens, bool input)
{
    lop_arena *a = NULL;
    lop_tape tape;
    size_t bytes = SIZE_MAX;
    if (lop_arena_open(NULL, LOP_ON_DEVICE, 0, &a) != LOP_OK) return bytes;
    if (lop_tape_place(a, net, word, sequences, tokens, input, &tape) == LOP_OK) bytes = lop_arena_peak(a);
    lop_arena_close(a);
    return bytes;
}

lop_status lop_tape_cut(const lop_tape *tape, int32_t sequences, int32_t tokens, lop_tape *out)
{
    const int64_t rows = (int64_t)sequences * tokens;
    if (sequences < 1 || tokens < 1 || rows > tape->middle.rows)
        return LOP_FAIL(LOP_E_ARGUMENT, "%d sequences of %d tokens; the tape has room for %d tokens",
                        sequences, tokens, tape->middle.rows);
    *out = *tape;
    lop_mat *const by_rows[] = {
        &out->input, &out->middle, &out->attention_sum, &out->ffn_sum, &out->normed_attention,
        &out->qkv,   &out->mixed,  &out->normed_ffn,    &out->gate_up, &out->gated};
    for (size_t i = 0; i < sizeof by_rows / sizeof by_rows[0]; i++)
        if (lop_mat_present(*by_rows[i])) *by_rows[i] = lop_mat_rows(*by_rows[i], 0, (int32_t)rows);
    const int32_t heads = (int32_t)(lop_mat_elements(tape->log_sum) / tape->middle.rows);
    out->log_sum = lop_mat_of(tape->log_sum.buf, tape->log_sum.at, sequences * heads, tokens, LOP_F32);
    return LOP_OK;
}
