/* opencl_backend.c - the table of what this backend does. */
#include "backends/opencl/opencl_backend.h"
#include "backends/opencl/opencl_queue.h"

/* No OpenCL of 1.2 tells what is free: the device's memory less what the buffers of this device hold. */
static lop_status opencl_bytes_free(lop_device *device, size_t *bytes)
{
    opencl_device *own = device->impl;
    const size_t held = atomic_load(&own->bytes_held);
    *bytes = own->bytes_total > held ? own->bytes_total - held : 0;
    return LOP_OK;
}

static lop_status opencl_threads_set(lop_device *device, int threads)
{
    (void)device, (void)threads;
    return LOP_OK;
}

const lop_backend lop_opencl_backend = {
    .name = "opencl",
    .device_count = opencl_device_count,
    .device_open = opencl_device_open,
    .device_close = opencl_device_close,
    .bytes_free = opencl_bytes_free,
    .buf_open = opencl_buf_open,
    .buf_close = opencl_buf_close,
    .queue_open = opencl_queue_open,
    .queue_close = opencl_queue_close,
    .queue_wait = opencl_queue_wait,
    .fence_open = opencl_fence_open,
    .fence_close = opencl_fence_close,
    .fence_mark = opencl_fence_mark,
    .fence_wait = opencl_fence_wait,
    .fence_wait_host = opencl_fence_wait_host,
    .fence_done = opencl_fence_done,
    .fence_nanoseconds = opencl_fence_nanoseconds,
    .copy = opencl_copy,
    .fill = opencl_fill,
    .gemm = opencl_gemm,
    .launch = opencl_launch,
    .threads_set = opencl_threads_set,
    .fast = NULL,
};
