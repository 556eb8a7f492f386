/* rig.h - what the tests of models share: a device, an open model on it, and one forward through everything. */
#ifndef LOP_TESTS_MODEL_RIG_H
#define LOP_TESTS_MODEL_RIG_H

#include "core/model/walk.h"
#include "tests/harness/status_checks.h"

typedef struct rig {
    lop_device device;
    lop_queue queue;
    lop_checkpoint *file;
    lop_net net;
} rig;

void rig_open(rig *r, const char *path);
void rig_close(rig *r);

/* The residual stream after all blocks, for sequences x tokens ids, `batch` sequences a call: malloc'd f32, (S T, C). */
float *rig_stream(rig *r, const int32_t *ids, int32_t sequences, int32_t tokens, int32_t batch);

/* Logits (S T, V), malloc'd. */
float *rig_logits(rig *r, const int32_t *ids, int32_t sequences, int32_t tokens, int32_t batch);

#endif
