/* walk_head.c - behind the blocks: what tail.h has, and the head, whose rows come from the file in chunks, each read once
 * and met by all hidden states; or kept on the device, for generation and for losses that wait for nothing. */
#include "core/base/memory.h"
#include "core/model/staging.h"
#include "core/model/tail.h"
#include "core/model/walk.h"

#include <string.h>

#define CHUNK_ROWS 4096 /* of the vocabulary at a time */
#define TILE_ROWS  1024 /* hidden states at a time */

typedef struct sweep {
    const lop_net *net;
    lop_staging staging;
    lop_arena *arena;
    lop_tail tail;
    lop_mat head;   /* (chunk, E) word */
    lop_mat logits; /* (tile, chunk) f32 */
} sweep;

/* What becomes of logits of rows [row, ...) and vocabulary [first, ...). */
typedef lop_status use_fn(void *user, lop_queue *q, lop_mat logits, int32_t row, int32_t first);

/* Reads rows [first, first + to.rows) of the head and brings them to `to`; waits, so that the buffer is free again. */
static lop_status load_rows(lop_queue *q, const lop_staging *s, const lop_net *net, int64_t first, lop_mat to)
{
    const lop_dtype as = lop_checkpoint_word(net->head);
    void *values = lop_staging_at(s, 0);
    LOP_TRY(lop_checkpoint_read(net->file, net->head, first, to.rows, as, values));
    LOP_TRY(lop_staging_check(net->head, first, as, values, (int64_t)to.rows * to.cols));
    LOP_TRY(lop_staging_move(q, s, 0, as, to));
    return lop_queue_wait(q);
}

static lop_status open_staging(lop_device *device, const lop_net *net, int32_t rows, lop_staging *out)
{
    const size_t bytes = lop_staging_bytes(lop_checkpoint_word(net->head), (int64_t)rows * net->width);
    return lop_staging_open(device, bytes, bytes, out);
}

static lop_status place_sweep(sweep *s, lop_type word, int32_t rows)
{
    const int32_t chunk = lop_lesser(CHUNK_ROWS, s->net->config->vocab);
    LOP_TRY(lop_tail_place(s->arena, s->net, word, lop_lesser(rows, TILE_ROWS), &s->tail));
    LOP_TRY(lop_arena_mat(s->arena, chunk, s->net->width, word, &s->head));
    return lop_arena_mat(s->arena, lop_lesser(rows, TILE_ROWS), chunk, LOP_F32, &s->logits);
}

static void sweep_close(lop_queue *q, sweep *s)
{
    lop_queue_settle(q);
    lop_arena_close(s->arena);
    lop_staging_close(&s->staging);
}

static lop_status sweep_open(lop_queue *q, const lop_net *net, lop_mat x, sweep *out)
{
    *out = (sweep){.net = net};
    if (x.type != LOP_F32 || x.cols != net->config->hidden)
        return LOP_FAIL(LOP_E_ARGUMENT, "the head takes (N, %d) f32; got (%d, %d) %s", net->config->hidden,
                        x.rows, x.cols, lop_type_name(x.type));
    lop_status status =
        open_staging(q->device, net, lop_lesser(CHUNK_ROWS, net->config->vocab), &out->staging);
    if (status == LOP_OK) status = lop_arena_open(q->device, LOP_ON_DEVICE, 0, &out->arena);
    if (status == LOP_OK) status = place_sweep(out, lop_walk_word(q->device, net), x.rows);
    if (status == LOP_OK) status = lop_tail_load(q, &out->tail);
    if (status != LOP_OK) sweep_close(q, out);
    return status;
}

/* The tail is walked again for every chunk: it costs less than to keep all its rows. */
static lop_status sweep_run(lop_queue *q, const sweep *s, lop_mat x, use_fn *use, void *user)
{
    for (int32_t first = 0; first < s->net->config->vocab; first += CHUNK_ROWS) {
        const int32_t n = lop_lesser(CHUNK_ROWS, s->net->config->vocab - first);
        const lop_mat head = lop_mat_rows(s->head, 0, n);
        LOP_TRY(load_rows(q, &s->staging, s->net, first, head));
        for (int32_t row = 0; row < x.rows; row += TILE_ROWS) {
            const int32_t rows = lop_lesser(TILE_ROWS, x.rows - row);
            const lop_mat logits = lop_mat_cols(lop_mat_rows(s->logits, 0, rows), 0, n);
            lop_mat normed;
            LOP_TRY(lop_tail_rows(q, &s->tail, lop_mat_rows(x, row, rows), &normed));
            LOP_TRY(lop_linear(q, normed, head, LOP_NONE, logits));
            LOP_TRY(use(user, q, logits, row, first));
        }
    }
    return LOP_OK;
}

/* ---- losses */

typedef struct losses {
    lop_mat target, state, nll; /* (1, N) i32, (N, 3) f32, (1, N) f32 */
} losses;

static lop_status add_losses(void *user, lop_queue *q, lop_mat logits, int32_t row, int32_t first)
{
    const losses *l = user;
    return lop_cross_entropy_add(q, logits, first, lop_mat_cols(l->target, row, logits.rows),
                                 lop_mat_rows(l->state, row, logits.rows));
}

lop_status lop_head_nll(lop_queue *q, const lop_net *net, lop_mat x, const int32_t *target, float *nll)
{
    sweep s;
    losses l;
    lop_status status = sweep_open(q, net, x, &s);
    if (status != LOP_OK) return status;
    LOP_TRY_DONE(lop_arena_mat(s.arena, 1, x.rows, LOP_I32, &l.target));
    LOP_TRY_DONE(lop_arena_mat(s.arena, x.rows, 3, LOP_F32, &l.state));
    LOP_TRY_DONE(lop_arena_mat(s.arena, 1, x.rows, LOP_F32, &l.nll));
    LOP_TRY_DONE(lop_upload(q, target, l.target));
    LOP_TRY_DONE(lop_cross_entropy_begin(q, l.state));
    LOP_TRY_DONE(sweep_run(q, &s, x, add_losses, &l));
    LOP_TRY_DONE(lop_cross_entropy_end(q, l.state, l.target, l.nll));
    LOP_TRY_DONE(lop_download(q, l.nll, nll));
done:
    sweep_close(q, &s);
    return status;
}

/* ---- logits */

typedef struct logits_out {
    float *all, *tile; /* (N, V), (TILE_ROWS, CHUNK_ROWS) */
    int32_t vocab;
} logits_out;

static lop_status fetch_logits(void *user, lop_queue *q, lop_mat logits, int32_t row, int32_t first)
{
    const logits_out *o = user;
    LOP_TRY(lop_download(q, logits, o->tile));
    for (int32_t r = 0; r < logits.rows; r++)
        memcpy(o->all + (int64_t)(row + r) * o->vocab + first, o->tile + (int64_t)r * logits.cols,
               (size_t)logits.cols * sizeof(float));
    return LOP_OK;
}

lop_status lop_head_logits(lop_queue *q, const lop_net *net, lop_mat x, float *logits)
{
    sweep s;
    logits_out o = {.all = logits, .vocab = net->config->vocab};
    lop_status status = sweep_open(q, net, x, &s);
    if (status != LOP_OK) return status;
    LOP_TRY_DONE(lop_alloc((size_t)s.logits.rows * (size_t)s.logits.cols, sizeof(float), &o.tile));
    LOP_TRY_DONE(sweep_run(q, &s, x, fetch_logits, &o));
done:
    lop_free(o.tile);
    sweep_close(q, &s);
    return status;
}

/* ---- the head kept on the device */

struct lop_head {
    const lop_net *net;
    lop_arena *arena;
    int32_t rows; /* the most of a call */
    lop_tail tail;
    lop_mat weight;       /* (V, E) word */
    lop_mat logits, best; /* (rows, a chunk) f32 or (1, V) f32, (1, 1) i32 */
    lop_mat state;        /* (rows, 3) f32: of the losses */
};

static lop_status place_head(lop_arena *a, lop_type word, lop_head *h)
{
    const int32_t vocab = h->net->config->vocab;
    const int32_t chunk = h->rows == 1 ? vocab : lop_lesser(CHUNK_ROWS, vocab);
    LOP_TRY(lop_tail_place(a, h->net, word, h->rows, &h->tail));
    LOP_TRY(lop_arena_mat(a, vocab, h->net->width, word, &h->weight));
    LOP_TRY(lop_arena_mat(a, h->rows, chunk, LOP_F32, &h->logits));
    LOP_TRY(lop_arena_mat(a, h->rows, 3, LOP_F32, &h->state));
    return lop_arena_mat(a, 1, 1, LOP_I32, &h->best);
}

static lop_status load_head(lop_queue *q, const lop_head *h)
{
    const int32_t chunk = lop_lesser(CHUNK_ROWS, h->net->config->vocab);
    lop_staging s;
    LOP_TRY(open_staging(q->device, h->net, chunk, &s));
    lop_status status = lop_tail_load(q, &h->tail);
    for (int32_t first = 0; status == LOP_OK && first < h->weight.rows; first += chunk) {
        const int32_t n = lop_lesser(chunk, h->weight.rows - first);
        status = load_rows(q, &s, h->net, first, lop_mat_rows(h->weight, first, n));
    }
    lop_queue_settle(q);
    lop_staging_close(&s);
    return status;
}

lop_status lop_head_open_rows(lop_queue *q, const lop_net *net, int32_t rows, lop_head **out)
{
    *out = NULL;
    lop_head *h = NULL;
    lop_status status = LOP_OK;
    if (rows < 1) return LOP_FAIL(LOP_E_ARGUMENT, "a head for %d rows was asked for", rows);
    LOP_TRY(LOP_NEW(&h, 1));
    h->net = net;
    h->rows = rows;
    LOP_TRY_DONE(lop_arena_open(q->device, LOP_ON_DEVICE, 0, &h->arena));
    LOP_TRY_DONE(place_head(h->arena, lop_walk_word(q->device, net), h));
    LOP_TRY_DONE(load_head(q, h));
    *out = h;
done:
    if (status != LOP_OK) lop_head_close(h);
    return status;
}

lop_status lop_head_open(lop_queue *q, const lop_net *net, lop_head **out)
{
    return lop_head_open_rows(q, net, 1, out);
}

void lop_head_close(lop_head *h)
{
    if (h == NULL) return;
    lop_arena_close(h->arena);
    lop_free(h);
}

lop_status lop_head_best(lop_queue *q, const lop_head *h, lop_mat x, int32_t *id)
{
    if (h->rows != 1) return LOP_FAIL(LOP_E_ARGUMENT, "a head for %d rows gives losses, no ids", h->rows);
    lop_mat normed;
    LOP_TRY(lop_tail_rows(q, &h->tail, x, &normed));
    LOP_TRY(lop_linear(q, normed, h->weight, LOP_NONE, h->logits));
    LOP_TRY(lop_argmax_rows(q, h->logits, h->best));
    return lop_download(q, h->best, id);
}

lop_status lop_head_losses(lop_queue *q, const lop_head *h, lop_mat x, lop_mat target, lop_mat nll)
{
    if (x.rows > h->rows)
        return LOP_FAIL(LOP_E_ARGUMENT, "losses of %d rows from a head for %d", x.rows, h->rows);
    const lop_mat state = lop_mat_rows(h->state, 0, x.rows);
    lop_mat normed;
    LOP_TRY(lop_tail_rows(q, &h->tail, x, &normed));
    LOP_TRY(lop_cross_entropy_begin(q, state));
    for (int32_t first = 0; first < h->weight.rows; first += h->logits.cols) {
        const int32_t n = lop_lesser(h->logits.cols, h->weight.rows - first);
        const lop_mat logits = lop_mat_cols(lop_mat_rows(h->logits, 0, x.rows), 0, n);
        LOP_TRY(lop_linear(q, normed, lop_mat_rows(h->weight, first, n), LOP_NONE, logits));
        LOP_TRY(lop_cross_entropy_add(q, logits, first, target, state));
    }
    return lop_cross_entropy_end(q, state, target, nll);
}
