/* gguf_write.h - a model written as one GGUF file, version 3: metadata, tokenizer, and tensors in the order of the source.
 * Matrices are written in the type asked for, norms and biases in F32, as llama.cpp wants them. Internal to core/io; others
 * use convert.h. */
#ifndef LOP_CORE_IO_GGUF_WRITE_H
#define LOP_CORE_IO_GGUF_WRITE_H

#include "core/base/log.h"
#include "core/base/text.h"
#include "core/io/checkpoint.h"

#define LOP_GGUF_ALIGNMENT 32

/* A tensor of the file in the making. */
typedef struct lop_gguf_place {
    const lop_tensor
        *source; /* NULL: the table of rope frequencies, which config.json states by its rule, or zeros */
    bool table;
    char name[128]; /* as the file spells it */
    lop_dtype dtype;
    int32_t rank;
    int64_t shape[2];   /* outermost first */
    int32_t rope_heads; /* > 0: rows are woven for so many heads */
    uint64_t at, bytes; /* from the start of the data */
} lop_gguf_place;

typedef struct lop_gguf_plan {
    const lop_checkpoint *source;
    const char *architecture; /* as the file says it */
    lop_gguf_place *tensors;
    int32_t count, left_out; /* placed; of the source and not written */
    lop_widths *each;        /* of the blocks of the file, which may be fewer than the source's */
    int32_t *number;         /* of each block of the source; -1: not written, it has lost both halves */
    int32_t blocks;
    lop_string header; /* up to where the data begin */
    uint64_t bytes;    /* of the data */
} lop_gguf_plan;

/* Plans the whole file, and reads no tensor. `dtype` NULL: every matrix keeps its type, F16 where it is quantised. The
 * source must outlive the plan. LOP_E_UNSUPPORTED names what GGUF has no word for: a family, a tensor, a window that
 * begins late, a tokenizer. Warnings of what is said less exactly go to the log. */
LOP_CHECKED lop_status lop_gguf_plan_open(const lop_checkpoint *source, const lop_dtype *dtype, lop_log *log,
                                          lop_gguf_plan *out);
void lop_gguf_plan_close(lop_gguf_plan *p);

/* Writes the file: under `path` it appears whole or not at all. LOP_E_STOPPED between two tensors. */
LOP_CHECKED lop_status lop_gguf_write(const lop_gguf_plan *p, const char *path, lop_log *log);

#endif
