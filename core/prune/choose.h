/* choose.h - which linears are pruned: --layers, --skip, --only. */
#ifndef LOP_CORE_PRUNE_CHOOSE_H
#define LOP_CORE_PRUNE_CHOOSE_H

#include "core/base/log.h"
#include "core/base/option.h"
#include "core/model/family.h"

/* Why each linear of each block stays dense; NULL where it is pruned or the family has no such linear. */
typedef struct lop_choice {
    char *(*why)[LOP_LINEAR_COUNT]; /* blocks of them; the sentences are owned */
    int32_t blocks;
} lop_choice;

/* Reads layers "a:b" (blocks a <= i < b; either may be left out) or "first-half" (those below half their number), skip and
 * only "re:PATTERN" (PCRE2, found anywhere in the linear's name with or without .weight). LOP_E_ARGUMENT: a range outside
 * the blocks, a pattern that PCRE2 refuses, a choice that leaves nothing. A skip that matches nothing is a warning. */
LOP_CHECKED lop_status lop_choice_open(const lop_net *net, const lop_settings *settings, lop_log *log,
                                       lop_choice *out);
void lop_choice_close(lop_choice *c);

/* Leaves out a linear that is chosen, for a reason that is copied. */
LOP_CHECKED lop_status lop_choice_leave(lop_choice *c, int32_t block, lop_linear_id id, const char *reason);

bool lop_choice_takes(const lop_choice *c, const lop_net *net, int32_t block, lop_linear_id id);

#endif
