/* moments.c - sums and sums of squares of moved rows, and what they say of columns. */
#include "core/prune/moments.h"

#include "core/base/memory.h"
#include "core/device/device.h"

lop_status lop_moments_place(lop_arena *arena, int32_t cols, lop_moments *out)
{
    *out = (lop_moments){.begun = false};
    LOP_TRY(lop_arena_mat(arena, 1, cols, LOP_F32, &out->shift));
    LOP_TRY(lop_arena_mat(arena, 1, cols, LOP_F32, &out->sum));
    LOP_TRY(lop_arena_mat(arena, 1, cols, LOP_F32, &out->sum_sq));
    return lop_arena_mat(arena, lop_colsum_parts(LOP_MOMENT_ROWS, cols), cols, LOP_F32, &out->parts);
}

lop_status lop_moments_reset(lop_queue *q, lop_moments *m)
{
    m->begun = false;
    LOP_TRY(lop_mat_zero(q, m->sum));
    LOP_TRY(lop_mat_zero(q, m->sum_sq));
    return lop_mat_zero(q, m->parts);
}

static lop_status shift_set(lop_queue *q, lop_moments *m, lop_mat rows)
{
    m->begun = true;
    LOP_TRY(lop_sum_row_groups(q, rows, rows.rows, m->once));
    return lop_axpby(q, -1.0f / (float)rows.rows, m->once, 0.0f, m->shift);
}

lop_status lop_moments_add(lop_queue *q, lop_moments *m, lop_mat x)
{
    for (int32_t at = 0; at < x.rows; at += LOP_MOMENT_ROWS) {
        const int32_t n = lop_lesser(x.rows - at, LOP_MOMENT_ROWS);
        const lop_mat rows = lop_mat_rows(m->rows, 0, n);
        LOP_TRY(lop_cast(q, lop_mat_rows(x, at, n), rows));
        if (!m->begun) LOP_TRY(shift_set(q, m, rows));
        LOP_TRY(lop_add_bias(q, rows, m->shift));
        LOP_TRY(lop_sum_row_groups(q, rows, n, m->once));
        LOP_TRY(lop_axpby(q, 1.0f, m->once, 1.0f, m->sum));
        LOP_TRY(lop_colsum_sq(q, rows, m->parts));
    }
    return LOP_OK;
}

lop_status lop_moments_end(lop_queue *q, const lop_moments *m)
{
    return lop_colsum(q, m->parts, m->sum_sq);
}

lop_status lop_moments_read(lop_queue *q, const lop_moments *m, int64_t n, double *mean, double *variance)
{
    const size_t cols = (size_t)m->sum.cols;
    const double count = (double)n;
    lop_status status = LOP_OK;
    float *shift = NULL, *sum = NULL, *sum_sq = NULL;
    LOP_TRY_DONE(LOP_NEW(&shift, cols));
    LOP_TRY_DONE(LOP_NEW(&sum, cols));
    LOP_TRY_DONE(LOP_NEW(&sum_sq, cols));
    LOP_TRY_DONE(lop_download(q, m->shift, shift));
    LOP_TRY_DONE(lop_download(q, m->sum, sum));
    LOP_TRY_DONE(lop_download(q, m->sum_sq, sum_sq));
    for (size_t c = 0; c < cols; c++) {
        const double moved = (double)sum[c], squares = (double)sum_sq[c] - moved * moved / count;
        mean[c] = moved / count - (double)shift[c];
        variance[c] = squares > 0.0 ? squares / (count - 1.0) : 0.0;
    }
done:
    lop_free(sum_sq);
    lop_free(sum);
    lop_free(shift);
    return status;
}
