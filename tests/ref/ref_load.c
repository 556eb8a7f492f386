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

static lop_status norm_read(ref_loaded *l, const lop_checkpoint *c, const char *name, const double **out)
{
    double *values = NULL;
    LOP_TRY(tensor_read(l, c, name, 0, l->model.hidden, &values));
    *out = values;
    return LOP_OK;
}

static lop_status linear_read(ref_loaded *l, const lop_checkpoint *c, int block, int which)
{
    static const char *const names[REF_LINEARS] = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj",
                                                   "self_attn.o_proj", "mlp.gate_proj",    "mlp.up_proj",
                                                   "mlp.down_proj"};
    const ref_model *m = &l->model;
    const int q = m->heads * m->head_dim, kv = m->kv_heads * m->head_dim;
    const int rows[REF_LINEARS] = {q, kv, kv, m->hidden, m->ffn, m->ffn, m->hidden};
    const int cols[REF_LINEARS] = {m->hidden, m->hidden, m->hidden, q, m->hidden, m->hidden, m->ffn};
    ref_linear *linear = &m->block[block].linear[which];
    char name[128];
    double *bias = NULL;
    linear->rows = rows[which], linear->cols = cols[which];
    snprintf(name, sizeof name, "model.layers.%d.%s.weight", block, names[which]);
    LOP_TRY(tensor_read(l, c, name, linear->rows, linear->cols, &linear->w));
    snprintf(name, sizeof name, "model.layers.%d.%s.bias", block, names[which]);
    if (lop_checkpoint_find(c, name) != NULL) LOP_TRY(tensor_read(l, c, name, 0, linear->rows, &bias));
    linear->bias = bias;
    return LOP_OK;
}

static lop_status block_read(ref_loaded *l, const lop_checkpoint *c, int b)
{
    const lop_config *config = lop_checkpoint_config(c);
    ref_block *block = &l->model.block[b];
    char name[128];
    block->window = b >= config->window_from ? config->window : 0;
    snprintf(name, sizeof name, "model.layers.%d.input_layernorm.weight", b);
    LOP_TRY(norm_read(l, c, name, &block->norm_attention));
    snprintf(name, sizeof name, "model.layers.%d.post_attention_layernorm.weight", b);
    LOP_TRY(norm_read(l, c, name, &block->norm_ffn));
    for (int i = 0; i < REF_LINEARS; i++) LOP_TRY(linear_read(l, c, b, i));
    return LOP_OK;
}

static lop_status shape_read(const lop_config *config, ref_model *m)
{
    if (config->rope.kind == LOP_ROPE_TABLE || strcmp(config->activation, "silu") != 0) {
        return LOP_FAIL(LOP_E_UNSUPPORTED, "the reference knows llama, mistral and qwen2, not %s with %s",
                        config->family, config->activation);
    }
    m->blocks = config->blocks, m->hidden = config->hidden, m->ffn = config->ffn, m->heads = config->heads;
    m->kv_heads = config->kv_heads, m->head_dim = config->head_dim, m->vocab = config->vocab;
    m->norm_eps = config->norm_eps;
    m->rope.kind = config->rope.kind == LOP_ROPE_PLAIN    ? REF_ROPE_PLAIN
                   : config->rope.kind == LOP_ROPE_LINEAR ? REF_ROPE_LINEAR
                                                          : REF_ROPE_LLAMA3;
    m->rope.theta = config->rope.theta, m->rope.factor = config->rope.factor;
    m->rope.low_freq_factor = config->rope.low_freq_factor;
    m->rope.high_freq_factor = config->rope.high_freq_factor;
    m->rope.original_positions = config->rope.original_positions;
    m->block = calloc((size_t)m->blocks, sizeof *m->block);
    return m->block != NULL ? LOP_OK : LOP_FAIL(LOP_E_MEMORY, "no memory for %d blocks", m->blocks);
}

lop_status ref_load(const char *path, ref_loaded *out)
{
    lop_status status = LOP_OK;
    lop_checkpoint *c = NULL;
    ref_model *m = &out->model;
    double *table = NULL;
    *out = (ref_loaded){0};
    LOP_TRY_DONE(lop_checkpoint_open(path, &c));
    LOP_TRY_DONE(shape_read(lop_checkpoint_config(c), m));
    /* A tied pair is one tensor under either name. */
    const bool stored_as_head = lop_checkpoint_find(c, "model.embed_tokens.weight") == NULL;
    const bool two =
        !stored_as_head && !lop_checkpoint_config(c)->tied && lop_checkpoint_find(c, "lm_head.weight");
    LOP_TRY_DONE(tensor_read(out, c, stored_as_head ? "lm_head.weight" : "model.embed_tokens.weight",
                             m->vocab, m->hidden, &table));
    m->embedding = m->head = table;
    if (two) {
        LOP_TRY_DONE(tensor_read(out, c, "lm_head.weight", m->vocab, m->hidden, &table));
        m->head = table;
    }
    LOP_TRY_DONE(norm_read(out, c, "model.norm.weight", &m->norm));
    for (int b = 0; b < m->blocks; b++) LOP_TRY_DONE(block_read(out, c, b));
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
