/* cuda_backend.h - NVIDIA GPUs as devices: memory by cudaMalloc, page-locked memory by cudaHostAlloc, a queue is a stream,
 * a fence an event, products go to cuBLASLt, factors to cuSOLVER, kernels are those of kernels/ compiled by nvcc. */
#ifndef LOP_BACKENDS_CUDA_BACKEND_H
#define LOP_BACKENDS_CUDA_BACKEND_H

#include "core/device/backend.h"

#include <cuda_runtime_api.h>

#ifdef __cplusplus
extern "C" {
#endif

extern const lop_backend lop_cuda_backend;

typedef struct cuda_device {
    int index; /* as the runtime numbers them */
} cuda_device;

/* Products of one queue: the library's handle, and the plans of the shapes met so far. */
typedef struct cuda_products cuda_products;

typedef struct cuda_queue {
    cudaStream_t stream;
    cuda_products *products;           /* NULL until the first product */
    struct cusolverDnContext *factors; /* cuSOLVER's handle, NULL until the first factor */
} cuda_queue;

/* Makes the device the calling thread's: what the runtime needs before every call. */
lop_status cuda_enter(const lop_device *device);

/* LOP_OK, or the vendor's words for what `what` met: LOP_E_DEVICE_MEMORY or LOP_E_DEVICE. */
lop_status cuda_status(cudaError_t error, const char *what);

/* The address of byte `at` of a buffer, on the device or page-locked. */
static inline char *cuda_address(const lop_buf *buf, size_t at)
{
    return (char *)buf->impl + at;
}

/* cuda_gemm.c */
lop_status cuda_gemm(lop_queue *q, const lop_gemm_args *g);
void cuda_products_close(cuda_products *products);

/* cuda_launch.cu */
lop_status cuda_launch(lop_queue *q, lop_kernel k, lop_type word, bool wide, int32_t groups, int32_t lanes,
                       size_t local_bytes, int32_t nargs, const lop_arg *args);

/* Bytes of local memory that a kernel may have of its own where a launch gives it more. */
enum { CUDA_LOCAL_OF_KERNELS = 8192 };

#ifdef __cplusplus
}
#endif

#endif
