/* units_apply.c - what is decided on units becomes keep bits of linears and values of biases. */
#include "core/prune/method.h"

#include "core/base/memory.h"
#include "core/device/device.h"

#include <string.h>

/* Words of 16 bits that together hold what one of 32 does. */
enum { PIECES_OF_HALVES = 3 };

static const unsigned char *keep_of(const lop_units *u, int32_t block, lop_unit_kind kind)
{
    return u->keep + lop_units_at(u, block, kind);
}

/* Neighbouring rows, or columns, of a linear that one unit has. */
static int32_t side_of(const lop_units *u, lop_linear_id id)
{
    const lop_unit_shape *s = &u->shape[lop_unit_kind_of(id)];
    return id == LOP_LINEAR_K || id == LOP_LINEAR_V ? s->cols / s->sharing : s->cols;
}

int32_t lop_units_rows_gone(const lop_units *u, int32_t block, lop_linear_id id)
{
    const lop_unit_kind kind = lop_unit_kind_of(id);
    const unsigned char *keep = keep_of(u, block, kind);
    int32_t gone = 0;
    for (int32_t i = 0; lop_unit_by_rows(id) && i < u->shape[kind].count; i++) gone += !keep[i];
    return gone * side_of(u, id);
}

/* ---- keep bits */

/* One row of bits: those of units' columns, or all that there are. */
static void row_fill(const unsigned char *keep, int32_t side, int32_t cols, unsigned char *row)
{
    for (int32_t c = 0; c < cols; c++)
        if (keep == NULL || keep[c / side]) row[c / 8] = (unsigned char)(row[c / 8] | 0x80 >> c % 8);
}

static lop_status keep_fill(const lop_prune_block *b, const lop_prune_linear *l)
{
    const lop_linear_id id = l->view->id;
    const unsigned char *keep = keep_of(b->units, b->index, lop_unit_kind_of(id));
    const int32_t side = side_of(b->units, id), rows = l->keep.rows;
    const size_t bytes = (size_t)l->keep.cols;
    const bool by_rows = lop_unit_by_rows(id);
    unsigned char *row = NULL, *bits = NULL;
    lop_status status = LOP_OK;
    LOP_TRY_DONE(LOP_NEW(&row, bytes));
    LOP_TRY_DONE(LOP_NEW(&bits, (size_t)rows * bytes));
    row_fill(by_rows ? NULL : keep, side, l->view->w.cols, row);
    for (int32_t r = 0; r < rows; r++)
        if (!by_rows || keep[r / side]) memcpy(bits + (size_t)r * bytes, row, bytes);
    LOP_TRY_DONE(lop_upload(b->queue, bits, l->keep));
done:
    lop_free(bits);
    lop_free(row);
    return status;
}

/* ---- biases */

/* The bias with 0 where rows are gone. */
static lop_status bias_clear(const lop_prune_block *b, const lop_prune_linear *l)
{
    const unsigned char *keep = keep_of(b->units, b->index, lop_unit_kind_of(l->view->id));
    const int32_t side = side_of(b->units, l->view->id), rows = l->view->w.rows;
    float *bias = NULL;
    LOP_TRY(LOP_NEW(&bias, rows));
    lop_status status = lop_download(b->queue, l->view->bias, bias);
    for (int32_t r = 0; status == LOP_OK && r < rows; r++)
        if (!keep[r / side]) bias[r] = 0.0f;
    if (status == LOP_OK) status = lop_upload(b->queue, bias, l->bias);
    lop_free(bias);
    return status;
}

/* What the bias is to gain: the means of the columns that go, in pieces of the word of weights, each of which meets them. */
typedef struct gain {
    lop_mat mean;   /* (1, in) f32: what the pieces do not hold */
    lop_mat pieces; /* (P, in) W */
    lop_mat parts;  /* (P, out) f32 */
} gain;

static lop_status gain_place(const lop_prune_block *b, const lop_prune_linear *l, gain *out)
{
    const lop_mat w = l->view->w;
    const int32_t pieces = w.type == LOP_F32 ? 1 : PIECES_OF_HALVES;
    LOP_TRY(lop_arena_mat(b->arena, 1, w.cols, LOP_F32, &out->mean));
    LOP_TRY(lop_arena_mat(b->arena, pieces, w.cols, w.type, &out->pieces));
    return lop_arena_mat(b->arena, pieces, w.rows, LOP_F32, &out->parts);
}

static lop_status mean_upload(const lop_prune_block *b, const lop_prune_linear *l, lop_mat to)
{
    const lop_unit_kind kind = lop_unit_kind_of(l->view->id);
    const unsigned char *keep = keep_of(b->units, b->index, kind);
    const float *mean = lop_units_mean(b->units, b->index, kind);
    const int32_t side = side_of(b->units, l->view->id);
    float *gone = NULL;
    LOP_TRY(LOP_NEW(&gone, to.cols));
    for (int32_t c = 0; c < to.cols; c++) gone[c] = keep[c / side] ? 0.0f : mean[c];
    const lop_status status = lop_upload(b->queue, gone, to);
    lop_free(gone);
    return status;
}

static lop_status bias_make_up(const lop_prune_block *b, const lop_prune_linear *l)
{
    gain g;
    LOP_TRY(gain_place(b, l, &g));
    LOP_TRY(mean_upload(b, l, g.mean));
    for (int32_t i = 0; i < g.pieces.rows; i++) {
        const lop_mat piece = lop_mat_rows(g.pieces, i, 1);
        LOP_TRY(lop_cast(b->queue, g.mean, piece));
        LOP_TRY(lop_axpby(b->queue, -1.0f, piece, 1.0f, g.mean));
    }
    LOP_TRY(lop_linear(b->queue, g.pieces, l->view->w, LOP_NONE, g.parts));
    LOP_TRY(lop_cast(b->queue, l->view->bias, l->bias));
    return lop_colsum(b->queue, g.parts, l->bias);
}

static lop_status linear_fill(const lop_prune_block *b, const lop_prune_linear *l)
{
    LOP_TRY(keep_fill(b, l));
    if (!lop_mat_present(l->bias)) return LOP_OK;
    if (lop_unit_by_rows(l->view->id)) return bias_clear(b, l);
    const lop_arena_mark mark = lop_arena_here(b->arena);
    const lop_status status = bias_make_up(b, l);
    lop_arena_reset(b->arena, mark);
    return status;
}

/* ---- the method */

lop_status lop_units_block(lop_prune_block *block)
{
    lop_units *u = block->units;
    if (!u->settled[block->index]) {
        LOP_TRY(u->method->score(block));
        LOP_TRY(lop_units_settle(u, block->index, block->index + 1));
    }
    for (int32_t i = 0; i < block->count; i++) LOP_TRY(linear_fill(block, &block->linears[i]));
    return LOP_OK;
}

lop_status lop_units_measure(lop_prune_block *block)
{
    gain g;
    for (int32_t i = 0; i < block->count; i++) {
        const lop_arena_mark mark = lop_arena_here(block->arena);
        LOP_TRY(gain_place(block, &block->linears[i], &g));
        lop_arena_reset(block->arena, mark);
    }
    return LOP_OK;
}
