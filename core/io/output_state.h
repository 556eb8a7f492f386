/* output_state.h - a folder in the making as its parts see it. Internal to core/io/output*.c. */
#ifndef LOP_CORE_IO_OUTPUT_STATE_H
#define LOP_CORE_IO_OUTPUT_STATE_H

#include "core/base/file.h"
#include "core/io/journal.h"
#include "core/io/output.h"
#include "core/io/shards.h"

#include <pthread.h>

#define LOP_WORK_FOLDER  ".lop"
#define LOP_JOURNAL_NAME "journal.jsonl"
#define LOP_LOCK_NAME    "lock"

/* A commit that the journal cannot take before it has begun. */
typedef struct lop_output_unit {
    int32_t *tensors, count;
    char *line;
} lop_output_unit;

struct lop_output {
    const lop_checkpoint *source;
    char *folder, *work; /* DIR, DIR/.lop */
    int lock;            /* handle of DIR/.lop/lock; -1: not held */
    bool dtype_given;
    lop_dtype dtype;
    bool made;      /* DIR was not there before */
    bool resumed;   /* the journal held a run */
    bool published; /* everything is under its final name */
    lop_shards shards;
    lop_file *files; /* shards.files of them */
    bool *dirty;     /* a file has data that was not synced */
    bool *written;   /* a tensor has its values; shards.count of them */
    bool *journaled; /* and the journal says so */
    bool digests;
    char (*digest)[65];         /* of tensors that this process copied with digests; else "" */
    char layout[65];            /* the digest of the planned files */
    pthread_mutex_t lock_lines; /* over the journal and what follows, once the output is open */
    lop_journal journal;
    lop_output_unit *held; /* commits before the run is identified, in order */
    int32_t held_count;
    lop_names others; /* files beside the shards, by the order they were added */
};

/* The folder and its lock (output_folder.c). Makes DIR and DIR/.lop, takes the lock, reads the journal, and decides
 * between beginning and going on: *o has folder, work, lock, journal and resumed then. `fingerprint` and `layout` are
 * held against a begun run. */
LOP_CHECKED lop_status lop_output_claim(lop_output *o, const lop_output_plan *plan, const char *layout);

/* Removes all of DIR/.lop, the journal last but for the lock; DIR too if `folder` and it is empty then. */
LOP_CHECKED lop_status lop_output_clear(lop_output *o, bool folder);

/* True for a folder, whose config.json and tokenizer are copied; false where they are made: GGUF, synthetic models. */
bool lop_output_copies(const lop_output *o);

/* The config.json that is made. LOP_E_UNSUPPORTED when none can state the model, which is asked before work begins. */
LOP_CHECKED lop_status lop_output_config_text(const lop_output *o, lop_string *out);

/* Does what the journal's last line says: removes and renames what is not yet, syncs, and removes DIR/.lop. May be
 * called again after a crash at any point (output_publish.c). */
LOP_CHECKED lop_status lop_output_finish(lop_output *o);

/* Adds a name to o->others unless it is there; LOP_E_ARGUMENT for a name that is not free. */
LOP_CHECKED lop_status lop_output_take_name(lop_output *o, const char *name);

/* The number of a tensor of the source; LOP_E_ARGUMENT when it is not there or not written. */
LOP_CHECKED lop_status lop_output_index(const lop_output *o, const char *name, int32_t *out);

#endif
