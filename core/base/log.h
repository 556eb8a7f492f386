/* log.h - what a run tells while it runs: events with a sentence for people and a JSON object for programs.
 *
 * The log is an object handed down, never a global. Its sink is the session's lop_event_fn. */
#ifndef LOP_CORE_BASE_LOG_H
#define LOP_CORE_BASE_LOG_H

#include "core/base/status.h"

#include <stdatomic.h>
#include <stdbool.h>

typedef struct lop_log {
    lop_event_fn *fn; /* NULL: nobody listens */
    void *user;
    atomic_bool stop; /* set by lop_session_stop; looked at between units of work */
} lop_log;

/* An event without extra fields: {"event":"note","message":"..."}; `kind` NOTE or WARNING. NULL log is silent. */
void lop_log_say(lop_log *log, lop_event_kind kind, const char *format, ...) LOP_PRINTF(3, 4);

/* Progress in units that `what` names: {"event":"progress","what":...,"done":...,"total":...}. */
void lop_log_progress(lop_log *log, const char *what, double done, double total);

/* A stage event whose JSON the caller has made (one object, with "event"), and its sentence. */
void lop_log_stage(lop_log *log, const char *json, const char *text);

/* LOP_E_STOPPED if somebody asked the run to stop. */
LOP_CHECKED lop_status lop_log_check_stop(lop_log *log);

#endif
