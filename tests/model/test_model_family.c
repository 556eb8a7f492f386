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

int test_model_family(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(names), cmocka_unit_test(counts),
                                       cmocka_unit_test(missing_tensor), cmocka_unit_test(wrong_shape),
                                       cmocka_unit_test(unknown_bias)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
