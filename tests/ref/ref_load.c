/* ref_load.c - reads the tensors of a Hugging Face checkpoint by name into doubles. */
#include "tests/ref/ref_load.h"

#include "core/base/file.h"
#include "core/base/memory.h"
#include "core/io/checkpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A new array of doubles that belongs to the loaded model. */
static double *array_add(ref_loaded *l, int64_t count)
{
    if (l->count == l->room) {
        l->room = 2 * l->room + 16;
        l->arrays = realloc(l->arrays, (size_t)l->room * sizeof *l->arrays);
        if (l->arrays == NULL) exit(1);
    }
    return l->arrays[l->count++] = ref_doubles(count);
}

static lop_status tensor_read(ref_loaded *l, const lop_checkpoint *c, const char *name, int64_t rows,
                              int64_t cols, double **out)
{
    lop_status status = LOP_OK;
    const lop_tensor *t = NULL;
    const int64_t count = (rows > 0 ? rows : 1) * cols;
    float *values = NULL;
    LOP_TRY_DONE(lop_checkpoint_need(c, name, rows, cols, &t));
    LOP_TRY_DONE(LOP_NEW(&values, count));
    LOP_TRY_DONE(lop_checkpoint_read(c, t, 0, rows > 0 ? rows : cols, LOP_DTYPE_F32, values));
    *out = array_add(l, count);
    for (int64_t i = 0; i < count; i++) (*out)[i] = (double)values[i];
done:
    lop_free(values);
    return status;
}

/* How a family spells what the reference reads. */
typedef struct spelling {
    const char *family, *prefixes[3], *linears[REF_LINEARS], *norms[3]; /* of attention, feed-forward, head */
    int first_position;
} spelling;

static const spelling spellings[] = {
    {"",
     {"model."},
     {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj",
      "mlp.up_proj", "mlp.down_proj"},
     {"input_layernorm", "post_attention_layernorm", "norm"},
     0},
    {"opt",
     {"model.decoder.", "decoder.", ""},
     {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj", NULL, "fc1", "fc2"},
     {"self_attn_layer_norm", "final_layer_norm", "final_layer_norm"},
     2},
};

typedef struct reading {
    ref_loaded *l;
    const lop_checkpoint *c;
    const lop_config *config;
    const spelling *names;
    const char *prefix;
} reading;

static reading reading_begin(ref_loaded *l, const lop_checkpoint *c)
{
    reading r = {l, c, lop_checkpoint_config(c), &spellings[0], NULL};
    char name[128];
    if (strcmp(r.config->family, spellings[1].family) == 0) r.names = &spellings[1];
    for (int i = 0; i < 3 && r.names->prefixes[i] != NULL; i++) {
        r.prefix = r.names->prefixes[i];
        snprintf(name, sizeof name, "%slayers.0.self_attn.q_proj.weight", r.prefix);
        if (lop_checkpoint_find(c, name) != NULL) break;
    }
    return r;
}

/* A tensor of a block, or with block -1 of the model. */
static lop_status part_read(const reading *r, int block, const char *part, int64_t rows, int64_t cols,
                            double **out)
{
    char name[128], place[32] = "";
    if (block >= 0) snprintf(place, sizeof place, "layers.%d.", block);
    snprintf(name, sizeof name, "%s%s%s", r->prefix, place, part);
    return tensor_read(r->l, r->c, name, rows, cols, out);
}

static lop_status norm_read(const reading *r, int block, const char *part, ref_norm *out)
{
    const int hidden = r->l->model.hidden;
    char name[64];
    double *gain = NULL, *bias = NULL;
    *out = (ref_norm){0};
    if (r->config->norm_plain) {
        gain = array_add(r->l, hidden);
        for (int c = 0; c < hidden; c++) gain[c] = 1.0;
        *out = (ref_norm){gain, array_add(r->l, hidden)};
        return LOP_OK;
    }
    snprintf(name, sizeof name, "%s.weight", part);
    LOP_TRY(part_read(r, block, name, 0, hidden, &gain));
    snprintf(name, sizeof name, "%s.bias", part);
    if (r->names->family[0] != '\0') LOP_TRY(part_read(r, block, name, 0, hidden, &bias));
    *out = (ref_norm){gain, bias};
    return LOP_OK;
}

/* A block that is narrower than the widest is one whose other weights are 0: heads and channels without output. */
static lop_status narrow_read(const reading *r, int block, const char *name, ref_linear *linear)
{
    char full[160];
    double *values = NULL;
    snprintf(full, sizeof full, "%slayers.%d.%s", r->prefix, block, name);
    const lop_tensor *t = lop_checkpoint_find(r->c, full);
    linear->w = array_add(r->l, (int64_t)linear->rows * linear->cols);
    if (t == NULL) return LOP_OK;
    LOP_TRY(part_read(r, block, name, t->shape[0], t->shape[1], &values));
    for (int64_t i = 0; i < t->shape[0]; i++)
        for (int64_t j = 0; j < t->shape[1]; j++)
            linear->w[i * linear->cols + j] = values[i * t->shape[1] + j];
    return LOP_OK;
}

static lop_status linear_read(const reading *r, int block, int which)
{
    const ref_model *m = &r->l->model;
    const int q = m->heads * m->head_dim, kv = m->kv_heads * m->head_dim;
    const int rows[REF_LINEARS] = {q, kv, kv, m->hidden, m->ffn, m->ffn, m->hidden};
    const int cols[REF_LINEARS] = {m->hidden, m->hidden, m->hidden, q, m->hidden, m->hidden, m->ffn};
    const bool biased[] = {r->config->qkv_bias, r->config->o_bias, r->config->mlp_bias};
    ref_linear *linear = &m->block[block].linear[which];
    char name[64];
    double *bias = NULL;
    if (r->names->linears[which] == NULL) return LOP_OK;
    linear->rows = rows[which], linear->cols = cols[which];
    snprintf(name, sizeof name, "%s.weight", r->names->linears[which]);
    if (r->config->uneven) return narrow_read(r, block, name, linear);
    LOP_TRY(part_read(r, block, name, linear->rows, linear->cols, &linear->w));
    snprintf(name, sizeof name, "%s.bias", r->names->linears[which]);
    if (biased[which <= REF_V ? 0 : which == REF_O ? 1 : 2])
        LOP_TRY(part_read(r, block, name, 0, linear->rows, &bias));
    linear->bias = bias;
    return LOP_OK;
}

static lop_status block_read(const reading *r, int b)
{
    ref_block *block = &r->l->model.block[b];
    block->window = b >= r->config->window_from ? r->config->window : 0;
    LOP_TRY(norm_read(r, b, r->names->norms[0], &block->norm_attention));
    LOP_TRY(norm_read(r, b, r->names->norms[1], &block->norm_ffn));
    for (int i = 0; i < REF_LINEARS; i++) LOP_TRY(linear_read(r, b, i));
    return LOP_OK;
}

static lop_status activation_read(const lop_config *config, ref_model *m)
{
    static const char *const known[] = {
        [REF_ACT_SILU] = "silu", [REF_ACT_RELU] = "relu", [REF_ACT_GELU] = "gelu"};
    for (int i = 0; i < 3; i++) {
        m->activation = (ref_activation)i;
        if (strcmp(config->activation, known[i]) == 0) return LOP_OK;
    }
    return LOP_FAIL(LOP_E_UNSUPPORTED, "the reference knows silu, relu and gelu, not %s", config->activation);
}

static lop_status shape_read(const lop_config *config, ref_model *m)
{
    static const ref_rope_kind kinds[] = {[LOP_ROPE_PLAIN] = REF_ROPE_PLAIN,
                                          [LOP_ROPE_LINEAR] = REF_ROPE_LINEAR,
                                          [LOP_ROPE_LLAMA3] = REF_ROPE_LLAMA3,
                                          [LOP_ROPE_NONE] = REF_ROPE_NONE};
    if (config->rope.kind == LOP_ROPE_TABLE)
        return LOP_FAIL(LOP_E_UNSUPPORTED, "the reference knows no table of rope frequencies");
    LOP_TRY(activation_read(config, m));
    m->blocks = config->blocks, m->hidden = config->hidden, m->ffn = config->ffn, m->heads = config->heads;
    m->kv_heads = config->kv_heads, m->head_dim = config->head_dim, m->vocab = config->vocab;
    m->width = config->embedding ? config->embedding : config->hidden;
    m->norm_eps = config->norm_eps, m->norm_after = config->norm_after;
    m->rope.kind = kinds[config->rope.kind];
    m->rope.theta = config->rope.theta, m->rope.factor = config->rope.factor;
    m->rope.low_freq_factor = config->rope.low_freq_factor;
    m->rope.high_freq_factor = config->rope.high_freq_factor;
    m->rope.original_positions = config->rope.original_positions;
    m->block = calloc((size_t)m->blocks, sizeof *m->block);
    return m->block != NULL ? LOP_OK : LOP_FAIL(LOP_E_MEMORY, "no memory for %d blocks", m->blocks);
}

static lop_status projection_read(const reading *r, const char *part, int rows, int cols, ref_linear *out)
{
    if (r->config->embedding == 0) return LOP_OK;
    *out = (ref_linear){.rows = rows, .cols = cols};
    return part_read(r, -1, part, rows, cols, &out->w);
}

/* A tied pair is one tensor under either name. */
static lop_status words_read(const reading *r)
{
    ref_model *m = &r->l->model;
    double *table = NULL;
    char name[128];
    snprintf(name, sizeof name, "%sembed_tokens.weight", r->prefix);
    const bool stored_as_head = lop_checkpoint_find(r->c, name) == NULL;
    LOP_TRY(tensor_read(r->l, r->c, stored_as_head ? "lm_head.weight" : name, m->vocab, m->width, &table));
    m->embedding = m->head = table;
    if (stored_as_head || r->config->tied) return LOP_OK;
    LOP_TRY(tensor_read(r->l, r->c, "lm_head.weight", m->vocab, m->width, &table));
    m->head = table;
    return LOP_OK;
}

static lop_status ends_read(const reading *r)
{
    ref_model *m = &r->l->model;
    double *table = NULL;
    LOP_TRY(words_read(r));
    LOP_TRY(projection_read(r, "project_in.weight", m->hidden, m->width, &m->in));
    LOP_TRY(projection_read(r, "project_out.weight", m->width, m->hidden, &m->out));
    if (!r->config->no_final_norm) LOP_TRY(norm_read(r, -1, r->names->norms[2], &m->norm));
    if (m->rope.kind != REF_ROPE_NONE) return LOP_OK;
    const int rows = r->config->positions + r->names->first_position;
    LOP_TRY(part_read(r, -1, "embed_positions.weight", rows, m->hidden, &table));
    m->positions = table + (int64_t)r->names->first_position * m->hidden;
    return LOP_OK;
}

lop_status ref_load(const char *path, ref_loaded *out)
{
    lop_status status = LOP_OK;
    lop_checkpoint *c = NULL;
    *out = (ref_loaded){0};
    LOP_TRY_DONE(lop_checkpoint_open(path, &c));
    LOP_TRY_DONE(shape_read(lop_checkpoint_config(c), &out->model));
    const reading r = reading_begin(out, c);
    LOP_TRY_DONE(ends_read(&r));
    for (int b = 0; b < out->model.blocks; b++) LOP_TRY_DONE(block_read(&r, b));
done:
    lop_checkpoint_close(c);
    return status;
}

void ref_load_close(ref_loaded *loaded)
{
    for (int i = 0; i < loaded->count; i++) free(loaded->arrays[i]);
    free(loaded->arrays);
    free(loaded->model.block);
    *loaded = (ref_loaded){0};
}

lop_status ref_load_ids(const char *path, int vocab, int32_t **ids, int64_t *count)
{
    char *bytes = NULL;
    size_t size = 0;
    LOP_TRY(lop_file_read(path, (uint64_t)1 << 30, &bytes, &size));
    *count = (int64_t)(size / sizeof(int32_t));
    *ids = malloc(size + 1);
    if (*ids == NULL) exit(1);
    memcpy(*ids, bytes, size);
    lop_free(bytes);
    for (int64_t i = 0; i < *count; i++) {
        if ((*ids)[i] >= 0 && (*ids)[i] < vocab) continue;
        const int32_t bad = (*ids)[i];
        free(*ids);
        *ids = NULL;
        return LOP_FAIL(LOP_E_FORMAT, "%s: token %lld is %d, the vocabulary has %d", path, (long long)i, bad,
                        vocab);
    }
    return LOP_OK;
}
