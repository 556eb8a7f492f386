/* opencl_fence.c - fences: the event of a marker in a queue. */
#include "backends/opencl/opencl_queue.h"
#include "core/base/memory.h"

typedef struct opencl_fence {
    cl_event event; /* NULL: not marked yet, nothing to wait for */
} opencl_fence;

static cl_event event_of(const lop_fence *f)
{
    return ((const opencl_fence *)f->impl)->event;
}

lop_status opencl_fence_open(lop_fence *f)
{
    opencl_fence *fence = NULL;
    LOP_TRY(LOP_NEW(&fence, 1));
    f->impl = fence;
    return LOP_OK;
}

void opencl_fence_close(lop_fence *f)
{
    opencl_fence *fence = f->impl;
    if (fence->event != NULL) (void)clReleaseEvent(fence->event);
    lop_free(fence);
}

/* Flushed, because what waits for it in another queue would otherwise wait for work that nobody has sent. */
lop_status opencl_fence_mark(lop_queue *q, lop_fence *f)
{
    const opencl_queue *queue = q->impl;
    opencl_fence *fence = f->impl;
    cl_event event = NULL;
    OPENCL_TRY(clEnqueueMarkerWithWaitList(queue->queue, 0, NULL, &event));
    if (fence->event != NULL) (void)clReleaseEvent(fence->event);
    fence->event = event;
    OPENCL_TRY(clFlush(queue->queue));
    return LOP_OK;
}

lop_status opencl_fence_wait(lop_queue *q, const lop_fence *f)
{
    const opencl_queue *queue = q->impl;
    const cl_event event = event_of(f);
    if (event == NULL) return LOP_OK;
    OPENCL_TRY(clEnqueueBarrierWithWaitList(queue->queue, 1, &event, NULL));
    return LOP_OK;
}

lop_status opencl_fence_wait_host(const lop_fence *f)
{
    const cl_event event = event_of(f);
    if (event == NULL) return LOP_OK;
    const cl_int code = clWaitForEvents(1, &event);
    if (code == CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST) return opencl_event_check(event);
    OPENCL_TRY(code);
    return LOP_OK;
}

lop_status opencl_fence_done(const lop_fence *f, bool *done)
{
    cl_int state = CL_COMPLETE;
    const cl_event event = event_of(f);
    *done = true;
    if (event == NULL) return LOP_OK;
    OPENCL_TRY(clGetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof state, &state, NULL));
    *done = state <= CL_COMPLETE;
    return state < 0 ? opencl_fail(state, "queued work", __FILE__, __LINE__) : LOP_OK;
}

static lop_status time_of(const lop_fence *f, cl_ulong *out)
{
    if (event_of(f) == NULL) return LOP_FAIL(LOP_E_ARGUMENT, "a fence that was not marked has no time");
    OPENCL_TRY(clGetEventProfilingInfo(event_of(f), CL_PROFILING_COMMAND_END, sizeof *out, out, NULL));
    return LOP_OK;
}

lop_status opencl_fence_nanoseconds(const lop_fence *from, const lop_fence *to, double *ns)
{
    cl_ulong a = 0, b = 0;
    LOP_TRY(opencl_fence_wait_host(to));
    LOP_TRY(time_of(from, &a));
    LOP_TRY(time_of(to, &b));
    *ns = (double)b - (double)a;
    return LOP_OK;
}
