/* stream.h - the calibration's hidden states between blocks: batches of sequences, on the device, or on the host and
 * moved batch by batch when a budget keeps them off the device. */
#ifndef LOP_CORE_PRUNE_STREAM_H
#define LOP_CORE_PRUNE_STREAM_H

#include "core/device/arena.h"
#include "core/device/ops.h"

typedef struct lop_stream_shape {
    lop_place place;
    lop_type type;         /* what is stored: f32, f16 or bf16 */
    int32_t sequences;     /* in all */
    int32_t batch, tokens; /* sequences of a full batch, tokens of a sequence */
    int32_t width;         /* columns */
} lop_stream_shape;

typedef struct lop_stream lop_stream;
struct lop_stream {
    lop_stream_shape shape;
    lop_arena *arena;           /* of the batches */
    lop_mat *at;                /* one matrix a batch */
    int32_t count;              /* of batches */
    struct lop_stream_way *way; /* of batches on the host to the device and back; NULL: they lie there */
    /* NULL, or a stream of this one's shape: what is stored is the difference to what lies there, which is not to change before
     * the last use. Whoever opens the stream sets it. */
    const lop_stream *base;
};

/* device NULL: only measures. */
LOP_CHECKED lop_status lop_stream_open(lop_device *device, const lop_stream_shape *shape, lop_stream *out);
void lop_stream_close(lop_stream *s);

/* Bytes it holds, or would. */
size_t lop_stream_bytes(const lop_stream *s, lop_place place);

int32_t lop_stream_sequences(const lop_stream *s, int32_t batch); /* of this batch: the last may be short */

/* x (rows of the batch, width) f32 from or to batch `batch`: queued. Of batches on the host the next is fetched while one
 * is worked on, and a result leaves behind the work; all calls on a stream go to one queue. */
LOP_CHECKED lop_status lop_stream_load(lop_queue *q, const lop_stream *s, int32_t batch, lop_mat x);
LOP_CHECKED lop_status lop_stream_store(lop_queue *q, const lop_stream *s, int32_t batch, lop_mat x);

/* Batch `batch` as a matrix on the device in the stored type; valid until the next call on this stream. With a base these are
 * differences. */
LOP_CHECKED lop_status lop_stream_view(lop_queue *q, const lop_stream *s, int32_t batch, lop_mat *out);

/* Rows [first, first + rows) of batch `batch`: where they lie, or with a base in `room` (at least `rows`, width) f32, absent
 * without one; valid until the next call on this stream. */
LOP_CHECKED lop_status lop_stream_rows(lop_queue *q, const lop_stream *s, int32_t batch, int32_t first,
                                       int32_t rows, lop_mat room, lop_mat *out);

/* What was changed in a view of a stream without a base stays: queued, before the next call on this stream. */
LOP_CHECKED lop_status lop_stream_keep(lop_queue *q, const lop_stream *s, int32_t batch, lop_mat view);

#endif
