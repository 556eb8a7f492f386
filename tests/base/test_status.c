/* test_status.c - codes and the thread's error record. */
#include "core/base/status.h"
#include "tests/base/base_groups.h"

#include <pthread.h>
#include <string.h>

static void record_is_written_and_cleared(void **state)
{
    (void)state;
    assert_int_equal(LOP_FAIL(LOP_E_FORMAT, "q is (%d, %d)", 3, 4), LOP_E_FORMAT);
    assert_string_equal(lop_error(), "q is (3, 4)");
    assert_non_null(strstr(lop_error_place(), "test_status.c:"));
    lop_note("while reading %s", "a.gguf");
    assert_string_equal(lop_error(), "q is (3, 4); while reading a.gguf");
    lop_error_clear();
    assert_string_equal(lop_error(), "");
    assert_string_equal(lop_error_place(), "");
}

static void long_sentences_are_cut(void **state)
{
    (void)state;
    char text[3000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    (void)LOP_FAIL(LOP_E_FILE, "%s", text);
    assert_int_equal(strlen(lop_error()), sizeof((lop_error_record *)0)->text - 1);
    for (int i = 0; i < 5; i++) lop_note("%s", text);
    assert_int_equal(strlen(lop_error()), sizeof((lop_error_record *)0)->text - 1);
    (void)LOP_FAIL(LOP_E_FILE, "short");
    for (int i = 0; i < 5; i++) lop_note("%s", text);
    assert_int_equal(strlen(lop_error()), sizeof((lop_error_record *)0)->text - 1);
}

static void *fail_in_thread(void *record)
{
    if (lop_error()[0] != '\0') return NULL;
    (void)LOP_FAIL(LOP_E_DEVICE, "lost in the worker");
    lop_error_save(record);
    return record;
}

static void records_belong_to_threads(void **state)
{
    (void)state;
    (void)LOP_FAIL(LOP_E_FILE, "mine");
    lop_error_record record;
    pthread_t thread;
    void *returned = NULL;
    assert_int_equal(pthread_create(&thread, NULL, fail_in_thread, &record), 0);
    assert_int_equal(pthread_join(thread, &returned), 0);
    assert_ptr_equal(returned, &record);
    assert_string_equal(lop_error(), "mine");
    lop_error_restore(&record);
    assert_string_equal(lop_error(), "lost in the worker");
    assert_int_equal(record.code, LOP_E_DEVICE);
}

static lop_status one_done(int *freed, lop_status inner)
{
    lop_status status = LOP_OK;
    LOP_TRY_DONE(inner);
    LOP_TRY_DONE(LOP_OK);
done:
    ++*freed;
    return status;
}

static void failures_are_passed_on(void **state)
{
    (void)state;
    int freed = 0;
    assert_int_equal(one_done(&freed, LOP_E_COMM), LOP_E_COMM);
    assert_int_equal(one_done(&freed, LOP_OK), LOP_OK);
    assert_int_equal(freed, 2);
}

/* The numbers that scripts rely on: docs/cli.md. */
static void exit_codes_are_pinned(void **state)
{
    (void)state;
    static const int pinned[][2] = {
        {LOP_OK, 0},          {LOP_E_VERIFY, 1},    {LOP_E_ARGUMENT, 2},     {LOP_E_FILE, 3},
        {LOP_E_FORMAT, 3},    {LOP_E_MEMORY, 4},    {LOP_E_UNSUPPORTED, 3},  {LOP_E_DISK, 4},
        {LOP_E_DEVICE, 5},    {LOP_E_NUMERIC, 6},   {LOP_E_COMM, 7},         {LOP_E_OUTPUT, 8},
        {LOP_E_INTERNAL, 70}, {LOP_E_STOPPED, 130}, {LOP_E_DEVICE_MEMORY, 4}};
    for (size_t i = 0; i < sizeof pinned / sizeof pinned[0]; i++) {
        assert_int_equal(lop_status_exit((lop_status)pinned[i][0]), pinned[i][1]);
        assert_string_not_equal(lop_status_name((lop_status)pinned[i][0]), "unknown status");
    }
    assert_int_equal(lop_status_exit((lop_status)-99), 70);
    assert_string_equal(lop_status_name((lop_status)-99), "unknown status");
}

int test_status(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(record_is_written_and_cleared), cmocka_unit_test(long_sentences_are_cut),
        cmocka_unit_test(records_belong_to_threads),     cmocka_unit_test(failures_are_passed_on),
        cmocka_unit_test(exit_codes_are_pinned),
    };
    return cmocka_run_group_tests_name("status", tests, NULL, NULL);
}
