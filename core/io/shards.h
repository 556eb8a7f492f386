/* shards.h - the safetensors files that a checkpoint is written to: which tensor lies where, in which type, the header
 * of each file, and the index. Internal to core/io.
 *
 * A file of a safetensors source whose tensors all keep their type keeps its header byte for byte. The second copy of a
 * tied head and GGUF's table of rope frequencies are left out. */
#ifndef LOP_CORE_IO_SHARDS_H
#define LOP_CORE_IO_SHARDS_H

#include "core/io/checkpoint.h"

#define LOP_SHARD_BYTES ((uint64_t)5000000000) /* of one file, as transformers cuts: 5 GB */

typedef struct lop_shard_tensor {
    int32_t file;       /* -1: left out */
    uint64_t at, bytes; /* from the start of the file */
    lop_dtype dtype;
} lop_shard_tensor;

typedef struct lop_shard_file {
    char *name;
    lop_string header; /* with the eight length bytes */
    uint64_t size;     /* of the whole file */
} lop_shard_file;

typedef struct lop_shards {
    lop_shard_tensor *tensor; /* one for each of the source, in its order */
    int32_t count;
    lop_shard_file *file;
    int32_t files;
    lop_string index; /* model.safetensors.index.json; empty when there is one file and the source has none */
} lop_shards;

typedef struct lop_shards_wish {
    bool dtype_given;
    lop_dtype dtype;      /* of every float tensor, when given */
    uint64_t shard_bytes; /* 0: LOP_SHARD_BYTES */
} lop_shards_wish;

LOP_CHECKED lop_status lop_shards_plan(const lop_checkpoint *source, const lop_shards_wish *wish,
                                       lop_shards *out);
void lop_shards_close(lop_shards *s);

#define LOP_SHARDS_INDEX_NAME "model.safetensors.index.json"

#endif
