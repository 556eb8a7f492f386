/* backends.c - the backends of this build, best first. The only file that knows what was built. */
#include "backends/cpu/cpu_backend.h"
#include "core/device/backend.h"

lop_backend_list lop_backends(void)
{
    static const lop_backend *const built[] = {&lop_cpu_backend};
    return (lop_backend_list){built, (int)(sizeof built / sizeof built[0])};
}

const lop_backend_missing *lop_backends_missing(int *count)
{
    static const lop_backend_missing missing[] = {{"cuda", "not in this build"},
                                                  {"opencl", "not in this build"}};
    *count = (int)(sizeof missing / sizeof missing[0]);
    return missing;
}
