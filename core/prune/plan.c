/* plan.c - what a run would take, stage by stage, from headers alone. */
#include "core/prune/run_parts.h"

#include "core/base/memory.h"

#include <stdlib.h>

typedef struct stage {
    const char *name; /* NULL: the run has none */
    uint64_t device, host, disk;
    double flops;
} stage;

/* Bytes of everything that is written: every tensor in the type it will have, the masks, and some room for the rest. */
static uint64_t disk_bytes(const lop_run *run)
{
    uint64_t sum = 0;
    for (int32_t i = 0; i < lop_checkpoint_count(run->net.file); i++) {
        const lop_tensor *t = lop_checkpoint_at(run->net.file, i);
        uint64_t elements = 1;
        for (int32_t d = 0; d < t->rank; d++) elements *= (uint64_t)t->shape[d];
        sum += lop_dtype_bytes(lop_run_written_as(run, t), elements);
    }
    return sum + (run->options.save_masks ? run->net.prunable / 8 : 0);
}

static lop_status stages_json(const stage *at, int count, json_t **out)
{
    *out = json_array();
    for (int i = 0; i < count; i++) {
        if (at[i].name == NULL) continue;
        json_t *line = json_pack("{s:s, s:I, s:I, s:I, s:f}", "name", at[i].name, "device_bytes",
                                 (json_int_t)at[i].device, "host_bytes", (json_int_t)at[i].host, "disk_bytes",
                                 (json_int_t)at[i].disk, "flops", at[i].flops);
        if (line == NULL || json_array_append_new(*out, line) != 0)
            return LOP_FAIL(LOP_E_MEMORY, "there is no memory for the plan");
    }
    return LOP_OK;
}

/* Of all blocks: a learner goes forward and back over every window in each epoch; within a span as far as into its first
 * block. */
static double flops_of_learning(const lop_run *run, double forward)
{
    const lop_calibration *c = &run->calibration;
    if (!lop_run_learns(run)) return 0.0;
    double back = 0.0;
    for (int32_t b = 0, n; b < run->net.config->blocks; b += n) {
        n = lop_run_span(run, b);
        back += lop_block_back_flops(&run->net, c->windows, c->seqlen, false) +
                (n - 1) * lop_block_back_flops(&run->net, c->windows, c->seqlen, true);
    }
    return run->need.epochs * (forward + back);
}

/* What a Gram matrix of every distinct input takes, by token; `behind`: of those that others of the block feed. */
static double flops_of_grams(const lop_run *run, bool behind)
{
    double sum = 0.0;
    bool seen[LOP_INPUT_COUNT] = {false};
    if ((run->need.what & LOP_NEED_GRAM) == 0) return 0.0;
    for (int i = 0; i < LOP_LINEAR_COUNT; i++) {
        const lop_linear_file *l = &run->net.blocks[0].linear[i];
        if (l->weight == NULL || seen[l->input] || (behind && l->input == LOP_INPUT_ATTENTION)) continue;
        seen[l->input] = true;
        sum += (double)l->in * ((double)l->in + 1.0);
    }
    return sum * run->net.config->blocks;
}

/* Of deciding on all linears that are chosen. */
static double flops_of(const lop_run *run, double (*flops)(int32_t out, int32_t in, bool first))
{
    double sum = 0.0;
    for (int32_t b = 0; b < run->choice.blocks; b++) {
        bool seen[LOP_INPUT_COUNT] = {false};
        for (int i = 0; i < LOP_LINEAR_COUNT; i++) {
            const lop_linear_file *l = &run->net.blocks[b].linear[i];
            if (!lop_choice_takes(&run->choice, &run->net, b, (lop_linear_id)i)) continue;
            sum += flops != NULL ? flops(l->out, l->in, !seen[l->input]) : (double)l->out * l->in;
            seen[l->input] = true;
        }
    }
    return sum;
}

static double flops_of_pruning(const lop_run *run)
{
    const double method = flops_of(run, run->method->flops);
    return run->update == NULL ? method : method + flops_of(run, run->update->flops);
}

/* Of what a method does with feed-forward halves, in the blocks that lose something. */
static double flops_of_ffn(const lop_run *run)
{
    const lop_calibration *c = &run->calibration;
    int32_t blocks = 0;
    if (!lop_run_keeps_ffn(run)) return 0.0;
    for (int32_t b = 0; b < run->net.config->blocks; b++)
        blocks += lop_choice_takes(&run->choice, &run->net, b, LOP_LINEAR_DOWN);
    return blocks * run->method->flops_ffn(&run->net, (int64_t)c->windows * c->seqlen, run->need.epochs);
}

/* Of blocks that run once more before their inputs but the first; `once`: a forward of all blocks. */
static double flops_of_again(const lop_run *run, double once, double tokens)
{
    return run->need.again == 0 ? 0.0 : run->need.again * once + flops_of_grams(run, true) * tokens;
}

/* Calibration: one dense forward of every block, and one of the dense model's stream if that is kept; learning, where the
 * method does; pruning: what it runs again; propagation: one forward of the pruned block, and one more for each loss that
 * needs its own. */
static lop_status plan_make(const lop_run *run, json_t **out)
{
    lop_ffn_places place;
    lop_run_bytes bytes;
    LOP_TRY(lop_run_fit(run, &place, &bytes));
    const double all = lop_block_flops(&run->net, run->calibration.windows, run->calibration.seqlen) *
                       run->net.config->blocks;
    const double once = lop_run_walks(run) ? all : 0.0;
    const uint64_t reader = lop_reader_bytes(&run->net, run->call->device, LOP_ON_HOST),
                   disk = disk_bytes(run);
    const double tokens = (double)run->calibration.windows * run->calibration.seqlen;
    const stage stages[] = {
        {"load", bytes.weights, reader, 0, 0.0},
        {run->need.surveys ? "score" : NULL, bytes.device, reader, 0, run->need.survey != 0 ? all : 0.0},
        {"calibrate", bytes.device, reader, 0,
         once * (lop_run_has_dense_stream(run) ? 2.0 : 1.0) + flops_of_grams(run, false) * tokens},
        {lop_run_learns(run) ? "learn" : NULL, bytes.device, reader, 0, flops_of_learning(run, once)},
        {lop_run_keeps_ffn(run) ? "epochs" : NULL, bytes.device, reader, 0, flops_of_ffn(run)},
        {"prune", bytes.device, reader, 0, flops_of_pruning(run) + flops_of_again(run, once, tokens)},
        {"propagate", bytes.device, reader, 0, once * (run->options.loss_before ? 2.0 : 1.0)},
        {"write", bytes.weights, 2 * (uint64_t)lop_run_job_bytes(run), disk, 0.0},
    };
    json_t *list = NULL;
    LOP_TRY(stages_json(stages, (int)(sizeof stages / sizeof stages[0]), &list));
    const json_int_t device = (json_int_t)(run->call->device->host_memory ? 0 : bytes.device);
    *out = json_pack("{s:o, s:{s:I, s:I, s:I}, s:s, s:s}", "stages", list, "peak", "device", device, "host",
                     (json_int_t)bytes.host, "disk", (json_int_t)disk, "hidden_states",
                     place.hidden == LOP_ON_HOST ? "host" : "device", "method", run->method->name);
    if (*out == NULL) return LOP_FAIL(LOP_E_MEMORY, "there is no memory for the plan");
    return LOP_OK;
}

lop_status lop_prune_plan(const lop_prune_call *call, char **plan)
{
    lop_status status = LOP_OK;
    lop_run run = {.masks.file.handle = -1};
    json_t *root = NULL;
    char *text = NULL;
    *plan = NULL;
    LOP_TRY_DONE(lop_run_prepare(&run, call));
    LOP_TRY_DONE(plan_make(&run, &root));
    text = json_dumps(root, JSON_COMPACT);
    status =
        text != NULL ? lop_strdup(text, plan) : LOP_FAIL(LOP_E_MEMORY, "there is no memory for the plan");
done:
    free(text);
    json_decref(root);
    json_decref(run.lines);
    json_decref(run.blocks);
    lop_calibration_close(&run.calibration);
    lop_units_close(&run.structure);
    lop_choice_close(&run.choice);
    lop_net_close(&run.net);
    lop_comm_close(&run.self);
    return status;
}
