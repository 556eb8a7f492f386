/* output_write.c - tensors into a folder in the making: written, read back, copied from the source, committed. */
#include "core/base/hash.h"
#include "core/base/memory.h"
#include "core/io/output_state.h"

#include <string.h>

#define PIECE_BYTES LOP_OUTPUT_COPY_BYTES

static lop_status fail_published(const lop_output *o, const char *name)
{
    return LOP_FAIL(LOP_E_ARGUMENT, "%s cannot be written: %s is published", name, o->folder);
}

lop_status lop_output_write(lop_output *o, const char *name, const void *values, uint64_t bytes)
{
    int32_t index = 0;
    LOP_TRY(lop_output_index(o, name, &index));
    const lop_shard_tensor *w = &o->shards.tensor[index];
    if (o->published) return fail_published(o, name);
    if (bytes != w->bytes)
        return LOP_FAIL(LOP_E_ARGUMENT, "%s has %llu bytes as %s, expected by the plan; got %llu", name,
                        (unsigned long long)w->bytes, lop_dtype_name(w->dtype), (unsigned long long)bytes);
    o->dirty[w->file] = true;
    o->journaled[index] = false;
    o->digest[index][0] = '\0';
    LOP_TRY(lop_file_write_at(&o->files[w->file], w->at, values, (size_t)bytes));
    lop_file_push(&o->files[w->file], w->at, bytes);
    o->written[index] = true;
    return LOP_OK;
}

/* Bytes [at, at + bytes) of a written tensor as another type. */
static lop_status read_converted(const lop_output *o, const lop_shard_tensor *w, uint64_t first,
                                 uint64_t bytes, lop_dtype as, void *values)
{
    void *stored = NULL;
    const uint64_t piece = bytes < PIECE_BYTES ? bytes : PIECE_BYTES;
    const size_t word = lop_dtype_group_bytes(w->dtype), to = lop_dtype_group_bytes(as);
    LOP_TRY(lop_alloc_aligned((size_t)piece, 64, &stored));
    lop_status status = LOP_OK;
    for (uint64_t at = 0; status == LOP_OK && at < bytes; at += piece) {
        const uint64_t n = bytes - at < piece ? bytes - at : piece;
        status = lop_file_read_at(&o->files[w->file], w->at + first + at, stored, (size_t)n);
        if (status == LOP_OK)
            lop_dtype_convert(w->dtype, stored, as, (char *)values + at / word * to, (size_t)(n / word));
    }
    lop_free(stored);
    return status;
}

lop_status lop_output_read(const lop_output *o, const lop_tensor *t, int64_t first, int64_t rows,
                           lop_dtype as, void *values)
{
    int32_t index = 0;
    LOP_TRY(lop_output_index(o, t->name, &index));
    const lop_shard_tensor *w = &o->shards.tensor[index];
    if (!o->written[index]) return LOP_FAIL(LOP_E_ARGUMENT, "%s is not written yet", t->name);
    if (first < 0 || rows < 0 || t->rank < 1 || first > t->shape[0] || rows > t->shape[0] - first)
        return LOP_FAIL(LOP_E_ARGUMENT, "rows %lld to %lld of %s", (long long)first,
                        (long long)(first + rows), t->name);
    if (w->dtype != as &&
        (!lop_dtype_is_float(w->dtype) || !lop_dtype_is_float(as) || lop_dtype_is_quantised(as)))
        return LOP_FAIL(LOP_E_ARGUMENT, "%s of type %s cannot be read as %s", t->name,
                        lop_dtype_name(w->dtype), lop_dtype_name(as));
    const uint64_t row = t->shape[0] > 0 ? w->bytes / (uint64_t)t->shape[0] : 0;
    const uint64_t at = (uint64_t)first * row, bytes = (uint64_t)rows * row;
    if (w->dtype == as) return lop_file_read_at(&o->files[w->file], w->at + at, values, (size_t)bytes);
    return read_converted(o, w, at, bytes, as, values);
}

/* ---- what nobody wrote */

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

/* A tensor on its way: a piece of its values, and its digest so far (impl NULL: nobody wants one). */
typedef struct passage {
    const lop_tensor *tensor;
    const lop_shard_tensor *to;
    void *piece;
    lop_sha256 digest;
} passage;

/* The piece, checked, to its place at byte `at` of the written tensor. */
static lop_status put_piece(const lop_output *o, passage *p, uint64_t at, uint64_t bytes)
{
    LOP_TRY(check_values(p->tensor, p->piece, p->to->dtype, bytes, at / lop_dtype_group_bytes(p->to->dtype)));
    LOP_TRY(lop_file_write_at(&o->files[p->to->file], p->to->at + at, p->piece, (size_t)bytes));
    return p->digest.impl == NULL ? LOP_OK : lop_sha256_add(&p->digest, p->piece, (size_t)bytes);
}

static lop_status copy_stored(const lop_output *o, passage *p)
{
    const lop_tensor *t = p->tensor;
    for (uint64_t at = 0; at < t->bytes; at += PIECE_BYTES) {
        const uint64_t n = t->bytes - at < PIECE_BYTES ? t->bytes - at : PIECE_BYTES;
        LOP_TRY(lop_checkpoint_read_stored(o->source, t, at, (size_t)n, p->piece));
        LOP_TRY(put_piece(o, p, at, n));
    }
    return LOP_OK;
}

/* As many rows at a time as fit into the piece; a vector's elements are its rows. */
static lop_status copy_converted(const lop_output *o, passage *p)
{
    const lop_tensor *t = p->tensor;
    const lop_shard_tensor *w = p->to;
    const int64_t rows = t->rank > 0 ? t->shape[0] : 1;
    if (rows == 0 || w->bytes == 0) return LOP_OK;
    const uint64_t row = w->bytes / (uint64_t)rows;
    uint64_t fit = PIECE_BYTES / row;
    if (fit >= 256) fit -= fit % 256; /* whole groups of every quantised type, in a vector too */
    const int64_t step = fit > 0 ? (int64_t)fit : 1;
    for (int64_t first = 0; first < rows; first += step) {
        const int64_t n = rows - first < step ? rows - first : step;
        LOP_TRY(lop_checkpoint_read(o->source, t, first, n, w->dtype, p->piece));
        LOP_TRY(put_piece(o, p, (uint64_t)first * row, (uint64_t)n * row));
    }
    return LOP_OK;
}

static lop_status copy_tensor(lop_output *o, int32_t index)
{
    passage p = {.tensor = lop_checkpoint_at(o->source, index), .to = &o->shards.tensor[index]};
    const lop_tensor *t = p.tensor;
    const uint64_t rows = t->rank > 0 && t->shape[0] > 0 ? (uint64_t)t->shape[0] : 1;
    const uint64_t row = p.to->bytes / rows;
    lop_status status = LOP_OK;
    o->dirty[p.to->file] = true;
    if (o->digests) LOP_TRY_DONE(lop_sha256_open(&p.digest));
    LOP_TRY_DONE(lop_alloc_aligned((size_t)(row > PIECE_BYTES ? row : PIECE_BYTES), 64, &p.piece));
    const bool as_stored = p.to->dtype == t->dtype && t->rope_heads == 0;
    LOP_TRY_DONE(as_stored ? copy_stored(o, &p) : copy_converted(o, &p));
    if (o->digests) LOP_TRY_DONE(lop_sha256_text(&p.digest, o->digest[index]));
    lop_file_push(&o->files[p.to->file], p.to->at, p.to->bytes);
    o->written[index] = true;
done:
    lop_free(p.piece);
    lop_sha256_close(&p.digest);
    if (status != LOP_OK) lop_note("while copying %s", t->name);
    return status;
}

lop_status lop_output_copy(lop_output *o, const lop_tensor *t)
{
    int32_t index = 0;
    LOP_TRY(lop_output_index(o, t->name, &index));
    return o->written[index] ? LOP_OK : copy_tensor(o, index);
}

lop_status lop_output_copy_rest(lop_output *o)
{
    for (int32_t i = 0; i < o->shards.count; i++)
        if (o->shards.tensor[i].file >= 0 && !o->written[i]) LOP_TRY(copy_tensor(o, i));
    return LOP_OK;
}

/* ---- units of work */

static lop_status sync_dirty(lop_output *o)
{
    for (int32_t f = 0; f < o->shards.files; f++) {
        if (!o->dirty[f]) continue;
        LOP_TRY(lop_file_sync(&o->files[f]));
        o->dirty[f] = false;
    }
    return LOP_OK;
}

static lop_status hold_back(lop_output *o, const int32_t *tensors, int32_t count, const char *line)
{
    lop_output_unit unit = {.count = count};
    lop_status status = LOP_OK;
    LOP_TRY_DONE(lop_realloc((size_t)o->held_count + 1, sizeof *o->held, &o->held));
    LOP_TRY_DONE(LOP_NEW(&unit.tensors, count));
    LOP_TRY_DONE(lop_strdup(line, &unit.line));
    if (count > 0) memcpy(unit.tensors, tensors, (size_t)count * sizeof *tensors);
    o->held[o->held_count++] = unit;
done:
    if (status != LOP_OK) lop_free(unit.tensors);
    return status;
}

/* Behind lines that are held back the next is too, also where identifying the run broke off among them: the journal has no
 * gaps. */
static lop_status line_add(lop_output *o, const int32_t *tensors, int32_t count, const char *line)
{
    (void)pthread_mutex_lock(&o->lock_lines);
    const bool waits = o->journal.begin == NULL || o->held_count > 0;
    const lop_status status =
        waits ? hold_back(o, tensors, count, line) : lop_journal_add(&o->journal, tensors, count, line);
    (void)pthread_mutex_unlock(&o->lock_lines);
    return status;
}

lop_status lop_output_commit(lop_output *o, const char *line)
{
    if (o->published) return LOP_OK;
    int32_t *fresh = NULL;
    int32_t count = 0;
    LOP_TRY(LOP_NEW(&fresh, o->shards.count));
    for (int32_t i = 0; i < o->shards.count; i++)
        if (o->written[i] && !o->journaled[i]) fresh[count++] = i;
    lop_status status = sync_dirty(o);
    if (status == LOP_OK) status = line_add(o, fresh, count, line);
    for (int32_t i = 0; status == LOP_OK && i < count; i++) o->journaled[fresh[i]] = true;
    lop_free(fresh);
    return status;
}
