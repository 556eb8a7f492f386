/* statistics.c - sums of squares and of products of inputs, gathered while a block runs. One accumulator serves all
 * linears that share an input. */
#include "core/device/device.h"
#include "core/prune/calibrate.h"

/* The two inputs share their scratch, which is as wide as the wider. */
static lop_status moments_place(lop_arena *arena, const lop_net *net, lop_statistics *s)
{
    const lop_block_file *file = &net->blocks[0];
    const int32_t cols[] = {file->linear[LOP_LINEAR_O].in, file->linear[LOP_LINEAR_DOWN].in};
    lop_moments *const both[] = {&s->moments[LOP_INPUT_O], &s->moments[LOP_INPUT_DOWN]};
    lop_mat rows, once;
    LOP_TRY(lop_arena_mat(arena, LOP_MOMENT_ROWS, cols[0] > cols[1] ? cols[0] : cols[1], LOP_F32, &rows));
    LOP_TRY(lop_arena_mat(arena, 1, rows.cols, LOP_F32, &once));
    for (int i = 0; i < 2; i++) {
        LOP_TRY(lop_moments_place(arena, cols[i], both[i]));
        both[i]->rows = lop_mat_cols(rows, 0, cols[i]);
        both[i]->once = lop_mat_cols(once, 0, cols[i]);
    }
    return LOP_OK;
}

lop_status lop_statistics_place(lop_arena *arena, const lop_net *net, int32_t rows, lop_statistics_wish wish,
                                lop_statistics *out)
{
    *out = (lop_statistics){0};
    for (int i = 0; i < LOP_LINEAR_COUNT; i++) {
        const lop_linear_file *linear = &net->blocks[0].linear[i];
        const lop_input_id input = linear->input;
        if (linear->weight == NULL || out->colsum_sq[input].cols > 0) continue;
        LOP_TRY(lop_arena_mat(arena, 1, linear->in, LOP_F32, &out->colsum_sq[input]));
        LOP_TRY(lop_arena_mat(arena, lop_colsum_parts(rows, linear->in), linear->in, LOP_F32,
                              &out->parts[input]));
        if (wish.gram) LOP_TRY(lop_arena_mat(arena, linear->in, linear->in, LOP_F32, &out->gram[input]));
    }
    return wish.moments ? moments_place(arena, net, out) : LOP_OK;
}

lop_status lop_statistics_reset(lop_queue *q, lop_statistics *s)
{
    for (int i = 0; i < LOP_INPUT_COUNT; i++) {
        if (!lop_mat_present(s->parts[i])) continue;
        LOP_TRY(lop_mat_zero(q, s->parts[i]));
        LOP_TRY(lop_mat_zero(q, s->colsum_sq[i]));
        if (lop_mat_present(s->gram[i])) LOP_TRY(lop_mat_zero(q, s->gram[i]));
        if (lop_mat_present(s->moments[i].sum)) LOP_TRY(lop_moments_reset(q, &s->moments[i]));
    }
    return LOP_OK;
}

lop_status lop_statistics_watch(void *statistics, lop_queue *q, lop_input_id input, lop_mat x)
{
    lop_statistics *s = statistics;
    if (lop_mat_present(s->moments[input].sum)) LOP_TRY(lop_moments_add(q, &s->moments[input], x));
    if (lop_mat_present(s->gram[input])) LOP_TRY(lop_gram(q, 1.0f, x, s->gram[input]));
    return lop_mat_present(s->parts[input]) ? lop_colsum_sq(q, x, s->parts[input]) : LOP_OK;
}

lop_status lop_statistics_end(lop_queue *q, const lop_statistics *s)
{
    for (int i = 0; i < LOP_INPUT_COUNT; i++) {
        if (lop_mat_present(s->parts[i])) LOP_TRY(lop_colsum(q, s->parts[i], s->colsum_sq[i]));
        if (lop_mat_present(s->moments[i].sum)) LOP_TRY(lop_moments_end(q, &s->moments[i]));
    }
    return LOP_OK;
}

lop_status lop_statistics_sum(lop_comm *c, lop_queue *q, const lop_statistics *s)
{
    for (int i = 0; i < LOP_INPUT_COUNT; i++) {
        if (lop_mat_present(s->colsum_sq[i])) LOP_TRY(lop_comm_all_sum(c, q, s->colsum_sq[i]));
        if (lop_mat_present(s->gram[i])) LOP_TRY(lop_comm_all_sum(c, q, s->gram[i]));
    }
    return LOP_OK;
}
