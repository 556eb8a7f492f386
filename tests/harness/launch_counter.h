/* launch_counter.h - a backend that passes every call on and counts what is queued: which kernels ran, in
 * which words, wide or narrow, and whether a refused call queued anything. */
#ifndef LOP_TESTS_HARNESS_LAUNCH_COUNTER_H
#define LOP_TESTS_HARNESS_LAUNCH_COUNTER_H

#include "core/device/device.h"

enum { COUNTED_WORDS = LOP_I64 + 1 };

typedef struct launch_counter {
    lop_backend shown; /* what the device points at; the first member, so that a call finds its counter */
    const lop_backend *real;
    int64_t launches[LOP_KERNEL_COUNT][COUNTED_WORDS][2]; /* [kernel][word][wide] */
    int64_t queued;                                       /* launches, products, copies and fills */
} launch_counter;

/* Puts the counter between core and the device's backend. The counter must outlive the device. */
void launch_counter_attach(launch_counter *counter, lop_device *device);

int64_t launch_count(const launch_counter *counter, lop_kernel kernel);
const char *kernel_name(lop_kernel kernel);

#endif
