/* groups_main.c - the main of a program whose groups TEST_GROUPS_FILE lists; an argument picks the groups whose names
 * contain it. With TEST_ON_BACKENDS the first argument names the backend (default cpu) and the second picks. */
#include TEST_GROUPS_FILE
#include "tests/harness/test_groups.h"

#include <stddef.h>

int main(int argc, char **argv)
{
    static const test_group groups[] = {TEST_GROUPS(TEST_GROUP_ENTRY)};
    int wanted = 1;
#ifdef TEST_ON_BACKENDS
    if (argc > 1) test_backend = argv[1];
    const int missing = backend_missing(test_backend);
    if (missing) return missing;
    wanted = 2;
#endif
    return groups_run(groups, (int)(sizeof groups / sizeof groups[0]), argc > wanted ? argv[wanted] : NULL) !=
           0;
}
