/* likelihood.h - log-likelihoods of the ends of token sequences of any lengths, each fed alone from position 0. */
#ifndef LOP_CORE_EVAL_LIKELIHOOD_H
#define LOP_CORE_EVAL_LIKELIHOOD_H

#include "core/base/log.h"
#include "core/model/walk.h"

typedef struct lop_sequence {
    int64_t at;     /* its first id among all ids */
    int32_t count;  /* ids, at least 2; the last is predicted only */
    int32_t scored; /* the last so many are judged, 1 to count - 1 */
} lop_sequence;

typedef struct lop_likelihood_args {
    const int32_t *ids;
    const lop_sequence *at;
    int64_t count;
    int32_t forward_batch; /* sequences of one forward call */
    int32_t
        group_rows; /* tokens that go from block to block together; 0: as many as their residual streams fit */
} lop_likelihood_args;

/* sum[count] receives each sequence's log p(scored ids | the ids before), in nats. Sequences of like length share a forward
 * call, padded at their ends: what stands behind a token is not seen by it.
 * Errors: LOP_E_ARGUMENT, LOP_E_NUMERIC (block named), those of reading, LOP_E_STOPPED. */
LOP_CHECKED lop_status lop_likelihood_measure(lop_device *device, const lop_net *net,
                                              const lop_likelihood_args *args, lop_log *log, double *sum);

#endif
