/* run_memory.c - where everything of a run lies. The same placing code, run without a device, says what it takes. */
#include "core/prune/run_parts.h"

#include "core/io/tensor_copy.h"

#include <inttypes.h>

/* What passes by a linear of the block: its values in the type they are written in, if that is another. */
static lop_status measure_linear(const lop_run *run, const lop_linear_view *view)
{
    const lop_arena_mark mark = lop_arena_here(run->arena);
    const lop_type out = lop_run_type(lop_run_written_as(run, run->net.blocks[0].linear[view->id].weight));
    lop_mat rounded;
    lop_status status = LOP_OK;
    if (out != view->w.type) status = lop_arena_mat(run->arena, view->w.rows, view->w.cols, out, &rounded);
    if (status == LOP_OK && run->options.quant.bits != 0) status = lop_run_quant_measure(run, view->w, out);
    lop_arena_reset(run->arena, mark);
    return status;
}

static lop_status measure_method(lop_run *run, lop_status (*measure)(lop_prune_block *block), bool by_default)
{
    lop_prune_block all;
    const lop_arena_mark mark = lop_arena_here(run->arena);
    lop_run_choose(run, -1, &all);
    if (by_default) all.settings = NULL;
    const lop_status status = measure != NULL ? measure(&all) : LOP_OK;
    lop_arena_reset(run->arena, mark);
    return status;
}

/* What only passes by while a block is at work; all of it takes turns. */
static lop_status measure_work(lop_run *run)
{
    run->span_count = run->need.span;
    for (int32_t k = 0; k < run->span_count; k++) run->span[k] = &run->mats.blocks[k];
    lop_run_turn(run, 0);
    for (int32_t i = 0; i < run->block->count; i++) LOP_TRY(measure_linear(run, &run->block->linears[i]));
    LOP_TRY(measure_method(run, run->method->measure, false));
    if (run->update != NULL) LOP_TRY(measure_method(run, run->update->measure, false));
    return run->options.loss_before ? measure_method(run, lop_method_magnitude.measure, true) : LOP_OK;
}

/* What a pass over calibration windows has of block k of a span, and a learner. */
static lop_status place_pass(lop_run *run, lop_run_mats *m, int32_t k)
{
    const uint32_t gathers = lop_run_gathers(run);
    const lop_statistics_wish wish = {.gram = (gathers & LOP_NEED_GRAM) != 0,
                                      .moments = (gathers & LOP_NEED_MOMENTS) != 0};
    LOP_TRY(lop_statistics_place(run->arena, &run->net, m->x.rows, wish, &m->statistics[k]));
    if (run->options.loss_before || lop_run_learns(run) || (run->need.what & LOP_NEED_SPARE) != 0)
        LOP_TRY(lop_block_place(run->arena, &run->net, run->word, &m->other[k]));
    if (!lop_run_learns(run)) return LOP_OK;
    return lop_tape_place(run->arena, &run->net, run->word, run->need.windows, run->calibration.seqlen, k > 0,
                          &m->tape[k]);
}

static lop_status place_passes(lop_run *run, lop_run_mats *m)
{
    const int32_t rows = run->options.forward_batch * run->calibration.seqlen,
                  width = run->net.config->hidden;
    if (!lop_run_forwards(run)) return LOP_OK;
    LOP_TRY(lop_arena_mat(run->arena, rows, width, LOP_F32, &m->x));
    if (lop_run_keeps_added(run) && run->options.loss_after)
        LOP_TRY(lop_arena_mat(run->arena, run->calibration.seqlen, width, LOP_F32, &m->want));
    LOP_TRY(lop_arena_mat(run->arena, rows, 1, LOP_F32, &m->row_sum));
    LOP_TRY(lop_arena_mat(run->arena, rows, 1, LOP_U32, &m->row_count));
    for (int32_t k = 0; k < run->need.span; k++) LOP_TRY(place_pass(run, m, k));
    return LOP_OK;
}

/* What is decided of block k of a span. */
static lop_status place_decided(lop_run *run, lop_run_mats *m, int32_t k)
{
    for (int32_t i = 0; i < m->blocks[k].count; i++) {
        const lop_mat w = m->blocks[k].linears[i].w;
        LOP_TRY(lop_arena_mat(run->arena, w.rows, (w.cols + 7) / 8, LOP_U8, &m->keep[k][i]));
        LOP_TRY(lop_run_quant_place(run, w, &m->grid[k][i]));
    }
    return LOP_OK;
}

/* Biases of which some block has one that is written anew. */
static lop_status place_biases(lop_run *run, lop_run_mats *m)
{
    for (int32_t i = 0; run->structure.net != NULL && i < m->blocks[0].count; i++) {
        const lop_linear_view *view = &m->blocks[0].linears[i];
        bool taken = false;
        for (int32_t b = 0; b < run->choice.blocks; b++)
            taken = taken || lop_run_takes_bias(run, b, view->id);
        if (taken) LOP_TRY(lop_arena_mat(run->arena, 1, view->w.rows, LOP_F32, &m->bias[i]));
    }
    return LOP_OK;
}

static lop_status place_blocks(lop_run *run, lop_run_mats *m)
{
    const int32_t span = run->need.span;
    int32_t rows_most = 1;
    LOP_TRY(lop_arena_mat(run->arena, span, 2 * LOP_LOSSES, LOP_F32, &m->loss));
    LOP_TRY(lop_arena_mat(run->arena, span * LOP_COUNT_ROWS, LOP_LINEAR_COUNT, LOP_I64, &m->count));
    for (int32_t k = 0; k <= span; k++)
        LOP_TRY(lop_block_place(run->arena, &run->net, run->word, &m->blocks[k]));
    for (int32_t k = 0; k < span; k++) LOP_TRY(place_decided(run, m, k));
    LOP_TRY(place_biases(run, m));
    for (int32_t i = 0; i < m->blocks[0].count; i++) {
        const int32_t rows = m->blocks[0].linears[i].w.rows;
        rows_most = rows > rows_most ? rows : rows_most;
    }
    LOP_TRY(lop_arena_mat(run->arena, rows_most, 1, LOP_U32, &m->linear_count));
    return place_passes(run, m);
}

static lop_status place_streams(lop_run *run, lop_device *device, lop_ffn_places place)
{
    lop_stream_shape shape = {.place = place.hidden,
                              .type = run->word,
                              .sequences = run->calibration.windows,
                              .batch = run->options.forward_batch,
                              .tokens = run->calibration.seqlen,
                              .width = run->net.config->hidden};
    if (!lop_run_forwards(run)) return LOP_OK;
    LOP_TRY(lop_stream_open(device, &shape, &run->input));
    if (lop_run_keeps_ffn(run)) LOP_TRY(lop_ffn_open(device, &run->net, &shape, place, &run->ffn));
    /* A loss is a small difference: rounding its terms would drown it. */
    const lop_stream *base = lop_run_keeps_added(run) ? &run->input : NULL;
    if (base == NULL) shape.type = LOP_F32;
    if (lop_run_keeps_dense(run) || lop_run_has_dense_stream(run))
        LOP_TRY(lop_stream_open(device, &shape, &run->dense));
    if ((run->need.what & LOP_NEED_MIDDLE) != 0 || lop_run_keeps_between(run))
        LOP_TRY(lop_stream_open(device, &shape, &run->middle));
    run->dense.base = run->middle.base = base;
    return LOP_OK;
}

lop_status lop_run_place(lop_run *run, lop_device *device, lop_ffn_places place, size_t arena_bytes)
{
    LOP_TRY(lop_arena_open(device, LOP_ON_DEVICE, arena_bytes, &run->arena));
    LOP_TRY(place_blocks(run, &run->mats));
    LOP_TRY(place_streams(run, device, place));
    return device == NULL ? measure_work(run) : LOP_OK; /* a learner's steps are those of the streams */
}

void lop_run_unplace(lop_run *run)
{
    lop_ffn_close(&run->ffn);
    lop_stream_close(&run->middle);
    lop_stream_close(&run->dense);
    lop_stream_close(&run->input);
    lop_arena_close(run->arena);
    run->arena = NULL;
}

/* Of the passes, forward and for a learner backward too, which share it. */
static size_t workspace_bytes(const lop_run *run)
{
    const int32_t tokens = run->calibration.seqlen;
    const size_t forward = lop_forward_bytes(&run->net, run->word, run->options.forward_batch, tokens);
    if (!lop_run_learns(run)) return forward;
    const size_t back = lop_backward_bytes(&run->net, run->word, run->need.windows, tokens);
    return back > forward ? back : forward;
}

static size_t embedder_bytes(const lop_run *run, lop_place place)
{
    return lop_embedder_bytes(&run->net, run->call->device, run->calibration.seqlen, place);
}

/* Of the embedder and of what products work in. They take turns where embeddings are not projected and are needed once: it is
 * closed before the first product. */
static size_t turns_bytes(const lop_run *run)
{
    const size_t embedder = embedder_bytes(run, LOP_ON_DEVICE), products = run->call->device->product_bytes;
    const bool again = run->need.survey != 0 && lop_run_walks(run);
    if (run->net.project_in || again) return embedder + products;
    return embedder > products ? embedder : products;
}

static uint64_t streams_bytes(const lop_run *run, lop_place place)
{
    return (uint64_t)lop_stream_bytes(&run->input, place) + lop_stream_bytes(&run->dense, place) +
           lop_stream_bytes(&run->middle, place) + lop_ffn_bytes(&run->ffn, place);
}

lop_status lop_run_measure(const lop_run *run, lop_ffn_places place, lop_run_bytes *out)
{
    lop_run copy = *run; /* the placing code writes into a run: into one that nobody keeps */
    copy.arena = NULL;
    copy.input = copy.dense = copy.middle = (lop_stream){0};
    copy.ffn = (lop_ffn){0};
    const lop_status status = lop_run_place(&copy, NULL, place, 0);
    *out = (lop_run_bytes){0};
    if (status == LOP_OK) {
        const bool forwards = lop_run_forwards(run);
        out->arena = out->weights = lop_arena_peak(copy.arena);
        if (forwards) out->weights += workspace_bytes(run) + turns_bytes(run);
        out->weights += lop_reader_bytes(&run->net, run->call->device, LOP_ON_DEVICE);
        out->activations = streams_bytes(&copy, LOP_ON_DEVICE);
        out->device = out->weights + out->activations;
        out->host = forwards ? embedder_bytes(run, LOP_ON_HOST) : 0;
        out->host +=
            LOP_TENSOR_COPY_BYTES + lop_reader_bytes(&run->net, run->call->device, LOP_ON_HOST) +
            2 * (uint64_t)lop_run_job_bytes(run) +
            (uint64_t)run->calibration.windows * (uint64_t)run->calibration.seqlen * sizeof(int32_t) +
            streams_bytes(&copy, LOP_ON_HOST);
        if (run->call->device->host_memory) out->host += out->device;
    }
    lop_run_unplace(&copy);
    return status;
}

size_t lop_run_job_bytes(const lop_run *run)
{
    enum { PIECE = 64 };
    size_t most = 0;
    for (int32_t b = 0; b < run->net.config->blocks; b++) {
        size_t bytes = 0;
        for (int i = 0; i < LOP_LINEAR_COUNT; i++) {
            const lop_linear_file *l = &run->net.blocks[b].linear[i];
            if (l->weight == NULL) continue;
            if (lop_run_takes_bias(run, b, (lop_linear_id)i)) bytes += sizeof(float) * (size_t)l->out + PIECE;
            bytes += lop_dtype_bytes(lop_run_written_as(run, l->weight), (uint64_t)l->out * (uint64_t)l->in) +
                     (size_t)l->out * (((size_t)l->in + 7) / 8) + 4 * (size_t)PIECE;
            if (run->options.quant.bits != 0)
                bytes +=
                    2 * sizeof(float) * (size_t)l->out * (size_t)lop_quant_grids(&run->options.quant, l->in);
        }
        most = bytes > most ? bytes : most;
    }
    return most;
}

static double gib(uint64_t bytes)
{
    return (double)bytes / (1024.0 * 1024.0 * 1024.0);
}

enum { PART_OF_OTHERS = 16 };

/* What the run may take of the device: the budget, or without one what is free there, less a part for what drivers and
 * libraries take beside it. 0: no limit. */
static lop_status device_allowed(const lop_run *run, uint64_t *out)
{
    lop_device *device = run->call->device;
    size_t there = 0;
    *out = run->call->device_bytes_most;
    if (*out != 0 || device == NULL || device->host_memory) return LOP_OK;
    LOP_TRY(device->backend->bytes_free(device, &there));
    *out = there - there / PART_OF_OTHERS;
    return LOP_OK;
}

lop_status lop_run_fit(const lop_run *run, lop_ffn_places *out, lop_run_bytes *used)
{
    static const lop_ffn_places places[] = {
        {LOP_ON_DEVICE, LOP_ON_DEVICE}, {LOP_ON_HOST, LOP_ON_DEVICE}, {LOP_ON_HOST, LOP_ON_HOST}};
    const int count = lop_run_keeps_ffn(run) ? 3 : 2;
    lop_run_bytes bytes = {0};
    uint64_t device;
    const uint64_t host = run->call->host_bytes_most;
    const bool budget = run->call->device_bytes_most != 0;
    LOP_TRY(device_allowed(run, &device));
    for (int i = 0; i < count; i++) {
        *out = places[i];
        LOP_TRY(lop_run_measure(run, places[i], &bytes));
        if (device == 0 || bytes.device <= device) break;
    }
    if (device != 0 && bytes.device > device)
        return LOP_FAIL(LOP_E_DEVICE_MEMORY,
                        "this run takes %.3f GiB of device memory (%" PRIu64
                        " bytes) and %.3f are %s%s: a lower --forward-batch or a smaller --seqlen takes "
                        "less, or take another device (--backend, --device)",
                        gib(bytes.device), bytes.device, gib(device), budget ? "allowed" : "free on ",
                        budget ? "" : run->call->device->name);
    if (host != 0 && bytes.host > host)
        return LOP_FAIL(LOP_E_MEMORY,
                        "this run takes %.3f GiB of host memory (%" PRIu64
                        " bytes) and %.3f are allowed: fewer --nsamples or a smaller --seqlen takes less",
                        gib(bytes.host), bytes.host, gib(host));
    *used = bytes;
    return LOP_OK;
}
