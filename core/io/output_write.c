/* output_write.c - tensors into a folder in the making: written, read back, copied from the source, committed. */
#include "core/base/hash.h"
#include "core/base/memory.h"
#include "core/io/output_state.h"
#include "core/io/tensor_copy.h"

#include <string.h>

#define PIECE_BYTES LOP_TENSOR_COPY_BYTES

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

static lop_status copy_tensor(lop_output *o, int32_t index)
{
    const lop_shard_tensor *w = &o->shards.tensor[index];
    lop_sha256 digest = {NULL};
    lop_status status = LOP_OK;
    o->dirty[w->file] = true;
    if (o->digests) LOP_TRY_DONE(lop_sha256_open(&digest));
    const lop_tensor_copy way = {.source = o->source,
                                 .tensor = lop_checkpoint_at(o->source, index),
                                 .to = &o->files[w->file],
                                 .at = w->at,
                                 .dtype = w->dtype,
                                 .digest = o->digests ? &digest : NULL};
    LOP_TRY_DONE(lop_tensor_copy_run(&way));
    if (o->digests) LOP_TRY_DONE(lop_sha256_text(&digest, o->digest[index]));
    o->written[index] = true;
done:
    lop_sha256_close(&digest);
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
