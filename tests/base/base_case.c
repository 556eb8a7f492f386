/* base_case.c - the folder that a test may fill. */
#include "core/base/file.h"
#include "tests/base/base_groups.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int folder_open(void **state)
{
    const char *temporary = getenv("TMPDIR");
    char *path = NULL;
    if (asprintf(&path, "%s/lop-test-XXXXXX", temporary ? temporary : "/tmp") < 0) return -1;
    if (mkdtemp(path) == NULL) {
        free(path);
        return -1;
    }
    *state = path;
    return 0;
}

int folder_close(void **state)
{
    const lop_status status = lop_folder_remove(*state);
    free(*state);
    return status == LOP_OK ? 0 : -1;
}

const char *path_in(const void *folder, const char *name)
{
    static char paths[8][512];
    static int next;
    char *path = paths[next++ % 8];
    (void)snprintf(path, sizeof paths[0], "%s/%s", (const char *)folder, name);
    return path;
}
