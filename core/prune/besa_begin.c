/* besa_begin.c - where the learner's matrices lie, and what they hold before the first step: the dense weights, each row's
 * columns by importance, and logits whose mean rate is the target. */
#include "core/prune/besa_parts.h"

#include "core/device/device.h"

/* Scores that are ranked at a time. */
enum { SCORES = 8 << 20 };

static int32_t ceil_div(int32_t a, int32_t b)
{
    return a / b + (a % b != 0);
}

static int32_t groups_of(const lop_besa_options *o, int32_t rows)
{
    return o->each == 0 ? 1 : ceil_div(rows, o->each);
}

/* ---- placing */

/* The trial has the block's norms and biases, and linears of its own. */
static lop_block trial_of(const lop_learning_block *l)
{
    const lop_block *b = l->dense;
    lop_block trial = *l->spare;
    trial.index = b->index;
    trial.norm_attention = b->norm_attention;
    trial.norm_ffn = b->norm_ffn;
    trial.qkv_bias = b->qkv_bias;
    trial.o_bias = b->o_bias;
    trial.gate_up_bias = b->gate_up_bias;
    trial.down_bias = b->down_bias;
    return trial;
}

static lop_status place_linear(lop_arena *a, const lop_besa *b, lop_besa_linear *l)
{
    const lop_mat w = l->linear->view->w;
    LOP_TRY(lop_arena_mat(a, w.rows, w.cols, LOP_U16, &l->order));
    LOP_TRY(lop_arena_mat(a, w.rows, 1, LOP_U32, &l->was));
    LOP_TRY(lop_arena_mat(a, w.rows, b->options.buckets, LOP_F32, &l->bucket));
    l->bucket_sum = l->bucket;
    const int32_t groups = groups_of(&b->options, w.rows);
    return groups == w.rows ? LOP_OK : lop_arena_mat(a, groups, b->options.buckets, LOP_F32, &l->bucket_sum);
}

static lop_status place_logits(lop_arena *a, lop_besa *b, int32_t groups)
{
    const int32_t rates = b->options.buckets + 1;
    LOP_TRY(lop_arena_mat(a, LOP_BESA_UNITS, rates, LOP_F32, &b->base));
    LOP_TRY(lop_arena_mat(a, groups, rates, LOP_F32, &b->theta));
    LOP_TRY(lop_arena_mat(a, groups, rates, LOP_F32, &b->grad));
    LOP_TRY(lop_arena_mat(a, groups, 1, LOP_U32, &b->count_all));
    LOP_TRY(lop_arena_mat(a, groups, 1, LOP_F32, &b->alpha));
    LOP_TRY(lop_arena_mat(a, groups, 1, LOP_I64, &b->part));
    if (b->options.width > 0.0f) LOP_TRY(lop_arena_mat(a, groups, 2, LOP_F32, &b->slopes));
    LOP_TRY(lop_arena_mat(a, groups, rates, LOP_F32, &b->m));
    LOP_TRY(lop_arena_mat(a, groups, rates, LOP_F32, &b->v));
    if (b->options.adam) return lop_arena_mat(a, 1, 1, LOP_U32, &b->step);
    LOP_TRY(lop_arena_mat(a, groups, rates, LOP_F32, &b->s));
    LOP_TRY(lop_arena_mat(a, groups, 2, LOP_F32, &b->norm_parts));
    return lop_arena_mat(a, 1, LOP_PRODIGY_STATE, LOP_F32, &b->state);
}

static lop_status place_unit(lop_arena *a, const lop_besa *b, lop_besa_unit *u)
{
    const lop_learning *l = b->block->learning;
    const int32_t hidden = l->x.cols;
    if (u->want->base != NULL) LOP_TRY(lop_arena_mat(a, l->windows * l->tokens, hidden, LOP_F32, &u->room));
    LOP_TRY(lop_arena_mat(a, 1, hidden, LOP_F32, &u->norm));
    if (b->options.width > 0.0f) LOP_TRY(lop_arena_mat(a, 1, 2, LOP_F32, &u->price));
    LOP_TRY(lop_arena_mat(a, 1, 2 * (b->steps > 0 ? b->steps : 1), LOP_F32, &u->losses));
    return lop_arena_mat(a, 1, b->steps + 1, LOP_F32, &u->sparsities);
}

static lop_status place_loss(lop_arena *a, lop_besa *b)
{
    const lop_learning *l = b->block->learning;
    const int32_t rows = l->windows * l->tokens, hidden = l->x.cols;
    for (int32_t i = 0; i < b->unit_count; i++) LOP_TRY(place_unit(a, b, &b->units[i]));
    LOP_TRY(lop_arena_mat(a, lop_colsum_parts(rows, hidden), hidden, LOP_F32, &b->energy));
    return lop_arena_mat(a, rows, 1, LOP_F32, &b->row_sum);
}

int32_t lop_besa_cols_most(const lop_besa *b)
{
    int32_t most = 1;
    for (int32_t i = 0; i < b->count; i++)
        if (b->linears[i].order.cols > most) most = b->linears[i].order.cols;
    return most;
}

static lop_status place_scores(lop_arena *a, lop_besa *b)
{
    const int32_t cols = lop_besa_cols_most(b), most = cols > SCORES ? cols : SCORES;
    LOP_TRY(lop_arena_mat(a, 1, most, LOP_F32, &b->score));
    return lop_arena_mat(a, 1, most, LOP_U32, &b->scratch);
}

/* Rows of logits lie in the order of the linears; each linear takes its own of them. */
static void logits_share(lop_besa *b)
{
    int32_t at = 0;
    for (int32_t i = 0; i < b->count; i++) {
        lop_besa_linear *l = &b->linears[i];
        const int32_t groups = groups_of(&b->options, l->order.rows);
        l->each = b->options.each == 0 ? l->order.rows : b->options.each;
        l->theta = lop_mat_rows(b->theta, at, groups);
        l->grad = lop_mat_rows(b->grad, at, groups);
        l->count = lop_mat_rows(b->count_all, at, groups);
        l->alpha = lop_mat_rows(b->alpha, at, groups);
        l->part = lop_mat_rows(b->part, at, groups);
        if (b->options.width > 0.0f) l->slopes = lop_mat_rows(b->slopes, at, groups);
        if (b->units[l->unit].groups == 0) b->units[l->unit].group = at;
        b->units[l->unit].groups += groups;
        at += groups;
    }
}

/* The last unit gives the span's output, and a first one what enters the block's second half. */
static void units_share(lop_besa *b)
{
    const lop_learning *learning = b->block->learning;
    b->unit_count = b->options.halves ? 2 : 1;
    for (int32_t i = 0; i < b->unit_count; i++)
        b->units[i].want = i + 1 == b->unit_count ? learning->want : learning->middle;
    for (int32_t i = 0; i < b->count; i++) {
        lop_besa_linear *l = &b->linears[i];
        const lop_input_id input = l->linear->view->input;
        l->unit = b->options.halves && (input == LOP_INPUT_FFN || input == LOP_INPUT_DOWN);
        lop_besa_unit *u = &b->units[l->unit];
        if (u->count++ == 0) u->first = i;
        u->weights += lop_mat_elements(l->order);
    }
}

/* Windows of a batch do not always divide by those of a step: its last step takes what is left. No more than `ask` lets by. */
static int32_t steps_of(const lop_besa *b)
{
    const lop_learning *l = b->block->learning;
    int32_t steps = 0;
    for (int32_t i = 0; i < l->input->count; i++)
        steps += ceil_div(lop_stream_sequences(l->input, i), l->windows);
    return steps * b->options.epochs;
}

lop_status lop_besa_place(lop_prune_block *block, lop_besa *b)
{
    int32_t groups = 0;
    const lop_learning *learning = block->learning;
    *b = (lop_besa){.block = block, .count = block->count};
    for (int32_t k = 0; k < learning->span; k++) b->trial[k] = trial_of(&learning->blocks[k]);
    LOP_TRY(lop_besa_options_read(block->settings, &block->linears[0].target, &b->options));
    b->steps = steps_of(b);
    b->scale = b->trial[0].o.type == LOP_F16 ? 65536.0f : 1.0f;
    for (int32_t i = 0; i < b->count; i++) {
        lop_besa_linear *l = &b->linears[i];
        const int32_t k = block->linears[i].block;
        const int32_t at = (int32_t)(block->linears[i].view - learning->blocks[k].dense->linears);
        *l = (lop_besa_linear){.linear = &block->linears[i], .used = b->trial[k].linears[at].w};
        b->by_index[k][at] = l;
        LOP_TRY(place_linear(block->arena, b, l));
        groups += groups_of(&b->options, l->order.rows);
    }
    LOP_TRY(place_logits(block->arena, b, groups));
    units_share(b);
    logits_share(b);
    LOP_TRY(place_loss(block->arena, b));
    if (b->options.metric == LOP_BESA_BY_INVERSE) LOP_TRY(lop_besa_place_factors(block->arena, b));
    if (b->options.clip) LOP_TRY(lop_besa_clip_place(block->arena, b));
    return place_scores(block->arena, b);
}

/* ---- beginning */

int32_t lop_besa_slab(const lop_besa *b, int32_t cols)
{
    return b->score.cols / cols;
}

lop_status lop_besa_score(lop_besa *b, const lop_besa_linear *l, int32_t first, int32_t rows, lop_mat *score)
{
    const lop_mat w = lop_mat_rows(l->linear->view->w, first, rows);
    const lop_mat norms = b->options.metric == LOP_BESA_BY_WANDA ? l->linear->colsum_sq : LOP_NONE;
    *score = lop_mat_of(b->score.buf, b->score.at, rows, w.cols, LOP_F32);
    if (b->options.metric == LOP_BESA_BY_INVERSE)
        return lop_score_obs(b->block->queue, w, l->factor, 2, *score);
    return lop_score_scaled(b->block->queue, w, norms, *score);
}

static lop_status rank(lop_besa *b, const lop_besa_linear *l)
{
    const int32_t rows = l->order.rows, cols = l->order.cols, slab = lop_besa_slab(b, cols);
    for (int32_t first = 0; first < rows; first += slab) {
        const int32_t n = rows - first < slab ? rows - first : slab;
        const lop_mat scratch = lop_mat_of(b->scratch.buf, b->scratch.at, n, cols, LOP_U32);
        lop_mat score;
        LOP_TRY(lop_besa_score(b, l, first, n, &score));
        LOP_TRY(lop_rank_rows(b->block->queue, score, scratch, lop_mat_rows(l->order, first, n)));
    }
    return LOP_OK;
}

static lop_status logits_begin(lop_besa *b)
{
    float base[LOP_BESA_BUCKETS_MOST + 1];
    lop_besa_first_logits(&b->options, base);
    for (int32_t i = 0; i < b->unit_count; i++)
        LOP_TRY(lop_upload(b->block->queue, base, lop_mat_rows(b->base, i, 1)));
    return lop_mat_zero(b->block->queue, b->theta);
}

lop_status lop_besa_begin(lop_besa *b)
{
    lop_queue *q = b->block->queue;
    LOP_TRY(logits_begin(b));
    for (int32_t k = 0; k < b->block->learning->span; k++)
        LOP_TRY(lop_block_copy_linears(q, b->block->learning->blocks[k].dense, &b->trial[k]));
    if (b->options.metric == LOP_BESA_BY_INVERSE) LOP_TRY(lop_besa_factor(b));
    for (int32_t i = 0; i < b->count; i++) {
        LOP_TRY(rank(b, &b->linears[i]));
        LOP_TRY(lop_mat_zero(q, b->linears[i].was));
    }
    for (int32_t i = 0; i < b->unit_count; i++) LOP_TRY(lop_mat_zero(q, b->units[i].losses));
    if (b->options.clip) LOP_TRY(lop_besa_clip_begin(b));
    return lop_besa_count(b, 0);
}
