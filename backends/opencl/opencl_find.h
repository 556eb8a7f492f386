/* opencl_find.h - the devices of all platforms that can run lop, in one order. */
#ifndef LOP_BACKENDS_OPENCL_FIND_H
#define LOP_BACKENDS_OPENCL_FIND_H

#include "backends/opencl/opencl_device.h"

enum { OPENCL_DEVICES_MOST = 64 };

typedef struct opencl_place {
    cl_platform_id platform;
    cl_device_id id;
    cl_device_type type;
} opencl_place;

typedef struct opencl_found {
    opencl_place at[OPENCL_DEVICES_MOST];
    int count;
} opencl_found;

/* GPUs first, then other accelerators, then processors; of one kind in the order of platforms and of their devices. What
 * is passed over is told in *why: a registered driver that does not load, a platform without devices, a device that has
 * not what it takes. */
LOP_CHECKED lop_status opencl_find(opencl_found *out, lop_why *why);

#endif
