/* launch.h - short ways to say the arguments of a launch. */
#ifndef LOP_CORE_DEVICE_LAUNCH_H
#define LOP_CORE_DEVICE_LAUNCH_H

#include "core/device/ops.h"

#define LOP_M(matrix) ((lop_arg){.m = (matrix)})
#define LOP_I(value)  ((lop_arg){.i = (value)})
#define LOP_L(value)  ((lop_arg){.l = (value)})
#define LOP_U(value)  ((lop_arg){.u = (value)})
#define LOP_F(value)  ((lop_arg){.f = (value)})

/* Launches with the arguments of an array. */
#define LOP_LAUNCH(q, kernel, shape, args)                                                                   \
    lop_launch((q), (kernel), (shape), (int32_t)(sizeof(args) / sizeof((args)[0])), (args))

/* One group a row, instance `word`, no local memory. */
static inline lop_launch_shape lop_by_rows(int32_t rows, int32_t cols, lop_type word)
{
    return (lop_launch_shape){.groups = rows, .cols = cols, .word = word};
}

/* The kernel `base` whose name ends in a second storage word; list.h has the three in the order of lop_type. */
static inline lop_kernel lop_kernel_pair(lop_kernel base, lop_type other)
{
    return (lop_kernel)((int)base + (int)other);
}

#endif
