/* opencl_queue.c - queues: work in the order of calls, and the host's wait for it. */
#include "backends/opencl/opencl_queue.h"
#include "core/base/memory.h"

/* Profiling is what makes an event tell its time. */
lop_status opencl_queue_open(lop_queue *q)
{
    const opencl_device *device = q->device->impl;
    opencl_queue *queue = NULL;
    cl_int code = CL_SUCCESS;
    LOP_TRY(LOP_NEW(&queue, 1));
    q->impl = queue;
    queue->queue = clCreateCommandQueue(device->context, device->id, CL_QUEUE_PROFILING_ENABLE, &code);
    lop_status status = code == CL_SUCCESS ? opencl_gemm_prepare(queue)
                                           : opencl_fail(code, "clCreateCommandQueue", __FILE__, __LINE__);
    if (status != LOP_OK) opencl_queue_close(q);
    return status;
}

void opencl_queue_close(lop_queue *q)
{
    opencl_queue *queue = q->impl;
    for (int word = 0; word < OPENCL_WORDS; word++)
        for (int packs = 0; packs < OPENCL_PACKS; packs++)
            for (int k = 0; k < LOP_KERNEL_COUNT; k++)
                if (queue->kernels[word][packs][k].object != NULL)
                    (void)clReleaseKernel(queue->kernels[word][packs][k].object);
    if (queue->spare != NULL) (void)clReleaseMemObject(queue->spare);
    if (queue->queue != NULL) (void)clReleaseCommandQueue(queue->queue);
    lop_free(queue);
    q->impl = NULL;
}

/* A command that failed late tells it by its event, and so does a marker after it. */
lop_status opencl_queue_wait(lop_queue *q)
{
    const opencl_queue *queue = q->impl;
    cl_event event = NULL;
    OPENCL_TRY(clEnqueueMarkerWithWaitList(queue->queue, 0, NULL, &event));
    const cl_int code = clFinish(queue->queue);
    const lop_status status =
        code == CL_SUCCESS ? opencl_event_check(event) : opencl_fail(code, "clFinish", __FILE__, __LINE__);
    (void)clReleaseEvent(event);
    return status;
}

lop_status opencl_event_check(cl_event event)
{
    cl_int state = CL_COMPLETE;
    OPENCL_TRY(clGetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof state, &state, NULL));
    if (state < 0) return opencl_fail(state, "queued work", __FILE__, __LINE__);
    return LOP_OK;
}
