/* far_memory.c - the CPU's backend behind queues that are threads and buffers without an address. */
#include "tests/harness/far_memory.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ARGS_MOST = 32, HELD_UP = 16, HELD_UP_NS = 200000, POISON = 0xff };

typedef struct far_backend {
    lop_backend shown; /* what the device points at; the first member, so that a call finds the real one */
    const lop_backend *real;
} far_backend;

typedef struct far_fence {
    pthread_mutex_t lock;
    pthread_cond_t passed;
    int64_t marked, reached; /* marks queued, and the last that its queue came to */
    int users;               /* the owner, and commands that name it */
    struct timespec when;
} far_fence;

typedef struct far_buf {
    lop_buf real;        /* the first member, so that a matrix of it is one of the real buffer */
    atomic_int commands; /* queued and not done that name it */
} far_buf;

typedef enum far_kind { DO_COPY, DO_FILL, DO_GEMM, DO_LAUNCH, DO_MARK, DO_WAIT } far_kind;

typedef struct far_command {
    struct far_command *next;
    far_kind kind;
    far_fence *fence;
    int64_t ticket;
    lop_buf *dst, *src; /* the real ones */
    size_t dst_at, src_at, bytes;
    uint8_t value;
    lop_gemm_args gemm;
    lop_kernel kernel;
    lop_type word;
    bool wide;
    int32_t groups, lanes, nargs;
    size_t local_bytes;
    lop_arg args[ARGS_MOST];
} far_command;

typedef struct far_queue {
    lop_queue real;
    const lop_backend *backend;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    far_command *first, **last;
    bool busy, quit;
    lop_status failed;
    lop_error_record record;
    uint32_t chance;
} far_queue;

static _Thread_local int64_t waits;

int64_t far_memory_waits(void)
{
    return waits;
}

static const lop_backend *real_of(const lop_device *device)
{
    return ((const far_backend *)(const void *)device->backend)->real;
}

static lop_status no_memory(void)
{
    return LOP_FAIL(LOP_E_MEMORY, "no memory for the double of a device");
}

/* ---- fences */

static void fence_let_go(far_fence *f)
{
    (void)pthread_mutex_lock(&f->lock);
    const int left = --f->users;
    (void)pthread_mutex_unlock(&f->lock);
    if (left > 0) return;
    (void)pthread_cond_destroy(&f->passed);
    (void)pthread_mutex_destroy(&f->lock);
    free(f);
}

static lop_status far_fence_open(lop_fence *f)
{
    far_fence *fence = calloc(1, sizeof *fence);
    if (fence == NULL) return no_memory();
    (void)pthread_mutex_init(&fence->lock, NULL);
    (void)pthread_cond_init(&fence->passed, NULL);
    fence->users = 1;
    f->impl = fence;
    return LOP_OK;
}

static void far_fence_close(lop_fence *f)
{
    fence_let_go(f->impl);
}

static void fence_reach(far_fence *f, int64_t ticket)
{
    (void)pthread_mutex_lock(&f->lock);
    if (ticket > f->reached) f->reached = ticket;
    (void)clock_gettime(CLOCK_MONOTONIC, &f->when);
    (void)pthread_cond_broadcast(&f->passed);
    (void)pthread_mutex_unlock(&f->lock);
}

static void fence_await(far_fence *f, int64_t ticket)
{
    (void)pthread_mutex_lock(&f->lock);
    while (f->reached < ticket) (void)pthread_cond_wait(&f->passed, &f->lock);
    (void)pthread_mutex_unlock(&f->lock);
}

static int64_t fence_marked(far_fence *f, bool mark)
{
    (void)pthread_mutex_lock(&f->lock);
    f->marked += mark;
    f->users++;
    const int64_t ticket = f->marked;
    (void)pthread_mutex_unlock(&f->lock);
    return ticket;
}

static lop_status far_fence_wait_host(const lop_fence *f)
{
    far_fence *fence = f->impl;
    waits++;
    fence_await(fence, fence_marked(fence, false));
    fence_let_go(fence);
    return LOP_OK;
}

static lop_status far_fence_done(const lop_fence *f, bool *done)
{
    far_fence *fence = f->impl;
    (void)pthread_mutex_lock(&fence->lock);
    *done = fence->reached == fence->marked;
    (void)pthread_mutex_unlock(&fence->lock);
    return LOP_OK;
}

static lop_status far_fence_nanoseconds(const lop_fence *from, const lop_fence *to, double *ns)
{
    const struct timespec *a = &((far_fence *)from->impl)->when, *b = &((far_fence *)to->impl)->when;
    *ns = (double)(b->tv_sec - a->tv_sec) * 1e9 + (double)(b->tv_nsec - a->tv_nsec);
    return LOP_OK;
}

/* ---- the thread of a queue */

static lop_status command_do(far_queue *q, far_command *c)
{
    switch (c->kind) {
    case DO_COPY:
        return q->backend->copy(&q->real, c->dst, c->dst_at, c->src, c->src_at, c->bytes);
    case DO_FILL:
        return q->backend->fill(&q->real, c->dst, c->dst_at, c->bytes, c->value);
    case DO_GEMM:
        return q->backend->gemm(&q->real, &c->gemm);
    case DO_LAUNCH:
        return q->backend->launch(&q->real, c->kernel, c->word, c->wide, c->groups, c->lanes, c->local_bytes,
                                  c->nargs, c->args);
    case DO_MARK:
        fence_reach(c->fence, c->ticket);
        break;
    case DO_WAIT:
        fence_await(c->fence, c->ticket);
        break;
    }
    if (c->fence) fence_let_go(c->fence);
    return LOP_OK;
}

static void buf_count(const lop_buf *real, int by)
{
    far_buf *b = (far_buf *)(uintptr_t)real;
    if (b != NULL) (void)atomic_fetch_add(&b->commands, by);
}

/* Adds to the count of commands of every buffer that a command names. */
static void command_count(const far_command *c, int by)
{
    buf_count(c->dst, by);
    buf_count(c->src, by);
    buf_count(c->gemm.a.buf, by);
    buf_count(c->gemm.b.buf, by);
    buf_count(c->gemm.c.buf, by);
    for (int32_t i = 0; i < c->nargs; i++) buf_count(c->args[i].m.buf, by);
}

/* One command of some comes late, so that what does not wait for it is caught. */
static void hold_up(far_queue *q)
{
    q->chance = q->chance * 1664525u + 1013904223u;
    if (q->chance >> 16 & (HELD_UP - 1)) return;
    const struct timespec some = {0, HELD_UP_NS};
    (void)nanosleep(&some, NULL);
}

static void *queue_main(void *user)
{
    far_queue *q = user;
    (void)pthread_mutex_lock(&q->lock);
    for (;;) {
        while (q->first == NULL && !q->quit) (void)pthread_cond_wait(&q->changed, &q->lock);
        far_command *c = q->first;
        if (c == NULL) break;
        q->first = c->next;
        if (q->first == NULL) q->last = &q->first;
        q->busy = true;
        (void)pthread_mutex_unlock(&q->lock);
        hold_up(q);
        const lop_status status = command_do(q, c);
        command_count(c, -1);
        free(c);
        (void)pthread_mutex_lock(&q->lock);
        if (status != LOP_OK && q->failed == LOP_OK) {
            q->failed = status;
            lop_error_save(&q->record);
        }
        q->busy = false;
        (void)pthread_cond_broadcast(&q->changed);
    }
    (void)pthread_mutex_unlock(&q->lock);
    return NULL;
}

static lop_status queue_add(lop_queue *shown, const far_command *command)
{
    far_queue *q = shown->impl;
    far_command *c = malloc(sizeof *c);
    if (c == NULL) return no_memory();
    *c = *command;
    c->next = NULL;
    command_count(c, 1);
    (void)pthread_mutex_lock(&q->lock);
    *q->last = c;
    q->last = &c->next;
    (void)pthread_cond_broadcast(&q->changed);
    (void)pthread_mutex_unlock(&q->lock);
    return LOP_OK;
}

static lop_status far_queue_open(lop_queue *shown)
{
    far_queue *q = calloc(1, sizeof *q);
    if (q == NULL) return no_memory();
    q->backend = real_of(shown->device);
    q->real.device = shown->device;
    q->last = &q->first;
    q->chance = 1;
    lop_status status = q->backend->queue_open(&q->real);
    if (status != LOP_OK) {
        free(q);
        return status;
    }
    (void)pthread_mutex_init(&q->lock, NULL);
    (void)pthread_cond_init(&q->changed, NULL);
    if (pthread_create(&q->thread, NULL, queue_main, q) != 0) abort();
    shown->impl = q;
    return LOP_OK;
}

static void far_queue_close(lop_queue *shown)
{
    far_queue *q = shown->impl;
    (void)pthread_mutex_lock(&q->lock);
    q->quit = true;
    (void)pthread_cond_broadcast(&q->changed);
    (void)pthread_mutex_unlock(&q->lock);
    (void)pthread_join(q->thread, NULL);
    (void)pthread_cond_destroy(&q->changed);
    (void)pthread_mutex_destroy(&q->lock);
    q->backend->queue_close(&q->real);
    free(q);
}

static lop_status far_queue_wait(lop_queue *shown)
{
    far_queue *q = shown->impl;
    waits++;
    (void)pthread_mutex_lock(&q->lock);
    while (q->first != NULL || q->busy) (void)pthread_cond_wait(&q->changed, &q->lock);
    const lop_status status = q->failed;
    if (status != LOP_OK) lop_error_restore(&q->record);
    q->failed = LOP_OK;
    (void)pthread_mutex_unlock(&q->lock);
    return status;
}

static lop_status far_fence_mark(lop_queue *q, lop_fence *f)
{
    return queue_add(
        q, &(far_command){.kind = DO_MARK, .fence = f->impl, .ticket = fence_marked(f->impl, true)});
}

static lop_status far_fence_wait(lop_queue *q, const lop_fence *f)
{
    return queue_add(
        q, &(far_command){.kind = DO_WAIT, .fence = f->impl, .ticket = fence_marked(f->impl, false)});
}

/* ---- buffers and work */

static lop_status far_buf_open(lop_buf *buf)
{
    far_buf *b = calloc(1, sizeof *b);
    if (b == NULL) return no_memory();
    b->real = *buf;
    const lop_status status = real_of(buf->device)->buf_open(&b->real);
    if (status != LOP_OK) {
        free(b);
        return status;
    }
    memset(b->real.host, POISON, b->real.bytes);
    buf->impl = b;
    buf->host = buf->place == LOP_ON_HOST ? b->real.host : NULL;
    return LOP_OK;
}

/* A device would write into memory that is another's by now: the test ends here, not where that is noticed. */
static void far_buf_close(lop_buf *buf)
{
    far_buf *b = buf->impl;
    const int commands = atomic_load(&b->commands);
    if (commands != 0) {
        (void)fprintf(stderr, "a buffer of %zu bytes is closed while %d queued commands use it\n", buf->bytes,
                      commands);
        abort();
    }
    real_of(buf->device)->buf_close(&b->real);
    free(b);
}

static void mat_real(lop_mat *m)
{
    if (m->buf) m->buf = m->buf->impl;
}

static lop_status far_copy(lop_queue *q, lop_buf *dst, size_t dst_at, const lop_buf *src, size_t src_at,
                           size_t bytes)
{
    return queue_add(q, &(far_command){.kind = DO_COPY,
                                       .dst = dst->impl,
                                       .dst_at = dst_at,
                                       .src = src->impl,
                                       .src_at = src_at,
                                       .bytes = bytes});
}

static lop_status far_fill(lop_queue *q, lop_buf *dst, size_t dst_at, size_t bytes, uint8_t value)
{
    return queue_add(
        q,
        &(far_command){.kind = DO_FILL, .dst = dst->impl, .dst_at = dst_at, .bytes = bytes, .value = value});
}

static lop_status far_gemm(lop_queue *q, const lop_gemm_args *g)
{
    far_command c = {.kind = DO_GEMM, .gemm = *g};
    mat_real(&c.gemm.a);
    mat_real(&c.gemm.b);
    mat_real(&c.gemm.c);
    return queue_add(q, &c);
}

static lop_status far_launch(lop_queue *q, lop_kernel k, lop_type word, bool wide, int32_t groups,
                             int32_t lanes, size_t local_bytes, int32_t nargs, const lop_arg *args)
{
    far_command c = {.kind = DO_LAUNCH,
                     .kernel = k,
                     .word = word,
                     .wide = wide,
                     .groups = groups,
                     .lanes = lanes,
                     .nargs = nargs,
                     .local_bytes = local_bytes};
    if (nargs > ARGS_MOST) return LOP_FAIL(LOP_E_INTERNAL, "%d arguments", nargs);
    for (int32_t i = 0; i < nargs; i++) {
        c.args[i] = args[i];
        mat_real(&c.args[i].m);
    }
    return queue_add(q, &c);
}

/* ---- the device */

static void far_device_close(lop_device *device)
{
    far_backend *far = (far_backend *)(uintptr_t)device->backend;
    far->real->device_close(device);
    free(far);
}

lop_status far_memory_attach(lop_device *device)
{
    far_backend *far = malloc(sizeof *far);
    if (far == NULL) return no_memory();
    *far = (far_backend){.shown = *device->backend, .real = device->backend};
    far->shown.device_close = far_device_close;
    far->shown.buf_open = far_buf_open;
    far->shown.buf_close = far_buf_close;
    far->shown.queue_open = far_queue_open;
    far->shown.queue_close = far_queue_close;
    far->shown.queue_wait = far_queue_wait;
    far->shown.fence_open = far_fence_open;
    far->shown.fence_close = far_fence_close;
    far->shown.fence_mark = far_fence_mark;
    far->shown.fence_wait = far_fence_wait;
    far->shown.fence_wait_host = far_fence_wait_host;
    far->shown.fence_done = far_fence_done;
    far->shown.fence_nanoseconds = far_fence_nanoseconds;
    far->shown.copy = far_copy;
    far->shown.fill = far_fill;
    far->shown.gemm = far_gemm;
    far->shown.launch = far_launch;
    far->shown.fast = NULL;
    device->backend = &far->shown;
    device->fast = NULL;
    device->host_memory = false;
    device->product_bytes = 16 << 20; /* which must be planned and given, and is not used */
    return LOP_OK;
}
