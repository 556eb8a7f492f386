/* opencl_faults.c - stands before OpenCL's loader (LD_PRELOAD) and lets calls fail that LOP_FAULT names: words parted by
 * commas, NAME or NAME=NUMBER.
 *
 *   empty        one more platform, in front, that has no devices
 *   twice        every platform is there twice
 *   old          devices have OpenCL 1.1
 *   gpu          devices say that they are GPUs, and a program's binary is its text: quick, whoever compiles it
 *   pthread-gpu  only devices whose name begins with "pthread" say so
 *   local=N      devices have N bytes of local memory
 *   text         the kernels' text does not build
 *   memory=N     buffers on the device of N bytes and more are refused
 *   lost=N       from the N-th kernel on every launch finds that the device is gone
 */
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The loader's own function of this name, as `real`. */
#define REAL(name)                                                                                           \
    __typeof__(name) *real;                                                                                  \
    *(void **)&real = dlsym(RTLD_NEXT, #name)

static char nowhere; /* its address is the platform without devices */
#define NOWHERE ((cl_platform_id)(void *)&nowhere)

/* Whether a fault is asked for, and its number. */
static bool asked(const char *name, long *number)
{
    const char *faults = getenv("LOP_FAULT");
    const size_t size = strlen(name);
    while (faults != NULL && *faults != '\0') {
        const size_t length = strcspn(faults, ",");
        if (strncmp(faults, name, size) == 0 && (length == size || faults[size] == '=')) {
            if (number != NULL) *number = length > size ? strtol(faults + size + 1, NULL, 10) : 0;
            return true;
        }
        faults += length + (faults[length] == ',');
    }
    return false;
}

CL_API_ENTRY cl_int CL_API_CALL clGetPlatformIDs(cl_uint room, cl_platform_id *out, cl_uint *count)
{
    REAL(clGetPlatformIDs);
    cl_platform_id found[16];
    cl_uint there = 0, given = 0;
    const cl_int code = real(8, found, &there);
    if (code != CL_SUCCESS) return code;
    if (there > 8) there = 8;
    if (asked("twice", NULL)) {
        memcpy(found + there, found, there * sizeof *found);
        there *= 2;
    }
    if (asked("empty", NULL) && given < room && out != NULL) out[given] = NOWHERE;
    given += asked("empty", NULL);
    for (cl_uint i = 0; i < there; i++, given++)
        if (given < room && out != NULL) out[given] = found[i];
    if (count != NULL) *count = given;
    return CL_SUCCESS;
}

CL_API_ENTRY cl_int CL_API_CALL clGetPlatformInfo(cl_platform_id platform, cl_platform_info what, size_t room,
                                                  void *out, size_t *size)
{
    REAL(clGetPlatformInfo);
    if (platform != NOWHERE) return real(platform, what, room, out, size);
    if (out != NULL) (void)snprintf(out, room, "Nowhere");
    if (size != NULL) *size = sizeof "Nowhere";
    return CL_SUCCESS;
}

CL_API_ENTRY cl_int CL_API_CALL clGetDeviceIDs(cl_platform_id platform, cl_device_type type, cl_uint room,
                                               cl_device_id *out, cl_uint *count)
{
    REAL(clGetDeviceIDs);
    return platform == NOWHERE ? CL_DEVICE_NOT_FOUND : real(platform, type, room, out, count);
}

static bool says_gpu(cl_device_id device)
{
    REAL(clGetDeviceInfo);
    char name[64] = "";
    (void)real(device, CL_DEVICE_NAME, sizeof name - 1, name, NULL);
    return asked("gpu", NULL) || (asked("pthread-gpu", NULL) && strncmp(name, "pthread", 7) == 0);
}

CL_API_ENTRY cl_int CL_API_CALL clGetDeviceInfo(cl_device_id device, cl_device_info what, size_t room,
                                                void *out, size_t *size)
{
    REAL(clGetDeviceInfo);
    long number = 0;
    const cl_int code = real(device, what, room, out, size);
    if (code != CL_SUCCESS || out == NULL) return code;
    if (what == CL_DEVICE_TYPE && says_gpu(device)) *(cl_device_type *)out = CL_DEVICE_TYPE_GPU;
    if (what == CL_DEVICE_VERSION && asked("old", NULL)) (void)snprintf(out, room, "OpenCL 1.1 of old");
    if (what == CL_DEVICE_LOCAL_MEM_SIZE && asked("local", &number)) *(cl_ulong *)out = (cl_ulong)number;
    return code;
}

/* Ours is told from CLBlast's by its options. */
CL_API_ENTRY cl_int CL_API_CALL clBuildProgram(cl_program program, cl_uint count, const cl_device_id *devices,
                                               const char *options,
                                               void(CL_CALLBACK *done)(cl_program program, void *user),
                                               void *user)
{
    REAL(clBuildProgram);
    char all[512];
    if (!asked("text", NULL) || options == NULL || strstr(options, "-DWORD=") == NULL)
        return real(program, count, devices, options, done, user);
    (void)snprintf(all, sizeof all, "%s -DLOP_KERNELS_DIALECT_H", options); /* a text without its words */
    return real(program, count, devices, all, done, user);
}

/* What a binary that is a text begins with. */
static const char mark[] = "text:";
enum { MARK = sizeof mark - 1 };

CL_API_ENTRY cl_int CL_API_CALL clGetProgramInfo(cl_program program, cl_program_info what, size_t room,
                                                 void *out, size_t *size)
{
    REAL(clGetProgramInfo);
    size_t text = 0;
    if (!asked("gpu", NULL) || out == NULL ||
        (what != CL_PROGRAM_BINARY_SIZES && what != CL_PROGRAM_BINARIES))
        return real(program, what, room, out, size);
    const cl_int code = real(program, CL_PROGRAM_SOURCE, 0, NULL, &text);
    if (code != CL_SUCCESS) return code;
    if (what == CL_PROGRAM_BINARY_SIZES) {
        *(size_t *)out = MARK + text;
        return CL_SUCCESS;
    }
    char *binary = *(char **)out;
    memcpy(binary, mark, MARK);
    return real(program, CL_PROGRAM_SOURCE, text, binary + MARK, NULL);
}

CL_API_ENTRY cl_program CL_API_CALL clCreateProgramWithBinary(cl_context context, cl_uint count,
                                                              const cl_device_id *devices,
                                                              const size_t *sizes,
                                                              const unsigned char **binaries, cl_int *states,
                                                              cl_int *code)
{
    REAL(clCreateProgramWithBinary);
    if (!asked("gpu", NULL)) return real(context, count, devices, sizes, binaries, states, code);
    const char *text = (const char *)binaries[0] + MARK;
    const size_t size = sizes[0] > MARK ? sizes[0] - MARK : 0;
    if (size > 0 && memcmp(binaries[0], mark, MARK) == 0)
        return clCreateProgramWithSource(context, 1, &text, &size, code);
    if (code != NULL) *code = CL_INVALID_BINARY;
    return NULL;
}

CL_API_ENTRY cl_mem CL_API_CALL clCreateBuffer(cl_context context, cl_mem_flags flags, size_t size,
                                               void *host, cl_int *code)
{
    REAL(clCreateBuffer);
    long number = 0;
    if ((flags & CL_MEM_ALLOC_HOST_PTR) != 0 || !asked("memory", &number) || size < (size_t)number)
        return real(context, flags, size, host, code);
    if (code != NULL) *code = CL_MEM_OBJECT_ALLOCATION_FAILURE;
    return NULL;
}

CL_API_ENTRY cl_int CL_API_CALL clEnqueueNDRangeKernel(cl_command_queue queue, cl_kernel kernel,
                                                       cl_uint dimensions, const size_t *offset,
                                                       const size_t *global, const size_t *local,
                                                       cl_uint waits, const cl_event *wait, cl_event *event)
{
    REAL(clEnqueueNDRangeKernel);
    static atomic_long launches;
    long number = 0;
    if (asked("lost", &number) && atomic_fetch_add(&launches, 1) + 1 >= number)
        return CL_DEVICE_NOT_AVAILABLE;
    return real(queue, kernel, dimensions, offset, global, local, waits, wait, event);
}
