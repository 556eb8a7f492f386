/* block_forward.c - one block forward: two halves, each a norm before or behind, products and a residual sum that the last
 * product adds by itself. Every matrix of a call lies in one arena that was filled once when the workspace was opened. */
#include "core/base/memory.h"
#include "core/model/block_parts.h"
#include "core/model/rope.h"
#include "core/model/sequence_product.h"

/* Tokens whose gate and up stand side by side at a time: bounds the 2 F columns of workspace. */
enum { FFN_ROWS = 2048 };

struct lop_cache {
    lop_arena *arena;
    lop_mat *keys, *values; /* of each block, (positions, KV hd) word */
    int32_t blocks, positions;
};

/* One call: what it works on and with. */
typedef struct pass {
    lop_forward *f;
    const lop_block *block;
    lop_mat x;
    int32_t sequences, tokens, first;
    lop_cache *cache; /* NULL: none */
    const lop_watch *watch;
    const lop_tape *tape; /* cut to the call; NULL: nothing is kept */
    lop_mat normed;       /* (S T, C) word: the input of qkv, then of gate_up */
    lop_mat summed; /* (S T, C) f32: what a norm behind the sum takes; absent where norms stand before */
    lop_mat qkv, mixed, tile; /* attention */
    lop_mat gate_up, gated;   /* feed-forward */
} pass;

/* ---- placing */

/* Of the block at work; where none is, of the widest. */
static lop_widths widths(const lop_config *c, const lop_block *block)
{
    return lop_config_widths(c, block ? block->index : -1);
}

static lop_status place_attention(lop_arena *a, const lop_config *c, lop_type word, int32_t positions,
                                  pass *p)
{
    const lop_widths w = widths(c, p->block);
    const int32_t rows = p->sequences * p->tokens, q = w.heads * c->head_dim, kv = w.kv_heads * c->head_dim;
    int32_t tile_rows, tile_cols;
    lop_attention_tile(w.heads, p->tokens, positions, &tile_rows, &tile_cols);
    if (p->tape) {
        p->qkv = p->tape->qkv;
        p->mixed = p->tape->mixed;
    } else {
        LOP_TRY(lop_arena_mat(a, rows, q + 2 * kv, word, &p->qkv));
        LOP_TRY(lop_arena_mat(a, rows, q, word, &p->mixed));
    }
    return lop_arena_mat(a, tile_rows, tile_cols, word, &p->tile);
}

/* Sequences whose gate and up are computed together. */
static int32_t ffn_sequences(int32_t sequences, int32_t tokens)
{
    const int32_t fit = tokens < FFN_ROWS ? FFN_ROWS / tokens : 1;
    return fit < sequences ? fit : sequences;
}

static lop_status place_ffn(lop_arena *a, const lop_net *net, lop_type word, pass *p)
{
    if (p->tape) {
        p->gate_up = p->tape->gate_up;
        p->gated = p->tape->gated;
        return LOP_OK;
    }
    const int32_t at_once = ffn_sequences(p->sequences, p->tokens) * p->tokens;
    const int32_t stacked = net->family->linear[LOP_LINEAR_GATE] ? 2 : 1;
    const int32_t ffn = widths(net->config, p->block).ffn;
    LOP_TRY(lop_arena_mat(a, at_once, stacked * ffn, word, &p->gate_up));
    return lop_arena_mat(a, p->sequences * p->tokens, ffn, word, &p->gated);
}

/* What both halves use. */
static lop_status place_stream(lop_arena *a, const lop_net *net, lop_type word, pass *p)
{
    const int32_t rows = p->sequences * p->tokens, hidden = net->config->hidden;
    if (p->tape) return LOP_OK;
    LOP_TRY(lop_arena_mat(a, rows, hidden, word, &p->normed));
    return net->config->norm_after ? lop_arena_mat(a, rows, hidden, LOP_F32, &p->summed) : LOP_OK;
}

/* Everything a call of this size places, in the order that it does; the arena's peak is what it needs. */
static lop_status place_all(lop_arena *a, const lop_net *net, lop_type word, int32_t sequences,
                            int32_t tokens)
{
    pass p = {.sequences = sequences, .tokens = tokens};
    LOP_TRY(place_stream(a, net, word, &p));
    const lop_arena_mark mark = lop_arena_here(a);
    LOP_TRY(place_attention(a, net->config, word, tokens, &p));
    lop_arena_reset(a, mark);
    return place_ffn(a, net, word, &p);
}

/* And what a call backward over `back` sequences does, in the same memory. */
static lop_status place_both(lop_arena *a, const lop_net *net, lop_type word, int32_t sequences,
                             int32_t tokens, int32_t back)
{
    const lop_arena_mark mark = lop_arena_here(a);
    lop_back_room room;
    LOP_TRY(place_all(a, net, word, sequences, tokens));
    lop_arena_reset(a, mark);
    return back > 0 ? lop_back_place(a, net, word, back, tokens, &room) : LOP_OK;
}

static lop_status measure(const lop_net *net, lop_type word, int32_t sequences, int32_t tokens, int32_t back,
                          size_t *bytes)
{
    lop_arena *a = NULL;
    lop_mat table;
    LOP_TRY(lop_arena_open(NULL, LOP_ON_DEVICE, 0, &a));
    lop_status status = lop_block_table_place(a, net, tokens, &table);
    if (status == LOP_OK) status = place_both(a, net, word, sequences, tokens, back);
    *bytes = lop_arena_peak(a);
    lop_arena_close(a);
    return status;
}

size_t lop_forward_bytes(const lop_net *net, lop_type word, int32_t sequences, int32_t tokens)
{
    size_t bytes = 0;
    return measure(net, word, sequences, tokens, 0, &bytes) == LOP_OK ? bytes : SIZE_MAX;
}

/* Weights of the block's linears, with or without those that take attention's input. */
static double weights_of(const lop_net *net, bool attention_input)
{
    double weights = 0.0;
    for (int id = 0; id < LOP_LINEAR_COUNT; id++) {
        const lop_linear_file *linear = &net->widest.linear[id];
        const bool first = id == LOP_LINEAR_Q || id == LOP_LINEAR_K || id == LOP_LINEAR_V;
        if (attention_input || !first) weights += (double)linear->out * (double)linear->in;
    }
    return weights;
}

static double attention_of(const lop_net *net, int32_t tokens)
{
    const lop_config *c = net->config;
    return lop_attention_flops(c->heads, c->head_dim, tokens, c->window_from == 0 ? c->window : 0);
}

double lop_block_flops(const lop_net *net, int32_t sequences, int32_t tokens)
{
    return sequences * (2.0 * weights_of(net, true) * tokens + attention_of(net, tokens));
}

double lop_block_back_flops(const lop_net *net, int32_t sequences, int32_t tokens, bool input)
{
    const double weights = weights_of(net, true) + weights_of(net, input);
    return sequences * (2.0 * weights * tokens + 2.5 * attention_of(net, tokens));
}

/* ---- open and close */

lop_status lop_block_table_place(lop_arena *a, const lop_net *net, int32_t tokens, lop_mat *out)
{
    *out = LOP_NONE;
    if (net->config->rope.kind == LOP_ROPE_NONE) return LOP_OK;
    return lop_arena_mat(a, tokens, net->config->head_dim, LOP_F32, out);
}

static lop_status open_table(lop_forward *f, lop_device *device)
{
    const int32_t head_dim = f->net->config->head_dim;
    float *frequency = NULL, *table = NULL;
    lop_queue q = {0};
    lop_status status = lop_block_table_place(f->arena, f->net, f->tokens, &f->table);
    if (status != LOP_OK || !lop_mat_present(f->table)) return status;
    LOP_TRY_DONE(lop_queue_open(device, &q));
    LOP_TRY_DONE(lop_alloc((size_t)head_dim, sizeof *frequency, &frequency));
    LOP_TRY_DONE(lop_alloc((size_t)f->tokens * (size_t)head_dim, sizeof *table, &table));
    LOP_TRY_DONE(lop_rope_frequencies(f->net, frequency));
    lop_rope_fill(frequency, head_dim, f->tokens, table);
    LOP_TRY_DONE(lop_upload(&q, table, f->table));
done:
    lop_free(table);
    lop_free(frequency);
    if (q.device) lop_queue_close(&q);
    return status;
}

lop_status lop_forward_open(const lop_net *net, lop_device *device, lop_type word, int32_t sequences,
                            int32_t tokens, lop_forward **out)
{
    return lop_forward_open_back(net, device, word, sequences, tokens, 0, out);
}

lop_status lop_forward_open_back(const lop_net *net, lop_device *device, lop_type word, int32_t sequences,
                                 int32_t tokens, int32_t back, lop_forward **out)
{
    *out = NULL;
    if (sequences < 1 || tokens < 1 || sequences > INT32_MAX / tokens || back < 0 || back > sequences)
        return LOP_FAIL(LOP_E_ARGUMENT,
                        "a forward over %d sequences of %d tokens and a backward over %d were asked for",
                        sequences, tokens, back);
    size_t bytes = 0;
    lop_forward *f = NULL;
    LOP_TRY(measure(net, word, sequences, tokens, back, &bytes));
    LOP_TRY(LOP_NEW(&f, 1));
    *f = (lop_forward){
        .net = net, .word = word, .rows = sequences * tokens, .tokens = tokens, .back_rows = back * tokens};
    lop_status status = lop_arena_open(device, LOP_ON_DEVICE, bytes, &f->arena);
    if (status == LOP_OK) status = open_table(f, device);
    if (status == LOP_OK) {
        /* Places once what the calls will place, so that every slab is there before the first. */
        const lop_arena_mark mark = lop_arena_here(f->arena);
        status = place_both(f->arena, net, word, sequences, tokens, back);
        lop_arena_reset(f->arena, mark);
    }
    if (status == LOP_OK)
        *out = f;
    else
        lop_forward_close(f);
    return status;
}

void lop_forward_close(lop_forward *f)
{
    if (f == NULL) return;
    lop_arena_close(f->arena);
    lop_free(f);
}

static lop_status place_cache(lop_cache *c, const lop_config *config, lop_type word)
{
    for (int32_t b = 0; b < c->blocks; b++) {
        const int32_t kv = lop_config_widths(config, b).kv_heads * config->head_dim;
        LOP_TRY(lop_arena_mat(c->arena, c->positions, kv, word, &c->keys[b]));
        LOP_TRY(lop_arena_mat(c->arena, c->positions, kv, word, &c->values[b]));
    }
    return LOP_OK;
}

lop_status lop_cache_open(const lop_net *net, lop_device *device, lop_type word, int32_t positions,
                          lop_cache **out)
{
    *out = NULL;
    lop_cache *c = NULL;
    lop_status status = LOP_OK;
    LOP_TRY(LOP_NEW(&c, 1));
    *c = (lop_cache){.blocks = net->config->blocks, .positions = positions};
    LOP_TRY_DONE(lop_arena_open(device, LOP_ON_DEVICE, 0, &c->arena));
    LOP_TRY_DONE(LOP_NEW(&c->keys, c->blocks));
    LOP_TRY_DONE(LOP_NEW(&c->values, c->blocks));
    LOP_TRY_DONE(place_cache(c, net->config, word));
    *out = c;
done:
    if (status != LOP_OK) lop_cache_close(c);
    return status;
}

void lop_cache_close(lop_cache *c)
{
    if (c == NULL) return;
    lop_free(c->values);
    lop_free(c->keys);
    lop_arena_close(c->arena);
    lop_free(c);
}

/* ---- the two halves */

static lop_status tell(lop_queue *q, const pass *p, lop_input_id input, lop_mat x)
{
    const lop_watch *w = p->watch;
    return w && w->fn ? w->fn(w->user, q, input, x) : LOP_OK;
}

/* What stands in the cache before `first`, and this call's rows behind it. */
static lop_status extend_cache(lop_queue *q, const pass *p, lop_mat *k, lop_mat *v)
{
    if (p->cache == NULL) return LOP_OK;
    const lop_mat keys = p->cache->keys[p->block->index], values = p->cache->values[p->block->index];
    LOP_TRY(lop_cast(q, *k, lop_mat_rows(keys, p->first, p->tokens)));
    LOP_TRY(lop_cast(q, *v, lop_mat_rows(values, p->first, p->tokens)));
    *k = lop_mat_rows(keys, 0, p->first + p->tokens);
    *v = lop_mat_rows(values, 0, p->first + p->tokens);
    return LOP_OK;
}

lop_attention_args lop_block_attention(const lop_config *c, const lop_block *block, lop_mat qkv,
                                       lop_mat mixed, int32_t sequences, int32_t tokens)
{
    const lop_widths w = widths(c, block);
    const int32_t wide = w.heads * c->head_dim, kv = w.kv_heads * c->head_dim;
    return (lop_attention_args){.q = lop_mat_cols(qkv, 0, wide),
                                .k = lop_mat_cols(qkv, wide, kv),
                                .v = lop_mat_cols(qkv, wide + kv, kv),
                                .out = mixed,
                                .heads = w.heads,
                                .kv_heads = w.kv_heads,
                                .head_dim = c->head_dim,
                                .sequences = sequences,
                                .tokens = tokens,
                                .window = block->index >= c->window_from ? c->window : 0};
}

/* The input of a half's linears: the stream, normed if its norm stands before them. */
static lop_status enter_half(lop_queue *q, const pass *p, const lop_norm *norm)
{
    const lop_net *net = p->f->net;
    if (net->config->norm_after) return lop_cast(q, p->x, p->normed);
    return lop_norm_rows(q, net, norm, p->x, p->normed);
}

/* The stream behind a half's sum: normed if its norm stands there, and then p->summed keeps what it took. */
static lop_status leave_half(lop_queue *q, const pass *p, const lop_norm *norm)
{
    if (!p->f->net->config->norm_after) return LOP_OK;
    LOP_TRY(lop_cast(q, p->x, p->summed));
    return lop_norm_rows(q, p->f->net, norm, p->summed, p->x);
}

static lop_status turn(lop_queue *q, const pass *p)
{
    const lop_config *c = p->f->net->config;
    if (!lop_mat_present(p->f->table)) return LOP_OK;
    const lop_mat angles = lop_mat_rows(p->f->table, p->first, p->tokens);
    const lop_widths w = widths(c, p->block);
    return lop_rope(q, lop_mat_cols(p->qkv, 0, (w.heads + w.kv_heads) * c->head_dim), c->head_dim, angles,
                    p->tokens);
}

static lop_status run_attention(lop_queue *q, pass *p)
{
    const lop_block *b = p->block;
    const lop_config *c = p->f->net->config;
    if (widths(c, b).heads == 0) return LOP_OK;
    LOP_TRY(place_attention(p->f->arena, c, p->f->word, p->first + p->tokens, p));
    if (p->tape) p->normed = p->tape->normed_attention;
    if (p->tape) p->summed = p->tape->attention_sum;
    LOP_TRY(enter_half(q, p, &b->norm_attention));
    LOP_TRY(tell(q, p, LOP_INPUT_ATTENTION, p->normed));
    LOP_TRY(lop_sequence_product(q, p->tokens, p->normed, b->qkv, b->qkv_bias, 0.0f, p->qkv));
    LOP_TRY(turn(q, p));
    lop_attention_args args = lop_block_attention(c, b, p->qkv, p->mixed, p->sequences, p->tokens);
    LOP_TRY(extend_cache(q, p, &args.k, &args.v));
    args.first = p->first;
    args.tile = p->tile;
    if (p->tape) args.log_sum = p->tape->log_sum;
    LOP_TRY(lop_attention(q, &args));
    LOP_TRY(tell(q, p, LOP_INPUT_O, p->mixed));
    LOP_TRY(lop_sequence_product(q, p->tokens, p->mixed, b->o, b->o_bias, 1.0f, p->x));
    return leave_half(q, p, &b->norm_attention);
}

static lop_status run_ffn(lop_queue *q, pass *p)
{
    const lop_block *b = p->block;
    const lop_net *net = p->f->net;
    const int32_t rows = p->x.rows, ffn = widths(net->config, b).ffn;
    const int32_t at_once = ffn_sequences(p->sequences, p->tokens) * p->tokens;
    const bool has_gate = net->family->linear[LOP_LINEAR_GATE] != NULL;
    if (ffn == 0) return LOP_OK;
    LOP_TRY(place_ffn(p->f->arena, net, p->f->word, p));
    if (p->tape) p->normed = p->tape->normed_ffn;
    if (p->tape) p->summed = p->tape->ffn_sum;
    LOP_TRY(enter_half(q, p, &b->norm_ffn));
    LOP_TRY(tell(q, p, LOP_INPUT_FFN, p->normed));
    for (int32_t row = 0; row < rows; row += at_once) {
        const int32_t n = rows - row < at_once ? rows - row : at_once;
        const lop_mat both = lop_mat_rows(p->gate_up, p->tape ? row : 0, n),
                      normed = lop_mat_rows(p->normed, row, n);
        const lop_mat up = has_gate ? lop_mat_cols(both, ffn, ffn) : LOP_NONE;
        LOP_TRY(lop_sequence_product(q, p->tokens, normed, b->gate_up, b->gate_up_bias, 0.0f, both));
        LOP_TRY(lop_gate(q, net->gate, lop_mat_cols(both, 0, ffn), up, lop_mat_rows(p->gated, row, n)));
    }
    LOP_TRY(tell(q, p, LOP_INPUT_DOWN, p->gated));
    if (p->watch && !p->watch->last_needed) return LOP_OK;
    LOP_TRY(lop_sequence_product(q, p->tokens, p->gated, b->down, b->down_bias, 1.0f, p->x));
    return leave_half(q, p, &b->norm_ffn);
}

/* ---- a call */

static lop_status check_call(const pass *p)
{
    const lop_forward *f = p->f;
    const int32_t hidden = f->net->config->hidden;
    if (p->sequences < 1 || p->tokens < 1 || p->first < 0 || p->first > f->tokens - p->tokens ||
        p->sequences > f->rows / p->tokens)
        return LOP_FAIL(LOP_E_ARGUMENT,
                        "a forward over %d sequences of %d tokens from %d; its workspace is for %d rows and "
                        "%d positions",
                        p->sequences, p->tokens, p->first, f->rows, f->tokens);
    if (p->x.type != LOP_F32 || p->x.rows != p->sequences * p->tokens || p->x.cols != hidden)
        return LOP_FAIL(LOP_E_ARGUMENT, "the residual stream is (%d, %d) %s; it must be (%d, %d) f32",
                        p->x.rows, p->x.cols, lop_type_name(p->x.type), p->sequences * p->tokens, hidden);
    return LOP_OK;
}

static lop_status run_halves(lop_queue *q, pass *p)
{
    lop_arena *a = p->f->arena;
    LOP_TRY(place_stream(a, p->f->net, p->f->word, p));
    const lop_arena_mark mark = lop_arena_here(a);
    if (p->tape && lop_mat_present(p->tape->input)) LOP_TRY(lop_cast(q, p->x, p->tape->input));
    LOP_TRY(run_attention(q, p));
    lop_arena_reset(a, mark);
    if (p->tape) LOP_TRY(lop_cast(q, p->x, p->tape->middle));
    if (p->watch && p->watch->middle) LOP_TRY(p->watch->middle(p->watch->middle_user, q, p->x));
    return run_ffn(q, p);
}

static lop_status run(lop_queue *q, pass *p)
{
    LOP_TRY(check_call(p));
    const lop_arena_mark mark = lop_arena_here(p->f->arena);
    const lop_status status = run_halves(q, p);
    lop_arena_reset(p->f->arena, mark);
    if (status != LOP_OK) lop_note("in block %d", p->block->index);
    return status;
}

lop_status lop_block_forward(lop_queue *q, lop_forward *f, const lop_block *block, lop_mat x,
                             int32_t sequences, int32_t tokens, const lop_watch *watch)
{
    pass p = {.f = f, .block = block, .x = x, .sequences = sequences, .tokens = tokens, .watch = watch};
    return run(q, &p);
}

lop_status lop_block_forward_taped(lop_queue *q, lop_forward *f, const lop_block *block, lop_mat x,
                                   int32_t sequences, int32_t tokens, lop_tape *tape)
{
    lop_tape cut;
    pass p = {.f = f, .block = block, .x = x, .sequences = sequences, .tokens = tokens, .tape = &cut};
    tape->sequences = 0;
    if (f->net->config->uneven)
        return LOP_FAIL(LOP_E_UNSUPPORTED,
                        "blocks that differ in width have no backward: their tape is not cut");
    LOP_TRY(lop_tape_cut(tape, sequences, tokens, &cut));
    LOP_TRY(run(q, &p));
    tape->sequences = sequences;
    tape->tokens = tokens;
    tape->block = block->index;
    return LOP_OK;
}

lop_status lop_block_forward_cached(lop_queue *q, lop_forward *f, const lop_block *block, lop_mat x,
                                    int32_t first, int32_t tokens, lop_cache *cache)
{
    pass p = {
        .f = f, .block = block, .x = x, .sequences = 1, .tokens = tokens, .first = first, .cache = cache};
    if (block->index < 0 || block->index >= cache->blocks || first > cache->positions - tokens)
        return LOP_FAIL(LOP_E_ARGUMENT,
                        "block %d, tokens [%d, %d): the cache is for %d blocks and %d positions",
                        block->index, first, first + tokens, cache->blocks, cache->positions);
    return run(q, &p);
}
