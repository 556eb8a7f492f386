/* base_groups.h - every group of tests of the room core/base: one file, one function that runs its group and returns how
 * many tests failed; and the folder that a test may fill. */
#ifndef LOP_TESTS_TEST_GROUPS_H
#define LOP_TESTS_TEST_GROUPS_H

#include "tests/harness/status_checks.h"
#include "tests/harness/test_groups.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define TEST_GROUPS(X)                                                                                       \
    X(test_status)                                                                                           \
    X(test_memory)                                                                                           \
    X(test_text)                                                                                             \
    X(test_file)                                                                                             \
    X(test_file_full)                                                                                        \
    X(test_folder)                                                                                           \
    X(test_hash)                                                                                             \
    X(test_environment)                                                                                      \
    X(test_log)                                                                                              \
    X(test_option)                                                                                           \
    X(test_random)

TEST_GROUPS(TEST_GROUP_DECLARE)

/* cmocka setup and teardown: *state is the path of a new empty folder, removed with all in it. */
int folder_open(void **state);
int folder_close(void **state);

/* "folder/name", valid until the eighth call after this one. */
const char *path_in(const void *folder, const char *name);

#endif
