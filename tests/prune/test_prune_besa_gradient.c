/* test_prune_besa_gradient.c - the gradient that BESA's learner takes a step along, as the kernels of production give it on
 * tiny blocks of each family, and on two at once: that of the loss made linear in the keep probabilities, L0 + <G, K(theta)> plus the penalty, at
 * the G of the double-precision reference, by central differences.
 *
 * The bound, for a row of logits: weight gradients are off by `share` of their linear's largest one, this way and that. Bucket
 * sums and their prefix sums add that up over at most all weights of the rows, each times its w: to the root of the sum of
 * w^2. Sums of n terms in f32 lose 4 u (1 + sqrt n) of the sum of the terms' sizes, u = 2^-24. Candidate q's gradient is
 * beta_q times the difference of two such sums, times the slope of the map. */
#include "core/model/walk.h"
#include "core/prune/besa_parts.h"
#include "core/prune/calibrate.h"
#include "core/prune/run.h"
#include "tests/harness/inputs.h"
#include "tests/harness/test_groups.h"
#include "tests/model/made_model.h"
#include "tests/prune/groups.h"
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

enum { S = 2, T = 24, RATES_MOST = 256 };

typedef struct gradient_case {
    made_shape shape;
    lop_setting how[4];
    int buckets, each; /* as the settings have them; each 0: all rows */
    ref_map map;
    double target;
} gradient_case;

/* A block in the hands of a learner, without a run around it. */
typedef struct learner {
    const gradient_case *c;
    made_model model;
    lop_device device;
    lop_queue queue;
    lop_checkpoint *file;
    lop_net net;
    lop_arena *arena;
    lop_forward *forward;
    lop_reader *reader;
    lop_block placed[LOP_SPAN_MOST], spare[LOP_SPAN_MOST], *block[LOP_SPAN_MOST];
    lop_tape tape[LOP_SPAN_MOST];
    lop_statistics statistics[LOP_SPAN_MOST];
    int span;
    lop_stream input, want;
    lop_option_set set;
    lop_settings settings;
    lop_learning learning;
    lop_prune_block chosen;
    lop_besa besa;
    float *x, *y; /* (S T, C) */
} learner;

static float *noise_of(int64_t count, uint64_t seed)
{
    draw d = {seed};
    float *out = calloc((size_t)count + 1, sizeof *out);
    assert_non_null(out);
    for (int64_t i = 0; i < count; i++) out[i] = (float)(2.0 * draw_unit(&d) - 1.0);
    return out;
}

static void block_open(learner *l)
{
    const int32_t hidden = l->net.config->hidden;
    prune_ok(lop_arena_open(&l->device, LOP_ON_DEVICE, 0, &l->arena));
    for (int k = 0; k < l->span; k++) {
        prune_ok(lop_block_place(l->arena, &l->net, LOP_F32, &l->placed[k]));
        prune_ok(lop_block_place(l->arena, &l->net, LOP_F32, &l->spare[k]));
        prune_ok(lop_tape_place(l->arena, &l->net, LOP_F32, S, T, k > 0, &l->tape[k]));
        prune_ok(lop_statistics_place(l->arena, &l->net, S * T, false, &l->statistics[k]));
    }
    prune_ok(lop_arena_mat(l->arena, S * T, hidden, LOP_F32, &l->learning.x));
    prune_ok(lop_forward_open_back(&l->net, &l->device, LOP_F32, S, T, S, &l->forward));
    const lop_reader_plan plan = {.net = &l->net,
                                  .device = &l->device,
                                  .end = l->span,
                                  .blocks = l->placed,
                                  .count = l->span,
                                  .held = l->span};
    prune_ok(lop_reader_open(&plan, &l->reader));
    for (int k = 0; k < l->span; k++) prune_ok(lop_reader_take(l->reader, &l->queue, &l->block[k]));
}

/* Inputs, targets that are not what the blocks give, and their statistics. */
static void streams_open(learner *l)
{
    const int32_t hidden = l->net.config->hidden;
    const lop_stream_shape shape = {LOP_ON_DEVICE, LOP_F32, S, S, T, hidden};
    const lop_mat x = l->learning.x;
    l->x = noise_of((int64_t)S * T * hidden, 1);
    l->y = noise_of((int64_t)S * T * hidden, 2);
    prune_ok(lop_stream_open(&l->device, &shape, &l->input));
    prune_ok(lop_stream_open(&l->device, &shape, &l->want));
    prune_ok(lop_upload(&l->queue, l->y, x));
    prune_ok(lop_stream_store(&l->queue, &l->want, 0, x));
    prune_ok(lop_upload(&l->queue, l->x, x));
    prune_ok(lop_stream_store(&l->queue, &l->input, 0, x));
    for (int k = 0; k < l->span; k++) {
        const lop_watch watch = {.fn = lop_statistics_watch, .user = &l->statistics[k], .last_needed = true};
        prune_ok(lop_statistics_reset(&l->queue, &l->statistics[k]));
        prune_ok(lop_block_forward(&l->queue, l->forward, l->block[k], x, S, T, &watch));
        prune_ok(lop_statistics_end(&l->queue, &l->statistics[k]));
    }
}

static void settings_open(learner *l)
{
    int count = 0;
    while (l->c->how[count].name != NULL) count++;
    lop_prune_option_set(lop_method_find("besa"), &l->set);
    prune_ok(lop_settings_open(&l->set, l->c->how, count, &l->settings));
    const lop_target target = {.ratio = l->c->target};
    lop_need need = {.span = 0};
    prune_ok(lop_method_find("besa")->ask(&l->settings, &target, NULL, &need));
    l->span = need.span;
}

static void besa_open(learner *l)
{
    l->learning = (lop_learning){.span = l->span,
                                 .forward = l->forward,
                                 .input = &l->input,
                                 .want = &l->want,
                                 .x = l->learning.x,
                                 .windows = S,
                                 .tokens = T};
    l->chosen = (lop_prune_block){
        .learning = &l->learning, .queue = &l->queue, .arena = l->arena, .settings = &l->settings};
    for (int32_t k = 0; k < l->span; k++) {
        l->learning.blocks[k] = (lop_learning_block){l->block[k], &l->spare[k], &l->tape[k]};
        for (int32_t i = 0; i < l->block[k]->count; i++) {
            const lop_linear_view *view = &l->block[k]->linears[i];
            l->chosen.linears[l->chosen.count++] =
                (lop_prune_linear){.view = view,
                                   .block = k,
                                   .target = {.ratio = l->c->target},
                                   .colsum_sq = l->statistics[k].colsum_sq[view->input]};
        }
    }
    prune_ok(lop_besa_place(&l->chosen, &l->besa));
    prune_ok(lop_besa_begin(&l->besa));
}

static void learner_open(learner *l, const gradient_case *c)
{
    *l = (learner){.c = c, .model = made_model_open(c->shape)};
    prune_ok(test_device_open(prune_backend, &l->device));
    prune_ok(lop_queue_open(&l->device, &l->queue));
    prune_ok(lop_checkpoint_open(l->model.folder, &l->file));
    prune_ok(lop_net_open(l->file, &l->net));
    settings_open(l);
    block_open(l);
    streams_open(l);
    besa_open(l);
}

static void learner_close(learner *l)
{
    prune_ok(lop_queue_wait(&l->queue));
    free(l->y), free(l->x);
    lop_settings_close(&l->settings);
    lop_stream_close(&l->want);
    lop_stream_close(&l->input);
    lop_reader_close(l->reader);
    lop_forward_close(l->forward);
    lop_arena_close(l->arena);
    lop_net_close(&l->net);
    lop_checkpoint_close(l->file);
    lop_queue_close(&l->queue);
    lop_device_close(&l->device);
    made_model_close(&l->model);
}

static void gradient_take(learner *l)
{
    lop_besa_stand s = {.b = &l->besa, .want = {l->want.at[0]}};
    prune_ok(lop_besa_gradient(&s, l->input.at[0]));
}

/* ---- both see the same logits, inputs and orders */

static int place_of(const lop_besa_linear *l)
{
    return l->linear->block * REF_LINEARS + (int)l->linear->view->id;
}

/* Logits that are far from equal: what was begun with, moved. Sets the reference's to their sums in f32. */
static void logits_set(learner *l, ref_besa *r)
{
    const int J = l->c->buckets + 1;
    float base[RATES_MOST], *theta = noise_of(r->logits, 5);
    prune_ok(lop_download(&l->queue, l->besa.base, base));
    for (int64_t i = 0; i < r->logits; i++) {
        theta[i] += 0.4f; /* sparsities and so penalties that are not the target's */
        theta[i] *= (float)(i % J) / (float)J;
        r->theta[i] = (double)(base[i % J] + theta[i]);
    }
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

/* Rows of a group, the penalty's slope by the group's mean rate, and the sizes that the bound is made of. */
typedef struct group {
    const ref_besa *b;
    const ref_besa_linear *l;
    int first, rows, g;
    double pull, bend; /* and by how much that changes with s */
    double w, size;    /* root of the sum of w^2, sum of |G| */
} group;

static group group_of(const ref_besa *b, const ref_besa_linear *l, const double *w, int g, double s)
{
    group out = {.b = b, .l = l, .first = g * l->group_rows, .g = g};
    const double target = b->options.target, part = (double)l->cols / (double)b->weights;
    double ds;
    out.rows = l->rows - out.first < l->group_rows ? l->rows - out.first : l->group_rows;
    ref_penalty(s, target, b->options.penalty, &ds);
    out.pull = ds * part * out.rows;
    out.bend = 2.0 * b->options.penalty / (target * target) * part * out.rows;
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
    ref_besa_simplex(p->b->options.map, B, theta, beta);
    for (int k = 0; k < C; k++) {
        const double keep = 1.0 - ref_besa_pruned(B, C, beta, k);
        for (int r = p->first; r < p->first + p->rows; r++)
            sum += p->l->g[(int64_t)r * C + p->l->order[(int64_t)r * C + k]] * keep;
    }
    return sum + p->pull * ref_besa_alpha(B, beta);
}

/* The worst of a group's candidates, as a part of what is allowed; a NaN is worst. */
static double group_off(const group *p, const float *got, double share, double largest_dw, double *largest,
                        double *plain)
{
    const double u = 0x1p-24, step = 0x1p-17;
    const int B = p->b->options.buckets;
    double *theta = p->l->theta + (int64_t)p->g * (B + 1), beta[RATES_MOST], worst = 0.0;
    const double sums = 4.0 * u * (1.0 + sqrt((double)p->rows * p->l->cols + B)) * (p->size + fabs(p->pull));
    const double within = share * largest_dw * p->w + sums + u * p->bend;
    ref_besa_simplex(p->b->options.map, B, theta, beta);
    for (int q = 0; q <= B; q++) {
        const double before = theta[q], part = 1.0 / (1.0 + exp(-before));
        const double slope = p->b->options.map == REF_SOFTMAX_SIGMOID ? part * (1.0 - part) : 1.0;
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

/* The worst of a linear: as a part of the bound, and in *relative of its largest gradient. */
static double linear_off(learner *l, const lop_besa_linear *from, const ref_besa *r, double share, double s,
                         double *relative)
{
    const int J = l->c->buckets + 1;
    const ref_besa_linear *want = &r->linear[place_of(from)];
    const double *w = r->dense[from->linear->block].linear[from->linear->view->id].w;
    double worst = 0.0, largest = 0.0, plain = 0.0, largest_dw = 0.0;
    float *grad = malloc((size_t)want->groups * (size_t)J * sizeof *grad);
    assert_non_null(grad);
    prune_ok(lop_download(&l->queue, from->grad, grad));
    for (int64_t i = 0; i < (int64_t)want->rows * want->cols; i++)
        largest_dw = fmax(largest_dw, fabs(want->g[i] / w[i]));
    for (int g = 0; g < want->groups; g++) {
        const group p = group_of(r, want, w, g, s);
        worst = fmax(worst, group_off(&p, grad + (int64_t)g * J, share, largest_dw, &largest, &plain));
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
    for (int i = 0; i < l->besa.count; i++)
        worst = fmax(worst, linear_off(l, &l->besa.linears[i], r, share, seen.sparsity, relative));
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
                                .penalty = 5.0,
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

static void straight_through(void **state)
{
    (void)state;
    static const gradient_case cases[] = {
        {{0}, {{"granularity", "row"}}, 100, 1, REF_SOFTMAX_SIGMOID, 0.5},
        {{0}, {{"granularity", "rows:5"}, {"candidates", "10"}}, 10, 5, REF_SOFTMAX_SIGMOID, 0.45},
        {{0}, {{"granularity", "layer"}, {"candidates", "10"}}, 10, 0, REF_SOFTMAX, 0.7},
        {{.bias = true}, {{"candidates", "10"}}, 10, 1, REF_SOFTMAX, 0.3},
        {{.family = "mistral", .window = 9}, {{"candidates", "37"}}, 37, 1, REF_SOFTMAX_SIGMOID, 0.5},
        {{.family = "mistral", .window = 9},
         {{"granularity", "layer"}, {"candidates", "10"}},
         10,
         0,
         REF_SOFTMAX_SIGMOID,
         0.5},
        {{.family = "qwen2", .hidden = 60, .ffn = 107, .heads = 3, .kv_heads = 3, .head_dim = 20},
         {{"candidates", "10"}, {"simplex", "softmax"}},
         10,
         1,
         REF_SOFTMAX,
         0.5},
        {{.family = "qwen2"}, {{"granularity", "rows:7"}, {"candidates", "10"}}, 10, 7, REF_SOFTMAX, 0.9},
        {{0}, {{"unit", "two-blocks"}}, 100, 1, REF_SOFTMAX_SIGMOID, 0.5},
        {{.blocks = 3, .family = "mistral", .window = 9},
         {{"unit", "two-blocks"}, {"granularity", "rows:5"}, {"candidates", "10"}},
         10,
         5,
         REF_SOFTMAX,
         0.7},
        {{.family = "qwen2"}, {{"unit", "two-blocks"}, {"granularity", "layer"}}, 100, 0, REF_SOFTMAX, 0.3},
    };
    double worst = 0.0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double relative = 0.0;
        const double off = case_off(&cases[i], &relative);
        print_message("case %zu: gradients are off by %.1e of their linear's largest, %.3f of the bound\n", i,
                      relative, off);
        if (!(off <= worst)) worst = off;
    }
    assert_true(worst <= 1.0);
}

/* Both parts of what is minimised by 2: every sum is exactly twice what it was. */
static void weights_of_the_parts(void **state)
{
    (void)state;
    const gradient_case plain = {{0}, {{"granularity", "row"}}, 100, 1, REF_SOFTMAX_SIGMOID, 0.5};
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
