/* arena.c - many matrices of one lifetime in few buffers: a list of slabs, filled from the front.
 *
 * Slabs are kept when the arena is reset, so that a step repeated places its matrices where they were and allocates
 * nothing. A measuring arena has one slab without an end and without memory. */
#include "core/device/arena.h"
#include "core/base/memory.h"
#include "core/device/device.h"
#include "core/device/matrix.h"

/* Of every matrix, on any device, so that a measure without a device is the peak on each; as much as views of buffers ask
 * for on GPUs. */
enum { ALIGN = 512 };

typedef struct slab {
    lop_buf buf;
    size_t used;
} slab;

struct lop_arena {
    lop_device *device; /* NULL: measures */
    lop_place place;
    slab **slabs;      /* each in its own allocation: matrices keep the address of its buffer */
    int32_t count, at; /* `at`: the slab being filled; those after it are empty */
    size_t peak;
};

static lop_status slab_open(lop_arena *a, size_t bytes)
{
    slab *s = NULL;
    LOP_TRY(lop_realloc((size_t)a->count + 1, sizeof(slab *), &a->slabs));
    LOP_TRY(LOP_NEW(&s, 1));
    s->buf.bytes = bytes;
    if (a->device != NULL) {
        const lop_status status = lop_buf_open(a->device, a->place, bytes, &s->buf);
        if (status != LOP_OK) {
            lop_free(s);
            return status;
        }
    }
    a->slabs[a->count++] = s;
    return LOP_OK;
}

lop_status lop_arena_open(lop_device *device, lop_place place, size_t bytes, lop_arena **out)
{
    lop_arena *a = NULL;
    *out = NULL;
    LOP_TRY(LOP_NEW(&a, 1));
    a->device = device;
    a->place = place;
    const size_t most = device != NULL && place == LOP_ON_DEVICE ? device->max_buf : SIZE_MAX;
    if (device == NULL) bytes = SIZE_MAX;
    const lop_status status = bytes == 0 ? LOP_OK : slab_open(a, bytes < most ? bytes : most);
    if (status != LOP_OK) {
        lop_arena_close(a);
        return status;
    }
    *out = a;
    return LOP_OK;
}

void lop_arena_close(lop_arena *a)
{
    if (a == NULL) return;
    for (int32_t i = 0; i < a->count; i++) {
        if (a->device != NULL) lop_buf_close(&a->slabs[i]->buf);
        lop_free(a->slabs[i]);
    }
    lop_free(a->slabs);
    lop_free(a);
}

static size_t placed(const lop_arena *a)
{
    size_t sum = 0;
    for (int32_t i = 0; i < a->count && i <= a->at; i++) sum += a->slabs[i]->used;
    return sum;
}

/* The slab that takes `bytes` more: this one, else an empty one after it, else a new one of just that size. */
static lop_status slab_find(lop_arena *a, size_t bytes, slab **out)
{
    int32_t i = a->at;
    while (i < a->count && a->slabs[i]->buf.bytes - a->slabs[i]->used < bytes) i++;
    if (i == a->count) LOP_TRY(slab_open(a, bytes));
    a->at = i;
    *out = a->slabs[i];
    return LOP_OK;
}

lop_status lop_arena_mat(lop_arena *a, int32_t rows, int32_t cols, lop_type type, lop_mat *out)
{
    *out = LOP_NONE;
    if (rows < 0 || cols < 0) return LOP_FAIL(LOP_E_ARGUMENT, "a matrix of %d x %d elements", rows, cols);
    const size_t size = lop_type_bytes(type), elements = (size_t)rows * (size_t)cols;
    if (elements > (SIZE_MAX / 2 - ALIGN) / size)
        return LOP_FAIL(LOP_E_DEVICE_MEMORY, "a matrix of %d x %d elements of %zu bytes", rows, cols, size);
    const size_t bytes = (elements * size + ALIGN - 1) / ALIGN * ALIGN;
    slab *s = NULL;
    LOP_TRY(slab_find(a, bytes, &s));
    *out = lop_mat_of(&s->buf, (int64_t)(s->used / size), rows, cols, type);
    s->used += bytes;
    const size_t now = placed(a);
    if (now > a->peak) a->peak = now;
    return LOP_OK;
}

lop_arena_mark lop_arena_here(const lop_arena *a)
{
    return (lop_arena_mark){a->at, a->at < a->count ? a->slabs[a->at]->used : 0};
}

void lop_arena_reset(lop_arena *a, lop_arena_mark mark)
{
    for (int32_t i = mark.slab; i < a->count; i++) a->slabs[i]->used = i == mark.slab ? mark.used : 0;
    a->at = mark.slab;
}

size_t lop_arena_peak(const lop_arena *a)
{
    return a->peak;
}
