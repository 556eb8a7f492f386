/* writer.h - a thread that writes blocks while the next ones are computed: values, masks, digests, then the journal.
 *
 * Two jobs take turns: one is filled while the other is written. They lie in page-locked memory, so that a device fills
 * them while it computes. The journal line of a block follows its data, so the journal never runs ahead. */
#ifndef LOP_CORE_PRUNE_WRITER_H
#define LOP_CORE_PRUNE_WRITER_H

#include "core/device/device.h"
#include "core/io/json.h"
#include "core/io/output.h"
#include "core/model/family.h"
#include "core/prune/masks.h"
#include "core/prune/quant.h"

/* One linear to be written. `json` receives how many weights its bits drop, of how many
 * rows which part, its sha256, and its grids. */
typedef struct lop_job_linear {
    const char *name;
    int32_t rows, cols;
    size_t values; /* where in the job's memory they lie, in the output's type */
    uint64_t bytes;
    size_t bits;                /* where its keep bits lie */
    bool changed;               /* kept weights are not the source's */
    lop_quant quant;            /* bits 0: its weights lie on no grids */
    int32_t grids;              /* of a row */
    size_t scale, zero;         /* where those of its grids lie, f32 */
    const lop_mask_entry *mask; /* NULL: masks are not saved */
    json_t *json;               /* borrowed from the block's */
} lop_job_linear;

/* A bias that is written anew; `json` receives its sha256. */
typedef struct lop_job_bias {
    const char *name;
    lop_linear_id id;
    size_t values;
    uint64_t bytes;
    json_t *json;
} lop_job_bias;

typedef struct lop_job {
    lop_job_linear linears[LOP_LINEAR_COUNT];
    int count;
    lop_job_bias biases[LOP_LINEAR_COUNT];
    int bias_count;
    json_t *block; /* its report; borrowed, untouched by others until it is written */
    json_t *line; /* the journal's, that report or one that has it; NULL: a later job of its unit brings it */
    lop_buf bytes; /* on the host, page-locked: values and bits; the writer's */
    size_t used;
} lop_job;

typedef struct lop_writer lop_writer;

typedef struct lop_writer_plan {
    lop_output *output;
    const lop_masks *masks;          /* NULL: masks are not saved */
    lop_device *device;              /* that fills the jobs */
    size_t room;                     /* the most bytes that the values and bits of a block take */
    lop_status (*first)(void *user); /* what the thread does before the first job */
    void *user;
} lop_writer_plan;

/* Output, masks and device must outlive the writer. */
LOP_CHECKED lop_status lop_writer_open(const lop_writer_plan *plan, lop_writer **out);

/* Waits for what is under way, whether or not it succeeds. NULL is allowed. */
void lop_writer_close(lop_writer *w);

/* An empty job to fill; waits until one is written. The failure of an earlier job comes out here or in
 * lop_writer_wait. */
LOP_CHECKED lop_status lop_writer_job(lop_writer *w, lop_job **out);

/* Where a 64-aligned piece of the job's bytes lies; asserted to be there. */
size_t lop_job_place(lop_job *job, size_t bytes);

/* Hands over the job that lop_writer_job gave; the device must have filled it. Does not wait. */
void lop_writer_submit(lop_writer *w);

/* Waits until all that was handed over is written. */
LOP_CHECKED lop_status lop_writer_wait(lop_writer *w);

#endif
