/* embed.c - before the blocks: rows of the embedding, projected where the stream is of another width, and what belongs to
 * positions. Of some tokens at a time the distinct rows are read, neighbours in one read, into a table on the device, from
 * which they are gathered. While the device takes one table the next is read. */
#include "core/base/memory.h"
#include "core/model/sequence_product.h"
#include "core/model/staging.h"
#include "core/model/walk.h"

#define TOKENS 2048 /* at a time: a window, and few enough rows to hold twice */
#define HALVES 2

struct lop_embedder {
    const lop_net *net;
    int32_t most;        /* tokens at a time */
    lop_dtype as;        /* what rows are read as */
    bool rounded;        /* that is not what lies in the file */
    size_t half;         /* bytes of a half of staging.host: rows, then the index */
    lop_staging staging; /* absent where the host reaches the table */
    lop_arena *arena;
    lop_mat table, index; /* (most, E) f32, (1, most) i32 */
    lop_mat narrow,
        project;       /* (most, E), (C, E) f32: gathered rows and what takes them to the stream; or absent */
    lop_mat positions; /* (P, C) f32: of positions 0 to P - 1; absent where there is no table of them */
    lop_fence drained[HALVES];
    bool used[HALVES], wanted; /* wanted: the file was told that most rows are read */
    int turn;
    int32_t *row; /* of each id in the table; -1: not there */
};

static size_t rows_bytes(const lop_net *net, int32_t rows)
{
    return lop_staging_bytes(lop_checkpoint_word(net->embedding), (int64_t)rows * net->width);
}

static size_t half_bytes(const lop_net *net, int32_t rows)
{
    return rows_bytes(net, rows) + lop_staging_bytes(LOP_DTYPE_F32, rows); /* an index is as long as an f32 */
}

static lop_status place(lop_arena *a, const lop_net *net, int32_t most, int32_t positions, lop_embedder *e)
{
    const int32_t hidden = net->config->hidden, width = net->width;
    LOP_TRY(lop_arena_mat(a, most, width, LOP_F32, &e->table));
    LOP_TRY(lop_arena_mat(a, 1, most, LOP_I32, &e->index));
    if (net->project_in) LOP_TRY(lop_arena_mat(a, most, width, LOP_F32, &e->narrow));
    if (net->project_in) LOP_TRY(lop_arena_mat(a, hidden, width, LOP_F32, &e->project));
    return net->positions ? lop_arena_mat(a, positions, hidden, LOP_F32, &e->positions) : LOP_OK;
}

int32_t lop_embedder_usual(void)
{
    return TOKENS;
}

static size_t placed_bytes(const lop_net *net, int32_t positions)
{
    lop_arena *a = NULL;
    lop_embedder e;
    size_t bytes = SIZE_MAX;
    if (lop_arena_open(NULL, LOP_ON_DEVICE, 0, &a) != LOP_OK) return bytes;
    if (place(a, net, TOKENS, positions, &e) == LOP_OK) bytes = lop_arena_peak(a);
    lop_arena_close(a);
    return bytes;
}

size_t lop_embedder_bytes(const lop_net *net, const lop_device *device, int32_t positions, lop_place where)
{
    if (device->host_memory) return where == LOP_ON_DEVICE ? placed_bytes(net, positions) : 0;
    return where == LOP_ON_HOST ? HALVES * half_bytes(net, TOKENS)
                                : placed_bytes(net, positions) + rows_bytes(net, TOKENS);
}

/* What is there for every call. */
static lop_status load(const lop_embedder *e, lop_device *device)
{
    const lop_net *net = e->net;
    const lop_dtype as = e->rounded ? e->as : LOP_STAGING_OWN;
    lop_queue q;
    if (net->positions == NULL && net->project_in == NULL) return LOP_OK;
    LOP_TRY(lop_queue_open(device, &q));
    lop_status status =
        lop_staging_bring(&q, net->file, net->positions, as, net->family->positions_from, e->positions);
    if (status == LOP_OK) status = lop_staging_bring(&q, net->file, net->project_in, as, 0, e->project);
    lop_queue_close(&q);
    return status;
}

static lop_status open_parts(lop_embedder *e, lop_device *device, int32_t positions)
{
    LOP_TRY(LOP_NEW(&e->row, e->net->config->vocab));
    for (int32_t i = 0; i < e->net->config->vocab; i++) e->row[i] = -1;
    for (int i = 0; i < HALVES; i++) LOP_TRY(lop_fence_open(device, &e->drained[i]));
    LOP_TRY(lop_arena_open(device, LOP_ON_DEVICE, 0, &e->arena));
    LOP_TRY(place(e->arena, e->net, e->most, positions, e));
    LOP_TRY(load(e, device));
    if (device->host_memory && !e->rounded) return LOP_OK;
    e->half = half_bytes(e->net, e->most);
    return lop_staging_open(device, HALVES * e->half, rows_bytes(e->net, e->most), &e->staging);
}

lop_status lop_embedder_open(const lop_net *net, lop_device *device, const lop_embedder_plan *plan,
                             lop_embedder **out)
{
    lop_embedder *e = NULL;
    *out = NULL;
    if (net->positions && plan->positions > net->config->positions)
        return LOP_FAIL(LOP_E_ARGUMENT,
                        "sequences of %d tokens were asked for: the model has learned %d positions",
                        plan->positions, net->config->positions);
    LOP_TRY(LOP_NEW(&e, 1));
    e->net = net;
    e->most = plan->most < 1 ? 1 : plan->most;
    e->rounded = plan->as != LOP_DTYPE_F32;
    e->as = device->host_memory ? LOP_DTYPE_F32 : lop_checkpoint_word(net->embedding);
    if (e->rounded) e->as = plan->as;
    const lop_status status = open_parts(e, device, plan->positions);
    if (status == LOP_OK)
        *out = e;
    else
        lop_embedder_close(e);
    return status;
}

void lop_embedder_close(lop_embedder *e)
{
    if (e == NULL) return;
    lop_staging_close(&e->staging);
    lop_arena_close(e->arena);
    for (int i = 0; i < HALVES; i++) lop_fence_close(&e->drained[i]);
    lop_free(e->row);
    lop_free(e);
}

/* ---- some tokens */

static bool is_near(const lop_embedder *e)
{
    return e->staging.host.device == NULL;
}

/* Rows [first, first + n) of the embedding as rows `at` and on of the table. */
static lop_status read_run(const lop_embedder *e, int32_t first, int32_t n, int32_t at, unsigned char *table)
{
    const int64_t elements = (int64_t)n * e->net->width;
    unsigned char *out = table + lop_dtype_bytes(e->as, (uint64_t)at * (uint64_t)e->net->width);
    LOP_TRY(lop_checkpoint_read(e->net->file, e->net->embedding, first, n, e->as, out));
    return e->rounded ? LOP_OK : lop_staging_check(e->net->embedding, first, e->as, out, elements);
}

/* The distinct rows in the order of their ids, neighbours at once; e->row tells where each has come. */
static lop_status read_table(lop_embedder *e, const int32_t *ids, int32_t count, unsigned char *table,
                             int32_t *rows)
{
    const int32_t vocab = e->net->config->vocab;
    *rows = 0;
    for (int32_t i = 0; i < count; i++) e->row[ids[i]] = 0;
    for (int32_t id = 0, run = 0; id < vocab; id += run + 1) {
        for (run = 0; id + run < vocab && e->row[id + run] >= 0; run++) e->row[id + run] = *rows + run;
        if (run > 0) LOP_TRY(read_run(e, id, run, *rows, table));
        *rows += run;
    }
    return LOP_OK;
}

static void fill_index(lop_embedder *e, const int32_t *ids, int32_t count, int32_t *index)
{
    for (int32_t i = 0; i < count; i++) index[i] = e->row[ids[i]];
}

static void forget(lop_embedder *e, const int32_t *ids, int32_t count)
{
    for (int32_t i = 0; i < count; i++) e->row[ids[i]] = -1;
}

/* Table and index to the device, if they are not there. */
static lop_status carry(lop_embedder *e, lop_queue *q, int32_t count, int32_t rows)
{
    const size_t at = (size_t)e->turn * e->half, index_at = at + rows_bytes(e->net, e->most);
    if (is_near(e)) return LOP_OK;
    LOP_TRY(lop_staging_move(q, &e->staging, at, e->as, lop_mat_rows(e->table, 0, rows)));
    return q->device->backend->copy(q, e->index.buf, (size_t)e->index.at * sizeof(int32_t), &e->staging.host,
                                    index_at, (size_t)count * sizeof(int32_t));
}

/* Whole sequences, or some rows of one, so that their bits do not depend on who shares a call. */
static lop_status some_rows(lop_embedder *e, lop_queue *q, const int32_t *ids, int32_t tokens, lop_mat x)
{
    const int32_t count = x.rows;
    int32_t rows = 0;
    e->turn = is_near(e) ? 0 : (e->turn + 1) % HALVES;
    if (e->used[e->turn]) LOP_TRY(lop_fence_wait_host(&e->drained[e->turn]));
    const size_t at = (size_t)e->turn * e->half;
    unsigned char *table = is_near(e) ? lop_mat_host(e->table) : lop_staging_at(&e->staging, at);
    int32_t *index =
        is_near(e) ? lop_mat_host(e->index) : lop_staging_at(&e->staging, at + rows_bytes(e->net, e->most));
    const lop_status status = read_table(e, ids, count, table, &rows);
    if (status == LOP_OK) fill_index(e, ids, count, index);
    forget(e, ids, count);
    LOP_TRY(status);
    LOP_TRY(carry(e, q, count, rows));
    const lop_mat gathered = lop_mat_present(e->narrow) ? lop_mat_rows(e->narrow, 0, count) : x;
    LOP_TRY(lop_gather_rows(q, lop_mat_rows(e->table, 0, rows), lop_mat_cols(e->index, 0, count), gathered));
    e->used[e->turn] = true;
    LOP_TRY(lop_fence_mark(q, &e->drained[e->turn]));
    if (!lop_mat_present(e->narrow)) return LOP_OK;
    return lop_sequence_product(q, tokens < count ? tokens : count, gathered, e->project, LOP_NONE, 0.0f, x);
}

static lop_status check_ids(const lop_net *net, const int32_t *ids, int32_t count)
{
    for (int32_t i = 0; i < count; i++)
        if (ids[i] < 0 || ids[i] >= net->config->vocab)
            return LOP_FAIL(LOP_E_FORMAT, "token id %d is outside of the vocabulary of %d", ids[i],
                            net->config->vocab);
    return LOP_OK;
}

/* How many rows come next, of sequences of which `done` rows are through. */
static int32_t next_rows(const lop_embedder *e, const lop_token_rows *t, int32_t done)
{
    const int32_t left = t->tokens < e->most ? t->count - done : t->tokens - done % t->tokens;
    const int32_t fit = t->tokens < e->most ? e->most / t->tokens * t->tokens : e->most;
    return left < fit ? left : fit;
}

static lop_status check_rows(const lop_embedder *e, const lop_token_rows *t, lop_mat x)
{
    const int32_t hidden = e->net->config->hidden;
    if (x.type != LOP_F32 || x.rows != t->count || x.cols != hidden)
        return LOP_FAIL(LOP_E_ARGUMENT, "embeddings go to (%d, %d) f32; got (%d, %d) %s", t->count, hidden,
                        x.rows, x.cols, lop_type_name(x.type));
    if (t->tokens < 1 || t->count % t->tokens != 0 || t->first < 0)
        return LOP_FAIL(LOP_E_ARGUMENT, "%d tokens are no whole number of sequences of %d from position %d",
                        t->count, t->tokens, t->first);
    if (lop_mat_present(e->positions) && t->first > e->positions.rows - t->tokens)
        return LOP_FAIL(LOP_E_ARGUMENT, "%d tokens from position %d: the embedder is for %d positions",
                        t->tokens, t->first, e->positions.rows);
    return check_ids(e->net, t->ids, t->count);
}

lop_status lop_embedder_rows(lop_embedder *e, lop_queue *q, const lop_token_rows *t, lop_mat x)
{
    const int32_t vocab = e->net->config->vocab;
    LOP_TRY(check_rows(e, t, x));
    if (!e->wanted && t->count > vocab / 4) {
        lop_checkpoint_want(e->net->file, e->net->embedding, 0, vocab);
        e->wanted = true;
    }
    for (int32_t done = 0, n; done < t->count; done += n) {
        n = next_rows(e, t, done);
        LOP_TRY(some_rows(e, q, t->ids + done, t->tokens, lop_mat_rows(x, done, n)));
    }
    if (!lop_mat_present(e->positions) || t->count == 0) return LOP_OK;
    return lop_add_bias(q, x, lop_mat_rows(e->positions, t->first, t->tokens));
}

lop_status lop_embed(lop_queue *q, const lop_net *net, const lop_token_rows *t, lop_mat x)
{
    lop_embedder *e = NULL;
    const lop_embedder_plan plan = {.most = t->count < TOKENS ? t->count : TOKENS,
                                    .positions = t->first + t->tokens,
                                    .as = LOP_DTYPE_F32};
    LOP_TRY(lop_embedder_open(net, q->device, &plan, &e));
    lop_status status = lop_embedder_rows(e, q, t, x);
    if (status == LOP_OK) status = lop_queue_wait(q);
    lop_queue_settle(q);
    lop_embedder_close(e);
    return status;
}
