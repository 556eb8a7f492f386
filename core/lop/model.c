/* model.c - models: opening, what they are, and writing them in another form. */
#include "core/base/memory.h"
#include "core/io/convert.h"
#include "core/lop/result.h"
#include "core/lop/session.h"

lop_status lop_model_open(lop_session *session, const char *path, lop_model **out)
{
    lop_model *model = NULL;
    lop_status status;
    *out = NULL;
    LOP_TRY(LOP_NEW(&model, 1));
    model->session = session;
    LOP_TRY_DONE(lop_checkpoint_open(path, &model->file));
    LOP_TRY_DONE(lop_net_open(model->file, &model->net));
    *out = model;
    return LOP_OK;
done:
    lop_model_close(model);
    return status;
}

void lop_model_close(lop_model *model)
{
    if (model == NULL) return;
    lop_tokenizer_close(model->tokenizer);
    lop_net_close(&model->net);
    lop_checkpoint_close(model->file);
    lop_free(model);
}

lop_status lop_model_tokenizer(lop_model *model, const lop_tokenizer **out)
{
    if (model->tokenizer == NULL) LOP_TRY(lop_checkpoint_tokenizer(model->file, &model->tokenizer));
    *out = model->tokenizer;
    return LOP_OK;
}

static uint64_t count_zero(const float *values, uint64_t count)
{
    uint64_t zeros = 0;
    for (uint64_t i = 0; i < count; i++) zeros += values[i] == 0.0f;
    return zeros;
}

/* Zeros of one linear, read in pieces of some rows. */
static lop_status linear_zeros(const lop_model *model, const lop_linear_file *linear, uint64_t *zeros)
{
    const int32_t piece = (1 << 22) / linear->in + 1;
    float *values = NULL;
    lop_status status;
    LOP_TRY(lop_alloc((size_t)piece * (size_t)linear->in, sizeof *values, &values));
    for (int32_t first = 0; first < linear->out; first += piece) {
        const int32_t rows = linear->out - first < piece ? linear->out - first : piece;
        LOP_TRY_DONE(lop_checkpoint_read(model->file, linear->weight, first, rows, LOP_DTYPE_F32, values));
        *zeros += count_zero(values, (uint64_t)rows * (uint64_t)linear->in);
        LOP_TRY_DONE(lop_log_check_stop(&model->session->log));
    }
    status = LOP_OK;
done:
    lop_free(values);
    return status;
}

static lop_status model_zeros(const lop_model *model, uint64_t *zeros)
{
    const int32_t blocks = model->net.config->blocks;
    *zeros = 0;
    for (int32_t b = 0; b < blocks; b++) {
        for (int l = 0; l < LOP_LINEAR_COUNT; l++) {
            const lop_linear_file *linear = &model->net.blocks[b].linear[l];
            if (linear->weight) LOP_TRY(linear_zeros(model, linear, zeros));
        }
        lop_log_progress(&model->session->log, "blocks read", b + 1, blocks);
    }
    return LOP_OK;
}

/* A model without a tokenizer can still be pruned with ids, so its absence is told and not a failure. */
static json_t *tokenizer_json(lop_model *model)
{
    const lop_tokenizer *tokenizer = NULL;
    if (lop_model_tokenizer(model, &tokenizer) == LOP_OK) return json_string(lop_tokenizer_kind(tokenizer));
    lop_log_say(&model->session->log, LOP_EVENT_WARNING, "no tokenizer: %s", lop_error());
    lop_error_clear();
    return json_null();
}

static json_t *shapes_json(const lop_net *net)
{
    json_t *linears = json_array();
    for (int l = 0; l < LOP_LINEAR_COUNT; l++) {
        const lop_linear_file *f = &net->widest.linear[l];
        if (f->weight == NULL) continue;
        (void)json_array_append_new(linears,
                                    json_pack("{s:s, s:[i,i], s:s}", "name", f->weight->name, "shape", f->out,
                                              f->in, "dtype", lop_dtype_name(f->weight->dtype)));
    }
    return linears;
}

/* Of blocks that differ; NULL for others. */
static json_t *widths_json(const lop_config *c)
{
    json_t *widths = c->uneven ? json_array() : NULL;
    for (int32_t b = 0; c->uneven && b < c->blocks; b++)
        (void)json_array_append_new(widths,
                                    json_pack("{s:i, s:i, s:i}", "heads", c->each[b].heads, "kv_heads",
                                              c->each[b].kv_heads, "ffn", c->each[b].ffn));
    return widths;
}

lop_status lop_info(lop_model *model, const lop_setting *settings, int count, lop_result **out)
{
    lop_settings s = {0};
    lop_status status = LOP_OK;
    uint64_t zeros = 0;
    *out = NULL;
    LOP_TRY(lop_call_settings("info", settings, count, &s));
    const bool counted = lop_settings_flag(&s, "zeros");
    if (counted) LOP_TRY_DONE(model_zeros(model, &zeros));
    const lop_config *c = model->net.config;
    json_t *object = json_pack(
        "{s:s, s:s, s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:I, s:I, s:o, s:s, s:b, s:o, s:o, s:o*}",
        "model", lop_checkpoint_path(model->file), "family", model->net.family->name, "container",
        lop_checkpoint_is_gguf(model->file) ? "gguf" : "safetensors", "blocks", c->blocks, "hidden",
        c->hidden, "ffn", c->ffn, "heads", c->heads, "kv_heads", c->kv_heads, "head_dim", c->head_dim,
        "vocab", c->vocab, "positions", c->positions, "parameters", (json_int_t)model->net.parameters,
        "prunable_weights", (json_int_t)model->net.prunable, "zeros",
        counted ? json_integer((json_int_t)zeros) : json_null(), "dtype", lop_dtype_name(c->dtype), "tied",
        (int)c->tied, "tokenizer", tokenizer_json(model), "linears", shapes_json(&model->net), "widths",
        widths_json(c));
    status = lop_result_take(object, out);
done:
    lop_settings_close(&s);
    return status;
}
