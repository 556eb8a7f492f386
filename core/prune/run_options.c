/* run_options.c - the options of every prune, and all that can be decided from them and from headers. */
#include "core/prune/run_parts.h"

#include "core/base/memory.h"

#include <string.h>

static const lop_option options[] = {
    {.name = "sparsity-ratio",
     .alias = "sparsity",
     .kind = LOP_OPTION_REAL, /* its range is checked where what was meant can be guessed */
     .unit = "fraction",
     .help = "part removed of the weights of every linear of every block, 0 <= R < 1"},
    {.name = "sparsity-type",
     .kind = LOP_OPTION_CHOICE,
     .default_text = "unstructured",
     .choices = "unstructured|2:4|4:8",
     .help = "n:m keeps n of every m neighbours of a row"},
    {.name = "keep",
     .kind = LOP_OPTION_TEXT,
     .help = "any pattern n:m, n kept of every m neighbours of a row"},
    {.name = "prunen",
     .kind = LOP_OPTION_INT,
     .default_text = "0",
     .low = 0,
     .high = 64,
     .help = "with prunem: 2 and 4, or 4 and 8, as the reference scripts spell the patterns"},
    {.name = "prunem",
     .kind = LOP_OPTION_INT,
     .default_text = "0",
     .low = 0,
     .high = 64,
     .help = "see prunen"},
    {.name = "exact-budget",
     .kind = LOP_OPTION_FLAG,
     .default_text = "on",
     .help = "each linear loses exactly round(R x weights); off: the reference's own count"},
    {.name = "quantize-bits",
     .kind = LOP_OPTION_INT,
     .default_text = "0",
     .low = 0,
     .high = LOP_QUANT_BITS_MOST,
     .unit = "bits",
     .help =
         "kept weights become points of grids of 2^N, 2 <= N <= 8, written as the values they stand for; 0: "
         "they stay as they are"},
    {.name = "quantize-group",
     .kind = LOP_OPTION_INT,
     .default_text = "0",
     .low = 0,
     .high = 1 << 20,
     .unit = "columns",
     .help = "neighbours in a row that share a grid; 0: all of the row"},
    {.name = "update",
     .kind = LOP_OPTION_CHOICE,
     .default_text = "none",
     .choices = "none|sparsegpt",
     .help = "what follows on the method's masks: kept weights make up for what is gone, column by column",
     .source = "SparseGPT, Alg. 1, with masks that are given; Wanda's ablation of weight updates"},
    {.name = "update-damping",
     .kind = LOP_OPTION_REAL,
     .default_text = "0.01",
     .low = 0,
     .high = 1e3,
     .help = "with update: what the Hessian's diagonal grows by, a part of its mean"},
    {.name = "layers",
     .kind = LOP_OPTION_TEXT,
     .help =
         "a:b prunes blocks a up to but not including b; first-half those of SparseLLM's tables, which every "
         "method there prunes alone",
     .source = "SparseLLM's authors on their tables, issue 16 of their repository"},
    {.name = "skip",
     .kind = LOP_OPTION_TEXT,
     .help = "re:PATTERN leaves the linears dense whose name it matches"},
    {.name = "only", .kind = LOP_OPTION_TEXT, .help = "re:PATTERN leaves the others dense"},
    {.name = "calib",
     .kind = LOP_OPTION_PATH,
     .help = "calibration data: .txt, .jsonl, .json (a list of strings), or .i32 token ids"},
    {.name = "text-field",
     .kind = LOP_OPTION_TEXT,
     .default_text = "text",
     .help = "the key of a .jsonl document's text"},
    {.name = "nsamples",
     .kind = LOP_OPTION_INT,
     .default_text = "128",
     .low = 1,
     .high = 1000000,
     .unit = "windows",
     .help = "calibration windows"},
    {.name = "seqlen",
     .kind = LOP_OPTION_INT,
     .low = 1,
     .high = 1 << 24,
     .unit = "tokens",
     .help = "tokens of a window; by default the model's maximum, at most 2048"},
    {.name = "seed",
     .kind = LOP_OPTION_INT,
     .default_text = "0",
     .low = 0,
     .high = 4294967295.0,
     .help = "of chance"},
    {.name = "sampler",
     .kind = LOP_OPTION_CHOICE,
     .default_text = "stream",
     .choices = "stream|wanda",
     .help = "stream: windows at seeded offsets of all documents in a row; wanda: as the Python scripts draw",
     .source = "Wanda's lib/data.py get_c4"},
    {.name = "forward-batch",
     .kind = LOP_OPTION_INT,
     .default_text = "4",
     .low = 1,
     .high = 4096,
     .unit = "windows",
     .help = "windows of one forward call"},
    {.name = "propagate",
     .kind = LOP_OPTION_CHOICE,
     .default_text = "pruned",
     .choices = "pruned|dense",
     .help = "what a block's input has gone through: the pruned blocks before it, or the dense ones",
     .source = "Wanda's lib/prune.py: the outputs of the pruned block feed the next"},
    {.name = "losses",
     .kind = LOP_OPTION_CHOICE,
     .default_text = "after",
     .choices = "off|after|on",
     .help = "errors of the blocks' outputs to measure: none, as written, or magnitude's at the target too"},
    {.name = "save-masks", .kind = LOP_OPTION_FLAG, .default_text = "off", .help = "write masks.safetensors"},
    {.name = "dtype",
     .kind = LOP_OPTION_CHOICE,
     .choices = "f16|bf16|f32",
     .help = "of the written weights; by default the source's own, f16 where it is quantised"},
    {.name = "force",
     .kind = LOP_OPTION_FLAG,
     .default_text = "off",
     .help = "overwrite a folder that is not empty"},
    {.name = "resume", .kind = LOP_OPTION_FLAG, .default_text = "off", .help = "go on with a started run"},
};

const lop_option *lop_prune_options(int *count)
{
    *count = (int)(sizeof options / sizeof options[0]);
    return options;
}

void lop_prune_option_set(const lop_method *method, lop_option_set *out)
{
    *out = (lop_option_set){0};
    out->tables[0] = lop_prune_options(&out->counts[0]);
    out->table_count = 1;
    if (method == NULL || method->option_count == 0) return;
    out->tables[1] = method->options;
    out->counts[1] = method->option_count;
    out->table_count = 2;
}

static void options_read(const lop_settings *s, lop_run_options *out)
{
    const char *losses = lop_settings_text(s, "losses"), *dtype = lop_settings_text(s, "dtype");
    *out = (lop_run_options){
        .forward_batch = (int32_t)lop_settings_int(s, "forward-batch"),
        .dense_stream = strcmp(lop_settings_text(s, "propagate"), "dense") == 0,
        .loss_before = strcmp(losses, "on") == 0,
        .loss_after = strcmp(losses, "off") != 0,
        .save_masks = lop_settings_flag(s, "save-masks"),
        .force = lop_settings_flag(s, "force"),
        .resume = lop_settings_flag(s, "resume"),
        .dtype_given = dtype != NULL,
    };
    if (dtype != NULL) out->dtype = lop_dtype_chosen(dtype);
}

/* Without windows there is nothing to lose against and nothing to propagate. */
static lop_status calibration_take(lop_run *run)
{
    lop_run_options *o = &run->options;
    LOP_TRY(lop_calibration_open(&run->net, run->call->settings, run->call->log, &run->calibration));
    if (run->calibration.ids == NULL && lop_run_gathers(run) != 0)
        return LOP_FAIL(LOP_E_ARGUMENT, "%s %s needs calibration data: give --calib FILE",
                        run->method->needs != 0 ? "method" : "update",
                        run->method->needs != 0 ? run->method->name : run->update->name);
    if (run->calibration.ids == NULL) o->loss_before = o->loss_after = o->dense_stream = false;
    if (o->forward_batch > run->calibration.windows && run->calibration.windows > 0)
        o->forward_batch = run->calibration.windows;
    if (run->need.windows > o->forward_batch) run->need.windows = o->forward_batch;
    if ((int64_t)o->forward_batch * run->calibration.seqlen > INT32_MAX / 2)
        return LOP_FAIL(LOP_E_ARGUMENT,
                        "%d windows of %d tokens are too many for one forward call: lower forward-batch",
                        o->forward_batch, run->calibration.seqlen);
    return LOP_OK;
}

/* A loss is held against the dense block on the same input, and with a stream of the dense model nobody computes that. */
static lop_status losses_leave(lop_run *run)
{
    if (run->options.loss_after && lop_settings_given(run->call->settings, "losses"))
        return LOP_FAIL(LOP_E_ARGUMENT, "losses %s and target dense-stream do not go together: leave one out",
                        lop_settings_text(run->call->settings, "losses"));
    run->options.loss_before = run->options.loss_after = false;
    return LOP_OK;
}

/* What follows the method on each block. */
static lop_status update_read(lop_run *run)
{
    const lop_settings *s = run->call->settings;
    run->update = lop_update_find(lop_settings_text(s, "update"));
    if (run->update == NULL && lop_settings_given(s, "update-damping"))
        return LOP_FAIL(LOP_E_ARGUMENT, "update-damping without update: give --update sparsegpt too");
    if (run->update == NULL) return LOP_OK;
    if ((run->method->needs & LOP_NEED_SPARE) != 0)
        return LOP_FAIL(LOP_E_ARGUMENT, "method %s updates weights by itself: leave --update out",
                        run->method->name);
    run->need.what |= run->update->needs;
    return LOP_OK;
}

/* Weights that make up for others lie on no grid. */
static lop_status grids_check(const lop_run *run)
{
    if (run->options.quant.bits == 0 || (run->need.what & LOP_NEED_SPARE) == 0) return LOP_OK;
    return LOP_FAIL(LOP_E_ARGUMENT, "quantize-bits does not go with %s %s: leave one out",
                    run->update != NULL ? "update" : "method",
                    run->update != NULL ? run->update->name : run->method->name);
}

/* Where all blocks compete, scores of all come before the first is pruned. */
static lop_status survey_read(lop_run *run)
{
    const lop_settings *s = run->call->settings;
    LOP_TRY(lop_units_read(s, run->method->units, &run->structure.rule));
    if (run->structure.rule.by_block) return LOP_OK;
    run->need.surveys = true;
    run->need.survey = run->need.what;
    run->need.what = 0;
    return LOP_OK;
}

/* The windows of a step lie in one batch of the stream. */
static lop_status need_read(lop_run *run)
{
    const lop_settings *s = run->call->settings;
    run->need = (lop_need){.what = run->method->needs, .windows = 1, .span = 1};
    if (run->method->units != NULL) LOP_TRY(survey_read(run));
    if (run->method->ask != NULL) LOP_TRY(run->method->ask(s, &run->target, run->call->log, &run->need));
    LOP_TRY(update_read(run));
    LOP_TRY(grids_check(run));
    if (lop_run_has_dense_stream(run)) LOP_TRY(losses_leave(run));
    const int32_t batch = run->options.forward_batch;
    if (!lop_run_learns(run) || batch % run->need.windows == 0) return LOP_OK;
    return LOP_FAIL(
        LOP_E_ARGUMENT,
        "steps of %d windows do not divide forward-batch %d: give --forward-batch %d or another multiple",
        run->need.windows, batch, run->need.windows);
}

/* What a method that makes up for what is gone needs and models of most families do not have. */
static void biases_say(const lop_run *run)
{
    if (!run->method->units->makes_up) return;
    for (int32_t b = 0; b < run->choice.blocks; b++)
        for (int i = 0; i < LOP_LINEAR_COUNT; i++)
            if (lop_units_makes_up(&run->structure, b, (lop_linear_id)i)) return;
    lop_log_say(
        run->call->log, LOP_EVENT_NOTE,
        "this model has no biases behind what is removed: method %s chooses by its scores and makes up "
        "for nothing",
        run->method->name);
}

static lop_status units_open(lop_run *run)
{
    const lop_units_rule rule = run->structure.rule;
    const lop_units_plan plan = {.net = &run->net,
                                 .choice = &run->choice,
                                 .method = run->method->units,
                                 .rule = &rule,
                                 .target = &run->target};
    if (run->method->units == NULL) return LOP_OK;
    LOP_TRY(lop_units_open(&plan, &run->structure));
    biases_say(run);
    return LOP_OK;
}

bool lop_run_takes_bias(const lop_run *run, int32_t block, lop_linear_id id)
{
    return run->structure.net != NULL && lop_units_takes_bias(&run->structure, block, id);
}

bool lop_run_changes(const lop_run *run, const lop_tensor *t)
{
    for (int32_t b = 0; b < run->choice.blocks; b++)
        for (int i = 0; i < LOP_LINEAR_COUNT; i++) {
            const lop_linear_file *l = &run->net.blocks[b].linear[i];
            if (l->weight == t) return run->choice.why[b][i] == NULL;
            if (l->bias == t) return lop_run_takes_bias(run, b, (lop_linear_id)i);
        }
    return false;
}

static lop_status targets_check(const lop_run *run)
{
    for (int32_t b = 0; b < run->choice.blocks; b++)
        for (int i = 0; i < LOP_LINEAR_COUNT; i++) {
            const lop_linear_file *linear = &run->net.blocks[b].linear[i];
            if (lop_choice_takes(&run->choice, &run->net, b, (lop_linear_id)i))
                LOP_TRY(lop_target_fits(&run->target, linear->weight->name, linear->in));
        }
    return LOP_OK;
}

bool lop_run_walks(const lop_run *run)
{
    return run->calibration.ids != NULL && (run->need.what != 0 || run->options.loss_after);
}

bool lop_run_forwards(const lop_run *run)
{
    return lop_run_walks(run) || (run->calibration.ids != NULL && run->need.survey != 0);
}

uint32_t lop_run_gathers(const lop_run *run)
{
    return run->need.what | run->need.survey;
}

bool lop_run_learns(const lop_run *run)
{
    return (run->need.what & LOP_NEED_LEARNING) != 0;
}

bool lop_run_has_dense_stream(const lop_run *run)
{
    return (run->need.what & LOP_NEED_DENSE_STREAM) != 0;
}

bool lop_run_keeps_dense(const lop_run *run)
{
    return run->options.loss_after || (lop_run_learns(run) && !lop_run_has_dense_stream(run));
}

bool lop_run_keeps_between(const lop_run *run)
{
    return run->need.span > 1 && run->options.loss_after;
}

bool lop_run_keeps_added(const lop_run *run)
{
    return run->word != LOP_F32 && lop_run_learns(run) && !lop_run_has_dense_stream(run) &&
           !run->options.dense_stream && run->need.span == 1;
}

bool lop_run_keeps_ffn(const lop_run *run)
{
    return (run->need.what & LOP_NEED_FFN) != 0;
}

/* ---- spans */

static bool is_pruned(const lop_run *run, int32_t block)
{
    for (int i = 0; i < LOP_LINEAR_COUNT; i++)
        if (lop_choice_takes(&run->choice, &run->net, block, (lop_linear_id)i)) return true;
    return false;
}

int32_t lop_run_span(const lop_run *run, int32_t first)
{
    int32_t n = 1;
    while (n < run->need.span && first + n < run->net.config->blocks && is_pruned(run, first) &&
           is_pruned(run, first + n))
        n++;
    return n;
}

/* A span that was asked for and never forms is no fault, but what follows is not what was asked for, and takes no more room
 * than a block. */
static void spans_settle(lop_run *run)
{
    if (run->need.span == 1) return;
    for (int32_t b = 0; b < run->net.config->blocks; b++)
        if (lop_run_span(run, b) > 1) return;
    lop_log_say(run->call->log, LOP_EVENT_NOTE,
                "no %d neighbouring blocks are pruned: method %s takes each by itself", run->need.span,
                run->method->name);
    run->need.span = 1;
}

/* ---- all of it */

lop_status lop_run_prepare(lop_run *run, const lop_prune_call *call)
{
    run->call = call;
    run->began = lop_clock_seconds();
    LOP_TRY(lop_method_need(call->method, &run->method));
    options_read(call->settings, &run->options);
    LOP_TRY(lop_quant_read(call->settings, &run->options.quant));
    LOP_TRY(lop_target_read(call->settings, &run->target));
    LOP_TRY(need_read(run));
    run->comm = call->comm;
    if (run->comm == NULL) {
        LOP_TRY(lop_comm_open(&lop_comm_self, call->device, &run->self));
        run->comm = &run->self;
    }
    if (run->comm->size != 1)
        return LOP_FAIL(LOP_E_UNSUPPORTED, "a prune of several ranks is not in this version: run one");
    LOP_TRY(lop_net_open(call->model, &run->net));
    if (run->net.config->uneven)
        return LOP_FAIL(
            LOP_E_UNSUPPORTED,
            "%s: its blocks differ in width; such a model is evaluated and converted, and not pruned "
            "again in this version: prune the one that it was made from",
            lop_checkpoint_path(call->model));
    LOP_TRY(lop_choice_open(&run->net, call->settings, call->log, &run->choice));
    LOP_TRY(units_open(run));
    LOP_TRY(targets_check(run));
    spans_settle(run);
    LOP_TRY(lop_run_quant_check(run));
    LOP_TRY(calibration_take(run));
    run->word = lop_walk_word(call->device, &run->net);
    run->blocks = json_array();
    run->lines = json_array();
    if (run->blocks == NULL || run->lines == NULL)
        return LOP_FAIL(LOP_E_MEMORY, "there is no memory for the report");
    return LOP_OK;
}

/* ---- settings as JSON */

static json_t *setting_json(const lop_settings *s, const lop_option *o)
{
    if (lop_settings_text(s, o->name) == NULL) return json_null();
    switch (o->kind) {
    case LOP_OPTION_FLAG:
        return json_boolean(lop_settings_flag(s, o->name));
    case LOP_OPTION_INT:
        return json_integer((json_int_t)lop_settings_int(s, o->name));
    case LOP_OPTION_REAL:
        return json_real(lop_settings_real(s, o->name));
    case LOP_OPTION_BYTES:
        return json_integer((json_int_t)lop_settings_bytes(s, o->name));
    default:
        return json_string(lop_settings_text(s, o->name));
    }
}

/* How a run came to its end is not what it computed; the file of the windows is known by its digest. */
static bool setting_is_result(const char *name, bool all)
{
    if (strcmp(name, "resume") == 0 || strcmp(name, "force") == 0) return false;
    return all || strcmp(name, "calib") != 0;
}

lop_status lop_run_settings(const lop_run *run, bool all, json_t **out)
{
    const lop_settings *s = run->call->settings;
    *out = json_object();
    if (*out == NULL) return LOP_FAIL(LOP_E_MEMORY, "there is no memory for the settings");
    for (int t = 0; t < s->set.table_count; t++)
        for (int i = 0; i < s->set.counts[t]; i++) {
            const lop_option *o = &s->set.tables[t][i];
            if (setting_is_result(o->name, all)) LOP_TRY(lop_json_put(*out, o->name, setting_json(s, o)));
        }
    LOP_TRY(lop_json_put(*out, "sparsity-ratio", json_real(run->target.ratio)));
    LOP_TRY(lop_json_put(*out, "math", json_string(lop_math_name(run->call->device->math))));
    LOP_TRY(lop_json_put(*out, "fast", json_boolean(run->call->device->fast != NULL)));
    if (run->calibration.ids == NULL) return LOP_OK;
    LOP_TRY(lop_json_put(*out, "nsamples", json_integer(run->calibration.windows)));
    return lop_json_put(*out, "seqlen", json_integer(run->calibration.seqlen));
}

lop_dtype lop_run_written_as(const lop_run *run, const lop_tensor *t)
{
    if (run->options.dtype_given && lop_dtype_is_float(t->dtype)) return run->options.dtype;
    return lop_dtype_is_quantised(t->dtype) ? LOP_DTYPE_F16 : t->dtype;
}
