/* page_groups.h - every group of tests of the room core/page: one file, one function that runs its group and returns how
 * many tests failed. */
#ifndef LOP_TESTS_PAGE_PAGE_GROUPS_H
#define LOP_TESTS_PAGE_PAGE_GROUPS_H

#include "tests/harness/test_groups.h"

#define TEST_GROUPS(X) X(test_page)

TEST_GROUPS(TEST_GROUP_DECLARE)

#endif
