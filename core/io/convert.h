/* convert.h - a model written to a Hugging Face folder or a GGUF file, in another container or another type; nothing else
 * changes. */
#ifndef LOP_CORE_IO_CONVERT_H
#define LOP_CORE_IO_CONVERT_H

#include "core/base/log.h"
#include "core/io/checkpoint.h"

typedef struct lop_convert_plan {
    const lop_checkpoint *source; /* a folder, a GGUF file or a synthetic model */
    const char *save;             /* the new folder; the new file if it ends in .gguf */
    bool dtype_given;             /* false: every tensor keeps its type, F16 where it is quantised */
    lop_dtype dtype;              /* of a GGUF file its matrices: vectors are F32 there */
    bool force, resume;           /* as in output.h; a GGUF file is begun anew */
    uint64_t shard_bytes;         /* of a folder; 0: 5 GB */
    lop_log *log;                 /* NULL: silent */
} lop_convert_plan;

typedef struct lop_convert_result {
    int32_t tensors, left_out; /* written; not written (the second copy of a tied head) */
    uint64_t bytes;            /* of the tensors written */
} lop_convert_result;

/* Errors as lop_output_open, for a file too: LOP_E_ARGUMENT when it is there and not to be overwritten, or is the source
 * itself. LOP_E_UNSUPPORTED names what the container has no word for; LOP_E_STOPPED between two tensors. What fails leaves
 * nothing. */
LOP_CHECKED lop_status lop_convert_model(const lop_convert_plan *plan, lop_convert_result *out);

#endif
