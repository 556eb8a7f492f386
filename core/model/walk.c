/* walk.c - around and between the blocks: the word a device computes in, and the look for numbers that went wrong. */
#include "core/model/walk.h"

#include "core/base/memory.h"
#include "core/model/staging.h"

lop_type lop_walk_word(const lop_device *device, const lop_net *net)
{
    const lop_type own = lop_staging_type(net->config->dtype);
    const bool taken = (device->product_types >> own & 1u) != 0;
    return taken && device->math == LOP_MATH_NATIVE ? own : LOP_F32;
}

static lop_status fail_numbers(int32_t block, int64_t count)
{
    return LOP_FAIL(LOP_E_NUMERIC, "the activations after block %d hold %lld NaN or infinite values", block,
                    (long long)count);
}

lop_status lop_walk_look(lop_queue *q, lop_mat wrong)
{
    int64_t *count = NULL;
    LOP_TRY(LOP_NEW(&count, wrong.cols));
    lop_status status = lop_download(q, wrong, count);
    for (int32_t b = 0; status == LOP_OK && b < wrong.cols; b++)
        if (count[b] != 0) status = fail_numbers(b, count[b]);
    lop_free(count);
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
    LOP_TRY_DONE(lop_mat_zero(q, total));
    LOP_TRY_DONE(lop_count_not_finite(q, x, scratch, total));
    LOP_TRY_DONE(lop_download(q, total, &count));
    if (count != 0) status = fail_numbers(block, count);
done:
    lop_arena_close(a);
    return status;
}
