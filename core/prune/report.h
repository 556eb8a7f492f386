/* report.h - prune_report.json: one text form, one digest over it, and the figures in it that measure time.
 *
 * The text is what lop_report_text gives and nothing else: an edited report, even one with other blanks, is told from a
 * written one by writing it again. */
#ifndef LOP_CORE_PRUNE_REPORT_H
#define LOP_CORE_PRUNE_REPORT_H

#include "core/base/hash.h"
#include "core/io/json.h"
#include "core/prune/quant.h"
#include "core/prune/sparsity.h"

#define LOP_REPORT_NAME        "prune_report.json"
#define LOP_MASKS_NAME         "masks.safetensors"
#define LOP_REPORT_SCHEMA      1
#define LOP_REPORT_FINGERPRINT "fingerprint_sha256"  /* key: of what the run was */
#define LOP_REPORT_MOST        ((uint64_t)256 << 20) /* bytes of a report that is read */

typedef struct lop_report_seconds {
    double total, load, calibrate, learn, write;
} lop_report_seconds;

/* Sets report_sha256: of the report's text without that key. */
LOP_CHECKED lop_status lop_report_seal(json_t *report);

/* The text of a report, ending in a line break. The caller frees with lop_free. */
LOP_CHECKED lop_status lop_report_text(const json_t *report, char **out, size_t *size);

/* LOP_E_FORMAT unless `text` is what lop_report_text makes of `report` and the seal is right. */
LOP_CHECKED lop_status lop_report_check(const json_t *report, const char *text, size_t size);

/* Sets to null what measures time and memory or repeats the command, and so differs between two runs of the same work:
 * seconds, peak_bytes, command, report_sha256, and seconds of each block. Everything else is equal. */
LOP_CHECKED lop_status lop_report_still(json_t *report);

/* One linear of a block: name, shape, dropped, zeros, zeros_before, sparsity, and row_sparsity as it is when nothing was
 * dropped. New reference in *out. */
typedef struct lop_report_linear {
    const char *name;
    int32_t rows, cols;
    int64_t dropped, zeros, zeros_before;
} lop_report_linear;
LOP_CHECKED lop_status lop_report_linear_json(const lop_report_linear *linear, json_t **out);

/* Sets dropped and row_sparsity, the bins of lop_keep_count_rows, of a linear. */
LOP_CHECKED lop_status lop_report_rows_put(json_t *linear, int64_t dropped, const int64_t bins[LOP_ROW_BINS]);

/* Sets quant of a linear: {bits, group, scale: [..], zero: [..]}, its grids row by row; scales as doubles, which give back
 * each f32 exactly. And the most bytes that the grids of a run take in a report. */
typedef struct lop_report_grids {
    lop_quant quant;
    int64_t count;
    const float *scale, *zero;
} lop_report_grids;
LOP_CHECKED lop_status lop_report_grids_put(json_t *linear, const lop_report_grids *grids);
#define LOP_REPORT_GRID_BYTES 44

/* One block without its linears; a loss that is not >= 0 is null. */
LOP_CHECKED lop_status lop_report_block_json(int32_t index, double seconds, double loss_before,
                                             double loss_after, json_t **out);

/* object[key] = value, whose reference is taken; LOP_E_MEMORY also when value is NULL. */
LOP_CHECKED lop_status lop_json_put(json_t *object, const char *key, json_t *value);

#endif
