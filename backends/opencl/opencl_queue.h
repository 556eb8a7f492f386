/* opencl_queue.h - queues and fences of the OpenCL backend. */
#ifndef LOP_BACKENDS_OPENCL_QUEUE_H
#define LOP_BACKENDS_OPENCL_QUEUE_H

#include "backends/opencl/opencl_device.h"

lop_status opencl_queue_open(lop_queue *q);
void opencl_queue_close(lop_queue *q);
lop_status opencl_queue_wait(lop_queue *q);

/* The failure of the work that an event stands for, if it failed. */
LOP_CHECKED lop_status opencl_event_check(cl_event event);

lop_status opencl_fence_open(lop_fence *f);
void opencl_fence_close(lop_fence *f);
lop_status opencl_fence_mark(lop_queue *q, lop_fence *f);
lop_status opencl_fence_wait(lop_queue *q, const lop_fence *f);
lop_status opencl_fence_wait_host(const lop_fence *f);
lop_status opencl_fence_done(const lop_fence *f, bool *done);
lop_status opencl_fence_nanoseconds(const lop_fence *from, const lop_fence *to, double *ns);

#endif
