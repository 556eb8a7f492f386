/* cuda_factor.c - Cholesky factors by cuSOLVER, one handle a queue. A matrix is row-major here and column-major there: our
 * lower triangle is its upper one. Without cuSOLVER the build has cuda_factor_none.c instead. */
#include "backends/cuda/cuda_factor.h"

#include <cusolverDn.h>

static lop_status factor_status(cusolverStatus_t status, const char *what)
{
    if (status == CUSOLVER_STATUS_SUCCESS) return LOP_OK;
    return LOP_FAIL(status == CUSOLVER_STATUS_ALLOC_FAILED ? LOP_E_DEVICE_MEMORY : LOP_E_DEVICE,
                    "cuSOLVER, %s: status %d", what, (int)status);
}

static lop_status factors_open(cuda_queue *queue)
{
    cusolverDnHandle_t handle = NULL;
    if (queue->factors != NULL) return LOP_OK;
    LOP_TRY(factor_status(cusolverDnCreate(&handle), "opening the library"));
    const lop_status status = factor_status(cusolverDnSetStream(handle, queue->stream), "taking a stream");
    if (status == LOP_OK)
        queue->factors = handle;
    else
        (void)cusolverDnDestroy(handle);
    return status;
}

void cuda_factors_close(cuda_queue *queue)
{
    if (queue->factors != NULL) (void)cusolverDnDestroy(queue->factors);
}

lop_status cuda_chol(lop_queue *q, lop_mat h, lop_mat info, bool *taken)
{
    const cublasFillMode_t half = CUBLAS_FILL_MODE_UPPER;
    cuda_queue *queue = q->impl;
    float *at = (float *)(void *)cuda_address(h.buf, (size_t)h.at * sizeof(float));
    int *said = (int *)(void *)cuda_address(info.buf, (size_t)info.at * sizeof(int)), elements = 0;
    *taken = false;
    if ((int64_t)h.ld * h.cols > INT32_MAX) return LOP_OK; /* the library counts in int */
    LOP_TRY(cuda_enter(q->device));
    LOP_TRY(factors_open(queue));
    LOP_TRY(factor_status(cusolverDnSpotrf_bufferSize(queue->factors, half, h.cols, at, h.ld, &elements),
                          "asking for a factor's workspace"));
    if ((size_t)elements * sizeof(float) > q->room.bytes) return LOP_OK;
    *taken = true;
    return factor_status(
        cusolverDnSpotrf(queue->factors, half, h.cols, at, h.ld, (float *)q->room.impl, elements, said),
        "queueing a factor");
}
