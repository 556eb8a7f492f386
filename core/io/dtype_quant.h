/* dtype_quant.h - quantised groups to f32. Internal to core/io; others call lop_dtype_convert. */
#ifndef LOP_CORE_IO_DTYPE_QUANT_H
#define LOP_CORE_IO_DTYPE_QUANT_H

#include "core/io/dtype.h"

/* Decodes `groups` groups of a quantised type into groups * lop_dtype_group_elements(type) floats. */
void lop_dequantise(lop_dtype type, const unsigned char *from, float *to, size_t groups);

#endif
