/* ops_product.c - matrix products: checks, then the backend's own. */
#include "core/device/check.h"
#include "core/device/device.h"
#include "core/device/ops.h"

/* The view that all matrices of a batch lie in: a rectangle where they are side by side, one below the other or along a
 * diagonal, else a span of elements. */
static lop_mat batch_view(lop_mat m, int64_t step, int32_t count)
{
    if (count <= 1 || step == 0 || lop_mat_elements(m) == 0) return m;
    const int64_t wide = (count - 1) * (step % m.ld) + m.cols, tall = (count - 1) * (step / m.ld) + m.rows;
    if (wide <= m.ld && tall <= INT32_MAX) {
        m.cols = (int32_t)wide;
        m.rows = (int32_t)tall;
        return m;
    }
    const int64_t span = (int64_t)(count - 1) * step + (int64_t)(m.rows - 1) * m.ld + m.cols;
    m.ld = 1;
    m.cols = 1;
    m.rows = span <= INT32_MAX ? (int32_t)span : INT32_MAX;
    return m;
}

/* Whether a result shares an element with an operand. Where both go on by one step it is enough to look at how far apart
 * they are in the batch. */
static bool batch_overlap(lop_mat x, int64_t step_x, lop_mat c, int64_t step_c, int32_t count)
{
    if (!lop_mat_overlap(batch_view(x, step_x, count), batch_view(c, step_c, count))) return false;
    if (step_x != step_c) return true;
    bool shares = lop_mat_overlap(x, c);
    for (int64_t i = 1; i < count && !shares; i++) {
        lop_mat later_x = x, later_c = c;
        later_x.at += i * step_x;
        later_c.at += i * step_c;
        shares = lop_mat_overlap(later_x, c) || lop_mat_overlap(x, later_c);
    }
    return shares;
}

/* No two of a batch of results share an element. */
static bool batch_apart(lop_mat c, int64_t step, int32_t count)
{
    if (count <= 1 || lop_mat_elements(c) == 0) return true;
    const bool below = step >= (int64_t)(c.rows - 1) * c.ld + c.cols;
    const bool beside = step >= c.cols && (int64_t)(count - 1) * step + c.cols <= c.ld;
    return below || beside;
}

static lop_status check_batch(const lop_gemm_args *g)
{
    if (g->count < 0 || g->step_a < 0 || g->step_b < 0 || g->step_c < 0)
        return LOP_FAIL(LOP_E_ARGUMENT, "gemm: a batch of %d with steps %lld, %lld, %lld", g->count,
                        (long long)g->step_a, (long long)g->step_b, (long long)g->step_c);
    const int64_t steps[] = {g->step_a, g->step_b, g->step_c};
    const lop_mat mats[] = {g->a, g->b, g->c};
    for (int i = 0; i < 3 && g->count > 1; i++) {
        const lop_mat m = mats[i];
        if (m.buf == NULL || lop_mat_elements(m) == 0) continue;
        const int64_t end = m.at + (int64_t)(m.rows - 1) * m.ld + m.cols;
        const int64_t room = (int64_t)(m.buf->bytes / lop_type_bytes(m.type)) - end;
        if (room < 0 || steps[i] > room / (g->count - 1))
            return LOP_FAIL(LOP_E_ARGUMENT,
                            "gemm: %d matrices %c (%d, %d), %lld elements apart, reach past the buffer",
                            g->count, "abc"[i], m.rows, m.cols, (long long)steps[i]);
    }
    for (int i = 0; i < 2; i++)
        if (batch_overlap(mats[i], steps[i], g->c, g->step_c, g->count))
            return LOP_FAIL(LOP_E_ARGUMENT, "gemm: c (%d, %d) is written and shares memory with %c (%d, %d)",
                            g->c.rows, g->c.cols, "ab"[i], mats[i].rows, mats[i].cols);
    if (!batch_apart(g->c, g->step_c, g->count))
        return LOP_FAIL(LOP_E_ARGUMENT, "gemm: %d results c (%d, %d), %lld elements apart, overlap", g->count,
                        g->c.rows, g->c.cols, (long long)g->step_c);
    return LOP_OK;
}

lop_status lop_gemm(lop_queue *q, const lop_gemm_args *g)
{
    const int32_t rows = g->ta ? g->a.cols : g->a.rows, inner = g->ta ? g->a.rows : g->a.cols;
    const int32_t cols = g->tb ? g->b.rows : g->b.cols;
    const uint32_t types = q->device->product_types;
    const uint32_t c_types =
        LOP_BIT(LOP_F32) | (g->beta == 0.0f || g->a.type == LOP_F64 ? LOP_BIT(g->a.type) : 0u);
    const lop_operand operands[] = {
        {"a", g->a, LOP_FREE, LOP_FREE, types, LOP_READ},
        {"b", g->b, LOP_FREE, LOP_FREE, LOP_BIT(g->a.type), LOP_READ},
        {"c", g->c, LOP_FREE, LOP_FREE, c_types, LOP_WRITTEN},
    };
    LOP_CHECK(q, "gemm", operands);
    LOP_TRY(check_batch(g));
    if ((g->tb ? g->b.cols : g->b.rows) != inner || g->c.rows != rows || g->c.cols != cols)
        return LOP_FAIL(LOP_E_ARGUMENT, "gemm: c (%d, %d) is not a (%d, %d)%s times b (%d, %d)%s", g->c.rows,
                        g->c.cols, g->a.rows, g->a.cols, g->ta ? " transposed" : "", g->b.rows, g->b.cols,
                        g->tb ? " transposed" : "");
    if (g->count == 0 || lop_mat_elements(g->c) == 0) return LOP_OK;
    LOP_TRY(lop_queue_room(q));
    return q->device->backend->gemm(q, g);
}

lop_status lop_linear(lop_queue *q, lop_mat x, lop_mat w, lop_mat bias, lop_mat y)
{
    const lop_operand operands[] = {
        {"x", x, LOP_FREE, LOP_FREE, q->device->product_types, LOP_READ},
        {"w", w, LOP_FREE, x.cols, LOP_BIT(x.type), LOP_READ},
        {"bias", bias, 1, w.rows, LOP_BIT(LOP_F32), LOP_READ_MAYBE},
        {"y", y, x.rows, w.rows, LOP_BIT(x.type) | LOP_BIT(LOP_F32), LOP_WRITTEN},
    };
    LOP_CHECK(q, "linear", operands);
    const lop_gemm_args product = {
        .a = x, .b = w, .c = y, .tb = true, .alpha = 1.0f, .math = q->device->math, .count = 1};
    LOP_TRY(lop_gemm(q, &product));
    return lop_mat_present(bias) ? lop_add_bias(q, y, bias) : LOP_OK;
}

static lop_status slabs_of(lop_queue *q, const lop_linear_back_args *a)
{
    for (int32_t first = 0; first < a->dy.cols; first += a->slab.rows) {
        const int32_t left = a->dy.cols - first, rows = left < a->slab.rows ? left : a->slab.rows;
        const lop_mat dw = lop_mat_rows(a->slab, 0, rows);
        const lop_gemm_args product = {.a = lop_mat_cols(a->dy, first, rows),
                                       .b = a->x,
                                       .c = dw,
                                       .ta = true,
                                       .alpha = 1.0f,
                                       .math = q->device->math,
                                       .count = 1};
        LOP_TRY(lop_gemm(q, &product));
        LOP_TRY(a->fn(a->user, q, first, dw));
    }
    return LOP_OK;
}

lop_status lop_linear_back(lop_queue *q, const lop_linear_back_args *a)
{
    const uint32_t word = LOP_BIT(a->dy.type), f32 = LOP_BIT(LOP_F32);
    const bool with_dx = lop_mat_present(a->dx), with_dw = lop_mat_present(a->slab);
    const lop_role read = LOP_READ, written = LOP_WRITTEN, absent = LOP_READ_MAYBE;
    const lop_operand operands[] = {
        {"dy", a->dy, LOP_FREE, LOP_FREE, q->device->product_types, LOP_READ},
        {"w", a->w, a->dy.cols, LOP_FREE, word, with_dx ? read : absent},
        {"dx", a->dx, a->dy.rows, a->w.cols, word | f32, with_dx ? written : absent},
        {"x", a->x, a->dy.rows, with_dx ? a->w.cols : LOP_FREE, word, with_dw ? read : absent},
        {"slab", a->slab, LOP_FREE, a->x.cols, f32, with_dw ? written : absent},
    };
    LOP_CHECK(q, "linear_back", operands);
    if (with_dw && a->slab.rows == 0)
        return LOP_FAIL(LOP_E_ARGUMENT, "linear_back: slab is (0, %d), expected a row at least",
                        a->slab.cols);
    if (with_dx) {
        const lop_gemm_args product = {
            .a = a->dy, .b = a->w, .c = a->dx, .alpha = 1.0f, .math = q->device->math, .count = 1};
        LOP_TRY(lop_gemm(q, &product));
    }
    return with_dw ? slabs_of(q, a) : LOP_OK;
}
