/* launch_counter.c - a backend that counts. */
#include "tests/harness/launch_counter.h"

static launch_counter *counter_of(const lop_queue *q)
{
    return (launch_counter *)(uintptr_t)q->device->backend;
}

static lop_status launch_counted(lop_queue *q, lop_kernel k, lop_type word, bool wide, int32_t groups,
                                 int32_t lanes, size_t local_bytes, int32_t nargs, const lop_arg *args)
{
    launch_counter *counter = counter_of(q);
    counter->queued++;
    counter->launches[k][word][wide]++;
    return counter->real->launch(q, k, word, wide, groups, lanes, local_bytes, nargs, args);
}

static lop_status gemm_counted(lop_queue *q, const lop_gemm_args *g)
{
    launch_counter *counter = counter_of(q);
    counter->queued++;
    return counter->real->gemm(q, g);
}

static lop_status copy_counted(lop_queue *q, lop_buf *dst, size_t dst_at, const lop_buf *src, size_t src_at,
                               size_t bytes)
{
    launch_counter *counter = counter_of(q);
    counter->queued++;
    return counter->real->copy(q, dst, dst_at, src, src_at, bytes);
}

static lop_status fill_counted(lop_queue *q, lop_buf *dst, size_t dst_at, size_t bytes, uint8_t value)
{
    launch_counter *counter = counter_of(q);
    counter->queued++;
    return counter->real->fill(q, dst, dst_at, bytes, value);
}

void launch_counter_attach(launch_counter *counter, lop_device *device)
{
    *counter = (launch_counter){.shown = *device->backend, .real = device->backend};
    counter->shown.launch = launch_counted;
    counter->shown.gemm = gemm_counted;
    counter->shown.copy = copy_counted;
    counter->shown.fill = fill_counted;
    device->backend = &counter->shown;
}

int64_t launch_count(const launch_counter *counter, lop_kernel kernel)
{
    int64_t all = 0;
    for (int word = 0; word < COUNTED_WORDS; word++) {
        all += counter->launches[kernel][word][0] + counter->launches[kernel][word][1];
    }
    return all;
}

const char *kernel_name(lop_kernel kernel)
{
    static const char *const names[] = {
#define K(name, words, ...) #name,
#include "kernels/list.h"
#undef K
        ""};
    return names[kernel];
}
