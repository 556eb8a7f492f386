/* block_rig.c - a checkpoint without a file gives the weights; the library's own reader brings them. */
#include "bench/block_rig.h"

#include "bench/shape.h"
#include "core/base/memory.h"

#include <string.h>

enum { SAMPLES = 4, TOKENS = 2048, FFN_BATCH = 4 };

static lop_status open_method(const bench *b, block_rig *r)
{
    const char *name = lop_settings_text(&b->settings, "method");
    if (name == NULL || strcmp(name, "none") == 0) return LOP_OK;
    LOP_TRY(lop_method_need(name, &r->method));
    r->settings = &b->settings;
    r->target = (lop_target){.ratio = 0.5, .exact = true};
    if (lop_settings_given(&b->settings, "sparsity-ratio") ||
        lop_settings_given(&b->settings, "sparsity-type"))
        LOP_TRY(lop_target_read(&b->settings, &r->target));
    r->need = (lop_need){.what = r->method->needs, .windows = 1, .span = 1};
    if (r->method->ask != NULL) LOP_TRY(r->method->ask(r->settings, &r->target, NULL, &r->need));
    if (r->need.span == 1) return LOP_OK;
    return LOP_FAIL(LOP_E_ARGUMENT, "here is one block, and method %s under these options takes %d at once",
                    r->method->name, r->need.span);
}

static int32_t given(const bench *b, const char *name, int32_t usual)
{
    return lop_settings_given(&b->settings, name) ? (int32_t)lop_settings_int(&b->settings, name) : usual;
}

/* One window a forward call, but those of a learner's step lie in one batch, and where products of batches are added up these
 * are as a prune has them. */
static lop_status open_windows(const bench *b, block_rig *r)
{
    const int32_t usual = block_rig_learns(r) ? r->need.windows : block_rig_takes_ffn(r) ? FFN_BATCH : 1;
    r->tokens = given(b, "seqlen", TOKENS);
    r->sequences = given(b, "nsamples", SAMPLES);
    r->batch = given(b, "forward-batch", usual);
    if (block_rig_learns(r) && r->batch % r->need.windows != 0)
        return LOP_FAIL(LOP_E_ARGUMENT,
                        "steps of %d windows do not divide forward-batch %d: leave forward-batch out",
                        r->need.windows, r->batch);
    if (r->batch > r->sequences) r->batch = r->sequences;
    if (r->need.windows > r->batch) r->need.windows = r->batch;
    return LOP_OK;
}

/* ---- placing */

static lop_status place_method(lop_type word, block_rig *r)
{
    const lop_statistics_wish wish = {.gram = (r->need.what & LOP_NEED_GRAM) != 0,
                                      .moments = (r->need.what & LOP_NEED_MOMENTS) != 0};
    LOP_TRY(lop_statistics_place(r->arena, &r->net, r->x.rows, wish, &r->statistics));
    for (int32_t i = 0; i < r->block.count; i++) {
        const lop_mat w = r->block.linears[i].w;
        LOP_TRY(lop_arena_mat(r->arena, w.rows, (w.cols + 7) / 8, LOP_U8, &r->keep[i]));
    }
    if (block_rig_learns(r) || (r->need.what & LOP_NEED_SPARE) != 0)
        LOP_TRY(lop_block_place(r->arena, &r->net, word, &r->spare));
    if (!block_rig_learns(r)) return LOP_OK;
    return lop_tape_place(r->arena, &r->net, word, r->need.windows, r->tokens, false, &r->tape);
}

static lop_status place_all(lop_type word, block_rig *r)
{
    const int32_t rows = r->batch * r->tokens, width = r->net.config->hidden;
    LOP_TRY(lop_block_place(r->arena, &r->net, word, &r->block));
    LOP_TRY(lop_arena_mat(r->arena, rows, width, LOP_F32, &r->x));
    LOP_TRY(lop_arena_mat(r->arena, rows, 1, LOP_U32, &r->row_count));
    LOP_TRY(lop_arena_mat(r->arena, 1, 1, LOP_I64, &r->wrong));
    return r->method == NULL ? LOP_OK : place_method(word, r);
}

/* What place_all takes, and what the method takes beside it while it is at work. */
static lop_status measure(lop_type word, const block_rig *r, size_t *bytes)
{
    block_rig copy = *r; /* the placing code writes into a rig: into one that nobody keeps */
    lop_prune_block p;
    LOP_TRY(lop_arena_open(NULL, LOP_ON_DEVICE, 0, &copy.arena));
    lop_status status = place_all(word, &copy);
    if (status == LOP_OK && r->method != NULL && r->method->measure != NULL) {
        block_rig_prune_block(&copy, &p);
        status = r->method->measure(&p);
    }
    *bytes = lop_arena_peak(copy.arena);
    lop_arena_close(copy.arena);
    return status;
}

static lop_status place(lop_device *device, lop_type word, block_rig *r)
{
    size_t bytes = 0;
    LOP_TRY(measure(word, r, &bytes));
    LOP_TRY(lop_arena_open(device, LOP_ON_DEVICE, bytes, &r->arena));
    LOP_TRY(place_all(word, r));
    LOP_TRY(lop_mat_zero(r->queue, r->wrong));
    return r->method == NULL ? LOP_OK : lop_statistics_reset(r->queue, &r->statistics);
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
        const lop_token_rows tokens = {.ids = ids, .count = x.rows, .tokens = r->tokens};
        LOP_TRY_DONE(lop_embed(r->queue, &r->net, &tokens, x));
        LOP_TRY_DONE(lop_stream_store(r->queue, &r->input, at, x));
    }
done:
    lop_free(ids);
    return status;
}

/* As lop_run_fit tries them. */
static lop_ffn_places places_of(const bench *b)
{
    const char *where = lop_settings_text(&b->settings, "ffn-streams");
    return (lop_ffn_places){strcmp(where, "device") == 0 ? LOP_ON_DEVICE : LOP_ON_HOST,
                            strcmp(where, "host") == 0 ? LOP_ON_HOST : LOP_ON_DEVICE};
}

static lop_status open_streams(const bench *b, lop_type word, block_rig *r)
{
    lop_device *device = b->device;
    const lop_config *config = r->net.config;
    lop_stream_shape shape = {.place = LOP_ON_DEVICE,
                              .type = config->dtype == LOP_DTYPE_F16    ? LOP_F16
                                      : config->dtype == LOP_DTYPE_BF16 ? LOP_BF16
                                                                        : LOP_F32,
                              .sequences = r->sequences,
                              .batch = r->batch,
                              .tokens = r->tokens,
                              .width = config->hidden};
    LOP_TRY(lop_stream_open(device, &shape, &r->input));
    shape.type = word;
    if (block_rig_takes_ffn(r)) LOP_TRY(lop_ffn_open(device, &r->net, &shape, places_of(b), &r->ffn));
    /* As a run keeps them: above the input, but for a stream of the dense model. */
    const bool added = word != LOP_F32 && (r->need.what & LOP_NEED_DENSE_STREAM) == 0;
    if (!added) shape.type = LOP_F32;
    if (r->need.what & LOP_NEED_MIDDLE) LOP_TRY(lop_stream_open(device, &shape, &r->middle));
    if (block_rig_learns(r)) LOP_TRY(lop_stream_open(device, &shape, &r->want));
    r->middle.base = r->want.base = added ? &r->input : NULL;
    return LOP_OK;
}

static lop_status open_units(block_rig *r)
{
    lop_units_rule rule;
    if (r->method == NULL || r->method->units == NULL) return LOP_OK;
    LOP_TRY(lop_units_read(r->settings, r->method->units, &rule));
    rule.by_block = true;
    LOP_TRY(lop_choice_open(&r->net, r->settings, NULL, &r->choice));
    const lop_units_plan plan = {&r->net, &r->choice, r->method->units, &rule, &r->target};
    return lop_units_open(&plan, &r->units);
}

lop_status block_rig_open(bench *b, block_rig *r)
{
    r->queue = &b->queue;
    LOP_TRY(open_method(b, r));
    LOP_TRY(open_windows(b, r));
    LOP_TRY(bench_shape_open(b, &r->file));
    LOP_TRY(lop_net_open(r->file, &r->net));
    LOP_TRY(open_units(r));
    const lop_type word = lop_walk_word(b->device, &r->net);
    LOP_TRY(open_streams(b, word, r));
    LOP_TRY(place(b->device, word, r));
    LOP_TRY(read_block(b->device, r));
    LOP_TRY(lop_forward_open_back(&r->net, b->device, word, r->batch, r->tokens,
                                  block_rig_learns(r) ? r->need.windows : 0, &r->forward));
    return fill_input(r);
}

void block_rig_close(block_rig *r)
{
    lop_ffn_close(&r->ffn);
    lop_stream_close(&r->want);
    lop_stream_close(&r->middle);
    lop_stream_close(&r->input);
    lop_forward_close(r->forward);
    lop_arena_close(r->arena);
    lop_units_close(&r->units);
    lop_choice_close(&r->choice);
    lop_net_close(&r->net);
    lop_checkpoint_close(r->file);
}

bool block_rig_learns(const block_rig *r)
{
    return (r->need.what & LOP_NEED_LEARNING) != 0;
}

bool block_rig_takes_ffn(const block_rig *r)
{
    return (r->need.what & LOP_NEED_FFN) != 0;
}

void block_rig_prune_block(block_rig *r, lop_prune_block *out)
{
    r->learning = (lop_learning){.blocks = {{&r->block, &r->spare, &r->tape}},
                                 .span = 1,
                                 .forward = r->forward,
                                 .input = &r->input,
                                 .want = &r->want,
                                 .middle = &r->middle,
                                 .x = r->x,
                                 .windows = r->need.windows,
                                 .tokens = r->tokens};
    *out = (lop_prune_block){.queue = r->queue,
                             .arena = r->arena,
                             .settings = r->settings,
                             .count = r->block.count,
                             .tokens = (int64_t)r->sequences * r->tokens,
                             .learning = block_rig_learns(r) ? &r->learning : NULL,
                             .ffn = block_rig_takes_ffn(r) ? &r->ffn : NULL,
                             .units = r->units.net != NULL ? &r->units : NULL};
    if (out->units != NULL) out->units->settled[0] = false; /* each call decides anew */
    for (int32_t i = 0; i < out->count; i++) {
        const lop_linear_view *view = &r->block.linears[i];
        out->linears[i] = (lop_prune_linear){.view = view, .target = r->target, .keep = r->keep[i]};
        if (r->need.what & LOP_NEED_COLSUM_SQ)
            out->linears[i].colsum_sq = r->statistics.colsum_sq[view->input];
        out->linears[i].gram = r->statistics.gram[view->input];
        if (r->need.what & LOP_NEED_MOMENTS) out->linears[i].moments = &r->statistics.moments[view->input];
        if (r->need.what & LOP_NEED_SPARE) out->linears[i].spare = r->spare.linears[i].w;
    }
}

lop_mat block_rig_x(const block_rig *r, int turn)
{
    return lop_mat_rows(r->x, 0, lop_stream_sequences(&r->input, turn % r->input.count) * r->tokens);
}

lop_status block_rig_load(block_rig *r, int turn)
{
    return lop_stream_load(r->queue, &r->input, turn % r->input.count, block_rig_x(r, turn));
}

lop_status block_rig_forward(block_rig *r, int turn, const lop_watch *watch)
{
    return lop_block_forward(r->queue, r->forward, &r->block, block_rig_x(r, turn),
                             lop_stream_sequences(&r->input, turn % r->input.count), r->tokens, watch);
}

typedef struct middle_batch {
    block_rig *r;
    int at;
} middle_batch;

static lop_status middle_keep(void *user, lop_queue *q, lop_mat x)
{
    const middle_batch *m = user;
    return lop_stream_store(q, &m->r->middle, m->at, x);
}

lop_status block_rig_calibrate(block_rig *r, int turn)
{
    middle_batch middle = {r, turn % r->input.count};
    lop_ffn_watcher watcher = {.statistics = &r->statistics,
                               .ffn = block_rig_takes_ffn(r) ? &r->ffn : NULL,
                               .batch = turn % r->input.count};
    const lop_watch watch = {.fn = lop_ffn_watch,
                             .user = &watcher,
                             .middle = r->need.what & LOP_NEED_MIDDLE ? middle_keep : NULL,
                             .middle_user = &middle,
                             .last_needed = true};
    LOP_TRY(block_rig_load(r, turn));
    LOP_TRY(block_rig_forward(r, turn, &watch));
    if (!block_rig_learns(r)) return LOP_OK;
    return lop_stream_store(r->queue, &r->want, turn % r->input.count, block_rig_x(r, turn));
}

lop_status block_rig_calibrate_all(block_rig *r)
{
    LOP_TRY(lop_statistics_reset(r->queue, &r->statistics));
    for (int32_t i = 0; i < r->input.count; i++) LOP_TRY(block_rig_calibrate(r, i));
    return lop_statistics_end(r->queue, &r->statistics);
}
