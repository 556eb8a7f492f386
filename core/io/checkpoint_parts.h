/* checkpoint_parts.h - what a checkpoint is made of. Internal to core/io: for the files that open and read one. */
#ifndef LOP_CORE_IO_CHECKPOINT_PARTS_H
#define LOP_CORE_IO_CHECKPOINT_PARTS_H

#include "core/io/checkpoint.h"
#include "core/io/gguf.h"
#include "core/io/safetensors.h"

/* Exactly one of shards, gguf and made is there. */
struct lop_checkpoint {
    char *path;
    lop_config config;
    lop_tensor *at;   /* names belong to shards, gguf or made_names */
    int32_t *by_name; /* indexes into at, sorted by name */
    int32_t count;
    int32_t files;           /* 0 when made */
    lop_safetensors *shards; /* files of them */
    lop_gguf *gguf;
    bool made; /* no file: the values are noise from `seed` (synth.h) */
    uint64_t seed;
    char **made_names; /* count of them */
};

/* Sorts the names of c->at. LOP_E_FORMAT if two are equal. */
LOP_CHECKED lop_status lop_checkpoint_sort_names(lop_checkpoint *c);

#endif
