/* columns.c - sums over the rows of a linear, and scores of units from them. */
#include "core/prune/columns.h"

#include "core/base/memory.h"
#include "core/device/device.h"

/* Rows whose squares add up at a time. */
enum { ROWS_AT_ONCE = 4096 };

typedef struct column_room {
    lop_mat parts; /* (P, in) f32: of squares; or scores (out, in) */
    lop_mat sum;   /* (1, in) f32 */
} column_room;

static lop_status room_place(lop_arena *arena, lop_mat w, bool scaled, column_room *out)
{
    const int32_t parts = scaled ? w.rows : lop_colsum_parts(lop_lesser(w.rows, ROWS_AT_ONCE), w.cols);
    LOP_TRY(lop_arena_mat(arena, parts, w.cols, LOP_F32, &out->parts));
    return lop_arena_mat(arena, 1, w.cols, LOP_F32, &out->sum);
}

/* The sum on the host, as doubles. */
static lop_status sum_take(const lop_prune_block *b, const column_room *room, double *sum)
{
    const int32_t cols = room->sum.cols;
    float *values = NULL;
    LOP_TRY(lop_mat_zero(b->queue, room->sum));
    LOP_TRY(lop_colsum(b->queue, room->parts, room->sum));
    LOP_TRY(LOP_NEW(&values, cols));
    const lop_status status = lop_download(b->queue, room->sum, values);
    for (int32_t c = 0; status == LOP_OK && c < cols; c++) sum[c] = (double)values[c];
    lop_free(values);
    return status;
}

static lop_status squares(const lop_prune_block *b, lop_mat w, double *sum)
{
    column_room room;
    LOP_TRY(room_place(b->arena, w, false, &room));
    LOP_TRY(lop_mat_zero(b->queue, room.parts));
    for (int32_t r = 0; r < w.rows; r += ROWS_AT_ONCE)
        LOP_TRY(
            lop_colsum_sq(b->queue, lop_mat_rows(w, r, lop_lesser(w.rows - r, ROWS_AT_ONCE)), room.parts));
    return sum_take(b, &room, sum);
}

static lop_status scaled(const lop_prune_block *b, lop_mat w, lop_mat stat, double *sum)
{
    column_room room;
    LOP_TRY(room_place(b->arena, w, true, &room));
    LOP_TRY(lop_score_scaled(b->queue, w, stat, room.parts));
    return sum_take(b, &room, sum);
}

lop_status lop_columns_squares(const lop_prune_block *b, const lop_prune_linear *l, double *sum)
{
    const lop_arena_mark mark = lop_arena_here(b->arena);
    const lop_status status = squares(b, l->view->w, sum);
    lop_arena_reset(b->arena, mark);
    return status;
}

lop_status lop_columns_scaled(const lop_prune_block *b, const lop_prune_linear *l, lop_mat stat, double *sum)
{
    const lop_arena_mark mark = lop_arena_here(b->arena);
    const lop_status status = scaled(b, l->view->w, stat, sum);
    lop_arena_reset(b->arena, mark);
    return status;
}

static bool ends_half(const lop_prune_linear *l)
{
    return !lop_unit_by_rows(l->view->id);
}

lop_status lop_columns_measure(lop_prune_block *b, bool by_scores)
{
    column_room room;
    for (int32_t i = 0; i < b->count; i++) {
        const lop_arena_mark mark = lop_arena_here(b->arena);
        if (ends_half(&b->linears[i])) LOP_TRY(room_place(b->arena, b->linears[i].view->w, by_scores, &room));
        lop_arena_reset(b->arena, mark);
    }
    return lop_units_measure(b);
}

lop_status lop_columns_score(lop_prune_block *b, lop_columns_fn *fn, bool by_column)
{
    for (int32_t i = 0; i < b->count; i++) {
        const lop_prune_linear *l = &b->linears[i];
        double *column = NULL;
        if (!ends_half(l)) continue;
        LOP_TRY(LOP_NEW(&column, l->view->w.cols));
        lop_status status = fn(b, l, column);
        if (status == LOP_OK)
            status = lop_units_put(b->units, b->index, lop_unit_kind_of(l->view->id), column, by_column);
        lop_free(column);
        LOP_TRY(status);
    }
    return LOP_OK;
}
