/* generate.h - greedy continuation with a cache of keys and values. */
#ifndef LOP_CORE_EVAL_GENERATE_H
#define LOP_CORE_EVAL_GENERATE_H

#include "core/base/log.h"
#include "core/model/walk.h"

/* Appends up to `count` ids to `ids` (which holds the prompt), the most likely each time, ending after the model's
 * end-of-sequence id. LOP_E_ARGUMENT: an empty prompt, or prompt + count beyond the model's positions. */
LOP_CHECKED lop_status lop_generate_greedy(lop_device *device, const lop_net *net, int32_t count,
                                           lop_log *log, lop_ids *ids);

#endif
