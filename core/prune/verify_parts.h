/* verify_parts.h - a check under way. Internal to core/prune/verify*.c. */
#ifndef LOP_CORE_PRUNE_VERIFY_PARTS_H
#define LOP_CORE_PRUNE_VERIFY_PARTS_H

#include "core/model/family.h"
#include "core/prune/masks.h"
#include "core/prune/quant.h"
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

/* The report's line of a linear, that of a bias which goes with units, and the digest of any tensor; NULL when it has none
 * (verify_report.c). */
const json_t *lop_verify_line(const lop_verifying *v, const char *name);
const json_t *lop_verify_bias_line(const lop_verifying *v, const char *name);
const char *lop_verify_digest(const lop_verifying *v, const char *name);

/* What the report says of the units of which a linear is a part, {kept, of}, and what they are called; NULL: nothing. */
const json_t *lop_verify_units(const lop_verifying *v, const lop_tensor *linear, const char **kind);

/* Report, headers and mask file against each other (verify_report.c). */
LOP_CHECKED lop_status lop_verify_report(lop_verifying *v, const char *masks_path);
LOP_CHECKED lop_status lop_verify_headers(lop_verifying *v);
LOP_CHECKED lop_status lop_verify_counts(lop_verifying *v);

/* The grids that a linear's line speaks of, and rows of the file and of the source as numbers (verify_grid.c). */
enum { LOP_VERIFY_POINTS_MOST = 1 << LOP_QUANT_BITS_MOST };
typedef struct lop_verify_grid {
    float *scale, *zero;  /* NULL: it speaks of none */
    int64_t each, of_row; /* columns of a grid; grids of a row */
    int32_t most;         /* the largest code */
    float *have, *source; /* one row */
} lop_verify_grid;

/* LOP_E_FORMAT: grids that are none. The caller closes. */
LOP_CHECKED lop_status lop_verify_grid_open(const json_t *line, int64_t rows, int64_t cols,
                                            lop_verify_grid *out);
void lop_verify_grid_close(lop_verify_grid *grid);

/* The points of one grid as the file's type has them. */
typedef struct lop_verify_points {
    double scale;
    int32_t least, count; /* steps from 0 to the first; how many there are */
    unsigned char words[LOP_VERIFY_POINTS_MOST * sizeof(float)];
} lop_verify_points;
void lop_verify_points_of(const lop_verify_grid *grid, int64_t at, lop_dtype dtype, lop_verify_points *out);

/* Which point lies next to a value; whether a source's weight has none that is nearer. */
int32_t lop_verify_point_near(const lop_verify_points *points, double value);
bool lop_verify_is_nearest(const lop_verify_points *points, int32_t point, double source);

/* One tensor read from end to end (verify_tensor.c). */
LOP_CHECKED lop_status lop_verify_linear(lop_verifying *v, const lop_tensor *t);
LOP_CHECKED lop_status lop_verify_untouched(lop_verifying *v, const lop_tensor *t);

#endif
