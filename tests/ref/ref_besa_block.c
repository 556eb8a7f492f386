/* ref_besa_block.c - a block, or several together, learn their sparsities. Source: the authors' main.py, train loop, and its
 * layers. */
#include "tests/ref/ref_besa_block.h"
#include "tests/ref/ref_back.h"
#include "tests/ref/ref_learn.h"
#include "tests/ref/ref_prune.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *zeroed(int64_t count, size_t size)
{
    void *out = calloc((size_t)count + 1, size);
    if (out == NULL) {
        fprintf(stderr, "the reference needs %lld numbers and there is no memory\n", (long long)count);
        exit(1);
    }
    return out;
}

static double *copy_of(int64_t count, const double *x)
{
    double *out = ref_doubles(count);
    memcpy(out, x, (size_t)count * sizeof *x);
    return out;
}

/* -------------------------------------------------------------------------------- groups of rows */

static int group_rows_of(const ref_besa_linear *l, int g)
{
    const int from = g * l->group_rows;
    return l->rows - from < l->group_rows ? l->rows - from : l->group_rows;
}

/* The part of the block's weights that a group holds, which is the weight of its alpha. */
static double group_part(const ref_besa *b, const ref_besa_linear *l, int g)
{
    return (double)group_rows_of(l, g) * l->cols / (double)b->weights;
}

double ref_besa_row_alpha(const ref_besa_linear *l, int row)
{
    return l->alpha[row / l->group_rows];
}

/* -------------------------------------------------------------------------------- open and close */

static const ref_linear *dense_of(const ref_besa *b, int which)
{
    return &b->dense[which / REF_LINEARS].linear[which % REF_LINEARS];
}

/* The weights of the student's linear. */
static double **pruned_of(const ref_besa *b, int which)
{
    return &b->student.block[which / REF_LINEARS].linear[which % REF_LINEARS].w;
}

static void linear_open(ref_besa *b, int which)
{
    const ref_linear *dense = dense_of(b, which);
    ref_besa_linear *l = &b->linear[which];
    const int64_t size = (int64_t)dense->rows * dense->cols;
    l->rows = dense->rows, l->cols = dense->cols;
    l->group_rows = b->options.group_rows > 0 ? b->options.group_rows : l->rows;
    if (l->rows == 0) l->group_rows = 1; /* a family without this linear: no groups */
    l->groups = (l->rows + l->group_rows - 1) / l->group_rows;
    l->alpha = ref_doubles(l->groups);
    l->count = zeroed(l->rows, sizeof *l->count);
    l->order = zeroed(size, sizeof *l->order);
    l->g = ref_doubles(size);
    *pruned_of(b, which) = ref_doubles(size);
    b->weights += size;
    b->logits += (int64_t)l->groups * (b->options.buckets + 1);
}

/* The orders of block k, through which y goes. */
static void block_order(ref_besa *b, const ref_model *m, int block, int k, double *y)
{
    int widest = 0;
    double *sums = ref_sum_sq(m, block + k, b->data.windows, b->data.T, y, &widest);
    for (int i = 0; i < REF_LINEARS; i++) {
        const ref_besa_linear *l = &b->linear[k * REF_LINEARS + i];
        const double *sum_sq = sums + (int64_t)ref_place_of((ref_linear_name)i) * widest;
        ref_besa_order(l->rows, l->cols, b->dense[k].linear[i].w, b->options.magnitude ? NULL : sum_sq,
                       l->order);
    }
    free(sums);
}

/* The dense blocks over the inputs: statistics, and the targets where the caller gave none. */
static void order_open(ref_besa *b, const ref_model *m, int block)
{
    const ref_besa_data *d = &b->data;
    double *y = copy_of((int64_t)d->windows * d->T * m->hidden, d->x);
    for (int k = 0; k < b->span; k++) block_order(b, m, block, k, y);
    b->target = y;
    if (d->y == NULL) b->data.y = y;
    b->square = ref_doubles(m->hidden);
    ref_channel_square((int64_t)d->windows * d->T, m->hidden, b->data.y, b->square);
}

static void theta_open(ref_besa *b)
{
    const int J = b->options.buckets + 1;
    int64_t at = 0;
    b->theta = ref_doubles(b->logits);
    b->dtheta = ref_doubles(b->logits);
    b->line = ref_doubles(J);
    if (b->options.map == REF_SOFTMAX_TILTED) ref_besa_start(b->options.buckets, b->options.target, b->line);
    for (int i = 0; i < b->linears; i++) {
        ref_besa_linear *l = &b->linear[i];
        l->theta = b->theta + at, l->dtheta = b->dtheta + at;
        at += (int64_t)l->groups * J;
    }
    if (!b->options.at_target) return;
    for (at = 0; at < b->logits; at += J)
        ref_besa_start(b->options.buckets, b->options.target, b->theta + at);
}

void ref_besa_open(ref_besa *b, const ref_besa_options *options, const ref_model *m, int block,
                   const ref_besa_data *data)
{
    *b = (ref_besa){.options = *options, .data = *data, .dense = &m->block[block], .student = *m};
    b->span = b->student.blocks = options->span > 0 ? options->span : 1;
    b->linears = b->span * REF_LINEARS;
    b->student.block = zeroed(b->span, sizeof *b->student.block);
    memcpy(b->student.block, b->dense, (size_t)b->span * sizeof *b->dense);
    for (int i = 0; i < b->linears; i++) linear_open(b, i);
    order_open(b, m, block);
    theta_open(b);
}

void ref_besa_close(ref_besa *b)
{
    for (int i = 0; i < b->linears; i++) {
        ref_besa_linear *l = &b->linear[i];
        free(l->alpha), free(l->count), free(l->order), free(l->g), free(*pruned_of(b, i));
    }
    free(b->line), free(b->theta), free(b->dtheta), free(b->square), free(b->target), free(b->student.block);
}

/* -------------------------------------------------------------------------------- masks */

/* Sparsity and counts of a group from its logits. */
static void group_place(const ref_besa *b, ref_besa_linear *l, int g)
{
    const ref_besa_options *o = &b->options;
    const int B = o->buckets;
    double *beta = ref_doubles(B + 1);
    ref_besa_simplex(o->map, B, b->line, l->theta + (int64_t)g * (B + 1), beta);
    l->alpha[g] = ref_besa_alpha(B, beta);
    const int count = o->mask == REF_MASK_THRESHOLD ? ref_besa_count_threshold(B, l->cols, beta)
                                                    : ref_besa_count(l->alpha[g], l->cols);
    for (int i = 0; i < group_rows_of(l, g); i++) l->count[g * l->group_rows + i] = count;
    free(beta);
}

static double place(ref_besa *b)
{
    double sparsity = 0.0;
    for (int i = 0; i < b->linears; i++)
        for (int g = 0; g < b->linear[i].groups; g++) {
            group_place(b, &b->linear[i], g);
            sparsity += group_part(b, &b->linear[i], g) * b->linear[i].alpha[g];
        }
    return sparsity;
}

static void linear_write_hard(const ref_besa_linear *l, const double *w, double *out)
{
    for (int r = 0; r < l->rows; r++)
        for (int k = 0; k < l->cols; k++) {
            const int64_t at = (int64_t)r * l->cols + l->order[(int64_t)r * l->cols + k];
            out[at] = k < l->count[r] ? 0.0 : w[at];
        }
}

static void linear_write_soft(const ref_besa *b, const ref_besa_linear *l, const double *w, double *out)
{
    const int B = b->options.buckets;
    double *beta = ref_doubles(B + 1);
    for (int r = 0; r < l->rows; r++) {
        const double *theta = l->theta + (int64_t)(r / l->group_rows) * (B + 1);
        ref_besa_simplex(b->options.map, B, b->line, theta, beta);
        for (int k = 0; k < l->cols; k++) {
            const int64_t at = (int64_t)r * l->cols + l->order[(int64_t)r * l->cols + k];
            out[at] = w[at] * (1.0 - ref_besa_pruned(B, l->cols, beta, k));
        }
    }
    free(beta);
}

static void student_write(ref_besa *b, bool soft)
{
    for (int i = 0; i < b->linears; i++) {
        const double *w = dense_of(b, i)->w;
        double *out = *pruned_of(b, i);
        if (soft)
            linear_write_soft(b, &b->linear[i], w, out);
        else
            linear_write_hard(&b->linear[i], w, out);
    }
}

double ref_besa_mask(ref_besa *b)
{
    const double sparsity = place(b);
    student_write(b, b->options.mask == REF_MASK_SOFT);
    return sparsity;
}

static void budget(ref_besa *b)
{
    int rows = 0, at = 0;
    for (int i = 0; i < b->linears; i++) rows += b->linear[i].rows;
    double *alpha = ref_doubles(rows);
    int *cols = zeroed(rows, sizeof *cols), *count = zeroed(rows, sizeof *count);
    for (int i = 0; i < b->linears; i++)
        for (int r = 0; r < b->linear[i].rows; r++, at++) {
            alpha[at] = ref_besa_row_alpha(&b->linear[i], r);
            cols[at] = b->linear[i].cols;
            count[at] = b->linear[i].count[r];
        }
    ref_besa_budget(rows, alpha, cols, llround(b->options.target * (double)b->weights), count);
    at = 0;
    for (int i = 0; i < b->linears; i++)
        for (int r = 0; r < b->linear[i].rows; r++) b->linear[i].count[r] = count[at++];
    free(count), free(cols), free(alpha);
}

/* -------------------------------------------------------------------------------- a step */

/* The squares by which channels are divided, the caller's to free; NULL for none. */
static double *channel_squares(const ref_besa *b, int64_t tokens, const double *y)
{
    const int C = b->student.hidden;
    if (b->options.loss == REF_LOSS_FROBENIUS) return NULL;
    if (b->options.loss == REF_LOSS_ALL) return copy_of(C, b->square);
    double *square = ref_doubles(C);
    ref_channel_square(tokens, C, y, square);
    return square;
}

/* One window, x (T, hidden): dw += the gradients of all weights of the span. */
static void window_back(const ref_besa *b, const double *x, double *dy, double *const *dw)
{
    const int64_t one = (int64_t)b->data.T * b->student.hidden;
    double *in = ref_doubles(b->span * one);
    memcpy(in, x, (size_t)one * sizeof *in);
    for (int k = 1; k < b->span; k++) {
        memcpy(in + k * one, in + (k - 1) * one, (size_t)one * sizeof *in);
        ref_block_forward(&b->student, k - 1, 0, b->data.T, in + k * one, NULL);
    }
    for (int k = b->span - 1; k >= 0; k--)
        ref_block_backward(&b->student, k, b->data.T, in + k * one, dy, dw + k * REF_LINEARS);
    free(in);
}

/* dy (windows, T, hidden) becomes gradients by masks, whose bucket sums by group, linears in order, are the caller's to
 * free. */
static double *masks_back(ref_besa *b, int first, int windows, double *dy)
{
    const int B = b->options.buckets;
    const int64_t one = (int64_t)b->data.T * b->student.hidden;
    double *dw[REF_SPAN_MOST * REF_LINEARS], *sums = ref_doubles(b->logits / (B + 1) * B), *h = sums;
    for (int i = 0; i < b->linears; i++) dw[i] = ref_doubles((int64_t)b->linear[i].rows * b->linear[i].cols);
    for (int w = 0; w < windows; w++) window_back(b, b->data.x + (first + w) * one, dy + w * one, dw);
    for (int i = 0; i < b->linears; i++) {
        const ref_besa_linear *l = &b->linear[i];
        for (int64_t j = 0; j < (int64_t)l->rows * l->cols; j++) l->g[j] = dw[i][j] * dense_of(b, i)->w[j];
        for (int g = 0; g < l->groups; g++, h += B) {
            const int64_t from = (int64_t)g * l->group_rows * l->cols;
            ref_besa_buckets(group_rows_of(l, g), l->cols, B, l->order + from, l->g + from, h);
        }
        free(dw[i]);
    }
    return sums;
}

/* The price at sparsity s. */
static double price_of(ref_besa *b, const double *h, double s)
{
    const int B = b->options.buckets;
    double loss = 0.0, rate = 0.0, alpha;
    for (int i = 0; i < b->linears; i++) {
        const ref_besa_linear *l = &b->linear[i];
        for (int g = 0; g < l->groups; g++, h += B) {
            const double *theta = l->theta + (int64_t)g * (B + 1);
            loss += ref_besa_lift(b->options.map, B, b->line, theta, h, &alpha);
            rate += group_part(b, l, g) * alpha;
        }
    }
    b->reach = rate;
    b->price = ref_besa_price(loss, rate, b->options.target, b->options.target, b->options.width);
    return ref_besa_price(loss, rate, s, b->options.target, b->options.width);
}

static void logits_back(ref_besa *b, const double *h)
{
    const int B = b->options.buckets;
    memset(b->dtheta, 0, (size_t)b->logits * sizeof *b->dtheta);
    for (int i = 0; i < b->linears; i++) {
        const ref_besa_linear *l = &b->linear[i];
        for (int g = 0; g < l->groups; g++, h += B) {
            const int64_t logits = (int64_t)g * (B + 1);
            ref_besa_back(b->options.map, B, b->line, l->theta + logits, h, b->pull * group_part(b, l, g),
                          l->dtheta + logits);
        }
    }
}

/* s as what holds the block at its target sees it. */
static double seen_of(const ref_besa *b, double s)
{
    return b->options.float_sparsity ? (double)(float)s : s;
}

double ref_besa_gradient(ref_besa *b, int first, int windows, bool with_back, ref_besa_step *seen)
{
    const int64_t one = (int64_t)b->data.T * b->student.hidden, tokens = (int64_t)windows * b->data.T;
    const double *y = b->data.y + first * one;
    const bool priced = b->options.width > 0.0;
    double *got = copy_of(windows * one, b->data.x + first * one), *dy = ref_doubles(windows * one), ds = 0.0;
    seen->sparsity = ref_besa_mask(b);
    for (int w = 0; w < windows; w++)
        for (int k = 0; k < b->span; k++)
            ref_block_forward(&b->student, k, w, b->data.T, got + w * one, NULL);
    double *square = channel_squares(b, tokens, y);
    seen->error = ref_error(tokens, b->student.hidden, y, got, square, dy);
    const double s = seen_of(b, seen->sparsity);
    const double penalty = priced ? 0.0 : ref_penalty(s, b->options.target, b->options.penalty, &ds);
    if (with_back) {
        double *h = masks_back(b, first, windows, dy);
        b->pull = priced ? price_of(b, h, s) : ds;
        logits_back(b, h);
        free(h);
    }
    free(square), free(dy), free(got);
    return seen->error + penalty;
}

/* -------------------------------------------------------------------------------- learning */

static int steps_of_epoch(const ref_besa *b)
{
    return (b->data.windows + b->options.batch - 1) / b->options.batch;
}

static int steps_planned(const ref_besa *b)
{
    return b->options.epochs * steps_of_epoch(b);
}

int ref_besa_steps(const ref_besa *b)
{
    const int planned = steps_planned(b), stop = b->options.stop;
    return stop > 0 && stop < planned ? stop : planned;
}

static double rate_of(const ref_besa *b, int step)
{
    const double pi = 3.14159265358979323846;
    if (!b->options.cosine) return b->options.lr;
    return b->options.lr * (1.0 + cos(pi * step / steps_planned(b))) / 2.0;
}

static bool tilts(const ref_besa *b)
{
    return b->options.map == REF_SOFTMAX_TILTED && b->options.width > 0.0;
}

/* All rows' line, so that the mean rate, which was s where it grew by b->reach, comes to the target. */
static void tilt(ref_besa *b, double s)
{
    const int B = b->options.buckets;
    const double mu = (b->options.target - seen_of(b, s)) / fmax(b->reach, 0x1p-32);
    for (int q = 0; q <= B; q++) b->line[q] += mu * q / B;
}

/* The last step's own drift. */
static void settle(ref_besa *b)
{
    double *none = ref_doubles(b->logits);
    for (int turn = 0; turn < 3 && tilts(b); turn++) {
        const double s = place(b);
        (void)price_of(b, none, s);
        tilt(b, s);
    }
    free(none);
}

void ref_besa_learn(ref_besa *b, ref_besa_step *log)
{
    const ref_besa_options *o = &b->options;
    ref_prodigy prodigy;
    ref_adamw adamw;
    ref_prodigy_open(&prodigy, b->logits, o->d_coef, b->theta);
    ref_adamw_open(&adamw, b->logits, o->decay);
    for (int step = 0; step < ref_besa_steps(b); step++) {
        const int first = step % steps_of_epoch(b) * o->batch, left = b->data.windows - first;
        ref_besa_gradient(b, first, left < o->batch ? left : o->batch, true, &log[step]);
        if (tilts(b)) tilt(b, log[step].sparsity);
        if (o->optimizer == REF_PRODIGY)
            ref_prodigy_step(&prodigy, rate_of(b, step), b->dtheta, b->theta);
        else
            ref_adamw_step(&adamw, rate_of(b, step), b->dtheta, b->theta);
    }
    ref_adamw_close(&adamw);
    ref_prodigy_close(&prodigy);
    if (ref_besa_steps(b) > 0) settle(b);
    place(b);
    if (o->exact) budget(b);
    student_write(b, false);
}
