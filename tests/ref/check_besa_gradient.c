/* check_besa_gradient.c - BESA's gradients in tiny blocks of each family. With the keep probabilities themselves as the mask
 * the loss is smooth, and central differences have its gradient; with the hard mask the straight-through gradient is that of
 * the loss made linear in the keep probabilities. */
#include "tests/ref/checks.h"
#include "tests/ref/ref_besa_block.h"
#include "tests/ref/ref_learn.h"
#include "tests/ref/ref_prune.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { HIDDEN = 8, FFN = 12, HEADS = 4, HEAD_DIM = 4, T = 6, WINDOWS = 2, STREAM = WINDOWS * T * HIDDEN };

static void fill(int n, double phase, double *x)
{
    for (int i = 0; i < n; i++) x[i] = sin(1.7 * i + phase + 0.3 * (double)i * i);
}

/* Two blocks of a family, their inputs, and targets that are not what they give. */
typedef struct tiny {
    ref_model model;
    ref_block block[REF_SPAN_MOST];
    double gain[REF_SPAN_MOST][2][HIDDEN], shift[REF_SPAN_MOST][2][HIDDEN];
    double bias[REF_SPAN_MOST][REF_LINEARS][HEADS * HEAD_DIM], x[STREAM], y[STREAM];
} tiny;

typedef struct family {
    const char *name;
    int kv_heads, window, bias; /* bias: the last linear that has one, and 1 */
    int opt, norm_after;
} family;
static const family families[] = {{"llama", 2, 0, 0, 0, 0},
                                  {"mistral", 1, 3, 0, 0, 0},
                                  {"qwen2", 4, 0, REF_V + 1, 0, 0},
                                  {"opt", 4, 0, REF_LINEARS, 1, 0},
                                  {"opt-350m", 4, 0, REF_LINEARS, 1, 1}};

static void block_open(tiny *b, const family *f, int k)
{
    const int q = HEADS * HEAD_DIM, kv = f->kv_heads * HEAD_DIM;
    const int rows[REF_LINEARS] = {q, kv, kv, HIDDEN, f->opt ? 0 : FFN, FFN, HIDDEN};
    const int cols[REF_LINEARS] = {HIDDEN, HIDDEN, HIDDEN, q, f->opt ? 0 : HIDDEN, HIDDEN, FFN};
    ref_block *block = &b->block[k];
    double(*gain)[HIDDEN] = b->gain[k], (*shift)[HIDDEN] = b->shift[k];
    *block = (ref_block){.norm_attention = {gain[0], f->opt ? shift[0] : NULL},
                         .norm_ffn = {gain[1], f->opt ? shift[1] : NULL},
                         .window = f->window};
    for (int i = 0; i < 2; i++) {
        fill(HIDDEN, 1.3 + i + 0.4 * k, shift[i]);
        fill(HIDDEN, 0.3 + i + 0.7 * k, gain[i]);
        for (int c = 0; c < HIDDEN; c++) gain[i][c] = 1.0 + 0.3 * gain[i][c];
    }
    for (int i = 0; i < REF_LINEARS; i++) {
        ref_linear *l = &block->linear[i];
        *l = (ref_linear){rows[i], cols[i], ref_doubles(rows[i] * cols[i]), NULL};
        fill(rows[i] * cols[i], 2.0 * i + 0.9 * k, l->w);
        if (i >= f->bias) continue;
        fill(rows[i], 5.0 + i + k, b->bias[k][i]);
        l->bias = b->bias[k][i];
    }
}

static void tiny_open(tiny *b, const family *f)
{
    memset(b, 0, sizeof *b);
    b->model = (ref_model){.blocks = REF_SPAN_MOST,
                           .hidden = HIDDEN,
                           .ffn = FFN,
                           .heads = HEADS,
                           .kv_heads = f->kv_heads,
                           .head_dim = HEAD_DIM,
                           .norm_eps = 1e-5,
                           .norm_after = f->norm_after,
                           .activation = f->opt ? REF_ACT_RELU : REF_ACT_SILU,
                           .rope = {.kind = f->opt ? REF_ROPE_NONE : REF_ROPE_PLAIN, .theta = 100.0},
                           .block = b->block};
    for (int k = 0; k < REF_SPAN_MOST; k++) block_open(b, f, k);
    fill(STREAM, 0.6, b->x), fill(STREAM, 1.9, b->y);
}

static void tiny_close(tiny *b)
{
    for (int i = 0; i < REF_SPAN_MOST * REF_LINEARS; i++)
        free(b->block[i / REF_LINEARS].linear[i % REF_LINEARS].w);
}

static ref_besa_options options_of(int buckets, int group_rows, ref_mask mask)
{
    return (ref_besa_options){.buckets = buckets,
                              .group_rows = group_rows,
                              .mask = mask,
                              .target = 0.4,
                              .penalty = 5.0,
                              .lr = 1.0,
                              .d_coef = 1.0,
                              .epochs = 1,
                              .batch = WINDOWS};
}

static void learner_open(ref_besa *b, const ref_besa_options *o, const tiny *t)
{
    const ref_besa_data data = {WINDOWS, T, t->x, t->y};
    ref_besa_open(b, o, &t->model, 0, &data);
    fill((int)b->logits, 0.8, b->theta);
}

/* -------------------------------------------------------------------------------- differences */

typedef double loss_fn(ref_besa *b, void *user);

/* Central differences of a loss by every logit of a linear against dtheta. Their rounding, eps over the step, and what the
 * step's square leaves out are both some 1e-10. */
static double linear_off(ref_besa *b, const ref_besa_linear *l, const double *dtheta, loss_fn *loss,
                         void *user)
{
    const double step = 0x1p-17;
    double largest = 0.0, worst = 0.0;
    for (int64_t i = 0; i < (int64_t)l->groups * (b->options.buckets + 1); i++) {
        const double before = l->theta[i];
        l->theta[i] = before + step;
        const double high = loss(b, user);
        l->theta[i] = before - step;
        const double low = loss(b, user);
        l->theta[i] = before;
        worst = fmax(worst, fabs((high - low) / (2.0 * step) - dtheta[i]));
        largest = fmax(largest, fabs(dtheta[i]));
    }
    assert_true(largest > 1e-6);
    return worst / largest;
}

/* The worst linear, relative to its own largest gradient. */
static double block_off(ref_besa *b, loss_fn *loss, void *user)
{
    double *dtheta = ref_doubles(b->logits), worst = 0.0;
    memcpy(dtheta, b->dtheta, (size_t)b->logits * sizeof *dtheta);
    for (int i = 0; i < b->linears; i++) {
        const ref_besa_linear *l = &b->linear[i];
        if (l->rows > 0) worst = fmax(worst, linear_off(b, l, dtheta + (l->theta - b->theta), loss, user));
    }
    free(dtheta);
    return worst;
}

static double whole_loss(ref_besa *b, void *user)
{
    (void)user;
    ref_besa_step seen;
    return ref_besa_gradient(b, 0, WINDOWS, false, &seen);
}

static double soft_off(const tiny *t, const ref_besa_options *o)
{
    ref_besa b;
    ref_besa_step seen;
    learner_open(&b, o, t);
    ref_besa_gradient(&b, 0, WINDOWS, true, &seen);
    const double off = block_off(&b, whole_loss, NULL);
    ref_besa_close(&b);
    return off;
}

void besa_soft_gradient(void **state)
{
    (void)state;
    double worst = 0.0;
    for (size_t f = 0; f < sizeof families / sizeof families[0]; f++) {
        tiny t;
        tiny_open(&t, &families[f]);
        for (int i = 0; i < 3 * 3 * 3; i++) { /* rows of a group; map; loss */
            ref_besa_options o = options_of(10, (const int[]){1, 3, 0}[i % 3], REF_MASK_SOFT);
            o.map = (ref_map)(i / 3 % 3);
            o.loss = (ref_loss)(i / 9);
            const double off = soft_off(&t, &o);
            if (!(off < 1e-5))
                fail_msg("%s, groups of %d, map %d, loss %d: off by %g", families[f].name, o.group_rows,
                         (int)o.map, (int)o.loss, off);
            worst = fmax(worst, off);
        }
        const ref_besa_options fine = options_of(100, 0, REF_MASK_SOFT); /* more candidates than columns */
        worst = fmax(worst, soft_off(&t, &fine));
        for (int rows = 0; rows <= 1; rows++) {
            ref_besa_options both = options_of(10, rows, REF_MASK_SOFT);
            both.span = REF_SPAN_MOST;
            worst = fmax(worst, soft_off(&t, &both));
        }
        tiny_close(&t);
    }
    print_message("gradients of the soft mask are off by at most %.1e\n", worst);
    assert_true(worst < 1e-5);
}

/* -------------------------------------------------------------------------------- the price */

/* What the softmax sees of every row of logits, higher by mu q / B. */
static void lift(ref_besa *b, const double *theta, double mu)
{
    const int B = b->options.buckets;
    for (int64_t i = 0; i < b->logits; i++) {
        const double up = mu * (double)(i % (B + 1)) / B, seen = 1.0 / (1.0 + exp(-theta[i])) + up;
        b->theta[i] = b->options.map == REF_SOFTMAX ? theta[i] + up : log(seen / (1.0 - seen));
    }
}

/* The error and the price of the sparsity; the price stays as it is. */
static double priced_loss(ref_besa *b, void *user)
{
    const double *pull = user;
    ref_besa_step seen;
    const double error = ref_besa_gradient(b, 0, WINDOWS, false, &seen);
    assert_true(error == seen.error);
    return error + *pull * seen.sparsity;
}

/* At the target no lift of all rows gains anything: its slope as a part of that of the error alone. */
static double lift_off(ref_besa *b)
{
    const double step = 0x1p-17, none = 0.0;
    double *theta = ref_doubles(b->logits), change[2];
    memcpy(theta, b->theta, (size_t)b->logits * sizeof *theta);
    for (int i = 0; i < 2; i++) {
        const double *pull = i == 0 ? &b->pull : &none;
        lift(b, theta, step);
        const double high = priced_loss(b, (void *)(uintptr_t)pull);
        lift(b, theta, -step);
        change[i] = high - priced_loss(b, (void *)(uintptr_t)pull);
    }
    memcpy(b->theta, theta, (size_t)b->logits * sizeof *theta);
    free(theta);
    return fabs(change[0] / change[1]);
}

static double price_off(const tiny *t, const ref_besa_options *o)
{
    ref_besa b;
    ref_besa_step seen;
    learner_open(&b, o, t);
    ref_besa_gradient(&b, 0, WINDOWS, true, &seen);
    b.options.target = seen.sparsity;
    ref_besa_gradient(&b, 0, WINDOWS, true, &seen);
    const double price = b.pull, along = lift_off(&b);
    b.options.target = seen.sparsity - 0.5 * o->width; /* half of it less for each part more */
    ref_besa_gradient(&b, 0, WINDOWS, true, &seen);
    double pull = b.pull;
    assert_true(price != 0.0 && fabs(pull - (price + 0.5 * fabs(price))) < 1e-12 * fabs(price));
    const double off = block_off(&b, priced_loss, &pull);
    ref_besa_close(&b);
    return fmax(along, off);
}

void besa_price(void **state)
{
    (void)state;
    double worst = 0.0;
    for (size_t f = 0; f < sizeof families / sizeof families[0]; f++) {
        tiny t;
        tiny_open(&t, &families[f]);
        for (int i = 0; i < 3 * 3; i++) { /* rows of a group; map */
            ref_besa_options o = options_of(10, (const int[]){1, 3, 0}[i % 3], REF_MASK_SOFT);
            o.map = (ref_map)(i / 3);
            o.width = 0.01;
            worst = fmax(worst, price_off(&t, &o));
        }
        tiny_close(&t);
    }
    print_message("gradients with a price are off by at most %.1e\n", worst);
    assert_true(worst < 1e-5);
    assert_true(ref_besa_price(0.0, 0.0, 0.6, 0.5, 0.01) == 0.0);
    assert_true(ref_besa_price(1.0, 0.0, 0.6, 0.5, 0.01) == ref_besa_price(1.0, 0x1p-32, 0.6, 0.5, 0.01));
}

/* -------------------------------------------------------------------------------- the hard mask */

/* <G, K(theta)> of all linears, and the penalty. G is the hard mask's, and stays. */
static double linear_loss(ref_besa *b, void *user)
{
    double *const *g = user, sum = 0.0, s = 0.0, ds, beta[101];
    for (int i = 0; i < REF_LINEARS; i++) {
        const ref_besa_linear *l = &b->linear[i];
        for (int r = 0; r < l->rows; r++) {
            const double *theta = l->theta + (int64_t)(r / l->group_rows) * (b->options.buckets + 1);
            ref_besa_simplex(b->options.map, b->options.buckets, b->line, theta, beta);
            s += ref_besa_alpha(b->options.buckets, beta) * l->cols / (double)b->weights;
            for (int k = 0; k < l->cols; k++) {
                const double keep = 1.0 - ref_besa_pruned(b->options.buckets, l->cols, beta, k);
                sum += g[i][r * l->cols + l->order[r * l->cols + k]] * keep;
            }
        }
    }
    return sum + ref_penalty(s, b->options.target, b->options.penalty, &ds);
}

static double hard_off(const tiny *t, const ref_besa_options *o)
{
    double *g[REF_LINEARS];
    ref_besa b;
    ref_besa_step seen;
    learner_open(&b, o, t);
    ref_besa_gradient(&b, 0, WINDOWS, true, &seen);
    for (int i = 0; i < REF_LINEARS; i++) g[i] = b.linear[i].g;
    const double off = block_off(&b, linear_loss, g);
    ref_besa_close(&b);
    return off;
}

void besa_hard_gradient(void **state)
{
    (void)state;
    double worst = 0.0;
    for (size_t f = 0; f < sizeof families / sizeof families[0]; f++) {
        tiny t;
        tiny_open(&t, &families[f]);
        for (int i = 0; i < 3 * 3 * 2; i++) { /* rows of a group; map; rule */
            ref_besa_options o = options_of(10, (const int[]){1, 3, 0}[i % 3], (ref_mask)(i / 9));
            o.map = (ref_map)(i / 3 % 3);
            worst = fmax(worst, hard_off(&t, &o));
        }
        tiny_close(&t);
    }
    print_message("straight-through gradients are off by at most %.1e\n", worst);
    assert_true(worst < 1e-5);
}

/* -------------------------------------------------------------------------------- a learner */

/* With nothing pruned the block gives its own outputs, and all gradient is the penalty's. */
void besa_nothing_pruned(void **state)
{
    (void)state;
    tiny t;
    tiny_open(&t, &families[0]);
    const ref_besa_options o = options_of(10, 1, REF_MASK_COUNT);
    const ref_besa_data data = {WINDOWS, T, t.x, NULL};
    const double none[10] = {0};
    ref_besa b;
    ref_besa_step seen;
    ref_besa_open(&b, &o, &t.model, 0, &data);
    for (int64_t i = 0; i < b.logits; i += 11) b.theta[i] = 6.0;
    ref_besa_gradient(&b, 0, WINDOWS, true, &seen);
    assert_true(seen.error == 0.0 && seen.sparsity > 0.0);
    double ds, want[11] = {0};
    ref_penalty(seen.sparsity, o.target, o.penalty, &ds);
    ref_besa_back(o.map, 10, NULL, b.theta, none, ds * HIDDEN / (double)b.weights, want);
    for (int q = 0; q <= 10; q++) assert_true(fabs(b.dtheta[q] - want[q]) < 1e-15);
    ref_besa_close(&b);
    tiny_close(&t);
}

/* Before its first step, at a target of one half, the learner's mask is Wanda's. */
void besa_starts_as_wanda(void **state)
{
    (void)state;
    const ref_rule rule = {1, REF_CUT_ROWS, 0.5, 0, 0};
    tiny t;
    tiny_open(&t, &families[0]);
    ref_besa_options o = options_of(100, 1, REF_MASK_COUNT);
    o.epochs = 0;
    const ref_besa_data data = {WINDOWS, T, t.x, NULL};
    ref_besa b;
    ref_besa_open(&b, &o, &t.model, 0, &data);
    ref_besa_learn(&b, NULL);
    int widest = 0;
    double *sums = ref_sum_sq(&t.model, 0, WINDOWS, T, t.x, &widest);
    for (int i = 0; i < REF_LINEARS; i++) {
        const ref_linear *l = &t.block[0].linear[i];
        double score[FFN * HEADS * HEAD_DIM];
        uint8_t keep[FFN * HEADS * HEAD_DIM];
        for (int j = 0; j < l->rows * l->cols; j++)
            score[j] =
                fabs(l->w[j]) * sqrt(sums[(int)ref_place_of((ref_linear_name)i) * widest + j % l->cols]);
        ref_keep(&rule, l->rows, l->cols, score, keep);
        for (int j = 0; j < l->rows * l->cols; j++)
            assert_true(b.student.block->linear[i].w[j] == (keep[j] ? l->w[j] : 0.0));
    }
    free(sums);
    ref_besa_close(&b);
    tiny_close(&t);
}

/* Groups as large as a linear are the linear; a linear's gradient is the sum of its rows' where all logits are equal. */
void besa_groups(void **state)
{
    (void)state;
    tiny t;
    tiny_open(&t, &families[0]);
    const int rows[3] = {0, 1 << 20, 1};
    ref_besa b[3];
    ref_besa_step seen[3];
    for (int i = 0; i < 3; i++) {
        const ref_besa_options o = options_of(10, rows[i], REF_MASK_COUNT);
        learner_open(&b[i], &o, &t);
        for (int64_t j = 0; j < b[i].logits; j++) b[i].theta[j] = sin((double)(j % 11));
        ref_besa_gradient(&b[i], 0, WINDOWS, true, &seen[i]);
        assert_true(fabs(seen[i].sparsity - seen[0].sparsity) < 1e-14 && seen[i].error == seen[0].error);
    }
    for (int l = 0; l < REF_LINEARS; l++)
        for (int q = 0; q <= 10; q++) {
            const double want = b[0].linear[l].dtheta[q];
            double sum = 0.0;
            for (int r = 0; r < b[2].linear[l].rows; r++) sum += b[2].linear[l].dtheta[r * 11 + q];
            assert_true(fabs(b[1].linear[l].dtheta[q] - want) < 1e-14 && fabs(sum - want) < 1e-12);
        }
    for (int i = 0; i < 3; i++) ref_besa_close(&b[i]);
    tiny_close(&t);
}

static void learn_check(const tiny *t, const ref_besa_options *o)
{
    const ref_besa_data data = {WINDOWS, T, t->x, NULL};
    ref_besa_step log[64];
    ref_besa b;
    ref_besa_open(&b, o, &t->model, 0, &data);
    assert_int_equal(ref_besa_steps(&b), 64);
    ref_besa_learn(&b, log);
    int64_t gone = 0, zeros = 0;
    for (int i = 0; i < REF_LINEARS; i++) {
        const ref_besa_linear *l = &b.linear[i];
        for (int r = 0; r < l->rows; r++) gone += l->count[r];
        for (int j = 0; j < l->rows * l->cols; j++) zeros += b.student.block->linear[i].w[j] == 0.0;
    }
    assert_int_equal(zeros, gone);
    if (o->exact) assert_int_equal(gone, llround(o->target * (double)b.weights));
    assert_true(fabs(log[63].sparsity - o->target) < 0.02 && log[62].error < log[0].error);
    ref_besa_close(&b);
}

/* Both optimizers lower the error of the windows they see and keep to the target; an exact budget meets it. */
void besa_learns(void **state)
{
    (void)state;
    tiny t;
    tiny_open(&t, &families[0]);
    ref_besa_options o = options_of(100, 1, REF_MASK_COUNT);
    o.batch = 1, o.epochs = 32, o.target = 0.5, o.map = REF_SOFTMAX_SIGMOID;
    learn_check(&t, &o);
    o.exact = true, o.target = 0.7, o.map = REF_SOFTMAX, o.at_target = true;
    learn_check(&t, &o);
    o.optimizer = REF_ADAMW, o.lr = 0.05, o.cosine = true, o.target = 0.3;
    learn_check(&t, &o);
    o.optimizer = REF_PRODIGY, o.lr = 1.0, o.cosine = false, o.map = REF_SOFTMAX_TILTED, o.at_target = false;
    learn_check(&t, &o);
    tiny_close(&t);
}
