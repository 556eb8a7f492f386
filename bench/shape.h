/* shape.h - the model without a file that a bench works on. Internal to bench. */
#ifndef LOP_BENCH_SHAPE_H
#define LOP_BENCH_SHAPE_H

#include "bench/parts.h"
#include "core/io/checkpoint.h"

/* The shape that --shape names, its weights random numbers of type --word, or of the shape's own. The caller closes it. */
LOP_CHECKED lop_status bench_shape_open(const bench *b, lop_checkpoint **out);

#endif
