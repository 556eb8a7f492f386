/* environment.c - the process's environment. */
#include "core/base/environment.h"
#include "core/base/file.h"

#include <stdlib.h>

const char *lop_environment(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && *value != '\0' ? value : NULL;
}

/* The freedesktop.org base directories: a relative path is to be ignored. */
lop_status lop_cache_folder(char **out)
{
    const char *cache = lop_environment("XDG_CACHE_HOME"), *home = lop_environment("HOME");
    *out = NULL;
    if (cache != NULL && *cache == '/') return lop_path_join(cache, "lop", out);
    if (home != NULL && *home == '/') return lop_path_join(home, ".cache/lop", out);
    return LOP_OK;
}
