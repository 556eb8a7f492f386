/* walk.c - before and between the blocks: the word a device computes in, embedding rows, and the look for numbers that
 * went wrong. */
#include "core/model/walk.h"

#include "core/base/memory.h"
#include "core/model/staging.h"

#define EMBED_ROWS 256 /* embedding rows on the host at a time */

lop_type lop_walk_word(const lop_device *device, const lop_net *net)
{
    const lop_type own = lop_staging_type(net->config->dtype);
    const bool taken = (device->product_types >> own & 1u) != 0;
    return taken && device->math == LOP_MATH_NATIVE ? own : LOP_F32;
}

static lop_status read_row(const lop_net *net, int32_t id, float *out)
{
    const lop_tensor *t = net->embedding;
    if (id < 0 || id >= net->config->vocab)
        return LOP_FAIL(LOP_E_FORMAT, "token id %d is outside of the vocabulary of %d", id,
                        net->config->vocab);
    LOP_TRY(lop_checkpoint_read(net->file, t, id, 1, LOP_DTYPE_F32, out));
    return lop_staging_check(t, id, LOP_DTYPE_F32, out, net->config->hidden);
}

lop_status lop_embed(lop_queue *q, const lop_net *net, const int32_t *ids, int32_t count, lop_mat x)
{
    const int32_t hidden = net->config->hidden;
    if (x.type != LOP_F32 || x.rows != count || x.cols != hidden)
        return LOP_FAIL(LOP_E_ARGUMENT, "embeddings go to (%d, %d) f32; got (%d, %d) %s", count, hidden,
                        x.rows, x.cols, lop_type_name(x.type));
    float *rows = NULL;
    lop_status status = lop_alloc((size_t)EMBED_ROWS * (size_t)hidden, sizeof *rows, &rows);
    for (int32_t first = 0; status == LOP_OK && first < count; first += EMBED_ROWS) {
        const int32_t n = count - first < EMBED_ROWS ? count - first : EMBED_ROWS;
        for (int32_t i = 0; status == LOP_OK && i < n; i++)
            status = read_row(net, ids[first + i], rows + (int64_t)i * hidden);
        if (status == LOP_OK) status = lop_upload(q, rows, lop_mat_rows(x, first, n));
    }
    lop_free(rows);
    return status;
}

lop_status lop_walk_check(lop_queue *q, lop_mat x, int32_t block)
{
    int64_t count = 0;
    lop_arena *a = NULL;
    lop_mat scratch, total;
    lop_status status = lop_arena_open(q->device, LOP_ON_DEVICE, 0, &a);
    if (status != LOP_OK) return status;
    LOP_TRY_DONE(lop_arena_mat(a, x.rows, 1, LOP_U32, &scratch));
    LOP_TRY_DONE(lop_arena_mat(a, 1, 1, LOP_I64, &total));
    LOP_TRY_DONE(lop_upload(q, &count, total));
    LOP_TRY_DONE(lop_count_not_finite(q, x, scratch, total));
    LOP_TRY_DONE(lop_download(q, total, &count));
    if (count != 0)
        status = LOP_FAIL(LOP_E_NUMERIC, "the activations after block %d hold %lld NaN or infinite values",
                          block, (long long)count);
done:
    lop_arena_close(a);
    return status;
}
