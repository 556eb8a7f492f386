/* test_environment.c - where the cache lies, and variables that are not set. */
#include "core/base/environment.h"
#include "core/base/memory.h"
#include "tests/base/base_groups.h"
#include "tests/harness/ladder.h"

#include <stdlib.h>
#include <string.h>

static void set(const char *name, const char *value)
{
    assert_int_equal(value == NULL ? unsetenv(name) : setenv(name, value, 1), 0);
}

static void assert_cache(const char *cache, const char *home, const char *expected)
{
    char *path = NULL;
    set("XDG_CACHE_HOME", cache);
    set("HOME", home);
    assert_int_equal(lop_cache_folder(&path), LOP_OK);
    if (expected == NULL) assert_null(path);
    if (expected != NULL) assert_string_equal(path, expected);
    lop_free(path);
}

static void the_cache_has_a_folder(void **state)
{
    (void)state;
    assert_cache("/c", "/h", "/c/lop");
    assert_cache(NULL, "/h", "/h/.cache/lop");
    assert_cache("", "/h", "/h/.cache/lop");
    assert_cache("relative", "/h", "/h/.cache/lop");
    assert_cache(NULL, "relative", NULL);
    assert_cache(NULL, NULL, NULL);
}

static lop_status find_folder(void *user)
{
    char *path = NULL;
    (void)user;
    LOP_TRY(lop_cache_folder(&path));
    lop_free(path);
    return LOP_OK;
}

static void memory_runs_out(void **state)
{
    (void)state;
    set("XDG_CACHE_HOME", "/c");
    assert_true(ladder_climb(find_folder, NULL) > 0);
}

static void what_is_empty_is_not_set(void **state)
{
    (void)state;
    set("LOP_TEST_VARIABLE", NULL);
    assert_null(lop_environment("LOP_TEST_VARIABLE"));
    set("LOP_TEST_VARIABLE", "");
    assert_null(lop_environment("LOP_TEST_VARIABLE"));
    set("LOP_TEST_VARIABLE", "x");
    assert_string_equal(lop_environment("LOP_TEST_VARIABLE"), "x");
}

int test_environment(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cache_has_a_folder),
        cmocka_unit_test(memory_runs_out),
        cmocka_unit_test(what_is_empty_is_not_set),
    };
    return cmocka_run_group_tests_name("environment", tests, NULL, NULL);
}
