/* ffn.c - four streams that are opened, measured and closed together. */
#include "core/prune/ffn.h"

lop_status lop_ffn_open(lop_device *device, const lop_net *net, const lop_stream_shape *like,
                        lop_ffn_places places, lop_ffn *out)
{
    lop_status status = LOP_OK;
    lop_stream_shape hidden = *like, inner = *like;
    hidden.place = places.hidden;
    hidden.width = net->config->hidden;
    inner.place = places.inner;
    inner.width = net->config->ffn;
    *out = (lop_ffn){.kind = net->gate};
    LOP_TRY_DONE(lop_stream_open(device, &hidden, &out->input));
    LOP_TRY_DONE(lop_stream_open(device, &hidden, &out->output));
    LOP_TRY_DONE(lop_stream_open(device, &inner, &out->up));
    if (net->family->linear[LOP_LINEAR_GATE] != NULL)
        LOP_TRY_DONE(lop_stream_open(device, &inner, &out->gate));
done:
    if (status != LOP_OK) lop_ffn_close(out);
    return status;
}

void lop_ffn_close(lop_ffn *f)
{
    lop_stream_close(&f->gate);
    lop_stream_close(&f->up);
    lop_stream_close(&f->output);
    lop_stream_close(&f->input);
}

size_t lop_ffn_bytes(const lop_ffn *f, lop_place place)
{
    return lop_stream_bytes(&f->input, place) + lop_stream_bytes(&f->output, place) +
           lop_stream_bytes(&f->up, place) + lop_stream_bytes(&f->gate, place);
}

lop_status lop_ffn_watch(void *watcher, lop_queue *q, lop_input_id input, lop_mat x)
{
    const lop_ffn_watcher *w = watcher;
    if (w->ffn != NULL && input == LOP_INPUT_FFN) LOP_TRY(lop_stream_store(q, &w->ffn->input, w->batch, x));
    return lop_statistics_watch(w->statistics, q, input, x);
}
