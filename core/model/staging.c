/* staging.c - host buffers that tensors pass through, and the look for values that are no numbers. */
#include "core/model/staging.h"

#include "core/device/ops.h"

#include <string.h>

#define ALIGN       ((size_t)256) /* of a tensor inside a buffer; no device asks for more */
#define BRING_BYTES ((int64_t)8 << 20)
#define SCAN_BLOCK  8192 /* elements looked at before the first bad one is searched: stays in L1 */

lop_status lop_staging_open(lop_device *device, size_t bytes, size_t largest, lop_staging *out)
{
    *out = (lop_staging){0};
    lop_status status = lop_buf_open(device, LOP_ON_HOST, bytes, &out->host);
    if (status == LOP_OK && !device->host_memory)
        status = lop_buf_open(device, LOP_ON_DEVICE, largest, &out->landing);
    if (status != LOP_OK) lop_staging_close(out);
    return status;
}

void lop_staging_close(lop_staging *s)
{
    if (s->landing.device) lop_buf_close(&s->landing);
    if (s->host.device) lop_buf_close(&s->host);
    *s = (lop_staging){0};
}

void *lop_staging_at(const lop_staging *s, size_t at)
{
    return (char *)s->host.host + at;
}

lop_type lop_staging_type(lop_dtype dtype)
{
    return dtype == LOP_DTYPE_F16 ? LOP_F16 : dtype == LOP_DTYPE_BF16 ? LOP_BF16 : LOP_F32;
}

size_t lop_staging_bytes(lop_dtype as, int64_t elements)
{
    return (lop_dtype_bytes(as, (uint64_t)elements) + ALIGN - 1) / ALIGN * ALIGN;
}

/* A device with memory of its own gets the stored bytes by a copy and converts there. */
lop_status lop_staging_move(lop_queue *q, const lop_staging *s, size_t at, lop_dtype from, lop_mat to)
{
    const lop_type type = lop_staging_type(from);
    const size_t size = lop_type_bytes(type), bytes = (size_t)to.rows * (size_t)to.cols * size;
    const bool packed = to.ld == to.cols || to.rows == 1;
    lop_buf *host = (lop_buf *)&s->host;
    if (type == to.type && packed)
        return q->device->backend->copy(q, to.buf, (size_t)to.at * size, host, at, bytes);
    if (q->device->host_memory)
        return lop_cast(q, lop_mat_of(host, (int64_t)(at / size), to.rows, to.cols, type), to);
    lop_buf *landing = (lop_buf *)&s->landing;
    LOP_TRY(q->device->backend->copy(q, landing, 0, host, at, bytes));
    return lop_cast(q, lop_mat_of(landing, 0, to.rows, to.cols, type), to);
}

/* Rows [first, first + to.rows) of it, or of a vector all; the buffer is free again when this returns. */
static lop_status bring_rows(lop_queue *q, const lop_staging *s, const lop_checkpoint *file,
                             const lop_tensor *t, lop_dtype as, int64_t first, lop_mat to)
{
    const int64_t elements = (int64_t)to.rows * to.cols;
    const bool own = as == LOP_STAGING_OWN;
    const lop_dtype read = own ? lop_checkpoint_word(t) : as;
    void *values = lop_staging_at(s, 0);
    LOP_TRY(lop_checkpoint_read(file, t, first, t->rank < 2 ? elements : to.rows, read, values));
    if (own) LOP_TRY(lop_staging_check(t, first, read, values, elements));
    LOP_TRY(lop_staging_move(q, s, 0, read, to));
    return lop_queue_wait(q);
}

lop_status lop_staging_bring(lop_queue *q, const lop_checkpoint *file, const lop_tensor *t, lop_dtype as,
                             int64_t first, lop_mat to)
{
    if (t == NULL || to.rows == 0) return LOP_OK;
    const int64_t fit = BRING_BYTES / (int64_t)sizeof(float) / to.cols;
    const int32_t step = fit < 1 ? 1 : fit < to.rows ? (int32_t)fit : to.rows;
    const size_t bytes = lop_staging_bytes(LOP_DTYPE_F32, (int64_t)step * to.cols);
    lop_staging s;
    LOP_TRY(lop_staging_open(q->device, bytes, bytes, &s));
    lop_status status = LOP_OK;
    for (int32_t row = 0; status == LOP_OK && row < to.rows; row += step) {
        const int32_t n = to.rows - row < step ? to.rows - row : step;
        status = bring_rows(q, &s, file, t, as, first + row, lop_mat_rows(to, row, n));
    }
    lop_queue_settle(q);
    lop_staging_close(&s);
    return status;
}

/* NaN and infinity have every bit of the exponent set. */
static bool block_bad_16(const uint16_t *v, int64_t n, uint16_t exponent)
{
    int bad = 0;
    for (int64_t i = 0; i < n; i++) bad |= (v[i] & exponent) == exponent;
    return bad != 0;
}

static bool block_bad_32(const uint32_t *v, int64_t n)
{
    int bad = 0;
    for (int64_t i = 0; i < n; i++) bad |= (v[i] & 0x7f800000u) == 0x7f800000u;
    return bad != 0;
}

static bool block_bad(lop_dtype as, const void *values, int64_t first, int64_t n)
{
    if (as == LOP_DTYPE_F32) return block_bad_32((const uint32_t *)values + first, n);
    const uint16_t exponent = as == LOP_DTYPE_F16 ? 0x7c00u : 0x7f80u;
    return block_bad_16((const uint16_t *)values + first, n, exponent);
}

static lop_status fail_at(const lop_tensor *t, int64_t first, int64_t element)
{
    if (t->rank < 2)
        return LOP_FAIL(LOP_E_FORMAT, "%s holds NaN or infinity, first in element %lld: the file is damaged",
                        t->name, (long long)(first + element));
    const int64_t cols = t->shape[1];
    return LOP_FAIL(LOP_E_FORMAT,
                    "%s holds NaN or infinity, first in row %lld, column %lld: the file is damaged", t->name,
                    (long long)(first + element / cols), (long long)(element % cols));
}

lop_status lop_staging_check(const lop_tensor *t, int64_t first, lop_dtype as, const void *values,
                             int64_t elements)
{
    for (int64_t at = 0; at < elements; at += SCAN_BLOCK) {
        const int64_t n = elements - at < SCAN_BLOCK ? elements - at : SCAN_BLOCK;
        if (!block_bad(as, values, at, n)) continue;
        for (int64_t i = at; i < at + n; i++)
            if (block_bad(as, values, i, 1)) return fail_at(t, first, i);
    }
    return LOP_OK;
}
