/* prune_main.c - runs the groups of groups.h on the backend that the first argument names (default cpu); a second
 * argument picks the groups whose names contain it, a third the tests by a pattern with *. A backend that is not there is a
 * skip, 77, unless LOP_REQUIRE names it. */
#include "tests/prune/groups.h"
#include "tests/prune/prune_rig.h"

#include <string.h>

int main(int argc, char **argv)
{
    static const test_group groups[] = {TEST_GROUPS(TEST_GROUP_ENTRY)};
    if (argc > 5 && strcmp(argv[1], "--prune") == 0) return prune_spawned(argc, argv);
    prune_backend = argc > 1 ? argv[1] : "cpu";
    const int missing = backend_missing(prune_backend);
    if (missing) return missing;
    return groups_run(groups, (int)(sizeof groups / sizeof groups[0]), argc > 2 ? argv[2] : NULL) != 0;
}
