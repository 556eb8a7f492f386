/* attention_tiles.c - parts of 256 queries. A part meets only the keys that its rows may see, so nearly half of the square is
 * never computed, and what is alive at a time is one tile of scores for a few heads. */
#include "core/model/attention_tiles.h"

#include <math.h>

/* Queries of a part; keys start at a multiple of KEY_ALIGN, so that rows of scores stay aligned for wide kernels; scores
 * at a time: 16 MiB of f32, about what a last-level cache holds. */
enum { PART_QUERIES = 256, KEY_ALIGN = 16, TILE_ELEMENTS = 4 << 20 };

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
    const int32_t queries = tokens < PART_QUERIES ? tokens : PART_QUERIES;
    /* Fewer keys let more heads in, so the scratch is as large as the budget, or all heads at the most keys. */
    const int64_t one = (int64_t)queries * round_up(positions, KEY_ALIGN);
    const int64_t all = one * heads, budget = one > TILE_ELEMENTS ? one : TILE_ELEMENTS;
    *cols = 1024;
    *rows = (int32_t)(((all < budget ? all : budget) + *cols - 1) / *cols);
}

/* ---- views */

static int32_t scores_ld(const lop_attention_part *part)
{
    return round_up(part->keys, KEY_ALIGN);
}

int64_t lop_attention_scores_step(const lop_attention_part *part)
{
    return (int64_t)part->queries * scores_ld(part);
}

lop_mat lop_attention_scores(lop_mat scratch, const lop_attention_part *part)
{
    scratch.rows = part->queries;
    scratch.cols = part->keys;
    scratch.ld = scores_ld(part);
    return scratch;
}

lop_mat lop_attention_scores_all(lop_mat scratch, const lop_attention_part *part)
{
    scratch = lop_attention_scores(scratch, part);
    scratch.rows *= part->count;
    return scratch;
}

lop_mat lop_attention_queries_of(lop_mat m, const lop_attention_args *a, const lop_attention_part *part,
                                 int32_t head)
{
    const lop_mat rows = lop_mat_rows(m, part->sequence * a->tokens + part->row, part->queries);
    return lop_mat_cols(rows, head * a->head_dim, a->head_dim);
}

lop_mat lop_attention_keys_of(lop_mat m, const lop_attention_args *a, const lop_attention_part *part,
                              int32_t kv_head)
{
    const lop_mat rows =
        lop_mat_rows(m, part->sequence * (a->first + a->tokens) + part->first_key, part->keys);
    return lop_mat_cols(rows, kv_head * a->head_dim, a->head_dim);
}

/* ---- products */

lop_status lop_attention_by_keys(lop_queue *q, const lop_attention_args *a, const lop_attention_part *part,
                                 lop_gemm_args product, lop_mat kv)
{
    /* Heads that share a key head go in one call over it; without sharing all heads go in one. */
    const int32_t group = a->heads / a->kv_heads;
    const int64_t at_a = product.a.at, at_c = product.c.at;
    for (int32_t done = 0; done < part->count;) {
        const int32_t head = part->head + done;
        const int32_t left = part->count - done, shared = group - head % group;
        product.count = group == 1 ? left : left < shared ? left : shared;
        product.step_b = group == 1 ? a->head_dim : 0;
        product.b = lop_attention_keys_of(kv, a, part, head / group);
        product.a.at = at_a + done * product.step_a;
        product.c.at = at_c + done * product.step_c;
        LOP_TRY(lop_gemm(q, &product));
        done += product.count;
    }
    return LOP_OK;
}

float lop_attention_scale(const lop_attention_args *a)
{
    return (float)(1.0 / sqrt((double)a->head_dim));
}

lop_status lop_attention_shares(lop_queue *q, const lop_attention_args *a, const lop_attention_part *part)
{
    const lop_gemm_args scores = {.a = lop_attention_queries_of(a->q, a, part, part->head),
                                  .tb = true,
                                  .c = lop_attention_scores(a->tile, part),
                                  .alpha = 1.0f,
                                  .math = q->device->math,
                                  .step_a = a->head_dim,
                                  .step_c = lop_attention_scores_step(part)};
    LOP_TRY(lop_attention_by_keys(q, a, part, scores, a->k));
    const lop_softmax_args softmax = {.queries = part->queries,
                                      .first_query = a->first + part->row,
                                      .first_key = part->first_key,
                                      .window = a->window,
                                      .scale = lop_attention_scale(a)};
    return lop_softmax_causal(q, lop_attention_scores_all(a->tile, part), &softmax);
}

/* ---- the walk */

/* Queries [part->row, ...), a few heads at a time. */
static lop_status walk_heads(lop_queue *q, const lop_attention_args *a, lop_attention_part *part,
                             lop_attention_part_fn *fn, const void *user)
{
    const int32_t left = a->tokens - part->row, query = a->first + part->row;
    part->queries = left < PART_QUERIES ? left : PART_QUERIES;
    /* Keys a little before the window are masked; starting at a multiple keeps rows of k aligned. */
    part->first_key =
        a->window > 0 && query >= a->window ? (query - a->window + 1) / KEY_ALIGN * KEY_ALIGN : 0;
    part->keys = query + part->queries - part->first_key;
    const int32_t most = heads_at_once(a->heads, part->queries, part->keys);
    for (part->head = 0; part->head < a->heads; part->head += part->count) {
        part->count = a->heads - part->head < most ? a->heads - part->head : most;
        LOP_TRY(fn(q, a, part, user));
    }
    return LOP_OK;
}

lop_status lop_attention_parts(lop_queue *q, const lop_attention_args *a, int32_t sequence,
                               lop_attention_part_fn *fn, const void *user)
{
    lop_attention_part part = {.sequence = sequence};
    for (part.row = 0; part.row < a->tokens; part.row += PART_QUERIES)
        LOP_TRY(walk_heads(q, a, &part, fn, user));
    return LOP_OK;
}
