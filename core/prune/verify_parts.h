/* verify_parts.h - a check under way. Internal to core/prune/verify*.c. */
#ifndef LOP_CORE_PRUNE_VERIFY_PARTS_H
#define LOP_CORE_PRUNE_VERIFY_PARTS_H

#include "core/model/family.h"
#include "core/prune/masks.h"
#include "core/prune/report.h"
#include "core/prune/sparsity.h"
#include "core/prune/verify.h"

typedef struct lop_verifying {
    const char *folder;
    lop_log *log;
    lop_checkpoint *file;   /* the folder's; NULL: it does not open */
    lop_net net;            /* of it; family NULL: not resolved */
    lop_checkpoint *source; /* NULL: none is at hand */
    bool against;           /* it was given, and did not come from the report */
    lop_masks masks;
    bool has_masks;
    json_t *report;     /* NULL: there is none, or it is no JSON */
    lop_target pattern; /* what the report claims; group 0: nothing */
    json_t *failures, *linears;
    int64_t zeros;
    bool untouched_identical;
} lop_verifying;

/* Adds {tensor, element, what}; element NULL or of `rank` places. tensor NULL: of no one tensor. */
LOP_CHECKED lop_status lop_verify_fail(lop_verifying *v, const char *tensor, const int64_t *element, int rank,
                                       const char *format, ...) LOP_PRINTF(5, 6);

/* A failure of reading is what the check looks for, and becomes one of its findings; any other is passed on. */
LOP_CHECKED lop_status lop_verify_soften(lop_verifying *v, const char *tensor, lop_status status);

/* The report's line of a linear, and the digest of any tensor; NULL when it has none (verify_report.c). */
const json_t *lop_verify_line(const lop_verifying *v, const char *name);
const char *lop_verify_digest(const lop_verifying *v, const char *name);

/* Report, headers and mask file against each other (verify_report.c). */
LOP_CHECKED lop_status lop_verify_report(lop_verifying *v, const char *masks_path);
LOP_CHECKED lop_status lop_verify_headers(lop_verifying *v);
LOP_CHECKED lop_status lop_verify_counts(lop_verifying *v);

/* One tensor read from end to end (verify_tensor.c). */
LOP_CHECKED lop_status lop_verify_linear(lop_verifying *v, const lop_tensor *t);
LOP_CHECKED lop_status lop_verify_untouched(lop_verifying *v, const lop_tensor *t);

#endif
