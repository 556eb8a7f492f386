/* test_model_family.c - checkpoints against the table of families: what is found, what is refused and how it is said. */
#include "tests/model/made_model.h"
#include "tests/model/model_groups.h"
#include "tests/model/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void refused(made_shape shape, lop_status want, const char *words)
{
    const made_model m = made_model_open(shape);
    lop_checkpoint *file = NULL;
    lop_net net;
    lop_status status = lop_checkpoint_open(m.folder, &file);
    if (status == LOP_OK) status = lop_net_open(file, &net);
    assert_failed(status, want, words);
    lop_checkpoint_close(file);
    made_model_close(&m);
}

static void names(void **state)
{
    (void)state;
    assert_string_equal(lop_family_find("qwen2")->architecture, "Qwen2ForCausalLM");
    assert_null(lop_family_find("gpt_neox"));
    assert_non_null(strstr(lop_family_names(), "mistral"));
}

static void counts(void **state)
{
    (void)state;
    const made_model m = made_model_open((made_shape){.tied = true, .bias = true});
    const made_shape *s = &m.shape;
    rig r;
    rig_open(&r, m.folder);
    const int64_t blocks = s->blocks, hidden = s->hidden, ffn = s->ffn;
    const int64_t q = (int64_t)s->heads * s->head_dim, kv = (int64_t)s->kv_heads * s->head_dim;
    const int64_t linears = blocks * (hidden * (2 * q + 2 * kv) + 3 * hidden * ffn);
    const int64_t biases = blocks * (q + 2 * kv + 2 * hidden + 2 * ffn), norms = (2 * blocks + 1) * hidden;
    assert_int_equal(r.net.prunable, linears);
    assert_int_equal(r.net.parameters, linears + biases + norms + s->vocab * hidden);
    assert_int_equal(r.net.blocks[1].linear[LOP_LINEAR_DOWN].in, s->ffn);
    assert_int_equal(r.net.blocks[1].linear[LOP_LINEAR_V].input, LOP_INPUT_ATTENTION);
    rig_close(&r);
    made_model_close(&m);
}

static void missing_tensor(void **state)
{
    (void)state;
    refused((made_shape){.left_out = "model.layers.1.mlp.up_proj.weight"}, LOP_E_FORMAT,
            "model.layers.1.mlp.up_proj.weight");
    refused((made_shape){.left_out = "model.norm.weight"}, LOP_E_FORMAT, "model.norm.weight");
    refused((made_shape){.left_out = "lm_head.weight"}, LOP_E_FORMAT, "lm_head.weight");
    refused((made_shape){.tied = true, .left_out = "model.embed_tokens.weight"}, LOP_E_FORMAT,
            "model.embed_tokens.weight");
}

static void wrong_shape(void **state)
{
    (void)state;
    refused((made_shape){.widened = "model.layers.0.self_attn.k_proj.weight"}, LOP_E_FORMAT, "(32, 65)");
    refused((made_shape){.widened = "model.layers.1.input_layernorm.weight"}, LOP_E_FORMAT, "(65)");
}

static void unknown_bias(void **state)
{
    (void)state;
    refused((made_shape){.hidden_bias = true}, LOP_E_FORMAT, "self_attn.q_proj.bias");
}

#define OPT .family = "opt", .tied = true
static void opt_is_checked(void **state)
{
    (void)state;
    refused((made_shape){OPT, .left_out = "model.decoder.embed_positions.weight"}, LOP_E_FORMAT,
            "embed_positions.weight");
    refused((made_shape){OPT, .widened = "model.decoder.embed_positions.weight"}, LOP_E_FORMAT, "(1026, 65)");
    refused((made_shape){OPT, .left_out = "model.decoder.layers.1.final_layer_norm.bias"}, LOP_E_FORMAT,
            "layers.1.final_layer_norm.bias");
    refused((made_shape){OPT, .prefix = "decoder.", .left_out = "decoder.layers.1.fc2.bias"}, LOP_E_FORMAT,
            "decoder.layers.1.fc2.bias");
    refused((made_shape){OPT, .prefix = "other."}, LOP_E_FORMAT, "model.decoder.layers.0.self_attn.q_proj");
    refused((made_shape){OPT, .embedding = 40, .widened = "model.decoder.project_in.weight"}, LOP_E_FORMAT,
            "project_in.weight");
    refused((made_shape){OPT, .no_bias = true, .hidden_bias = true}, LOP_E_FORMAT, "enable_bias");
    refused((made_shape){OPT, .activation = "softplus"}, LOP_E_UNSUPPORTED, "softplus");
}

static void learned_positions_end(void **state)
{
    (void)state;
    const made_model m = made_model_open((made_shape){OPT, .positions = 32});
    int32_t ids[33] = {0};
    rig r;
    rig_open(&r, m.folder);
    lop_arena *arena = NULL;
    lop_mat x;
    assert_ok(lop_arena_open(&r.device, LOP_ON_DEVICE, 0, &arena));
    assert_ok(lop_arena_mat(arena, 33, r.net.config->hidden, LOP_F32, &x));
    const lop_token_rows all = {.ids = ids, .count = 32, .tokens = 32};
    const lop_token_rows more = {.ids = ids, .count = 33, .tokens = 33};
    const lop_token_rows torn = {.ids = ids, .count = 33, .tokens = 2};
    assert_ok(lop_embed(&r.queue, &r.net, &all, lop_mat_rows(x, 0, 32)));
    assert_failed(lop_embed(&r.queue, &r.net, &more, x), LOP_E_ARGUMENT, "learned 32 positions");
    assert_failed(lop_embed(&r.queue, &r.net, &torn, x), LOP_E_ARGUMENT, "whole number of sequences");
    lop_arena_close(arena);
    rig_close(&r);
    made_model_close(&m);
}

int test_model_family(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(names),
                                       cmocka_unit_test(counts),
                                       cmocka_unit_test(missing_tensor),
                                       cmocka_unit_test(wrong_shape),
                                       cmocka_unit_test(unknown_bias),
                                       cmocka_unit_test(opt_is_checked),
                                       cmocka_unit_test(learned_positions_end)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
