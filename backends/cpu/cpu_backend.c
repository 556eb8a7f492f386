/* cpu_backend.c - the CPU as a device: memory, queues, fences, copies. */
#include "backends/cpu/cpu_backend.h"
#include "core/base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { ALIGN = 64, HUGE_PAGE = 2 << 20, LOCAL_BYTES = 1 << 20 };

/* A threaded OpenBLAS would fight OpenMP's threads and give other bits at other counts; the symbol is there in any build
 * of OpenBLAS and absent in another CBLAS. */
extern void openblas_set_num_threads(int threads) __attribute__((weak));

/* 0: a build without threads, which takes its buffers without a lock. Two calls at once spoil each other's products. */
extern int openblas_get_parallel(void) __attribute__((weak));

static lop_status cpu_device_count(int *count, lop_why *why)
{
    (void)why;
    *count = 1;
    return LOP_OK;
}

static const cpu_kernels *kernels_best(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        return &cpu_kernels_avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return &cpu_kernels_avx2;
#endif
    return &cpu_kernels_baseline;
}

/* The processor's name as the kernel tells it, "CPU" where it does not, and the instruction set in use. */
static void name_write(lop_device *device, const char *set)
{
    char line[256], model[40] = "CPU";
    FILE *file = fopen("/proc/cpuinfo", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || colon == NULL) continue;
        const char *value = colon + 1 + strspn(colon + 1, " ");
        (void)snprintf(model, sizeof model, "%.*s", (int)strcspn(value, "\n"), value);
        break;
    }
    if (file != NULL) (void)fclose(file);
    (void)snprintf(device->name, sizeof device->name, "%s (%s)", model, set);
}

static lop_status cpu_device_open(int index, lop_device *device)
{
    (void)index;
    cpu_device *cpu = NULL;
    LOP_TRY(LOP_NEW(&cpu, 1));
    cpu->kernels = kernels_best();
    cpu->threads = cpu_threads_all();
    if (openblas_set_num_threads != NULL) openblas_set_num_threads(1);
    cpu->products_alone = openblas_get_parallel != NULL && openblas_get_parallel() == 0;
    const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    device->impl = cpu;
    device->bytes_total = pages > 0 && page > 0 ? (size_t)pages * (size_t)page : 0;
    device->max_buf = SIZE_MAX / 2;
    device->local_bytes = LOCAL_BYTES;
    device->align = ALIGN;
    device->units = cpu_threads_all();
    device->lanes_max = 1;
    device->product_types = 1u << LOP_F32;
    device->host_memory = true;
    name_write(device, cpu->kernels->name);
    return LOP_OK;
}

static void cpu_device_close(lop_device *device)
{
    lop_free(device->impl);
}

/* The number after `name` at the start of a line of a kernel's text file; false if there is none ("max"). */
static bool number_read(const char *path, const char *name, size_t *out)
{
    char line[256];
    const size_t size = strlen(name);
    bool found = false;
    FILE *file = fopen(path, "r");
    while (!found && file != NULL && fgets(line, sizeof line, file) != NULL) {
        char *end = line;
        if (strncmp(line, name, size) == 0) *out = (size_t)strtoull(line + size, &end, 10);
        found = end > line + size;
    }
    if (file != NULL) (void)fclose(file);
    return found;
}

/* What the kernel calls available, or what is left of this process's control group where that is less. */
static lop_status cpu_bytes_free(lop_device *device, size_t *bytes)
{
    size_t kib = 0, most = 0, now = 0;
    *bytes = number_read("/proc/meminfo", "MemAvailable:", &kib) ? kib * 1024 : device->bytes_total;
    if (number_read("/sys/fs/cgroup/memory.max", "", &most) &&
        number_read("/sys/fs/cgroup/memory.current", "", &now)) {
        const size_t left = most > now ? most - now : 0;
        if (left < *bytes) *bytes = left;
    }
    return LOP_OK;
}

static lop_status cpu_buf_open(lop_buf *buf)
{
    const bool huge = buf->bytes >= HUGE_PAGE;
    LOP_TRY(lop_alloc_aligned(buf->bytes, huge ? HUGE_PAGE : ALIGN, &buf->host));
    if (huge)
        (void)madvise(buf->host, buf->bytes,
                      MADV_HUGEPAGE); /* fewer faults and TLB misses; no is an answer */
    buf->impl = buf->host;
    return LOP_OK;
}

static void cpu_buf_close(lop_buf *buf)
{
    lop_free(buf->impl);
}

static lop_status cpu_queue_open(lop_queue *q)
{
    cpu_queue *queue = NULL;
    LOP_TRY(LOP_NEW(&queue, 1));
    q->impl = queue;
    return LOP_OK;
}

static void cpu_queue_close(lop_queue *q)
{
    cpu_queue *queue = q->impl;
    lop_free(queue->local);
    lop_free(queue);
}

/* Work is done when its call returns: there is nothing to wait for, in a queue or between two. */
static lop_status cpu_queue_wait(lop_queue *q)
{
    (void)q;
    return LOP_OK;
}

static lop_status cpu_fence_open(lop_fence *f)
{
    struct timespec *marked = NULL;
    LOP_TRY(LOP_NEW(&marked, 1));
    f->impl = marked;
    return LOP_OK;
}

static void cpu_fence_close(lop_fence *f)
{
    lop_free(f->impl);
}

static lop_status cpu_fence_mark(lop_queue *q, lop_fence *f)
{
    (void)q;
    (void)clock_gettime(CLOCK_MONOTONIC, f->impl);
    return LOP_OK;
}

static lop_status cpu_fence_wait(lop_queue *q, const lop_fence *f)
{
    (void)q, (void)f;
    return LOP_OK;
}

static lop_status cpu_fence_wait_host(const lop_fence *f)
{
    (void)f;
    return LOP_OK;
}

static lop_status cpu_fence_done(const lop_fence *f, bool *done)
{
    (void)f;
    *done = true;
    return LOP_OK;
}

static lop_status cpu_fence_nanoseconds(const lop_fence *from, const lop_fence *to, double *ns)
{
    const struct timespec *a = from->impl, *b = to->impl;
    *ns = (double)(b->tv_sec - a->tv_sec) * 1e9 + (double)(b->tv_nsec - a->tv_nsec);
    return LOP_OK;
}

static lop_status cpu_copy(lop_queue *q, lop_buf *dst, size_t dst_at, const lop_buf *src, size_t src_at,
                           size_t bytes)
{
    (void)q;
    memcpy((char *)dst->host + dst_at, (const char *)src->host + src_at, bytes);
    return LOP_OK;
}

static lop_status cpu_fill(lop_queue *q, lop_buf *dst, size_t dst_at, size_t bytes, uint8_t value)
{
    (void)q;
    memset((char *)dst->host + dst_at, value, bytes);
    return LOP_OK;
}

const lop_backend lop_cpu_backend = {
    .name = "cpu",
    .device_count = cpu_device_count,
    .device_open = cpu_device_open,
    .device_close = cpu_device_close,
    .bytes_free = cpu_bytes_free,
    .buf_open = cpu_buf_open,
    .buf_close = cpu_buf_close,
    .queue_open = cpu_queue_open,
    .queue_close = cpu_queue_close,
    .queue_wait = cpu_queue_wait,
    .fence_open = cpu_fence_open,
    .fence_close = cpu_fence_close,
    .fence_mark = cpu_fence_mark,
    .fence_wait = cpu_fence_wait,
    .fence_wait_host = cpu_fence_wait_host,
    .fence_done = cpu_fence_done,
    .fence_nanoseconds = cpu_fence_nanoseconds,
    .copy = cpu_copy,
    .fill = cpu_fill,
    .gemm = cpu_gemm,
    .launch = cpu_launch,
    .threads_set = cpu_threads_set,
    .fast = NULL,
};
