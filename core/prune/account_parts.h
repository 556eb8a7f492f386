/* account_parts.h - reading a report in parts. Internal to core/prune/account*.c. */
#ifndef LOP_CORE_PRUNE_ACCOUNT_PARTS_H
#define LOP_CORE_PRUNE_ACCOUNT_PARTS_H

#include "core/prune/account.h"

/* A member that may be missing: NULL or -1 then. LOP_E_FORMAT: of another kind, below 0, or above `most`. */
LOP_CHECKED lop_status lop_account_text(const json_t *object, const char *key, const char **out);
LOP_CHECKED lop_status lop_account_int(const json_t *object, const char *key, int64_t most, int64_t *out);
LOP_CHECKED lop_status lop_account_real(const json_t *object, const char *key, double most, double *out);

/* Blocks, their linears and steps, and the columns (account_blocks.c). */
LOP_CHECKED lop_status lop_account_blocks(lop_account *a);

#endif
