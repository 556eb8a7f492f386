/* backends.c - the backends of this build, best first. The only file that knows what was built. */
#include "core/device/backend.h"

#include "backends/cpu/cpu_backend.h"
#ifdef LOP_CUDA
#include "backends/cuda/cuda_backend.h"
#endif
#ifdef LOP_OPENCL
#include "backends/opencl/opencl_backend.h"
#endif

lop_backend_list lop_backends(void)
{
    static const lop_backend *const built[] = {
#ifdef LOP_CUDA
        &lop_cuda_backend,
#endif
#ifdef LOP_OPENCL
        &lop_opencl_backend,
#endif
        &lop_cpu_backend,
    };
    return (lop_backend_list){built, (int)(sizeof built / sizeof built[0])};
}

const lop_backend_missing *lop_backends_missing(int *count)
{
    static const lop_backend_missing missing[] = {
#ifndef LOP_CUDA
        {"cuda", "not in this build"},
#endif
#ifndef LOP_OPENCL
        {"opencl", "not in this build"},
#endif
        {NULL, NULL},
    };
    *count = (int)(sizeof missing / sizeof missing[0]) - 1;
    return missing;
}
