/* model_groups.h - every group of tests of the rooms core/model and core/eval: one file, one function that runs its group on
 * the backend of this run and returns how many tests failed. A new file adds a line to LOP_MODEL_GROUPS. */
#ifndef LOP_TESTS_MODEL_MODEL_GROUPS_H
#define LOP_TESTS_MODEL_MODEL_GROUPS_H

#define LOP_MODEL_GROUPS(X)                                                                                  \
    X(test_model_family)                                                                                     \
    X(test_model_forward)                                                                                    \
    X(test_model_reader)                                                                                     \
    X(test_model_failure)                                                                                    \
    X(test_model_golden)

#define LOP_MODEL_DECLARE(name) int name(void);
LOP_MODEL_GROUPS(LOP_MODEL_DECLARE)
#undef LOP_MODEL_DECLARE

#endif
