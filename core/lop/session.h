/* session.h - the processor, the listener and the settings that calls share, and a model opened in it. */
#ifndef LOP_CORE_LOP_SESSION_H
#define LOP_CORE_LOP_SESSION_H

#include "core/base/log.h"
#include "core/base/option.h"
#include "core/device/device.h"
#include "core/model/family.h"

struct lop_session {
    lop_settings settings;
    lop_log log;
    lop_device device;
    bool device_open;
};

struct lop_model {
    lop_session *session;
    lop_checkpoint *file;
    lop_net net;
    lop_tokenizer *tokenizer; /* opened at the first call that needs it */
};

/* The session's device, opened at the first call that computes; what was taken is said in a note. */
LOP_CHECKED lop_status lop_session_device(lop_session *session, lop_device **out);

/* The model's tokenizer. */
LOP_CHECKED lop_status lop_model_tokenizer(lop_model *model, const lop_tokenizer **out);

/* Sequences of one forward call, from the session's forward-batch. */
int32_t lop_session_batch(const lop_session *session);

/* The options of a call by name, as one set. LOP_E_INTERNAL for a name that is no call. */
LOP_CHECKED lop_status lop_call_settings(const char *call, const lop_setting *at, int count,
                                         lop_settings *out);

#endif
