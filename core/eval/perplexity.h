/* perplexity.h - windows that do not overlap, each fed alone from position 0; exp of the mean over all predictions. */
#ifndef LOP_CORE_EVAL_PERPLEXITY_H
#define LOP_CORE_EVAL_PERPLEXITY_H

#include "core/base/log.h"
#include "core/model/walk.h"

typedef struct lop_perplexity_args {
    const int32_t *ids; /* windows * seqlen */
    int32_t windows, seqlen;
    int32_t forward_batch; /* sequences of one forward call */
} lop_perplexity_args;

typedef struct lop_perplexity {
    double nll, perplexity; /* mean nats; exp of it */
    int64_t tokens;         /* predictions: windows * (seqlen - 1) */
} lop_perplexity;

/* Errors: LOP_E_NUMERIC (block named), those of reading, LOP_E_STOPPED. */
LOP_CHECKED lop_status lop_perplexity_measure(lop_device *device, const lop_net *net,
                                              const lop_perplexity_args *args, lop_log *log,
                                              lop_perplexity *out);

#endif
