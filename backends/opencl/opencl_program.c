/* opencl_program.c - builds the kernels of one storage word and one pack as a program, when one is first launched. */
#include "backends/opencl/opencl_program.h"
#include "core/base/memory.h"
#include "core/device/matrix.h"

#include <stdio.h>
#include <string.h>

enum { LOG_LINES = 5, LOG_MOST = 600 };

/* No flag that would let the compiler change a result; correct rounding where the device has it. */
static void options_write(const opencl_device *device, lop_type word, bool wide, char *out, size_t size)
{
    (void)snprintf(out, size, "-cl-std=CL1.2 -DWORD=%s -DPACKS=%d%s", lop_type_name(word), wide ? 8 : 1,
                   device->divides_exactly ? " -cl-fp32-correctly-rounded-divide-sqrt" : "");
}

/* The first lines of what the compiler said, in one; the caller frees. */
static lop_status log_read(const opencl_device *device, cl_program program, char **out)
{
    size_t size = 0;
    OPENCL_TRY(clGetProgramBuildInfo(program, device->id, CL_PROGRAM_BUILD_LOG, 0, NULL, &size));
    LOP_TRY(LOP_NEW(out, size + 1));
    OPENCL_TRY(clGetProgramBuildInfo(program, device->id, CL_PROGRAM_BUILD_LOG, size, *out, NULL));
    int lines = 0;
    for (char *at = *out; *at != '\0'; at++) {
        if (*at == '\n' && (++lines == LOG_LINES || at[1] == '\0')) *at = '\0';
        if (*at == '\0') break;
        if (*at == '\n' || *at == '\r' || *at == '\t') *at = ' ';
    }
    return LOP_OK;
}

static lop_status build_failed(const opencl_device *device, cl_program program, cl_int code)
{
    char *log = NULL;
    if (log_read(device, program, &log) != LOP_OK) lop_error_clear();
    const lop_status status = LOP_FAIL(
        LOP_E_DEVICE,
        "the driver does not build the kernels: clBuildProgram: %s (%d); its compiler says: %.*s",
        opencl_code_name(code), (int)code, (int)LOG_MOST, log != NULL && *log != '\0' ? log : "nothing");
    lop_free(log);
    return status;
}

static lop_status source_build(const opencl_device *device, const char *options, cl_program *out)
{
    cl_int code = CL_SUCCESS;
    const char **lines = NULL;
    LOP_TRY(LOP_NEW(&lines, opencl_kernels.count));
    memcpy(lines, opencl_kernels.lines, opencl_kernels.count * sizeof *lines);
    *out = clCreateProgramWithSource(device->context, (cl_uint)opencl_kernels.count, lines, NULL, &code);
    lop_free(lines);
    OPENCL_TRY(code);
    code = clBuildProgram(*out, 1, &device->id, options, NULL, NULL);
    if (code == CL_SUCCESS) return LOP_OK;
    const lop_status status = build_failed(device, *out, code);
    (void)clReleaseProgram(*out);
    *out = NULL;
    return status;
}

/* From the cache, if what lies there is taken by the driver; *out stays NULL if not. */
static lop_status binary_build(const opencl_device *device, const char *key, const char *options,
                               cl_program *out)
{
    unsigned char *binary = NULL;
    size_t size = 0;
    LOP_TRY(opencl_cache_read(device, key, &binary, &size));
    if (binary == NULL) return LOP_OK;
    const unsigned char *const binaries[] = {binary};
    cl_int code = CL_SUCCESS;
    *out = clCreateProgramWithBinary(device->context, 1, &device->id, &size, (const unsigned char **)binaries,
                                     NULL, &code);
    if (code == CL_SUCCESS) code = clBuildProgram(*out, 1, &device->id, options, NULL, NULL);
    if (code != CL_SUCCESS && *out != NULL) {
        (void)clReleaseProgram(*out);
        *out = NULL;
    }
    lop_free(binary);
    return LOP_OK;
}

static lop_status program_build(const opencl_device *device, lop_type word, bool wide, cl_program *out)
{
    char options[160], key[OPENCL_KEY];
    options_write(device, word, wide, options, sizeof options);
    LOP_TRY(opencl_cache_key(device, options, key));
    LOP_TRY(binary_build(device, key, options, out));
    if (*out != NULL) return LOP_OK;
    LOP_TRY(source_build(device, options, out));
    opencl_cache_write(device, key, *out);
    return LOP_OK;
}

lop_status opencl_program_get(opencl_device *device, lop_type word, bool wide, cl_program *out)
{
    lop_status status = LOP_OK;
    (void)pthread_mutex_lock(&device->lock);
    cl_program *program = &device->programs[word][wide];
    if (*program == NULL) status = program_build(device, word, wide, program);
    *out = *program;
    (void)pthread_mutex_unlock(&device->lock);
    return status;
}
