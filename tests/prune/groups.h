/* groups.h - every group of tests of the room core/prune: one file, one function that runs its group on the backend of
 * this run and returns how many tests failed. A new file adds a line to LOP_PRUNE_GROUPS. */
#ifndef LOP_TESTS_PRUNE_GROUPS_H
#define LOP_TESTS_PRUNE_GROUPS_H

#define LOP_PRUNE_GROUPS(X)                                                                                  \
    X(test_prune_budget)                                                                                     \
    X(test_prune_same)                                                                                       \
    X(test_prune_masks)                                                                                      \
    X(test_prune_options)                                                                                    \
    X(test_prune_verify)                                                                                     \
    X(test_prune_golden)

#define LOP_PRUNE_DECLARE(name) int name(void);
LOP_PRUNE_GROUPS(LOP_PRUNE_DECLARE)
#undef LOP_PRUNE_DECLARE

#endif
