/* perplexity.c - the model goes by block by block under all windows at once: every block is read once per group of
 * windows, and a group is as many windows as their residual streams fit the budget. */
#include "core/eval/perplexity.h"

#include "core/base/memory.h"

#include <math.h>

#define GROUP_BYTES ((size_t)2 << 30) /* of residual streams of a group */

typedef struct measure {
    lop_device *device;
    const lop_net *net;
    const lop_perplexity_args *args;
    lop_log *log;
    lop_queue queue;
    int32_t group;    /* windows that go together */
    lop_arena *arena; /* what follows */
    lop_block blocks[2];
    lop_mat x;     /* (group seqlen, C) f32: the residual streams */
    lop_mat rows;  /* (group seqlen, 1) u32: scratch of counts */
    lop_mat wrong; /* (1, blocks) i64: values that are no numbers behind each block */
    lop_forward *forward;
    int32_t *target; /* group * seqlen */
    float *nll;
} measure;

static lop_status check_args(const lop_perplexity_args *a)
{
    const bool counts = a->windows >= 1 && a->seqlen >= 2 && a->forward_batch >= 1;
    if (counts && a->forward_batch <= INT32_MAX / a->seqlen) return LOP_OK;
    return LOP_FAIL(LOP_E_ARGUMENT,
                    "perplexity over %d windows of %d tokens, %d at a time: it takes at least one window "
                    "of two tokens",
                    a->windows, a->seqlen, a->forward_batch);
}

/* A group is a whole number of forward calls, so that its size does not show in which sequences share one. */
static int32_t group_windows(const lop_net *net, const lop_perplexity_args *a)
{
    const size_t window = (size_t)a->seqlen * (size_t)net->config->hidden * sizeof(float);
    const size_t fit = GROUP_BYTES / window / (size_t)a->forward_batch * (size_t)a->forward_batch;
    const int32_t some = fit > (size_t)a->windows ? a->windows : (int32_t)fit;
    return some < a->forward_batch ? lop_lesser(a->forward_batch, a->windows) : some;
}

static lop_status open_measure(measure *m)
{
    const int32_t seqlen = m->args->seqlen, hidden = m->net->config->hidden;
    const lop_type word = lop_walk_word(m->device, m->net);
    m->group = group_windows(m->net, m->args);
    LOP_TRY(lop_queue_open(m->device, &m->queue));
    LOP_TRY(lop_arena_open(m->device, LOP_ON_DEVICE, 0, &m->arena));
    LOP_TRY(lop_block_place(m->arena, m->net, word, &m->blocks[0]));
    LOP_TRY(lop_block_place(m->arena, m->net, word, &m->blocks[1]));
    LOP_TRY(lop_arena_mat(m->arena, m->group * seqlen, hidden, LOP_F32, &m->x));
    LOP_TRY(lop_arena_mat(m->arena, m->group * seqlen, 1, LOP_U32, &m->rows));
    LOP_TRY(lop_arena_mat(m->arena, 1, m->net->config->blocks, LOP_I64, &m->wrong));
    LOP_TRY(lop_forward_open(m->net, m->device, word, lop_lesser(m->args->forward_batch, m->group), seqlen,
                             &m->forward));
    LOP_TRY(lop_alloc((size_t)m->group * (size_t)seqlen, sizeof *m->target, &m->target));
    return lop_alloc((size_t)m->group * (size_t)seqlen, sizeof *m->nll, &m->nll);
}

/* The queue first: a run that stopped half way has work on what goes. */
static void close_measure(measure *m)
{
    lop_queue_close(&m->queue);
    lop_free(m->nll);
    lop_free(m->target);
    lop_forward_close(m->forward);
    lop_arena_close(m->arena);
}

static lop_status run_block(measure *m, const lop_block *block, int32_t windows)
{
    const int32_t seqlen = m->args->seqlen;
    for (int32_t w = 0; w < windows; w += m->args->forward_batch) {
        const int32_t n = lop_lesser(m->args->forward_batch, windows - w);
        LOP_TRY(lop_log_check_stop(m->log));
        LOP_TRY(lop_block_forward(&m->queue, m->forward, block, lop_mat_rows(m->x, w * seqlen, n * seqlen), n,
                                  seqlen, NULL));
    }
    return lop_count_not_finite(&m->queue, lop_mat_rows(m->x, 0, windows * seqlen),
                                lop_mat_rows(m->rows, 0, windows * seqlen),
                                lop_mat_cols(m->wrong, block->index, 1));
}

static lop_status run_blocks(measure *m, int32_t first, int32_t windows)
{
    const int32_t blocks = m->net->config->blocks;
    const double total = (double)blocks * m->args->windows;
    lop_reader *reader = NULL;
    const lop_reader_plan plan = {
        .net = m->net, .device = m->device, .end = blocks, .blocks = m->blocks, .count = 2};
    LOP_TRY(lop_mat_zero(&m->queue, m->wrong));
    LOP_TRY(lop_reader_open(&plan, &reader));
    lop_status status = LOP_OK;
    for (int32_t b = 0; status == LOP_OK && b < blocks; b++) {
        lop_block *block = NULL;
        status = lop_reader_take(reader, &m->queue, &block);
        if (status == LOP_OK) status = run_block(m, block, windows);
        lop_log_progress(m->log, "blocks of windows", (double)blocks * first + (b + 1.0) * windows, total);
    }
    if (status == LOP_OK) status = lop_walk_look(&m->queue, m->wrong);
    lop_reader_close(reader);
    return status;
}

/* Token t of a window is judged by token t + 1; the last has none. */
static lop_status run_group(measure *m, int32_t first, int32_t windows, double *sum)
{
    const int32_t seqlen = m->args->seqlen, rows = windows * seqlen;
    const int32_t *ids = m->args->ids + (int64_t)first * seqlen;
    const lop_mat x = lop_mat_rows(m->x, 0, rows);
    LOP_TRY(lop_embed(&m->queue, m->net, &(lop_token_rows){.ids = ids, .count = rows, .tokens = seqlen}, x));
    LOP_TRY(run_blocks(m, first, windows));
    for (int32_t i = 0; i < rows; i++) m->target[i] = i % seqlen == seqlen - 1 ? -1 : ids[i + 1];
    LOP_TRY(lop_head_nll(&m->queue, m->net, x, m->target, m->nll));
    for (int32_t i = 0; i < rows; i++) *sum += (double)m->nll[i];
    return LOP_OK;
}

lop_status lop_perplexity_measure(lop_device *device, const lop_net *net, const lop_perplexity_args *args,
                                  lop_log *log, lop_perplexity *out)
{
    *out = (lop_perplexity){0};
    measure m = {.device = device, .net = net, .args = args, .log = log};
    double sum = 0.0;
    lop_status status = check_args(args);
    if (status == LOP_OK) status = open_measure(&m);
    for (int32_t first = 0; status == LOP_OK && first < args->windows; first += m.group)
        status = run_group(&m, first, lop_lesser(m.group, args->windows - first), &sum);
    close_measure(&m);
    if (status != LOP_OK) return status;
    out->tokens = (int64_t)args->windows * (args->seqlen - 1);
    out->nll = sum / (double)out->tokens;
    out->perplexity = exp(out->nll);
    return isfinite(out->nll)
               ? LOP_OK
               : LOP_FAIL(LOP_E_NUMERIC, "the loss of the model over this text is %g", out->nll);
}
