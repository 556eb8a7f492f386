/* views.h - matrices on a device between red zones: a view into a larger buffer, with space before, after
 * and between its rows, all of it filled with one byte that must still be there when the call is over. */
#ifndef LOP_TESTS_HARNESS_VIEWS_H
#define LOP_TESTS_HARNESS_VIEWS_H

#include "core/device/device.h"
#include "core/device/matrix.h"

typedef enum view_place {
    VIEW_ODD,     /* an odd offset, rows 5 elements apart */
    VIEW_ALIGNED, /* 256-byte offset, rows a multiple of 8 elements apart: where wide kernels run */
    VIEW_PLACES
} view_place;

typedef struct view {
    lop_buf buf;          /* grows as needed */
    lop_mat mat;          /* the view into it */
    size_t bytes;         /* of the image: red zones and all */
    unsigned char *image; /* what the buffer was filled with, then what came back */
    unsigned char *before;
    size_t room; /* of the images */
    uint8_t red;
} view;

/* Lays out a (rows, cols) view with red zones of `red` bytes around `values` and uploads it. */
LOP_CHECKED lop_status view_put(lop_queue *q, view *v, view_place place, int32_t rows, int32_t cols,
                                lop_type type, uint8_t red, const double *values);

/* Fetches the whole buffer into v->image. Waits. */
LOP_CHECKED lop_status view_fetch(lop_queue *q, view *v);

/* The offset of the first red byte that changed, or -1. */
int64_t view_red_changed(const view *v);

/* True if no byte of the view itself changed. */
bool view_unchanged(const view *v);

const void *view_row(const view *v, int32_t row); /* in the image */

void view_close(view *v);

#endif
