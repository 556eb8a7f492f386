/* test_far.c - the double of a device with memory of its own: what its queues do is late, ordered inside a queue, and
 * between two by fences alone. */
#include "tests/device/device_groups.h"

#include "core/device/device.h"
#include "core/device/matrix.h"
#include "tests/harness/far_memory.h"
#include "tests/harness/test_groups.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BYTES = 1 << 20, ROUNDS = 200 };

/* Values go to the device on one queue and come back on another, over and over through the same buffers. */
static void fences_order_queues(void **state)
{
    (void)state;
    lop_device device;
    lop_queue up, down;
    lop_fence there, back;
    lop_buf near, far, out;
    assert_int_equal(test_device_open(FAR_MEMORY, &device), LOP_OK);
    assert_false(device.host_memory);
    assert_int_equal(lop_queue_open(&device, &up), LOP_OK);
    assert_int_equal(lop_queue_open(&device, &down), LOP_OK);
    assert_int_equal(lop_fence_open(&device, &there), LOP_OK);
    assert_int_equal(lop_fence_open(&device, &back), LOP_OK);
    assert_int_equal(lop_buf_open(&device, LOP_ON_HOST, BYTES, &near), LOP_OK);
    assert_int_equal(lop_buf_open(&device, LOP_ON_DEVICE, BYTES, &far), LOP_OK);
    assert_int_equal(lop_buf_open(&device, LOP_ON_HOST, BYTES, &out), LOP_OK);
    assert_non_null(near.host);
    assert_null(far.host);
    for (int i = 0; i < ROUNDS; i++) {
        memset(near.host, i, BYTES);
        assert_int_equal(device.backend->copy(&up, &far, 0, &near, 0, BYTES), LOP_OK);
        assert_int_equal(lop_fence_mark(&up, &there), LOP_OK);
        assert_int_equal(lop_fence_wait(&down, &there), LOP_OK);
        assert_int_equal(device.backend->copy(&down, &out, 0, &far, 0, BYTES), LOP_OK);
        assert_int_equal(lop_fence_mark(&down, &back), LOP_OK);
        assert_int_equal(lop_fence_wait_host(&back), LOP_OK);
        const unsigned char *bytes = out.host;
        assert_true(bytes[0] == (unsigned char)i && bytes[BYTES - 1] == (unsigned char)i);
    }
    lop_fence_close(&there);
    lop_fence_close(&back);
    lop_queue_close(&up);
    lop_queue_close(&down);
    lop_buf_close(&out);
    lop_buf_close(&far);
    lop_buf_close(&near);
    lop_device_close(&device);
}

/* lop_mat_zero in order with what is uploaded, through a stride too. */
static void zeros_in_order(void **state)
{
    (void)state;
    lop_device device;
    lop_queue q;
    lop_buf buf;
    float host[12], back[12];
    for (int i = 0; i < 12; i++) host[i] = (float)i + 1.0f;
    assert_int_equal(test_device_open(FAR_MEMORY, &device), LOP_OK);
    assert_int_equal(lop_queue_open(&device, &q), LOP_OK);
    assert_int_equal(lop_buf_open(&device, LOP_ON_DEVICE, sizeof host, &buf), LOP_OK);
    const lop_mat m = lop_mat_of(&buf, 0, 3, 4, LOP_F32);
    assert_int_equal(lop_upload(&q, host, m), LOP_OK);
    assert_int_equal(lop_mat_zero(&q, lop_mat_cols(m, 1, 2)), LOP_OK);
    assert_int_equal(lop_download(&q, m, back), LOP_OK);
    for (int i = 0; i < 12; i++) assert_true(back[i] == (i % 4 == 1 || i % 4 == 2 ? 0.0f : host[i]));
    lop_buf_close(&buf);
    lop_queue_close(&q);
    lop_device_close(&device);
}

/* Fills a buffer for a second or two and closes it at once. Returns if that is let pass. */
static void close_early(void)
{
    enum { FILLS = 20000 };
    lop_device device;
    lop_queue q;
    lop_buf buf;
    if (test_device_open(FAR_MEMORY, &device) != LOP_OK || lop_queue_open(&device, &q) != LOP_OK) return;
    if (lop_buf_open(&device, LOP_ON_DEVICE, BYTES, &buf) != LOP_OK) return;
    for (int i = 0; i < FILLS; i++)
        if (device.backend->fill(&q, &buf, 0, BYTES, 1) != LOP_OK) return;
    lop_buf_close(&buf);
}

static void closing_early_is_caught(void **state)
{
    (void)state;
    int status = 0;
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)signal(SIGABRT, SIG_DFL); /* cmocka would tell of a failed test */
        (void)close(STDERR_FILENO);
        close_early();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int test_far(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(fences_order_queues),
                                       cmocka_unit_test(zeros_in_order),
                                       cmocka_unit_test(closing_early_is_caught)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
