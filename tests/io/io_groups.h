/* io_groups.h - every group of tests of the room core/io: one file, one function that runs its group and returns how many
 * tests failed. A new file adds a line to TEST_GROUPS. */
#ifndef LOP_TESTS_IO_GROUPS_H
#define LOP_TESTS_IO_GROUPS_H

#include "tests/harness/test_groups.h"

#define TEST_GROUPS(X)                                                                                       \
    X(test_io_dtype)                                                                                         \
    X(test_io_gguf)                                                                                          \
    X(test_io_gguf_header)                                                                                   \
    X(test_io_gguf_tensor)                                                                                   \
    X(test_io_gguf_model)                                                                                    \
    X(test_io_gguf_write)                                                                                    \
    X(test_io_config)                                                                                        \
    X(test_io_safetensors)                                                                                   \
    X(test_io_checkpoint)                                                                                    \
    X(test_io_output)                                                                                        \
    X(test_io_crash)                                                                                         \
    X(test_io_corpus)                                                                                        \
    X(test_io_requests)                                                                                      \
    X(test_io_synth)                                                                                         \
    X(test_io_convert)                                                                                       \
    X(test_io_memory)

TEST_GROUPS(TEST_GROUP_DECLARE)

#endif
