/* ref_units.h - structured pruning in double precision: heads (key and value heads with their query heads) and channels,
 * scored as FLAP's scripts do, chosen one by one, removed from the reference model. */
#ifndef LOP_TESTS_REF_UNITS_H
#define LOP_TESTS_REF_UNITS_H

#include "tests/ref/ref_model.h"

#include <stdint.h>

typedef enum ref_unit_metric { REF_UNIT_LENGTH, REF_UNIT_WANDA, REF_UNIT_FLUCTUATION } ref_unit_metric;

typedef struct ref_units_rule {
    ref_unit_metric metric;
    int heads, channels;   /* whether they may go */
    int by_block, by_kind; /* where units compete, and within what budgets */
    int raw;               /* scores are not standardized */
    int dense;             /* by_block: inputs come from dense blocks all the same */
    int least_heads, least_channels;
    double ratio;
} ref_units_rule;

/* keep[block * (kv_heads + ffn) + unit], heads first, receives 1 or 0; the model loses the rest, and with REF_UNIT_FLUCTUATION
 * its biases of o and down make up for the mean, where it has them. ids (windows, T). */
void ref_units_prune(ref_model *m, const ref_units_rule *rule, int windows, int T, const int32_t *ids,
                     uint8_t *keep);

#endif
