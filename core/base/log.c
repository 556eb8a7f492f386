/* log.c - events made and handed to the listener. A log that cannot get memory still speaks, with less JSON, and leaves
 * the thread's error as it was. */
#include "core/base/log.h"

#include "core/base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* `json` may be cut short when memory was: then `plain`, which is a whole object, stands for it. */
static void send(lop_log *log, lop_event event, const lop_string *json, lop_status made, const char *plain)
{
    event.json = made == LOP_OK ? json->at : plain;
    log->fn(&event, log->user);
}

static lop_status message_json(lop_string *json, const char *name, const char *text)
{
    LOP_TRY(lop_string_print(json, "{\"event\":\"%s\",\"message\":", name));
    LOP_TRY(lop_string_add_json(json, text, strlen(text)));
    return lop_string_add(json, "}", 1);
}

void lop_log_say(lop_log *log, lop_event_kind kind, const char *format, ...)
{
    if (log == NULL || log->fn == NULL) return;
    lop_error_record before;
    lop_error_save(&before);
    char text[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const bool warning = kind == LOP_EVENT_WARNING;
    lop_string json = {0};
    const lop_status made = message_json(&json, warning ? "warning" : "note", text);
    send(log, (lop_event){.kind = kind, .text = text}, &json, made,
         warning ? "{\"event\":\"warning\"}" : "{\"event\":\"note\"}");
    lop_string_close(&json);
    lop_error_restore(&before);
}

static lop_status progress_json(lop_string *json, const char *what, double done, double total)
{
    LOP_TRY(lop_string_print(json, "{\"event\":\"progress\",\"what\":"));
    LOP_TRY(lop_string_add_json(json, what, strlen(what)));
    return lop_string_print(json, ",\"done\":%.15g,\"total\":%.15g}", done, total);
}

void lop_log_progress(lop_log *log, const char *what, double done, double total)
{
    if (log == NULL || log->fn == NULL) return;
    lop_error_record before;
    lop_error_save(&before);
    char text[256];
    (void)snprintf(text, sizeof text, "%.15g of %.15g %s", done, total, what);
    lop_string json = {0};
    const lop_status made = progress_json(&json, what, done, total);
    send(log, (lop_event){.kind = LOP_EVENT_PROGRESS, .text = text, .done = done, .total = total}, &json,
         made, "{\"event\":\"progress\"}");
    lop_string_close(&json);
    lop_error_restore(&before);
}

void lop_log_stage(lop_log *log, const char *json, const char *text)
{
    if (log == NULL || log->fn == NULL) return;
    const lop_event event = {.kind = LOP_EVENT_STAGE, .text = text, .json = json};
    log->fn(&event, log->user);
}

lop_status lop_log_check_stop(lop_log *log)
{
    if (log == NULL || !atomic_load(&log->stop)) return LOP_OK;
    return LOP_FAIL(LOP_E_STOPPED, "stopped on request; the run can be resumed");
}
