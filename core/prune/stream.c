/* stream.c - hidden states kept in batches. */
#include "core/prune/stream.h"

#include "core/base/memory.h"
#include "core/device/device.h"

static int32_t batch_rows(const lop_stream *s, int32_t batch)
{
    return lop_stream_sequences(s, batch) * s->shape.tokens;
}

int32_t lop_stream_sequences(const lop_stream *s, int32_t batch)
{
    const int32_t left = s->shape.sequences - batch * s->shape.batch;
    return left < s->shape.batch ? left : s->shape.batch;
}

lop_status lop_stream_open(lop_device *device, const lop_stream_shape *shape, lop_stream *out)
{
    lop_status status = LOP_OK;
    *out = (lop_stream){.shape = *shape, .count = (shape->sequences + shape->batch - 1) / shape->batch};
    LOP_TRY_DONE(LOP_NEW(&out->at, out->count));
    LOP_TRY_DONE(lop_arena_open(device, shape->place, 0, &out->arena));
    for (int32_t i = 0; i < out->count; i++)
        LOP_TRY_DONE(lop_arena_mat(out->arena, batch_rows(out, i), shape->width, shape->type, &out->at[i]));
    LOP_TRY_DONE(lop_arena_open(device, LOP_ON_DEVICE, 0, &out->near));
    if (shape->place == LOP_ON_HOST)
        LOP_TRY_DONE(lop_arena_mat(out->near, batch_rows(out, 0), shape->width, shape->type, &out->stage));
done:
    if (status != LOP_OK) lop_stream_close(out);
    return status;
}

void lop_stream_close(lop_stream *s)
{
    if (s == NULL) return;
    lop_arena_close(s->near);
    lop_arena_close(s->arena);
    lop_free(s->at);
    *s = (lop_stream){0};
}

size_t lop_stream_bytes(const lop_stream *s, lop_place place)
{
    if (s->arena == NULL) return 0;
    const size_t batches = s->shape.place == place ? lop_arena_peak(s->arena) : 0;
    return batches + (place == LOP_ON_DEVICE ? lop_arena_peak(s->near) : 0);
}

static bool on_host(const lop_stream *s)
{
    return s->shape.place == LOP_ON_HOST;
}

lop_status lop_stream_view(lop_queue *q, const lop_stream *s, int32_t batch, lop_mat *out)
{
    *out = s->at[batch];
    if (!on_host(s)) return LOP_OK;
    *out = lop_mat_rows(s->stage, 0, s->at[batch].rows);
    return lop_upload(q, lop_mat_host(s->at[batch]), *out);
}

lop_status lop_stream_load(lop_queue *q, const lop_stream *s, int32_t batch, lop_mat x)
{
    lop_mat stored;
    LOP_TRY(lop_stream_view(q, s, batch, &stored));
    return lop_cast(q, stored, x);
}

lop_status lop_stream_store(lop_queue *q, const lop_stream *s, int32_t batch, lop_mat x)
{
    if (!on_host(s)) return lop_cast(q, x, s->at[batch]);
    const lop_mat stage = lop_mat_rows(s->stage, 0, x.rows);
    LOP_TRY(lop_cast(q, x, stage));
    return lop_download(q, stage, lop_mat_host(s->at[batch]));
}
