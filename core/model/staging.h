/* staging.h - tensors on their way to the device: a page-locked host buffer that values are read into, the look for
 * values that are no numbers, and the conversion into a matrix of any word. Internal to core/model. */
#ifndef LOP_CORE_MODEL_STAGING_H
#define LOP_CORE_MODEL_STAGING_H

#include "core/device/device.h"
#include "core/io/checkpoint.h"

typedef struct lop_staging {
    lop_buf host;    /* what is read */
    lop_buf landing; /* on the device, where the device cannot take from the host while it converts */
} lop_staging;

/* `bytes` of host buffer; `largest`: of one tensor or piece moved at a time. */
LOP_CHECKED lop_status lop_staging_open(lop_device *device, size_t bytes, size_t largest, lop_staging *out);
void lop_staging_close(lop_staging *s);

/* Where byte `at` of the host buffer is. */
void *lop_staging_at(const lop_staging *s, size_t at);

/* Queues the way of to.rows x to.cols packed values of type `from` at byte `at` into `to`, whatever its word. */
LOP_CHECKED lop_status lop_staging_move(lop_queue *q, const lop_staging *s, size_t at, lop_dtype from,
                                        lop_mat to);

/* A whole tensor to the matrix `to` of its shape, read as `as`, some MiB at a time; LOP_STAGING_OWN: as lop_checkpoint_word
 * says, and then values that are no numbers are told of. Waits. Nothing happens without a tensor (NULL). Rows of a table
 * may be left out: `first` of them before, and what does not fit behind. */
#define LOP_STAGING_OWN LOP_DTYPE_COUNT
LOP_CHECKED lop_status lop_staging_bring(lop_queue *q, const lop_checkpoint *file, const lop_tensor *t,
                                         lop_dtype as, int64_t first, lop_mat to);

/* The word of the device for values read as F32, F16 or BF16. */
lop_type lop_staging_type(lop_dtype dtype);

/* Bytes of `elements` values read as `as`, rounded up so that what follows is aligned for every device. */
size_t lop_staging_bytes(lop_dtype as, int64_t elements);

/* LOP_E_FORMAT naming the tensor and the first element that is NaN or infinite. values: rows from `first` on. */
LOP_CHECKED lop_status lop_staging_check(const lop_tensor *t, int64_t first, lop_dtype as, const void *values,
                                         int64_t elements);

#endif
