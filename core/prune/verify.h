/* verify.h - proof by reading: a pruned folder's files, held against its report, its masks and its source. */
#ifndef LOP_CORE_PRUNE_VERIFY_H
#define LOP_CORE_PRUNE_VERIFY_H

#include "core/base/log.h"
#include "core/base/option.h"

/* against, masks, recompute, calib. The table is the library's. */
const lop_option *lop_verify_options(int *count);

/* Reads the folder again. Where something is wrong and `against` is not given, the source that the report names tells the
 * element, if it is still there and its digest is the report's. *result receives the JSON object of docs/cli.md (ok,
 * zeros, prunable_weights, linears, untouched_identical, failures), also when LOP_E_VERIFY says that the check did not
 * pass; the caller frees it with lop_free. Other errors: the folder or what the settings name cannot be read; *result is
 * then NULL. */
LOP_CHECKED lop_status lop_verify_run(const char *folder, const lop_settings *settings, lop_log *log,
                                      char **result);

#endif
