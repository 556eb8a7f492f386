/* cpu_backend.h - the processor this program runs on, as a backend: memory is host memory, a queue runs what it is given
 * before the call returns, products go to CBLAS in tiles, groups of a launch run on OpenMP's threads. */
#ifndef LOP_BACKENDS_CPU_BACKEND_H
#define LOP_BACKENDS_CPU_BACKEND_H

#include "core/device/backend.h"

extern const lop_backend lop_cpu_backend;

/* One instruction set's compilation of the kernels: calls[k][word], NULL where list.h has no such instance. */
enum { CPU_WORDS = 3 };
typedef void cpu_call(int group, void *local, const lop_arg *args);
typedef struct cpu_kernels {
    const char *name;
    cpu_call *calls[LOP_KERNEL_COUNT][CPU_WORDS];
} cpu_kernels;
extern const cpu_kernels cpu_kernels_baseline;
#if defined(__x86_64__)
extern const cpu_kernels cpu_kernels_avx2;
extern const cpu_kernels cpu_kernels_avx512;
#endif

/* Of a device: which kernels, how many threads. Of a queue: local memory of the groups that run at once. */
typedef struct cpu_device {
    const cpu_kernels *kernels;
    int threads;
    bool products_alone; /* the CBLAS may not be called from two threads at once */
} cpu_device;
typedef struct cpu_queue {
    void *local;
    size_t local_bytes;
} cpu_queue;

int cpu_threads_all(void); /* processors this process may run on */

lop_status cpu_threads_set(lop_device *device, int threads);
lop_status cpu_launch(lop_queue *q, lop_kernel k, lop_type word, bool wide, int32_t groups, int32_t lanes,
                      size_t local_bytes, int32_t nargs, const lop_arg *args);
lop_status cpu_gemm(lop_queue *q, const lop_gemm_args *g);

#endif
