/* test_groups.h - a test program's groups: ROOM_groups.h lists them once as TEST_GROUPS(X), one X(name) for each file
 * of the room, and declares with TEST_GROUP_DECLARE the function `name` that runs its group and returns how many tests
 * failed. tests/groups_main.c is the main of such a program. */
#ifndef LOP_TESTS_HARNESS_TEST_GROUPS_H
#define LOP_TESTS_HARNESS_TEST_GROUPS_H

#include "core/device/device.h"

#define TEST_GROUP_DECLARE(name) int name(void);
#define TEST_GROUP_ENTRY(name)   {#name, name},

typedef struct test_group {
    const char *name;
    int (*run)(void);
} test_group;

/* Runs the groups whose names contain `wanted` (NULL: all), printing each name; returns how many tests failed. */
int groups_run(const test_group *groups, int count, const char *wanted);

extern const char *test_backend; /* that the tests of this run open; "cpu" until main is told another */

/* Device 0 of a backend, with its quicker ways unless LOP_FAST=0 stands in the environment. It computes in f32, in
 * which results are held against references; what tries a model's own type says so. "far" is the CPU behind the
 * double of a device with memory of its own (far_memory.h). */
LOP_CHECKED lop_status test_device_open(const char *backend, lop_device *out);

/* 0 if device 0 of the backend opens; otherwise what the program returns, with the reason printed: 77, which ctest
 * takes for a skip, or 1 when LOP_REQUIRE names the backend. */
int backend_missing(const char *backend);

#endif
