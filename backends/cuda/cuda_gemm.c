/* cuda_gemm.c - matrix products by cuBLASLt. Matrices are row-major here and column-major there, so C = A B is asked for
 * as C' = B' A'. Which algorithm runs is the library's own table for the shape, read once per shape and queue: never a
 * timing, so the same shapes give the same bits on the same device. */
#include "backends/cuda/cuda_backend.h"
#include "core/base/memory.h"

#include <assert.h>
#include <cublasLt.h>
#include <string.h>

enum { ALIGN_MOST = 256 };

/* Plans that a queue keeps, and places for them, a power of two. Factorising 4096 columns by tiles takes some 300. The places
 * are there from the first product on: a step of learning allocates nothing, whatever shapes are new in it. */
enum { PLANS_MOST = 1024, PLACES = 2 * PLANS_MOST };

/* Everything that a plan depends on; compared as bytes, so it is cleared before it is filled. */
typedef struct shape {
    int64_t step_a, step_b, step_c;
    int32_t rows, cols, inner, ld_a, ld_b, ld_c, count;
    uint32_t align_a, align_b, align_c;
    int32_t operand, result, math, ta, tb, adds;
} shape;

typedef struct plan {
    shape shape;
    cublasLtMatmulDesc_t product;   /* NULL: a free place */
    cublasLtMatrixLayout_t a, b, c; /* as the library names them: its A is our B */
    cublasLtMatmulAlgo_t algo;
} plan;

struct cuda_products {
    cublasLtHandle_t handle;
    /* Each at its shape's place or, where that was taken, at the next free one. */
    plan plans[PLACES];
    int count;
};

static lop_status product_status(cublasStatus_t status, const char *what)
{
    if (status == CUBLAS_STATUS_SUCCESS) return LOP_OK;
    return LOP_FAIL(status == CUBLAS_STATUS_ALLOC_FAILED ? LOP_E_DEVICE_MEMORY : LOP_E_DEVICE,
                    "cuBLASLt, %s: %s", what, cublasLtGetStatusString(status));
}

/* ---- shapes */

/* The largest power of two, 256 at most, that divides the address of every matrix of the batch. */
static uint32_t alignment(lop_mat m, int64_t step)
{
    const uint64_t size = m.type == LOP_F32 ? 4 : 2;
    const uint64_t at = (uint64_t)(uintptr_t)m.buf->impl + (uint64_t)m.at * size;
    uint32_t align = ALIGN_MOST;
    while (align > 1 && (at % align != 0 || (uint64_t)step * size % align != 0)) align /= 2;
    return align;
}

static shape shape_of(const lop_gemm_args *g)
{
    const bool batch = g->count > 1;
    shape s;
    memset(&s, 0, sizeof s);
    s.step_a = batch ? g->step_a : 0;
    s.step_b = batch ? g->step_b : 0;
    s.step_c = batch ? g->step_c : 0;
    s.rows = g->c.rows;
    s.cols = g->c.cols;
    s.inner = g->ta ? g->a.rows : g->a.cols;
    s.ld_a = g->a.ld;
    s.ld_b = g->b.ld;
    s.ld_c = g->c.ld;
    s.count = g->count;
    s.align_a = alignment(g->a, s.step_a);
    s.align_b = alignment(g->b, s.step_b);
    s.align_c = alignment(g->c, s.step_c);
    s.operand = (int32_t)g->a.type;
    s.result = (int32_t)g->c.type;
    s.math = (int32_t)g->math;
    s.ta = g->ta;
    s.tb = g->tb;
    s.adds = g->beta != 0.0f;
    return s;
}

/* The place where the search for a shape's plan begins. */
static uint32_t place_of(const shape *s)
{
    uint64_t words[sizeof *s / sizeof(uint64_t)], hash = 0;
    static_assert(sizeof words == sizeof *s, "a shape is whole words");
    memcpy(words, s, sizeof words);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        hash = (hash ^ words[i]) * 0x9e3779b97f4a7c15u; /* 2^64 over the golden ratio */
        hash ^= hash >> 32;
    }
    return (uint32_t)(hash % PLACES);
}

/* ---- plans */

static cudaDataType_t data_type(int32_t type)
{
    return type == LOP_F32 ? CUDA_R_32F : type == LOP_F16 ? CUDA_R_16F : CUDA_R_16BF;
}

static lop_status describe_product(const shape *s, plan *p)
{
    const bool tf32 = s->operand == LOP_F32 && s->math == LOP_MATH_TF32;
    const cublasComputeType_t compute = tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
    const cublasOperation_t first = s->tb ? CUBLAS_OP_T : CUBLAS_OP_N,
                            second = s->ta ? CUBLAS_OP_T : CUBLAS_OP_N;
    LOP_TRY(
        product_status(cublasLtMatmulDescCreate(&p->product, compute, CUDA_R_32F), "describing a product"));
    LOP_TRY(product_status(
        cublasLtMatmulDescSetAttribute(p->product, CUBLASLT_MATMUL_DESC_TRANSA, &first, sizeof first),
        "describing a product"));
    return product_status(
        cublasLtMatmulDescSetAttribute(p->product, CUBLASLT_MATMUL_DESC_TRANSB, &second, sizeof second),
        "describing a product");
}

/* A row-major (rows, cols) matrix, which the library sees as its transpose. */
typedef struct layout {
    int32_t type, rows, cols, ld;
    int64_t step;
} layout;

static lop_status describe_matrix(const layout *l, int32_t count, cublasLtMatrixLayout_t *out)
{
    const char *what = "describing a matrix";
    LOP_TRY(product_status(
        cublasLtMatrixLayoutCreate(out, data_type(l->type), (uint64_t)l->cols, (uint64_t)l->rows, l->ld),
        what));
    if (count <= 1) return LOP_OK;
    LOP_TRY(product_status(
        cublasLtMatrixLayoutSetAttribute(*out, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof count),
        what));
    return product_status(cublasLtMatrixLayoutSetAttribute(*out, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET,
                                                           &l->step, sizeof l->step),
                          what);
}

static lop_status describe_matrices(const shape *s, plan *p)
{
    const layout a = {s->operand, s->ta ? s->inner : s->rows, s->ta ? s->rows : s->inner, s->ld_a, s->step_a};
    const layout b = {s->operand, s->tb ? s->cols : s->inner, s->tb ? s->inner : s->cols, s->ld_b, s->step_b};
    const layout c = {s->result, s->rows, s->cols, s->ld_c, s->step_c};
    LOP_TRY(describe_matrix(&b, s->count, &p->a));
    LOP_TRY(describe_matrix(&a, s->count, &p->b));
    return describe_matrix(&c, s->count, &p->c);
}

/* The workspace it may take, the alignments it may count on, and sums of split products in f32 alone. */
static lop_status describe_wishes(const shape *s, size_t workspace, cublasLtMatmulPreference_t wish)
{
    const uint32_t sums = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
    const struct {
        cublasLtMatmulPreferenceAttributes_t name;
        const void *value;
        size_t size;
    } wishes[] = {
        {CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace, sizeof workspace},
        {CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &sums, sizeof sums},
        {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, &s->align_b, sizeof s->align_b},
        {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, &s->align_a, sizeof s->align_a},
        {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, &s->align_c, sizeof s->align_c},
        {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, &s->align_c, sizeof s->align_c},
    };
    for (size_t i = 0; i < sizeof wishes / sizeof wishes[0]; i++)
        LOP_TRY(product_status(
            cublasLtMatmulPreferenceSetAttribute(wish, wishes[i].name, wishes[i].value, wishes[i].size),
            "asking for an algorithm"));
    return LOP_OK;
}

static lop_status choose_algorithm(cublasLtHandle_t handle, const shape *s, size_t workspace, plan *p)
{
    cublasLtMatmulPreference_t wish = NULL;
    cublasLtMatmulHeuristicResult_t found;
    int count = 0;
    lop_status status = product_status(cublasLtMatmulPreferenceCreate(&wish), "asking for an algorithm");
    if (status != LOP_OK) return status;
    LOP_TRY_DONE(describe_wishes(s, workspace, wish));
    LOP_TRY_DONE(product_status(
        cublasLtMatmulAlgoGetHeuristic(handle, p->product, p->a, p->b, p->c, p->c, wish, 1, &found, &count),
        "looking for an algorithm"));
    if (count == 0)
        status = LOP_FAIL(LOP_E_DEVICE, "cuBLASLt has no algorithm for (%d, %d) by (%d, %d), %d at once",
                          s->rows, s->inner, s->inner, s->cols, s->count);
    else
        p->algo = found.algo;
done:
    (void)cublasLtMatmulPreferenceDestroy(wish);
    return status;
}

static void plan_close(plan *p)
{
    if (p->c) (void)cublasLtMatrixLayoutDestroy(p->c);
    if (p->b) (void)cublasLtMatrixLayoutDestroy(p->b);
    if (p->a) (void)cublasLtMatrixLayoutDestroy(p->a);
    if (p->product) (void)cublasLtMatmulDescDestroy(p->product);
    *p = (plan){0};
}

/* Fills a free place; a failure leaves it free. */
static lop_status plan_open(cublasLtHandle_t handle, const shape *s, size_t workspace, plan *p)
{
    lop_status status = LOP_OK;
    p->shape = *s;
    LOP_TRY_DONE(describe_product(s, p));
    LOP_TRY_DONE(describe_matrices(s, p));
    LOP_TRY_DONE(choose_algorithm(handle, s, workspace, p));
    return LOP_OK;
done:
    plan_close(p);
    return status;
}

static void plans_clear(cuda_products *products)
{
    for (int i = 0; i < PLACES; i++) plan_close(&products->plans[i]);
    products->count = 0;
}

/* Where a shape's plan is, or belongs. There is always a free place. */
static plan *plan_place(cuda_products *products, const shape *s)
{
    uint32_t at = place_of(s);
    while (products->plans[at].product != NULL && memcmp(&products->plans[at].shape, s, sizeof *s) != 0)
        at = (at + 1) % PLACES;
    return &products->plans[at];
}

/* The plan of a shape, made where there is none. When all that may be kept are, they are thrown away and it begins anew. */
static lop_status plan_find(cuda_products *products, const shape *s, size_t workspace, const plan **out)
{
    plan *place = plan_place(products, s);
    if (place->product == NULL) {
        if (products->count == PLANS_MOST) {
            plans_clear(products);
            place = plan_place(products, s);
        }
        LOP_TRY(plan_open(products->handle, s, workspace, place));
        products->count++;
    }
    *out = place;
    return LOP_OK;
}

/* ---- open, close, run */

static lop_status products_open(cuda_products **out)
{
    cuda_products *products = NULL;
    if (*out != NULL) return LOP_OK;
    LOP_TRY(LOP_NEW(&products, 1));
    const lop_status status = product_status(cublasLtCreate(&products->handle), "opening the library");
    if (status == LOP_OK)
        *out = products;
    else
        lop_free(products);
    return status;
}

void cuda_products_close(cuda_products *products)
{
    if (products == NULL) return;
    plans_clear(products);
    (void)cublasLtDestroy(products->handle);
    lop_free(products);
}

static void *element(lop_mat m)
{
    return cuda_address(m.buf, (size_t)m.at * (m.type == LOP_F32 ? 4 : 2));
}

lop_status cuda_gemm(lop_queue *q, const lop_gemm_args *g)
{
    cuda_queue *queue = q->impl;
    const plan *p = NULL;
    LOP_TRY(cuda_enter(q->device));
    LOP_TRY(products_open(&queue->products));
    const shape s = shape_of(g);
    LOP_TRY(plan_find(queue->products, &s, q->room.bytes, &p));
    return product_status(cublasLtMatmul(queue->products->handle, p->product, &g->alpha, element(g->b), p->a,
                                         element(g->a), p->b, &g->beta, element(g->c), p->c, element(g->c),
                                         p->c, &p->algo, q->room.impl, q->room.bytes, queue->stream),
                          "queueing a product");
}
