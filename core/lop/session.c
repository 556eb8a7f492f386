/* session.c - sessions: settings read once, a device opened when it is needed. */
#include "core/lop/session.h"

#include "core/base/memory.h"

#include <string.h>

const char *lop_version(void)
{
    return LOP_VERSION;
}

static lop_status refuse_budgets(const lop_settings *settings)
{
    static const char *const budgets[] = {"max-device-mem", "max-host-mem"};
    for (int i = 0; i < 2; i++)
        if (lop_settings_given(settings, budgets[i]))
            return LOP_FAIL(LOP_E_UNSUPPORTED, "--%s is not in this version: leave it out", budgets[i]);
    return LOP_OK;
}

lop_status lop_session_open(const lop_setting *settings, int count, lop_session **out)
{
    lop_session *session = NULL;
    lop_status status;
    *out = NULL;
    LOP_TRY(LOP_NEW(&session, 1));
    LOP_TRY_DONE(lop_call_settings("session", settings, count, &session->settings));
    LOP_TRY_DONE(refuse_budgets(&session->settings));
    atomic_init(&session->log.stop, false);
    *out = session;
    return LOP_OK;
done:
    lop_session_close(session);
    return status;
}

void lop_session_close(lop_session *session)
{
    if (session == NULL) return;
    if (session->device_open) lop_device_close(&session->device);
    lop_settings_close(&session->settings);
    lop_free(session);
}

void lop_session_watch(lop_session *session, lop_event_fn *fn, void *user)
{
    session->log.fn = fn;
    session->log.user = user;
}

void lop_session_stop(lop_session *session)
{
    atomic_store(&session->log.stop, true);
}

int32_t lop_session_batch(const lop_session *session)
{
    return (int32_t)lop_settings_int(&session->settings, "forward-batch");
}

/* The option's choices are the names. */
static lop_math math_read(const char *text)
{
    lop_math math = LOP_MATH_F32;
    while (math != LOP_MATH_NATIVE && strcmp(text, lop_math_name(math)) != 0) math++;
    return math;
}

static void why_tell(lop_session *session, const lop_backend *backend, lop_event_kind kind)
{
    int count = 0;
    lop_why why = {""};
    if (backend->device_count(&count, &why) != LOP_OK) lop_error_clear();
    if (why.text[0] != '\0') lop_log_say(&session->log, kind, "backend %s: %s", backend->name, why.text);
}

/* What was passed over to find the device, in its backend and, where the best was wanted, in the better ones: a driver
 * that is broken is worth knowing of. */
static void passed_over_tell(lop_session *session, bool best)
{
    const lop_backend_list list = lop_backends();
    for (int i = 0; i < list.count; i++) {
        const bool chosen = list.at[i] == session->device.backend;
        if (best || chosen) why_tell(session, list.at[i], chosen ? LOP_EVENT_WARNING : LOP_EVENT_NOTE);
        if (chosen) return;
    }
}

lop_status lop_session_device(lop_session *session, lop_device **out)
{
    *out = &session->device;
    if (session->device_open) return LOP_OK;
    const lop_settings *s = &session->settings;
    const char *wanted = lop_settings_text(s, "backend");
    LOP_TRY(lop_device_open(wanted, (int)lop_settings_int(s, "device"), &session->device));
    session->device_open = true;
    lop_device_math(&session->device, math_read(lop_settings_text(s, "math")));
    lop_device_fast(&session->device, lop_settings_flag(s, "fast"));
    LOP_TRY(lop_device_threads(&session->device, (int)lop_settings_int(s, "threads")));
    passed_over_tell(session, strcmp(wanted, "auto") == 0);
    lop_log_say(&session->log, LOP_EVENT_NOTE, "backend %s: %s (%s)", session->device.backend->name,
                session->device.name, lop_settings_given(s, "backend") ? "as asked" : "the best there is");
    return LOP_OK;
}
