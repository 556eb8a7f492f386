/* family.c - the table of families, and the resolving of a checkpoint against it. */
#include "core/model/family.h"

#include "core/base/memory.h"

#include <stdio.h>
#include <string.h>

#define PLACE_BYTES 64
#define NAME_BYTES  192

/* Names that several families share. The linears stand in module order. */
#define LLAMA_NAMES                                                                                          \
    .prefixes = {"model."}, .block = "layers.%d.",                                                           \
    .linear = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",               \
               "mlp.gate_proj",    "mlp.up_proj",      "mlp.down_proj"},                                     \
    .norm = LOP_NORM_RMS, .norm_attention = "input_layernorm", .norm_ffn = "post_attention_layernorm",       \
    .norm_final = "norm", .embedding = "embed_tokens.weight", .head = "lm_head.weight"

/* What tells the first three apart stands in their configs: biases, windows, rope. OPT's own files were saved of a model
 * without a head, whose names are shorter; the third prefix is of its decoder alone. Its table of positions begins with two
 * rows that no position takes. */
static const lop_family families[] = {
    {.name = "llama", .architecture = "LlamaForCausalLM", LLAMA_NAMES},
    {.name = "mistral", .architecture = "MistralForCausalLM", LLAMA_NAMES},
    {.name = "qwen2", .architecture = "Qwen2ForCausalLM", LLAMA_NAMES},
    {.name = "opt",
     .architecture = "OPTForCausalLM",
     .prefixes = {"model.decoder.", "decoder.", ""},
     .block = "layers.%d.",
     .linear = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj", NULL, "fc1",
                "fc2"},
     .norm = LOP_NORM_LAYER,
     .norm_attention = "self_attn_layer_norm",
     .norm_ffn = "final_layer_norm",
     .norm_final = "final_layer_norm",
     .embedding = "embed_tokens.weight",
     .head = "lm_head.weight",
     .positions = "embed_positions.weight",
     .positions_from = 2,
     .project_in = "project_in.weight",
     .project_out = "project_out.weight"},
};

const char *lop_family_names(void)
{
    return "llama, mistral, qwen2, opt";
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
static lop_linear_file linear_shape(const lop_config *c, int32_t block, lop_linear_id id, bool *bias)
{
    const lop_widths w = lop_config_widths(c, block);
    const int32_t q = w.heads * c->head_dim, kv = w.kv_heads * c->head_dim;
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
        return (lop_linear_file){.out = c->hidden, .in = w.ffn, .input = LOP_INPUT_DOWN};
    default: /* gate, up */
        *bias = c->mlp_bias;
        return (lop_linear_file){.out = w.ffn, .in = c->hidden, .input = LOP_INPUT_FFN};
    }
}

/* ---- names */

/* The whole name of a part of a block (block -1: of the model), with an ending. */
static const char *name_of(const lop_net *net, int32_t block, const char *part, const char *ending,
                           char name[NAME_BYTES])
{
    char place[PLACE_BYTES] = "";
    if (block >= 0) (void)snprintf(place, sizeof place, net->family->block, (int)block);
    (void)snprintf(name, NAME_BYTES, "%s%s%s%s", net->prefix, place, part, ending);
    return name;
}

/* The prefix under which block 0 lies; the usual one where it lies under none, and what is missing is named so. */
static void find_prefix(lop_net *net)
{
    char name[NAME_BYTES];
    for (int i = 0; i < LOP_FAMILY_PREFIXES && net->family->prefixes[i]; i++) {
        net->prefix = net->family->prefixes[i];
        name_of(net, 0, net->family->linear[LOP_LINEAR_Q], ".weight", name);
        if (lop_checkpoint_find(net->file, name) != NULL) return;
    }
    net->prefix = net->family->prefixes[0];
}

/* ---- tensors */

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

/* A tensor that lies in the file and that the config denies would be left out silently; that is refused. */
static lop_status refuse_hidden(const lop_net *net, const char *name, const char *keys)
{
    if (lop_checkpoint_find(net->file, name) == NULL) return LOP_OK;
    return LOP_FAIL(
        LOP_E_FORMAT,
        "%s is in the file but the config says that there is none: set %s, or take the tensor out", name,
        keys);
}

static lop_status resolve_linear(lop_net *net, int32_t block, lop_linear_id id, lop_linear_file *out)
{
    const char *part = net->family->linear[id];
    if (part == NULL) return LOP_OK;
    char name[NAME_BYTES];
    bool bias = false;
    const lop_linear_file shape = linear_shape(net->config, block, id, &bias);
    name_of(net, block, part, ".weight", name);
    if (shape.out == 0 || shape.in == 0) return refuse_hidden(net, name, "the layer's width");
    *out = shape;
    LOP_TRY(need_matrix(net, name, out->out, out->in, &out->weight));
    net->prunable += (uint64_t)out->out * (uint64_t)out->in;
    name_of(net, block, part, ".bias", name);
    if (bias) return need_vector(net, name, out->out, &out->bias);
    return refuse_hidden(net, name, "attention_bias, mlp_bias or enable_bias");
}

static lop_status resolve_norm(lop_net *net, int32_t block, const char *part, bool plain, lop_norm_file *out)
{
    const int64_t hidden = net->config->hidden;
    char gain[NAME_BYTES], bias[NAME_BYTES];
    name_of(net, block, part, ".weight", gain);
    name_of(net, block, part, ".bias", bias);
    *out = (lop_norm_file){0};
    if (plain) {
        LOP_TRY(refuse_hidden(net, gain, "layer_norm_elementwise_affine or the keys of norms"));
        return refuse_hidden(net, bias, "layer_norm_elementwise_affine or the keys of norms");
    }
    LOP_TRY(need_vector(net, gain, hidden, &out->gain));
    return net->family->norm == LOP_NORM_LAYER ? need_vector(net, bias, hidden, &out->bias) : LOP_OK;
}

static lop_status resolve_block(lop_net *net, int32_t block, lop_block_file *out)
{
    const bool plain = net->config->norm_plain;
    for (int id = 0; id < LOP_LINEAR_COUNT; id++)
        LOP_TRY(resolve_linear(net, block, (lop_linear_id)id, &out->linear[id]));
    const lop_widths w = lop_config_widths(net->config, block);
    if (w.heads > 0)
        LOP_TRY(resolve_norm(net, block, net->family->norm_attention, plain, &out->norm_attention));
    return w.ffn > 0 ? resolve_norm(net, block, net->family->norm_ffn, plain, &out->norm_ffn) : LOP_OK;
}

/* Of each linear the shape that the config's widest has, and some block's tensors. */
static void find_widest(lop_net *net)
{
    bool bias;
    net->widest = net->blocks[0];
    for (int32_t b = 0; net->config->uneven && b < net->config->blocks; b++) {
        const lop_block_file *file = &net->blocks[b];
        if (file->norm_attention.gain) net->widest.norm_attention = file->norm_attention;
        if (file->norm_ffn.gain) net->widest.norm_ffn = file->norm_ffn;
        for (int id = 0; id < LOP_LINEAR_COUNT; id++) {
            if (file->linear[id].weight == NULL) continue;
            net->widest.linear[id] = linear_shape(net->config, -1, (lop_linear_id)id, &bias);
            net->widest.linear[id].weight = file->linear[id].weight;
            net->widest.linear[id].bias = file->linear[id].bias;
        }
    }
}

/* A tied model may store its one matrix under either name. */
static lop_status resolve_words(lop_net *net)
{
    const lop_family *f = net->family;
    const int64_t vocab = net->config->vocab, width = net->width;
    char name[NAME_BYTES];
    name_of(net, -1, f->embedding, "", name);
    const bool only_head = net->config->tied && lop_checkpoint_find(net->file, name) == NULL &&
                           lop_checkpoint_find(net->file, f->head) != NULL;
    LOP_TRY(need_matrix(net, only_head ? f->head : name, vocab, width, &net->embedding));
    net->head = net->embedding;
    return net->config->tied ? LOP_OK : need_matrix(net, f->head, vocab, width, &net->head);
}

/* A matrix that the family may have and the config does or does not: projections. */
static lop_status resolve_projection(lop_net *net, const char *part, int64_t rows, int64_t cols,
                                     const lop_tensor **out)
{
    char name[NAME_BYTES];
    if (part == NULL) return LOP_OK;
    name_of(net, -1, part, "", name);
    if (net->config->embedding != 0) return need_matrix(net, name, rows, cols, out);
    return refuse_hidden(net, name, "word_embed_proj_dim");
}

static lop_status resolve_ends(lop_net *net)
{
    const lop_family *f = net->family;
    const lop_config *c = net->config;
    char name[NAME_BYTES];
    net->width = c->embedding ? c->embedding : c->hidden;
    LOP_TRY(resolve_words(net));
    LOP_TRY(resolve_norm(net, -1, f->norm_final, c->norm_plain || c->no_final_norm, &net->norm_final));
    LOP_TRY(resolve_projection(net, f->project_in, c->hidden, net->width, &net->project_in));
    LOP_TRY(resolve_projection(net, f->project_out, net->width, c->hidden, &net->project_out));
    if (f->positions == NULL) return LOP_OK;
    name_of(net, -1, f->positions, "", name);
    return need_matrix(net, name, (int64_t)c->positions + f->positions_from, c->hidden, &net->positions);
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
    find_prefix(net);
    LOP_TRY(LOP_NEW(&net->blocks, c->blocks));
    for (int32_t b = 0; b < c->blocks; b++) LOP_TRY(resolve_block(net, b, &net->blocks[b]));
    find_widest(net);
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
