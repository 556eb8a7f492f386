/* write_calls.c - convert and synth, which write a whole model; and the list of devices. */
#include "core/io/convert.h"
#include "core/io/synth.h"
#include "core/lop/result.h"
#include "core/lop/session.h"

static lop_status write_model(const lop_convert_plan *plan, lop_result **out)
{
    lop_convert_result written;
    LOP_TRY(lop_convert_model(plan, &written));
    return lop_result_take(json_pack("{s:s, s:i, s:I, s:i}", "save", plan->save, "tensors", written.tensors,
                                     "bytes", (json_int_t)written.bytes, "left_out", written.left_out),
                           out);
}

lop_status lop_convert(lop_model *model, const char *save, const lop_setting *settings, int count,
                       lop_result **out)
{
    lop_settings s = {0};
    *out = NULL;
    LOP_TRY(lop_call_settings("convert", settings, count, &s));
    const bool given = lop_settings_given(&s, "outtype");
    const lop_convert_plan plan = {.source = model->file,
                                   .save = save,
                                   .dtype_given = given,
                                   .dtype = given ? lop_dtype_chosen(lop_settings_text(&s, "outtype"))
                                                  : LOP_DTYPE_F32,
                                   .force = lop_settings_flag(&s, "force"),
                                   .resume = lop_settings_flag(&s, "resume"),
                                   .log = &model->session->log};
    const lop_status status = write_model(&plan, out);
    lop_settings_close(&s);
    return status;
}

lop_status lop_synth(lop_session *session, const char *shape, const char *save, const lop_setting *settings,
                     int count, lop_result **out)
{
    lop_settings s = {0};
    const lop_synth_shape *found = NULL;
    lop_checkpoint *model = NULL;
    lop_status status;
    *out = NULL;
    LOP_TRY(lop_call_settings("synth", settings, count, &s));
    LOP_TRY_DONE(lop_synth_find(shape, &found));
    const lop_dtype dtype = lop_dtype_chosen(lop_settings_text(&s, "dtype"));
    LOP_TRY_DONE(lop_synth_open(&found->config, dtype, (uint64_t)lop_settings_int(&s, "seed"), &model));
    const lop_convert_plan plan = {.source = model,
                                   .save = save,
                                   .force = lop_settings_flag(&s, "force"),
                                   .resume = lop_settings_flag(&s, "resume"),
                                   .log = &session->log};
    status = write_model(&plan, out);
done:
    lop_checkpoint_close(model);
    lop_settings_close(&s);
    return status;
}

static void add_devices(const lop_backend *backend, json_t *devices, json_t *missing)
{
    int count = 0;
    lop_why why = {""};
    if (backend->device_count(&count, &why) != LOP_OK)
        (void)snprintf(why.text, sizeof why.text, "%s", lop_error());
    if (why.text[0] != '\0')
        (void)json_array_append_new(missing,
                                    json_pack("{s:s, s:s}", "backend", backend->name, "why", why.text));
    for (int i = 0; i < count; i++) {
        lop_device device = {.backend = backend};
        if (backend->device_open(i, &device) != LOP_OK) {
            (void)json_array_append_new(
                missing, json_pack("{s:s, s:s}", "backend", backend->name, "why", lop_error()));
            continue;
        }
        (void)json_array_append_new(devices,
                                    json_pack("{s:s, s:i, s:s, s:I, s:i}", "backend", backend->name, "index",
                                              i, "name", device.name, "bytes_total",
                                              (json_int_t)device.bytes_total, "units", device.units));
        backend->device_close(&device);
    }
}

lop_status lop_devices(lop_session *session, lop_result **out)
{
    (void)session;
    int missing_count = 0;
    *out = NULL;
    const lop_backend_list list = lop_backends();
    const lop_backend_missing *absent = lop_backends_missing(&missing_count);
    json_t *devices = json_array(), *missing = json_array();
    for (int i = 0; i < list.count; i++) add_devices(list.at[i], devices, missing);
    for (int i = 0; i < missing_count; i++)
        (void)json_array_append_new(missing,
                                    json_pack("{s:s, s:s}", "backend", absent[i].name, "why", absent[i].why));
    return lop_result_take(json_pack("{s:o, s:o}", "devices", devices, "missing", missing), out);
}
