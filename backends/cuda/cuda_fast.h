/* cuda_fast.h - the quicker ways of this backend. */
#ifndef LOP_BACKENDS_CUDA_FAST_H
#define LOP_BACKENDS_CUDA_FAST_H

#include "core/device/backend.h"

extern const lop_fast lop_cuda_fast;

#endif
