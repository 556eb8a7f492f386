/* arena.h - one owner for many matrices of one lifetime: bump, mark, reset, measure.
 *
 * Opened with a NULL device an arena only measures: the same placing code, run without memory, gives the peak. An arena
 * is a list of slabs no larger than the device's largest buffer; a matrix never straddles two. */
#ifndef LOP_CORE_DEVICE_ARENA_H
#define LOP_CORE_DEVICE_ARENA_H

#include "core/device/backend.h"

typedef struct lop_arena lop_arena;
typedef struct lop_arena_mark {
    int32_t slab;
    size_t used;
} lop_arena_mark;

/* `bytes`: capacity of the first slab; the arena grows by further slabs when it runs out (0: by need alone). */
LOP_CHECKED lop_status lop_arena_open(lop_device *device, lop_place place, size_t bytes, lop_arena **out);
void lop_arena_close(lop_arena *a);

/* Places a packed matrix, aligned to the device's alignment (at least 64 bytes). Its contents are undefined. */
LOP_CHECKED lop_status lop_arena_mat(lop_arena *a, int32_t rows, int32_t cols, lop_type type, lop_mat *out);

lop_arena_mark lop_arena_here(const lop_arena *a);
void lop_arena_reset(lop_arena *a, lop_arena_mark mark); /* what was placed since is gone */

size_t lop_arena_peak(const lop_arena *a); /* most bytes placed at once so far */

#endif
