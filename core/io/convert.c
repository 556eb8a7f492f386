/* convert.c - one output folder, filled from the source tensor by tensor. */
#include "core/io/convert.h"

#include "core/io/output.h"

#include <string.h>

static lop_status make_fingerprint(const lop_convert_plan *plan, lop_string *out)
{
    const char *path = lop_checkpoint_path(plan->source);
    LOP_TRY(lop_string_print(out, "{\"command\":\"convert\",\"dtype\":\"%s\",\"model\":",
                             plan->dtype_given ? lop_dtype_name(plan->dtype) : "own"));
    LOP_TRY(lop_string_add_json(out, path, strlen(path)));
    return lop_string_add(out, "}", 1);
}

static uint64_t bytes_as(const lop_tensor *t, lop_dtype dtype)
{
    uint64_t elements = 1;
    for (int32_t d = 0; d < t->rank; d++) elements *= (uint64_t)t->shape[d];
    return lop_dtype_bytes(dtype, elements);
}

static lop_status copy_all(lop_output *o, const lop_convert_plan *plan, lop_convert_result *out)
{
    const int32_t count = lop_checkpoint_count(plan->source);
    *out = (lop_convert_result){0};
    for (int32_t i = 0; i < count; i++) {
        const lop_tensor *t = lop_checkpoint_at(plan->source, i);
        LOP_TRY(lop_log_check_stop(plan->log));
        if (!lop_output_holds(o, t)) {
            out->left_out++;
            continue;
        }
        LOP_TRY(lop_output_copy(o, t));
        out->tensors++;
        out->bytes += bytes_as(t, lop_output_dtype(o, t));
        lop_log_progress(plan->log, "tensors", (double)(i + 1), (double)count);
    }
    return LOP_OK;
}

lop_status lop_convert_folder(const lop_convert_plan *plan, lop_convert_result *out)
{
    lop_string fingerprint = {0};
    lop_output *o = NULL;
    lop_status status = LOP_OK;
    const size_t n = strlen(plan->save);
    if (n >= 5 && strcmp(plan->save + n - 5, ".gguf") == 0)
        return LOP_FAIL(LOP_E_UNSUPPORTED, "%s: GGUF is read, not written; name a folder", plan->save);
    LOP_TRY_DONE(make_fingerprint(plan, &fingerprint));
    const lop_output_plan wish = {.source = plan->source,
                                  .folder = plan->save,
                                  .dtype_given = plan->dtype_given,
                                  .dtype = plan->dtype,
                                  .fingerprint = fingerprint.at,
                                  .force = plan->force,
                                  .resume = plan->resume,
                                  .shard_bytes = plan->shard_bytes};
    LOP_TRY_DONE(lop_output_open(&wish, &o));
    LOP_TRY_DONE(copy_all(o, plan, out));
    LOP_TRY_DONE(lop_output_publish(o));
done:
    if (status != LOP_OK) lop_output_discard(o);
    lop_output_close(o);
    lop_string_close(&fingerprint);
    return status;
}
