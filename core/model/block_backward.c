/* block_backward.c - one block backward: the halves in turn, the later one first, each from the residual sum back to its
 * norm. Gradients take the places of what is not needed any more; a weight's gradient is handed out slab by slab and never
 * exists whole. */
#include "core/model/block_parts.h"

/* Elements of a slab: 32 MiB of f32, which the last-level caches of accelerators hold; and its rows are a multiple of so
 * many, where a weight has more. */
enum { SLAB_ELEMENTS = 8 << 20, SLAB_ROWS = 256 };

/* One call. */
typedef struct back {
    lop_forward *f;
    const lop_block *block;
    lop_mat dy;    /* (S T, C) f32, in place */
    lop_tape tape; /* cut to the call */
    lop_back_room room;
    const lop_back_watch *watch;
    int32_t linear; /* whose slabs come */
} back;

/* ---- placing */

static int32_t slab_rows(int32_t out, int32_t in)
{
    const int32_t fit = SLAB_ELEMENTS / in / SLAB_ROWS * SLAB_ROWS, rows = fit < SLAB_ROWS ? SLAB_ROWS : fit;
    return rows < out ? rows : out;
}

static lop_status place_slab(lop_arena *a, const lop_net *net, lop_mat *slab)
{
    int32_t most = 0;
    for (int id = 0; id < LOP_LINEAR_COUNT; id++) {
        const lop_linear_file *linear = &net->widest.linear[id];
        const int64_t elements =
            linear->weight ? (int64_t)slab_rows(linear->out, linear->in) * linear->in : 0;
        if (elements > INT32_MAX)
            return LOP_FAIL(LOP_E_UNSUPPORTED, "a gradient of (%d, %d) weights has rows that are too long",
                            linear->out, linear->in);
        if (elements > most) most = (int32_t)elements;
    }
    return lop_arena_mat(a, 1, most, LOP_F32, slab);
}

lop_status lop_back_place(lop_arena *a, const lop_net *net, lop_type word, int32_t sequences, int32_t tokens,
                          lop_back_room *out)
{
    const lop_config *c = net->config;
    const int32_t rows = sequences * tokens, wide = c->heads * c->head_dim, kv = c->kv_heads * c->head_dim;
    int32_t tile_rows, tile_cols;
    lop_attention_tile(c->heads, tokens, tokens, &tile_rows, &tile_cols);
    LOP_TRY(lop_arena_mat(a, rows, c->hidden, word, &out->d));
    LOP_TRY(lop_arena_mat(a, rows, wide, word, &out->mixed));
    LOP_TRY(lop_arena_mat(a, rows, wide + 2 * kv, word, &out->qkv));
    const lop_arena_mark mark = lop_arena_here(a);
    LOP_TRY(place_slab(a, net, &out->slab));
    lop_arena_reset(a, mark);
    LOP_TRY(lop_arena_mat(a, tile_rows, tile_cols, word, &out->tile));
    LOP_TRY(lop_arena_mat(a, tile_rows, tile_cols, word, &out->tile_back));
    LOP_TRY(lop_arena_mat(a, sequences * c->heads, tokens, LOP_F32, &out->delta));
    LOP_TRY(lop_arena_mat(a, tokens, kv, LOP_F32, &out->k_sum));
    return lop_arena_mat(a, tokens, kv, LOP_F32, &out->v_sum);
}

/* ---- linears */

static lop_status hand_out(void *user, lop_queue *q, int32_t first, lop_mat dw)
{
    const back *b = user;
    return b->watch->weight(b->watch->user, q, b->linear, first, dw);
}

/* dW of the linears that take `input`, whose output's gradients stand side by side in dy as their weights are stacked. */
static lop_status weights_back(lop_queue *q, back *b, lop_input_id input, lop_mat dy, lop_mat x)
{
    int32_t at = 0;
    for (b->linear = 0; b->linear < b->block->count; b->linear++) {
        const lop_linear_view *linear = &b->block->linears[b->linear];
        if (linear->input != input) continue;
        const lop_mat slab = b->room.slab;
        const lop_linear_back_args args = {
            .dy = lop_mat_cols(dy, at, linear->w.rows),
            .x = x,
            .slab = lop_mat_of(slab.buf, slab.at, slab_rows(linear->w.rows, x.cols), x.cols, LOP_F32),
            .fn = hand_out,
            .user = b};
        LOP_TRY(lop_linear_back(q, &args));
        at += linear->w.rows;
    }
    return LOP_OK;
}

/* dx = dy W */
static lop_status input_back(lop_queue *q, lop_mat dy, lop_mat w, lop_mat dx)
{
    const lop_linear_back_args args = {.dy = dy, .w = w, .dx = dx};
    return lop_linear_back(q, &args);
}

/* The stream's gradient as products take it: itself, or rounded to the word. */
static lop_status stream_word(lop_queue *q, const back *b, lop_mat *d)
{
    *d = b->f->word == LOP_F32 ? b->dy : b->room.d;
    return b->f->word == LOP_F32 ? LOP_OK : lop_cast(q, b->dy, *d);
}

/* ---- the two halves */

/* Back through a norm behind the sum, which took `sum`; dy becomes the gradient with respect to that. */
static lop_status enter_back(lop_queue *q, const back *b, const lop_norm *norm, lop_mat sum)
{
    if (!b->f->net->config->norm_after) return LOP_OK;
    LOP_TRY(lop_cast(q, b->dy, b->room.d));
    LOP_TRY(lop_mat_zero(q, b->dy));
    return lop_norm_rows_back(q, b->f->net, norm, sum, b->room.d, b->dy);
}

/* room.d is the gradient with respect to the input of the half's linears; dy grows by what it is with respect to the stream
 * that the half took, `x`, through a norm before the linears or as it is. */
static lop_status leave_back(lop_queue *q, const back *b, const lop_norm *norm, lop_mat x)
{
    if (b->f->net->config->norm_after) return lop_axpby(q, 1.0f, b->room.d, 1.0f, b->dy);
    return lop_norm_rows_back(q, b->f->net, norm, x, b->room.d, b->dy);
}

static lop_status ffn_back(lop_queue *q, back *b)
{
    const lop_net *net = b->f->net;
    const lop_tape *t = &b->tape;
    const int32_t ffn = net->config->ffn;
    const bool has_gate = net->family->linear[LOP_LINEAR_GATE] != NULL;
    const lop_mat gate = lop_mat_cols(t->gate_up, 0, ffn);
    const lop_mat up = has_gate ? lop_mat_cols(t->gate_up, ffn, ffn) : LOP_NONE;
    lop_mat d;
    LOP_TRY(enter_back(q, b, &b->block->norm_ffn, t->ffn_sum));
    LOP_TRY(stream_word(q, b, &d));
    LOP_TRY(weights_back(q, b, LOP_INPUT_DOWN, d, t->gated));
    LOP_TRY(input_back(q, d, b->block->down, t->gated));
    LOP_TRY(lop_gate_back(q, net->gate, t->gated, gate, up));
    LOP_TRY(weights_back(q, b, LOP_INPUT_FFN, t->gate_up, t->normed_ffn));
    LOP_TRY(input_back(q, t->gate_up, b->block->gate_up, b->room.d));
    return leave_back(q, b, &b->block->norm_ffn, t->middle);
}

static lop_status scores_back(lop_queue *q, back *b)
{
    const lop_config *c = b->f->net->config;
    const lop_tape *t = &b->tape;
    const int32_t wide = c->heads * c->head_dim, kv = c->kv_heads * c->head_dim;
    lop_attention_args args = lop_block_attention(c, b->block, t->qkv, t->mixed, t->sequences, t->tokens);
    args.tile = b->room.tile;
    args.log_sum = t->log_sum;
    const lop_attention_grads grads = {.d_out = b->room.mixed,
                                       .dq = lop_mat_cols(b->room.qkv, 0, wide),
                                       .dk = lop_mat_cols(b->room.qkv, wide, kv),
                                       .dv = lop_mat_cols(b->room.qkv, wide + kv, kv),
                                       .tile = b->room.tile_back,
                                       .delta = b->room.delta,
                                       .dk_sum = b->room.k_sum,
                                       .dv_sum = b->room.v_sum};
    LOP_TRY(lop_attention_back(q, &args, &grads));
    if (!lop_mat_present(b->f->table)) return LOP_OK;
    const lop_mat angles = lop_mat_rows(b->f->table, 0, t->tokens);
    return lop_rope_back(q, lop_mat_cols(b->room.qkv, 0, wide + kv), c->head_dim, angles, t->tokens);
}

static lop_status attention_half_back(lop_queue *q, back *b)
{
    const lop_tape *t = &b->tape;
    lop_mat d;
    LOP_TRY(enter_back(q, b, &b->block->norm_attention, t->attention_sum));
    LOP_TRY(stream_word(q, b, &d));
    LOP_TRY(weights_back(q, b, LOP_INPUT_O, d, t->mixed));
    LOP_TRY(input_back(q, d, b->block->o, b->room.mixed));
    LOP_TRY(scores_back(q, b));
    LOP_TRY(weights_back(q, b, LOP_INPUT_ATTENTION, b->room.qkv, t->normed_attention));
    if (!lop_mat_present(t->input)) return LOP_OK;
    LOP_TRY(input_back(q, b->room.qkv, b->block->qkv, b->room.d));
    return leave_back(q, b, &b->block->norm_attention, t->input);
}

/* ---- a call */

static lop_status check_call(const back *b, const lop_tape *tape)
{
    const int32_t rows = tape->sequences * tape->tokens, hidden = b->f->net->config->hidden;
    if (rows == 0)
        return LOP_FAIL(LOP_E_ARGUMENT, "a backward of block %d; the tape holds no forward", b->block->index);
    if (tape->block != b->block->index)
        return LOP_FAIL(LOP_E_ARGUMENT, "a backward of block %d; the tape holds a forward of block %d",
                        b->block->index, tape->block);
    if (rows > b->f->back_rows)
        return LOP_FAIL(LOP_E_ARGUMENT, "a backward over %d tokens; its workspace is for %d", rows,
                        b->f->back_rows);
    if (b->dy.type != LOP_F32 || b->dy.rows != rows || b->dy.cols != hidden)
        return LOP_FAIL(LOP_E_ARGUMENT,
                        "the gradient of the block's output is (%d, %d) %s; it must be "
                        "(%d, %d) f32",
                        b->dy.rows, b->dy.cols, lop_type_name(b->dy.type), rows, hidden);
    return LOP_OK;
}

static lop_status run_back(lop_queue *q, back *b, const lop_tape *tape)
{
    LOP_TRY(check_call(b, tape));
    LOP_TRY(lop_tape_cut(tape, tape->sequences, tape->tokens, &b->tape));
    LOP_TRY(lop_back_place(b->f->arena, b->f->net, b->f->word, tape->sequences, tape->tokens, &b->room));
    LOP_TRY(ffn_back(q, b));
    if (b->watch->middle) LOP_TRY(b->watch->middle(b->watch->user, q, b->dy));
    return attention_half_back(q, b);
}

lop_status lop_block_backward_halves(lop_queue *q, lop_forward *f, const lop_block *block, lop_mat dy,
                                     lop_tape *tape, const lop_back_watch *watch)
{
    back b = {.f = f, .block = block, .dy = dy, .watch = watch};
    const lop_arena_mark mark = lop_arena_here(f->arena);
    const lop_status status = run_back(q, &b, tape);
    lop_arena_reset(f->arena, mark);
    tape->sequences = 0;
    if (status != LOP_OK) lop_note("in block %d, backward", block->index);
    return status;
}

lop_status lop_block_backward(lop_queue *q, lop_forward *f, const lop_block *block, lop_mat dy,
                              lop_tape *tape, lop_weight_fn *fn, void *user)
{
    const lop_back_watch watch = {.weight = fn, .user = user};
    return lop_block_backward_halves(q, f, block, dy, tape, &watch);
}

size_t lop_backward_bytes(const lop_net *net, lop_type word, int32_t sequences, int32_t tokens)
{
    lop_arena *a = NULL;
    lop_back_room room;
    lop_mat table;
    size_t bytes = SIZE_MAX;
    if (lop_arena_open(NULL, LOP_ON_DEVICE, 0, &a) != LOP_OK) return bytes;
    if (lop_block_table_place(a, net, tokens, &table) == LOP_OK &&
        lop_back_place(a, net, word, sequences, tokens, &room) == LOP_OK)
        bytes = lop_arena_peak(a);
    lop_arena_close(a);
    return bytes;
}
