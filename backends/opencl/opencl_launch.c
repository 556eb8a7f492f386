/* opencl_launch.c - kernels of a queue, and their launch with arguments by the kinds of list.h. */
#include "backends/opencl/opencl_device.h"
#include "backends/opencl/opencl_program.h"
#include "core/device/matrix.h"

#include <stdio.h>

static const struct {
    const char *name, *kinds;
} kernels[] = {
#define K(name, words, ...) [LOP_KERNEL_##name] = {#name, #__VA_ARGS__},
#include "kernels/list.h"
#undef K
};

/* How wide its groups may be, and the local memory that it takes by itself. */
static lop_status kernel_measure(const opencl_device *device, opencl_kernel *k)
{
    size_t group = 0;
    cl_ulong local = 0;
    OPENCL_TRY(clGetKernelWorkGroupInfo(k->object, device->id, CL_KERNEL_WORK_GROUP_SIZE, sizeof group,
                                        &group, NULL));
    OPENCL_TRY(clGetKernelWorkGroupInfo(k->object, device->id, CL_KERNEL_LOCAL_MEM_SIZE, sizeof local, &local,
                                        NULL));
    k->lanes = opencl_lanes(group);
    k->local = (size_t)local;
    return LOP_OK;
}

static lop_status kernel_open(opencl_device *device, lop_kernel k, lop_type word, bool wide,
                              opencl_kernel *out)
{
    char name[64];
    cl_program program = NULL;
    cl_int code = CL_SUCCESS;
    LOP_TRY(opencl_program_get(device, word, wide, &program));
    (void)snprintf(name, sizeof name, "%s_%s_%d", kernels[k].name, lop_type_name(word), wide ? 8 : 1);
    out->object = clCreateKernel(program, name, &code);
    if (code != CL_SUCCESS) {
        out->object = NULL;
        const lop_status status = opencl_fail(code, "clCreateKernel", __FILE__, __LINE__);
        lop_note("for kernel %s", name);
        return status;
    }
    const lop_status status = kernel_measure(device, out);
    if (status == LOP_OK) return LOP_OK;
    (void)clReleaseKernel(out->object);
    out->object = NULL;
    return status;
}

/* Sets a matrix: base, element offset, row stride. */
static lop_status matrix_set(cl_kernel kernel, cl_uint *at, const lop_mat *m)
{
    cl_mem mem = m->buf == NULL ? NULL : opencl_mem(m->buf);
    const cl_long first = m->at;
    const cl_int stride = m->ld;
    OPENCL_TRY(clSetKernelArg(kernel, (*at)++, sizeof mem, &mem));
    OPENCL_TRY(clSetKernelArg(kernel, (*at)++, sizeof first, &first));
    OPENCL_TRY(clSetKernelArg(kernel, (*at)++, sizeof stride, &stride));
    return LOP_OK;
}

static lop_status args_set(cl_kernel kernel, const char *kinds, const lop_arg *args)
{
    cl_uint at = 1; /* argument 0 is local memory */
    for (const char *kind = kinds; *kind != '\0'; kind++) {
        if (*kind < 'A' || *kind > 'Z') continue;
        if (*kind == 'M') LOP_TRY(matrix_set(kernel, &at, &args->m));
        if (*kind == 'I' || *kind == 'F') OPENCL_TRY(clSetKernelArg(kernel, at++, sizeof args->i, &args->i));
        if (*kind == 'L' || *kind == 'U') OPENCL_TRY(clSetKernelArg(kernel, at++, sizeof args->l, &args->l));
        args++;
    }
    return LOP_OK;
}

static lop_status fits(const lop_device *device, const opencl_kernel *kernel, lop_kernel k,
                       size_t local_bytes)
{
    if (kernel->lanes == 0)
        return LOP_FAIL(LOP_E_UNSUPPORTED, "%s runs kernel %s in groups of less than %d lanes", device->name,
                        kernels[k].name, (int)OPENCL_LANES_LEAST);
    if (kernel->local + local_bytes > device->local_bytes)
        return LOP_FAIL(LOP_E_UNSUPPORTED, "%s gives a group %zu bytes of local memory; kernel %s needs %zu",
                        device->name, device->local_bytes, kernels[k].name, kernel->local + local_bytes);
    return LOP_OK;
}

/* The parameters are the interface's own. NOLINTNEXTLINE(readability-function-size) */
lop_status opencl_launch(lop_queue *q, lop_kernel k, lop_type word, bool wide, int32_t groups, int32_t lanes,
                         size_t local_bytes, int32_t nargs, const lop_arg *args)
{
    (void)nargs;
    opencl_queue *queue = q->impl;
    if ((int)word >= OPENCL_WORDS)
        return LOP_FAIL(LOP_E_INTERNAL, "kernel %s has no instance for word %d", kernels[k].name, (int)word);
    opencl_kernel *kernel = &queue->kernels[word][wide][k];
    if (kernel->object == NULL) LOP_TRY(kernel_open(q->device->impl, k, word, wide, kernel));
    LOP_TRY(fits(q->device, kernel, k, local_bytes));
    OPENCL_TRY(clSetKernelArg(kernel->object, 0, local_bytes > 0 ? local_bytes : sizeof(cl_uint), NULL));
    LOP_TRY(args_set(kernel->object, kernels[k].kinds, args));
    const size_t group = (size_t)(lanes < kernel->lanes ? lanes : kernel->lanes),
                 all = group * (size_t)groups;
    const cl_int code =
        clEnqueueNDRangeKernel(queue->queue, kernel->object, 1, NULL, &all, &group, 0, NULL, NULL);
    if (code == CL_SUCCESS) return LOP_OK;
    const lop_status status = opencl_fail(code, "clEnqueueNDRangeKernel", __FILE__, __LINE__);
    lop_note("for kernel %s", kernels[k].name);
    return status;
}
