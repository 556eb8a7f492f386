/* learner_rig.c - the pieces that a run hands to a method, opened one by one. */
#include "tests/prune/learner_rig.h"
#include "core/prune/method.h"
#include "tests/harness/inputs.h"
#include "tests/harness/test_groups.h"
#include "tests/prune/prune_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { S = LEARNER_WINDOWS, T = LEARNER_TOKENS };

float *noise_of(int64_t count, uint64_t seed)
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
        prune_ok(lop_statistics_place(l->arena, &l->net, S * T, (lop_statistics_wish){.gram = false},
                                      &l->statistics[k]));
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
    lop_setting how[5] = {{"sparsity-pull", l->c->width > 0.0 ? "price" : "penalty"}};
    int count = 1;
    for (int i = 0; l->c->how[i].name != NULL; i++) how[count++] = l->c->how[i];
    lop_prune_option_set(lop_method_find("besa"), &l->set);
    prune_ok(lop_settings_open(&l->set, how, count, &l->settings));
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

void learner_open(learner *l, const gradient_case *c)
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

void learner_close(learner *l)
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

void gradient_take(learner *l)
{
    lop_besa_stand s = {.b = &l->besa, .want = {l->want.at[0]}};
    prune_ok(lop_besa_gradient(&s, l->input.at[0]));
}
