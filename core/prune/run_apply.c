/* run_apply.c - what a method decided becomes weights as they will be read back: zeros put in, everything rounded to
 * the type it is written in, counted, and on its way to the host. Nobody else changes a weight. */
#include "core/prune/run_parts.h"

#include <assert.h>

lop_type lop_run_type(lop_dtype dtype)
{
    assert(dtype == LOP_DTYPE_F32 || dtype == LOP_DTYPE_F16 || dtype == LOP_DTYPE_BF16);
    if (dtype == LOP_DTYPE_F16) return LOP_F16;
    return dtype == LOP_DTYPE_BF16 ? LOP_BF16 : LOP_F32;
}

lop_status lop_run_round(lop_run *run, lop_mat m, lop_type as)
{
    lop_mat rounded;
    if (!lop_mat_present(m) || m.type == as) return LOP_OK;
    const lop_arena_mark mark = lop_arena_here(run->arena);
    lop_status status = lop_arena_mat(run->arena, m.rows, m.cols, as, &rounded);
    if (status == LOP_OK) status = lop_cast(&run->queue, m, rounded);
    if (status == LOP_OK) status = lop_cast(&run->queue, rounded, m);
    lop_arena_reset(run->arena, mark);
    return status;
}

/* Values that are written in their own type are what they were. */
static lop_status round_tensor(lop_run *run, const lop_tensor *t, lop_mat m)
{
    if (t == NULL) return LOP_OK;
    const lop_dtype out = lop_output_dtype(run->output, t);
    return out == t->dtype ? LOP_OK : lop_run_round(run, m, lop_run_type(out));
}

/* Norms, biases, and with `linears` the linears too. */
lop_status lop_run_round_rest(lop_run *run, int32_t index, bool linears)
{
    const lop_block_file *file = &run->net.blocks[index];
    const lop_block *b = run->block;
    LOP_TRY(round_tensor(run, file->norm_attention.gain, b->norm_attention.gain));
    LOP_TRY(round_tensor(run, file->norm_attention.bias, b->norm_attention.bias));
    LOP_TRY(round_tensor(run, file->norm_ffn.gain, b->norm_ffn.gain));
    LOP_TRY(round_tensor(run, file->norm_ffn.bias, b->norm_ffn.bias));
    LOP_TRY(round_tensor(run, file->linear[LOP_LINEAR_Q].bias, b->qkv_bias));
    LOP_TRY(round_tensor(run, file->linear[LOP_LINEAR_O].bias, b->o_bias));
    LOP_TRY(round_tensor(run, file->linear[LOP_LINEAR_UP].bias, b->gate_up_bias));
    LOP_TRY(round_tensor(run, file->linear[LOP_LINEAR_DOWN].bias, b->down_bias));
    for (int32_t i = 0; i < b->count; i++) {
        const lop_linear_id id = b->linears[i].id;
        if (linears || !lop_choice_takes(&run->choice, &run->net, index, id))
            LOP_TRY(round_tensor(run, file->linear[id].weight, b->linears[i].w));
    }
    return LOP_OK;
}

lop_status lop_run_fetch(lop_run *run, lop_mat from, lop_job *job, size_t at)
{
    const size_t size = lop_type_bytes(from.type);
    assert(from.ld == from.cols || from.rows <= 1);
    return run->queue.device->backend->copy(&run->queue, &job->bytes, at, from.buf, (size_t)from.at * size,
                                            (size_t)lop_mat_elements(from) * size);
}

/* A linear of the block in the output's type to the job, and in place as it will be read back. */
static lop_status bring(lop_run *run, const lop_prune_linear *linear, lop_type as, lop_job *job, size_t at)
{
    lop_mat rounded;
    const lop_mat w = linear->view->w;
    const int32_t index = (int32_t)(linear->view - run->block->linears);
    const lop_quant_grid *grid = &linear->grid;
    if (w.type == as) return lop_run_fetch(run, w, job, at);
    const lop_arena_mark mark = lop_arena_here(run->arena);
    lop_status status = LOP_OK;
    LOP_TRY_DONE(lop_arena_mat(run->arena, w.rows, w.cols, as, &rounded));
    LOP_TRY_DONE(grid->bits != 0 ? lop_run_quant_exact(run, grid, w, rounded)
                                 : lop_cast(&run->queue, w, rounded));
    if (as == LOP_F16) LOP_TRY_DONE(lop_run_count_range(run, index, rounded));
    LOP_TRY_DONE(lop_cast(&run->queue, rounded, w));
    LOP_TRY_DONE(lop_run_fetch(run, rounded, job, at));
done:
    lop_arena_reset(run->arena, mark);
    return status;
}

static lop_status grids_fetch(lop_run *run, const lop_quant_grid *grid, lop_job *job, lop_job_linear *to)
{
    const size_t bytes = (size_t)lop_mat_elements(grid->scale) * sizeof(float);
    to->quant = run->options.quant;
    to->grids = grid->scale.cols;
    to->scale = lop_job_place(job, bytes);
    to->zero = lop_job_place(job, bytes);
    LOP_TRY(lop_run_fetch(run, grid->scale, job, to->scale));
    return lop_run_fetch(run, grid->zero, job, to->zero);
}

/* Applies, brings and lists one chosen linear. */
static lop_status apply_linear(lop_run *run, const lop_prune_linear *linear, lop_job *job)
{
    const lop_tensor *t = run->net.blocks[run->block->index].linear[linear->view->id].weight;
    const lop_dtype out = lop_output_dtype(run->output, t);
    const lop_mat w = linear->view->w, keep = linear->keep;
    lop_job_linear *to = &job->linears[job->count++];
    *to = (lop_job_linear){.name = t->name,
                           .rows = w.rows,
                           .cols = w.cols,
                           .bytes = lop_dtype_bytes(out, (uint64_t)lop_mat_elements(w))};
    to->values = lop_job_place(job, to->bytes);
    to->bits = lop_job_place(job, (size_t)lop_mat_elements(keep));
    if (run->options.save_masks) to->mask = lop_masks_find(&run->masks, t->name);
    if (linear->grid.bits != 0) LOP_TRY(lop_run_quant_apply(run, linear));
    to->changed = lop_mat_present(linear->changed);
    if (to->changed) LOP_TRY(lop_cast(&run->queue, linear->changed, w));
    LOP_TRY(lop_zero_dropped(&run->queue, keep, w));
    LOP_TRY(bring(run, linear, lop_run_type(out), job, to->values));
    if (linear->grid.bits != 0) LOP_TRY(grids_fetch(run, &linear->grid, job, to));
    return lop_run_fetch(run, keep, job, to->bits);
}

/* The writer adds to the line of what it writes. Who reads it must know that kept weights are not the source's; on grids that
 * is told by the grids. */
static lop_status line_hand(lop_job_linear *to, json_t *line)
{
    to->json = line;
    return to->changed && to->quant.bits == 0 ? lop_json_put(line, "changed", json_true()) : LOP_OK;
}

lop_status lop_run_lines(lop_run *run, const lop_run_counts *counts, lop_job *job)
{
    const lop_block *b = run->block;
    for (int32_t i = 0; i < b->count; i++) {
        json_t *line = NULL;
        const lop_mat w = b->linears[i].w;
        const lop_report_linear linear = {.name =
                                              run->net.blocks[b->index].linear[b->linears[i].id].weight->name,
                                          .rows = w.rows,
                                          .cols = w.cols,
                                          .zeros = counts->at[LOP_COUNT_AFTER][i],
                                          .zeros_before = counts->at[LOP_COUNT_BEFORE][i]};
        LOP_TRY(lop_report_linear_json(&linear, &line));
        if (json_array_append_new(json_object_get(job->block, "linears"), line) != 0)
            return LOP_FAIL(LOP_E_MEMORY, "there is no memory for the report");
        for (int j = 0; j < job->count; j++)
            if (job->linears[j].name == linear.name) LOP_TRY(line_hand(&job->linears[j], line));
    }
    return LOP_OK;
}

lop_status lop_run_apply(lop_run *run, const lop_prune_block *chosen, lop_job *job)
{
    LOP_TRY(lop_run_round_rest(run, run->block->index, false));
    for (int32_t i = 0; i < chosen->count; i++)
        if (chosen->linears[i].block == run->at) LOP_TRY(apply_linear(run, &chosen->linears[i], job));
    LOP_TRY(lop_run_apply_biases(run, chosen, job));
    return lop_run_count_zeros(run, LOP_COUNT_AFTER);
}
