/* check.c - the checks of operands that all operations share. */
#include "core/device/check.h"

#include <stdio.h>

/* "bf16 or f32" */
static const char *types_tell(uint32_t types, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (int t = LOP_F32; t <= LOP_I64; t++) {
        if ((types & LOP_BIT(t)) == 0 || used >= size) continue;
        used += (size_t)snprintf(text + used, size - used, "%s%s", used ? " or " : "",
                                 lop_type_name((lop_type)t));
    }
    return text;
}

static lop_status check_place(const lop_queue *q, const char *op, const lop_operand *o)
{
    const lop_mat m = o->m;
    if (m.buf == NULL) return LOP_FAIL(LOP_E_ARGUMENT, "%s: %s is absent", op, o->name);
    if (m.rows < 0 || m.cols < 0 || m.ld < m.cols || m.at < 0)
        return LOP_FAIL(LOP_E_ARGUMENT, "%s: %s is (%d, %d) with a stride of %d", op, o->name, m.rows, m.cols,
                        m.ld);
    if (m.buf->device != q->device)
        return LOP_FAIL(LOP_E_ARGUMENT, "%s: %s lies on another device than the queue", op, o->name);
    if (m.buf->place != LOP_ON_DEVICE && !q->device->host_memory)
        return LOP_FAIL(LOP_E_ARGUMENT, "%s: %s lies on the host; copy it to the device first", op, o->name);
    if (lop_mat_elements(m) == 0) return LOP_OK;
    const uint64_t end = (uint64_t)m.at + (uint64_t)(m.rows - 1) * (uint64_t)m.ld + (uint64_t)m.cols;
    if (end > m.buf->bytes / lop_type_bytes(m.type))
        return LOP_FAIL(LOP_E_ARGUMENT,
                        "%s: %s (%d, %d) %s at element %lld reaches past its buffer of %zu bytes", op,
                        o->name, m.rows, m.cols, lop_type_name(m.type), (long long)m.at, m.buf->bytes);
    return LOP_OK;
}

static lop_status check_shape(const char *op, const lop_operand *o, const lop_operand *first)
{
    const lop_mat m = o->m;
    char types[64];
    if ((o->types & LOP_BIT(m.type)) == 0)
        return LOP_FAIL(LOP_E_ARGUMENT, "%s: %s is %s, expected %s (%s is %s)", op, o->name,
                        lop_type_name(m.type), types_tell(o->types, types, sizeof types), first->name,
                        lop_type_name(first->m.type));
    const int32_t rows = o->rows == LOP_FREE ? m.rows : o->rows,
                  cols = o->cols == LOP_FREE ? m.cols : o->cols;
    if (m.rows != rows || m.cols != cols)
        return LOP_FAIL(LOP_E_ARGUMENT, "%s: %s is (%d, %d), expected (%d, %d) with %s (%d, %d)", op, o->name,
                        m.rows, m.cols, rows, cols, first->name, first->m.rows, first->m.cols);
    return LOP_OK;
}

static lop_status check_apart(const char *op, const lop_operand *operands, int count, int written)
{
    for (int i = 0; i < count; i++) {
        const bool pair_seen = i <= written && operands[i].role == LOP_WRITTEN;
        if (i == written || pair_seen || !lop_mat_overlap(operands[i].m, operands[written].m)) continue;
        return LOP_FAIL(LOP_E_ARGUMENT, "%s: %s (%d, %d) is written and shares memory with %s (%d, %d)", op,
                        operands[written].name, operands[written].m.rows, operands[written].m.cols,
                        operands[i].name, operands[i].m.rows, operands[i].m.cols);
    }
    return LOP_OK;
}

lop_status lop_check(const lop_queue *q, const char *op, const lop_operand *operands, int count)
{
    for (int i = 0; i < count; i++) {
        if (operands[i].role == LOP_READ_MAYBE && !lop_mat_present(operands[i].m)) continue;
        LOP_TRY(check_place(q, op, &operands[i]));
        LOP_TRY(check_shape(op, &operands[i], &operands[0]));
    }
    for (int i = 0; i < count; i++)
        if (operands[i].role == LOP_WRITTEN) LOP_TRY(check_apart(op, operands, count, i));
    return LOP_OK;
}
