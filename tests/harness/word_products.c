/* word_products.c - products of 16-bit words by those of f32, and everything else as it is. */
#include "tests/harness/word_products.h"

#include "core/device/matrix.h"
#include "core/io/dtype.h"

#include <stdlib.h>

static struct {
    lop_backend shown;
    const lop_backend *real;
} doubled;

/* A matrix of f32 beside one of another word, on the heap. */
typedef struct widened {
    lop_buf buf;
    lop_mat m;
} widened;

static lop_dtype dtype_of(lop_type type)
{
    return type == LOP_F16 ? LOP_DTYPE_F16 : type == LOP_BF16 ? LOP_DTYPE_BF16 : LOP_DTYPE_F32;
}

static void *row_of(lop_mat m, int32_t row)
{
    return (char *)m.buf->host + ((size_t)m.at + (size_t)row * (size_t)m.ld) * lop_type_bytes(m.type);
}

static void rows_convert(lop_mat from, lop_mat to)
{
    for (int32_t r = 0; r < from.rows; r++)
        lop_dtype_convert(dtype_of(from.type), row_of(from, r), dtype_of(to.type), row_of(to, r),
                          (size_t)from.cols);
}

static lop_status widen(lop_mat m, bool read, widened *out)
{
    out->buf = *m.buf;
    out->buf.host = calloc((size_t)lop_mat_elements(m) + 1, sizeof(float));
    if (out->buf.host == NULL) return LOP_FAIL(LOP_E_MEMORY, "no memory for the double of a product");
    out->m = lop_mat_of(&out->buf, 0, m.rows, m.cols, LOP_F32);
    if (read) rows_convert(m, out->m);
    return LOP_OK;
}

/* Number i of a batch. */
static lop_status one_product(lop_queue *q, const lop_gemm_args *g, int32_t i)
{
    lop_gemm_args one = *g;
    widened a = {0}, b = {0}, c = {0};
    lop_status status = LOP_OK;
    one.count = 1;
    one.a.at += g->step_a * i;
    one.b.at += g->step_b * i;
    one.c.at += g->step_c * i;
    const lop_mat to = one.c;
    LOP_TRY_DONE(widen(one.a, true, &a));
    LOP_TRY_DONE(widen(one.b, true, &b));
    one.a = a.m;
    one.b = b.m;
    if (to.type != LOP_F32) {
        LOP_TRY_DONE(widen(to, false, &c));
        one.c = c.m;
    }
    LOP_TRY_DONE(doubled.real->gemm(q, &one));
    if (to.type != LOP_F32) rows_convert(c.m, to);
done:
    free(c.buf.host);
    free(b.buf.host);
    free(a.buf.host);
    return status;
}

static lop_status word_gemm(lop_queue *q, const lop_gemm_args *g)
{
    if (g->a.type == LOP_F32 || g->a.type == LOP_F64) return doubled.real->gemm(q, g);
    for (int32_t i = 0; i < g->count; i++) LOP_TRY(one_product(q, g, i));
    return LOP_OK;
}

void word_products_attach(lop_device *device)
{
    doubled.real = device->backend;
    doubled.shown = *device->backend;
    doubled.shown.gemm = word_gemm;
    device->backend = &doubled.shown;
    device->product_types |= 1u << LOP_F16 | 1u << LOP_BF16;
    device->fast = NULL;
    device->math = LOP_MATH_NATIVE;
}
