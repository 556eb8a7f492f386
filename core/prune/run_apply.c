/* run_apply.c - what a method decided becomes weights as they will be read back: zeros put in, everything rounded to
 * the type it is written in, counted, and brought to the host. Nobody else changes a weight. */
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
    const lop_block *b = &run->mats.block;
    LOP_TRY(round_tensor(run, file->norm_attention, b->norm_attention));
    LOP_TRY(round_tensor(run, file->norm_ffn, b->norm_ffn));
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

static lop_status count_zeros(lop_run *run, int32_t row)
{
    const lop_block *b = &run->mats.block;
    for (int32_t i = 0; i < b->count; i++) {
        const lop_mat count = lop_mat_cols(lop_mat_rows(run->mats.zeros, row, 1), i, 1);
        const lop_mat w = b->linears[i].w;
        LOP_TRY(lop_count_zero(&run->queue, w, lop_mat_rows(run->mats.linear_count, 0, w.rows), count));
    }
    return LOP_OK;
}

lop_status lop_run_count_before(lop_run *run)
{
    LOP_TRY(lop_mat_zero(&run->queue, run->mats.zeros));
    return count_zeros(run, 0);
}

/* A weight beyond the range of the type it is written in would be read back as infinite. */
static lop_status range_check(lop_run *run, const char *name, lop_mat rounded)
{
    int64_t wrong = 0;
    LOP_TRY(lop_mat_zero(&run->queue, run->mats.wrong));
    LOP_TRY(lop_count_not_finite(&run->queue, rounded, lop_mat_rows(run->mats.linear_count, 0, rounded.rows),
                                 run->mats.wrong));
    LOP_TRY(lop_download(&run->queue, run->mats.wrong, &wrong));
    if (wrong == 0) return LOP_OK;
    return LOP_FAIL(LOP_E_NUMERIC,
                    "%lld weights of %s leave the range of %s: write it as bf16 or f32 (--dtype)",
                    (long long)wrong, name, lop_type_name(rounded.type));
}

/* The weights `w` in the output's type at `values` on the host, and in place as they will be read back. */
static lop_status bring(lop_run *run, const char *name, lop_mat w, lop_type as, void *values)
{
    lop_mat rounded;
    if (w.type == as) return lop_download(&run->queue, w, values);
    const lop_arena_mark mark = lop_arena_here(run->arena);
    lop_status status = LOP_OK;
    LOP_TRY_DONE(lop_arena_mat(run->arena, w.rows, w.cols, as, &rounded));
    LOP_TRY_DONE(lop_cast(&run->queue, w, rounded));
    if (as == LOP_F16) LOP_TRY_DONE(range_check(run, name, rounded));
    LOP_TRY_DONE(lop_cast(&run->queue, rounded, w));
    LOP_TRY_DONE(lop_download(&run->queue, rounded, values));
done:
    lop_arena_reset(run->arena, mark);
    return status;
}

/* Applies, brings and lists one chosen linear; *dropped receives what the mask drops. */
static lop_status apply_linear(lop_run *run, int32_t index, const lop_prune_linear *linear, lop_job *job,
                               int64_t *dropped)
{
    const lop_tensor *t = run->net.blocks[index].linear[linear->view->id].weight;
    const lop_dtype out = lop_output_dtype(run->output, t);
    const lop_mat w = linear->view->w, keep = linear->keep;
    lop_job_linear *to = &job->linears[job->count];
    *to = (lop_job_linear){.name = t->name, .bytes = lop_dtype_bytes(out, (uint64_t)lop_mat_elements(w))};
    to->values = lop_job_place(job, to->bytes);
    to->bits = lop_job_place(job, (size_t)lop_mat_elements(keep));
    if (run->options.save_masks) to->mask = lop_masks_find(&run->masks, t->name);
    LOP_TRY(lop_zero_dropped(&run->queue, keep, w));
    LOP_TRY(bring(run, t->name, w, lop_run_type(out), to->values));
    LOP_TRY(lop_download(&run->queue, keep, to->bits));
    *dropped = lop_keep_count_dropped(to->bits, w.rows, w.cols);
    job->count++;
    return LOP_OK;
}

/* The report's lines of all linears, chosen or not; those of the job get theirs to add to. */
static lop_status lines_add(lop_run *run, const int64_t dropped[LOP_LINEAR_COUNT], lop_job *job)
{
    const lop_block *b = &run->mats.block;
    int64_t zeros[2][LOP_LINEAR_COUNT];
    LOP_TRY(lop_download(&run->queue, run->mats.zeros, zeros));
    for (int32_t i = 0; i < b->count; i++) {
        json_t *line = NULL;
        const lop_mat w = b->linears[i].w;
        const lop_report_linear linear = {.name =
                                              run->net.blocks[b->index].linear[b->linears[i].id].weight->name,
                                          .rows = w.rows,
                                          .cols = w.cols,
                                          .dropped = dropped[i],
                                          .zeros = zeros[1][i],
                                          .zeros_before = zeros[0][i]};
        LOP_TRY(lop_report_linear_json(&linear, &line));
        for (int j = 0; j < job->count; j++)
            if (job->linears[j].name == linear.name) job->linears[j].json = line;
        if (json_array_append_new(json_object_get(job->line, "linears"), line) != 0)
            return LOP_FAIL(LOP_E_MEMORY, "there is no memory for the report");
    }
    return LOP_OK;
}

lop_status lop_run_apply(lop_run *run, const lop_prune_block *chosen, lop_job *job)
{
    int64_t dropped[LOP_LINEAR_COUNT] = {0};
    LOP_TRY(lop_run_round_rest(run, chosen->index, false));
    for (int32_t i = 0; i < chosen->count; i++) {
        const ptrdiff_t place = chosen->linears[i].view - run->mats.block.linears;
        LOP_TRY(apply_linear(run, chosen->index, &chosen->linears[i], job, &dropped[place]));
    }
    LOP_TRY(count_zeros(run, 1));
    return lines_add(run, dropped, job);
}
