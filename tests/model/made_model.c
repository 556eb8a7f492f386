/* made_model.c - writes the folders. Weights are uniform with the variance that keeps a stream's size, norms near 1. */
#include "tests/model/made_model.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { TENSORS_MOST = 256 };

typedef struct made_tensor {
    char name[96];
    int32_t rows, cols; /* rows 0: a vector */
    float scale, centre;
} made_tensor;

typedef struct made_list {
    made_tensor at[TENSORS_MOST];
    int count;
} made_list;

static void tensor_add(made_list *l, const made_shape *s, const char *name, int32_t rows, int32_t cols)
{
    if (s->left_out && strcmp(s->left_out, name) == 0) return;
    made_tensor *t = &l->at[l->count++];
    assert_true(l->count < TENSORS_MOST);
    (void)snprintf(t->name, sizeof t->name, "%s", name);
    t->rows = rows;
    t->cols = cols + (s->widened && strcmp(s->widened, name) == 0);
    t->scale = rows == 0 ? 0.2f : (float)sqrt(3.0 / cols);
    t->centre = strstr(name, "norm") && !strstr(name, ".bias") ? 1.0f : 0.0f;
}

static bool is_opt(const made_shape *s)
{
    return strcmp(s->family, "opt") == 0;
}

static void linear_add(made_list *l, const made_shape *s, int block, const char *part, int32_t rows,
                       int32_t cols)
{
    char name[96];
    if (rows == 0 || cols == 0) return;
    const bool qwen = strcmp(s->family, "qwen2") == 0, qkv = strchr("qkv", part[10]) && part[0] == 's';
    (void)snprintf(name, sizeof name, "model.layers.%d.%s.weight", block, part);
    tensor_add(l, s, name, rows, cols);
    if (!(s->hidden_bias || (qwen ? qkv : s->bias))) return;
    (void)snprintf(name, sizeof name, "model.layers.%d.%s.bias", block, part);
    tensor_add(l, s, name, 0, rows);
}

static void block_add(made_list *l, const made_shape *s, int block)
{
    char name[96];
    const int32_t groups = s->each_kv ? s->each_kv[block] : s->kv_heads;
    const int32_t kv = groups * s->head_dim, q = kv * (s->heads / s->kv_heads);
    const int32_t ffn = s->each_ffn ? s->each_ffn[block] : s->ffn;
    (void)snprintf(name, sizeof name, "model.layers.%d.input_layernorm.weight", block);
    tensor_add(l, s, name, 0, s->hidden);
    linear_add(l, s, block, "self_attn.q_proj", q, s->hidden);
    linear_add(l, s, block, "self_attn.k_proj", kv, s->hidden);
    linear_add(l, s, block, "self_attn.v_proj", kv, s->hidden);
    linear_add(l, s, block, "self_attn.o_proj", s->hidden, q);
    (void)snprintf(name, sizeof name, "model.layers.%d.post_attention_layernorm.weight", block);
    tensor_add(l, s, name, 0, s->hidden);
    linear_add(l, s, block, "mlp.gate_proj", ffn, s->hidden);
    linear_add(l, s, block, "mlp.up_proj", ffn, s->hidden);
    linear_add(l, s, block, "mlp.down_proj", s->hidden, ffn);
}

/* A part of OPT: of a block, or with block -1 of the model; with a bias beside it where there is one. */
static void opt_add(made_list *l, const made_shape *s, int block, const char *part, int32_t rows,
                    int32_t cols)
{
    char name[96], place[32] = "";
    const bool norm = strstr(part, "norm") != NULL, ends = block < 0 && !norm;
    if (block >= 0) (void)snprintf(place, sizeof place, "layers.%d.", block);
    (void)snprintf(name, sizeof name, "%s%s%s.weight", s->prefix, place, part);
    if (norm && s->norm_plain) return;
    tensor_add(l, s, name, rows, cols);
    (void)snprintf(name, sizeof name, "%s%s%s.bias", s->prefix, place, part);
    if (!ends && (norm || !s->no_bias || s->hidden_bias)) tensor_add(l, s, name, 0, rows ? rows : cols);
}

static void opt_list(const made_shape *s, made_list *l)
{
    const int32_t wide = s->heads * s->head_dim, width = s->embedding ? s->embedding : s->hidden;
    opt_add(l, s, -1, "embed_tokens", s->vocab, width);
    opt_add(l, s, -1, "embed_positions", s->positions + 2, s->hidden);
    for (int b = 0; b < s->blocks; b++) {
        opt_add(l, s, b, "self_attn_layer_norm", 0, s->hidden);
        opt_add(l, s, b, "self_attn.k_proj", wide, s->hidden);
        opt_add(l, s, b, "self_attn.v_proj", wide, s->hidden);
        opt_add(l, s, b, "self_attn.q_proj", wide, s->hidden);
        opt_add(l, s, b, "self_attn.out_proj", s->hidden, wide);
        opt_add(l, s, b, "fc1", s->ffn, s->hidden);
        opt_add(l, s, b, "fc2", s->hidden, s->ffn);
        opt_add(l, s, b, "final_layer_norm", 0, s->hidden);
    }
    if (!s->norm_after && !s->no_final_norm) opt_add(l, s, -1, "final_layer_norm", 0, s->hidden);
    if (s->embedding) opt_add(l, s, -1, "project_in", s->hidden, width);
    if (s->embedding) opt_add(l, s, -1, "project_out", width, s->hidden);
    if (!s->tied) tensor_add(l, s, "lm_head.weight", s->vocab, width);
}

static void tensors_list(const made_shape *s, made_list *l)
{
    if (is_opt(s)) {
        opt_list(s, l);
        return;
    }
    if (!s->head_only) tensor_add(l, s, "model.embed_tokens.weight", s->vocab, s->hidden);
    for (int b = 0; b < s->blocks; b++) block_add(l, s, b);
    tensor_add(l, s, "model.norm.weight", 0, s->hidden);
    if (!s->tied || s->head_only) tensor_add(l, s, "lm_head.weight", s->vocab, s->hidden);
}

static int64_t elements_of(const made_tensor *t)
{
    return (int64_t)(t->rows ? t->rows : 1) * t->cols;
}

static uint32_t noise(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

static void header_write(FILE *f, const made_list *l, lop_dtype dtype)
{
    static char text[TENSORS_MOST * 192];
    size_t n = 0;
    uint64_t at = 0;
    n += (size_t)snprintf(text + n, sizeof text - n, "{");
    for (int i = 0; i < l->count; i++) {
        const made_tensor *t = &l->at[i];
        const uint64_t end = at + lop_dtype_bytes(dtype, (uint64_t)elements_of(t));
        n += (size_t)snprintf(text + n, sizeof text - n, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[",
                              i ? "," : "", t->name, lop_dtype_name(dtype));
        if (t->rows) n += (size_t)snprintf(text + n, sizeof text - n, "%d,", t->rows);
        n += (size_t)snprintf(text + n, sizeof text - n, "%d],\"data_offsets\":[%llu,%llu]}", t->cols,
                              (unsigned long long)at, (unsigned long long)end);
        at = end;
    }
    n += (size_t)snprintf(text + n, sizeof text - n, "}");
    while (n % 8) text[n++] = ' ';
    const uint64_t size = n;
    assert_int_equal(fwrite(&size, sizeof size, 1, f), 1);
    assert_int_equal(fwrite(text, 1, n, f), n);
}

static void tensor_write(FILE *f, const made_tensor *t, lop_dtype dtype, uint64_t *state)
{
    const size_t n = (size_t)elements_of(t);
    float *values = malloc(n * sizeof *values);
    unsigned char *stored = malloc(lop_dtype_bytes(dtype, n));
    assert_true(values && stored);
    for (size_t i = 0; i < n; i++)
        values[i] = t->centre + t->scale * ((float)noise(state) / 1073741824.0f - 1.0f);
    lop_dtype_convert(LOP_DTYPE_F32, values, dtype, stored, n);
    assert_int_equal(fwrite(stored, 1, lop_dtype_bytes(dtype, n), f), lop_dtype_bytes(dtype, n));
    free(stored);
    free(values);
}

static void weights_write(const made_model *m)
{
    static made_list list;
    list.count = 0;
    tensors_list(&m->shape, &list);
    FILE *f = fopen(made_model_file(m), "wb");
    assert_non_null(f);
    header_write(f, &list, m->shape.dtype);
    uint64_t state = 1;
    for (int i = 0; i < list.count; i++) tensor_write(f, &list.at[i], m->shape.dtype, &state);
    assert_int_equal(fclose(f), 0);
}

static const char *json_flag(bool value)
{
    return value ? "true" : "false";
}

static void opt_config_write(const made_shape *s, FILE *f)
{
    (void)fprintf(f, "\"ffn_dim\":%d,\"word_embed_proj_dim\":%d,\"activation_function\":\"%s\",\n", s->ffn,
                  s->embedding ? s->embedding : s->hidden, s->activation);
    (void)fprintf(f, "\"do_layer_norm_before\":%s,\"layer_norm_elementwise_affine\":%s,\n",
                  json_flag(!s->norm_after), json_flag(!s->norm_plain));
    (void)fprintf(f, "\"_remove_final_layer_norm\":%s,\"enable_bias\":%s,\n", json_flag(s->no_final_norm),
                  json_flag(!s->no_bias));
}

static void each_write(FILE *f, const char *key, const int32_t *each, int32_t blocks)
{
    if (each == NULL) return;
    (void)fprintf(f, "\"%s\":[%d", key, each[0]);
    for (int32_t b = 1; b < blocks; b++) (void)fprintf(f, ",%d", each[b]);
    (void)fprintf(f, "],\n");
}

static void config_write(const made_model *m)
{
    const made_shape *s = &m->shape;
    char path[128], window[32] = "null";
    (void)snprintf(path, sizeof path, "%s/config.json", m->folder);
    if (s->window) (void)snprintf(window, sizeof window, "%d", s->window);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    (void)fprintf(f, "{\"architectures\":[\"LlamaForCausalLM\"],\"model_type\":\"%s\",\"hidden_size\":%d,\n",
                  s->family, s->hidden);
    if (is_opt(s)) opt_config_write(s, f);
    (void)fprintf(f, "\"intermediate_size\":%d,\"num_hidden_layers\":%d,\"num_attention_heads\":%d,\n",
                  s->ffn, s->blocks, s->heads);
    (void)fprintf(f, "\"num_key_value_heads\":%d,\"head_dim\":%d,\"vocab_size\":%d,\n", s->kv_heads,
                  s->head_dim, s->vocab);
    (void)fprintf(f, "\"max_position_embeddings\":%d,\"rms_norm_eps\":1e-5,\"rope_theta\":10000.0,\n",
                  s->positions);
    (void)fprintf(f, "\"rope_scaling\":%s,\"hidden_act\":\"%s\",\"tie_word_embeddings\":%s,\n",
                  s->rope_scaling ? s->rope_scaling : "null", s->activation, json_flag(s->tied));
    if (strcmp(s->family, "llama") == 0)
        (void)fprintf(f, "\"attention_bias\":%s,\"mlp_bias\":%s,\n", json_flag(s->bias), json_flag(s->bias));
    each_write(f, "pg_layer_num_key_value_heads", s->each_kv, s->blocks);
    each_write(f, "pg_layer_intermediate_size", s->each_ffn, s->blocks);
    if (strcmp(s->family, "mistral") == 0) (void)fprintf(f, "\"sliding_window\":%s,\n", window);
    (void)fprintf(f, "\"bos_token_id\":1,\"eos_token_id\":2,\"torch_dtype\":\"%s\"}\n",
                  s->dtype == LOP_DTYPE_F16    ? "float16"
                  : s->dtype == LOP_DTYPE_BF16 ? "bfloat16"
                                               : "float32");
    assert_int_equal(fclose(f), 0);
}

#define DEFAULT(member, value)                                                                               \
    if (!s.member) s.member = (value)

made_model made_model_open(made_shape s)
{
    DEFAULT(family, "llama");
    DEFAULT(blocks, 2);
    DEFAULT(hidden, 64);
    DEFAULT(ffn, 96);
    DEFAULT(heads, 4);
    DEFAULT(kv_heads, is_opt(&s) ? s.heads : 2);
    DEFAULT(head_dim, 16);
    DEFAULT(prefix, "model.decoder.");
    DEFAULT(activation, is_opt(&s) ? "relu" : "silu");
    DEFAULT(vocab, 300);
    DEFAULT(positions, 1024);
    made_model m = {.shape = s, .folder = "/tmp/lop_made_XXXXXX"};
    assert_non_null(mkdtemp(m.folder));
    config_write(&m);
    weights_write(&m);
    return m;
}

void made_model_close(const made_model *m)
{
    char path[128];
    (void)remove(made_model_file(m));
    (void)snprintf(path, sizeof path, "%s/config.json", m->folder);
    (void)remove(path);
    (void)rmdir(m->folder);
}

const char *made_model_file(const made_model *m)
{
    static char path[128];
    (void)snprintf(path, sizeof path, "%s/model.safetensors", m->folder);
    return path;
}

void made_model_ids(const made_model *m, int32_t *ids, int64_t count)
{
    uint64_t state = 7;
    for (int64_t i = 0; i < count; i++) ids[i] = (int32_t)(noise(&state) % (uint32_t)m->shape.vocab);
}
