/* small_model.h - synthetic models small enough to write in every test, as folders. */
#ifndef LOP_TESTS_IO_SMALL_MODEL_H
#define LOP_TESTS_IO_SMALL_MODEL_H

#include "core/io/checkpoint.h"

/* A llama of two blocks, hidden 32, 4 heads over 2, vocabulary 300. */
lop_config small_config(bool tied);

/* Writes it to a folder in files of at most `shard_bytes` (0: one file). */
void small_folder(const char *folder, bool tied, lop_dtype dtype, uint64_t shard_bytes);

/* Opens a folder; a failure fails the running cmocka test. */
lop_checkpoint *must_open(const char *path);

/* All values of a tensor as f32; the caller frees with lop_free. */
float *must_read(const lop_checkpoint *c, const char *name);
int64_t elements_of(const lop_tensor *t);

/* A group's setup: `here` (scratch.h) with "one", a model in bf16 and one file, and "many", in f16 and shards. Teardown
 * is here_close. */
int small_models_open(void **state);

#endif
