/* device.c - processors found, opened and closed; queues, fences and buffers, each with one owner; how much memory the
 * buffers of this process take. */
#include "core/device/device.h"
#include "core/base/text.h"
#include "core/device/matrix.h"

#include <stdatomic.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------------ devices */

/* "cpu (1 device)" for each backend of the build, or why it has none, and why the others are not in it. */
static lop_status devices_tell(lop_string *text)
{
    const lop_backend_list list = lop_backends();
    for (int i = 0; i < list.count; i++) {
        int count = 0;
        lop_why why = {""};
        if (list.at[i]->device_count(&count, &why) != LOP_OK) count = 0;
        LOP_TRY(lop_string_print(text, "%s%s (%d device%s%s%s)", i ? ", " : "", list.at[i]->name, count,
                                 count == 1 ? "" : "s", why.text[0] ? ": " : "", why.text));
    }
    int missing = 0;
    const lop_backend_missing *not_here = lop_backends_missing(&missing);
    for (int i = 0; i < missing; i++)
        LOP_TRY(lop_string_print(text, ", %s (%s)", not_here[i].name, not_here[i].why));
    return LOP_OK;
}

static lop_status device_fail(const char *backend, int index)
{
    lop_string text = {0};
    const lop_status told = devices_tell(&text);
    const lop_status status =
        told != LOP_OK ? told
                       : LOP_FAIL(LOP_E_DEVICE, "there is no device %d of backend \"%s\"; there are: %s",
                                  index, backend, text.at == NULL ? "none" : text.at);
    lop_string_close(&text);
    return status;
}

/* Opens device `index` of a backend if it has so many; *out is empty if not. */
static lop_status backend_open(const lop_backend *backend, int index, lop_device *out)
{
    int count = 0;
    lop_why why = {""};
    LOP_TRY(backend->device_count(&count, &why));
    if (index < 0 || index >= count) return LOP_OK;
    *out = (lop_device){.backend = backend, .math = LOP_MATH_NATIVE, .fast = backend->fast};
    const lop_status status = backend->device_open(index, out);
    if (status != LOP_OK) *out = (lop_device){0};
    return status;
}

/* What cannot be opened is passed over like what is not there: the last of the list always can. */
static lop_status best_open(int index, lop_device *out)
{
    const lop_backend_list list = lop_backends();
    lop_status status = LOP_OK;
    for (int i = 0; i < list.count; i++) {
        status = backend_open(list.at[i], index, out);
        if (out->backend == NULL) continue;
        if (out->accelerator || i == list.count - 1) break;
        lop_device_close(out);
    }
    return out->backend != NULL || status != LOP_OK ? status : device_fail("auto", index);
}

lop_status lop_device_open(const char *backend, int index, lop_device *out)
{
    *out = (lop_device){0};
    if (strcmp(backend, "auto") == 0) return best_open(index, out);
    const lop_backend_list list = lop_backends();
    for (int i = 0; i < list.count; i++) {
        if (strcmp(backend, list.at[i]->name) != 0) continue;
        const lop_status status = backend_open(list.at[i], index, out);
        if (status != LOP_OK || out->backend != NULL) return status;
    }
    return device_fail(backend, index);
}

void lop_device_close(lop_device *device)
{
    if (device == NULL || device->backend == NULL) return;
    device->backend->device_close(device);
    *device = (lop_device){0};
}

lop_status lop_device_threads(lop_device *device, int threads)
{
    if (threads < 0 || threads > 4096)
        return LOP_FAIL(LOP_E_ARGUMENT, "%d threads; give 1 to 4096, or 0 for all", threads);
    return device->backend->threads_set(device, threads);
}

void lop_device_math(lop_device *device, lop_math math)
{
    device->math = math;
}

const char *lop_math_name(lop_math math)
{
    static const char *const names[] = {
        [LOP_MATH_F32] = "f32", [LOP_MATH_TF32] = "tf32", [LOP_MATH_NATIVE] = "native"};
    return names[math];
}

void lop_device_fast(lop_device *device, bool on)
{
    device->fast = on ? device->backend->fast : NULL;
}

/* ------------------------------------------------------------------------------------------------ queues, fences */

lop_status lop_queue_open(lop_device *device, lop_queue *out)
{
    *out = (lop_queue){.device = device};
    const lop_status status = device->backend->queue_open(out);
    if (status != LOP_OK) *out = (lop_queue){0};
    return status;
}

void lop_queue_close(lop_queue *q)
{
    if (q == NULL || q->device == NULL) return;
    lop_queue_settle(q);
    lop_buf_close(&q->stage);
    lop_buf_close(&q->room);
    q->device->backend->queue_close(q);
    *q = (lop_queue){0};
}

lop_status lop_queue_room(lop_queue *q)
{
    const size_t bytes = q->device->product_bytes;
    if (bytes == 0 || q->room.device != NULL) return LOP_OK;
    return lop_buf_open(q->device, LOP_ON_DEVICE, bytes, &q->room);
}

lop_status lop_queue_wait(lop_queue *q)
{
    return q->device->backend->queue_wait(q);
}

void lop_queue_settle(lop_queue *q)
{
    lop_error_record kept;
    lop_error_save(&kept);
    (void)!lop_queue_wait(q);
    lop_error_restore(&kept);
}

lop_status lop_fence_open(lop_device *device, lop_fence *out)
{
    *out = (lop_fence){.device = device};
    const lop_status status = device->backend->fence_open(out);
    if (status != LOP_OK) *out = (lop_fence){0};
    return status;
}

void lop_fence_close(lop_fence *f)
{
    if (f == NULL || f->device == NULL) return;
    f->device->backend->fence_close(f);
    *f = (lop_fence){0};
}

lop_status lop_fence_mark(lop_queue *q, lop_fence *f)
{
    return q->device->backend->fence_mark(q, f);
}

lop_status lop_fence_wait(lop_queue *q, const lop_fence *f)
{
    return q->device->backend->fence_wait(q, f);
}

lop_status lop_fence_wait_host(const lop_fence *f)
{
    return f->device->backend->fence_wait_host(f);
}

lop_status lop_fence_nanoseconds(const lop_fence *from, const lop_fence *to, double *ns)
{
    return from->device->backend->fence_nanoseconds(from, to, ns);
}

/* ------------------------------------------------------------------------------------------------ buffers */

static atomic_llong fail_countdown; /* 0: off; n: the n-th buffer from now fails, and all after it */
static atomic_size_t used_now[2], used_peak[2];

void lop_buf_fail_at(int64_t n)
{
    atomic_store(&fail_countdown, (long long)n);
}

static bool fault_due(void)
{
    long long left = atomic_load(&fail_countdown);
    if (left == 0) return false;
    while (left > 1)
        if (atomic_compare_exchange_weak(&fail_countdown, &left, left - 1)) return false;
    return left == 1;
}

static void used_add(lop_place place, size_t bytes)
{
    const size_t now = atomic_fetch_add(&used_now[place], bytes) + bytes;
    size_t peak = atomic_load(&used_peak[place]);
    while (peak < now && !atomic_compare_exchange_weak(&used_peak[place], &peak, now)) {
    }
}

lop_buf_use lop_buf_used(lop_place place)
{
    return (lop_buf_use){atomic_load(&used_now[place]), atomic_load(&used_peak[place])};
}

lop_status lop_buf_open(lop_device *device, lop_place place, size_t bytes, lop_buf *out)
{
    const lop_status code = place == LOP_ON_HOST ? LOP_E_MEMORY : LOP_E_DEVICE_MEMORY;
    const char *where = place == LOP_ON_HOST ? "the host" : device->name;
    *out = (lop_buf){.device = device, .bytes = bytes, .place = place};
    if (place == LOP_ON_DEVICE && bytes > device->max_buf) {
        *out = (lop_buf){0};
        return LOP_FAIL(code, "a buffer of %zu bytes: the largest on %s is %zu", bytes, where,
                        device->max_buf);
    }
    lop_status status = fault_due() ? LOP_FAIL(code, "as a test asked") : device->backend->buf_open(out);
    if (status == LOP_OK) {
        used_add(place, bytes);
        return LOP_OK;
    }
    *out = (lop_buf){0};
    if (status != LOP_E_MEMORY && status != LOP_E_DEVICE_MEMORY) return status;
    lop_error_record said; /* the driver's own words */
    lop_error_save(&said);
    return LOP_FAIL(
        code,
        "not enough memory on %s: %zu bytes asked, %zu held (%.200s); a lower --forward-batch takes less",
        where, bytes, lop_buf_used(place).now, said.text);
}

void lop_buf_close(lop_buf *buf)
{
    if (buf == NULL || buf->device == NULL) return;
    buf->device->backend->buf_close(buf);
    atomic_fetch_sub(&used_now[buf->place], buf->bytes);
    *buf = (lop_buf){0};
}

lop_status lop_mat_zero(lop_queue *q, lop_mat m)
{
    const size_t size = lop_type_bytes(m.type);
    const int32_t pieces = m.ld == m.cols ? 1 : m.rows;
    const size_t bytes = pieces > 0 ? (size_t)lop_mat_elements(m) * size / (size_t)pieces : 0;
    for (int32_t r = 0; r < pieces && bytes > 0; r++)
        LOP_TRY(q->device->backend->fill(q, m.buf, (size_t)(m.at + (int64_t)r * m.ld) * size, bytes, 0));
    return LOP_OK;
}

/* ------------------------------------------------------------------------------------------------ small transfers */

#define STAGE_BYTES ((size_t)4 << 20) /* at a time: as quick as larger pieces, and small to hold */

/* Rows between packed host memory and a matrix whose buffer the host can reach. */
static void rows_move(lop_mat m, char *host, bool up)
{
    const size_t size = lop_type_bytes(m.type), row = (size_t)m.cols * size, stride = (size_t)m.ld * size;
    char *at = lop_mat_host(m);
    if (m.ld == m.cols && m.rows > 0) {
        memcpy(up ? at : host, up ? host : at, row * (size_t)m.rows);
        return;
    }
    for (size_t r = 0; r < (size_t)m.rows; r++)
        memcpy(up ? at + r * stride : host + r * row, up ? host + r * row : at + r * stride, row);
}

/* One piece of packed bytes between the host and a buffer, through the queue's page-locked memory. */
static lop_status piece_move(lop_queue *q, lop_buf *buf, size_t at, char *host, size_t bytes, bool up)
{
    const lop_backend *backend = q->device->backend;
    if (up) memcpy(q->stage.host, host, bytes);
    LOP_TRY(up ? backend->copy(q, buf, at, &q->stage, 0, bytes)
               : backend->copy(q, &q->stage, 0, buf, at, bytes));
    LOP_TRY(lop_queue_wait(q));
    if (!up) memcpy(host, q->stage.host, bytes);
    return LOP_OK;
}

/* The same where the host cannot reach the buffer: the whole if its rows are packed, else row by row. */
static lop_status rows_stage(lop_queue *q, lop_mat m, char *host, bool up)
{
    const size_t size = lop_type_bytes(m.type);
    const int32_t pieces = m.ld == m.cols ? 1 : m.rows;
    const size_t piece = (size_t)lop_mat_elements(m) * size / (size_t)pieces;
    if (q->stage.device == NULL) LOP_TRY(lop_buf_open(q->device, LOP_ON_HOST, STAGE_BYTES, &q->stage));
    for (int32_t r = 0; r < pieces; r++) {
        const size_t there = (size_t)(m.at + (int64_t)r * m.ld) * size;
        for (size_t at = 0; at < piece; at += STAGE_BYTES) {
            const size_t left = piece - at, bytes = left < STAGE_BYTES ? left : STAGE_BYTES;
            LOP_TRY(piece_move(q, m.buf, there + at, host + (size_t)r * piece + at, bytes, up));
        }
    }
    return LOP_OK;
}

static lop_status transfer(lop_queue *q, lop_mat m, char *host, bool up)
{
    if (m.buf == NULL)
        return LOP_FAIL(LOP_E_ARGUMENT, "%s an absent matrix", up ? "upload to" : "download from");
    if (m.rows < 0 || m.cols < 0 || m.ld < m.cols || m.at < 0)
        return LOP_FAIL(LOP_E_ARGUMENT, "a matrix (%d, %d) with stride %d", m.rows, m.cols, m.ld);
    LOP_TRY(lop_queue_wait(q));
    if (lop_mat_elements(m) == 0) return LOP_OK;
    const uint64_t end = (uint64_t)m.at + (uint64_t)(m.rows - 1) * (uint64_t)m.ld + (uint64_t)m.cols;
    if (end > m.buf->bytes / lop_type_bytes(m.type))
        return LOP_FAIL(LOP_E_ARGUMENT,
                        "a matrix (%d, %d) %s at element %lld reaches past its buffer of %zu bytes", m.rows,
                        m.cols, lop_type_name(m.type), (long long)m.at, m.buf->bytes);
    if (m.buf->host == NULL) return rows_stage(q, m, host, up);
    rows_move(m, host, up);
    return LOP_OK;
}

lop_status lop_upload(lop_queue *q, const void *host, lop_mat to)
{
    char *source;
    memcpy(&source, &host, sizeof source); /* transfer only reads it on the way up */
    return transfer(q, to, source, true);
}

lop_status lop_download(lop_queue *q, lop_mat from, void *host)
{
    return transfer(q, from, host, false);
}
