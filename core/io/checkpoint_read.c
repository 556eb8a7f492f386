/* checkpoint_read.c - values out of a checkpoint: the shape asked for, rows as f32, f16 or bf16 in Hugging Face order,
 * stored bytes, the tokenizer, and the digest of the files. */
#include "core/base/hash.h"
#include "core/base/memory.h"
#include "core/io/checkpoint.h"
#include "core/io/checkpoint_parts.h"
#include "core/io/synth.h"

#include <stdio.h>
#include <string.h>

#define PIECE_BYTES ((size_t)4 << 20) /* of stored bytes held while a tensor is converted */

/* ---- shapes */

static void shape_print(const lop_tensor *t, char *out, size_t room)
{
    size_t used = 0;
    out[0] = '\0';
    for (int32_t i = 0; i < t->rank && used < room; i++) {
        const int n = snprintf(out + used, room - used, "%s%lld", i ? ", " : "", (long long)t->shape[i]);
        if (n < 0) return;
        used += (size_t)n;
    }
}

lop_status lop_checkpoint_need(const lop_checkpoint *c, const char *name, int64_t rows, int64_t cols,
                               const lop_tensor **out)
{
    *out = NULL;
    const lop_config *k = &c->config;
    const lop_tensor *t = lop_checkpoint_find(c, name);
    if (t == NULL)
        return LOP_FAIL(LOP_E_FORMAT, "%s has no tensor %s, which a %s model needs", c->path, name,
                        k->family);
    const bool vector = rows == 0;
    const bool right = vector ? t->rank == 1 && t->shape[0] == cols
                              : t->rank == 2 && t->shape[0] == rows && t->shape[1] == cols;
    if (!right) {
        char has[96], wants[64];
        shape_print(t, has, sizeof has);
        if (vector)
            (void)snprintf(wants, sizeof wants, "%lld", (long long)cols);
        else
            (void)snprintf(wants, sizeof wants, "%lld, %lld", (long long)rows, (long long)cols);
        return LOP_FAIL(
            LOP_E_FORMAT,
            "%s is (%s) in the file but the config says (%s): hidden %d, ffn %d, heads %d, kv_heads %d, "
            "head_dim %d, vocab %d",
            name, has, wants, k->hidden, k->ffn, k->heads, k->kv_heads, k->head_dim, k->vocab);
    }
    if (!lop_dtype_is_float(t->dtype))
        return LOP_FAIL(LOP_E_FORMAT, "%s is of type %s; a weight is F32, F16, BF16 or quantised", name,
                        lop_dtype_name(t->dtype));
    *out = t;
    return LOP_OK;
}

/* ---- bytes */

static const lop_file *file_of(const lop_checkpoint *c, const lop_tensor *t)
{
    return c->gguf ? lop_gguf_file(c->gguf) : &c->shards[t->file].file;
}

lop_status lop_checkpoint_read_stored(const lop_checkpoint *c, const lop_tensor *t, uint64_t at, size_t bytes,
                                      void *out)
{
    if (at > t->bytes || bytes > t->bytes - at)
        return LOP_FAIL(LOP_E_ARGUMENT, "%s has %llu bytes; %zu from %llu were asked for", t->name,
                        (unsigned long long)t->bytes, bytes, (unsigned long long)at);
    if (c->made) return lop_synth_fill(c->seed, t, at, bytes, out);
    const lop_status status = lop_file_read_at(file_of(c, t), t->at + at, out, bytes);
    if (status != LOP_OK) lop_note("reading %s", t->name);
    return status;
}

/* ---- rows */

static uint64_t row_elements(const lop_tensor *t)
{
    uint64_t n = 1;
    for (int32_t i = 1; i < t->rank; i++) n *= (uint64_t)t->shape[i];
    return n;
}

static lop_status check_rows(const lop_tensor *t, int64_t first, int64_t rows, lop_dtype as)
{
    const int64_t all = t->rank > 0 ? t->shape[0] : 1;
    if (first < 0 || rows < 0 || first > all || rows > all - first)
        return LOP_FAIL(LOP_E_ARGUMENT, "%s has %lld rows; %lld from %lld were asked for", t->name,
                        (long long)all, (long long)rows, (long long)first);
    if (!lop_dtype_is_float(t->dtype) || !lop_dtype_is_float(as) || lop_dtype_is_quantised(as))
        return LOP_FAIL(LOP_E_ARGUMENT, "%s of type %s cannot be read as %s", t->name,
                        lop_dtype_name(t->dtype), lop_dtype_name(as));
    const uint64_t group = lop_dtype_group_elements(t->dtype), n = row_elements(t);
    if ((uint64_t)first * n % group != 0 || (uint64_t)rows * n % group != 0)
        return LOP_FAIL(LOP_E_ARGUMENT, "%s is stored in groups of %llu; rows %lld to %lld cut one", t->name,
                        (unsigned long long)group, (long long)first, (long long)(first + rows));
    return LOP_OK;
}

/* Elements [first, first + count) in stored order. */
static lop_status read_span(const lop_checkpoint *c, const lop_tensor *t, uint64_t first, uint64_t count,
                            lop_dtype as, unsigned char *out)
{
    if (t->dtype == as)
        return lop_checkpoint_read_stored(c, t, lop_dtype_bytes(as, first), lop_dtype_bytes(as, count), out);
    const size_t group = lop_dtype_group_elements(t->dtype);
    const uint64_t most = PIECE_BYTES / lop_dtype_group_bytes(t->dtype) * group;
    const uint64_t piece = count < most ? count : most;
    unsigned char *stored = NULL;
    LOP_TRY(lop_alloc_aligned(lop_dtype_bytes(t->dtype, piece), 64, &stored));
    lop_status status = LOP_OK;
    for (uint64_t done = 0; status == LOP_OK && done < count; done += piece) {
        const uint64_t n = count - done < piece ? count - done : piece;
        status = lop_checkpoint_read_stored(c, t, lop_dtype_bytes(t->dtype, first + done),
                                            lop_dtype_bytes(t->dtype, n), stored);
        if (status == LOP_OK)
            lop_dtype_convert(t->dtype, stored, as, out + lop_dtype_bytes(as, done), (size_t)n);
    }
    lop_free(stored);
    return status;
}

/* Halves are woven together. */
int64_t lop_tensor_woven_row(int64_t r, int64_t head)
{
    return r < head / 2 ? 2 * r : 2 * (r - head / 2) + 1;
}

/* Rows [from, to) of head `h`: the span of stored rows that holds them is read once. */
static lop_status read_head(const lop_checkpoint *c, const lop_tensor *t, int64_t h, int64_t from, int64_t to,
                            lop_dtype as, unsigned char *out)
{
    const int64_t head = t->shape[0] / t->rope_heads;
    const uint64_t n = row_elements(t);
    const size_t stored_row = lop_dtype_bytes(t->dtype, n), row = lop_dtype_bytes(as, n);
    int64_t low = head, high = 0;
    for (int64_t r = from; r < to; r++) {
        const int64_t at = lop_tensor_woven_row(r, head);
        if (at < low) low = at;
        if (at >= high) high = at + 1;
    }
    unsigned char *stored = NULL;
    LOP_TRY(lop_alloc((size_t)(high - low), stored_row, &stored));
    const lop_status status = lop_checkpoint_read_stored(c, t, (uint64_t)(h * head + low) * stored_row,
                                                         (size_t)(high - low) * stored_row, stored);
    for (int64_t r = from; status == LOP_OK && r < to; r++) {
        const size_t at = (size_t)(lop_tensor_woven_row(r, head) - low) * stored_row;
        lop_dtype_convert(t->dtype, stored + at, as, out + (size_t)(r - from) * row, (size_t)n);
    }
    lop_free(stored);
    return status;
}

static lop_status read_woven(const lop_checkpoint *c, const lop_tensor *t, int64_t first, int64_t rows,
                             lop_dtype as, unsigned char *out)
{
    if (t->shape[0] % t->rope_heads != 0 || t->shape[0] / t->rope_heads % 2 != 0)
        return LOP_FAIL(LOP_E_FORMAT, "%s has %lld rows, which %d heads of even size cannot have", t->name,
                        (long long)t->shape[0], t->rope_heads);
    if (row_elements(t) % lop_dtype_group_elements(t->dtype) != 0)
        return LOP_FAIL(LOP_E_FORMAT, "%s: a row of %llu elements is no whole number of groups", t->name,
                        (unsigned long long)row_elements(t));
    const int64_t head = t->shape[0] / t->rope_heads;
    const size_t row = lop_dtype_bytes(as, row_elements(t));
    for (int64_t done = 0; done < rows;) {
        const int64_t h = (first + done) / head, from = (first + done) % head;
        const int64_t to = head - from < rows - done ? head : from + rows - done;
        LOP_TRY(read_head(c, t, h, from, to, as, out + (size_t)done * row));
        done += to - from;
    }
    return LOP_OK;
}

lop_status lop_checkpoint_read(const lop_checkpoint *c, const lop_tensor *t, int64_t first, int64_t rows,
                               lop_dtype as, void *out)
{
    LOP_TRY(check_rows(t, first, rows, as));
    if (t->rope_heads > 0) return read_woven(c, t, first, rows, as, out);
    const uint64_t n = row_elements(t);
    return read_span(c, t, (uint64_t)first * n, (uint64_t)rows * n, as, out);
}

void lop_checkpoint_want(const lop_checkpoint *c, const lop_tensor *t, int64_t first, int64_t rows)
{
    const uint64_t n = row_elements(t);
    if (c->made) return;
    lop_file_want(file_of(c, t), t->at + lop_dtype_bytes(t->dtype, (uint64_t)first * n),
                  lop_dtype_bytes(t->dtype, (uint64_t)rows * n));
}

/* ---- the rest of a model */

lop_status lop_checkpoint_tokenizer(const lop_checkpoint *c, lop_tokenizer **out)
{
    if (c->made) return lop_synth_tokenizer(out);
    return c->gguf ? lop_gguf_tokenizer(c->gguf, out) : lop_tokenizer_open_folder(c->path, out);
}

lop_status lop_checkpoint_sha256(const lop_checkpoint *c, const atomic_bool *stop, char out[65])
{
    const char **paths = NULL;
    LOP_TRY(LOP_NEW(&paths, c->files));
    for (int32_t f = 0; f < c->files; f++) paths[f] = lop_checkpoint_file_path(c, f);
    const lop_status status = lop_sha256_files(paths, c->files, stop, out);
    lop_free(paths);
    return status;
}
