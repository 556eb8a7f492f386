/* sparsellm.c - SparseGPT, and then again towards what the feed-forward's linears should give, now that the others are
 * pruned: auxiliary outputs move to where they fit all of them, in closed forms. The derivation is in
 * docs/methods/sparsellm.md. */
#include "core/prune/sparsellm_parts.h"

#include "core/base/text.h"

#include <stdlib.h>
#include <string.h>

/* The learning rate of the authors' steps for s. */
static const double descent_rate = 0.01;

static const lop_option options[] = {
    {.name = "epochs",
     .kind = LOP_OPTION_INT,
     .default_text = "4",
     .low = 1,
     .high = LOP_SPARSELLM_EPOCHS_MOST,
     .help = "times that a block's linears are pruned; 1 is SparseGPT",
     .source = "SparseLLM opt_main.py, llama_main.py: opt_epochs"},
    {.name = "single-epoch",
     .kind = LOP_OPTION_TEXT,
     .help = "blocks that have one epoch only, such as 1,30,31",
     .source = "SparseLLM llama_main.py, which lists these three"},
    {.name = "alpha",
     .kind = LOP_OPTION_REAL,
     .default_text = "5",
     .low = 1e-6,
     .high = 1e6,
     .help = "weight of what the linears' outputs miss",
     .source = "SparseLLM, eq. 5; llama_main.py alpha, beta"},
    {.name = "beta",
     .kind = LOP_OPTION_REAL,
     .default_text = "5",
     .low = 1e-6,
     .high = 1e6,
     .help = "weight of what the activation misses; only beta / alpha counts but for --s-step gd",
     .source = "SparseLLM, eq. 5; llama_main.py gamma"},
    {.name = "s-step",
     .kind = LOP_OPTION_CHOICE,
     .default_text = "gauss-newton",
     .choices = "gauss-newton|gd",
     .help =
         "how the gate's outputs move: by Gauss-Newton, never to a greater misfit; or by two steps down the "
         "gradient, which may leave the numbers",
     .source = "docs/methods/sparsellm.md; llama_main.py s_update_epochs 2, s_learning_rate 0.01"},
    {.name = "target",
     .kind = LOP_OPTION_CHOICE,
     .default_text = "proximal",
     .choices = "proximal|pinv",
     .help = "what is pruned behind the first epoch: least squares held to the dense weights by SparseGPT's "
             "damping, "
             "or plain least squares",
     .source = "docs/methods/sparsellm.md; SparseLLM, eq. 7: W = z X^+"},
    {.name = "keep-epoch",
     .kind = LOP_OPTION_CHOICE,
     .default_text = "best",
     .choices = "best|last",
     .help = "which epoch of a block stands: that with the least error of the feed-forward half, or the last",
     .source = "docs/methods/sparsellm.md; the scripts keep the last"},
    {.name = "stop-gain",
     .kind = LOP_OPTION_REAL,
     .default_text = "0",
     .low = 0,
     .high = 1,
     .help = "with keep-epoch best: an epoch that lowers the error by a lesser part is the last; 0: all have "
             "their turn, for "
             "the second often gains little and the third much",
     .source = "docs/methods/sparsellm.md"},
    {.name = "damping",
     .alias = "percdamp",
     .kind = LOP_OPTION_REAL,
     .default_text = "0.01",
     .low = 0,
     .high = 1e3,
     .help = "what Hessians' diagonals grow by, a part of their mean; ten times that where one cannot be "
             "factored, four times over",
     .source = "SparseGPT, sparsegpt.py percdamp"},
    {.name = "block-size",
     .alias = "blocksize",
     .kind = LOP_OPTION_INT,
     .default_text = "128",
     .low = 8,
     .high = LOP_SPARSEGPT_PANEL_MOST,
     .unit = "columns",
     .help = "columns whose weights compete with one another, a multiple of 8 and of the pattern's group",
     .source = "SparseGPT, section 3.4; sparsegpt.py blocksize"},
};

static bool is(const lop_settings *s, const char *option, const char *value)
{
    return strcmp(lop_settings_text(s, option), value) == 0;
}

/* Whether a list of numbers with commas between has `block`. LOP_E_ARGUMENT: it is no such list. */
static lop_status is_single(const lop_settings *s, int32_t block, bool *out)
{
    const char *text = lop_settings_text(s, "single-epoch");
    *out = false;
    while (text != NULL) {
        char *end = NULL;
        const long at = strtol(text, &end, 10);
        if (end == text || at < 0 || (*end != ',' && *end != 0))
            return LOP_FAIL(LOP_E_ARGUMENT, "single-epoch is %s: expected numbers of blocks, such as 1,30,31",
                            lop_settings_text(s, "single-epoch"));
        *out = *out || at == block;
        text = *end == ',' ? end + 1 : NULL;
    }
    return LOP_OK;
}

static lop_sparsellm_options options_of(const lop_settings *s)
{
    const double alpha = lop_settings_real(s, "alpha");
    return (lop_sparsellm_options){.epochs = (int32_t)lop_settings_int(s, "epochs"),
                                   .rho = lop_settings_real(s, "beta") / alpha,
                                   .rate = is(s, "s-step", "gd") ? 2.0 * alpha * descent_rate : 0.0,
                                   .gain = lop_settings_real(s, "stop-gain"),
                                   .pseudo = is(s, "target", "pinv"),
                                   .last = is(s, "keep-epoch", "last"),
                                   .solver = {.damping = lop_settings_real(s, "damping"),
                                              .panel = (int32_t)lop_settings_int(s, "block-size"),
                                              .chooses = true}};
}

static lop_status ask(const lop_settings *settings, const lop_target *target, lop_log *log, lop_need *need)
{
    bool single;
    const lop_sparsellm_options o = options_of(settings);
    LOP_TRY(is_single(settings, 0, &single));
    LOP_TRY(lop_sparsegpt_check(&o.solver, target));
    need->epochs = o.epochs;
    if (o.epochs > 1) need->what |= LOP_NEED_FFN;
    if (lop_settings_text(settings, "layers") == NULL)
        lop_log_say(
            log, LOP_EVENT_NOTE,
            "all blocks are pruned; the paper's tables prune the first half of them, for every method: "
            "--layers first-half");
    return LOP_OK;
}

/* ---- a block */

/* All linears of the feed-forward half are pruned: what is left dense is none that others could make up for. */
static bool takes_ffn(const lop_sparsellm *b)
{
    const bool gated = b->block->ffn != NULL && b->block->ffn->gate.count > 0;
    return b->linears[LOP_SPARSELLM_UP].index >= 0 && b->linears[LOP_SPARSELLM_DOWN].index >= 0 &&
           (!gated || b->linears[LOP_SPARSELLM_GATE].index >= 0);
}

lop_status lop_sparsellm_first(lop_sparsellm *b)
{
    const lop_prune_block *block = b->block;
    const bool more = b->options.epochs > 1 && takes_ffn(b);
    LOP_TRY(lop_sparsegpt_begin(&b->solver));
    for (int32_t i = 0; i < block->count; i++) {
        LOP_TRY(lop_sparsegpt_next(&b->solver, i));
        if (more && i == b->linears[LOP_SPARSELLM_UP].index) LOP_TRY(lop_sparsellm_factor_keep(b));
    }
    return lop_sparsegpt_tell(&b->solver);
}

static lop_status run(lop_sparsellm *b)
{
    LOP_TRY(lop_sparsellm_first(b));
    if (b->options.epochs == 1) return LOP_OK;
    if (takes_ffn(b)) return lop_sparsellm_epochs(b);
    lop_log_say(b->block->log, LOP_EVENT_NOTE,
                "block %d: linears of the feed-forward half stay dense, so the others have one epoch",
                b->block->index);
    return LOP_OK;
}

static lop_status prune_block(lop_prune_block *block)
{
    lop_sparsellm b;
    bool single;
    lop_sparsellm_options o = options_of(block->settings);
    if (block->count == 0) return LOP_OK; /* all of it stays dense */
    LOP_TRY(is_single(block->settings, block->index, &single));
    if (single) o.epochs = 1;
    const lop_arena_mark mark = lop_arena_here(block->arena);
    lop_status status = lop_sparsellm_place(block, &o, &b);
    if (status == LOP_OK) status = run(&b);
    lop_arena_reset(block->arena, mark);
    return status;
}

static lop_status measure_block(lop_prune_block *block)
{
    lop_sparsellm b;
    const lop_sparsellm_options o = options_of(block->settings);
    return lop_sparsellm_place(block, &o, &b);
}

/* A pass has six products of C F weights, eight with a gate, and the sum of p p^T; the last, and the dense one before the
 * first, are a forward each. What solving takes again in each epoch is not among it. */
static double flops_ffn(const lop_net *net, int64_t tokens, int32_t epochs)
{
    const double c = net->config->hidden, f = net->config->ffn;
    const bool gated = net->family->linear[LOP_LINEAR_GATE] != NULL;
    const double forward = 2.0 * (gated ? 3.0 : 2.0) * c * f;
    const double pass = 2.0 * (gated ? 8.0 : 6.0) * c * f + f * (f + 1.0);
    return epochs < 2 ? 0.0 : (double)tokens * (2.0 * forward + (epochs - 1) * pass);
}

const lop_method lop_method_sparsellm = {
    .name = "sparsellm",
    .summary =
        "SparseGPT towards what the feed-forward's linears should give together, solved in alternation",
    .source = "SparseLLM, Bai et al. 2024 (arXiv 2402.17946), Alg. 1; SparseLLM opt_main.py, llama_main.py",
    .needs = LOP_NEED_COLSUM_SQ | LOP_NEED_GRAM | LOP_NEED_SPARE,
    .options = options,
    .option_count = (int)(sizeof options / sizeof options[0]),
    .ask = ask,
    .block = prune_block,
    .measure = measure_block,
    .flops = lop_sparsegpt_flops,
    .flops_ffn = flops_ffn,
};
