/* convert.c - one output, a folder or a GGUF file, filled from the source tensor by tensor. */
#include "core/io/convert.h"

#include "core/base/file.h"
#include "core/io/gguf_write.h"
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

static lop_status write_folder(const lop_convert_plan *plan, lop_convert_result *out)
{
    lop_string fingerprint = {0};
    lop_output *o = NULL;
    lop_status status = LOP_OK;
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

/* Before anything is planned. */
static lop_status check_place(const lop_convert_plan *plan)
{
    if (lop_path_same(plan->save, lop_checkpoint_path(plan->source)))
        return LOP_FAIL(LOP_E_ARGUMENT, "%s is the model itself; save to another file", plan->save);
    if (lop_path_is_folder(plan->save))
        return LOP_FAIL(LOP_E_ARGUMENT, "%s is a folder; a GGUF file was to be written there", plan->save);
    if (plan->force || !lop_path_is_file(plan->save)) return LOP_OK;
    return LOP_FAIL(LOP_E_ARGUMENT, "%s is there already; choose another name, or overwrite it with --force",
                    plan->save);
}

static lop_status write_file(const lop_convert_plan *plan, lop_convert_result *out)
{
    lop_gguf_plan file;
    LOP_TRY(check_place(plan));
    LOP_TRY(lop_gguf_plan_open(plan->source, plan->dtype_given ? &plan->dtype : NULL, plan->log, &file));
    *out = (lop_convert_result){.tensors = file.count, .left_out = file.left_out};
    for (int32_t i = 0; i < file.count; i++) out->bytes += file.tensors[i].bytes;
    const lop_status status = lop_gguf_write(&file, plan->save, plan->log);
    lop_gguf_plan_close(&file);
    return status;
}

lop_status lop_convert_model(const lop_convert_plan *plan, lop_convert_result *out)
{
    const size_t n = strlen(plan->save);
    const bool file = n >= 5 && strcmp(plan->save + n - 5, ".gguf") == 0;
    return file ? write_file(plan, out) : write_folder(plan, out);
}
