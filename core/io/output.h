/* output.h - a model folder in the making: planned whole, written tensor by tensor in `DIR/.lop/`, published at once.
 *
 * lop_output_open plans the shards (same names, order and headers as a safetensors source of the same dtype, so that an
 * unpruned copy is byte-equal; one or several shards otherwise), gives each file its full size and, on resume, finds
 * what the journal says is done. Tensors are written at their final offsets. lop_output_commit syncs the data and then
 * appends one synced line to the journal, which therefore never runs ahead of the data. lop_output_publish syncs and
 * renames shards and index, then the other files, config.json last, syncs the folder and removes `.lop`. */
#ifndef LOP_CORE_IO_OUTPUT_H
#define LOP_CORE_IO_OUTPUT_H

#include "core/base/status.h"
#include "core/io/checkpoint.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct lop_output lop_output;

typedef struct lop_output_plan {
    const lop_checkpoint *source;
    const char *folder;
    bool dtype_given; /* false: every tensor keeps its own type (F16 where the source is quantised) */
    lop_dtype dtype;  /* of every float tensor, when given */
    const char *
        fingerprint; /* one JSON object that says what this run is: options, hashes; resume must match it. NULL
                         without resume: not known yet, lop_output_identify tells it */
    bool force;      /* a folder that is not empty may be overwritten: at publication, file by file */
    bool resume;
    bool finished; /* with resume: the folder holds what this run would publish */
    bool digests;  /* lop_output_sha256 will be asked for copied tensors: found while they are copied */
    uint64_t shard_bytes; /* for sources without shards of their own; 0: 5 GB */
} lop_output_plan;

/* Errors: LOP_E_ARGUMENT (folder not empty without force, a started run without resume or with another fingerprint: the
 * sentence names the difference; the source's own folder), LOP_E_DISK, LOP_E_OUTPUT. */
LOP_CHECKED lop_status lop_output_open(const lop_output_plan *plan, lop_output **out);
/* What the run is, when it was not known at the opening: the journal begins, and takes what commits held back. Once; from
 * any thread. A run that dies before begins again from nothing. */
LOP_CHECKED lop_status lop_output_identify(lop_output *o, const char *fingerprint);

void lop_output_close(lop_output *o); /* without publishing: `.lop` stays */

/* Throws away what was written, for a run that cannot go on or has nothing worth it: `.lop` goes, and the folder if this
 * run made it. Not after publication has begun. The thread's failure stays; NULL is allowed. Close follows. */
void lop_output_discard(lop_output *o);

/* Units of work (blocks) that the journal says are done, those of a resumed run too; their JSON lines, in order, the
 * latter in the thread that commits. Units that are committed and wait for the run to be identified. Both together. */
int32_t lop_output_done(lop_output *o);
int32_t lop_output_held_back(lop_output *o);
int32_t lop_output_committed(lop_output *o);
const char *lop_output_done_line(const lop_output *o, int32_t index);

/* True when everything is under its final name: after lop_output_publish, and after opening a run that was stopped while
 * it published, which is finished then, or after it had. Only reading is left to do; commit, add_file and publish do
 * nothing more. */
bool lop_output_published(const lop_output *o);

/* The type a tensor is written in. */
lop_dtype lop_output_dtype(const lop_output *o, const lop_tensor *t);

/* Writes the whole tensor `name`, values already in lop_output_dtype. */
LOP_CHECKED lop_status lop_output_write(lop_output *o, const char *name, const void *values, uint64_t bytes);

/* Reads back rows [first, first + rows) of what an earlier run wrote, counted as lop_checkpoint_read does: for
 * recomputing activations on resume. Safe from several threads at once. */
LOP_CHECKED lop_status lop_output_read(const lop_output *o, const lop_tensor *t, int64_t first, int64_t rows,
                                       lop_dtype as, void *values);

/* False for a tensor that is left out: the second copy of a tied head, GGUF's rope_freqs.weight. */
bool lop_output_holds(const lop_output *o, const lop_tensor *t);

/* Copies one tensor of the source (tensor_copy.h), if nobody has written it; LOP_E_ARGUMENT for one that is left out. */
LOP_CHECKED lop_status lop_output_copy(lop_output *o, const lop_tensor *t);

/* Copies the tensors nobody has written (embeddings, norms, head), converting in pieces. */
LOP_CHECKED lop_status lop_output_copy_rest(lop_output *o);

/* Data first, then the journal line (one JSON object, no line break), which is held back until the run is identified. */
LOP_CHECKED lop_status lop_output_commit(lop_output *o, const char *line);

/* Adds a file to the folder at publication: prune_report.json, masks.safetensors. */
LOP_CHECKED lop_status lop_output_add_file(lop_output *o, const char *name, const void *bytes, size_t size);

/* A path inside `.lop` for what grows during the run; the file of that name is published with the rest if `publish`.
 * The caller frees *path with lop_free. */
LOP_CHECKED lop_status lop_output_work_path(lop_output *o, const char *name, bool publish, char **path);

/* The tensor files, for reports: name, size, and the digest of the header with its eight length bytes. `name` belongs to
 * the output. */
typedef struct lop_output_file {
    const char *name;
    uint64_t bytes;
    char header_sha256[65];
} lop_output_file;
int32_t lop_output_files(const lop_output *o);
LOP_CHECKED lop_status lop_output_file_at(const lop_output *o, int32_t index, lop_output_file *out);

/* Of the stored bytes of a tensor that is written. */
LOP_CHECKED lop_status lop_output_sha256(const lop_output *o, const char *name, char out[65]);

/* config.json, tokenizer files and generation_config.json are copied (made, for GGUF), and everything appears. */
LOP_CHECKED lop_status lop_output_publish(lop_output *o);

#endif
