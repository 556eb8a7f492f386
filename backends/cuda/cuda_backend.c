/* cuda_backend.c - NVIDIA GPUs: found and opened, memory, queues, fences, copies. */
#include "backends/cuda/cuda_backend.h"
#include "backends/cuda/cuda_factor.h"
#include "backends/cuda/cuda_fast.h"
#include "core/base/memory.h"

#include <stdio.h>

/* The oldest architecture that the build has machine code for: 8.0, the A100. */
enum { MAJOR_LEAST = 8, ALIGN = 256 };

/* What cuBLASLt asks for on Hopper; it takes less where less will do. */
enum { PRODUCT_BYTES = 32 << 20 };

/* The runtime keeps an error for whoever asks next; told here, it is forgotten, so that no later launch seems to fail. */
lop_status cuda_status(cudaError_t error, const char *what)
{
    if (error == cudaSuccess) return LOP_OK;
    (void)cudaGetLastError();
    const bool memory = error == cudaErrorMemoryAllocation;
    return LOP_FAIL(memory ? LOP_E_DEVICE_MEMORY : LOP_E_DEVICE, "CUDA, %s: %s (%s)", what,
                    cudaGetErrorString(error), cudaGetErrorName(error));
}

lop_status cuda_enter(const lop_device *device)
{
    const cuda_device *cuda = device->impl;
    return cuda_status(cudaSetDevice(cuda->index), "selecting the device");
}

/* The same for closing, which goes as far as it can: what was told before stays. */
static void enter_to_close(const lop_device *device)
{
    const cuda_device *cuda = device->impl;
    (void)cudaSetDevice(cuda->index);
}

/* ---- devices */

/* The driver is not there, or cannot do what this build was made with; said with both versions. */
static void why_no_driver(lop_why *why)
{
    int driver = 0, runtime = 0;
    (void)cudaRuntimeGetVersion(&runtime);
    if (cudaDriverGetVersion(&driver) != cudaSuccess || driver == 0) {
        (void)snprintf(why->text, sizeof why->text, "no NVIDIA driver is installed");
        return;
    }
    (void)snprintf(
        why->text, sizeof why->text,
        "the NVIDIA driver is too old: it is made for CUDA %d.%d, this build for %d.%d; update the driver",
        driver / 1000, driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10);
}

static lop_status cuda_device_count(int *count, lop_why *why)
{
    *count = 0;
    const cudaError_t error = cudaGetDeviceCount(count);
    if (error == cudaSuccess && *count > 0) return LOP_OK;
    *count = 0;
    if (error == cudaErrorInsufficientDriver)
        why_no_driver(why);
    else if (error == cudaSuccess || error == cudaErrorNoDevice)
        (void)snprintf(why->text, sizeof why->text, "the NVIDIA driver sees no GPU");
    else
        (void)snprintf(why->text, sizeof why->text, "%s (%s)", cudaGetErrorString(error),
                       cudaGetErrorName(error));
    (void)cudaGetLastError(); /* an answer, not a failure that a later call should meet */
    return LOP_OK;
}

static lop_status describe(int index, lop_device *device)
{
    struct cudaDeviceProp p;
    LOP_TRY(cuda_status(cudaGetDeviceProperties(&p, index), "reading a device's properties"));
    if (p.major < MAJOR_LEAST)
        return LOP_FAIL(LOP_E_UNSUPPORTED, "%s has compute capability %d.%d; lop needs 8.0 (A100) or later",
                        p.name, p.major, p.minor);
    (void)snprintf(device->name, sizeof device->name, "%.63s", p.name);
    device->bytes_total = p.totalGlobalMem;
    device->max_buf = p.totalGlobalMem;
    device->local_bytes = p.sharedMemPerBlockOptin - CUDA_LOCAL_OF_KERNELS;
    device->align = ALIGN;
    device->units = p.multiProcessorCount;
    device->lanes_max = p.maxThreadsPerBlock;
    device->product_bytes = PRODUCT_BYTES;
    device->product_types = 1u << LOP_F32 | 1u << LOP_F16 | 1u << LOP_BF16;
    device->accelerator = true;
    return LOP_OK;
}

static lop_status cuda_device_open(int index, lop_device *device)
{
    cuda_device *cuda = NULL;
    LOP_TRY(describe(index, device));
    LOP_TRY(cuda_status(cudaSetDevice(index), "opening the device"));
    LOP_TRY(cuda_status(cudaFree(NULL),
                        "opening the device")); /* makes its context now: it fails here if it fails */
    LOP_TRY(LOP_NEW(&cuda, 1));
    cuda->index = index;
    device->impl = cuda;
    return LOP_OK;
}

static void cuda_device_close(lop_device *device)
{
    lop_free(device->impl);
}

static lop_status cuda_bytes_free(lop_device *device, size_t *bytes)
{
    size_t total;
    LOP_TRY(cuda_enter(device));
    return cuda_status(cudaMemGetInfo(bytes, &total), "asking for free memory");
}

/* ---- buffers */

static lop_status cuda_buf_open(lop_buf *buf)
{
    const size_t bytes = buf->bytes > 0 ? buf->bytes : 1; /* an address of its own, like any other */
    LOP_TRY(cuda_enter(buf->device));
    if (buf->place == LOP_ON_DEVICE)
        return cuda_status(cudaMalloc(&buf->impl, bytes), "taking device memory");
    const cudaError_t error = cudaHostAlloc(&buf->impl, bytes, cudaHostAllocPortable);
    buf->host = buf->impl;
    const lop_status status = cuda_status(error, "taking page-locked memory");
    if (status != LOP_E_DEVICE_MEMORY) return status;
    return LOP_FAIL(LOP_E_MEMORY, "CUDA has no %zu bytes of page-locked memory", bytes);
}

static void cuda_buf_close(lop_buf *buf)
{
    enter_to_close(buf->device);
    (void)(buf->place == LOP_ON_DEVICE ? cudaFree(buf->impl) : cudaFreeHost(buf->impl));
}

/* ---- queues */

static lop_status cuda_queue_open(lop_queue *q)
{
    cuda_queue *queue = NULL;
    LOP_TRY(cuda_enter(q->device));
    LOP_TRY(LOP_NEW(&queue, 1));
    const cudaError_t error = cudaStreamCreateWithFlags(&queue->stream, cudaStreamNonBlocking);
    if (error != cudaSuccess) lop_free(queue);
    LOP_TRY(cuda_status(error, "opening a stream"));
    q->impl = queue;
    return LOP_OK;
}

static void cuda_queue_close(lop_queue *q)
{
    cuda_queue *queue = q->impl;
    enter_to_close(q->device);
    cuda_factors_close(queue);
    cuda_products_close(queue->products);
    (void)cudaStreamDestroy(queue->stream);
    lop_free(queue);
}

static lop_status cuda_queue_wait(lop_queue *q)
{
    const cuda_queue *queue = q->impl;
    LOP_TRY(cuda_enter(q->device));
    return cuda_status(cudaStreamSynchronize(queue->stream), "waiting for queued work");
}

/* ---- fences */

static lop_status cuda_fence_open(lop_fence *f)
{
    cudaEvent_t event;
    LOP_TRY(cuda_enter(f->device));
    LOP_TRY(cuda_status(cudaEventCreate(&event), "making an event"));
    f->impl = event;
    return LOP_OK;
}

static void cuda_fence_close(lop_fence *f)
{
    enter_to_close(f->device);
    (void)cudaEventDestroy(f->impl);
}

static lop_status cuda_fence_mark(lop_queue *q, lop_fence *f)
{
    const cuda_queue *queue = q->impl;
    LOP_TRY(cuda_enter(q->device));
    return cuda_status(cudaEventRecord(f->impl, queue->stream), "marking a fence");
}

static lop_status cuda_fence_wait(lop_queue *q, const lop_fence *f)
{
    const cuda_queue *queue = q->impl;
    LOP_TRY(cuda_enter(q->device));
    return cuda_status(cudaStreamWaitEvent(queue->stream, f->impl, 0), "making a queue wait");
}

static lop_status cuda_fence_wait_host(const lop_fence *f)
{
    LOP_TRY(cuda_enter(f->device));
    return cuda_status(cudaEventSynchronize(f->impl), "waiting for a fence");
}

static lop_status cuda_fence_done(const lop_fence *f, bool *done)
{
    LOP_TRY(cuda_enter(f->device));
    const cudaError_t error = cudaEventQuery(f->impl);
    *done = error == cudaSuccess;
    if (error != cudaErrorNotReady) return cuda_status(error, "asking for a fence");
    (void)cudaGetLastError(); /* an answer, but the runtime keeps it like an error */
    return LOP_OK;
}

static lop_status cuda_fence_nanoseconds(const lop_fence *from, const lop_fence *to, double *ns)
{
    float ms = 0.0f;
    LOP_TRY(cuda_fence_wait_host(to));
    LOP_TRY(cuda_status(cudaEventElapsedTime(&ms, from->impl, to->impl), "reading the time between fences"));
    *ns = (double)ms * 1e6;
    return LOP_OK;
}

/* ---- copies */

static lop_status cuda_copy(lop_queue *q, lop_buf *dst, size_t dst_at, const lop_buf *src, size_t src_at,
                            size_t bytes)
{
    const cuda_queue *queue = q->impl;
    LOP_TRY(cuda_enter(q->device));
    return cuda_status(cudaMemcpyAsync(cuda_address(dst, dst_at), cuda_address(src, src_at), bytes,
                                       cudaMemcpyDefault, queue->stream),
                       "copying");
}

static lop_status cuda_fill(lop_queue *q, lop_buf *dst, size_t dst_at, size_t bytes, uint8_t value)
{
    const cuda_queue *queue = q->impl;
    LOP_TRY(cuda_enter(q->device));
    return cuda_status(cudaMemsetAsync(cuda_address(dst, dst_at), value, bytes, queue->stream), "filling");
}

static lop_status cuda_threads_set(lop_device *device, int threads)
{
    (void)device, (void)threads;
    return LOP_OK;
}

const lop_backend lop_cuda_backend = {
    .name = "cuda",
    .device_count = cuda_device_count,
    .device_open = cuda_device_open,
    .device_close = cuda_device_close,
    .bytes_free = cuda_bytes_free,
    .buf_open = cuda_buf_open,
    .buf_close = cuda_buf_close,
    .queue_open = cuda_queue_open,
    .queue_close = cuda_queue_close,
    .queue_wait = cuda_queue_wait,
    .fence_open = cuda_fence_open,
    .fence_close = cuda_fence_close,
    .fence_mark = cuda_fence_mark,
    .fence_wait = cuda_fence_wait,
    .fence_wait_host = cuda_fence_wait_host,
    .fence_done = cuda_fence_done,
    .fence_nanoseconds = cuda_fence_nanoseconds,
    .copy = cuda_copy,
    .fill = cuda_fill,
    .gemm = cuda_gemm,
    .launch = cuda_launch,
    .threads_set = cuda_threads_set,
    .fast = &lop_cuda_fast,
};
