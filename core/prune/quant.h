/* quant.h - weights rounded to grids of few points, each of a row of a linear or of neighbours in it.
 *
 * A grid of N bits has the points scale (n - zero), n = 0 .. 2^N - 1, zero one of these, so that 0 is a point. Its weights
 * lie on it as one product of two f32 numbers, rounded to the word that they are kept in.
 *
 * Letters: R rows and C columns of a linear, G grids in each row, of C / G neighbours each. */
#ifndef LOP_CORE_PRUNE_QUANT_H
#define LOP_CORE_PRUNE_QUANT_H

#include "core/base/option.h"
#include "core/device/ops.h"

enum { LOP_QUANT_BITS_LEAST = 2, LOP_QUANT_BITS_MOST = 8 };

/* What was asked for. */
typedef struct lop_quant {
    int32_t bits;  /* 0: weights stay as they are */
    int32_t group; /* columns of a grid; 0: all of the row */
} lop_quant;

/* The largest code. */
static inline int32_t lop_quant_most(int32_t bits)
{
    return (1 << bits) - 1;
}

/* Grids of one row of `cols` weights. */
static inline int32_t lop_quant_grids(const lop_quant *quant, int32_t cols)
{
    return quant->group == 0 ? 1 : cols / quant->group;
}

/* Reads quantize-bits and quantize-group. LOP_E_ARGUMENT: out of range, or a group of nothing. */
LOP_CHECKED lop_status lop_quant_read(const lop_settings *settings, lop_quant *out);

/* LOP_E_ARGUMENT unless groups divide the columns of the linear called `name`. */
LOP_CHECKED lop_status lop_quant_fits(const lop_quant *quant, const char *name, int32_t cols);

/* The grids of a linear. */
typedef struct lop_quant_grid {
    int32_t bits;        /* 0: none, and the matrices are absent */
    lop_mat scale, zero; /* (R, G) f32 */
} lop_quant_grid;

/* Rows [first, first + rows). */
lop_quant_grid lop_quant_rows(const lop_quant_grid *grid, int32_t first, int32_t rows);

/* low = the least weight of each grid or 0, high the largest.  Shapes: w (R, C) W, low, high (R, G) f32. */
LOP_CHECKED lop_status lop_quant_range(lop_queue *q, lop_mat w, lop_mat low, lop_mat high);

/* scale = (s(phi_1) high - s(phi_0) low) / (2^N - 1), at least 1e-5; zero = -s(phi_0) low / scale, rounded; s is the sigmoid,
 * and without phi it is 1.  Shapes: low, high (R, G) f32, phi (R, 2 G) f32 pairs phi_0, phi_1, or absent.
 *   Source   OmniQuant, learnable weight clipping */
LOP_CHECKED lop_status lop_quant_scale(lop_queue *q, lop_mat low, lop_mat high, lop_mat phi,
                                       const lop_quant_grid *grid);

/* out = the points of the grids next to w, or their last points.  Shapes: w, out (R, C) W, not the same. */
LOP_CHECKED lop_status lop_quant_round(lop_queue *q, lop_mat w, const lop_quant_grid *grid, lop_mat out);

/* grad = the gradient of phi from factor dw, that of the weights that lop_quant_round gave.
 *   Shapes   dw (R, C) f32, w (R, C) W what was rounded, low, high (R, G), phi, grad (R, 2 G) f32 */
typedef struct lop_quant_clip {
    lop_mat low, high, phi, grad;
} lop_quant_clip;
LOP_CHECKED lop_status lop_quant_back(lop_queue *q, lop_mat dw, float factor, lop_mat w,
                                      const lop_quant_grid *grid, const lop_quant_clip *clip);

#endif
