/* cli_main.c - the group named by the argument, or all of them. */
#include "tests/cli/cli_groups.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    const struct {
        const char *name;
        int (*run)(void);
    } groups[] = {{"commands", cli_tests_commands}, {"options", cli_tests_options},
                  {"models", cli_tests_models},     {"inputs", cli_tests_inputs},
                  {"stops", cli_tests_stops},       {"verify", cli_tests_verify}};
    int failed = 0, found = 0;
    /* Small runs on a machine that is busy with others: threads that spin would make them wait for each other. */
    (void)setenv("OMP_WAIT_POLICY", "passive", 1);
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        if (argc > 1 && strcmp(argv[1], groups[i].name) != 0) continue;
        failed += groups[i].run();
        found++;
    }
    if (found == 0) (void)fprintf(stderr, "no group %s\n", argv[1]);
    return failed != 0 || found == 0;
}
