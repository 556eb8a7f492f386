/* opencl_backend.h - any device with OpenCL 1.2 as a backend: programs are built when a kernel is first asked for, products
 * go to CLBlast. One context per open device, one command queue per queue. */
#ifndef LOP_BACKENDS_OPENCL_BACKEND_H
#define LOP_BACKENDS_OPENCL_BACKEND_H

#include "core/device/backend.h"

extern const lop_backend lop_opencl_backend;

#endif
