/* groups.h - every group of tests of the room core/prune: one file, one function that runs its group on the backend of
 * this run and returns how many tests failed. A new file adds a line to TEST_GROUPS. */
#ifndef LOP_TESTS_PRUNE_GROUPS_H
#define LOP_TESTS_PRUNE_GROUPS_H

#include "tests/harness/test_groups.h"

#define TEST_GROUPS(X)                                                                                       \
    X(test_prune_budget)                                                                                     \
    X(test_prune_same)                                                                                       \
    X(test_prune_far)                                                                                        \
    X(test_prune_masks)                                                                                      \
    X(test_prune_options)                                                                                    \
    X(test_prune_verify)                                                                                     \
    X(test_prune_units)                                                                                      \
    X(test_prune_pairs)                                                                                      \
    X(test_prune_rows)                                                                                       \
    X(test_prune_report)                                                                                     \
    X(test_prune_report_damage)                                                                              \
    X(test_prune_failure)                                                                                    \
    X(test_prune_golden)                                                                                     \
    X(test_prune_besa)                                                                                       \
    X(test_prune_besa_sparsity)                                                                              \
    X(test_prune_besa_options)                                                                               \
    X(test_prune_besa_gradient)                                                                              \
    X(test_prune_added)                                                                                      \
    X(test_prune_besa_golden)                                                                                \
    X(test_prune_quant)                                                                                      \
    X(test_prune_sparsegpt)                                                                                  \
    X(test_prune_sparsegpt_solve)                                                                            \
    X(test_prune_sparsellm)                                                                                  \
    X(test_prune_sparsellm_steps)                                                                            \
    X(test_prune_structured)                                                                                 \
    X(test_prune_policy)                                                                                     \
    X(test_prune_policy_step)

TEST_GROUPS(TEST_GROUP_DECLARE)

#endif
