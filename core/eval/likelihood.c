/* likelihood.c - the model goes by block by block under a group of sequences at once, the longest first; behind the last
 * block only the rows that are judged meet the head. */
#include "core/eval/likelihood.h"

#include "core/base/memory.h"

#include <math.h>
#include <stdlib.h>

#define GROUP_BYTES                                                                                          \
    ((size_t)1 << 30) /* of residual streams of a group; what is picked of them may be as much again */

/* Sequences order[first, end): their tokens with padding, and how many of them are judged. */
typedef struct span {
    int64_t first, end;
    int32_t rows, scored;
} span;

typedef struct judge {
    lop_device *device;
    const lop_net *net;
    const lop_likelihood_args *args;
    lop_log *log;
    const lop_sequence **order; /* by length, the longest first */
    int32_t longest;            /* tokens fed of the longest sequence */
    span widest;                /* the most rows, and the most judged ones, of any group */
    lop_queue queue;
    lop_arena *arena; /* what follows */
    lop_block blocks[2];
    lop_mat x;      /* (rows, C) f32: the residual streams */
    lop_mat picked; /* (scored, C) f32: of the rows that are judged */
    lop_mat index;  /* (1, scored) i32: which these are */
    lop_mat counts; /* (rows, 1) u32: scratch of counts */
    lop_mat wrong;  /* (1, blocks) i64: values that are no numbers behind each block */
    lop_forward *forward;
    lop_embedder *embedder;
    int32_t *ids;          /* rows */
    int32_t *row, *target; /* scored: where a judged id is predicted, and the id */
    float *nll;            /* scored */
} judge;

static int32_t fed(const lop_sequence *s)
{
    return s->count - 1; /* nothing is predicted from the last */
}

static int32_t batch_at(const judge *j, int64_t first)
{
    const int64_t left = j->args->count - first;
    return left < j->args->forward_batch ? (int32_t)left : j->args->forward_batch;
}

/* ---- groups */

static lop_status check_args(const lop_likelihood_args *a)
{
    if (a->count < 1 || a->forward_batch < 1 || a->group_rows < 0)
        return LOP_FAIL(LOP_E_ARGUMENT, "likelihoods of %lld sequences, %d at a time: expected one at least",
                        (long long)a->count, a->forward_batch);
    for (int64_t i = 0; i < a->count; i++) {
        const lop_sequence *s = &a->at[i];
        if (s->scored < 1 || s->scored >= s->count || s->count - 1 > INT32_MAX / a->forward_batch)
            return LOP_FAIL(
                LOP_E_ARGUMENT,
                "sequence %lld has %d tokens, of which %d are judged: expected one at least, and one "
                "before it",
                (long long)i, s->count, s->scored);
    }
    return LOP_OK;
}

static int32_t most_rows(const judge *j)
{
    const size_t fit = GROUP_BYTES / sizeof(float) / (size_t)j->net->config->hidden;
    if (j->args->group_rows > 0) return j->args->group_rows;
    return fit > INT32_MAX ? INT32_MAX : (int32_t)fit;
}

/* A group is a whole number of forward calls, so that its size does not show in which sequences share one. */
static span group_at(const judge *j, int64_t first)
{
    span s = {.first = first, .end = first};
    const int32_t most = most_rows(j);
    while (s.end < j->args->count) {
        const int32_t n = batch_at(j, s.end), rows = n * fed(j->order[s.end]);
        if (s.rows > 0 && rows > most - s.rows) break;
        s.rows += rows;
        for (int32_t k = 0; k < n; k++) s.scored += j->order[s.end + k]->scored;
        s.end += n;
    }
    return s;
}

static int longest_first(const void *a, const void *b)
{
    const lop_sequence *x = *(const lop_sequence *const *)a, *y = *(const lop_sequence *const *)b;
    if (x->count != y->count) return x->count > y->count ? -1 : 1;
    return x < y ? -1 : x > y;
}

static lop_status plan_groups(judge *j)
{
    LOP_TRY(LOP_NEW(&j->order, j->args->count));
    for (int64_t i = 0; i < j->args->count; i++) j->order[i] = &j->args->at[i];
    qsort(j->order, (size_t)j->args->count, sizeof *j->order, longest_first);
    j->longest = fed(j->order[0]);
    for (span s = group_at(j, 0); s.first < j->args->count; s = group_at(j, s.end)) {
        if (s.rows > j->widest.rows) j->widest.rows = s.rows;
        if (s.scored > j->widest.scored) j->widest.scored = s.scored;
    }
    return LOP_OK;
}

static lop_status open_judge(judge *j)
{
    const int32_t hidden = j->net->config->hidden, rows = j->widest.rows, scored = j->widest.scored;
    const lop_type word = lop_walk_word(j->device, j->net);
    LOP_TRY(lop_queue_open(j->device, &j->queue));
    LOP_TRY(lop_arena_open(j->device, LOP_ON_DEVICE, 0, &j->arena));
    LOP_TRY(lop_block_place(j->arena, j->net, word, &j->blocks[0]));
    LOP_TRY(lop_block_place(j->arena, j->net, word, &j->blocks[1]));
    LOP_TRY(lop_arena_mat(j->arena, rows, hidden, LOP_F32, &j->x));
    LOP_TRY(lop_arena_mat(j->arena, scored, hidden, LOP_F32, &j->picked));
    LOP_TRY(lop_arena_mat(j->arena, 1, scored, LOP_I32, &j->index));
    LOP_TRY(lop_arena_mat(j->arena, rows, 1, LOP_U32, &j->counts));
    LOP_TRY(lop_arena_mat(j->arena, 1, j->net->config->blocks, LOP_I64, &j->wrong));
    LOP_TRY(lop_forward_open(j->net, j->device, word, batch_at(j, 0), j->longest, &j->forward));
    const lop_embedder_plan embedding = {
        .most = lop_embedder_usual(), .positions = j->longest, .as = LOP_DTYPE_F32};
    LOP_TRY(lop_embedder_open(j->net, j->device, &embedding, &j->embedder));
    LOP_TRY(LOP_NEW(&j->ids, rows));
    LOP_TRY(LOP_NEW(&j->row, scored));
    LOP_TRY(LOP_NEW(&j->target, scored));
    return LOP_NEW(&j->nll, scored);
}

/* The queue first: a run that stopped half way has work on what goes. */
static void close_judge(judge *j)
{
    lop_queue_close(&j->queue);
    lop_free(j->nll);
    lop_free(j->target);
    lop_free(j->row);
    lop_free(j->ids);
    lop_embedder_close(j->embedder);
    lop_forward_close(j->forward);
    lop_arena_close(j->arena);
    lop_free(j->order);
}

/* ---- a group */

/* Writes one sequence into `length` rows from `first` on, its last fed id again behind it; returns how many are judged. */
static int32_t place_sequence(judge *j, const lop_sequence *s, int32_t first, int32_t length, int32_t judged)
{
    const int32_t *ids = j->args->ids + s->at;
    for (int32_t t = 0; t < length; t++) j->ids[first + t] = ids[t < fed(s) ? t : fed(s) - 1];
    for (int32_t t = 0; t < s->scored; t++) {
        const int32_t from = fed(s) - s->scored + t;
        j->row[judged + t] = first + from;
        j->target[judged + t] = ids[from + 1];
    }
    return s->scored;
}

static void place_group(judge *j, span g)
{
    int32_t row = 0, judged = 0;
    for (int64_t i = g.first; i < g.end;) {
        const int32_t n = batch_at(j, i), length = fed(j->order[i]);
        for (int32_t k = 0; k < n; k++, row += length)
            judged += place_sequence(j, j->order[i + k], row, length, judged);
        i += n;
    }
}

static lop_status embed_group(judge *j, span g)
{
    int32_t row = 0;
    for (int64_t i = g.first; i < g.end;) {
        const int32_t n = batch_at(j, i), length = fed(j->order[i]);
        const lop_token_rows tokens = {.ids = j->ids + row, .count = n * length, .tokens = length};
        LOP_TRY(lop_embedder_rows(j->embedder, &j->queue, &tokens, lop_mat_rows(j->x, row, n * length)));
        row += n * length;
        i += n;
    }
    return LOP_OK;
}

static lop_status run_block(judge *j, const lop_block *block, span g)
{
    int32_t row = 0;
    for (int64_t i = g.first; i < g.end;) {
        const int32_t n = batch_at(j, i), length = fed(j->order[i]);
        LOP_TRY(lop_log_check_stop(j->log));
        LOP_TRY(lop_block_forward(&j->queue, j->forward, block, lop_mat_rows(j->x, row, n * length), n,
                                  length, NULL));
        row += n * length;
        i += n;
    }
    return lop_count_not_finite(&j->queue, lop_mat_rows(j->x, 0, g.rows), lop_mat_rows(j->counts, 0, g.rows),
                                lop_mat_cols(j->wrong, block->index, 1));
}

static lop_status run_blocks(judge *j, span g)
{
    const int32_t blocks = j->net->config->blocks;
    const double total = (double)blocks * (double)j->args->count;
    lop_reader *reader = NULL;
    const lop_reader_plan plan = {
        .net = j->net, .device = j->device, .end = blocks, .blocks = j->blocks, .count = 2};
    LOP_TRY(lop_mat_zero(&j->queue, j->wrong));
    LOP_TRY(lop_reader_open(&plan, &reader));
    lop_status status = LOP_OK;
    for (int32_t b = 0; status == LOP_OK && b < blocks; b++) {
        lop_block *block = NULL;
        status = lop_reader_take(reader, &j->queue, &block);
        if (status == LOP_OK) status = run_block(j, block, g);
        lop_log_progress(j->log, "blocks of sequences",
                         (double)blocks * (double)g.first + (b + 1.0) * (double)(g.end - g.first), total);
    }
    if (status == LOP_OK) status = lop_walk_look(&j->queue, j->wrong);
    lop_reader_close(reader);
    return status;
}

static lop_status run_group(judge *j, span g, double *sum)
{
    const lop_mat x = lop_mat_rows(j->x, 0, g.rows), index = lop_mat_cols(j->index, 0, g.scored),
                  picked = lop_mat_rows(j->picked, 0, g.scored);
    place_group(j, g);
    LOP_TRY(embed_group(j, g));
    LOP_TRY(run_blocks(j, g));
    LOP_TRY(lop_upload(&j->queue, j->row, index));
    LOP_TRY(lop_gather_rows(&j->queue, x, index, picked));
    LOP_TRY(lop_head_nll(&j->queue, j->net, picked, j->target, j->nll));
    const float *nll = j->nll;
    for (int64_t i = g.first; i < g.end; i++) {
        const lop_sequence *s = j->order[i];
        double total = 0.0;
        for (int32_t t = 0; t < s->scored; t++) total -= (double)nll[t];
        nll += s->scored;
        sum[s - j->args->at] = total;
        if (!isfinite(total))
            return LOP_FAIL(LOP_E_NUMERIC, "the log-likelihood of sequence %lld is %g",
                            (long long)(s - j->args->at), total);
    }
    return LOP_OK;
}

lop_status lop_likelihood_measure(lop_device *device, const lop_net *net, const lop_likelihood_args *args,
                                  lop_log *log, double *sum)
{
    judge j = {.device = device, .net = net, .args = args, .log = log};
    LOP_TRY(check_args(args));
    lop_status status = plan_groups(&j);
    if (status == LOP_OK) status = open_judge(&j);
    for (int64_t first = 0; status == LOP_OK && first < args->count;) {
        const span g = group_at(&j, first);
        status = run_group(&j, g, sum);
        first = g.end;
    }
    close_judge(&j);
    return status;
}
