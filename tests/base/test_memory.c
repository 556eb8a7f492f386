/* test_memory.c - allocations, their fault ladder, and the process's peak. */
#include "core/base/memory.h"
#include "tests/base/base_groups.h"
#include "tests/harness/ladder.h"

#include <string.h>

static void allocations_are_zeroed_and_grow(void **state)
{
    (void)state;
    int *numbers = NULL;
    assert_int_equal(LOP_NEW(&numbers, 100), LOP_OK);
    for (int i = 0; i < 100; i++) assert_int_equal(numbers[i], 0);
    for (int i = 0; i < 100; i++) numbers[i] = i;
    assert_int_equal(lop_realloc(100000, sizeof *numbers, &numbers), LOP_OK);
    for (int i = 0; i < 100; i++) assert_int_equal(numbers[i], i);
    lop_free(numbers);
    lop_free(NULL);
}

static void nothing_can_be_freed(void **state)
{
    (void)state;
    char *nothing = NULL;
    assert_int_equal(lop_alloc(0, 8, &nothing), LOP_OK);
    assert_non_null(nothing);
    assert_int_equal(lop_realloc(0, 8, &nothing), LOP_OK);
    assert_non_null(nothing);
    lop_free(nothing);
}

static void overflow_is_refused(void **state)
{
    (void)state;
    char *bytes = (char *)1;
    assert_failed(lop_alloc(SIZE_MAX / 2, 3, &bytes), LOP_E_MEMORY, "not enough host memory");
    assert_null(bytes);
    assert_failed(lop_alloc_aligned(SIZE_MAX - 10, 4096, &bytes), LOP_E_MEMORY, "not enough host memory");
    assert_null(bytes);
    assert_int_equal(lop_alloc(4, 1, &bytes), LOP_OK);
    memcpy(bytes, "abc", 4);
    assert_failed(lop_realloc(SIZE_MAX / 2, 3, &bytes), LOP_E_MEMORY, "not enough host memory");
    assert_string_equal(bytes, "abc");
    lop_free(bytes);
}

static void alignment_is_kept(void **state)
{
    (void)state;
    for (size_t align = 64; align <= 65536; align *= 4) {
        unsigned char *bytes = NULL;
        assert_int_equal(lop_alloc_aligned(align + 1, align, &bytes), LOP_OK);
        assert_int_equal((uintptr_t)bytes % align, 0);
        memset(bytes, 1, align + 1);
        lop_free(bytes);
    }
}

static void text_is_copied(void **state)
{
    (void)state;
    char *copy = NULL;
    assert_int_equal(lop_strdup("llama", &copy), LOP_OK);
    assert_string_equal(copy, "llama");
    lop_free(copy);
    assert_int_equal(lop_memdup_text("ll\0ma", 4, &copy), LOP_OK);
    assert_memory_equal(copy, "ll\0m", 5);
    lop_free(copy);
    assert_int_equal(lop_memdup_text(NULL, 0, &copy), LOP_OK);
    assert_string_equal(copy, "");
    lop_free(copy);
}

static lop_status three_allocations(void *context)
{
    (void)context;
    char *a = NULL, *b = NULL, *c = NULL;
    lop_status status = LOP_OK;
    LOP_TRY_DONE(LOP_NEW(&a, 3));
    LOP_TRY_DONE(lop_alloc_aligned(100, 64, &b));
    LOP_TRY_DONE(lop_realloc(7, 1, &c));
done:
    lop_free(c);
    lop_free(b);
    lop_free(a);
    return status;
}

static void ladder_fails_each_in_turn(void **state)
{
    (void)state;
    assert_int_equal(ladder_climb(three_allocations, NULL), 3);
    char *after = NULL;
    lop_alloc_fail_at(2);
    assert_int_equal(lop_alloc(1, 1, &after), LOP_OK);
    lop_free(after);
    for (int i = 0; i < 3; i++) assert_int_equal(lop_alloc(1, 1, &after), LOP_E_MEMORY);
    lop_alloc_fail_at(0);
    assert_int_equal(lop_alloc(1, 1, &after), LOP_OK);
    lop_free(after);
}

static void peak_counts_what_is_touched(void **state)
{
    (void)state;
    const size_t size = (size_t)64 << 20;
    lop_host_peak before, after;
    lop_host_peak_read(&before);
    assert_true(before.anonymous > 0);
    unsigned char *bytes = NULL;
    assert_int_equal(lop_alloc(size, 1, &bytes), LOP_OK);
    for (size_t i = 0; i < size; i += 1024) bytes[i] = (unsigned char)i;
    lop_free(bytes);
    lop_host_peak_read(&after);
    assert_true(after.anonymous >= size);
    assert_true(after.anonymous >= before.anonymous);
}

int test_memory(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocations_are_zeroed_and_grow),
        cmocka_unit_test(nothing_can_be_freed),
        cmocka_unit_test(overflow_is_refused),
        cmocka_unit_test(alignment_is_kept),
        cmocka_unit_test(text_is_copied),
        cmocka_unit_test(ladder_fails_each_in_turn),
        cmocka_unit_test(peak_counts_what_is_touched),
    };
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
