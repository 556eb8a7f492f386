/* word_products.h - a device that takes products of 16-bit operands, played by the CPU's: operands are widened, which is exact,
 * and multiplied in f32. So a model of f16 or bf16 is computed in its own word, as on a device that is made for it. */
#ifndef LOP_TESTS_HARNESS_WORD_PRODUCTS_H
#define LOP_TESTS_HARNESS_WORD_PRODUCTS_H

#include "core/device/device.h"

/* Puts the double between core and an open device of the CPU's backend. One at a time. */
void word_products_attach(lop_device *device);

#endif
