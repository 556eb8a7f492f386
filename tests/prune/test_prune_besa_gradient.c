/* test_prune_besa_gradient.c - the gradient that BESA's learner takes a step along, as the kernels of production give it on
 * tiny blocks of each family, and on two at once: that of the loss made linear in the keep probabilities, L0 + <G,
 * K(theta)> plus the penalty or the price, at the G of the double-precision reference, by central differences.
 *
 * The bound, for a row of logits: weight gradients are off by `share` of their linear's largest one, this way and that. Bucket
 * sums and their prefix sums add that up over at most all weights of the rows, each times its w: to the root of the sum of
 * w^2. Sums of n terms in f32 lose 4 u (1 + sqrt n) of the sum of the terms' sizes, u = 2^-24. Candidate q's gradient is
 * beta_q times the difference of two such sums, times the slope of the map. */
#include "tests/prune/groups.h"
#include "tests/prune/learner_rig.h"
#include "tests/prune/prune_rig.h"
#include "tests/ref/ref_besa_block.h"
#include "tests/ref/ref_learn.h"
#include "tests/ref/ref_load.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { S = LEARNER_WINDOWS, T = LEARNER_TOKENS };

/* ---- both see the same logits, inputs and orders */

static int place_of(const lop_besa_linear *l)
{
    return l->linear->block * REF_LINEARS + (int)l->linear->view->id;
}

/* Logits that are far from equal: what was begun with, moved. Sets the reference's to their sums in f32, or, tilted, to both. */
static void logits_set(learner *l, ref_besa *r)
{
    const int J = l->c->buckets + 1;
    float base[RATES_MOST], *theta = noise_of(r->logits, 5);
    prune_ok(lop_download(&l->queue, lop_mat_rows(l->besa.base, 0, 1), base));
    for (int64_t i = 0; i < r->logits; i++) {
        theta[i] += 0.4f; /* sparsities and so penalties that are not the target's */
        theta[i] *= (float)(i % J) / (float)J;
        r->theta[i] = (double)(base[i % J] + theta[i]);
        if (r->options.map == REF_SOFTMAX_TILTED) r->theta[i] = (double)theta[i];
    }
    for (int q = 0; q < J; q++) r->line[q] = (double)base[q];
    prune_ok(lop_upload(&l->queue, theta, l->besa.theta));
    prune_ok(lop_besa_count(&l->besa, 0));
    free(theta);
}

/* Scores that are nearly equal may lie either way: the order is the learner's. */
static void orders_take(learner *l, ref_besa *r)
{
    for (int i = 0; i < l->besa.count; i++) {
        const lop_besa_linear *from = &l->besa.linears[i];
        const ref_besa_linear *to = &r->linear[place_of(from)];
        const int64_t count = lop_mat_elements(from->order);
        uint16_t *order = malloc((size_t)count * sizeof *order);
        int64_t other = 0;
        assert_non_null(order);
        prune_ok(lop_download(&l->queue, from->order, order));
        for (int64_t k = 0; k < count; k++) {
            other += to->order[k] != order[k];
            to->order[k] = order[k];
        }
        assert_true(other <= count / 100);
        free(order);
    }
}

static void counts_check(learner *l, const ref_besa *r)
{
    for (int i = 0; i < l->besa.count; i++) {
        const lop_besa_linear *got = &l->besa.linears[i];
        const ref_besa_linear *want = &r->linear[place_of(got)];
        uint32_t *count = malloc((size_t)want->groups * sizeof *count);
        assert_non_null(count);
        assert_int_equal(got->count.rows, want->groups);
        prune_ok(lop_download(&l->queue, got->count, count));
        for (int g = 0; g < want->groups; g++) assert_int_equal(count[g], want->count[g * want->group_rows]);
        free(count);
    }
}

/* ---- what the gradient must be */

/* What a gradient may be off: a part of the linear's largest weight gradient, and what the price is off. */
typedef struct allowed {
    double share, largest_dw, price;
} allowed;

/* Rows of a group, the penalty's slope by the group's mean rate, and the sizes that the bound is made of. */
typedef struct group {
    const ref_besa *b;
    const ref_besa_linear *l;
    int first, rows, g;
    double part;       /* of the rows in the block's weights */
    double pull, bend; /* and by how much that changes with s */
    double w, size;    /* root of the sum of w^2, sum of |G| */
} group;

static group group_of(const ref_besa *b, const ref_besa_linear *l, const double *w, int g, double s)
{
    group out = {.b = b, .l = l, .first = g * l->group_rows, .g = g};
    const double target = b->options.target, width = b->options.width;
    double ds, bend = 2.0 * b->options.penalty / (target * target);
    out.rows = l->rows - out.first < l->group_rows ? l->rows - out.first : l->group_rows;
    out.part = (double)l->cols / (double)b->weights * out.rows;
    ref_penalty(s, target, b->options.penalty, &ds);
    if (width > 0.0) ds = b->pull, bend = fabs(b->price) / width;
    out.pull = ds * out.part;
    out.bend = bend * out.part;
    for (int64_t i = (int64_t)out.first * l->cols; i < (int64_t)(out.first + out.rows) * l->cols; i++) {
        out.w += w[i] * w[i];
        out.size += fabs(l->g[i]);
    }
    out.w = sqrt(out.w);
    return out;
}

/* <G, K(theta)> over the group's rows, and the penalty made linear in the group's mean rate. */
static double linear_loss(const group *p, const double *theta)
{
    const int B = p->b->options.buckets, C = p->l->cols;
    double beta[RATES_MOST], sum = 0.0;
    ref_besa_simplex(p->b->options.map, B, p->b->line, theta, beta);
    for (int k = 0; k < C; k++) {
        const double keep = 1.0 - ref_besa_pruned(B, C, beta, k);
        for (int r = p->first; r < p->first + p->rows; r++)
            sum += p->l->g[(int64_t)r * C + p->l->order[(int64_t)r * C + k]] * keep;
    }
    return sum + p->pull * ref_besa_alpha(B, beta);
}

/* By how much sums of G from its least to its largest place may be off. */
static double sums_off(const group *p, double share, double largest_dw)
{
    const double terms = 1.0 + sqrt((double)p->rows * p->l->cols + p->b->options.buckets);
    return share * largest_dw * p->w + 4.0 * 0x1p-24 * terms * (p->size + fabs(p->pull));
}

/* The worst of a group's candidates, as a part of what is allowed; a NaN is worst. */
static double group_off(const group *p, const float *got, const allowed *may, double *largest, double *plain)
{
    const double u = 0x1p-24, step = 0x1p-17;
    const int B = p->b->options.buckets;
    double *theta = p->l->theta + (int64_t)p->g * (B + 1), beta[RATES_MOST], worst = 0.0;
    const double within = sums_off(p, may->share, may->largest_dw) + u * p->bend + may->price * p->part;
    ref_besa_simplex(p->b->options.map, B, p->b->line, theta, beta);
    for (int q = 0; q <= B; q++) {
        const double before = theta[q], part = 1.0 / (1.0 + exp(-before));
        const double slope = p->b->options.map == REF_SOFTMAX ? 1.0 : part * (1.0 - part);
        theta[q] = before + step;
        const double high = linear_loss(p, theta);
        theta[q] = before - step;
        const double low = linear_loss(p, theta);
        theta[q] = before;
        const double want = (high - low) / (2.0 * step), differences = 1e-9 * (p->size + fabs(p->pull));
        const double miss = fabs((double)got[q] - want);
        const double off = miss / (2.0 * beta[q] * slope * within + differences);
        if (!(off <= worst)) worst = off;
        *plain = fmax(*plain, miss);
        *largest = fmax(*largest, fabs(want));
    }
    return worst;
}

/* What sums from a weight to the loss and back lose of the largest weight gradient, as test_model_backward.c has it, over all
 * blocks; and the error's own gradient inherits what the forward lost, larger by as much as outputs are than differences. */
static double share_of(const learner *l, const ref_besa *r)
{
    const lop_config *c = l->net.config;
    const int64_t one = (int64_t)T * c->hidden;
    const double inner = 8.0 * c->hidden + 3.0 * c->ffn + 3.0 * c->heads * c->head_dim + 3.0 * c->head_dim;
    double *out = ref_doubles(S * one), *square = ref_doubles(c->hidden), x = 0.0, weight = 0.0, d = 0.0;
    memcpy(out, r->data.x, (size_t)(S * one) * sizeof *out);
    for (int s = 0; s < S; s++)
        for (int k = 0; k < r->span; k++) ref_block_forward(&r->student, k, s, T, out + s * one, NULL);
    ref_channel_square((int64_t)S * T, c->hidden, r->data.y, square);
    for (int64_t i = 0; i < S * one; i++) {
        const double by = 1.0 / square[i % c->hidden];
        x = fmax(x, fabs(out[i]));
        weight = fmax(weight, by);
        d = fmax(d, fabs(out[i] - r->data.y[i]) * by);
    }
    free(square), free(out);
    return 4.0 * 0x1p-24 * (1.0 + sqrt(r->span * (inner + (4.0 + 2.0 * S) * T))) * (1.0 + x * weight / d);
}

static double largest_dw_of(const ref_besa_linear *l, const double *w)
{
    double largest = 0.0;
    for (int64_t i = 0; i < (int64_t)l->rows * l->cols; i++) largest = fmax(largest, fabs(l->g[i] / w[i]));
    return largest;
}

/* The price is a quotient of sums over all groups: of covariances of rates, which are at most 1, with sums of G, whose errors
 * are this way and that, and of variances, whose rounding is relative. */
static double price_off(const ref_besa *r, double share, double s)
{
    double sums = 0.0;
    if (!(r->options.width > 0.0)) return 0.0;
    for (int i = 0; i < r->linears; i++) {
        const ref_besa_linear *l = &r->linear[i];
        const double *w = r->dense[i / REF_LINEARS].linear[i % REF_LINEARS].w,
                     largest_dw = largest_dw_of(l, w);
        for (int g = 0; g < l->groups; g++) {
            group p = group_of(r, l, w, g, s);
            p.pull = 0.0;
            sums += pow(2.0 * sums_off(&p, share, largest_dw), 2.0);
        }
    }
    const double rounding = 4.0 * 0x1p-24 * (1.0 + sqrt((double)r->logits)) * fabs(r->price);
    return (sqrt(sums) / r->reach + rounding) * (1.0 + fabs(s - r->options.target) / r->options.width);
}

/* The worst of a linear: as a part of the bound, and in *relative of its largest gradient. */
static double linear_off(learner *l, const lop_besa_linear *from, const ref_besa *r, allowed may, double s,
                         double *relative)
{
    const int J = l->c->buckets + 1;
    const ref_besa_linear *want = &r->linear[place_of(from)];
    const double *w = r->dense[from->linear->block].linear[from->linear->view->id].w;
    double worst = 0.0, largest = 0.0, plain = 0.0;
    float *grad = malloc((size_t)want->groups * (size_t)J * sizeof *grad);
    assert_non_null(grad);
    prune_ok(lop_download(&l->queue, from->grad, grad));
    may.largest_dw = largest_dw_of(want, w);
    for (int g = 0; g < want->groups; g++) {
        const group p = group_of(r, want, w, g, s);
        worst = fmax(worst, group_off(&p, grad + (int64_t)g * J, &may, &largest, &plain));
    }
    assert_true(largest > 0.0);
    *relative = fmax(*relative, plain / largest);
    free(grad);
    return worst;
}

static double *doubles_of(const float *from, int64_t count)
{
    double *out = ref_doubles(count);
    for (int64_t i = 0; i < count; i++) out[i] = (double)from[i];
    return out;
}

static double block_off(learner *l, ref_besa *r, double *relative)
{
    ref_besa_step seen;
    float losses[2], sparsity;
    double worst = 0.0;
    logits_set(l, r);
    orders_take(l, r);
    gradient_take(l);
    prune_ok(lop_queue_wait(&l->queue));
    ref_besa_gradient(r, 0, S, true, &seen);
    counts_check(l, r);
    prune_ok(lop_download(&l->queue, lop_mat_cols(l->besa.units[0].losses, 0, 2), losses));
    prune_ok(lop_download(&l->queue, lop_mat_cols(l->besa.units[0].sparsities, 0, 1), &sparsity));
    const double share = share_of(l, r);
    assert_true(fabs(lop_sum_value(losses) / seen.error - 1.0) <= share);
    assert_true(fabs((double)sparsity - seen.sparsity) <= 1e-7);
    const allowed may = {.share = share, .price = price_off(r, share, seen.sparsity)};
    for (int i = 0; i < l->besa.count; i++)
        worst = fmax(worst, linear_off(l, &l->besa.linears[i], r, may, seen.sparsity, relative));
    return worst;
}

static double case_off(const gradient_case *c, double *relative)
{
    learner l;
    ref_loaded reference;
    ref_besa r;
    learner_open(&l, c);
    prune_ok(ref_load(l.model.folder, &reference));
    const int64_t size = (int64_t)S * T * reference.model.hidden;
    double *x = doubles_of(l.x, size), *y = doubles_of(l.y, size);
    const ref_besa_options o = {.buckets = c->buckets,
                                .group_rows = c->each,
                                .map = c->map,
                                .target = c->target,
                                .penalty = c->width > 0.0 ? 0.0 : 5.0,
                                .width = c->width,
                                .float_sparsity = true,
                                .epochs = 1,
                                .batch = S,
                                .span = l.span};
    const ref_besa_data data = {S, T, x, y};
    ref_besa_open(&r, &o, &reference.model, 0, &data);
    const double off = block_off(&l, &r, relative);
    ref_besa_close(&r);
    free(y), free(x);
    ref_load_close(&reference);
    learner_close(&l);
    return off;
}

static const double usual_width = (double)0.02f;

static void straight_through(void **state)
{
    (void)state;
    static const gradient_case cases[] = {
        {{0}, {{"granularity", "row"}}, 100, 1, REF_SOFTMAX_SIGMOID, 0.5, 0.0},
        {{0}, {{"granularity", "rows:5"}, {"candidates", "10"}}, 10, 5, REF_SOFTMAX_SIGMOID, 0.45, 0.0},
        {{0}, {{"granularity", "layer"}, {"candidates", "10"}}, 10, 0, REF_SOFTMAX_TILTED, 0.7, 0.0},
        {{0}, {{"granularity", "layer"}, {"simplex", "softmax"}}, 100, 0, REF_SOFTMAX, 0.7, 0.0},
        {{0}, {{"granularity", "row"}, {"simplex", "tilted"}}, 100, 1, REF_SOFTMAX_TILTED, 0.5, 0.0},
        {{.bias = true}, {{"candidates", "10"}}, 10, 1, REF_SOFTMAX_TILTED, 0.3, 0.0},
        {{.family = "mistral", .window = 9}, {{"candidates", "37"}}, 37, 1, REF_SOFTMAX_SIGMOID, 0.5, 0.0},
        {{.family = "mistral", .window = 9},
         {{"granularity", "layer"}, {"candidates", "10"}},
         10,
         0,
         REF_SOFTMAX_SIGMOID,
         0.5,
         0.0},
        {{.family = "qwen2", .hidden = 60, .ffn = 107, .heads = 3, .kv_heads = 3, .head_dim = 20},
         {{"candidates", "10"}, {"simplex", "softmax"}},
         10,
         1,
         REF_SOFTMAX,
         0.5,
         0.0},
        {{.family = "qwen2"},
         {{"granularity", "rows:7"}, {"candidates", "10"}, {"simplex", "tilted"}},
         10,
         7,
         REF_SOFTMAX_TILTED,
         0.9,
         0.0},
        {{0}, {{"unit", "two-blocks"}}, 100, 1, REF_SOFTMAX_SIGMOID, 0.5, 0.0},
        {{.blocks = 3, .family = "mistral", .window = 9},
         {{"unit", "two-blocks"}, {"granularity", "rows:5"}, {"candidates", "10"}},
         10,
         5,
         REF_SOFTMAX_TILTED,
         0.7,
         0.0},
        {{.family = "qwen2"},
         {{"unit", "two-blocks"}, {"granularity", "layer"}},
         100,
         0,
         REF_SOFTMAX_TILTED,
         0.3,
         0.0},
    };
    double worst = 0.0;
    for (size_t i = 0; i < 2 * sizeof cases / sizeof cases[0]; i++) {
        gradient_case c = cases[i / 2];
        double relative = 0.0;
        c.width = i % 2 ? usual_width : 0.0;
        const double off = case_off(&c, &relative);
        print_message(
            "case %zu, %s: gradients are off by %.1e of their linear's largest, %.3f of the bound\n", i / 2,
            i % 2 ? "price" : "penalty", relative, off);
        if (!(off <= worst)) worst = off;
    }
    assert_true(worst <= 1.0);
}

/* Both parts of what is minimised by 2: every sum is exactly twice what it was. */
static void weights_of_the_parts(void **state)
{
    (void)state;
    const gradient_case plain = {{0}, {{"granularity", "row"}}, 100, 1, REF_SOFTMAX_SIGMOID, 0.5, 0.0};
    gradient_case twice = plain;
    float *grad[2];
    int64_t count = 0;
    twice.how[1] = (lop_setting){"l2-alpha", "2"};
    twice.how[2] = (lop_setting){"sparsity-beta", "10"};
    for (int i = 0; i < 2; i++) {
        learner l;
        learner_open(&l, i == 0 ? &plain : &twice);
        count = lop_mat_elements(l.besa.theta);
        float *theta = noise_of(count, 5);
        grad[i] = malloc((size_t)count * sizeof *grad[i]);
        assert_non_null(grad[i]);
        prune_ok(lop_upload(&l.queue, theta, l.besa.theta));
        prune_ok(lop_besa_count(&l.besa, 0));
        gradient_take(&l);
        prune_ok(lop_download(&l.queue, l.besa.grad, grad[i]));
        free(theta);
        learner_close(&l);
    }
    for (int64_t i = 0; i < count; i++) assert_true(2.0f * grad[0][i] == grad[1][i]);
    free(grad[1]), free(grad[0]);
}

int test_prune_besa_gradient(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(straight_through),
                                       cmocka_unit_test(weights_of_the_parts)};
    return cmocka_run_group_tests_name("besa gradient", tests, NULL, NULL);
}
