/* backend.h - the interface a backend fills: memory, order, the vendor's matrix product, and a launch.
 *
 * Four nouns: lop_device a processor; lop_buf memory on it; lop_queue work in order; lop_mat a view that owns nothing.
 * And lop_fence, a point in a queue. What holds for every backend:
 *
 *   - Core checks every argument before the call; a backend checks only what its device can refuse. No function is
 *     optional; only `fast` has holes.
 *   - A queue belongs to one thread at a time. Work of one queue runs in call order; two are ordered only by fences.
 *   - A failure of queued work may surface in any later call on that queue and must surface in queue_wait. Vendor errors
 *     become LOP_E_DEVICE or LOP_E_DEVICE_MEMORY with the vendor's own words.
 *   - No backend prints, exits or keeps a global; none reads the environment but for folders that its users name there
 *     (core/base/environment.h), or quietly computes on the host what it
 *     should compute on its device.
 *   - The same input gives the same bits on the same device, at any number of threads. */
#ifndef LOP_CORE_DEVICE_BACKEND_H
#define LOP_CORE_DEVICE_BACKEND_H

#include "core/base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Storage words and the types of indices, counts and keep bits. */
typedef enum lop_type {
    LOP_F32,
    LOP_F16,
    LOP_BF16,
    LOP_F64,
    LOP_U8,
    LOP_U16,
    LOP_U32,
    LOP_I32,
    LOP_I64
} lop_type;

/* Products of f32 operands; 16-bit operands are exact in any of them, and accumulation is at least f32. */
typedef enum lop_math {
    LOP_MATH_F32,  /* full f32: no TF32. For a model's own products: its weights as f32 whatever their type */
    LOP_MATH_TF32, /* the device may round f32 operands to TF32 */
    LOP_MATH_NATIVE /* a model's products in its own type where the device takes it; f32 operands as in F32 */
} lop_math;

typedef struct lop_backend lop_backend;

/* Quicker ways to do what the plain path does: defined below. */
typedef struct lop_fast lop_fast;

typedef struct lop_device { /* one processor */
    const lop_backend *backend;
    void *impl;             /* the backend's own */
    char name[64];          /* as the vendor calls it */
    size_t bytes_total;     /* device memory */
    size_t max_buf;         /* the largest buffer */
    size_t local_bytes;     /* local memory of a group */
    size_t align;           /* of a buffer's start, in bytes */
    int units, lanes_max;   /* multiprocessors or cores; the widest group */
    uint32_t product_types; /* bit per lop_type that gemm takes as operands */
    size_t
        product_bytes; /* device memory that a queue's products and factors work in; 0: none, or not known */
    bool host_memory;  /* true: device memory is host memory */
    bool accelerator;  /* true: not a processor of this host, so worth taking before one */
    lop_math math;     /* set by core: how a model's own products are computed */
    const lop_fast *fast; /* set by core: the backend's quicker ways, or NULL: the plain ones alone */
} lop_device;

typedef struct lop_fence {
    lop_device *device;
    void *impl;
} lop_fence;

typedef enum lop_place { LOP_ON_DEVICE, LOP_ON_HOST } lop_place;

typedef struct lop_buf {
    lop_device *device;
    void *impl;
    void *host; /* its address when it lies on the host (page-locked), or when device memory is host memory */
    size_t bytes;
    lop_place place;
} lop_buf;

typedef struct lop_queue {
    lop_device *device;
    void *impl;
    lop_buf stage; /* set by core: page-locked memory that small transfers pass through */
    lop_buf room;  /* set by core before the first product or factor: the device's product_bytes */
} lop_queue;

typedef struct lop_mat { /* a row-major view: owns nothing, passed by value; buf NULL: absent */
    lop_buf *buf;
    int64_t at;             /* first element, in elements */
    int32_t rows, cols, ld; /* ld >= cols, in elements */
    lop_type type;
} lop_mat;

/* C[i] = alpha op(A[i]) op(B[i]) + beta C[i], i < count; A[i] starts step_a elements after A[i-1]. Operand types: the
 * device's product_types; accumulation f32 (f64 for f64); C in f32 or, with beta = 0, the operands' type: a sum of 16-bit
 * words would be rounded twice. */
typedef struct lop_gemm_args {
    lop_mat a, b, c;
    bool ta, tb;
    float alpha, beta;
    lop_math math;
    int32_t count;
    int64_t step_a, step_b, step_c;
} lop_gemm_args;

/* Causal attention of heads side by side: out = softmax(scale q k^T) v, a head h looking at key head h KV / H, a query at
 * position first + t at the keys up to its own and of these, if window > 0, at the last `window`. Sizes: S sequences, T
 * query tokens each, P = first + T positions, H query heads, KV key heads, hd head size; words W all alike. */
typedef struct lop_attend_args {
    lop_mat q, out; /* (S T, H hd) W */
    lop_mat k, v;   /* (S P, KV hd) W */
    lop_mat
        log_sum; /* (S H, T) f32 or absent: logarithm of the softmax's denominator, which backward reads */
    lop_mat d_out, dq; /* backward: (S T, H hd) W; absent: forward is asked for */
    lop_mat dk, dv;    /* backward: (S P, KV hd) W */
    lop_mat delta;     /* backward, scratch: (S H, T) f32 */
    int32_t heads, kv_heads, head_dim;
    int32_t sequences, tokens, first, window;
    float scale; /* > 0 */
} lop_attend_args;

/* Every kernel once, from kernels/list.h: LOP_KERNEL_softmax_row, ... */
typedef enum lop_kernel {
#define K(name, words, ...) LOP_KERNEL_##name,
#include "kernels/list.h"
#undef K
    LOP_KERNEL_COUNT
} lop_kernel;

/* One argument of a launch; which member counts is the kind that kernels/list.h gives it. */
typedef struct lop_arg {
    lop_mat m;
    union {
        int32_t i;
        int64_t l;
        uint64_t u;
        float f;
    };
} lop_arg;

/* Why a backend has no device, or what it passed over to find those it has; "" if there is nothing to say. */
typedef struct lop_why {
    char text[256];
} lop_why;

/* Quicker ways to do what the plain path does. Each may be NULL; they give the plain path's values up to rounding, and the
 * same bits every time. */
struct lop_fast {
    /* Whether the next two take these views and sizes; forward without d_out, backward with it. What is taken backward is
     * taken forward too. */
    bool (*attend_takes)(const lop_device *device, const lop_attend_args *args);
    lop_status (*attend)(lop_queue *q, const lop_attend_args *args); /* writes out, and log_sum if present */
    lop_status (*attend_back)(lop_queue *q, const lop_attend_args *args); /* writes dq, dk, dv and delta */
    /* h = L L^T in place, by the lower triangle of h (n, n) f32 alone, n > 0; what lies above it stays or not. f32 without
     * TF32; may work in the queue's room. info (1, 1) i32 on the device receives 0, or 1 more than the first column whose
     * pivot is not positive: h holds then what it holds. `taken` false: nothing is queued, the plain way is to do it. */
    lop_status (*chol)(lop_queue *q, lop_mat h, lop_mat info, bool *taken);
};

struct lop_backend {
    const char *name;                                     /* "cpu", ... */
    lop_status (*device_count)(int *count, lop_why *why); /* 0 is an answer, not an error; why is "" before */
    lop_status (*device_open)(int index, lop_device *device);
    void (*device_close)(lop_device *device);
    lop_status (*bytes_free)(lop_device *device, size_t *bytes);
    lop_status (*buf_open)(lop_buf *buf); /* device, place and bytes are set; contents undefined */
    void (*buf_close)(lop_buf *buf);      /* core has already waited */
    lop_status (*queue_open)(lop_queue *q);
    void (*queue_close)(lop_queue *q);
    lop_status (*queue_wait)(lop_queue *q); /* the host waits; late failures come out here */
    lop_status (*fence_open)(lop_fence *f);
    void (*fence_close)(lop_fence *f);
    lop_status (*fence_mark)(lop_queue *q, lop_fence *f);
    lop_status (*fence_wait)(lop_queue *q, const lop_fence *f); /* the queue waits, the host does not */
    lop_status (*fence_wait_host)(const lop_fence *f);
    lop_status (*fence_done)(const lop_fence *f, bool *done);
    lop_status (*fence_nanoseconds)(const lop_fence *from, const lop_fence *to, double *ns);
    lop_status (*copy)(lop_queue *q, lop_buf *dst, size_t dst_at, const lop_buf *src, size_t src_at,
                       size_t bytes);
    lop_status (*fill)(lop_queue *q, lop_buf *dst, size_t dst_at, size_t bytes, uint8_t value);
    lop_status (*gemm)(lop_queue *q, const lop_gemm_args *g);
    lop_status (*launch)(lop_queue *q, lop_kernel k, lop_type word, bool wide, int32_t groups, int32_t lanes,
                         size_t local_bytes, int32_t nargs, const lop_arg *args);
    lop_status (*threads_set)(lop_device *device,
                              int threads); /* host threads to use; 0: all. No-op off the CPU */
    const lop_fast *fast;                   /* NULL: none */
};

/* The backends of this build, best first; backends/backends.c. Handed to core by whoever opens a session. */
typedef struct lop_backend_list {
    const lop_backend *const *at;
    int count;
} lop_backend_list;
#ifdef __cplusplus
extern "C" {
#endif
lop_backend_list lop_backends(void);

/* Backends that exist and are not in this build, with the reason, for `lop devices`. */
typedef struct lop_backend_missing {
    const char *name, *why;
} lop_backend_missing;
const lop_backend_missing *lop_backends_missing(int *count);
#ifdef __cplusplus
}
#endif

#endif
