/* convert.h - a model written to a Hugging Face folder, in another container or another type; nothing else changes. */
#ifndef LOP_CORE_IO_CONVERT_H
#define LOP_CORE_IO_CONVERT_H

#include "core/base/log.h"
#include "core/io/checkpoint.h"

typedef struct lop_convert_plan {
    const lop_checkpoint *source; /* a folder, a GGUF file or a synthetic model */
    const char *save;             /* the new folder */
    bool dtype_given;             /* false: every tensor keeps its type, F16 where it is quantised */
    lop_dtype dtype;
    bool force, resume;   /* as in output.h */
    uint64_t shard_bytes; /* 0: 5 GB */
    lop_log *log;         /* NULL: silent */
} lop_convert_plan;

typedef struct lop_convert_result {
    int32_t tensors, left_out; /* written; not written (the second copy of a tied head) */
    uint64_t bytes;            /* of the tensors written */
} lop_convert_result;

/* LOP_E_UNSUPPORTED when `save` ends in .gguf: only folders are written. Otherwise as lop_output_open, and LOP_E_STOPPED
 * between two tensors. */
LOP_CHECKED lop_status lop_convert_folder(const lop_convert_plan *plan, lop_convert_result *out);

#endif
