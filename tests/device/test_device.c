/* test_device.c - devices are found or refused with a list, buffers are counted, fences tell time, small things travel. */
#include "tests/device/device_groups.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

static void what_is_not_there_is_listed(void **state)
{
    (void)state;
    lop_device device;
    assert_int_equal(lop_device_open("abacus", 0, &device), LOP_E_DEVICE);
    assert_non_null(strstr(lop_error(), "abacus"));
    assert_non_null(strstr(lop_error(), "cpu (1 device)"));
    assert_int_equal(lop_device_open("cpu", 1, &device), LOP_E_DEVICE);
    assert_int_equal(lop_device_open("cpu", -1, &device), LOP_E_DEVICE);
    assert_null(device.backend);
    lop_device_close(&device);
    lop_device_close(NULL);
}

static void the_cpu_says_what_it_is(void **state)
{
    const rig *r = *state;
    size_t bytes = 0;
    const char *open = strrchr(r->device.name, '(');
    assert_non_null(open);
    assert_true(strcmp(open, "(avx512)") == 0 || strcmp(open, "(avx2)") == 0 ||
                strcmp(open, "(baseline)") == 0);
    assert_true(r->device.host_memory && r->device.units >= 1 && r->device.lanes_max == 1);
    assert_int_equal(r->device.backend->bytes_free(&((rig *)*state)->device, &bytes), LOP_OK);
    assert_true(bytes > 0 && bytes <= r->device.bytes_total);
    assert_int_equal(lop_device_threads(&((rig *)*state)->device, -1), LOP_E_ARGUMENT);
}

static void buffers_are_counted(void **state)
{
    rig *r = *state;
    const size_t before = lop_buf_used(LOP_ON_HOST).now;
    lop_buf a, b, none;
    assert_int_equal(lop_buf_open(&r->device, LOP_ON_HOST, 5 << 20, &a), LOP_OK);
    assert_int_equal(lop_buf_open(&r->device, LOP_ON_HOST, 0, &none), LOP_OK);
    lop_buf_fail_at(1);
    assert_int_equal(lop_buf_open(&r->device, LOP_ON_HOST, 77777, &b), LOP_E_MEMORY);
    assert_non_null(strstr(lop_error(), "77777"));
    assert_int_equal(lop_buf_open(&r->device, LOP_ON_DEVICE, 77777, &b), LOP_E_DEVICE_MEMORY);
    lop_buf_fail_at(0);
    assert_int_equal(lop_buf_open(&r->device, LOP_ON_DEVICE, SIZE_MAX - 5, &b), LOP_E_DEVICE_MEMORY);
    lop_buf_close(&b);
    assert_int_equal(lop_buf_used(LOP_ON_HOST).now, before + (5u << 20));
    assert_true(lop_buf_used(LOP_ON_HOST).peak >= before + (5u << 20));
    lop_buf_close(&a);
    lop_buf_close(&a);
    lop_buf_close(&none);
    assert_int_equal(lop_buf_used(LOP_ON_HOST).now, before);
}

static void *open_many(void *argument)
{
    rig *r = argument;
    for (int i = 0; i < 2000; i++) {
        lop_buf buf;
        if (lop_buf_open(&r->device, LOP_ON_HOST, 64, &buf) != LOP_OK) return r;
        lop_buf_close(&buf);
    }
    return NULL;
}

static void threads_count_together(void **state)
{
    const size_t before = lop_buf_used(LOP_ON_HOST).now;
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, open_many, *state), 0);
    for (int i = 0; i < 4; i++) {
        void *failed = *state;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    assert_int_equal(lop_buf_used(LOP_ON_HOST).now, before);
}

static void fences_tell_time(void **state)
{
    rig *r = *state;
    lop_fence from, to;
    double ns = 0.0;
    bool done = false;
    const struct timespec nap = {0, 2000000};
    assert_int_equal(lop_fence_open(&r->device, &from), LOP_OK);
    assert_int_equal(lop_fence_open(&r->device, &to), LOP_OK);
    assert_int_equal(lop_fence_mark(&r->queue, &from), LOP_OK);
    nanosleep(&nap, NULL);
    assert_int_equal(lop_fence_mark(&r->queue, &to), LOP_OK);
    assert_int_equal(lop_fence_wait(&r->queue, &to), LOP_OK);
    assert_int_equal(lop_fence_wait_host(&to), LOP_OK);
    assert_int_equal(r->device.backend->fence_done(&to, &done), LOP_OK);
    assert_true(done);
    assert_int_equal(lop_fence_nanoseconds(&from, &to, &ns), LOP_OK);
    assert_true(ns >= 2e6 && ns < 60e9);
    lop_fence_close(&from);
    lop_fence_close(&to);
    lop_fence_close(NULL);
}

static void small_things_travel(void **state)
{
    rig *r = *state;
    lop_mat whole = mat_open(r, 6, 10, 1);
    const lop_mat part = lop_mat_cols(lop_mat_rows(whole, 1, 4), 3, 5);
    float sent[20], got[20], all[60], before[60];
    for (int i = 0; i < 20; i++) sent[i] = (float)i;
    assert_int_equal(lop_download(&r->queue, whole, before), LOP_OK);
    assert_int_equal(lop_upload(&r->queue, sent, part), LOP_OK);
    assert_int_equal(lop_download(&r->queue, part, got), LOP_OK);
    assert_memory_equal(sent, got, sizeof sent);
    assert_int_equal(lop_download(&r->queue, whole, all), LOP_OK);
    for (int i = 0; i < 60; i++) {
        const int row = i / 10, col = i % 10;
        if (row < 1 || row > 4 || col < 3 || col > 7) assert_memory_equal(&all[i], &before[i], sizeof(float));
    }
    lop_mat outside = whole;
    outside.rows = 7;
    assert_int_equal(lop_upload(&r->queue, all, outside), LOP_E_ARGUMENT);
    assert_int_equal(lop_download(&r->queue, LOP_NONE, all), LOP_E_ARGUMENT);
    outside.rows = 0;
    assert_int_equal(lop_upload(&r->queue, NULL, outside), LOP_OK);
    mat_close(whole);
}

int test_device(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_there_is_listed),
        cmocka_unit_test(the_cpu_says_what_it_is),
        cmocka_unit_test(buffers_are_counted),
        cmocka_unit_test(threads_count_together),
        cmocka_unit_test(fences_tell_time),
        cmocka_unit_test(small_things_travel),
    };
    return cmocka_run_group_tests_name("device", tests, rig_open, rig_close);
}
