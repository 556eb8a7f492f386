/* tensor_copy.c - values read in pieces of a few MiB, looked at, and written. */
#include "core/io/tensor_copy.h"

#include "core/base/memory.h"

#include <string.h>

#define PIECE_BYTES LOP_TENSOR_COPY_BYTES

/* The bits of the exponent, all of them set in what is NaN or infinite; 0 for types without. */
static uint32_t exponent_bits(lop_dtype dtype)
{
    switch (dtype) {
    case LOP_DTYPE_F16:
        return 0x7c00;
    case LOP_DTYPE_BF16:
        return 0x7f80;
    case LOP_DTYPE_F32:
        return 0x7f800000;
    default:
        return 0;
    }
}

static uint32_t value_bits(lop_dtype dtype, const void *values, uint64_t at)
{
    return dtype == LOP_DTYPE_F32 ? ((const uint32_t *)values)[at] : ((const uint16_t *)values)[at];
}

static bool all_finite(const void *values, lop_dtype dtype, uint64_t count, uint32_t bits)
{
    uint32_t wrong = 0;
    if (dtype == LOP_DTYPE_F32)
        for (uint64_t i = 0; i < count; i++) wrong |= (((const uint32_t *)values)[i] & bits) == bits;
    else
        for (uint64_t i = 0; i < count; i++) wrong |= (((const uint16_t *)values)[i] & bits) == bits;
    return wrong == 0;
}

/* A weight that is no number is no weight, and one that the written type cannot hold would become infinite without a
 * word. */
static lop_status check_values(const lop_tensor *t, const void *values, lop_dtype dtype, uint64_t bytes,
                               uint64_t first)
{
    const uint32_t bits = exponent_bits(dtype);
    const uint64_t count = bytes / lop_dtype_group_bytes(dtype);
    if (bits == 0 || all_finite(values, dtype, count, bits)) return LOP_OK;
    uint64_t at = 0;
    while ((value_bits(dtype, values, at) & bits) != bits) at++;
    return LOP_FAIL(LOP_E_FORMAT, "%s: element %llu is NaN, infinite or beyond what %s holds%s", t->name,
                    (unsigned long long)(first + at), lop_dtype_name(dtype),
                    dtype == t->dtype ? "; the model is damaged" : "; write another type (--dtype)");
}

/* The piece, checked, to its place at byte `at` of the written tensor. */
static lop_status put_piece(const lop_tensor_copy *way, const void *piece, uint64_t at, uint64_t bytes)
{
    LOP_TRY(check_values(way->tensor, piece, way->dtype, bytes, at / lop_dtype_group_bytes(way->dtype)));
    LOP_TRY(lop_file_write_at(way->to, way->at + at, piece, (size_t)bytes));
    return way->digest == NULL ? LOP_OK : lop_sha256_add(way->digest, piece, (size_t)bytes);
}

static lop_status copy_stored(const lop_tensor_copy *way, void *piece)
{
    const lop_tensor *t = way->tensor;
    for (uint64_t at = 0; at < t->bytes; at += PIECE_BYTES) {
        const uint64_t n = t->bytes - at < PIECE_BYTES ? t->bytes - at : PIECE_BYTES;
        LOP_TRY(lop_checkpoint_read_stored(way->source, t, at, (size_t)n, piece));
        LOP_TRY(put_piece(way, piece, at, n));
    }
    return LOP_OK;
}

/* Whole heads of `head` rows from Hugging Face order into GGUF's. */
static void weave(const char *from, char *to, int64_t rows, int64_t head, uint64_t row)
{
    for (int64_t r = 0; r < rows; r++) {
        const int64_t first = r / head * head;
        memcpy(to + (uint64_t)(first + lop_tensor_woven_row(r - first, head)) * row, from + (uint64_t)r * row,
               row);
    }
}

/* How the rows of a tensor go through a piece; a vector's elements are its rows. */
typedef struct strides {
    int64_t rows, step, head; /* of the tensor, of a piece, of a head (0: order stays) */
    uint64_t row;             /* bytes of a written row */
} strides;

/* As many rows at a time as fit into a piece: whole heads where these are woven, else whole groups of every quantised
 * type, in a vector too. */
static strides find_strides(const lop_tensor_copy *way)
{
    const lop_tensor *t = way->tensor;
    uint64_t elements = 1;
    for (int32_t d = 1; d < t->rank; d++) elements *= (uint64_t)t->shape[d];
    strides s = {.rows = t->rank > 0 ? t->shape[0] : 1, .row = lop_dtype_bytes(way->dtype, elements)};
    if (s.rows == 0 || s.row == 0) return s;
    if (way->rope_heads > 0) s.head = s.rows / way->rope_heads;
    const int64_t fit = (int64_t)(PIECE_BYTES / s.row), whole = s.head > 0 ? s.head : 256;
    s.step = fit >= whole ? fit - fit % whole : s.head > 0 ? s.head : fit > 0 ? fit : 1;
    if (s.step > s.rows) s.step = s.rows;
    return s;
}

/* `piece` has room for twice a step where rows are woven. */
static lop_status copy_converted(const lop_tensor_copy *way, const strides *s, char *piece)
{
    for (int64_t first = 0; first < s->rows && s->step > 0; first += s->step) {
        const int64_t n = s->rows - first < s->step ? s->rows - first : s->step;
        char *written = piece;
        LOP_TRY(lop_checkpoint_read(way->source, way->tensor, first, n, way->dtype, piece));
        if (s->head > 0) {
            written = piece + (uint64_t)s->step * s->row;
            weave(piece, written, n, s->head, s->row);
        }
        LOP_TRY(put_piece(way, written, (uint64_t)first * s->row, (uint64_t)n * s->row));
    }
    return LOP_OK;
}

static lop_status check_heads(const lop_tensor_copy *way)
{
    const int64_t rows = way->tensor->rank > 0 ? way->tensor->shape[0] : 1;
    if (way->rope_heads == 0 || (rows % way->rope_heads == 0 && rows / way->rope_heads % 2 == 0))
        return LOP_OK;
    return LOP_FAIL(LOP_E_FORMAT, "%s has %lld rows, which %d heads of even size cannot have",
                    way->tensor->name, (long long)rows, way->rope_heads);
}

lop_status lop_tensor_copy_run(const lop_tensor_copy *way)
{
    const lop_tensor *t = way->tensor;
    void *piece = NULL;
    lop_status status = LOP_OK;
    LOP_TRY_DONE(check_heads(way));
    const strides s = find_strides(way);
    const bool as_stored = way->dtype == t->dtype && t->rope_heads == way->rope_heads;
    const uint64_t stepped = (uint64_t)s.step * s.row * (s.head > 0 ? 2 : 1);
    const uint64_t room = as_stored ? (t->bytes < PIECE_BYTES ? t->bytes : PIECE_BYTES) : stepped;
    LOP_TRY_DONE(lop_alloc_aligned((size_t)room, 64, &piece));
    LOP_TRY_DONE(as_stored ? copy_stored(way, piece) : copy_converted(way, &s, piece));
    lop_file_push(way->to, way->at, (uint64_t)s.rows * s.row);
done:
    lop_free(piece);
    if (status != LOP_OK) lop_note("while copying %s", t->name);
    return status;
}
