/* far_memory.h - a device with memory of its own, played by the CPU: device buffers have no address on the host, every
 * queue is a thread that does its work in call order and late, and only fences order two queues. What a missing fence
 * or wait leaves is seen as wrong data: fresh memory holds NaN, and commands are held up at random. A buffer that is closed
 * while a queued command uses it ends the program. Results are the CPU's, bit for bit. */
#ifndef LOP_TESTS_HARNESS_FAR_MEMORY_H
#define LOP_TESTS_HARNESS_FAR_MEMORY_H

#include "core/device/device.h"

#define FAR_MEMORY "far" /* the name by which tests ask for it */

/* Puts the double between core and an open device of the CPU's backend; closing the device takes it away again. */
LOP_CHECKED lop_status far_memory_attach(lop_device *device);

/* How often the calling thread has waited for a queue or a fence of such a device. */
int64_t far_memory_waits(void);

#endif
