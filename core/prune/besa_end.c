/* besa_end.c - the end of a block: how many of each row go, exactly as many as the target says, the keep bits that follow,
 * and what the report tells of the learning. */
#include "core/prune/besa_parts.h"

#include "core/base/memory.h"
#include "core/device/device.h"
#include "core/prune/report.h"

#include <math.h>
#include <stdlib.h>

/* ---- the budget */

static double clip(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

/* Where a row stands, in whole weights, when every row has moved by `shift` of its weights; never back past its count. */
static int64_t moved_to(const lop_besa_row *row, double shift, bool up)
{
    const double at = clip((row->alpha + shift) * row->cols, 0.0, row->cols);
    return (int64_t)(up ? floor(fmax(at, row->count)) : ceil(fmin(at, row->count)));
}

static int64_t whole_sum(const lop_besa_row *rows, int64_t n, double shift, bool up)
{
    int64_t sum = 0;
    for (int64_t r = 0; r < n; r++) sum += moved_to(&rows[r], shift, up);
    return sum;
}

/* The largest move whose whole weights do not go past `want`. Counts need not be what the mean rates say (the threshold rule's
 * are not): the search begins where no row moves whatever its rate. */
static double shift_of(const lop_besa_row *rows, int64_t n, int64_t want, bool up)
{
    double within = up ? -1.0 : 1.0, past = -within;
    for (int i = 0; i < 100; i++) {
        const double middle = (within + past) / 2.0;
        const int64_t sum = whole_sum(rows, n, middle, up);
        if (up ? sum <= want : sum >= want)
            within = middle;
        else
            past = middle;
    }
    return within;
}

typedef struct ranked {
    double left; /* of a whole weight that the row has still to move */
    int64_t row;
} ranked;

static int by_what_is_left(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->left != y->left) return x->left > y->left ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

/* One weight more for as many rows as are missing, by what is left of each; a row that can move no further stays. */
static lop_status spread(lop_besa_row *rows, int64_t n, int64_t missing, double shift)
{
    const bool up = missing > 0;
    ranked *order = NULL;
    LOP_TRY(LOP_NEW(&order, n));
    for (int64_t r = 0; r < n; r++) {
        const double at = clip((rows[r].alpha + shift) * rows[r].cols, 0.0, rows[r].cols);
        order[r] = (ranked){up ? at - rows[r].count : rows[r].count - at, r};
    }
    qsort(order, (size_t)n, sizeof *order, by_what_is_left);
    while (missing != 0)
        for (int64_t i = 0; i < n && missing != 0; i++) {
            lop_besa_row *row = &rows[order[i].row];
            if (up ? row->count == (uint32_t)row->cols : row->count == 0) continue;
            row->count += up ? 1u : UINT32_MAX;
            missing += up ? -1 : 1;
        }
    lop_free(order);
    return LOP_OK;
}

lop_status lop_besa_budget(lop_besa_row *rows, int64_t n, int64_t want)
{
    int64_t have = 0, most = 0;
    for (int64_t r = 0; r < n; r++) {
        have += rows[r].count;
        most += rows[r].cols;
    }
    if (want < 0 || want > most)
        return LOP_FAIL(LOP_E_ARGUMENT, "%lld weights are to go of %lld", (long long)want, (long long)most);
    if (have == want) return LOP_OK;
    const bool up = have < want;
    const double shift = shift_of(rows, n, want, up);
    for (int64_t r = 0; r < n; r++) {
        have -= rows[r].count;
        rows[r].count = (uint32_t)moved_to(&rows[r], shift, up);
        have += rows[r].count;
    }
    return have == want ? LOP_OK : spread(rows, n, want - have, shift);
}

/* ---- what the device has learned, on the host */

typedef struct learned {
    lop_besa_row *rows;         /* of all linears below one another */
    uint32_t *count;            /* of rows of logits, then of rows */
    float *alpha;               /* of rows of logits */
    float *losses, *sparsities; /* of the units one after the other */
    int64_t row_count, moved;
} learned;

static void learned_close(learned *e)
{
    lop_free(e->sparsities);
    lop_free(e->losses);
    lop_free(e->alpha);
    lop_free(e->count);
    lop_free(e->rows);
}

static lop_status fetch(lop_besa *b, learned *e)
{
    lop_queue *q = b->block->queue;
    for (int32_t i = 0; i < b->count; i++) e->row_count += b->linears[i].order.rows;
    LOP_TRY(LOP_NEW(&e->rows, e->row_count));
    LOP_TRY(LOP_NEW(&e->count, e->row_count));
    LOP_TRY(LOP_NEW(&e->alpha, b->alpha.rows));
    const lop_besa_unit *u = b->units;
    LOP_TRY(lop_alloc((size_t)b->unit_count * (size_t)u->losses.cols, sizeof *e->losses, &e->losses));
    LOP_TRY(
        lop_alloc((size_t)b->unit_count * (size_t)u->sparsities.cols, sizeof *e->sparsities, &e->sparsities));
    LOP_TRY(lop_download(q, b->count_all, e->count));
    LOP_TRY(lop_download(q, b->alpha, e->alpha));
    for (int32_t i = 0; i < b->unit_count; i++) {
        LOP_TRY(lop_download(q, u[i].losses, e->losses + (int64_t)i * u->losses.cols));
        LOP_TRY(lop_download(q, u[i].sparsities, e->sparsities + (int64_t)i * u->sparsities.cols));
    }
    return LOP_OK;
}

/* Over the units: the sum of their losses in a step, and the mean of their expected sparsities by weights. */
static double loss_of(const lop_besa *b, const learned *e, int32_t step)
{
    double sum = 0.0;
    for (int32_t i = 0; i < b->unit_count; i++)
        sum += lop_sum_value(e->losses + (int64_t)i * b->units[0].losses.cols + 2 * step);
    return sum;
}

static double sparsity_of(const lop_besa *b, const learned *e, int32_t step)
{
    double sum = 0.0, weights = 0.0;
    for (int32_t i = 0; i < b->unit_count; i++) {
        const double s = (double)e->sparsities[(int64_t)i * b->units[0].sparsities.cols + step];
        if (b->units[i].count == 0) continue;
        sum += s * (double)b->units[i].weights;
        weights += (double)b->units[i].weights;
    }
    return sum / weights;
}

/* Each row takes what its row of logits says. */
static void rows_set(const lop_besa *b, learned *e)
{
    int64_t row = 0;
    int32_t group = 0;
    for (int32_t i = 0; i < b->count; i++) {
        const lop_besa_linear *l = &b->linears[i];
        for (int32_t r = 0; r < l->order.rows; r++)
            e->rows[row++] = (lop_besa_row){.alpha = (double)e->alpha[group + r / l->each],
                                            .cols = l->order.cols,
                                            .count = e->count[group + r / l->each]};
        group += l->theta.rows;
    }
}

static lop_status check(const lop_besa *b, const learned *e)
{
    for (int32_t s = 0; s < b->steps; s++)
        if (!isfinite(loss_of(b, e, s)))
            return LOP_FAIL(LOP_E_NUMERIC, "the loss of step %d of %d is no number", s + 1, b->steps);
    for (int32_t g = 0; g < b->alpha.rows; g++)
        if (!(e->alpha[g] >= 0.0f && e->alpha[g] <= 1.0f))
            return LOP_FAIL(
                LOP_E_NUMERIC,
                "the logits have left the numbers: a lower --d-coef or --learning-rate may hold them");
    return LOP_OK;
}

/* The rows of a unit lose exactly what the target says. */
static lop_status settle_unit(const lop_besa *b, const lop_besa_unit *u, lop_besa_row *rows, int64_t count,
                              int64_t *moved)
{
    const lop_target *target = &b->block->linears[0].target;
    const int64_t want = (int64_t)nearbyint((double)u->weights * target->ratio);
    int64_t have = 0;
    if (!target->exact) return LOP_OK;
    for (int64_t r = 0; r < count; r++) have += rows[r].count;
    *moved += have > want ? have - want : want - have;
    return lop_besa_budget(rows, count, want);
}

static lop_status settle(const lop_besa *b, learned *e)
{
    int64_t at = 0;
    for (int32_t i = 0; i < b->unit_count; i++) {
        const lop_besa_unit *u = &b->units[i];
        int64_t rows = 0;
        for (int32_t j = 0; j < u->count; j++) rows += b->linears[u->first + j].order.rows;
        LOP_TRY(settle_unit(b, u, e->rows + at, rows, &e->moved));
        at += rows;
    }
    for (int64_t r = 0; r < e->row_count; r++) e->count[r] = e->rows[r].count;
    return LOP_OK;
}

/* ---- keep bits */

static lop_status keep_linear(lop_besa *b, const lop_besa_linear *l, const uint32_t *drop)
{
    lop_queue *q = b->block->queue;
    const int32_t rows = l->order.rows, slab = lop_besa_slab(b, l->order.cols);
    LOP_TRY(lop_upload(q, drop, l->was));
    for (int32_t first = 0; first < rows; first += slab) {
        const int32_t n = rows - first < slab ? rows - first : slab;
        lop_mat score;
        LOP_TRY(lop_besa_score(b, l, first, n, &score));
        LOP_TRY(
            lop_keep_rows(q, score, lop_mat_rows(l->was, first, n), lop_mat_rows(l->linear->keep, first, n)));
    }
    return LOP_OK;
}

static lop_status keep_all(lop_besa *b, const learned *e)
{
    const uint32_t *drop = e->count;
    for (int32_t i = 0; i < b->count; i++) {
        LOP_TRY(keep_linear(b, &b->linears[i], drop));
        drop += b->linears[i].order.rows;
    }
    return LOP_OK;
}

/* ---- the report */

static lop_status steps_tell(const lop_besa *b, const learned *e, json_t *steps)
{
    for (int32_t s = 0; s < b->steps; s++) {
        json_t *pair = json_pack("[f, f]", loss_of(b, e, s), sparsity_of(b, e, s));
        if (pair == NULL || json_array_append_new(steps, pair) != 0)
            return LOP_FAIL(LOP_E_MEMORY, "there is no memory for the report");
    }
    return LOP_OK;
}

static lop_status linears_tell(const lop_besa *b, const learned *e)
{
    const float *alpha = e->alpha;
    for (int32_t i = 0; i < b->count; i++) {
        const lop_besa_linear *l = &b->linears[i];
        json_t *linears = json_object_get(b->block->learned[l->linear->block], "linears");
        double sum = 0.0;
        for (int32_t g = 0; g < l->theta.rows; g++) sum += (double)alpha[g];
        alpha += l->theta.rows;
        json_t *line =
            json_pack("{s:s, s:f}", "name", l->linear->view->name, "expected", sum / l->theta.rows);
        if (line == NULL || json_array_append_new(linears, line) != 0)
            return LOP_FAIL(LOP_E_MEMORY, "there is no memory for the report");
        if (b->options.metric == LOP_BESA_BY_INVERSE) LOP_TRY(lop_damped_tell(&l->damped, line));
    }
    return LOP_OK;
}

static lop_status tell(const lop_besa *b, const learned *e)
{
    json_t *into = b->block->learned[0], *steps = json_array();
    LOP_TRY(lop_json_put(into, "steps", steps));
    for (int32_t k = 0; k < b->block->learning->span; k++)
        LOP_TRY(lop_json_put(b->block->learned[k], "linears", json_array()));
    LOP_TRY(lop_json_put(into, "expected", json_real(sparsity_of(b, e, b->steps))));
    LOP_TRY(lop_json_put(into, "moved", json_integer((json_int_t)e->moved)));
    LOP_TRY(steps_tell(b, e, steps));
    return linears_tell(b, e);
}

lop_status lop_besa_end(lop_besa *b)
{
    learned e = {0};
    lop_status status = LOP_OK;
    LOP_TRY_DONE(fetch(b, &e));
    LOP_TRY_DONE(check(b, &e));
    rows_set(b, &e);
    LOP_TRY_DONE(settle(b, &e));
    LOP_TRY_DONE(keep_all(b, &e));
    if (b->options.clip) LOP_TRY_DONE(lop_besa_clip_end(b));
    status = tell(b, &e);
done:
    learned_close(&e);
    return status;
}
