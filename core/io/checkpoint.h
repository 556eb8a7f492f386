/* checkpoint.h - a trained model on disk, whatever its container: a table of tensors under their Hugging Face names,
 * the config, and reads of any rows of any tensor as f32, f16 or bf16. Opening maps and checks headers only.
 *
 * Behind it: safetensors.[ch] (one file or shards with an index) and gguf.[ch]. */
#ifndef LOP_CORE_IO_CHECKPOINT_H
#define LOP_CORE_IO_CHECKPOINT_H

#include "core/base/status.h"
#include "core/io/config_json.h"
#include "core/io/dtype.h"
#include "core/io/tokenizer.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define LOP_RANK_MAX 4

typedef struct lop_tensor {
    const char *name; /* Hugging Face name, "model.layers.0.self_attn.q_proj.weight" */
    lop_dtype dtype;
    int32_t rank;
    int64_t shape[LOP_RANK_MAX]; /* outermost first: (out, in) for a linear */
    int32_t file;                /* index of the file it lies in */
    uint64_t at, bytes;          /* where, from the start of the file */
    int32_t rope_heads; /* > 0: its rows are stored permuted for interleaved rope over so many heads (GGUF's
                                    q and k of `llama`); the reads below put them in Hugging Face order */
} lop_tensor;

/* The row of a head of `head` rows, stored for interleaved rope, at which row r in Hugging Face order lies. */
int64_t lop_tensor_woven_row(int64_t r, int64_t head);

typedef struct lop_checkpoint lop_checkpoint;

/* Opens a folder or a .gguf file. Errors: LOP_E_FILE, LOP_E_FORMAT, LOP_E_UNSUPPORTED, LOP_E_MEMORY. */
LOP_CHECKED lop_status lop_checkpoint_open(const char *path, lop_checkpoint **out);
void lop_checkpoint_close(lop_checkpoint *c);

const char *lop_checkpoint_path(const lop_checkpoint *c);
bool lop_checkpoint_is_gguf(const lop_checkpoint *c);
const lop_config *lop_checkpoint_config(const lop_checkpoint *c);

/* Tensors in the order of their files, and within a file of their offsets. */
int32_t lop_checkpoint_count(const lop_checkpoint *c);
const lop_tensor *lop_checkpoint_at(const lop_checkpoint *c, int32_t index);
const lop_tensor *lop_checkpoint_find(const lop_checkpoint *c, const char *name); /* NULL: not there */

/* True for the head of a model that has it tied to its embedding, where both are there. */
bool lop_checkpoint_is_second_head(const lop_checkpoint *c, const lop_tensor *t);

/* Finds a tensor and checks its shape ((rows, cols); rows 0: a vector of cols) and that it is of a float type.
 * LOP_E_FORMAT: "q_proj.weight is (4096, 4096) in the file but the config says (4096, 1024): ...". */
LOP_CHECKED lop_status lop_checkpoint_need(const lop_checkpoint *c, const char *name, int64_t rows,
                                           int64_t cols, const lop_tensor **out);

int32_t lop_checkpoint_files(const lop_checkpoint *c);
const char *lop_checkpoint_file_path(const lop_checkpoint *c, int32_t file);

/* The raw header bytes of a safetensors file (without the eight length bytes); belongs to the checkpoint. */
lop_text lop_checkpoint_header(const lop_checkpoint *c, int32_t file);

/* Reads rows [first, first + rows) of a matrix (of a vector: elements, with rows counting them) as F32, F16 or BF16
 * into `out`, dequantised and put in Hugging Face row order. Safe from several threads at once. */
LOP_CHECKED lop_status lop_checkpoint_read(const lop_checkpoint *c, const lop_tensor *t, int64_t first,
                                           int64_t rows, lop_dtype as, void *out);

/* Says that these rows are read soon, so that the disk may begin with all of them at once; a hint. */
void lop_checkpoint_want(const lop_checkpoint *c, const lop_tensor *t, int64_t first, int64_t rows);

/* Reads stored bytes [at, at + bytes) of a tensor, as they are in the file. Safe from several threads at once. */
LOP_CHECKED lop_status lop_checkpoint_read_stored(const lop_checkpoint *c, const lop_tensor *t, uint64_t at,
                                                  size_t bytes, void *out);

/* The type a tensor's values are read as when nothing is lost: its own if F32, F16 or BF16, else F32. */
lop_dtype lop_checkpoint_word(const lop_tensor *t);

/* The tokenizer that belongs to the model. The caller closes it. */
LOP_CHECKED lop_status lop_checkpoint_tokenizer(const lop_checkpoint *c, lop_tokenizer **out);

/* sha256 of the model's tensor files, one after the other in order. LOP_E_STOPPED soon after *stop; NULL: never. */
LOP_CHECKED lop_status lop_checkpoint_sha256(const lop_checkpoint *c, const atomic_bool *stop, char out[65]);

#endif
