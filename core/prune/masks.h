/* masks.h - keep masks as files: masks.safetensors, one U8 tensor (rows, ceil(cols/8)) per pruned linear under the
 * weight's own name, most significant bit first, 1 kept; bits past the last column are 0. The header's metadata holds the
 * true shapes. Reading, comparing, combining, and putting the zeros back into a model. */
#ifndef LOP_CORE_PRUNE_MASKS_H
#define LOP_CORE_PRUNE_MASKS_H

#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/option.h"

#include <stdbool.h>
#include <stdint.h>

/* One mask of a file: where its bits lie. */
typedef struct lop_mask_entry {
    char *name;
    int32_t rows, cols;
    uint64_t at, bytes; /* from the start of the file; rows * ceil(cols/8) */
} lop_mask_entry;

/* A file of masks, open for reading or for writing. Zero-initialise; lop_masks_close frees. */
typedef struct lop_masks {
    lop_file file;
    lop_mask_entry *at;
    int32_t count;
    char *header; /* the eight length bytes and the JSON, `header_bytes` in all */
    size_t header_bytes;
} lop_masks;

/* Plans a file of these masks (names and shapes count; `at` and `bytes` are set), in this order. The names are copied. */
LOP_CHECKED lop_status lop_masks_plan(const lop_mask_entry *at, int32_t count, lop_masks *out);

/* Creates the planned file with its full size, or takes up one that an earlier run left, and writes its header. */
LOP_CHECKED lop_status lop_masks_create(lop_masks *m, const char *path);
LOP_CHECKED lop_status lop_masks_write(const lop_masks *m, const lop_mask_entry *mask, const void *bits);

/* Opens a file. LOP_E_FORMAT: not exactly what lop_masks_create writes for these names and shapes. */
LOP_CHECKED lop_status lop_masks_open(const char *path, lop_masks *out);
void lop_masks_close(lop_masks *m);
const lop_mask_entry *lop_masks_find(const lop_masks *m, const char *name); /* NULL: none */

/* Reads the bits of one mask. LOP_E_FORMAT if a bit past the last column is set. */
LOP_CHECKED lop_status lop_masks_read(const lop_masks *m, const lop_mask_entry *mask, void *bits);

/* model, masks, other, save, force. The table is the library's. */
const lop_option *lop_mask_options(int *count);

/* verb "apply": the zeros of `masks` into `model`, written to the folder `save`. "diff": how `masks` and `other` agree.
 * "union": what either drops is dropped, written to the file `save`. *result receives a JSON object; the caller frees it
 * with lop_free. LOP_E_ARGUMENT: unknown verb, a setting that the verb needs and does not have. */
LOP_CHECKED lop_status lop_mask_run(const char *verb, const lop_settings *settings, lop_log *log,
                                    char **result);

#endif
