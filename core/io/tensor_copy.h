/* tensor_copy.h - one tensor of a checkpoint into a file, in pieces: converted, checked, its rows in Hugging Face order or as
 * GGUF has them. */
#ifndef LOP_CORE_IO_TENSOR_COPY_H
#define LOP_CORE_IO_TENSOR_COPY_H

#include "core/base/file.h"
#include "core/base/hash.h"
#include "core/io/checkpoint.h"

#define LOP_TENSOR_COPY_BYTES ((uint64_t)8 << 20) /* of values held while a tensor is copied */

typedef struct lop_tensor_copy {
    const lop_checkpoint *source;
    const lop_tensor *tensor;
    const lop_file *to;
    uint64_t at; /* where in it */
    lop_dtype dtype;
    int32_t rope_heads; /* > 0: rows are written woven for so many heads, as in lop_tensor */
    lop_sha256 *digest; /* of what is written; NULL: nobody wants it */
} lop_tensor_copy;

/* LOP_E_FORMAT names the first value that is NaN, infinite, or beyond what the written type holds. */
LOP_CHECKED lop_status lop_tensor_copy_run(const lop_tensor_copy *way);

#endif
