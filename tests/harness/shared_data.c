/* shared_data.c - finds the shared data folder and says when it is not there. */
#include "tests/harness/shared_data.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

bool require_names(const char *name)
{
    const char *list = getenv("LOP_REQUIRE");
    const size_t size = strlen(name);
    while (list != NULL && *list != '\0') {
        const size_t item = strcspn(list, ",");
        if (item == size && strncmp(list, name, size) == 0) return true;
        list += item + (list[item] == ',');
    }
    return false;
}

const char *shared_path(const char *name)
{
    static char paths[8][1024];
    static int next;
    char *out = paths[next++ % 8];
    const char *folder = getenv("LOP_SHARED");
    if (folder == NULL || *folder == '\0') folder = "../shared";
    const char *from = *folder == '/' ? "" : LOP_SOURCE_DIR "/";
    snprintf(out, sizeof paths[0], "%s%s/%s", from, folder, name);
    return out;
}

void shared_need(const char *name)
{
    const char *path = shared_path(name);
    if (access(path, R_OK) == 0) return;
    if (require_names("shared")) fail_msg("%s is not there and LOP_REQUIRE asks for it", path);
    print_message("skipped: %s is not there; set LOP_SHARED to the folder of shared data\n", path);
    skip();
}
