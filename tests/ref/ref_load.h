/* ref_load.h - a checkpoint on disk as a double-precision reference model. */
#ifndef LOP_TESTS_REF_LOAD_H
#define LOP_TESTS_REF_LOAD_H

#include "core/base/status.h"
#include "tests/ref/ref_model.h"

typedef struct ref_loaded {
    ref_model model;
    double **arrays; /* everything the model points at */
    int count, room;
} ref_loaded;

/* Reads a llama, mistral, qwen2 or opt model; each call gives its own weights, so a pruned model is loaded anew.
 * Errors: those of lop_checkpoint_open and _read; LOP_E_UNSUPPORTED for other families. Close also after a
 * failure. */
LOP_CHECKED lop_status ref_load(const char *path, ref_loaded *out);
void ref_load_close(ref_loaded *loaded);

/* Reads a file of little-endian int32 token ids; the caller frees with free(). Ids outside [0, vocab) are
 * refused. */
LOP_CHECKED lop_status ref_load_ids(const char *path, int vocab, int32_t **ids, int64_t *count);

#endif
