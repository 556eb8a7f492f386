/* stream.c - hidden states kept in batches, on the device, or on the host with three stages on the device between. */
#include "core/prune/stream.h"

#include "core/base/memory.h"
#include "core/device/device.h"

/* What a batch passes: a matrix on the device, and where the queues stand with it. */
typedef struct stage {
    lop_mat m;
    int32_t batch;   /* that it holds, in the order of the caller's queue; -1: none */
    lop_fence ready; /* on the way's queue: the copy is through */
} stage;

/* Copies run beside the work, in this queue's order. */
struct lop_stream_way {
    lop_arena *arena; /* of the stages, on the device */
    lop_queue queue;
    stage in[2], out;
    int turn;         /* the stage that came in last */
    lop_fence worked; /* on the caller's queue: marked whenever the way's queue must come behind it */
};

static int32_t batch_rows(const lop_stream *s, int32_t batch)
{
    return lop_stream_sequences(s, batch) * s->shape.tokens;
}

int32_t lop_stream_sequences(const lop_stream *s, int32_t batch)
{
    const int32_t left = s->shape.sequences - batch * s->shape.batch;
    return left < s->shape.batch ? left : s->shape.batch;
}

static lop_status stage_open(lop_device *device, const lop_stream *s, stage *out)
{
    out->batch = -1;
    LOP_TRY(lop_arena_mat(s->way->arena, batch_rows(s, 0), s->shape.width, s->shape.type, &out->m));
    return device == NULL ? LOP_OK : lop_fence_open(device, &out->ready);
}

static lop_status way_open(lop_device *device, lop_stream *s)
{
    LOP_TRY(LOP_NEW(&s->way, 1));
    LOP_TRY(lop_arena_open(device, LOP_ON_DEVICE, 0, &s->way->arena));
    LOP_TRY(stage_open(device, s, &s->way->in[0]));
    LOP_TRY(stage_open(device, s, &s->way->in[1]));
    LOP_TRY(stage_open(device, s, &s->way->out));
    if (device == NULL) return LOP_OK;
    LOP_TRY(lop_fence_open(device, &s->way->worked));
    return lop_queue_open(device, &s->way->queue);
}

/* The queue first: it waits for what still goes from and to the batches. */
static void way_close(struct lop_stream_way *w)
{
    if (w == NULL) return;
    lop_queue_close(&w->queue);
    lop_fence_close(&w->in[0].ready);
    lop_fence_close(&w->in[1].ready);
    lop_fence_close(&w->out.ready);
    lop_fence_close(&w->worked);
    lop_arena_close(w->arena);
    lop_free(w);
}

lop_status lop_stream_open(lop_device *device, const lop_stream_shape *shape, lop_stream *out)
{
    lop_status status = LOP_OK;
    *out = (lop_stream){.shape = *shape, .count = (shape->sequences + shape->batch - 1) / shape->batch};
    LOP_TRY_DONE(LOP_NEW(&out->at, out->count));
    LOP_TRY_DONE(lop_arena_open(device, shape->place, 0, &out->arena));
    for (int32_t i = 0; i < out->count; i++)
        LOP_TRY_DONE(lop_arena_mat(out->arena, batch_rows(out, i), shape->width, shape->type, &out->at[i]));
    if (shape->place == LOP_ON_HOST) LOP_TRY_DONE(way_open(device, out));
done:
    if (status != LOP_OK) lop_stream_close(out);
    return status;
}

void lop_stream_close(lop_stream *s)
{
    if (s == NULL) return;
    way_close(s->way);
    lop_arena_close(s->arena);
    lop_free(s->at);
    *s = (lop_stream){0};
}

size_t lop_stream_bytes(const lop_stream *s, lop_place place)
{
    if (s->arena == NULL) return 0;
    const size_t stages = s->way != NULL && place == LOP_ON_DEVICE ? lop_arena_peak(s->way->arena) : 0;
    return stages + (s->shape.place == place ? lop_arena_peak(s->arena) : 0);
}

/* ---- batches on the host */

/* What the way's queue does from now on comes behind all that the caller has queued. */
static lop_status come_behind(lop_queue *q, struct lop_stream_way *w)
{
    LOP_TRY(lop_fence_mark(q, &w->worked));
    return lop_fence_wait(&w->queue, &w->worked);
}

static lop_status batch_copy(const lop_stream *s, int32_t batch, const stage *at, bool in)
{
    const lop_mat near = at->m, far = s->at[batch];
    const size_t size = lop_type_bytes(far.type), bytes = (size_t)lop_mat_elements(far) * size;
    const size_t near_at = (size_t)near.at * size, far_at = (size_t)far.at * size;
    lop_queue *q = &s->way->queue;
    return in ? q->device->backend->copy(q, near.buf, near_at, far.buf, far_at, bytes)
              : q->device->backend->copy(q, far.buf, far_at, near.buf, near_at, bytes);
}

static lop_status fetch(lop_queue *q, const lop_stream *s, int32_t batch, stage *to)
{
    to->batch = -1;
    LOP_TRY(come_behind(q, s->way));
    LOP_TRY(batch_copy(s, batch, to, true));
    LOP_TRY(lop_fence_mark(&s->way->queue, &to->ready));
    to->batch = batch;
    return LOP_OK;
}

/* The batch comes in, if it is not there; the one that usually follows is on its way afterwards. */
static lop_status host_view(lop_queue *q, const lop_stream *s, int32_t batch, lop_mat *out)
{
    struct lop_stream_way *w = s->way;
    const int32_t next = (batch + 1) % s->count, rows = s->at[batch].rows;
    if (w->out.batch == batch) { /* just stored: it is still there, and may change once it has gone out */
        *out = lop_mat_rows(w->out.m, 0, rows);
        return lop_fence_wait(q, &w->out.ready);
    }
    if (w->in[w->turn].batch != batch) w->turn = 1 - w->turn;
    stage *this = &w->in[w->turn], *other = &w->in[1 - w->turn];
    if (this->batch != batch) LOP_TRY(fetch(q, s, batch, this));
    LOP_TRY(lop_fence_wait(q, &this->ready));
    if (other->batch != next && next != batch) LOP_TRY(fetch(q, s, next, other));
    *out = lop_mat_rows(this->m, 0, rows);
    return LOP_OK;
}

/* What is stored of x: `to` becomes that. A difference is rounded once. */
static lop_status put(lop_queue *q, const lop_stream *s, int32_t batch, lop_mat x, lop_mat to)
{
    lop_mat base;
    if (s->base == NULL) return lop_cast(q, x, to);
    LOP_TRY(lop_stream_view(q, s->base, batch, &base));
    LOP_TRY(lop_cast(q, base, to));
    return lop_axpby(q, 1.0f, x, -1.0f, to);
}

/* What the stage of results holds, as batch `batch`. */
static lop_status send_out(lop_queue *q, const lop_stream *s, int32_t batch)
{
    struct lop_stream_way *w = s->way;
    LOP_TRY(come_behind(q, w));
    LOP_TRY(batch_copy(s, batch, &w->out, false));
    LOP_TRY(lop_fence_mark(&w->queue, &w->out.ready));
    w->out.batch = batch;
    return LOP_OK;
}

/* What came in of this batch is not what it is from now on. */
static lop_status host_store(lop_queue *q, const lop_stream *s, int32_t batch, lop_mat x)
{
    struct lop_stream_way *w = s->way;
    for (int i = 0; i < 2; i++)
        if (w->in[i].batch == batch) w->in[i].batch = -1;
    if (w->out.batch >= 0) LOP_TRY(lop_fence_wait(q, &w->out.ready));
    w->out.batch = -1;
    LOP_TRY(put(q, s, batch, x, lop_mat_rows(w->out.m, 0, x.rows)));
    return send_out(q, s, batch);
}

/* ---- batches wherever they lie */

lop_status lop_stream_view(lop_queue *q, const lop_stream *s, int32_t batch, lop_mat *out)
{
    if (s->way != NULL) return host_view(q, s, batch, out);
    *out = s->at[batch];
    return LOP_OK;
}

/* x: rows from `first` on. */
static lop_status get(lop_queue *q, const lop_stream *s, int32_t batch, int32_t first, lop_mat x)
{
    lop_mat base, stored;
    LOP_TRY(lop_stream_view(q, s, batch, &stored));
    stored = lop_mat_rows(stored, first, x.rows);
    if (s->base == NULL) return lop_cast(q, stored, x);
    LOP_TRY(lop_stream_view(q, s->base, batch, &base));
    LOP_TRY(lop_cast(q, lop_mat_rows(base, first, x.rows), x));
    return lop_axpby(q, 1.0f, stored, 1.0f, x);
}

lop_status lop_stream_load(lop_queue *q, const lop_stream *s, int32_t batch, lop_mat x)
{
    return get(q, s, batch, 0, x);
}

lop_status lop_stream_rows(lop_queue *q, const lop_stream *s, int32_t batch, int32_t first, int32_t rows,
                           lop_mat room, lop_mat *out)
{
    if (s->base != NULL) {
        *out = lop_mat_rows(room, 0, rows);
        return get(q, s, batch, first, *out);
    }
    LOP_TRY(lop_stream_view(q, s, batch, out));
    *out = lop_mat_rows(*out, first, rows);
    return LOP_OK;
}

lop_status lop_stream_store(lop_queue *q, const lop_stream *s, int32_t batch, lop_mat x)
{
    return s->way != NULL ? host_store(q, s, batch, x) : put(q, s, batch, x, s->at[batch]);
}

lop_status lop_stream_keep(lop_queue *q, const lop_stream *s, int32_t batch, lop_mat view)
{
    if (s->way == NULL) return LOP_OK;
    const bool own = view.buf == s->way->out.m.buf && view.at == s->way->out.m.at;
    return own ? send_out(q, s, batch) : host_store(q, s, batch, view);
}
