/* ffn.h - the feed-forward half of a block over all calibration windows, for methods that take it apart: what enters its first
 * linears, and room for as much of what they and the last one give. */
#ifndef LOP_CORE_PRUNE_FFN_H
#define LOP_CORE_PRUNE_FFN_H

#include "core/prune/calibrate.h"
#include "core/prune/stream.h"

/* Streams of the same batches. T tokens in all, C hidden, F feed-forward, W the storage word of weights. */
typedef struct lop_ffn {
    lop_stream input;    /* (T, C) W: filled while the dense block runs; read only for the method */
    lop_stream output;   /* (T, C) W: the method's own, as what follows */
    lop_stream up, gate; /* (T, F) W; gate without batches where the family has none */
    lop_gate_kind kind;  /* of its activation */
} lop_ffn;

/* Where its two halves lie: what is as wide as the hidden states, and what is as wide as the feed-forward. */
typedef struct lop_ffn_places {
    lop_place hidden, inner;
} lop_ffn_places;

/* Opens streams of this type, windows and batches; their width and place are its own. device NULL: only measures. */
LOP_CHECKED lop_status lop_ffn_open(lop_device *device, const lop_net *net, const lop_stream_shape *like,
                                    lop_ffn_places places, lop_ffn *out);
void lop_ffn_close(lop_ffn *f);
size_t lop_ffn_bytes(const lop_ffn *f, lop_place place);

/* A lop_watch_fn over a lop_ffn_watcher: it gathers statistics, and keeps batch `batch` of the input. */
typedef struct lop_ffn_watcher {
    lop_statistics *statistics;
    const lop_ffn *ffn; /* NULL: nothing is kept */
    int32_t batch;
} lop_ffn_watcher;
lop_status lop_ffn_watch(void *watcher, lop_queue *q, lop_input_id input, lop_mat x);

#endif
