/* test_prune_units.c - what BESA reconstructs: the block or each of its halves, towards the dense block or the stream of the
 * dense model; and ranks that come from factored Hessians. */
#include "core/base/memory.h"
#include "core/prune/masks.h"
#include "tests/prune/groups.h"
#include "tests/prune/prune_bench.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const made_shape small = {.blocks = 2, .dtype = LOP_DTYPE_F32};

/* The keep bits of a linear of block 0; the caller frees. */
static unsigned char *bits_of(const char *folder, const char *name, size_t *bytes)
{
    lop_masks masks;
    unsigned char *bits = NULL;
    prune_ok(lop_masks_open(in_folder(folder, LOP_MASKS_NAME), &masks));
    const lop_mask_entry *e = lop_masks_find(&masks, name);
    assert_non_null(e);
    *bytes = (size_t)e->bytes;
    prune_ok(lop_alloc(*bytes, 1, &bits));
    prune_ok(lop_masks_read(&masks, e, bits));
    lop_masks_close(&masks);
    return bits;
}

static bool same_bits(const char *a, const char *b, const char *linear)
{
    char name[96];
    size_t bytes = 0, other = 0;
    (void)snprintf(name, sizeof name, "model.layers.0.%s.weight", linear);
    unsigned char *x = bits_of(a, name, &bytes), *y = bits_of(b, name, &other);
    const bool same = bytes == other && memcmp(x, y, bytes) == 0;
    lop_free(y);
    lop_free(x);
    return same;
}

static json_t *learn_at(const json_t *report, size_t block)
{
    json_t *learn = json_object_get(json_array_get(json_object_get(report, "blocks"), block), "learn");
    assert_non_null(learn);
    return learn;
}

static double step_loss(const json_t *report, size_t block, size_t step)
{
    const json_t *pair = json_array_get(json_object_get(learn_at(report, block), "steps"), step);
    return json_number_value(json_array_get(pair, 0));
}

/* A half has a loss of its own: attention learns the same whether the other half is learned beside it or stays dense. AdamW,
 * since Prodigy's distance is one for all logits. */
static void halves_learn_apart(void **state)
{
    (void)state;
    static const lop_setting both[] = {{"sparsity-ratio", "0.5"},
                                       {"unit", "halves"},
                                       {"optimizer", "adamw"},
                                       {"learning-rate", "0.3"},
                                       {"save-masks", "on"},
                                       {"layers", ":1"},
                                       {NULL, NULL}};
    static const lop_setting first[] = {
        {"sparsity-ratio", "0.5"}, {"unit", "halves"}, {"optimizer", "adamw"}, {"learning-rate", "0.3"},
        {"save-masks", "on"},      {"layers", ":1"},   {"skip", "re:mlp"},     {NULL, NULL}};
    static const lop_setting whole[] = {{"sparsity-ratio", "0.5"}, {"optimizer", "adamw"},
                                        {"learning-rate", "0.3"},  {"save-masks", "on"},
                                        {"layers", ":1"},          {NULL, NULL}};
    static const char *const attention[] = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj",
                                            "self_attn.o_proj"};
    prune_bench b;
    bench_open(&b, small);
    prune_try t = bench_try(&b, "besa", both);
    json_decref(prune_report(&t));
    t = bench_try(&b, "besa", first);
    t.save = bench_other(&b, "first");
    json_decref(prune_report(&t));
    char apart[96];
    (void)snprintf(apart, sizeof apart, "%s", t.save); /* the next folder takes its name's place */
    t = bench_try(&b, "besa", whole);
    t.save = bench_other(&b, "whole");
    json_decref(prune_report(&t));
    int differ = 0;
    for (int i = 0; i < 4; i++) {
        assert_true(same_bits(b.save, apart, attention[i]));
        differ += !same_bits(b.save, t.save, attention[i]);
    }
    assert_true(differ > 0); /* the whole block's error has another gradient */
    bench_close(&b);
}

/* In the first block both targets are one, later the dense stream is what nothing was taken from: further off. */
static void targets_part_behind_the_first_block(void **state)
{
    (void)state;
    static const lop_setting same[] = {{"sparsity-ratio", "0.5"}, {NULL, NULL}};
    static const lop_setting dense[] = {{"sparsity-ratio", "0.5"}, {"target", "dense-stream"}, {NULL, NULL}};
    prune_bench b;
    bench_open(&b, small);
    prune_try t = bench_try(&b, "besa", same);
    json_t *one = prune_report(&t);
    t = bench_try(&b, "besa", dense);
    t.save = bench_other(&b, "dense");
    json_t *two = prune_report(&t);
    assert_true(fabs(step_loss(two, 0, 0) / step_loss(one, 0, 0) - 1.0) < 1e-6);
    assert_true(step_loss(two, 1, 0) > step_loss(one, 1, 0));
    assert_true(
        json_is_null(json_object_get(json_array_get(json_object_get(two, "blocks"), 0), "loss_after")));
    json_decref(two);
    json_decref(one);
    bench_close(&b);
}

static void losses_of_a_dense_stream_are_refused(void **state)
{
    (void)state;
    static const lop_setting how[] = {
        {"sparsity-ratio", "0.5"}, {"target", "dense-stream"}, {"losses", "after"}, {NULL, NULL}};
    prune_bench b;
    char *text = NULL;
    bench_open(&b, small);
    const prune_try t = bench_try(&b, "besa", how);
    prune_fails(prune_do(&t, &text), LOP_E_ARGUMENT, "dense-stream");
    bench_close(&b);
}

/* With so much damping that all columns weigh alike only the weights' sizes are left to rank by. */
static void damped_ranks_are_those_of_magnitude(void **state)
{
    (void)state;
    static const lop_setting damped[] = {{"sparsity-ratio", "0.5"}, {"epochs", "0"},
                                         {"rank-by", "sparsegpt"},  {"damping", "1000"},
                                         {"save-masks", "on"},      {NULL, NULL}};
    static const lop_setting plain[] = {{"sparsity-ratio", "0.5"},
                                        {"epochs", "0"},
                                        {"rank-by", "sparsegpt"},
                                        {"save-masks", "on"},
                                        {NULL, NULL}};
    static const lop_setting magnitude[] = {{"sparsity-ratio", "0.5"},
                                            {"epochs", "0"},
                                            {"rank-by", "magnitude"},
                                            {"save-masks", "on"},
                                            {NULL, NULL}};
    prune_bench b;
    size_t bytes = 0, apart = 0, apart_plain = 0;
    bench_open(&b, small);
    prune_try t = bench_try(&b, "besa", damped);
    json_decref(prune_report(&t));
    t = bench_try(&b, "besa", plain);
    t.save = bench_other(&b, "plain");
    json_decref(prune_report(&t));
    char other[96];
    (void)snprintf(other, sizeof other, "%s", t.save);
    t = bench_try(&b, "besa", magnitude);
    t.save = bench_other(&b, "magnitude");
    json_decref(prune_report(&t));
    unsigned char *x = bits_of(b.save, "model.layers.0.mlp.down_proj.weight", &bytes);
    unsigned char *y = bits_of(t.save, "model.layers.0.mlp.down_proj.weight", &bytes);
    unsigned char *z = bits_of(other, "model.layers.0.mlp.down_proj.weight", &bytes);
    for (size_t i = 0; i < bytes; i++) {
        apart += (size_t)__builtin_popcount((unsigned)(x[i] ^ y[i]));
        apart_plain += (size_t)__builtin_popcount((unsigned)(z[i] ^ y[i]));
    }
    print_message("of %zu bits %zu are others than magnitude's, %zu at 1 %% damping\n", 8 * bytes, apart,
                  apart_plain);
    assert_true(apart < bytes / 10); /* the factor's diagonal is 1 within a thousandth */
    assert_true(apart_plain > apart);
    lop_free(z);
    lop_free(y);
    lop_free(x);
    bench_close(&b);
}

/* Fewer tokens than columns, and no damping: the report says what the ranks took instead. */
static void ranks_of_few_tokens(void **state)
{
    (void)state;
    static const lop_setting how[] = {{"sparsity-ratio", "0.5"},
                                      {"epochs", "0"},
                                      {"rank-by", "sparsegpt"},
                                      {"nsamples", "1"},
                                      {"seqlen", "16"},
                                      {"damping", "0"},
                                      {NULL, NULL}};
    prune_bench b;
    bench_open(&b, small);
    const prune_try t = bench_try(&b, "besa", how);
    json_t *report = prune_report(&t), *block, *line;
    size_t k, i;
    json_array_foreach(json_object_get(report, "blocks"), k, block)
    {
        const json_t *lines = json_object_get(json_object_get(block, "learn"), "linears");
        assert_int_equal(json_array_size(lines), 7);
        json_array_foreach(lines, i, line)
        {
            assert_true(json_at(line, "escalations") > 0.0 && json_at(line, "damping") >= 0.001);
            assert_true(json_at(line, "dead_columns") == 0.0);
        }
    }
    json_decref(report);
    bench_close(&b);
}

int test_prune_units(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(halves_learn_apart),
        cmocka_unit_test(targets_part_behind_the_first_block),
        cmocka_unit_test(losses_of_a_dense_stream_are_refused),
        cmocka_unit_test(damped_ranks_are_those_of_magnitude),
        cmocka_unit_test(ranks_of_few_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
