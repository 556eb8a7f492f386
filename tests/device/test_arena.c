/* test_arena.c - arenas place, reset, grow and measure. */
#include "core/base/memory.h"
#include "core/device/arena.h"
#include "tests/device/device_groups.h"

/* A step's worth of matrices of several types; the last one's failure is the status. */
static lop_status step(lop_arena *a, lop_mat *m)
{
    LOP_TRY(lop_arena_mat(a, 3, 1000, LOP_F32, &m[0]));
    LOP_TRY(lop_arena_mat(a, 7, 11, LOP_BF16, &m[1]));
    LOP_TRY(lop_arena_mat(a, 0, 5, LOP_F64, &m[2]));
    return lop_arena_mat(a, 1, 1, LOP_I64, &m[3]);
}

static void a_step_repeated_lands_where_it_was(void **state)
{
    rig *r = *state;
    lop_arena *a = NULL;
    lop_mat first[4], again[4];
    assert_int_equal(lop_arena_open(&r->device, LOP_ON_DEVICE, 4096, &a), LOP_OK);
    const lop_arena_mark start = lop_arena_here(a);
    assert_int_equal(step(a, first), LOP_OK);
    const size_t held = lop_buf_used(LOP_ON_DEVICE).now, peak = lop_arena_peak(a);
    for (int i = 0; i < 10; i++) {
        lop_arena_reset(a, start);
        assert_int_equal(step(a, again), LOP_OK);
        for (int k = 0; k < 4; k++) {
            assert_ptr_equal(first[k].buf, again[k].buf);
            assert_int_equal(first[k].at, again[k].at);
            assert_int_equal((uintptr_t)lop_mat_host(first[k]) % 64, 0);
        }
    }
    assert_int_equal(lop_buf_used(LOP_ON_DEVICE).now, held);
    assert_int_equal(lop_arena_peak(a), peak);
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < i; k++) assert_false(lop_mat_overlap(first[i], first[k]));
    lop_arena_close(a);
}

static void a_mark_frees_only_what_came_after(void **state)
{
    rig *r = *state;
    lop_arena *a = NULL;
    lop_mat kept, gone, next;
    assert_int_equal(lop_arena_open(&r->device, LOP_ON_DEVICE, 0, &a), LOP_OK);
    assert_int_equal(lop_arena_mat(a, 10, 10, LOP_F32, &kept), LOP_OK);
    const lop_arena_mark mark = lop_arena_here(a);
    assert_int_equal(lop_arena_mat(a, 10, 10, LOP_F32, &gone), LOP_OK);
    lop_arena_reset(a, mark);
    assert_int_equal(lop_arena_mat(a, 5, 10, LOP_F32, &next), LOP_OK);
    assert_ptr_equal(next.buf, gone.buf);
    assert_int_equal(next.at, gone.at);
    assert_false(lop_mat_overlap(next, kept));
    lop_arena_close(a);
}

static void a_measure_is_the_peak(void **state)
{
    rig *r = *state;
    lop_arena *real = NULL, *measure = NULL;
    lop_mat m[4], huge;
    assert_int_equal(lop_arena_open(NULL, LOP_ON_DEVICE, 0, &measure), LOP_OK);
    assert_int_equal(step(measure, m), LOP_OK);
    assert_true(lop_mat_present(m[0]));
    const size_t peak = lop_arena_peak(measure);
    assert_int_equal(lop_arena_open(&r->device, LOP_ON_DEVICE, peak, &real), LOP_OK);
    const size_t held = lop_buf_used(LOP_ON_DEVICE).now;
    assert_int_equal(step(real, m), LOP_OK);
    assert_int_equal(lop_buf_used(LOP_ON_DEVICE).now, held); /* the measured slab was enough */
    assert_int_equal(lop_arena_peak(real), peak);
    assert_int_equal(lop_arena_mat(measure, 1 << 30, 1 << 20, LOP_F32, &huge), LOP_OK);
    assert_int_equal(lop_arena_mat(measure, INT32_MAX, INT32_MAX, LOP_F64, &huge), LOP_E_DEVICE_MEMORY);
    assert_int_equal(lop_arena_mat(measure, -1, 1, LOP_F32, &huge), LOP_E_ARGUMENT);
    lop_arena_close(real);
    lop_arena_close(measure);
    lop_arena_close(NULL);
}

static lop_status open_and_step(rig *r)
{
    lop_arena *a = NULL;
    lop_mat m[4];
    LOP_TRY(lop_arena_open(&r->device, LOP_ON_DEVICE, 100, &a));
    const lop_status status = step(a, m);
    lop_arena_close(a);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    rig *r = *state;
    const size_t held = lop_buf_used(LOP_ON_DEVICE).now;
    lop_status status = LOP_E_MEMORY;
    for (int64_t n = 1; status != LOP_OK && n < 100; n++) {
        lop_alloc_fail_at(n);
        status = open_and_step(r);
        lop_alloc_fail_at(0);
        assert_true(status == LOP_OK || status == LOP_E_MEMORY || status == LOP_E_DEVICE_MEMORY);
        assert_int_equal(lop_buf_used(LOP_ON_DEVICE).now, held);
    }
    assert_int_equal(status, LOP_OK);
    status = LOP_E_DEVICE_MEMORY;
    for (int64_t n = 1; status != LOP_OK && n < 100; n++) {
        lop_buf_fail_at(n);
        status = open_and_step(r);
        lop_buf_fail_at(0);
        assert_true(status == LOP_OK || status == LOP_E_DEVICE_MEMORY);
        assert_int_equal(lop_buf_used(LOP_ON_DEVICE).now, held);
    }
    assert_int_equal(status, LOP_OK);
}

int test_arena(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_repeated_lands_where_it_was),
        cmocka_unit_test(a_mark_frees_only_what_came_after),
        cmocka_unit_test(a_measure_is_the_peak),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("arena", tests, rig_open, rig_close);
}
