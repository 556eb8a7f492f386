/* bench_eval.c - lop bench eval: the perplexity of one window by a whole model that lies on the device: embedding rows
 * gathered, all blocks, the head and the losses, with nothing waited for in between.
 *
 * A named shape has no file, and 7 billion random weights take minutes to draw, so all blocks hold the values of the first,
 * each in memory of its own: what is read, and from where, is what a model with its own values reads. */
#include "bench/line.h"
#include "bench/roof.h"
#include "bench/shape.h"
#include "core/base/memory.h"
#include "core/model/walk.h"
#include "core/prune/calibrate.h"

#include <math.h>

enum { TOKENS = 2048, REPS = 10, TABLE_ROWS = 4096, PARTS = 3 };

typedef struct eval_bench {
    bench *b;
    lop_queue *queue;
    int32_t tokens;
    lop_type word;
    lop_checkpoint *file;
    lop_net net;
    lop_arena *arena;
    lop_block *blocks;
    lop_mat table, rows; /* (V, C) word: the embedding; (T, C) word */
    lop_mat x;           /* (T, C) f32 */
    lop_mat positions;   /* (T, C) f32, or absent */
    lop_mat ids, target; /* (1, T) i32 */
    lop_mat nll;         /* (1, T) f32 */
    lop_forward *forward;
    lop_head *head;
    bench_roofs roofs;
    size_t roof_bytes;
    bench_stats whole, parts[PARTS];
} eval_bench;

/* ---- what is timed */

static lop_status run_embedding(void *user, lop_queue *q, int turn)
{
    const eval_bench *e = user;
    (void)turn;
    LOP_TRY(lop_gather_rows(q, e->table, e->ids, e->rows));
    LOP_TRY(lop_cast(q, e->rows, e->x));
    return lop_mat_present(e->positions) ? lop_add_bias(q, e->x, e->positions) : LOP_OK;
}

static lop_status run_blocks(void *user, lop_queue *q, int turn)
{
    const eval_bench *e = user;
    (void)turn;
    for (int32_t i = 0; i < e->net.config->blocks; i++)
        LOP_TRY(lop_block_forward(q, e->forward, &e->blocks[i], e->x, 1, e->tokens, NULL));
    return LOP_OK;
}

static lop_status run_head(void *user, lop_queue *q, int turn)
{
    const eval_bench *e = user;
    (void)turn;
    return lop_head_losses(q, e->head, e->x, e->target, e->nll);
}

static lop_status run_whole(void *user, lop_queue *q, int turn)
{
    LOP_TRY(run_embedding(user, q, turn));
    LOP_TRY(run_blocks(user, q, turn));
    return run_head(user, q, turn);
}

static const struct {
    const char *name;
    bench_fn *fn;
} parts[PARTS] = {{"embedding", run_embedding}, {"blocks", run_blocks}, {"head", run_head}};

/* ---- the model on the device */

static lop_status place(eval_bench *e)
{
    const lop_config *c = e->net.config;
    lop_arena *a = e->arena;
    LOP_TRY(LOP_NEW(&e->blocks, c->blocks));
    for (int32_t i = 0; i < c->blocks; i++) LOP_TRY(lop_block_place(a, &e->net, e->word, &e->blocks[i]));
    LOP_TRY(lop_arena_mat(a, c->vocab, c->hidden, e->word, &e->table));
    LOP_TRY(lop_arena_mat(a, e->tokens, c->hidden, e->word, &e->rows));
    LOP_TRY(lop_arena_mat(a, e->tokens, c->hidden, LOP_F32, &e->x));
    if (e->net.positions) LOP_TRY(lop_arena_mat(a, e->tokens, c->hidden, LOP_F32, &e->positions));
    LOP_TRY(lop_arena_mat(a, 1, e->tokens, LOP_I32, &e->ids));
    LOP_TRY(lop_arena_mat(a, 1, e->tokens, LOP_I32, &e->target));
    return lop_arena_mat(a, 1, e->tokens, LOP_F32, &e->nll);
}

/* The matrices of block 0, in those of `to`. */
static lop_status copy_block(lop_queue *q, const lop_block *from, int32_t index, lop_block *to)
{
    const lop_mat pairs[][2] = {{from->norm_attention.gain, to->norm_attention.gain},
                                {from->norm_attention.bias, to->norm_attention.bias},
                                {from->norm_ffn.gain, to->norm_ffn.gain},
                                {from->norm_ffn.bias, to->norm_ffn.bias},
                                {from->qkv, to->qkv},
                                {from->qkv_bias, to->qkv_bias},
                                {from->o, to->o},
                                {from->o_bias, to->o_bias},
                                {from->gate_up, to->gate_up},
                                {from->gate_up_bias, to->gate_up_bias},
                                {from->down, to->down},
                                {from->down_bias, to->down_bias}};
    to->index = index;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        if (lop_mat_present(pairs[i][0])) LOP_TRY(lop_cast(q, pairs[i][0], pairs[i][1]));
    return LOP_OK;
}

static lop_status fill_blocks(eval_bench *e)
{
    lop_reader *reader = NULL;
    lop_block *block = NULL;
    const lop_reader_plan plan = {
        .net = &e->net, .device = e->b->device, .end = 1, .blocks = e->blocks, .count = 1};
    LOP_TRY(lop_reader_open(&plan, &reader));
    lop_status status = lop_reader_take(reader, e->queue, &block);
    for (int32_t i = 1; status == LOP_OK && i < e->net.config->blocks; i++)
        status = copy_block(e->queue, &e->blocks[0], i, &e->blocks[i]);
    if (status == LOP_OK) status = lop_queue_wait(e->queue);
    lop_reader_close(reader);
    return status;
}

static lop_status fill_positions(eval_bench *e)
{
    int32_t *ids = NULL;
    LOP_TRY(LOP_NEW(&ids, e->tokens));
    const lop_token_rows first = {.ids = ids, .count = e->tokens, .tokens = e->tokens};
    const lop_status status = lop_embed(e->queue, &e->net, &first, e->positions);
    lop_free(ids);
    return status;
}

/* The embedding, a piece of the vocabulary at a time; and of learned positions those of one id: each is what an embedder
 * gives, and so has the other's first row in it, which is noise in noise. */
static lop_status fill_table(eval_bench *e)
{
    const lop_config *c = e->net.config;
    int32_t *ids = NULL;
    lop_arena *arena = NULL;
    lop_mat piece;
    lop_status status = LOP_OK;
    LOP_TRY(LOP_NEW(&ids, TABLE_ROWS));
    LOP_TRY_DONE(lop_arena_open(e->b->device, LOP_ON_DEVICE, 0, &arena));
    LOP_TRY_DONE(lop_arena_mat(arena, TABLE_ROWS, c->hidden, LOP_F32, &piece));
    for (int32_t first = 0; first < c->vocab; first += TABLE_ROWS) {
        const int32_t n = c->vocab - first < TABLE_ROWS ? c->vocab - first : TABLE_ROWS;
        for (int32_t i = 0; i < n; i++) ids[i] = first + i;
        const lop_token_rows words = {.ids = ids, .count = n, .tokens = 1};
        LOP_TRY_DONE(lop_embed(e->queue, &e->net, &words, lop_mat_rows(piece, 0, n)));
        LOP_TRY_DONE(lop_cast(e->queue, lop_mat_rows(piece, 0, n), lop_mat_rows(e->table, first, n)));
        LOP_TRY_DONE(lop_queue_wait(e->queue));
    }
    if (lop_mat_present(e->positions)) status = fill_positions(e);
done:
    lop_arena_close(arena);
    lop_free(ids);
    return status;
}

/* Tokens that walk through the vocabulary; each but the last is judged by the one behind it. */
static lop_status fill_ids(eval_bench *e)
{
    int32_t *ids = NULL;
    LOP_TRY(LOP_NEW(&ids, e->tokens + 1));
    for (int32_t i = 0; i <= e->tokens; i++) ids[i] = (int32_t)((int64_t)i * 7919 % e->net.config->vocab);
    ids[e->tokens] = -1;
    lop_status status = lop_upload(e->queue, ids, e->ids);
    if (status == LOP_OK) status = lop_upload(e->queue, ids + 1, e->target);
    lop_free(ids);
    return status;
}

static lop_status open_model(eval_bench *e)
{
    const bench *b = e->b;
    LOP_TRY(bench_shape_open(b, &e->file));
    LOP_TRY(lop_net_open(e->file, &e->net));
    e->tokens = lop_settings_given(&b->settings, "seqlen") ? (int32_t)lop_settings_int(&b->settings, "seqlen")
                                                           : TOKENS;
    if (e->tokens > e->net.config->positions)
        return LOP_FAIL(LOP_E_ARGUMENT, "--seqlen is %d: the shape knows %d positions", e->tokens,
                        e->net.config->positions);
    e->word = lop_walk_word(b->device, &e->net);
    LOP_TRY(lop_arena_open(b->device, LOP_ON_DEVICE, 0, &e->arena));
    LOP_TRY(place(e));
    LOP_TRY(lop_forward_open(&e->net, b->device, e->word, 1, e->tokens, &e->forward));
    LOP_TRY(fill_blocks(e));
    LOP_TRY(fill_table(e));
    LOP_TRY(fill_ids(e));
    return lop_head_open_rows(e->queue, &e->net, e->tokens, &e->head);
}

static void close_model(eval_bench *e)
{
    if (e->arena != NULL && lop_queue_wait(e->queue) != LOP_OK) lop_note("and the device's queue");
    lop_head_close(e->head);
    lop_forward_close(e->forward);
    lop_free(e->blocks);
    lop_arena_close(e->arena);
    lop_net_close(&e->net);
    lop_checkpoint_close(e->file);
}

/* ---- what comes out */

static lop_status mean_loss(const eval_bench *e, double *out)
{
    float *nll = NULL;
    LOP_TRY(LOP_NEW(&nll, e->tokens));
    const lop_status status = lop_download(e->queue, e->nll, nll);
    double sum = 0.0;
    for (int32_t i = 0; i < e->tokens; i++) sum += (double)nll[i];
    lop_free(nll);
    *out = sum / (e->tokens > 1 ? e->tokens - 1 : 1);
    if (status == LOP_OK && !isfinite(*out))
        return LOP_FAIL(LOP_E_NUMERIC, "the loss of random weights over random tokens is %g", *out);
    return status;
}

static lop_status print(const eval_bench *e, double nll)
{
    const bench *b = e->b;
    const lop_config *c = e->net.config;
    const double flops =
        c->blocks * lop_block_flops(&e->net, 1, e->tokens) + 2.0 * e->tokens * c->hidden * (double)c->vocab;
    const double floor_ns = flops / e->roofs.gemm_gflops[e->word], best = e->whole.ns_min;
    json_t *o = bench_object(b, "eval"), *by_part = json_object();
    for (int i = 0; i < PARTS; i++)
        (void)json_object_set_new(by_part, parts[i].name, json_real(e->parts[i].ns_min * 1e-6));
    json_t *rest = json_pack(
        "{s:s, s:s, s:i, s:i, s:i, s:i, s:{s:f, s:f, s:f}, s:o, s:f, s:f, s:f, s:f, s:f, s:f, s:I, s:o}",
        "shape", lop_settings_text(&b->settings, "shape"), "word", lop_type_name(e->word), "windows", 1,
        "seqlen", e->tokens, "blocks", c->blocks, "reps", e->whole.reps, "ms", "min", best * 1e-6, "med",
        e->whole.ns_med * 1e-6, "p90", e->whole.ns_p90 * 1e-6, "parts_ms", by_part, "floor_ms",
        floor_ns * 1e-6, "roof_frac", floor_ns / best, "gflop", flops * 1e-9, "tflops", flops / best * 1e-3,
        "tokens_per_s", e->tokens / best * 1e9, "nll", nll, "peak_bytes",
        (json_int_t)(lop_buf_used(LOP_ON_DEVICE).now - e->roof_bytes), "roofs", bench_roofs_json(&e->roofs));
    if (o == NULL || rest == NULL || json_object_update(o, rest) != 0) {
        json_decref(o);
        o = NULL;
    }
    json_decref(rest);
    return bench_object_print(b, o, true);
}

static lop_status measure(eval_bench *e)
{
    double nll = 0.0;
    const size_t before = lop_buf_used(LOP_ON_DEVICE).now;
    const int reps = bench_reps(e->b, e->b->device->accelerator ? REPS : 1);
    LOP_TRY(bench_roofs_open(e->queue, &e->roofs));
    e->roof_bytes = lop_buf_used(LOP_ON_DEVICE).now - before;
    LOP_TRY(open_model(e));
    LOP_TRY(bench_roofs_all(e->queue, 1, &e->roofs));
    LOP_TRY(bench_time(e->queue, reps, 0.0, run_whole, e, &e->whole));
    LOP_TRY(mean_loss(e, &nll));
    for (int i = 0; i < PARTS; i++) LOP_TRY(bench_time(e->queue, reps, 0.0, parts[i].fn, e, &e->parts[i]));
    LOP_TRY(bench_roofs_all(e->queue, 1, &e->roofs));
    return print(e, nll);
}

lop_status bench_eval(bench *b)
{
    eval_bench e = {.b = b, .queue = &b->queue};
    const lop_status status = measure(&e);
    close_model(&e);
    bench_roofs_close(&e.roofs);
    return status;
}
