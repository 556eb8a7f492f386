/* device.h - find, open and close processors; queues, fences and buffers as objects with one owner each. */
#ifndef LOP_CORE_DEVICE_DEVICE_H
#define LOP_CORE_DEVICE_DEVICE_H

#include "core/device/backend.h"

/* Opens device `index` of the backend named `backend`, or of the best one that has a device when it is "auto": an
 * accelerator, else the last of the list.
 * LOP_E_DEVICE: no such backend or device (the sentence lists what there is). */
LOP_CHECKED lop_status lop_device_open(const char *backend, int index, lop_device *out);
void lop_device_close(lop_device *device);

LOP_CHECKED lop_status lop_device_threads(lop_device *device, int threads); /* 0: all */

/* How a model's own products are computed from now on; LOP_MATH_NATIVE when a device opens. */
void lop_device_math(lop_device *device, lop_math math);
const char *lop_math_name(lop_math math); /* "f32", "tf32", "native" */

/* Whether the backend's quicker ways are taken; they are when a device opens. */
void lop_device_fast(lop_device *device, bool on);

LOP_CHECKED lop_status lop_queue_open(lop_device *device, lop_queue *out);
void lop_queue_close(lop_queue *q); /* waits first */
LOP_CHECKED lop_status lop_queue_wait(lop_queue *q);
LOP_CHECKED lop_status
lop_queue_room(lop_queue *q); /* opens q->room if the device wants one and it is not there */

/* Waits before memory goes that q may still work on, as it does where a function ends half way; what failed before keeps
 * its sentence, and what fails in q then is of no interest. */
void lop_queue_settle(lop_queue *q);

LOP_CHECKED lop_status lop_fence_open(lop_device *device, lop_fence *out);
void lop_fence_close(lop_fence *f);
LOP_CHECKED lop_status lop_fence_mark(lop_queue *q, lop_fence *f);
LOP_CHECKED lop_status lop_fence_wait(lop_queue *q, const lop_fence *f);
LOP_CHECKED lop_status lop_fence_wait_host(const lop_fence *f);
LOP_CHECKED lop_status lop_fence_nanoseconds(const lop_fence *from, const lop_fence *to, double *ns);

/* `bytes` of memory, contents undefined. LOP_E_DEVICE_MEMORY (or LOP_E_MEMORY on the host) says how much was asked. */
LOP_CHECKED lop_status lop_buf_open(lop_device *device, lop_place place, size_t bytes, lop_buf *out);
void lop_buf_close(lop_buf *buf);

/* The fault ladder for tests: the n-th buffer from now (1 is the next) and all after it fail; 0 turns it off. */
void lop_buf_fail_at(int64_t n);

/* Bytes of device memory that buffers of this process hold now, and held at most. */
typedef struct lop_buf_use {
    size_t now, peak;
} lop_buf_use;
lop_buf_use lop_buf_used(lop_place place);

/* m = 0.  Any type. Queued. */
LOP_CHECKED lop_status lop_mat_zero(lop_queue *q, lop_mat m);

/* Small things between host and device; both wait for the queue. Rows are packed (cols elements each) on the host. */
LOP_CHECKED lop_status lop_upload(lop_queue *q, const void *host, lop_mat to);
LOP_CHECKED lop_status lop_download(lop_queue *q, lop_mat from, void *host);

#endif
