/* family.c - the table of families, and the resolving of a checkpoint against it. */
#include "core/model/family.h"

#include "core/base/memory.h"

#include <stdio.h>
#include <string.h>

#define PREFIX_BYTES 64
#define NAME_BYTES   192

/* Names that several families share. The linears stand in module order. */
#define LLAMA_BLOCK     "model.layers.%d."
#define LLAMA_ATTENTION "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"
#define LLAMA_FFN       "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"
#define LLAMA_NORMS     "input_layernorm", "post_attention_layernorm"
#define LLAMA_ENDS      "model.embed_tokens.weight", "model.norm.weight", "lm_head.weight"

/* What tells these three apart stands in their configs: biases, windows, rope. */
static const lop_family families[] = {
    {"llama", "LlamaForCausalLM", LLAMA_BLOCK, {LLAMA_ATTENTION, LLAMA_FFN}, LLAMA_NORMS, LLAMA_ENDS},
    {"mistral", "MistralForCausalLM", LLAMA_BLOCK, {LLAMA_ATTENTION, LLAMA_FFN}, LLAMA_NORMS, LLAMA_ENDS},
    {"qwen2", "Qwen2ForCausalLM", LLAMA_BLOCK, {LLAMA_ATTENTION, LLAMA_FFN}, LLAMA_NORMS, LLAMA_ENDS},
};

const char *lop_family_names(void)
{
    return "llama, mistral, qwen2";
}

const lop_family *lop_family_find(const char *name)
{
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++)
        if (strcmp(families[i].name, name) == 0) return &families[i];
    return NULL;
}

/* The activations of Hugging Face's config.json; "swish" is its other word for silu. */
static lop_status find_gate(const lop_config *c, lop_gate_kind *out)
{
    static const struct {
        const char *name;
        lop_gate_kind kind;
    } known[] = {{"silu", LOP_GATE_SILU},          {"swish", LOP_GATE_SILU},
                 {"gelu", LOP_GATE_GELU},          {"gelu_pytorch_tanh", LOP_GATE_GELU_TANH},
                 {"gelu_new", LOP_GATE_GELU_TANH}, {"relu", LOP_GATE_RELU}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(known[i].name, c->activation) != 0) continue;
        *out = known[i].kind;
        return LOP_OK;
    }
    return LOP_FAIL(LOP_E_UNSUPPORTED,
                    "activation \"%s\" is not known: it is one of silu, gelu, gelu_new, "
                    "gelu_pytorch_tanh, relu",
                    c->activation);
}

/* out, in, the shared input, and whether the config gives it a bias. */
static lop_linear_file linear_shape(const lop_config *c, lop_linear_id id, bool *bias)
{
    const int32_t q = c->heads * c->head_dim, kv = c->kv_heads * c->head_dim;
    switch (id) {
    case LOP_LINEAR_Q:
        *bias = c->qkv_bias;
        return (lop_linear_file){.out = q, .in = c->hidden, .input = LOP_INPUT_ATTENTION};
    case LOP_LINEAR_K:
    case LOP_LINEAR_V:
        *bias = c->qkv_bias;
        return (lop_linear_file){.out = kv, .in = c->hidden, .input = LOP_INPUT_ATTENTION};
    case LOP_LINEAR_O:
        *bias = c->o_bias;
        return (lop_linear_file){.out = c->hidden, .in = q, .input = LOP_INPUT_O};
    case LOP_LINEAR_DOWN:
        *bias = c->mlp_bias;
        return (lop_linear_file){.out = c->hidden, .in = c->ffn, .input = LOP_INPUT_DOWN};
    default: /* gate, up */
        *bias = c->mlp_bias;
        return (lop_linear_file){.out = c->ffn, .in = c->hidden, .input = LOP_INPUT_FFN};
    }
}

static lop_status need_vector(lop_net *net, const char *name, int64_t size, const lop_tensor **out)
{
    LOP_TRY(lop_checkpoint_need(net->file, name, 0, size, out));
    net->parameters += (uint64_t)size;
    return LOP_OK;
}

static lop_status need_matrix(lop_net *net, const char *name, int64_t rows, int64_t cols,
                              const lop_tensor **out)
{
    LOP_TRY(lop_checkpoint_need(net->file, name, rows, cols, out));
    net->parameters += (uint64_t)rows * (uint64_t)cols;
    return LOP_OK;
}

/* A bias that lies in the file and that the config denies would be left out silently; that is refused. */
static lop_status resolve_linear(lop_net *net, int32_t block, lop_linear_id id, lop_linear_file *out)
{
    if (net->family->linear[id] == NULL) return LOP_OK;
    char prefix[PREFIX_BYTES], name[NAME_BYTES];
    bool bias = false;
    *out = linear_shape(net->config, id, &bias);
    (void)snprintf(prefix, sizeof prefix, net->family->block_prefix, (int)block);
    (void)snprintf(name, sizeof name, "%s%s.weight", prefix, net->family->linear[id]);
    LOP_TRY(need_matrix(net, name, out->out, out->in, &out->weight));
    net->prunable += (uint64_t)out->out * (uint64_t)out->in;
    (void)snprintf(name, sizeof name, "%s%s.bias", prefix, net->family->linear[id]);
    if (bias) return need_vector(net, name, out->out, &out->bias);
    if (lop_checkpoint_find(net->file, name) == NULL) return LOP_OK;
    return LOP_FAIL(LOP_E_FORMAT,
                    "%s is in the file but the config says that there is no such bias: set "
                    "attention_bias or mlp_bias, or take the tensor out",
                    name);
}

static lop_status resolve_block(lop_net *net, int32_t block, lop_block_file *out)
{
    char prefix[PREFIX_BYTES], name[NAME_BYTES];
    for (int id = 0; id < LOP_LINEAR_COUNT; id++)
        LOP_TRY(resolve_linear(net, block, (lop_linear_id)id, &out->linear[id]));
    (void)snprintf(prefix, sizeof prefix, net->family->block_prefix, (int)block);
    (void)snprintf(name, sizeof name, "%s%s.weight", prefix, net->family->norm_attention);
    LOP_TRY(need_vector(net, name, net->config->hidden, &out->norm_attention));
    (void)snprintf(name, sizeof name, "%s%s.weight", prefix, net->family->norm_ffn);
    return need_vector(net, name, net->config->hidden, &out->norm_ffn);
}

/* A tied model may store its one matrix under either name. */
static lop_status resolve_ends(lop_net *net)
{
    const lop_family *f = net->family;
    const int64_t vocab = net->config->vocab, hidden = net->config->hidden;
    LOP_TRY(need_vector(net, f->norm_final, hidden, &net->norm_final));
    const bool only_head = net->config->tied && lop_checkpoint_find(net->file, f->embedding) == NULL &&
                           lop_checkpoint_find(net->file, f->head) != NULL;
    LOP_TRY(need_matrix(net, only_head ? f->head : f->embedding, vocab, hidden, &net->embedding));
    net->head = net->embedding;
    return net->config->tied ? LOP_OK : need_matrix(net, f->head, vocab, hidden, &net->head);
}

static lop_status resolve(lop_net *net)
{
    const lop_config *c = net->config;
    net->family = lop_family_find(c->family);
    if (net->family == NULL)
        return LOP_FAIL(LOP_E_UNSUPPORTED,
                        "models of the family \"%s\" are not supported: the known families are %s", c->family,
                        lop_family_names());
    LOP_TRY(find_gate(c, &net->gate));
    LOP_TRY(LOP_NEW(&net->blocks, c->blocks));
    for (int32_t b = 0; b < c->blocks; b++) LOP_TRY(resolve_block(net, b, &net->blocks[b]));
    return resolve_ends(net);
}

lop_status lop_net_open(const lop_checkpoint *file, lop_net *out)
{
    *out = (lop_net){.file = file, .config = lop_checkpoint_config(file)};
    const lop_status status = resolve(out);
    if (status != LOP_OK) lop_net_close(out);
    return status;
}

void lop_net_close(lop_net *net)
{
    if (net == NULL) return;
    lop_free(net->blocks);
    *net = (lop_net){0};
}
