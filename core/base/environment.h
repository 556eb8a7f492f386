/* environment.h - what lop takes from the process's environment, read in one place: nothing in it changes a result. */
#ifndef LOP_CORE_BASE_ENVIRONMENT_H
#define LOP_CORE_BASE_ENVIRONMENT_H

#include "core/base/status.h"

/* The folder for what can be made again, $XDG_CACHE_HOME/lop or else $HOME/.cache/lop, whether it is there or not; *out is
 * NULL if neither variable names one by an absolute path. The caller frees. Errors: LOP_E_MEMORY. */
LOP_CHECKED lop_status lop_cache_folder(char **out);

/* A variable that another library reads, to tell what that library found; NULL if it is not set or empty. */
const char *lop_environment(const char *name);

#endif
