/* sparsegpt_solve.c - one linear, panel of columns by panel from the left: what goes is chosen, what stays makes up for it
 * within the panel, and one product brings the panel's errors to the columns behind it; to those beyond the next few panels in
 * one product for all of these. */
#include "core/prune/sparsegpt_parts.h"

#include "core/device/device.h"
#include "core/device/factor.h"
#include "core/device/launch.h"

/* A linear under way. Panels are kept in line by their first column. */
typedef struct solving {
    lop_sparsegpt *s;
    const lop_prune_linear *linear;
    lop_mat w, u; /* (R, n), (n, n) f32 */
    lop_mat e;    /* (R, the columns of a lazy product) f32 */
} solving;

static lop_mat keep_of(const solving *v, int32_t at, int32_t width)
{
    return lop_mat_cols(v->linear->keep, at / 8, (width + 7) / 8);
}

/* How many weights of columns [at, end) go: together the panels lose what the linear is to lose, and each no more than one
 * weight more or less than its share. Without an exact budget the reference's own count. */
static int64_t drop_of(const lop_target *target, int32_t rows, int32_t at, int32_t end)
{
    if (!target->exact) return lop_budget_all(target, rows, end - at);
    return lop_budget_all(target, rows, end) - lop_budget_all(target, rows, at);
}

static lop_status choose(const solving *v, int32_t at, int32_t width)
{
    lop_sparsegpt *s = v->s;
    lop_queue *q = s->block->queue;
    const lop_target *target = &v->linear->target;
    const int32_t rows = v->w.rows, n = v->w.cols;
    const lop_mat score = lop_mat_of(s->score.buf, s->score.at, rows, width, LOP_F32);
    const lop_mat diagonal = lop_mat_cols(s->factor.diagonal, 0, n);
    if (at == 0) LOP_TRY(lop_diagonal(q, v->u, diagonal));
    LOP_TRY(lop_score_obs(q, lop_mat_cols(v->w, at, width), lop_mat_cols(diagonal, at, width), 2, score));
    return lop_keep_all(q, score, drop_of(target, rows, at, at + width),
                        !target->exact && target->ratio > 0.0, s->select, keep_of(v, at, width));
}

/* A column waits for the one before it, so a row is a chain; few lanes a row leave room for many rows at a time. */
enum { ROW_LANES = 32 };

lop_status lop_sparsegpt_walk(lop_queue *q, const lop_sparsegpt_panel *p)
{
    const lop_launch_shape rows = {.groups = p->w.rows,
                                   .cols = p->w.cols,
                                   .lanes = ROW_LANES,
                                   .word = LOP_F32,
                                   .local_bytes = 2 * (size_t)p->w.cols * sizeof(float)};
    const lop_arg args[] = {LOP_M(p->w),     LOP_M(p->u),    LOP_M(p->keep),  LOP_M(p->e),
                            LOP_M(p->error), LOP_I(p->kept), LOP_I(p->group), LOP_I(p->w.cols)};
    return LOP_LAUNCH(q, LOP_KERNEL_sparsegpt_row, &rows, args);
}

static lop_status walk(const solving *v, int32_t at, int32_t width, lop_mat e)
{
    const lop_target *target = &v->linear->target;
    const bool pattern = v->s->options.chooses && target->group != 0;
    const lop_sparsegpt_panel panel = {.w = lop_mat_cols(v->w, at, width),
                                       .u = lop_mat_part(v->u, at, width, at, width),
                                       .keep = keep_of(v, at, width),
                                       .e = e,
                                       .error = lop_mat_rows(v->s->row_error, 0, v->w.rows),
                                       .kept = pattern ? target->keep : 0,
                                       .group = pattern ? target->group : 0};
    return lop_sparsegpt_walk(v->s->block->queue, &panel);
}

/* Columns [at, end) lose what the errors e of columns [from, from + e.cols) ask of them. */
static lop_status pass_on(const solving *v, lop_mat e, int32_t from, int32_t at, int32_t end)
{
    if (at >= end) return LOP_OK;
    return lop_gemm(v->s->block->queue, &(lop_gemm_args){.a = e,
                                                         .b = lop_mat_part(v->u, from, e.cols, at, end - at),
                                                         .c = lop_mat_cols(v->w, at, end - at),
                                                         .alpha = -1.0f,
                                                         .beta = 1.0f,
                                                         .math = LOP_MATH_F32,
                                                         .count = 1});
}

/* The panels of columns [first, end), and what they leave to all behind them. */
static lop_status panels(const solving *v, int32_t first, int32_t end)
{
    const bool unstructured = v->s->options.chooses && v->linear->target.group == 0;
    for (int32_t at = first; at < end; at += v->s->options.panel) {
        const int32_t width = lop_lesser(v->s->options.panel, end - at);
        const lop_mat e = lop_mat_cols(v->e, at - first, width);
        if (unstructured) LOP_TRY(choose(v, at, width));
        LOP_TRY(walk(v, at, width, e));
        LOP_TRY(pass_on(v, e, at, at + width, end));
    }
    return pass_on(v, lop_mat_cols(v->e, 0, end - first), first, end, v->w.cols);
}

static int32_t lazy_of(int32_t panel)
{
    return panel < LOP_SPARSEGPT_LAZY ? LOP_SPARSEGPT_LAZY / panel * panel : panel;
}

lop_status lop_sparsegpt_solve_from(lop_sparsegpt *s, int32_t index, lop_mat w)
{
    lop_queue *q = s->block->queue;
    lop_prune_linear *linear = &s->block->linears[index];
    const int32_t rows = w.rows, n = w.cols, lazy = lop_lesser(lazy_of(s->options.panel), n);
    const solving v = {.s = s,
                       .linear = linear,
                       .w = w,
                       .u = lop_damped_u(&s->factor, n),
                       .e = lop_mat_of(s->e.buf, s->e.at, rows, lazy, LOP_F32)};
    const lop_mat row_error = lop_mat_rows(s->row_error, 0, rows), error = lop_mat_rows(s->error, index, 1);
    const lop_mat wrong = lop_mat_cols(s->wrong, index, 1);
    LOP_TRY(lop_mat_zero(q, row_error));
    LOP_TRY(lop_mat_zero(q, error));
    LOP_TRY(lop_mat_zero(q, wrong));
    for (int32_t first = 0; first < n; first += lazy) LOP_TRY(panels(&v, first, lop_lesser(n, first + lazy)));
    LOP_TRY(lop_sum(q, row_error, error));
    linear->changed = linear->spare;
    if (w.buf != linear->spare.buf || w.at != linear->spare.at) LOP_TRY(lop_cast(q, w, linear->spare));
    const lop_mat scratch = lop_mat_of(s->select.buf, s->select.at, rows, 1, LOP_U32);
    return lop_count_not_finite(q, linear->spare, scratch, wrong);
}

lop_status lop_sparsegpt_solve(lop_sparsegpt *s, int32_t index)
{
    const lop_prune_linear *linear = &s->block->linears[index];
    const lop_mat dense = linear->view->w;
    const lop_mat w = linear->spare.type == LOP_F32
                          ? linear->spare
                          : lop_mat_of(s->w.buf, s->w.at, dense.rows, dense.cols, LOP_F32);
    LOP_TRY(lop_cast(s->block->queue, dense, w));
    return lop_sparsegpt_solve_from(s, index, w);
}

/* ---- placing */

typedef struct most {
    int32_t rows, cols, select;
    int64_t weights, errors, scores;
    bool copies;
} most;

static int64_t greater(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static most most_of(const lop_prune_block *block, const lop_sparsegpt_options *o)
{
    most m = {.rows = 1, .cols = 1};
    for (int32_t i = 0; i < block->count; i++) {
        const lop_mat w = block->linears[i].view->w;
        m.rows = w.rows > m.rows ? w.rows : m.rows;
        m.cols = w.cols > m.cols ? w.cols : m.cols;
        m.weights = greater(m.weights, lop_mat_elements(w));
        m.errors = greater(m.errors, (int64_t)w.rows * lop_lesser(lazy_of(o->panel), w.cols));
        m.scores = greater(m.scores, (int64_t)w.rows * lop_lesser(o->panel, w.cols));
        m.copies = m.copies || block->linears[i].spare.type != LOP_F32;
    }
    m.select = lop_keep_all_scratch(m.rows);
    return m;
}

/* `elements` in a row. LOP_E_UNSUPPORTED: more than a matrix can name. */
static lop_status place_flat(lop_arena *a, int64_t elements, lop_type type, lop_mat *out)
{
    if (elements > INT32_MAX)
        return LOP_FAIL(LOP_E_UNSUPPORTED, "a linear of %lld weights is more than this method takes",
                        (long long)elements);
    return lop_arena_mat(a, 1, (int32_t)elements, type, out);
}

lop_status lop_sparsegpt_place(lop_prune_block *block, const lop_sparsegpt_options *options, lop_sparsegpt *s)
{
    lop_arena *a = block->arena;
    const most m = most_of(block, options);
    *s = (lop_sparsegpt){.block = block, .options = *options};
    LOP_TRY(lop_damped_place(a, m.cols, LOP_SPARSEGPT_LINEARS, &s->factor));
    if (m.copies) LOP_TRY(place_flat(a, m.weights, LOP_F32, &s->w));
    LOP_TRY(place_flat(a, m.errors, LOP_F32, &s->e));
    LOP_TRY(place_flat(a, m.scores, LOP_F32, &s->score));
    LOP_TRY(place_flat(a, m.select, LOP_U32, &s->select));
    LOP_TRY(lop_arena_mat(a, m.rows, 1, LOP_F32, &s->row_error));
    LOP_TRY(lop_arena_mat(a, 1, LOP_SPARSEGPT_LINEARS, LOP_I64, &s->wrong));
    return lop_arena_mat(a, LOP_SPARSEGPT_LINEARS, 2, LOP_F32, &s->error);
}
