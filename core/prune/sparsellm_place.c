/* sparsellm_place.c - where everything of a block lies while its epochs go by. */
#include "core/prune/sparsellm_parts.h"

#include "core/device/factor.h"

static int32_t index_of(const lop_prune_block *block, lop_linear_id id)
{
    for (int32_t i = 0; i < block->count; i++)
        if (block->linears[i].view->id == id) return i;
    return -1;
}

static lop_status place_linear(lop_arena *a, const lop_sparsellm *b, lop_sparsellm_linear *l)
{
    if (l->index < 0) return LOP_OK;
    const lop_prune_linear *linear = &b->block->linears[l->index];
    const lop_mat w = linear->view->w;
    LOP_TRY(lop_arena_mat(a, w.rows, w.cols, LOP_F32, &l->sum));
    LOP_TRY(lop_arena_mat(a, w.rows, w.cols, w.type, &l->best));
    return lop_arena_mat(a, linear->keep.rows, linear->keep.cols, LOP_U8, &l->best_bits);
}

static lop_status place_factor(lop_arena *a, int32_t n, lop_sparsellm_factor *f)
{
    LOP_TRY(lop_arena_mat(a, n, n, LOP_F32, &f->u));
    return lop_arena_mat(a, 1, 1, LOP_F32, &f->mean);
}

static lop_status place_factors(lop_arena *a, int32_t hidden, int32_t ffn, lop_sparsellm *b)
{
    LOP_TRY(place_factor(a, hidden, &b->first));
    if (b->options.pseudo) LOP_TRY(place_factor(a, hidden, &b->pseudo));
    LOP_TRY(lop_arena_mat(a, ffn, ffn, LOP_F32, &b->h));
    LOP_TRY(lop_arena_mat(a, 1, ffn > hidden ? ffn : hidden, LOP_F32, &b->diagonal));
    LOP_TRY(lop_arena_mat(a, ffn, hidden, LOP_F32, &b->half));
    LOP_TRY(lop_arena_mat(a, hidden, hidden, LOP_F32, &b->inverse));
    LOP_TRY(lop_arena_mat(a, hidden, LOP_TILE, LOP_F32, &b->tiles));
    LOP_TRY(lop_arena_mat(a, 1, lop_chol_scratch(hidden), LOP_F32, &b->scratch));
    return lop_arena_mat(a, 1, 2, LOP_I32, &b->bad);
}

/* What a batch passes through. */
static lop_status place_batch(lop_arena *a, const lop_ffn *ffn, lop_sparsellm *b)
{
    const lop_stream_shape *s = &ffn->input.shape;
    const int32_t rows = lop_stream_sequences(&ffn->input, 0) * s->tokens, wide = ffn->up.shape.width;
    LOP_TRY(lop_arena_mat(a, s->width, wide, s->type, &b->back));
    LOP_TRY(lop_arena_mat(a, rows, s->width, LOP_F32, &b->error));
    b->error_word = b->error;
    if (s->type != LOP_F32) LOP_TRY(lop_arena_mat(a, rows, s->width, s->type, &b->error_word));
    LOP_TRY(lop_arena_mat(a, rows, wide, s->type, &b->active));
    LOP_TRY(lop_arena_mat(a, rows, wide, s->type, &b->p));
    LOP_TRY(lop_arena_mat(a, rows, wide, s->type, &b->up));
    if (ffn->gate.count > 0) LOP_TRY(lop_arena_mat(a, rows, wide, s->type, &b->gate));
    return lop_arena_mat(a, rows, 1, LOP_F32, &b->row);
}

static lop_status place_numbers(lop_arena *a, int32_t rows, lop_sparsellm *b)
{
    const int32_t epochs = b->options.epochs;
    LOP_TRY(lop_arena_mat(a, epochs + 1, 2, LOP_F32, &b->losses));
    LOP_TRY(lop_arena_mat(a, epochs, 2, LOP_F32, &b->misfits));
    LOP_TRY(lop_arena_mat(a, 1, LOP_SPARSELLM_LINEARS + 1, LOP_I64, &b->wrong));
    return lop_arena_mat(a, rows, 1, LOP_U32, &b->count);
}

lop_status lop_sparsellm_place(lop_prune_block *block, const lop_sparsellm_options *options, lop_sparsellm *b)
{
    static const lop_linear_id ids[] = {[LOP_SPARSELLM_UP] = LOP_LINEAR_UP,
                                        [LOP_SPARSELLM_GATE] = LOP_LINEAR_GATE,
                                        [LOP_SPARSELLM_DOWN] = LOP_LINEAR_DOWN};
    lop_arena *a = block->arena;
    *b = (lop_sparsellm){.block = block, .options = *options};
    for (int i = 0; i < LOP_SPARSELLM_LINEARS; i++) b->linears[i].index = index_of(block, ids[i]);
    LOP_TRY(lop_sparsegpt_place(block, &options->solver, &b->solver));
    if (options->epochs < 2) return LOP_OK;
    const int32_t hidden = block->ffn->input.shape.width, ffn = block->ffn->up.shape.width;
    for (int i = 0; i < LOP_SPARSELLM_LINEARS; i++) LOP_TRY(place_linear(a, b, &b->linears[i]));
    LOP_TRY(place_factors(a, hidden, ffn, b));
    LOP_TRY(place_batch(a, block->ffn, b));
    return place_numbers(a, ffn > hidden ? ffn : hidden, b);
}
