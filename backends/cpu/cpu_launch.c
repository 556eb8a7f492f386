/* cpu_launch.c - groups of a kernel over OpenMP's threads. A group's result never depends on which thread ran it, nor on
 * how many there are. */
#include "backends/cpu/cpu_backend.h"
#include "core/base/memory.h"

#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#else
static int omp_get_num_procs(void)
{
    return 1;
}
static int omp_get_thread_num(void)
{
    return 0;
}
#endif

enum { LINE = 64 }; /* a cache line: what two threads write never shares one */

int cpu_threads_all(void)
{
    return omp_get_num_procs();
}

lop_status cpu_threads_set(lop_device *device, int threads)
{
    ((cpu_device *)device->impl)->threads = threads > 0 ? threads : cpu_threads_all();
    return LOP_OK;
}

/* Local memory of `threads` groups, kept by the queue and grown when a launch wants more. */
static lop_status local_want(cpu_queue *q, size_t bytes)
{
    if (bytes <= q->local_bytes) return LOP_OK;
    lop_free(q->local);
    q->local_bytes = 0;
    LOP_TRY(lop_alloc_aligned(bytes, LINE, &q->local));
    q->local_bytes = bytes;
    return LOP_OK;
}

/* The parameters are the interface's own. NOLINTNEXTLINE(readability-function-size) */
lop_status cpu_launch(lop_queue *q, lop_kernel k, lop_type word, bool wide, int32_t groups, int32_t lanes,
                      size_t local_bytes, int32_t nargs, const lop_arg *args)
{
    (void)wide, (void)lanes, (void)nargs;
    const cpu_device *device = q->device->impl;
    cpu_queue *queue = q->impl;
    cpu_call *call = (int)word < CPU_WORDS ? device->kernels->calls[k][word] : NULL;
    if (call == NULL)
        return LOP_FAIL(LOP_E_INTERNAL, "kernel %d has no instance for word %d", (int)k, (int)word);
    const int threads = groups < device->threads ? groups : device->threads;
    const size_t stride = (local_bytes + LINE - 1) / LINE * LINE;
    LOP_TRY(local_want(queue, stride * (size_t)threads));
    char *const local = queue->local;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int32_t group = 0; group < groups; group++) {
        void *mine = stride == 0 ? NULL : local + stride * (size_t)omp_get_thread_num();
        call(group, mine, args);
    }
    return LOP_OK;
}
