/* opencl_gemm.c - matrix products by CLBlast.
 *
 * CLBlast's quick kernel wants each operand packed, at offset 0 and the right way round, in whole tiles; what is not it
 * copies at every call into temporary memory, which is the queue's own here. An offset costs nothing: a view of the
 * buffer starts there. Which way round is right depends on the kernel that CLBlast's tables name for the device, so the
 * queue asks once whether C = A B or its transpose copies less. */
#include "backends/opencl/opencl_device.h"

#include <clblast_c.h>

/* A matrix as CLBlast takes it: a buffer and an offset of elements in it, small whatever lies before. */
typedef struct operand {
    cl_mem mem;
    size_t at, ld, step;
    CLBlastTranspose transpose;
    bool owned; /* `mem` is a view, to be released */
} operand;

typedef struct product {
    operand a, b, c; /* in CLBlast's order: a and b change places where the transpose is asked for */
    CLBlastLayout layout;
    size_t m, n, k, count;
} product;

/* Bytes of a buffer, from a place where a view may begin. */
typedef struct region {
    const lop_buf *buf;
    size_t start, end;
} region;

static region region_of(const opencl_device *device, lop_mat m, int64_t step, int32_t count)
{
    const size_t size = sizeof(float), first = (size_t)m.at * size;
    if (m.rows == 0) return (region){.buf = m.buf};
    const size_t elements =
        (size_t)(m.rows - 1) * (size_t)m.ld + (size_t)m.cols + (size_t)(count - 1) * (size_t)step;
    return (region){m.buf, first / device->view_align * device->view_align, first + elements * size};
}

/* Regions that overlap become one: NVIDIA's driver ends the program when it releases one of several overlapping views. */
static void merge(region *r, region *s)
{
    if (r->buf != s->buf || r->start >= s->end || s->start >= r->end) return;
    r->start = s->start = r->start < s->start ? r->start : s->start;
    r->end = s->end = r->end > s->end ? r->end : s->end;
}

/* A view of region r, or the one that `shared` has of it. */
static lop_status view_open(const region *r, const operand *shared, operand *out)
{
    out->mem = shared != NULL ? shared->mem : opencl_mem(r->buf);
    if (shared != NULL || r->start == 0) return LOP_OK;
    cl_int code = CL_SUCCESS;
    const cl_buffer_region of = {r->start, r->end - r->start};
    cl_mem view = clCreateSubBuffer(out->mem, CL_MEM_READ_WRITE, CL_BUFFER_CREATE_TYPE_REGION, &of, &code);
    OPENCL_TRY(code);
    out->mem = view;
    out->owned = true;
    return LOP_OK;
}

static lop_status operands_open(const opencl_device *device, const lop_gemm_args *g, operand *out)
{
    const lop_mat m[3] = {g->a, g->b, g->c};
    const int64_t step[3] = {g->step_a, g->step_b, g->step_c};
    const bool transposed[3] = {g->ta, g->tb, false};
    region r[3];
    for (int i = 0; i < 3; i++) r[i] = region_of(device, m[i], step[i], g->count);
    for (int pair = 0; pair < 6; pair++) merge(&r[pair % 3], &r[(pair + 1) % 3]);
    for (int i = 0; i < 3; i++) {
        int same = 0;
        while (r[same].buf != r[i].buf || r[same].start != r[i].start || r[same].end != r[i].end) same++;
        out[i].at = (size_t)m[i].at - r[i].start / sizeof(float);
        out[i].ld = (size_t)m[i].ld;
        out[i].step = (size_t)step[i];
        out[i].transpose = transposed[i] ? CLBlastTransposeYes : CLBlastTransposeNo;
        LOP_TRY(view_open(&r[i], same < i ? &out[same] : NULL, &out[i]));
    }
    return LOP_OK;
}

/* Queued work keeps what it uses. */
static void operand_close(const operand *o)
{
    if (o->owned) (void)clReleaseMemObject(o->mem);
}

static void product_close(const product *p)
{
    operand_close(&p->a);
    operand_close(&p->b);
    operand_close(&p->c);
}

static lop_status product_open(const lop_queue *q, const lop_gemm_args *g, product *out)
{
    const opencl_device *device = q->device->impl;
    const opencl_queue *queue = q->impl;
    operand o[3] = {0};
    const lop_status status = operands_open(device, g, o);
    const size_t m = (size_t)g->c.rows, n = (size_t)g->c.cols;
    *out = (product){o[0], o[1], o[2], CLBlastLayoutRowMajor, m, n, 0, (size_t)g->count};
    if (queue->transposes)
        *out = (product){o[1], o[0], o[2], CLBlastLayoutColMajor, n, m, 0, (size_t)g->count};
    out->k = (size_t)(g->ta ? g->a.rows : g->a.cols);
    if (status != LOP_OK) product_close(out);
    return status;
}

static CLBlastStatusCode spare_size(const product *p, cl_command_queue *queue, size_t *out)
{
    return CLBlastSGemmTempBufferSize(p->layout, p->a.transpose, p->b.transpose, p->m, p->n, p->k, p->a.at,
                                      p->a.ld, p->b.at, p->b.ld, p->c.at, p->c.ld, queue, out);
}

lop_status opencl_gemm_prepare(opencl_queue *queue)
{
    enum { SIZE = 4096 }; /* a linear layer: its weights lie transposed, all is packed and in whole tiles */
    const operand x = {.ld = SIZE, .transpose = CLBlastTransposeNo},
                  w = {.ld = SIZE, .transpose = CLBlastTransposeYes};
    const product straight = {x, w, x, CLBlastLayoutRowMajor, SIZE, SIZE, SIZE, 1};
    const product transposed = {w, x, x, CLBlastLayoutColMajor, SIZE, SIZE, SIZE, 1};
    size_t bytes = 0, bytes_transposed = 0;
    OPENCL_TRY(spare_size(&straight, &queue->queue, &bytes));
    OPENCL_TRY(spare_size(&transposed, &queue->queue, &bytes_transposed));
    queue->transposes = bytes_transposed <= bytes;
    return LOP_OK;
}

/* Product `i` of the batch by itself. */
static lop_status single(lop_queue *q, const product *p, size_t i, float alpha, float beta)
{
    opencl_queue *queue = q->impl;
    product one = *p;
    size_t bytes = 0;
    cl_mem spare = NULL;
    one.a.at += i * p->a.step, one.b.at += i * p->b.step, one.c.at += i * p->c.step;
    OPENCL_TRY(spare_size(&one, &queue->queue, &bytes));
    if (bytes > 0) LOP_TRY(opencl_spare(q, bytes, &spare));
    OPENCL_TRY(CLBlastSgemmWithTempBuffer(one.layout, one.a.transpose, one.b.transpose, one.m, one.n, one.k,
                                          alpha, one.a.mem, one.a.at, one.a.ld, one.b.mem, one.b.at, one.b.ld,
                                          beta, one.c.mem, one.c.at, one.c.ld, &queue->queue, NULL, spare));
    return LOP_OK;
}

static lop_status batch(lop_queue *q, const product *p, float alpha, float beta)
{
    opencl_queue *queue = q->impl;
    OPENCL_TRY(CLBlastSgemmStridedBatched(p->layout, p->a.transpose, p->b.transpose, p->m, p->n, p->k, alpha,
                                          p->a.mem, p->a.at, p->a.ld, p->a.step, p->b.mem, p->b.at, p->b.ld,
                                          p->b.step, beta, p->c.mem, p->c.at, p->c.ld, p->c.step, p->count,
                                          &queue->queue, NULL));
    return LOP_OK;
}

/* CLBlast 1.5 reads a packed operand that it need not copy as if its matrices lay one behind the other from the start of
 * the buffer, whatever offset and step say; one that is not packed it copies from where it lies. Its indices are ints. */
static bool batches(lop_mat m, const operand *o, size_t count)
{
    const bool behind = o->at == 0 && o->step == (size_t)m.rows * o->ld;
    return (m.ld != m.cols || behind) && o->step * count <= INT32_MAX;
}

/* C = beta C, for an inner size of 0. */
static lop_status scale(lop_queue *q, const lop_gemm_args *g)
{
    opencl_queue *queue = q->impl;
    for (int32_t i = 0; i < g->count && g->beta != 1.0f; i++) {
        for (int32_t r = 0; r < g->c.rows; r++) {
            const size_t at = (size_t)(g->c.at + i * g->step_c + (int64_t)r * g->c.ld), n = (size_t)g->c.cols;
            if (g->beta == 0.0f) {
                LOP_TRY(opencl_fill(q, g->c.buf, at * sizeof(float), n * sizeof(float), 0));
            } else {
                OPENCL_TRY(CLBlastSscal(n, g->beta, opencl_mem(g->c.buf), at, 1, &queue->queue, NULL));
            }
        }
    }
    return LOP_OK;
}

/* One token times a matrix of weights, which are read once and not copied. CLBlast multiplies what is in y by beta even
 * where beta is 0, so what stands there must be a number. */
static lop_status one_row(lop_queue *q, const lop_gemm_args *g, const operand *x, const operand *w,
                          const operand *y)
{
    opencl_queue *queue = q->impl;
    const size_t first = (size_t)g->c.at * sizeof(float), bytes = (size_t)g->c.cols * sizeof(float);
    if (g->beta == 0.0f) LOP_TRY(opencl_fill(q, g->c.buf, first, bytes, 0));
    OPENCL_TRY(CLBlastSgemv(CLBlastLayoutRowMajor, CLBlastTransposeNo, (size_t)g->c.cols, (size_t)g->a.cols,
                            g->alpha, w->mem, w->at, w->ld, x->mem, x->at, 1, g->beta, y->mem, y->at, 1,
                            &queue->queue, NULL));
    return LOP_OK;
}

static lop_status run(lop_queue *q, const lop_gemm_args *g, const product *p)
{
    const opencl_queue *queue = q->impl;
    const operand *a = queue->transposes ? &p->b : &p->a, *b = queue->transposes ? &p->a : &p->b;
    if (g->count == 1 && g->c.rows == 1 && g->tb && !g->ta) return one_row(q, g, a, b, &p->c);
    if (g->count > 1 && batches(g->a, a, p->count) && batches(g->b, b, p->count) &&
        batches(g->c, &p->c, p->count))
        return batch(q, p, g->alpha, g->beta);
    for (size_t i = 0; i < p->count; i++) LOP_TRY(single(q, p, i, g->alpha, g->beta));
    return LOP_OK;
}

lop_status opencl_gemm(lop_queue *q, const lop_gemm_args *g)
{
    product p;
    if ((g->ta ? g->a.rows : g->a.cols) == 0) return scale(q, g);
    LOP_TRY(product_open(q, g, &p));
    const lop_status status = run(q, g, &p);
    product_close(&p);
    return status;
}
