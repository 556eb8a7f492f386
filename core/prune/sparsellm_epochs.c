/* sparsellm_epochs.c - epoch after epoch: a pass says what the last one is worth, the best so far is kept, and the next is
 * pruned from what the pass has added up. The host looks once an epoch, where it waits for a factor anyway. */
#include "core/prune/sparsellm_parts.h"

#include "core/device/device.h"
#include "core/prune/report.h"

#include <math.h>

/* ---- the best epoch */

/* Packed elements of any type. */
static lop_status bytes_copy(lop_queue *q, lop_mat from, lop_mat to)
{
    const size_t size = lop_type_bytes(from.type);
    return q->device->backend->copy(q, to.buf, (size_t)to.at * size, from.buf, (size_t)from.at * size,
                                    (size_t)lop_mat_elements(from) * size);
}

static lop_status best_copy(const lop_sparsellm *b, bool back)
{
    lop_queue *q = b->block->queue;
    for (int i = 0; i < LOP_SPARSELLM_LINEARS; i++) {
        const lop_sparsellm_linear *l = &b->linears[i];
        if (l->index < 0) continue;
        const lop_prune_linear *at = lop_sparsellm_at(b, i);
        LOP_TRY(back ? lop_cast(q, l->best, at->spare) : lop_cast(q, at->spare, l->best));
        LOP_TRY(back ? bytes_copy(q, l->best_bits, at->keep) : bytes_copy(q, at->keep, l->best_bits));
    }
    return LOP_OK;
}

/* ---- what the device has found */

static lop_status look(lop_sparsellm *b, int32_t epoch)
{
    float loss[2], misfit[2], norm[2];
    lop_queue *q = b->block->queue;
    LOP_TRY(lop_download(q, lop_mat_rows(b->losses, epoch, 1), loss));
    LOP_TRY(lop_download(q, lop_mat_rows(b->misfits, epoch, 1), misfit));
    LOP_TRY(lop_download(q, lop_mat_rows(b->losses, b->options.epochs, 1), norm));
    const double whole = lop_sum_value(norm) > 0.0 ? lop_sum_value(norm) : 1.0;
    b->loss[epoch] = lop_sum_value(loss) / whole;
    b->misfit[epoch] = lop_sum_value(misfit) / whole;
    return LOP_OK;
}

/* True where all that a pass has added up are numbers. */
static lop_status sums_finite(const lop_sparsellm *b, bool *out)
{
    int64_t wrong[LOP_SPARSELLM_LINEARS + 1];
    *out = true;
    LOP_TRY(lop_download(b->block->queue, b->wrong, wrong));
    for (int i = 0; i <= LOP_SPARSELLM_LINEARS; i++) *out = *out && wrong[i] == 0;
    return LOP_OK;
}

static lop_status changed_finite(const lop_sparsellm *b, bool *out)
{
    int64_t wrong[LOP_SPARSEGPT_LINEARS];
    *out = true;
    LOP_TRY(lop_download(b->block->queue, b->solver.wrong, wrong));
    for (int i = 0; i < LOP_SPARSEGPT_LINEARS; i++) *out = *out && wrong[i] == 0;
    return LOP_OK;
}

/* ---- epochs */

/* The loss of an epoch is known: whether it is the best so far. */
static lop_status judge(lop_sparsellm *b, int32_t epoch)
{
    LOP_TRY(look(b, epoch));
    b->epochs = epoch + 1;
    if (!isfinite(b->loss[epoch])) {
        b->stopped = "the error is no number";
        return epoch > 0 ? LOP_OK
                         : LOP_FAIL(LOP_E_NUMERIC,
                                    "what the pruned feed-forward half of block %d gives is no number",
                                    b->block->index);
    }
    const bool judged = epoch > 0 && !b->options.last;
    if (judged && b->options.gain > 0.0 && epoch + 1 < b->options.epochs &&
        !(b->loss[epoch] <= (1.0 - b->options.gain) * b->loss[epoch - 1]))
        b->stopped = "the error falls no more";
    if (judged && !(b->loss[epoch] < b->loss[b->best])) return LOP_OK;
    b->best = epoch;
    return LOP_OK;
}

/* The next epoch's weights from what the pass before has added up. A factorisation that fails ends the epochs, no more. */
static lop_status advance(lop_sparsellm *b)
{
    bool finite;
    lop_error_record record;
    LOP_TRY(sums_finite(b, &finite));
    if (!finite) b->stopped = "sums over the windows are no numbers";
    if (!finite) return LOP_OK;
    b->current++;
    lop_status status = lop_sparsellm_prune(b);
    if (status == LOP_E_NUMERIC) {
        lop_error_save(&record);
        lop_log_say(b->block->log, LOP_EVENT_WARNING, "block %d stays at epoch %d: %s", b->block->index,
                    b->best + 1, record.text);
        lop_error_clear();
        b->stopped = "a factorisation failed";
        return LOP_OK;
    }
    if (status == LOP_OK) status = changed_finite(b, &finite);
    if (status == LOP_OK && !finite) b->stopped = "weights leave the range of their type";
    return status;
}

static lop_status epochs_run(lop_sparsellm *b)
{
    const int32_t end = b->options.epochs;
    LOP_TRY(lop_sparsellm_dense(b));
    for (int32_t epoch = 0; epoch < end && b->stopped == NULL; epoch++) {
        const bool last = epoch + 1 == end;
        LOP_TRY(lop_sparsellm_pass(b, epoch, last));
        LOP_TRY(judge(b, epoch));
        if (b->best == epoch && !last) LOP_TRY(best_copy(b, false));
        if (!last && b->stopped == NULL) LOP_TRY(advance(b));
    }
    return LOP_OK;
}

/* ---- the report */

static lop_status tell(const lop_sparsellm *b)
{
    json_t *into = b->block->learned[0], *epochs = json_array(), *steps = json_array();
    const double ratio = b->block->linears[0].target.ratio;
    LOP_TRY(lop_json_put(into, "steps", steps));
    LOP_TRY(lop_json_put(into, "epochs", epochs));
    LOP_TRY(lop_json_put(into, "accepted", json_integer(b->best)));
    LOP_TRY(lop_json_put(into, "stopped", b->stopped != NULL ? json_string(b->stopped) : json_null()));
    for (int32_t i = 0; i < b->epochs; i++) {
        const bool moved = i + 1 < b->options.epochs;
        json_t *loss = isfinite(b->loss[i]) ? json_real(b->loss[i]) : json_null();
        json_t *misfit = moved && isfinite(b->misfit[i]) ? json_real(b->misfit[i]) : json_null();
        json_t *line = json_pack("{s:o, s:o}", "loss", loss, "misfit", misfit);
        if (line == NULL || json_array_append_new(epochs, line) != 0 ||
            (isfinite(b->loss[i]) &&
             json_array_append_new(steps, json_pack("[f, f]", b->loss[i], ratio)) != 0))
            return LOP_FAIL(LOP_E_MEMORY, "there is no memory for the report");
    }
    return LOP_OK;
}

lop_status lop_sparsellm_epochs(lop_sparsellm *b)
{
    LOP_TRY(epochs_run(b));
    if (b->current != b->best) LOP_TRY(best_copy(b, true));
    return b->block->learned[0] != NULL ? tell(b) : LOP_OK;
}
