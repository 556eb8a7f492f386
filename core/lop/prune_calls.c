/* prune_calls.c - prune, plan, verify, mask, report: settings in, rooms called, results out. */
#include "core/base/memory.h"
#include "core/lop/result.h"
#include "core/lop/session.h"
#include "core/prune/masks.h"
#include "core/prune/report_page.h"
#include "core/prune/run.h"
#include "core/prune/verify.h"

#include <string.h>

/* Opens the settings of a prune by `method` and prepares the call; the caller closes the settings. */
static lop_status prepare(lop_model *model, const char *method, const lop_setting *settings, int count,
                          lop_settings *checked, lop_prune_call *call)
{
    const lop_method *row = NULL;
    lop_option_set set = {0};
    LOP_TRY(lop_method_need(method, &row));
    lop_prune_option_set(row, &set);
    LOP_TRY(lop_settings_open(&set, settings, count, checked));
    *call = (lop_prune_call){
        .model = model->file, .method = method, .settings = checked, .log = &model->session->log};
    return LOP_OK;
}

/* The setting "command" (argv as a JSON array) is for the report and no option of the method: it is taken out. */
static const char *take_command(const lop_setting *settings, int count, lop_setting *rest, int *rest_count)
{
    const char *command = NULL;
    *rest_count = 0;
    for (int i = 0; i < count; i++)
        if (strcmp(settings[i].name, "command") == 0)
            command = settings[i].value;
        else
            rest[(*rest_count)++] = settings[i];
    return command;
}

lop_status lop_prune(lop_model *model, const char *method, const lop_setting *settings, int count,
                     const char *save, lop_result **out)
{
    lop_settings checked = {0};
    lop_prune_call call;
    lop_setting *rest = NULL;
    char *report = NULL;
    int rest_count = 0;
    lop_status status;
    *out = NULL;
    LOP_TRY(lop_alloc((size_t)count + 1, sizeof *rest, &rest));
    const char *command = take_command(settings, count, rest, &rest_count);
    LOP_TRY_DONE(prepare(model, method, rest, rest_count, &checked, &call));
    LOP_TRY_DONE(lop_session_device(model->session, &call.device));
    call.command = command;
    call.save = save;
    LOP_TRY_DONE(lop_prune_run(&call, &report));
    status = lop_result_take_text(report, out);
done:
    lop_settings_close(&checked);
    lop_free(rest);
    return status;
}

lop_status lop_plan(lop_model *model, const char *method, const lop_setting *settings, int count,
                    lop_result **out)
{
    lop_settings checked = {0};
    lop_prune_call call;
    char *plan = NULL;
    lop_status status;
    *out = NULL;
    LOP_TRY(prepare(model, method, settings, count, &checked, &call));
    LOP_TRY_DONE(lop_session_device(model->session, &call.device));
    LOP_TRY_DONE(lop_prune_plan(&call, &plan));
    status = lop_result_take_text(plan, out);
done:
    lop_settings_close(&checked);
    return status;
}

lop_status lop_verify(lop_session *session, const char *folder, const lop_setting *settings, int count,
                      lop_result **out)
{
    lop_settings s = {0};
    char *found = NULL;
    *out = NULL;
    LOP_TRY(lop_call_settings("verify", settings, count, &s));
    const lop_status verdict = lop_verify_run(folder, &s, &session->log, &found);
    lop_settings_close(&s);
    if (found != NULL) LOP_TRY(lop_result_take_text(found, out));
    return verdict;
}

lop_status lop_mask(lop_session *session, const char *verb, const lop_setting *settings, int count,
                    lop_result **out)
{
    lop_settings s = {0};
    char *found = NULL;
    *out = NULL;
    LOP_TRY(lop_call_settings("mask", settings, count, &s));
    const lop_status status = lop_mask_run(verb, &s, &session->log, &found);
    lop_settings_close(&s);
    LOP_TRY(status);
    return lop_result_take_text(found, out);
}

lop_status lop_report(lop_session *session, const char *folder, const char *save, lop_result **out)
{
    char *found = NULL;
    *out = NULL;
    LOP_TRY(lop_report_page(folder, save, &session->log, &found));
    return lop_result_take_text(found, out);
}
