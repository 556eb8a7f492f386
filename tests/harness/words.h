/* words.h - elements of every lop_type to double and back, written from the definitions of the formats. */
#ifndef LOP_TESTS_HARNESS_WORDS_H
#define LOP_TESTS_HARNESS_WORDS_H

#include "core/device/backend.h"
#include "tests/ref/ref_ops.h"

double word_get(lop_type type, const void *at);

/* Stores value rounded to the type. */
void word_put(lop_type type, double value, void *at);

/* The storage word's rounding, or NULL for f64 and whole numbers. */
const ref_word *word_of(lop_type type);

#endif
