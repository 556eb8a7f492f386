/* status.c - the thread's error record. */
#include "core/base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local lop_error_record record;

lop_status lop_fail(lop_status code, const char *file, int line, const char *format, ...)
{
    record.code = code;
    (void)snprintf(record.place, sizeof record.place, "%s:%d", file, line);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(record.text, sizeof record.text, format, args);
    va_end(args);
    return code;
}

void lop_note(const char *format, ...)
{
    const size_t used = strlen(record.text);
    const size_t room = sizeof record.text - used;
    if (room < 8) return;
    memcpy(record.text + used, "; ", 3);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(record.text + used + 2, room - 2, format, args);
    va_end(args);
}

void lop_error_clear(void)
{
    memset(&record, 0, sizeof record);
}

void lop_error_save(lop_error_record *out)
{
    *out = record;
}

void lop_error_restore(const lop_error_record *from)
{
    record = *from;
}

const char *lop_error(void)
{
    return record.text;
}

const char *lop_error_place(void)
{
    return record.place;
}

const char *lop_status_name(lop_status status)
{
#define LOP_STATUS_NAME(name, value, exit_code, words)                                                       \
    case LOP_##name:                                                                                         \
        return words;
    switch (status) {
        LOP_STATUS_LIST(LOP_STATUS_NAME)
    }
#undef LOP_STATUS_NAME
    return "unknown status";
}

int lop_status_exit(lop_status status)
{
#define LOP_STATUS_EXIT(name, value, exit_code, words) {value, exit_code},
    static const struct {
        int value, exit_code;
    } exits[] = {LOP_STATUS_LIST(LOP_STATUS_EXIT)};
#undef LOP_STATUS_EXIT
    for (size_t i = 0; i < sizeof exits / sizeof exits[0]; i++)
        if (exits[i].value == (int)status) return exits[i].exit_code;
    return 70;
}
