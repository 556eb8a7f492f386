/* model_main.c - runs the groups of model_groups.h on the backend that the first argument names (default cpu); a second argument
 * picks the groups whose names contain it. A backend that is not there is a skip, 77, unless LOP_REQUIRE names it. */
#include "tests/harness/shared_data.h"
#include "tests/model/model_groups.h"
#include "tests/model/rig.h"

#include <stdio.h>
#include <string.h>

static int backend_missing(const char *name)
{
    lop_device device;
    if (lop_device_open(name, 0, &device) == LOP_OK) {
        lop_device_close(&device);
        return 0;
    }
    (void)fprintf(stderr, "skipped: %s\n", lop_error());
    return require_names(name) ? 1 : 77;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(void);
    } groups[] = {
#define LOP_MODEL_ENTRY(name) {#name, name},
        LOP_MODEL_GROUPS(LOP_MODEL_ENTRY)
#undef LOP_MODEL_ENTRY
    };
    rig_backend = argc > 1 ? argv[1] : "cpu";
    int failed = backend_missing(rig_backend);
    if (failed) return failed;
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        if (argc > 2 && strstr(groups[i].name, argv[2]) == NULL) continue;
        printf("%s\n", groups[i].name);
        failed += groups[i].run();
    }
    return failed != 0;
}
