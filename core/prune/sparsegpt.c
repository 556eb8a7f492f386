/* sparsegpt.c - weights go where the error of their linear's output grows least, and those that stay make up for them. The
 * derivation is in docs/methods/sparsegpt.md. The same for keep bits of any method: --update sparsegpt. */
#include "core/prune/sparsegpt_parts.h"

#include "core/device/device.h"
#include "core/device/factor.h"
#include "core/prune/report.h"

#include <math.h>

static const lop_option options[] = {
    {.name = "damping",
     .alias = "percdamp",
     .kind = LOP_OPTION_REAL,
     .default_text = "0.01",
     .low = 0,
     .high = 1e3,
     .help = "what the Hessian's diagonal grows by, a part of its mean; ten times that where it cannot be "
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
     .source = "SparseGPT, section 3.4: adaptive mask selection, B_s = 128; sparsegpt.py blocksize"},
    {.name = "true-sequential",
     .kind = LOP_OPTION_FLAG,
     .default_text = "off",
     .help =
         "the block runs again before o, gate and up, and down, so that their inputs are those of what is "
         "pruned by then",
     .source = "SparseGPT, llama.py --true-sequential"},
};

lop_status lop_sparsegpt_check(const lop_sparsegpt_options *o, const lop_target *target)
{
    const int32_t panel = o->panel;
    if (panel % 8 != 0) return LOP_FAIL(LOP_E_ARGUMENT, "block-size is %d: expected a multiple of 8", panel);
    if (target->group == 0 || panel % target->group == 0) return LOP_OK;
    return LOP_FAIL(LOP_E_ARGUMENT,
                    "block-size is %d, which is no multiple of %d: pattern %d:%d does not fit it", panel,
                    target->group, target->keep, target->group);
}

static lop_sparsegpt_options options_of(const lop_settings *s)
{
    return (lop_sparsegpt_options){.damping = lop_settings_real(s, "damping"),
                                   .panel = (int32_t)lop_settings_int(s, "block-size"),
                                   .chooses = true,
                                   .sequential = lop_settings_flag(s, "true-sequential")};
}

static lop_status ask(const lop_settings *settings, const lop_target *target, lop_log *log, lop_need *need)
{
    const lop_sparsegpt_options o = options_of(settings);
    (void)log;
    if (o.sequential) need->again = LOP_INPUT_COUNT - 1;
    return lop_sparsegpt_check(&o, target);
}

/* ---- a block */

/* Of a linear the squared error of its outputs that is left, summed and with what damping adds, by token and output. */
static lop_status linear_tell(const lop_sparsegpt *s, int32_t index, const float *error, int64_t wrong)
{
    const lop_prune_linear *l = &s->block->linears[index];
    const double outputs = (double)s->block->tokens * l->view->w.rows, sum = lop_sum_value(error);
    if (!isfinite(sum) || wrong != 0)
        return LOP_FAIL(LOP_E_NUMERIC,
                        "compensated weights of %s leave the range of %s: a higher damping may do",
                        l->view->name, lop_type_name(l->spare.type));
    json_t *lines = json_object_get(s->block->learned[l->block], "solve");
    if (lines == NULL) return LOP_OK; /* nobody wants to know */
    json_t *line = json_pack("{s:s}", "name", l->view->name);
    if (line == NULL || json_array_append_new(lines, line) != 0)
        return LOP_FAIL(LOP_E_MEMORY, "there is no memory for the report");
    LOP_TRY(lop_damped_tell(&s->factors[index], line));
    return lop_json_put(line, "error", outputs > 0.0 ? json_real(sum / outputs) : json_null());
}

lop_status lop_sparsegpt_tell(const lop_sparsegpt *s)
{
    float error[LOP_SPARSEGPT_LINEARS][2];
    int64_t wrong[LOP_SPARSEGPT_LINEARS];
    const lop_prune_block *b = s->block;
    LOP_TRY(lop_download(b->queue, s->error, error));
    LOP_TRY(lop_download(b->queue, s->wrong, wrong));
    for (int32_t k = 0; k < LOP_SPAN_MOST; k++)
        if (b->learned[k] != NULL) LOP_TRY(lop_json_put(b->learned[k], "solve", json_array()));
    for (int32_t i = 0; i < b->count; i++) LOP_TRY(linear_tell(s, i, error[i], wrong[i]));
    return LOP_OK;
}

static lop_status factor_of(lop_sparsegpt *s, int32_t index)
{
    lop_prune_block *b = s->block;
    if (!lop_method_begins_input(b, index)) {
        s->factors[index] = s->factors[index - 1];
        return LOP_OK;
    }
    if (s->options.sequential && index > 0) LOP_TRY(b->again(b, index, b->linears[index].view->input));
    LOP_TRY(lop_damped_factor(b, &b->linears[index], s->options.damping, &s->factor, &s->factors[index]));
    return lop_method_tell(b, "factor");
}

lop_status lop_sparsegpt_begin(lop_sparsegpt *s)
{
    LOP_TRY(lop_mat_zero(s->block->queue, s->error));
    return lop_mat_zero(s->block->queue, s->wrong);
}

lop_status lop_sparsegpt_next(lop_sparsegpt *s, int32_t index)
{
    LOP_TRY(lop_log_check_stop(s->block->log));
    LOP_TRY(factor_of(s, index));
    LOP_TRY(lop_sparsegpt_solve(s, index));
    return lop_method_tell(s->block, "solve");
}

/* Every input is solved as if its factor were there. Which were not is asked once, behind all, and those are solved anew. */
static lop_status solve_at_once(lop_sparsegpt *s)
{
    lop_prune_block *b = s->block;
    lop_damped_said said[LOP_SPARSEGPT_LINEARS];
    for (int32_t i = 0; i < b->count; i++) {
        LOP_TRY(lop_log_check_stop(b->log));
        if (lop_method_begins_input(b, i)) {
            LOP_TRY(lop_damped_try(b->queue, b->linears[i].gram, s->options.damping, &s->factor, i));
            LOP_TRY(lop_method_tell(b, "factor"));
        }
        LOP_TRY(lop_sparsegpt_solve(s, i));
        LOP_TRY(lop_method_tell(b, "solve"));
    }
    LOP_TRY(lop_damped_read(b->queue, &s->factor, b->count, said));
    for (int32_t i = 0, first = 0; i < b->count; i++) {
        if (lop_method_begins_input(b, i)) first = i;
        s->factors[i] = (lop_damped){.damping = s->options.damping, .dead = said[first].dead};
        if (lop_bad_of(said[first].bad).column >= 0) LOP_TRY(lop_sparsegpt_next(s, i));
    }
    return LOP_OK;
}

static lop_status solve_all(lop_sparsegpt *s)
{
    LOP_TRY(lop_sparsegpt_begin(s));
    if (!s->options.sequential) LOP_TRY(solve_at_once(s));
    for (int32_t i = 0; s->options.sequential && i < s->block->count; i++) LOP_TRY(lop_sparsegpt_next(s, i));
    return lop_sparsegpt_tell(s);
}

lop_status lop_sparsegpt_run(lop_prune_block *block, const lop_sparsegpt_options *o)
{
    lop_sparsegpt s;
    if (block->count == 0) return LOP_OK; /* all of it stays dense */
    if (o->sequential && block->again == NULL)
        return LOP_FAIL(LOP_E_UNSUPPORTED, "true-sequential: nobody here can run the block again");
    const lop_arena_mark mark = lop_arena_here(block->arena);
    lop_status status = lop_sparsegpt_place(block, o, &s);
    if (status == LOP_OK) status = solve_all(&s);
    lop_arena_reset(block->arena, mark);
    return status;
}

double lop_sparsegpt_flops(int32_t out, int32_t in, bool first)
{
    const double n = in;
    return (first ? 2.0 / 3.0 * n * n * n : 0.0) + n * n * out;
}

static lop_status prune_block(lop_prune_block *block)
{
    const lop_sparsegpt_options o = options_of(block->settings);
    return lop_sparsegpt_run(block, &o);
}

static lop_status measure_block(lop_prune_block *block)
{
    lop_sparsegpt s;
    const lop_sparsegpt_options o = options_of(block->settings);
    return lop_sparsegpt_place(block, &o, &s);
}

const lop_method lop_method_sparsegpt = {
    .name = "sparsegpt",
    .summary = "weights go column by column, and those that stay make up for the error of their linear",
    .source = "SparseGPT, Frantar and Alistarh 2023 (arXiv 2301.00774), Alg. 1; sparsegpt.py fasterprune",
    .needs = LOP_NEED_COLSUM_SQ | LOP_NEED_GRAM | LOP_NEED_SPARE,
    .options = options,
    .option_count = (int)(sizeof options / sizeof options[0]),
    .ask = ask,
    .block = prune_block,
    .measure = measure_block,
    .flops = lop_sparsegpt_flops,
};

/* ---- the update */

/* With keep bits that stand, the width of panels changes nothing but the order of sums. */
static lop_sparsegpt_options update_options(const lop_settings *s)
{
    return (lop_sparsegpt_options){.damping = lop_settings_real(s, "update-damping"), .panel = 128};
}

static lop_status update_block(lop_prune_block *block)
{
    const lop_sparsegpt_options o = update_options(block->settings);
    return lop_sparsegpt_run(block, &o);
}

static lop_status update_measure(lop_prune_block *block)
{
    lop_sparsegpt s;
    const lop_sparsegpt_options o = update_options(block->settings);
    return lop_sparsegpt_place(block, &o, &s);
}

const lop_update lop_update_sparsegpt = {
    .name = "sparsegpt",
    .needs = LOP_NEED_COLSUM_SQ | LOP_NEED_GRAM | LOP_NEED_SPARE,
    .block = update_block,
    .measure = update_measure,
    .flops = lop_sparsegpt_flops,
};
