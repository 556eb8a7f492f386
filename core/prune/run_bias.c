/* run_bias.c - biases that go with units, or make up for them, as they will be read back, and on their way to the disk. */
#include "core/prune/run_parts.h"

/* In place as it will be read back, and to the job. */
static lop_status bring(lop_run *run, const lop_prune_linear *linear, lop_job *job, lop_job_bias *to)
{
    const lop_tensor *t = run->net.blocks[run->block->index].linear[linear->view->id].bias;
    const lop_dtype out = lop_output_dtype(run->output, t);
    const lop_mat bias = linear->view->bias;
    const int32_t index = (int32_t)(linear->view - run->block->linears);
    const lop_type as = lop_run_type(out);
    lop_mat rounded;
    *to = (lop_job_bias){
        .name = t->name, .id = linear->view->id, .bytes = lop_dtype_bytes(out, (uint64_t)bias.cols)};
    to->values = lop_job_place(job, to->bytes);
    LOP_TRY(lop_cast(&run->queue, linear->bias, bias));
    if (as == LOP_F32) return lop_run_fetch(run, bias, job, to->values);
    const lop_arena_mark mark = lop_arena_here(run->arena);
    lop_status status = LOP_OK;
    LOP_TRY_DONE(lop_arena_mat(run->arena, 1, bias.cols, as, &rounded));
    LOP_TRY_DONE(lop_cast(&run->queue, bias, rounded));
    if (as == LOP_F16) LOP_TRY_DONE(lop_run_count_range(run, index, rounded));
    LOP_TRY_DONE(lop_cast(&run->queue, rounded, bias));
    LOP_TRY_DONE(lop_run_fetch(run, rounded, job, to->values));
done:
    lop_arena_reset(run->arena, mark);
    return status;
}

lop_status lop_run_apply_biases(lop_run *run, const lop_prune_block *chosen, lop_job *job)
{
    for (int32_t i = 0; i < chosen->count; i++) {
        const lop_prune_linear *linear = &chosen->linears[i];
        if (linear->block != run->at || !lop_mat_present(linear->bias)) continue;
        LOP_TRY(bring(run, linear, job, &job->biases[job->bias_count++]));
    }
    return LOP_OK;
}

lop_status lop_run_bias_lines(lop_run *run, lop_job *job)
{
    json_t *list = json_array();
    if (job->bias_count == 0) {
        json_decref(list);
        return LOP_OK;
    }
    LOP_TRY(lop_json_put(job->block, "biases", list));
    for (int i = 0; i < job->bias_count; i++) {
        lop_job_bias *bias = &job->biases[i];
        const int32_t block = run->block->index;
        bias->json = json_pack("{s:s, s:i, s:b}", "name", bias->name, "dropped",
                               (int)lop_units_rows_gone(&run->structure, block, bias->id), "changed",
                               (int)lop_units_makes_up(&run->structure, block, bias->id));
        if (bias->json == NULL || json_array_append_new(list, bias->json) != 0)
            return LOP_FAIL(LOP_E_MEMORY, "there is no memory for the report");
    }
    return LOP_OK;
}
