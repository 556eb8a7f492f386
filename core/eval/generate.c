/* generate.c - greedy continuation: the prompt in one pass, then token by token. Blocks stay on the device where they
 * fit; else every step reads them again. */
#include "core/eval/generate.h"

#include "core/base/memory.h"

typedef struct writer {
    lop_device *device;
    const lop_net *net;
    lop_queue queue;
    lop_forward *forward;
    lop_embedder *embedder;
    lop_cache *cache;
    lop_head *head;
    lop_arena *arena;
    lop_mat x;         /* (positions, C) f32 */
    lop_block *blocks; /* all of them, or two that take each in turn */
    int32_t placed;
    bool resident;
} writer;

static lop_status check_args(const lop_net *net, int32_t count, const lop_ids *ids)
{
    if (ids->count < 1)
        return LOP_FAIL(LOP_E_ARGUMENT, "the prompt is empty: generation takes at least one token");
    if (count < 0 || ids->count + count > net->config->positions)
        return LOP_FAIL(LOP_E_ARGUMENT,
                        "%lld tokens of prompt and %d more are beyond the model's %d positions",
                        (long long)ids->count, count, net->config->positions);
    return LOP_OK;
}

/* Half of what is free is left to others: on a host the memory is theirs as well. */
static lop_status blocks_fit(const writer *w, lop_type word, bool *out)
{
    size_t free_bytes = 0;
    lop_arena *measure = NULL;
    lop_block block;
    LOP_TRY(w->device->backend->bytes_free(w->device, &free_bytes));
    LOP_TRY(lop_arena_open(NULL, LOP_ON_DEVICE, 0, &measure));
    const lop_status status = lop_block_place(measure, w->net, word, &block);
    *out = lop_arena_peak(measure) <= free_bytes / 2 / (size_t)w->net->config->blocks;
    lop_arena_close(measure);
    return status;
}

static lop_status open_writer(writer *w, int32_t positions)
{
    const lop_type word = lop_walk_word(w->device, w->net);
    LOP_TRY(lop_queue_open(w->device, &w->queue));
    LOP_TRY(lop_forward_open(w->net, w->device, word, 1, positions, &w->forward));
    LOP_TRY(lop_cache_open(w->net, w->device, word, positions, &w->cache));
    const lop_embedder_plan embedding = {.most = positions, .positions = positions, .as = LOP_DTYPE_F32};
    LOP_TRY(lop_embedder_open(w->net, w->device, &embedding, &w->embedder));
    LOP_TRY(lop_head_open(&w->queue, w->net, &w->head));
    LOP_TRY(lop_arena_open(w->device, LOP_ON_DEVICE, 0, &w->arena));
    LOP_TRY(lop_arena_mat(w->arena, positions, w->net->config->hidden, LOP_F32, &w->x));
    LOP_TRY(blocks_fit(w, word, &w->resident));
    w->placed = w->resident ? w->net->config->blocks : 2;
    LOP_TRY(LOP_NEW(&w->blocks, w->placed));
    for (int32_t b = 0; b < w->placed; b++) LOP_TRY(lop_block_place(w->arena, w->net, word, &w->blocks[b]));
    return LOP_OK;
}

static void close_writer(writer *w)
{
    lop_queue_close(&w->queue); /* first: what stopped half way has work on what goes */
    lop_free(w->blocks);
    lop_arena_close(w->arena);
    lop_head_close(w->head);
    lop_embedder_close(w->embedder);
    lop_cache_close(w->cache);
    lop_forward_close(w->forward);
}

/* Positions [first, first + rows) through all blocks. `fill`: the blocks' weights are read on the way. */
static lop_status run_blocks(writer *w, int32_t first, lop_mat x, bool fill)
{
    const int32_t blocks = w->net->config->blocks;
    lop_reader *reader = NULL;
    lop_status status = LOP_OK;
    const lop_reader_plan plan = {
        .net = w->net, .device = w->device, .end = blocks, .blocks = w->blocks, .count = w->placed};
    if (fill) status = lop_reader_open(&plan, &reader);
    for (int32_t b = 0; status == LOP_OK && b < blocks; b++) {
        lop_block *block = &w->blocks[b % w->placed];
        if (fill) status = lop_reader_take(reader, &w->queue, &block);
        if (status == LOP_OK)
            status = lop_block_forward_cached(&w->queue, w->forward, block, x, first, x.rows, w->cache);
        if (status == LOP_OK && fill) status = lop_walk_check(&w->queue, x, b);
    }
    lop_reader_close(reader);
    return status;
}

/* The id that follows positions [first, first + rows). */
static lop_status step(writer *w, int32_t first, int32_t rows, const lop_ids *ids, int32_t *next)
{
    const lop_mat x = lop_mat_rows(w->x, 0, rows);
    const lop_token_rows tokens = {.ids = ids->at + first, .count = rows, .tokens = rows, .first = first};
    LOP_TRY(lop_embedder_rows(w->embedder, &w->queue, &tokens, x));
    LOP_TRY(run_blocks(w, first, x, first == 0 || !w->resident));
    return lop_head_best(&w->queue, w->head, lop_mat_rows(x, rows - 1, 1), next);
}

static lop_status write_ids(writer *w, int32_t count, lop_log *log, lop_ids *ids)
{
    int32_t first = 0, next = -1;
    for (int32_t done = 0; done < count; done++) {
        const int32_t have = (int32_t)ids->count;
        LOP_TRY(lop_log_check_stop(log));
        LOP_TRY(step(w, first, have - first, ids, &next));
        LOP_TRY(lop_ids_add(ids, &next, 1));
        first = have;
        lop_log_progress(log, "tokens", done + 1.0, count);
        if (next == w->net->config->eos) break;
    }
    return LOP_OK;
}

lop_status lop_generate_greedy(lop_device *device, const lop_net *net, int32_t count, lop_log *log,
                               lop_ids *ids)
{
    LOP_TRY(check_args(net, count, ids));
    if (count == 0) return LOP_OK;
    writer w = {.device = device, .net = net};
    lop_status status = open_writer(&w, (int32_t)ids->count + count);
    if (status == LOP_OK) status = write_ids(&w, count, log, ids);
    close_writer(&w);
    return status;
}
