/* statistics.c - sums of squares of inputs, gathered while a block runs. One accumulator serves all linears that share
 * an input. */
#include "core/device/device.h"
#include "core/prune/calibrate.h"

lop_status lop_statistics_place(lop_arena *arena, const lop_net *net, int32_t rows, lop_statistics *out)
{
    int32_t most = 1;
    *out = (lop_statistics){0};
    for (int i = 0; i < LOP_LINEAR_COUNT; i++) {
        const lop_linear_file *linear = &net->blocks[0].linear[i];
        if (linear->weight == NULL || lop_mat_present(out->colsum_sq[linear->input])) continue;
        LOP_TRY(lop_arena_mat(arena, 1, linear->in, LOP_F32, &out->colsum_sq[linear->input]));
        const int32_t elements = lop_colsum_parts(rows, linear->in) * linear->in;
        most = elements > most ? elements : most;
    }
    return lop_arena_mat(arena, 1, most, LOP_F32, &out->scratch);
}

lop_status lop_statistics_reset(lop_queue *q, const lop_statistics *s)
{
    for (int i = 0; i < LOP_INPUT_COUNT; i++)
        if (lop_mat_present(s->colsum_sq[i])) LOP_TRY(lop_mat_zero(q, s->colsum_sq[i]));
    return LOP_OK;
}

lop_status lop_statistics_watch(void *statistics, lop_queue *q, lop_input_id input, lop_mat x)
{
    const lop_statistics *s = statistics;
    if (!lop_mat_present(s->colsum_sq[input])) return LOP_OK;
    const int32_t parts = lop_colsum_parts(x.rows, x.cols);
    const lop_mat scratch = lop_mat_reshape(lop_mat_cols(s->scratch, 0, parts * x.cols), parts, x.cols);
    return lop_colsum_sq(q, x, scratch, s->colsum_sq[input]);
}

lop_status lop_statistics_sum(lop_comm *c, lop_queue *q, const lop_statistics *s)
{
    for (int i = 0; i < LOP_INPUT_COUNT; i++)
        if (lop_mat_present(s->colsum_sq[i])) LOP_TRY(lop_comm_all_sum(c, q, s->colsum_sq[i]));
    return LOP_OK;
}
