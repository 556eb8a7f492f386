/* each_device.c - one bench on several devices, one after the other, each in a session of its own that differs from the user's
 * by the device alone. */
#include "bench/line.h"
#include "bench/parts.h"
#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/lop/session.h"

#include <string.h>

/* "cuda:1" taken apart; the index is text, as a setting has it. */
typedef struct entry {
    char *text, *backend;
    const char *index;
} entry;

static void entry_close(entry *e)
{
    lop_free(e->text);
    lop_free(e->backend);
    *e = (entry){0};
}

static lop_status entry_open(const char *at, size_t size, entry *out)
{
    lop_status status = LOP_OK;
    int64_t index = 0;
    LOP_TRY_DONE(lop_memdup_text(at, size, &out->text));
    LOP_TRY_DONE(lop_memdup_text(at, size, &out->backend));
    char *colon = strchr(out->backend, ':');
    out->index = colon ? colon + 1 : "0";
    if (colon) *colon = '\0';
    status = lop_parse_int(out->index, &index);
    if (status != LOP_OK || index < 0 || out->backend[0] == '\0')
        status =
            LOP_FAIL(LOP_E_ARGUMENT,
                     "--compare has \"%s\": expected backends with or without an index, parted by commas: "
                     "cpu,opencl:0,cuda:0",
                     out->text);
done:
    if (status != LOP_OK) entry_close(out);
    return status;
}

/* The user's settings of the session with the device of the entry. */
static lop_status session_open(const lop_session *like, const entry *e, lop_session **out)
{
    const lop_settings *s = &like->settings;
    lop_setting *at = NULL;
    int count = 0;
    LOP_TRY(LOP_NEW(&at, s->count + 2));
    for (int i = 0; i < s->count; i++) at[count++] = s->at[i];
    at[count++] = (lop_setting){"backend", e->backend};
    at[count++] = (lop_setting){"device", e->index};
    const lop_status status = lop_session_open(at, count, out);
    lop_free(at);
    if (status == LOP_OK) lop_session_watch(*out, like->log.fn, like->log.user);
    return status;
}

/* What is the device's fault, and not the call's. */
static bool is_device(lop_status status)
{
    return status == LOP_E_DEVICE || status == LOP_E_DEVICE_MEMORY;
}

static lop_status print_missing(bench *b, const bench_kind *kind)
{
    json_t *o = json_pack("{s:s, s:s, s:s}", "bench", kind->name, "asked", b->entry, "missing", lop_error());
    lop_error_clear();
    return bench_object_print(b, o, false);
}

static lop_status run_entry(bench *b, const bench_kind *kind, const entry *e, int *done)
{
    bench_call call = *b->call;
    bench one = *b;
    LOP_TRY(lop_log_check_stop(&call.session->log));
    one.call = &call;
    one.entry = e->text;
    lop_status status = session_open(b->call->session, e, &call.session);
    if (status == LOP_OK) {
        status = bench_run_here(&one, kind);
        lop_session_close(call.session);
    }
    *done += status == LOP_OK;
    return is_device(status) ? print_missing(&one, kind) : status;
}

static json_t *device_json(const json_t *line)
{
    json_t *o = json_object();
    static const char *const keys[] = {"asked", "backend", "device", "missing"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (json_object_get(line, keys[i])) (void)json_object_set(o, keys[i], json_object_get(line, keys[i]));
    return o;
}

/* What was asked for, each once, and what of it was there. */
static json_t *devices_json(const json_t *lines)
{
    json_t *array = json_array(), *line, *last = NULL;
    size_t i;
    json_array_foreach(lines, i, line)
    {
        json_t *asked = json_object_get(line, "asked");
        if (asked == NULL || json_equal(asked, json_object_get(last, "asked"))) continue;
        last = device_json(line);
        (void)json_array_append_new(array, last);
    }
    return array;
}

static lop_status check(const bench *b, const bench_kind *kind)
{
    const lop_settings *s = &b->call->session->settings;
    if (!kind->compares) return LOP_FAIL(LOP_E_ARGUMENT, "lop bench %s does not read --compare", kind->name);
    if (lop_settings_given(s, "backend") || lop_settings_given(s, "device"))
        return LOP_FAIL(LOP_E_ARGUMENT, "--compare names the devices: leave --backend and --device out");
    return LOP_OK;
}

lop_status bench_compare(bench *b, const bench_kind *kind)
{
    int done = 0;
    LOP_TRY(check(b, kind));
    for (const char *at = lop_settings_text(&b->settings, "compare"); at != NULL;) {
        const char *comma = strchr(at, ',');
        entry e = {0};
        LOP_TRY(entry_open(at, comma ? (size_t)(comma - at) : strlen(at), &e));
        const lop_status status = run_entry(b, kind, &e, &done);
        entry_close(&e);
        LOP_TRY(status);
        at = comma ? comma + 1 : NULL;
    }
    if (done == 0)
        return LOP_FAIL(LOP_E_DEVICE, "none of the devices %s could be measured",
                        lop_settings_text(&b->settings, "compare"));
    return bench_result_print(
        b, json_pack("{s:s, s:o}", "bench", kind->name, "devices", devices_json(b->lines)));
}
