/* writer.h - a thread that writes blocks while the next ones are computed: values, masks, digests, then the journal.
 *
 * Two jobs take turns: one is filled while the other is written. The journal line of a block follows its data, so the
 * journal never runs ahead. */
#ifndef LOP_CORE_PRUNE_WRITER_H
#define LOP_CORE_PRUNE_WRITER_H

#include "core/io/json.h"
#include "core/io/output.h"
#include "core/model/family.h"
#include "core/prune/masks.h"

/* One linear to be written. `json` receives its sha256. */
typedef struct lop_job_linear {
    const char *name;
    void *values; /* in the output's type */
    uint64_t bytes;
    const lop_mask_entry *mask; /* NULL: masks are not saved */
    unsigned char *bits;
    json_t *json; /* borrowed from the block's */
} lop_job_linear;

typedef struct lop_job {
    lop_job_linear linears[LOP_LINEAR_COUNT];
    int count;
    json_t *line; /* the block's report, the journal's line; borrowed, untouched by others until it is done */
    unsigned char *bytes; /* where values and bits lie; owned by the writer */
    size_t used, room;
} lop_job;

typedef struct lop_writer lop_writer;

/* `room`: the most bytes that the values and bits of a block take. Output and masks must outlive the writer. */
LOP_CHECKED lop_status lop_writer_open(lop_output *output, const lop_masks *masks, size_t room,
                                       lop_writer **out);

/* Waits for what is under way, whether or not it succeeds. NULL is allowed. */
void lop_writer_close(lop_writer *w);

/* An empty job to fill. */
lop_job *lop_writer_job(lop_writer *w);

/* A 64-aligned piece of the job's bytes; asserted to be there. */
void *lop_job_place(lop_job *job, size_t bytes);

/* Waits for the job before, then hands over the one that lop_writer_job gave. The failure of an earlier job comes out
 * here or in lop_writer_wait. */
LOP_CHECKED lop_status lop_writer_submit(lop_writer *w);
LOP_CHECKED lop_status lop_writer_wait(lop_writer *w);

#endif
