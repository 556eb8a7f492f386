/* test_model_failure.c - memory that runs out at the n-th request, for every n until there is enough: the right code,
 * nothing kept. And perplexity's own refusals. */
#include "core/base/memory.h"
#include "core/eval/generate.h"
#include "core/eval/likelihood.h"
#include "core/eval/perplexity.h"
#include "tests/model/made_model.h"
#include "tests/model/model_groups.h"
#include "tests/model/rig.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { RUNGS_MOST = 2000 };

/* Opens or runs what a ladder climbs, and closes it again when that went well. */
typedef lop_status climb_fn(rig *r);

static lop_status climb_net(rig *r)
{
    lop_net net;
    LOP_TRY(lop_net_open(r->file, &net));
    lop_net_close(&net);
    return LOP_OK;
}

static lop_status climb_forward(rig *r)
{
    lop_forward *f = NULL;
    LOP_TRY(lop_forward_open(&r->net, &r->device, lop_walk_word(&r->device, &r->net), 2, 40, &f));
    lop_forward_close(f);
    return LOP_OK;
}

static lop_status climb_backward(rig *r)
{
    const lop_type word = lop_walk_word(&r->device, &r->net);
    lop_forward *f = NULL;
    lop_arena *arena = NULL;
    lop_tape tape;
    LOP_TRY(lop_forward_open_back(&r->net, &r->device, word, 2, 40, 1, &f));
    lop_status status = lop_arena_open(&r->device, LOP_ON_DEVICE, 0, &arena);
    if (status == LOP_OK) status = lop_tape_place(arena, &r->net, word, 1, 40, true, &tape);
    lop_arena_close(arena);
    lop_forward_close(f);
    return status;
}

static lop_status climb_cache(rig *r)
{
    lop_cache *c = NULL;
    LOP_TRY(lop_cache_open(&r->net, &r->device, LOP_F32, 40, &c));
    lop_cache_close(c);
    return LOP_OK;
}

static lop_status climb_reader(rig *r)
{
    lop_reader *reader = NULL;
    lop_arena *arena = NULL;
    lop_block block;
    const lop_reader_plan plan = {
        .net = &r->net, .device = &r->device, .end = 2, .blocks = &block, .count = 1};
    LOP_TRY(lop_arena_open(&r->device, LOP_ON_DEVICE, 0, &arena));
    lop_status status = lop_block_place(arena, &r->net, lop_walk_word(&r->device, &r->net), &block);
    if (status == LOP_OK) status = lop_reader_open(&plan, &reader);
    lop_reader_close(reader);
    lop_arena_close(arena);
    return status;
}

static lop_status climb_perplexity(rig *r)
{
    static const int32_t ids[32] = {1, 2, 3};
    const lop_perplexity_args args = {.ids = ids, .windows = 2, .seqlen = 16, .forward_batch = 1};
    lop_perplexity out;
    return lop_perplexity_measure(&r->device, &r->net, &args, NULL, &out);
}

static lop_status climb_likelihood(rig *r)
{
    static const int32_t ids[32] = {1, 2, 3};
    static const lop_sequence at[] = {{0, 5, 2}, {8, 9, 8}, {20, 3, 1}};
    const lop_likelihood_args args = {.ids = ids, .at = at, .count = 3, .forward_batch = 2, .group_rows = 1};
    double sum[3];
    return lop_likelihood_measure(&r->device, &r->net, &args, NULL, sum);
}

static lop_status climb_generation(rig *r)
{
    lop_ids ids = {0};
    const int32_t id = 3;
    lop_status status = lop_ids_add(&ids, &id, 1);
    if (status == LOP_OK) status = lop_generate_greedy(&r->device, &r->net, 2, NULL, &ids);
    lop_ids_close(&ids);
    return status;
}

static void climb(rig *r, climb_fn *fn, void (*fail_at)(int64_t))
{
    const size_t device = lop_buf_used(LOP_ON_DEVICE).now, host = lop_buf_used(LOP_ON_HOST).now;
    for (int64_t rung = 1; rung < RUNGS_MOST; rung++) {
        fail_at(rung);
        const lop_status status = fn(r);
        fail_at(0);
        assert_int_equal(lop_buf_used(LOP_ON_DEVICE).now, device);
        assert_int_equal(lop_buf_used(LOP_ON_HOST).now, host);
        if (status == LOP_OK) return;
        if (status != LOP_E_MEMORY && status != LOP_E_DEVICE_MEMORY)
            fail_msg("rung %lld: %s", (long long)rung, lop_error());
    }
    fail_msg("no rung was enough");
}

static void ladders(void **state)
{
    (void)state;
    static climb_fn *const fns[] = {climb_net,    climb_forward,    climb_backward,   climb_cache,
                                    climb_reader, climb_perplexity, climb_likelihood, climb_generation};
    const made_model m = made_model_open((made_shape){0});
    rig r;
    rig_open(&r, m.folder);
    for (size_t i = 0; i < sizeof fns / sizeof fns[0]; i++) {
        climb(&r, fns[i], lop_alloc_fail_at);
        climb(&r, fns[i], lop_buf_fail_at);
    }
    rig_close(&r);
    made_model_close(&m);
}

/* lop_forward_bytes is what lop_forward_open takes, and calls take no more. */
static void measured(void **state)
{
    (void)state;
    const made_model m = made_model_open((made_shape){.hidden = 256, .ffn = 512});
    rig r;
    lop_forward *f = NULL;
    rig_open(&r, m.folder);
    const size_t before = lop_buf_used(LOP_ON_DEVICE).now;
    assert_ok(lop_forward_open(&r.net, &r.device, LOP_F32, 3, 300, &f));
    const size_t held = lop_buf_used(LOP_ON_DEVICE).now - before,
                 told = lop_forward_bytes(&r.net, LOP_F32, 3, 300);
    if (held < told || held > told + 65536) fail_msg("%zu bytes held, %zu told", held, told);
    lop_forward_close(f);
    assert_failed(lop_forward_open(&r.net, &r.device, LOP_F32, 70000, 70000, &f), LOP_E_ARGUMENT, "70000");
    assert_ok(lop_forward_open_back(&r.net, &r.device, LOP_F32, 3, 300, 3, &f));
    const size_t both = lop_buf_used(LOP_ON_DEVICE).now - before,
                 back = lop_backward_bytes(&r.net, LOP_F32, 3, 300), larger = back > told ? back : told;
    if (both < larger || both > larger + 65536)
        fail_msg("%zu bytes held, %zu and %zu told", both, told, back);
    lop_forward_close(f);
    rig_close(&r);
    made_model_close(&m);
}

static void perplexity_refused(void **state)
{
    (void)state;
    const made_model m = made_model_open((made_shape){0});
    static const int32_t ids[4] = {1, 2, 300, 4};
    rig r;
    lop_perplexity out;
    rig_open(&r, m.folder);
    lop_perplexity_args args = {.ids = ids, .windows = 4, .seqlen = 1, .forward_batch = 1};
    assert_failed(lop_perplexity_measure(&r.device, &r.net, &args, NULL, &out), LOP_E_ARGUMENT, "two tokens");
    args = (lop_perplexity_args){.ids = ids, .windows = 1, .seqlen = 4, .forward_batch = 1};
    assert_failed(lop_perplexity_measure(&r.device, &r.net, &args, NULL, &out), LOP_E_FORMAT, "300");
    lop_log log = {.stop = true};
    const int32_t good[4] = {1, 2, 3, 4};
    args.ids = good;
    assert_failed(lop_perplexity_measure(&r.device, &r.net, &args, &log, &out), LOP_E_STOPPED, "");
    rig_close(&r);
    made_model_close(&m);
}

/* Activations beyond f32 name the block that they came out of. */
static void overflow(void **state)
{
    (void)state;
    const made_model m = made_model_open((made_shape){0});
    rig r;
    lop_arena *arena = NULL;
    lop_mat x;
    float values[64] = {0};
    rig_open(&r, m.folder);
    assert_ok(lop_arena_open(&r.device, LOP_ON_DEVICE, 0, &arena));
    assert_ok(lop_arena_mat(arena, 1, 64, LOP_F32, &x));
    assert_ok(lop_upload(&r.queue, values, x));
    assert_ok(lop_walk_check(&r.queue, x, 3));
    values[63] = NAN;
    assert_ok(lop_upload(&r.queue, values, x));
    assert_failed(lop_walk_check(&r.queue, x, 3), LOP_E_NUMERIC, "block 3");
    lop_arena_close(arena);
    rig_close(&r);
    made_model_close(&m);
}

int test_model_failure(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(ladders), cmocka_unit_test(measured),
                                       cmocka_unit_test(perplexity_refused), cmocka_unit_test(overflow)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
