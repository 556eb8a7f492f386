/* cuda_faults.c - stands before the CUDA runtime (LD_PRELOAD) and lets calls fail that LOP_FAULT names: one word, NAME or
 * NAME=NUMBER.
 *
 *   absent    no driver is installed
 *   old       a driver for CUDA 11.4 is installed
 *   none      a driver is installed and sees no GPU
 *   broken    the driver answers that it failed
 *   old-gpu   devices have compute capability 7.5
 *   local=N   devices have N bytes of local memory beside what kernels take by themselves
 *   memory=N  device memory of N bytes and more at once is refused
 *   lost=N    from the N-th kernel on every launch finds that the device is gone
 */
#include <cuda_runtime_api.h>
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* The runtime's own function of this name, as `real`. */
#define REAL(name)                                                                                           \
    __typeof__(name) *real;                                                                                  \
    *(void **)&real = dlsym(RTLD_NEXT, #name)

enum { OF_KERNELS = 8192 }; /* what the backend leaves to kernels themselves */

/* Whether the fault is asked for, and its number. */
static bool asked(const char *name, long *number)
{
    const char *fault = getenv("LOP_FAULT");
    const size_t size = strlen(name);
    if (fault == NULL || strncmp(fault, name, size) != 0) return false;
    if (fault[size] == '=' && number != NULL) *number = strtol(fault + size + 1, NULL, 10);
    return fault[size] == '\0' || fault[size] == '=';
}

cudaError_t CUDARTAPI cudaGetDeviceCount(int *count)
{
    REAL(cudaGetDeviceCount);
    if (asked("absent", NULL) || asked("old", NULL)) return cudaErrorInsufficientDriver;
    if (asked("none", NULL)) return cudaErrorNoDevice;
    return asked("broken", NULL) ? cudaErrorSystemDriverMismatch : real(count);
}

cudaError_t CUDARTAPI cudaDriverGetVersion(int *version)
{
    REAL(cudaDriverGetVersion);
    if (!asked("absent", NULL) && !asked("old", NULL)) return real(version);
    *version = asked("old", NULL) ? 11040 : 0;
    return cudaSuccess;
}

cudaError_t CUDARTAPI cudaGetDeviceProperties(struct cudaDeviceProp *out, int device)
{
    REAL(cudaGetDeviceProperties);
    long number = 0;
    const cudaError_t error = real(out, device);
    if (asked("old-gpu", NULL)) out->major = 7, out->minor = 5;
    if (asked("local", &number)) out->sharedMemPerBlockOptin = (size_t)number + OF_KERNELS;
    return error;
}

cudaError_t CUDARTAPI cudaMalloc(void **out, size_t size)
{
    REAL(cudaMalloc);
    long number = 0;
    return asked("memory", &number) && size >= (size_t)number ? cudaErrorMemoryAllocation : real(out, size);
}

cudaError_t CUDARTAPI cudaLaunchKernel(const void *code, dim3 groups, dim3 lanes, void **arguments,
                                       size_t local, cudaStream_t stream)
{
    REAL(cudaLaunchKernel);
    static atomic_long launches;
    long number = 0;
    if (asked("lost", &number) && atomic_fetch_add(&launches, 1) + 1 >= number)
        return cudaErrorDevicesUnavailable;
    return real(code, groups, lanes, arguments, local, stream);
}
