/* besa.c - how much each row of a block's linears loses is learned, from the error of what the block gives. Every
 * candidate rate of a row has a learned weight; the mean rate says how many of the row's least important weights go. The
 * derivation is in docs/methods/besa.md. */
#include "core/prune/besa_parts.h"

static const lop_option options[] = {
    {.name = "granularity",
     .kind = LOP_OPTION_TEXT,
     .default_text = "row",
     .help = "what has a sparsity of its own: row, layer, or rows:N for N neighbouring rows",
     .source = "BESA, section 3.2; main.py --blocksize"},
    {.name = "target",
     .kind = LOP_OPTION_CHOICE,
     .default_text = "same-input",
     .choices = "same-input|dense-stream",
     .help = "what a block shall give: what the dense block gives for the same input, or what the dense "
             "model has there",
     .source = "LLMPrune-BESA main.py: --prune-dense; BESA, Alg. 1"},
    {.name = "unit",
     .kind = LOP_OPTION_CHOICE,
     .default_text = "block",
     .choices = "block|halves|two-blocks",
     .help =
         "what is reconstructed, with a target of its own: the block, attention and feed-forward each, or "
         "two neighbouring blocks together",
     .source = "BESA, section 3 and its ablation of the unit"},
    {.name = "epochs",
     .kind = LOP_OPTION_INT,
     .default_text = "1",
     .low = 0,
     .high = 10000,
     .help = "times that all windows are learned from; 0: the first ranks stand",
     .source = "LLMPrune-BESA main.py --epochs"},
    {.name = "step-windows",
     .alias = "prune-batch-size",
     .kind = LOP_OPTION_INT,
     .default_text = "1",
     .low = 1,
     .high = 4096,
     .unit = "windows",
     .help = "windows of one step",
     .source = "LLMPrune-BESA main.py --prune-batch-size"},
    {.name = "optimizer",
     .kind = LOP_OPTION_CHOICE,
     .default_text = "prodigy",
     .choices = "prodigy|adamw",
     .help = "how logits move along their gradient",
     .source = "LLMPrune-BESA optimizers/prodigy.py; --normal-opt"},
    {.name = "d-coef",
     .kind = LOP_OPTION_REAL,
     .low = 1e-6,
     .high = 1e6,
     .help = "Prodigy's factor of its estimated distance; by default 5, for a layer 0.05",
     .source = "LLMPrune-BESA main_exps.sh"},
    {.name = "learning-rate",
     .alias = "lr",
     .kind = LOP_OPTION_REAL,
     .low = 0,
     .high = 1e6,
     .help = "by default 1 for prodigy, 0.01 for adamw",
     .source = "LLMPrune-BESA main.py: Prodigy's lr 1; --normal-opt's 1e-2"},
    {.name = "schedule",
     .kind = LOP_OPTION_CHOICE,
     .default_text = "constant",
     .choices = "constant|cosine",
     .help = "of the learning rate over the steps of a block",
     .source = "LLMPrune-BESA main.py CosineAnnealingLR, here by step"},
    {.name = "simplex",
     .kind = LOP_OPTION_CHOICE,
     .default_text = "auto",
     .choices = "auto|softmax|sigmoid|tilted",
     .help =
         "candidates' weights: softmax of logits, or of their sigmoids, which reaches 0.38 to 0.62 only, or "
         "of these on a line that begins at the target; auto: sigmoid from 0.42 to 0.58, softmax beyond "
         "0.75, else tilted",
     .source = "LLMPrune-BESA models/sparse_layers.py; --no-sigmoid-smooth; tilted is ours: the sigmoid's "
               "bound on a step, at any target"},
    {.name = "candidates",
     .kind = LOP_OPTION_INT,
     .default_text = "100",
     .low = 2,
     .high = LOP_BESA_BUCKETS_MOST,
     .help = "steps from rate 0 to 1",
     .source = "BESA, section 4: D = 100"},
    {.name = "rank-by",
     .kind = LOP_OPTION_CHOICE,
     .default_text = "wanda",
     .choices = "wanda|magnitude|sparsegpt",
     .help = "a row's order of importance, fixed before learning",
     .source = "BESA, section 3.2; models/sparse_layers.py: Wanda, Weight, SparseGPT-Git"},
    {.name = "damping",
     .alias = "percdamp",
     .kind = LOP_OPTION_REAL,
     .default_text = "0.01",
     .low = 0,
     .high = 1e3,
     .help = "with rank-by sparsegpt: what the Hessian's diagonal grows by, a part of its mean",
     .source = "SparseGPT, sparsegpt.py percdamp"},
    {.name = "mask-rule",
     .kind = LOP_OPTION_CHOICE,
     .default_text = "count",
     .choices = "count|threshold",
     .help = "what goes at a mean rate alpha: floor(alpha C + 0.001) of C, or what goes with probability "
             "alpha at least",
     .source = "LLMPrune-BESA models/sparse_layers.py; BESA's printed rule"},
    {.name = "loss",
     .kind = LOP_OPTION_CHOICE,
     .default_text = "channel",
     .choices = "channel|channel-all|frobenius",
     .help = "squared errors by the energy of their channel in the step's windows, in all windows, or plain",
     .source = "LLMPrune-BESA main.py; --norm-all; BESA, eq. 1"},
    {.name = "sparsity-pull",
     .kind = LOP_OPTION_CHOICE,
     .default_text = "price",
     .choices = "price|penalty",
     .help = "what holds a block at its target: a price of sparsity, computed in each step so that the error "
             "has no reason to move all rows one way; or a squared penalty, which settles beside the target",
     .source = "docs/methods/besa.md; LLMPrune-BESA main.py has the penalty"},
    {.name = "price-width",
     .kind = LOP_OPTION_REAL,
     .default_text = "0.02",
     .low = 1e-6,
     .high = 1,
     .help = "a miss of the target by so much doubles the price, or takes it away",
     .source = "docs/methods/besa.md"},
    {.name = "sparsity-beta",
     .kind = LOP_OPTION_REAL,
     .default_text = "5",
     .low = 0,
     .high = 1e9,
     .help = "weight of the penalty, the squared relative miss of the target",
     .source = "LLMPrune-BESA main_exps.sh --sparsity-beta 5"},
    {.name = "l2-alpha",
     .kind = LOP_OPTION_REAL,
     .default_text = "1",
     .low = 0,
     .high = 1e9,
     .help = "weight of the reconstruction loss",
     .source = "LLMPrune-BESA main.py --l2-alpha"},
    {.name = "quantize-clip",
     .kind = LOP_OPTION_CHOICE,
     .choices = "learned|none",
     .help = "with quantize-bits: how far each grid reaches is learned beside the sparsities, which is the "
             "default, "
             "or weights are rounded once those are learned",
     .source = "BESA, joint pruning and quantization; OmniQuant, learnable weight clipping"},
    {.name = "quantize-rate",
     .kind = LOP_OPTION_REAL,
     .default_text = "0.01",
     .low = 0,
     .high = 1e6,
     .help = "AdamW's learning rate of the clipping",
     .source = "OmniQuant main.py --lwc_lr"},
};

/* A row of a matrix has two losses of each step, so twice the steps are a whole number of 32 bits. */
enum { STEPS_MOST = INT32_MAX / 2 };

/* A last step of fewer windows counts: a batch of the stream holds whole steps, but for the last one. */
static lop_status steps_check(const lop_settings *settings, const lop_besa_options *o)
{
    const int64_t windows = lop_settings_int(settings, "nsamples");
    const int64_t steps = (windows + o->windows - 1) / o->windows * o->epochs;
    if (steps <= STEPS_MOST) return LOP_OK;
    return LOP_FAIL(LOP_E_ARGUMENT,
                    "%lld steps are more than a block may have, %d: lower --nsamples or --epochs, or raise "
                    "--step-windows",
                    (long long)steps, STEPS_MOST);
}

static lop_status ask(const lop_settings *settings, const lop_target *target, lop_log *log, lop_need *need)
{
    lop_besa_options o;
    LOP_TRY(lop_besa_options_read(settings, target, &o));
    LOP_TRY(steps_check(settings, &o));
    need->windows = o.windows;
    if (o.dense_stream) need->what |= LOP_NEED_DENSE_STREAM;
    if (o.halves) need->what |= LOP_NEED_MIDDLE;
    if (o.metric == LOP_BESA_BY_INVERSE) need->what |= LOP_NEED_GRAM;
    need->epochs = o.epochs;
    need->span = o.span;
    static const char *const seen[] = {
        [LOP_BESA_SOFTMAX] = "their logits",
        [LOP_BESA_SIGMOID] = "the sigmoids of their logits",
        [LOP_BESA_TILTED] = "a line that begins at the target and the sigmoids of their logits"};
    lop_log_say(log, LOP_EVENT_NOTE, "candidates are weighed by the softmax of %s", seen[o.form]);
    return LOP_OK;
}

static lop_status measure_block(lop_prune_block *block)
{
    lop_besa b;
    LOP_TRY(lop_besa_place(block, &b));
    return b.options.metric == LOP_BESA_BY_INVERSE ? lop_besa_measure_factor(block->arena, &b) : LOP_OK;
}

static lop_status learn(lop_besa *b)
{
    LOP_TRY(lop_besa_begin(b));
    LOP_TRY(lop_method_tell(b->block, LOP_PART_BEGIN));
    LOP_TRY(lop_besa_learn(b));
    return lop_besa_end(b);
}

static lop_status prune_block(lop_prune_block *block)
{
    lop_besa b;
    if (block->count == 0) return LOP_OK; /* all of it stays dense */
    const lop_arena_mark mark = lop_arena_here(block->arena);
    lop_status status = lop_besa_place(block, &b);
    if (status == LOP_OK) status = learn(&b);
    lop_arena_reset(block->arena, mark);
    return status;
}

const lop_method lop_method_besa = {
    .name = "besa",
    .summary = "the sparsity of each row learned by gradient from the error of its block",
    .source = "BESA, Xu et al. 2024 (arXiv 2402.16880); LLMPrune-BESA main.py, models/sparse_layers.py",
    .needs = LOP_NEED_COLSUM_SQ | LOP_NEED_LEARNING,
    .options = options,
    .option_count = (int)(sizeof options / sizeof options[0]),
    .ask = ask,
    .block = prune_block,
    .measure = measure_block,
};
