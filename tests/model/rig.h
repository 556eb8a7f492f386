/* rig.h - what the tests of models share: a device, an open model on it, and one forward through everything. */
#ifndef LOP_TESTS_MODEL_RIG_H
#define LOP_TESTS_MODEL_RIG_H

#include "core/model/walk.h"

extern const char *rig_backend; /* of this run */

typedef struct rig {
    lop_device device;
    lop_queue queue;
    lop_checkpoint *file;
    lop_net net;
} rig;

/* Fails the running test with the library's sentence. */
void ok(lop_status status);

/* Fails the running test unless the status is `want` and the library's sentence holds `words`. */
void fails(lop_status status, lop_status want, const char *words);

void rig_open(rig *r, const char *path);
void rig_close(rig *r);

/* The residual stream after all blocks, for sequences x tokens ids, `batch` sequences a call: malloc'd f32, (S T, C). */
float *rig_stream(rig *r, const int32_t *ids, int32_t sequences, int32_t tokens, int32_t batch);

/* Logits (S T, V), malloc'd. */
float *rig_logits(rig *r, const int32_t *ids, int32_t sequences, int32_t tokens, int32_t batch);

#endif
