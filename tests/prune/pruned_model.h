/* pruned_model.h - a written model opened beside the reference of its source: weights and masks, linear by linear. */
#ifndef LOP_TESTS_PRUNE_PRUNED_MODEL_H
#define LOP_TESTS_PRUNE_PRUNED_MODEL_H

#include "core/model/family.h"
#include "tests/prune/prune_rig.h"

/* A folder that a prune wrote with save-masks. */
typedef struct pruned_model {
    lop_checkpoint *file;
    lop_net net;
    lop_masks masks;
} pruned_model;

void pruned_open(pruned_model *p, const char *folder);
void pruned_close(pruned_model *p);

/* One byte a weight, 1 kept; malloc'd. */
uint8_t *pruned_keep(const pruned_model *p, int32_t block, int linear, int32_t *rows, int32_t *cols);

/* Weights as f32; malloc'd. */
float *pruned_weights(const pruned_model *p, int32_t block, int linear);

#endif
