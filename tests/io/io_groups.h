/* io_groups.h - every group of tests of the room core/io: one file, one function that runs its group and returns how many
 * tests failed. A new file adds a line to LOP_IO_GROUPS. */
#ifndef LOP_TESTS_IO_GROUPS_H
#define LOP_TESTS_IO_GROUPS_H

#define LOP_IO_GROUPS(X)                                                                                     \
    X(test_io_dtype)                                                                                         \
    X(test_io_gguf)                                                                                          \
    X(test_io_gguf_header)                                                                                   \
    X(test_io_gguf_tensor)                                                                                   \
    X(test_io_gguf_model)                                                                                    \
    X(test_io_config)                                                                                        \
    X(test_io_safetensors)                                                                                   \
    X(test_io_checkpoint)                                                                                    \
    X(test_io_output)                                                                                        \
    X(test_io_crash)                                                                                         \
    X(test_io_corpus)                                                                                        \
    X(test_io_synth)                                                                                         \
    X(test_io_convert)                                                                                       \
    X(test_io_memory)

#define LOP_IO_DECLARE(name) int name(void);
LOP_IO_GROUPS(LOP_IO_DECLARE)
#undef LOP_IO_DECLARE

#endif
