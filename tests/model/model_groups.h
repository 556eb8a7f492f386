/* model_groups.h - every group of tests of the rooms core/model and core/eval: one file, one function that runs its group on
 * the backend of this run and returns how many tests failed. A new file adds a line to TEST_GROUPS. */
#ifndef LOP_TESTS_MODEL_MODEL_GROUPS_H
#define LOP_TESTS_MODEL_MODEL_GROUPS_H

#include "tests/harness/test_groups.h"

#define TEST_GROUPS(X)                                                                                       \
    X(test_model_attention)                                                                                  \
    X(test_model_backward)                                                                                   \
    X(test_model_family)                                                                                     \
    X(test_model_forward)                                                                                    \
    X(test_model_choices)                                                                                    \
    X(test_model_head)                                                                                       \
    X(test_model_reader)                                                                                     \
    X(test_model_failure)                                                                                    \
    X(test_model_golden)

TEST_GROUPS(TEST_GROUP_DECLARE)

#endif
