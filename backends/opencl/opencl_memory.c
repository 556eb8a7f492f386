/* opencl_memory.c - buffers on the device, page-locked ones on the host, and what is copied between them. */
#include "backends/opencl/opencl_device.h"

enum { LEAST_BYTES = 16, PIECE_BYTES = 4 << 20 };

/* Some drivers take memory when a buffer is first used: a few bytes written now make it now. */
static cl_int touch(const opencl_device *device, cl_mem mem)
{
    static const cl_uchar zero = 0;
    const cl_int code = clEnqueueFillBuffer(device->service, mem, &zero, 1, 0, LEAST_BYTES, 0, NULL, NULL);
    return code == CL_SUCCESS ? clFinish(device->service) : code;
}

/* Page-locked memory is what the driver allocates for a buffer that it may reach from the host; it stays mapped. */
static cl_int map(const opencl_device *device, lop_buf *buf, size_t bytes)
{
    cl_int code = CL_SUCCESS;
    buf->host = clEnqueueMapBuffer(device->service, buf->impl, CL_TRUE, CL_MAP_READ | CL_MAP_WRITE, 0, bytes,
                                   0, NULL, NULL, &code);
    return code;
}

/* Whether a driver means by this, of a new buffer, that there is no room for it. */
static bool is_refusal(cl_int code)
{
    return code == CL_MEM_OBJECT_ALLOCATION_FAILURE || code == CL_OUT_OF_RESOURCES ||
           code == CL_OUT_OF_HOST_MEMORY || code == CL_INVALID_BUFFER_SIZE || code == CL_MAP_FAILURE;
}

lop_status opencl_buf_open(lop_buf *buf)
{
    opencl_device *device = buf->device->impl;
    const bool host = buf->place == LOP_ON_HOST;
    const size_t bytes = buf->bytes > LEAST_BYTES ? buf->bytes : LEAST_BYTES;
    const cl_mem_flags flags = CL_MEM_READ_WRITE | (host ? CL_MEM_ALLOC_HOST_PTR : 0);
    const char *call = "clCreateBuffer";
    cl_int code = CL_SUCCESS;
    buf->impl = clCreateBuffer(device->context, flags, bytes, NULL, &code);
    if (code == CL_SUCCESS) {
        call = host ? "clEnqueueMapBuffer" : "clEnqueueFillBuffer";
        code = host ? map(device, buf, bytes) : touch(device, buf->impl);
    }
    if (code == CL_SUCCESS) {
        if (!host) atomic_fetch_add(&device->bytes_held, bytes);
        return LOP_OK;
    }
    if (buf->impl != NULL) (void)clReleaseMemObject(buf->impl);
    buf->impl = NULL;
    const lop_status status = opencl_fail(code, call, __FILE__, __LINE__);
    if (!is_refusal(code)) return status;
    return host ? LOP_E_MEMORY : LOP_E_DEVICE_MEMORY;
}

void opencl_buf_close(lop_buf *buf)
{
    opencl_device *device = buf->device->impl;
    if (buf->host != NULL) {
        (void)clEnqueueUnmapMemObject(device->service, buf->impl, buf->host, 0, NULL, NULL);
        (void)clFinish(device->service);
    } else {
        atomic_fetch_sub(&device->bytes_held, buf->bytes > LEAST_BYTES ? buf->bytes : LEAST_BYTES);
    }
    (void)clReleaseMemObject(buf->impl);
}

lop_status opencl_spare(lop_queue *q, size_t bytes, cl_mem *out)
{
    opencl_queue *queue = q->impl;
    const opencl_device *device = q->device->impl;
    if (bytes > queue->spare_bytes) {
        cl_int code = CL_SUCCESS;
        if (queue->spare != NULL)
            (void)clReleaseMemObject(queue->spare); /* kept until queued work has used it */
        queue->spare_bytes = 0;
        queue->spare = clCreateBuffer(device->context, CL_MEM_READ_WRITE, bytes, NULL, &code);
        if (code != CL_SUCCESS) {
            queue->spare = NULL;
            (void)opencl_fail(code, "clCreateBuffer", __FILE__, __LINE__);
            return LOP_FAIL(LOP_E_DEVICE_MEMORY,
                            "%zu bytes for the copies that CLBlast makes of a product's operands: %s", bytes,
                            opencl_code_name(code));
        }
        queue->spare_bytes = bytes;
    }
    *out = queue->spare;
    return LOP_OK;
}

/* Both on the host: through the device, in pieces, since only a queue's commands keep the queue's order. */
static lop_status host_copy(lop_queue *q, char *dst, const char *src, size_t bytes)
{
    opencl_queue *queue = q->impl;
    cl_mem spare = NULL;
    LOP_TRY(opencl_spare(q, PIECE_BYTES, &spare));
    for (size_t at = 0; at < bytes; at += PIECE_BYTES) {
        const size_t piece = bytes - at < PIECE_BYTES ? bytes - at : PIECE_BYTES;
        OPENCL_TRY(clEnqueueWriteBuffer(queue->queue, spare, CL_FALSE, 0, piece, src + at, 0, NULL, NULL));
        OPENCL_TRY(clEnqueueReadBuffer(queue->queue, spare, CL_FALSE, 0, piece, dst + at, 0, NULL, NULL));
    }
    return LOP_OK;
}

lop_status opencl_copy(lop_queue *q, lop_buf *dst, size_t dst_at, const lop_buf *src, size_t src_at,
                       size_t bytes)
{
    const opencl_queue *queue = q->impl;
    char *to = dst->host, *from = src->host;
    if (bytes == 0) return LOP_OK;
    if (to != NULL && from != NULL) return host_copy(q, to + dst_at, from + src_at, bytes);
    if (from != NULL) {
        OPENCL_TRY(clEnqueueWriteBuffer(queue->queue, dst->impl, CL_FALSE, dst_at, bytes, from + src_at, 0,
                                        NULL, NULL));
    } else if (to != NULL) {
        OPENCL_TRY(clEnqueueReadBuffer(queue->queue, src->impl, CL_FALSE, src_at, bytes, to + dst_at, 0, NULL,
                                       NULL));
    } else {
        OPENCL_TRY(
            clEnqueueCopyBuffer(queue->queue, src->impl, dst->impl, src_at, dst_at, bytes, 0, NULL, NULL));
    }
    return LOP_OK;
}

/* The same way for a page-locked buffer: the device is filled and read. */
static lop_status host_fill(lop_queue *q, char *dst, size_t bytes, uint8_t value)
{
    const opencl_queue *queue = q->impl;
    cl_mem spare = NULL;
    LOP_TRY(opencl_spare(q, PIECE_BYTES, &spare));
    OPENCL_TRY(clEnqueueFillBuffer(queue->queue, spare, &value, 1, 0, PIECE_BYTES, 0, NULL, NULL));
    for (size_t at = 0; at < bytes; at += PIECE_BYTES) {
        const size_t piece = bytes - at < PIECE_BYTES ? bytes - at : PIECE_BYTES;
        OPENCL_TRY(clEnqueueReadBuffer(queue->queue, spare, CL_FALSE, 0, piece, dst + at, 0, NULL, NULL));
    }
    return LOP_OK;
}

lop_status opencl_fill(lop_queue *q, lop_buf *dst, size_t dst_at, size_t bytes, uint8_t value)
{
    const opencl_queue *queue = q->impl;
    if (bytes == 0) return LOP_OK;
    if (dst->host != NULL) return host_fill(q, (char *)dst->host + dst_at, bytes, value);
    OPENCL_TRY(clEnqueueFillBuffer(queue->queue, dst->impl, &value, 1, dst_at, bytes, 0, NULL, NULL));
    return LOP_OK;
}
