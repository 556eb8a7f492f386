/* synth.h - models of known shapes with seeded random weights: for benchmarks, and for tests that need a model of any
 * size. Such a model is a checkpoint without a file; convert.h writes it to a folder. */
#ifndef LOP_CORE_IO_SYNTH_H
#define LOP_CORE_IO_SYNTH_H

#include "core/io/checkpoint.h"

typedef struct lop_synth_shape {
    const char *name; /* "llama-7b" */
    lop_config config;
} lop_synth_shape;

/* The shapes, 0 <= index < lop_synth_count(). */
int lop_synth_count(void);
const lop_synth_shape *lop_synth_at(int index);

/* LOP_E_ARGUMENT for an unknown one lists what there is. */
LOP_CHECKED lop_status lop_synth_find(const char *name, const lop_synth_shape **out);

/* A checkpoint of this config: matrices of mean 0 and standard deviation 0.02, norms 1, biases 0, all of `dtype` (F32,
 * F16 or BF16). A value depends on the seed, the tensor's name and the element's index alone. Close it with
 * lop_checkpoint_close. */
LOP_CHECKED lop_status lop_synth_open(const lop_config *config, lop_dtype dtype, uint64_t seed,
                                      lop_checkpoint **out);

/* Stored bytes [at, at + bytes) of a tensor of such a checkpoint; whole elements. */
LOP_CHECKED lop_status lop_synth_fill(uint64_t seed, const lop_tensor *t, uint64_t at, size_t bytes,
                                      void *out);

/* Its tokenizer: the 256 bytes, then beginning and end of text (LOP_SYNTH_BOS, LOP_SYNTH_EOS). */
LOP_CHECKED lop_status lop_synth_tokenizer(lop_tokenizer **out);

#define LOP_SYNTH_BOS 256
#define LOP_SYNTH_EOS 257

#endif
