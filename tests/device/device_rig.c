/* device_rig.c - a device, a queue and matrices on it. */
#include "tests/device/device_groups.h"

#include <stdlib.h>
#include <string.h>

int rig_open(void **state)
{
    rig *r = calloc(1, sizeof *r);
    if (r == NULL || lop_device_open("cpu", 0, &r->device) != LOP_OK) return -1;
    if (lop_queue_open(&r->device, &r->queue) != LOP_OK) return -1;
    *state = r;
    return 0;
}

int rig_close(void **state)
{
    rig *r = *state;
    lop_queue_close(&r->queue);
    lop_device_close(&r->device);
    free(r);
    return 0;
}

lop_mat mat_open(rig *r, int32_t rows, int32_t cols, uint32_t seed)
{
    lop_buf *buf = calloc(1, sizeof *buf);
    assert_non_null(buf);
    const size_t elements = (size_t)rows * (size_t)cols;
    assert_int_equal(lop_buf_open(&r->device, LOP_ON_DEVICE, elements * sizeof(float), buf), LOP_OK);
    float *at = buf->host;
    for (size_t i = 0; i < elements; i++) {
        seed = seed * 1664525u + 1013904223u;
        at[i] = (float)(int32_t)seed / 2147483648.0f;
    }
    return lop_mat_of(buf, 0, rows, cols, LOP_F32);
}

void mat_close(lop_mat m)
{
    lop_buf_close(m.buf);
    free(m.buf);
}

bool mats_equal(lop_mat a, lop_mat b)
{
    const size_t size = lop_type_bytes(a.type);
    for (int32_t r = 0; r < a.rows; r++)
        if (memcmp(lop_mat_host(lop_mat_rows(a, r, 1)), lop_mat_host(lop_mat_rows(b, r, 1)),
                   size * (size_t)a.cols) != 0)
            return false;
    return true;
}
