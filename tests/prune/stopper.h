/* stopper.h - a run that is asked to stop in the midst of a block: when a kernel has been launched as many times. One at a
 * time. */
#ifndef LOP_TESTS_PRUNE_STOPPER_H
#define LOP_TESTS_PRUNE_STOPPER_H

#include "core/base/log.h"
#include "core/device/launch.h"
#include "tests/prune/prune_rig.h"

/* Launches of `kernel` are counted from 0 on; the log asks to stop at number `at`, or never at -1. */
void stopper_set(lop_kernel kernel, int64_t at);
int64_t stopper_launches(void);

/* Stops a prune, which resumes, at launch number `at` of the kernel, and lets it go on to its end. What the try attaches stands
 * behind the counting. */
void stopper_stop_and_resume(prune_try t, lop_kernel kernel, int64_t at);

/* For prune_try.attach: the device's launches are counted. */
void stopper_attach(lop_device *device);

#endif
