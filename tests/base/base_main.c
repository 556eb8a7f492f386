/* base_main.c - runs the groups of base_groups.h; an argument picks the groups whose names contain it. */
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

void assert_failure(int status, int expected, const char *words)
{
    if (status != expected || strstr(lop_error(), words) == NULL)
        fail_msg("ended with %d \"%s\"; expected %d and \"%s\"", status, lop_error(), expected, words);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(void);
    } groups[] = {
#define BASE_ENTRY(name) {#name, name},
        BASE_GROUPS(BASE_ENTRY)
#undef BASE_ENTRY
    };
    int failed = 0;
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        if (argc > 1 && strstr(groups[i].name, argv[1]) == NULL) continue;
        failed += groups[i].run();
    }
    return failed != 0;
}
