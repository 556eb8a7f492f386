/* attention.c - causal attention in tiles of 256 queries. A tile meets only the keys that its rows may see, so nearly
 * half of the square is never computed, and what is alive at a time is one tile of scores for a few heads. */
#include "core/model/attention.h"

#include <math.h>

/* Queries of a tile; keys start at a multiple of KEY_ALIGN, so that rows of scores stay aligned for wide kernels; scores
 * at a time: 16 MiB of f32, about what a last-level cache holds. */
enum { TILE_QUERIES = 256, KEY_ALIGN = 16, TILE_ELEMENTS = 4 << 20 };

/* One tile: queries [row, row + queries) of sequence `sequence`, heads [head, head + count). */
typedef struct tile {
    int32_t sequence, row, queries;
    int32_t first_key, keys;
    int32_t head, count;
} tile;

static int32_t round_up(int32_t n, int32_t to)
{
    return (n + to - 1) / to * to;
}

/* How many heads share a tile of scores over so many keys. */
static int32_t heads_at_once(int32_t heads, int32_t queries, int32_t keys)
{
    const int64_t fit = (int64_t)TILE_ELEMENTS / ((int64_t)queries * round_up(keys, KEY_ALIGN));
    return fit < 1 ? 1 : fit > heads ? heads : (int32_t)fit;
}

void lop_attention_tile(int32_t heads, int32_t tokens, int32_t positions, int32_t *rows, int32_t *cols)
{
    const int32_t queries = tokens < TILE_QUERIES ? tokens : TILE_QUERIES;
    /* Fewer keys let more heads in, so the scratch is as large as the budget, or all heads at the most keys. */
    const int64_t one = (int64_t)queries * round_up(positions, KEY_ALIGN);
    const int64_t all = one * heads, budget = one > TILE_ELEMENTS ? one : TILE_ELEMENTS;
    *cols = 1024;
    *rows = (int32_t)(((all < budget ? all : budget) + *cols - 1) / *cols);
}

/* A view of the scratch as `rows` rows of `cols` elements, `ld` apart. */
static lop_mat scores_view(lop_mat scratch, int32_t rows, int32_t cols, int32_t ld)
{
    scratch.rows = rows;
    scratch.cols = cols;
    scratch.ld = ld;
    return scratch;
}

/* Heads [head, head + count) of one sequence's rows of a matrix of heads side by side: the first head's view. */
static lop_mat head_view(lop_mat m, int32_t row, int32_t rows, int32_t head, int32_t head_dim)
{
    return lop_mat_cols(lop_mat_rows(m, row, rows), head * head_dim, head_dim);
}

/* Runs a product for every head of the tile. `args` is that of the tile's first head with step_a and step_c set; `kv` is
 * k or v. Heads that share a key head go in one call over it; without sharing all heads go in one. */
static lop_status product_heads(lop_queue *q, const lop_attention_args *a, const tile *t, lop_gemm_args args,
                                lop_mat kv)
{
    const int32_t group = a->heads / a->kv_heads, positions = a->first + a->tokens;
    const int64_t at_a = args.a.at, at_c = args.c.at;
    for (int32_t done = 0; done < t->count;) {
        const int32_t head = t->head + done;
        const int32_t left = t->count - done, shared = group - head % group;
        args.count = group == 1 ? left : left < shared ? left : shared;
        args.step_b = group == 1 ? a->head_dim : 0;
        args.b = head_view(kv, t->sequence * positions + t->first_key, t->keys, head / group, a->head_dim);
        args.a.at = at_a + done * args.step_a;
        args.c.at = at_c + done * args.step_c;
        LOP_TRY(lop_gemm(q, &args));
        done += args.count;
    }
    return LOP_OK;
}

static lop_status attend_tile(lop_queue *q, const lop_attention_args *a, const tile *t)
{
    const int32_t ld = round_up(t->keys, KEY_ALIGN), row = t->sequence * a->tokens + t->row;
    const int64_t step = (int64_t)t->queries * ld;
    const lop_gemm_args scores = {.a = head_view(a->q, row, t->queries, t->head, a->head_dim),
                                  .tb = true,
                                  .c = scores_view(a->tile, t->queries, t->keys, ld),
                                  .alpha = 1.0f,
                                  .math = q->device->math,
                                  .step_a = a->head_dim,
                                  .step_c = step};
    LOP_TRY(product_heads(q, a, t, scores, a->k));
    const lop_softmax_args softmax = {.queries = t->queries,
                                      .first_query = a->first + t->row,
                                      .first_key = t->first_key,
                                      .window = a->window,
                                      .scale = (float)(1.0 / sqrt((double)a->head_dim))};
    LOP_TRY(lop_softmax_causal(q, scores_view(a->tile, t->count * t->queries, t->keys, ld), &softmax));
    const lop_gemm_args mix = {.a = scores.c,
                               .c = head_view(a->out, row, t->queries, t->head, a->head_dim),
                               .alpha = 1.0f,
                               .math = q->device->math,
                               .step_a = step,
                               .step_c = a->head_dim};
    return product_heads(q, a, t, mix, a->v);
}

/* Queries [t->row, ...) of t->sequence, a few heads at a time. */
static lop_status attend_queries(lop_queue *q, const lop_attention_args *a, tile *t)
{
    const int32_t left = a->tokens - t->row, query = a->first + t->row;
    t->queries = left < TILE_QUERIES ? left : TILE_QUERIES;
    /* Keys a little before the window are masked; starting at a multiple keeps rows of k aligned. */
    t->first_key = a->window > 0 && query >= a->window ? (query - a->window + 1) / KEY_ALIGN * KEY_ALIGN : 0;
    t->keys = query + t->queries - t->first_key;
    const int32_t most = heads_at_once(a->heads, t->queries, t->keys);
    for (t->head = 0; t->head < a->heads; t->head += t->count) {
        t->count = a->heads - t->head < most ? a->heads - t->head : most;
        LOP_TRY(attend_tile(q, a, t));
    }
    return LOP_OK;
}

lop_status lop_attention(lop_queue *q, const lop_attention_args *a)
{
    tile t = {0};
    for (t.sequence = 0; t.sequence < a->sequences; t.sequence++)
        for (t.row = 0; t.row < a->tokens; t.row += TILE_QUERIES) LOP_TRY(attend_queries(q, a, &t));
    return LOP_OK;
}

double lop_attention_flops(int32_t heads, int32_t head_dim, int32_t tokens, int32_t window)
{
    const double whole = window > 0 && window < tokens ? window : tokens;
    const double visible = whole * (whole + 1.0) / 2.0 + (tokens - whole) * whole;
    return 4.0 * heads * head_dim * visible;
}
