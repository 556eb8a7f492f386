/* test_groups.c - the loop over a program's groups. */
#include "tests/harness/test_groups.h"

#include <stdio.h>
#include <string.h>

int groups_run(const test_group *groups, int count, const char *wanted)
{
    int failed = 0;
    for (int i = 0; i < count; i++) {
        if (wanted != NULL && strstr(groups[i].name, wanted) == NULL) continue;
        printf("%s\n", groups[i].name);
        failed += groups[i].run();
    }
    return failed;
}
