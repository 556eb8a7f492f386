/* opencl_device.h - what a device and a queue are made of here, and the words that turn OpenCL's codes into a status. */
#ifndef LOP_BACKENDS_OPENCL_DEVICE_H
#define LOP_BACKENDS_OPENCL_DEVICE_H

#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include <pthread.h>
#include <stdatomic.h>

#include "core/device/backend.h"

enum { OPENCL_WORDS = 3, OPENCL_PACKS = 2 }; /* f32, f16, bf16; narrow and wide */
enum { OPENCL_LANES_LEAST = 32 };            /* of a group, below which no kernel runs */

typedef struct opencl_device {
    cl_device_id id;
    cl_context context;
    cl_command_queue service; /* maps page-locked memory and touches new buffers */
    size_t view_align;        /* bytes; a view of a part of a buffer starts at a multiple of them */
    size_t bytes_total;       /* of the device */
    atomic_size_t bytes_held; /* by buffers of this device */
    bool divides_exactly;     /* can round divisions and square roots correctly */
    char *cache;              /* the folder of built programs; NULL: none */
    char *made_by; /* device, platform and driver with their versions: what a built program holds for */
    pthread_mutex_t lock;                            /* guards the programs */
    cl_program programs[OPENCL_WORDS][OPENCL_PACKS]; /* NULL until one of its kernels is asked for */
} opencl_device;

/* A kernel object holds arguments, so each queue has its own; a queue belongs to one thread at a time. */
typedef struct opencl_kernel {
    cl_kernel object; /* NULL until it is launched */
    int32_t lanes;    /* most lanes of a group */
    size_t local;     /* bytes of local memory it takes by itself */
} opencl_kernel;

typedef struct opencl_queue {
    cl_command_queue queue;
    cl_mem
        spare; /* device memory for products' copies of operands and for what must pass through the device */
    size_t spare_bytes;
    bool transposes; /* products are quicker as their transpose: opencl_gemm.c */
    opencl_kernel kernels[OPENCL_WORDS][OPENCL_PACKS][LOP_KERNEL_COUNT];
} opencl_queue;

static inline cl_mem opencl_mem(const lop_buf *buf)
{
    return buf->impl;
}

/* "CL_OUT_OF_RESOURCES", of OpenCL's codes and of CLBlast's. */
const char *opencl_code_name(cl_int code);

/* Lanes of a group that may have `most`: a power of two, as the dialect's trees want it; 0 below OPENCL_LANES_LEAST. */
int32_t opencl_lanes(size_t most);

/* The status of a call that gave `code`, its sentence being what was called and the vendor's word for the failure. */
lop_status opencl_fail(cl_int code, const char *call, const char *file, int line);

/* Returns the status of a call of OpenCL or CLBlast if it failed. */
#define OPENCL_TRY(call)                                                                                     \
    do {                                                                                                     \
        const cl_int opencl_code = (cl_int)(call);                                                           \
        if (opencl_code != CL_SUCCESS) return opencl_fail(opencl_code, #call, __FILE__, __LINE__);           \
    } while (0)

/* A text that OpenCL tells of a device (`program` NULL) or of a program's build, in new memory. */
LOP_CHECKED lop_status opencl_device_text(cl_device_id id, cl_device_info what, char **out);
LOP_CHECKED lop_status opencl_platform_text(cl_platform_id id, cl_platform_info what, char **out);

/* At least `bytes` of the queue's own device memory; what it held is gone. */
LOP_CHECKED lop_status opencl_spare(lop_queue *q, size_t bytes, cl_mem *out);

lop_status opencl_device_count(int *count, lop_why *why);
lop_status opencl_device_open(int index, lop_device *device);
void opencl_device_close(lop_device *device);

lop_status opencl_buf_open(lop_buf *buf);
void opencl_buf_close(lop_buf *buf);
lop_status opencl_copy(lop_queue *q, lop_buf *dst, size_t dst_at, const lop_buf *src, size_t src_at,
                       size_t bytes);
lop_status opencl_fill(lop_queue *q, lop_buf *dst, size_t dst_at, size_t bytes, uint8_t value);

LOP_CHECKED lop_status opencl_gemm_prepare(opencl_queue *queue); /* sets `transposes` */
lop_status opencl_gemm(lop_queue *q, const lop_gemm_args *g);
lop_status opencl_launch(lop_queue *q, lop_kernel k, lop_type word, bool wide, int32_t groups, int32_t lanes,
                         size_t local_bytes, int32_t nargs, const lop_arg *args);

#endif
