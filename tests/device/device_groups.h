/* device_groups.h - the groups of the device room's tests, and what they share. */
#ifndef LOP_TESTS_DEVICE_GROUPS_H
#define LOP_TESTS_DEVICE_GROUPS_H

#include "core/device/device.h"
#include "core/device/matrix.h"
#include "core/device/ops.h"
#include "tests/harness/test_groups.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* A device and a queue of the CPU backend, opened for a group. */
typedef struct rig {
    lop_device device;
    lop_queue queue;
} rig;
int rig_open(void **state);
int rig_close(void **state);

/* A fresh buffer as a packed matrix, filled from a seed with values in [-1, 1); the caller closes m.buf by mat_close. */
lop_mat mat_open(rig *r, int32_t rows, int32_t cols, uint32_t seed);
void mat_close(lop_mat m);

/* The same bits, row by row. */
bool mats_equal(lop_mat a, lop_mat b);

#define TEST_GROUPS(X)                                                                                       \
    X(test_matrix)                                                                                           \
    X(test_arena)                                                                                            \
    X(test_device)                                                                                           \
    X(test_threads)                                                                                          \
    X(test_far)                                                                                              \
    X(test_dialect)
TEST_GROUPS(TEST_GROUP_DECLARE)

#endif
