/* block_rig.c - a checkpoint without a file gives the weights; the library's own reader brings them. */
#include "bench/block_rig.h"

#include "bench/shape.h"
#include "core/base/memory.h"

#include <string.h>

enum { SAMPLES = 4, TOKENS = 2048 };

static lop_status open_method(const bench *b, block_rig *r)
{
    const char *name = lop_settings_text(&b->settings, "method");
    lop_option_set set = {0};
    if (name == NULL || strcmp(name, "none") == 0) return LOP_OK;
    LOP_TRY(lop_method_need(name, &r->method));
    set.tables[0] = r->method->options;
    set.counts[0] = r->method->option_count;
    set.table_count = 1;
    LOP_TRY(lop_settings_open(&set, NULL, 0, &r->settings));
    r->target = (lop_target){.ratio = 0.5, .exact = true};
    return lop_settings_given(&b->settings, "sparsity-ratio") ||
                   lop_settings_given(&b->settings, "sparsity-type")
               ? lop_target_read(&b->settings, &r->target)
               : LOP_OK;
}

static int32_t given(const bench *b, const char *name, int32_t usual)
{
    return lop_settings_given(&b->settings, name) ? (int32_t)lop_settings_int(&b->settings, name) : usual;
}

static lop_status place(lop_device *device, lop_type word, block_rig *r)
{
    const int32_t rows = r->batch * r->tokens, width = r->net.config->hidden;
    LOP_TRY(lop_arena_open(device, LOP_ON_DEVICE, 0, &r->arena));
    LOP_TRY(lop_block_place(r->arena, &r->net, word, &r->block));
    LOP_TRY(lop_arena_mat(r->arena, rows, width, LOP_F32, &r->x));
    LOP_TRY(lop_arena_mat(r->arena, rows, 1, LOP_U32, &r->row_count));
    LOP_TRY(lop_arena_mat(r->arena, 1, 1, LOP_I64, &r->wrong));
    LOP_TRY(lop_mat_zero(r->queue, r->wrong));
    if (r->method == NULL) return LOP_OK;
    LOP_TRY(lop_statistics_place(r->arena, &r->net, rows, false, &r->statistics));
    LOP_TRY(lop_statistics_reset(r->queue, &r->statistics));
    for (int32_t i = 0; i < r->block.count; i++) {
        const lop_mat w = r->block.linears[i].w;
        LOP_TRY(lop_arena_mat(r->arena, w.rows, (w.cols + 7) / 8, LOP_U8, &r->keep[i]));
    }
    return LOP_OK;
}

static lop_status read_block(lop_device *device, block_rig *r)
{
    lop_reader *reader = NULL;
    lop_block *block = NULL;
    const lop_reader_plan plan = {
        .net = &r->net, .device = device, .end = 1, .blocks = &r->block, .count = 1};
    LOP_TRY(lop_reader_open(&plan, &reader));
    lop_status status = lop_reader_take(reader, r->queue, &block);
    if (status == LOP_OK) status = lop_queue_wait(r->queue);
    lop_reader_close(reader);
    return status;
}

/* Embeddings of tokens that walk through the vocabulary. */
static lop_status fill_input(block_rig *r)
{
    int32_t *ids = NULL;
    lop_status status = LOP_OK;
    LOP_TRY(LOP_NEW(&ids, r->batch * r->tokens));
    for (int32_t at = 0; at < r->input.count; at++) {
        const lop_mat x = block_rig_x(r, at);
        for (int32_t i = 0; i < x.rows; i++)
            ids[i] = (int32_t)(((int64_t)at * x.rows + i) * 7919 % r->net.config->vocab);
        LOP_TRY_DONE(lop_embed(r->queue, &r->net, ids, x.rows, x));
        LOP_TRY_DONE(lop_stream_store(r->queue, &r->input, at, x));
    }
done:
    lop_free(ids);
    return status;
}

static lop_status open_input(lop_device *device, const lop_config *config, block_rig *r)
{
    const lop_stream_shape shape = {.place = LOP_ON_DEVICE,
                                    .type = config->dtype == LOP_DTYPE_F16    ? LOP_F16
                                            : config->dtype == LOP_DTYPE_BF16 ? LOP_BF16
                                                                              : LOP_F32,
                                    .sequences = r->sequences,
                                    .batch = r->batch,
                                    .tokens = r->tokens,
                                    .width = config->hidden};
    LOP_TRY(lop_stream_open(device, &shape, &r->input));
    return fill_input(r);
}

lop_status block_rig_open(bench *b, block_rig *r)
{
    r->queue = &b->queue;
    r->tokens = given(b, "seqlen", TOKENS);
    r->sequences = given(b, "nsamples", SAMPLES);
    r->batch = given(b, "forward-batch", 1);
    if (r->batch > r->sequences) r->batch = r->sequences;
    LOP_TRY(open_method(b, r));
    LOP_TRY(bench_shape_open(b, &r->file));
    LOP_TRY(lop_net_open(r->file, &r->net));
    const lop_type word = lop_walk_word(b->device, &r->net);
    LOP_TRY(place(b->device, word, r));
    LOP_TRY(read_block(b->device, r));
    LOP_TRY(lop_forward_open(&r->net, b->device, word, r->batch, r->tokens, &r->forward));
    return open_input(b->device, r->net.config, r);
}

void block_rig_close(block_rig *r)
{
    lop_stream_close(&r->input);
    lop_forward_close(r->forward);
    lop_arena_close(r->arena);
    lop_net_close(&r->net);
    lop_checkpoint_close(r->file);
    lop_settings_close(&r->settings);
}

lop_mat block_rig_x(const block_rig *r, int turn)
{
    return lop_mat_rows(r->x, 0, lop_stream_sequences(&r->input, turn % r->input.count) * r->tokens);
}

lop_status block_rig_load(block_rig *r, int turn)
{
    return lop_stream_load(r->queue, &r->input, turn % r->input.count, block_rig_x(r, turn));
}
