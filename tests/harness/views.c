/* views.c - matrices on a device between red zones. */
#include "tests/harness/views.h"

#include "core/base/memory.h"
#include "tests/harness/words.h"

#include <string.h>

enum { RED_BYTES = 256 };

static lop_status view_room(lop_device *device, view *v, size_t bytes)
{
    if (bytes <= v->room) return LOP_OK;
    lop_buf_close(&v->buf);
    v->buf = (lop_buf){0};
    v->room = 0;
    LOP_TRY(lop_realloc(2 * bytes, 1, &v->image));
    LOP_TRY(lop_realloc(2 * bytes, 1, &v->before));
    LOP_TRY(lop_buf_open(device, LOP_ON_DEVICE, 2 * bytes, &v->buf));
    v->room = 2 * bytes;
    return LOP_OK;
}

static size_t row_at(const view *v, int32_t row)
{
    return ((size_t)v->mat.at + (size_t)row * (size_t)v->mat.ld) * lop_type_bytes(v->mat.type);
}

const void *view_row(const view *v, int32_t row)
{
    return v->image + row_at(v, row);
}

lop_status view_put(lop_queue *q, view *v, view_place place, int32_t rows, int32_t cols, lop_type type,
                    uint8_t red, const double *values)
{
    const size_t one = lop_type_bytes(type);
    const int32_t at = (int32_t)(RED_BYTES / one) + (place == VIEW_ODD ? 3 : 0);
    const int32_t ld = place == VIEW_ODD ? cols + 5 : (cols + 7) / 8 * 8;
    v->bytes = ((size_t)at + (size_t)rows * (size_t)ld) * one + RED_BYTES;
    LOP_TRY(view_room(q->device, v, v->bytes));
    v->mat = (lop_mat){&v->buf, at, rows, cols, ld, type};
    v->red = red;
    memset(v->image, red, v->bytes);
    for (int32_t r = 0; r < rows; r++) {
        for (int32_t c = 0; c < cols; c++) {
            word_put(type, values[(int64_t)r * cols + c], v->image + row_at(v, r) + (size_t)c * one);
        }
    }
    memcpy(v->before, v->image, v->bytes);
    return lop_upload(q, v->image, lop_mat_of(&v->buf, 0, 1, (int32_t)v->bytes, LOP_U8));
}

lop_status view_fetch(lop_queue *q, view *v)
{
    return lop_download(q, lop_mat_of(&v->buf, 0, 1, (int32_t)v->bytes, LOP_U8), v->image);
}

/* The first byte of [from, to) that is not red, or -1. */
static int64_t stain(const view *v, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        if (v->image[i] != v->red) return (int64_t)i;
    }
    return -1;
}

int64_t view_red_changed(const view *v)
{
    const size_t width = (size_t)v->mat.cols * lop_type_bytes(v->mat.type);
    size_t clean = 0;
    for (int32_t r = 0; r < v->mat.rows; r++) {
        const int64_t found = stain(v, clean, row_at(v, r));
        if (found >= 0) return found;
        clean = row_at(v, r) + width;
    }
    return stain(v, clean, v->bytes);
}

bool view_unchanged(const view *v)
{
    return memcmp(v->image, v->before, v->bytes) == 0;
}

void view_close(view *v)
{
    lop_buf_close(&v->buf);
    lop_free(v->image);
    lop_free(v->before);
    *v = (view){0};
}
