/* tokenizer_main.c - runs the groups of tokenizer_groups.h; an argument picks the groups whose names contain it. */
#include "tests/tokenizer/tokenizer_groups.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(void);
    } groups[] = {
#define LOP_TOKENIZER_ENTRY(name) {#name, name},
        LOP_TOKENIZER_GROUPS(LOP_TOKENIZER_ENTRY)
#undef LOP_TOKENIZER_ENTRY
    };
    int failed = 0;
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        if (argc > 1 && strstr(groups[i].name, argv[1]) == NULL) continue;
        printf("%s\n", groups[i].name);
        failed += groups[i].run();
    }
    return failed != 0;
}
