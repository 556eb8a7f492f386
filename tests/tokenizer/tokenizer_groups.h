/* tokenizer_groups.h - every group of tests of tokenizers: one file, one function that runs its group and returns how
 * many tests failed. A new file adds a line to TEST_GROUPS. */
#ifndef LOP_TESTS_TOKENIZER_TOKENIZER_GROUPS_H
#define LOP_TESTS_TOKENIZER_TOKENIZER_GROUPS_H

#include "tests/harness/test_groups.h"

#define TEST_GROUPS(X)                                                                                       \
    X(test_json)                                                                                             \
    X(test_pattern)                                                                                          \
    X(test_bpe)                                                                                              \
    X(test_tokenizer_parts)                                                                                  \
    X(test_tokenizer_added)                                                                                  \
    X(test_tokenizer_hostile)                                                                                \
    X(test_tokenizer_folder)                                                                                 \
    X(test_tokenizer_spec)                                                                                   \
    X(test_tokenizer_reference)                                                                              \
    X(test_tokenizer_memory)

TEST_GROUPS(TEST_GROUP_DECLARE)

#endif
