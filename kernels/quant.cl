/* quant.cl - weights as points of a grid: scale times (code - zero), codes whole numbers of few bits. A row here is what has
 * one grid: a row of a matrix, or a group of neighbours in it. Source: OmniQuant, Shao et al. 2024, quantize/quantizer.py,
 * UniformAffineQuantizer, and its learned clipping of a row's range. */

/* The whole number nearest to x, of two the even one; |x| < 2^22, beyond only the size is right. */
#define TO_WHOLE(x) (((x) + (PACK)(12582912.0f)) - (PACK)(12582912.0f))

#define SCALE_LEAST 1e-5f

/* Code less zero point of the weights v = w / scale; never -0. */
FN PACK NAME(quant_step)(const PACK v, const float zero, const float most)
{
    const PACK code = f_max(TO_WHOLE(v) + (PACK)(zero), (PACK)(0.0f));
    return -f_max(-code, (PACK)(-most)) - (PACK)(zero);
}

/* low[r,0] = the least of w[r,:] and 0, high[r,0] the largest.  Shapes: w (R, cols) WORD, low, high (R, 1) f32. */
KERNEL(quant_range_row)(HERE IN(WORD, w), OUT(f32, low), OUT(f32, high), const int cols)
{
    SCRATCH;
    GLOBAL const WORD *row = ROW(w, GROUP);
    PACK top = (PACK)(0.0f), deep = (PACK)(0.0f);
    EACH_PACK_MAX(c, 0, cols, top) top = f_max(top, LOAD(row, c));
    EACH_PACK_MAX(c, 0, cols, deep) deep = f_max(deep, -LOAD(row, c));
    const float up = GROUP_MAX(top), down = GROUP_MAX(deep);
    if (LANE == 0) {
        ROW(low, GROUP)[0] = 0.0f - down;
        ROW(high, GROUP)[0] = up + 0.0f; /* no -0 */
    }
}

/* out[r,c] = scale[r,0] times the whole number that brings it nearest to w[r,c], within what `most` + 1 codes reach from
 * -zero[r,0] on.  Shapes: w, out (R, cols) WORD, scale, zero (R, 1) f32. */
KERNEL(quant_row)
(HERE IN(WORD, w), IN(f32, scale), IN(f32, zero), OUT(WORD, out), const int most, const int cols)
{
    GLOBAL const WORD *row = ROW(w, GROUP);
    GLOBAL WORD *to = ROW(out, GROUP);
    const float h = ROW(scale, GROUP)[0], z = ROW(zero, GROUP)[0];
    EACH_PACK(c, 0, cols) STORE(to, c, h * NAME(quant_step)(LOAD(row, c) / (PACK)(h), z, (float)most));
}

/* The gradient of a row's clipping from `factor` times dw, that of its quantised weights, 0 for those that are gone: rounding
 * passes it on as it is, the zero point not at all, a scale at its least stays.
 *   Shapes   dw (R, cols) f32, w (R, cols) WORD, scale, zero, low, high (R, 1) f32, phi, grad (R, 2) f32 */
KERNEL(quant_back_row)
(HERE IN(f32, dw), IN(WORD, w), IN(f32, scale), IN(f32, zero), IN(f32, low), IN(f32, high), IN(f32, phi),
 OUT(f32, grad), const float factor, const int most, const int cols)
{
    SCRATCH;
    GLOBAL const f32 *dr = ROW(dw, GROUP), *p = ROW(phi, GROUP);
    GLOBAL const WORD *row = ROW(w, GROUP);
    const float h = ROW(scale, GROUP)[0], z = ROW(zero, GROUP)[0];
    PACK sum = (PACK)(0.0f);
    EACH_PACK_SUM(c, 0, cols, sum) {
        const PACK v = LOAD(row, c) / (PACK)(h), step = NAME(quant_step)(v, z, (float)most);
        const PACK inside = f_is_zero(TO_WHOLE(v) - step);
        sum += LOAD_OF(f32, dr, c) * (step - inside * v);
    }
    const float total = GROUP_SUM(sum);
    if (LANE == 0) {
        const float a = 1.0f / (1.0f + f_exp(-p[0])), b = 1.0f / (1.0f + f_exp(-p[1]));
        const float slope = h > SCALE_LEAST ? factor * total / (float)most : 0.0f;
        ROW(grad, GROUP)[0] = -a * (1.0f - a) * ROW(low, GROUP)[0] * slope;
        ROW(grad, GROUP)[1] = b * (1.0f - b) * ROW(high, GROUP)[0] * slope;
    }
}

#if STORE_EXACT

/* Grids of ranges from low to high, each end times the sigmoid of its phi or, not `learned`, as it is: scale[r,g] = (high -
 * low) / most, at least 1e-5, zero[r,g] = -low / scale, rounded.
 *   Shapes   low, high, scale, zero (R, cols), phi (R, 2 cols) f32: of each range that of low, then that of high */
KERNEL(quant_scale_row)
(HERE IN(f32, low), IN(f32, high), IN(f32, phi), OUT(f32, scale), OUT(f32, zero), const int learned,
 const int most, const int cols)
{
    GLOBAL const f32 *lows = ROW(low, GROUP), *highs = ROW(high, GROUP);
    GLOBAL f32 *scales = ROW(scale, GROUP), *zeros = ROW(zero, GROUP);
    EACH_TURN(g, cols) {
        float down = lows[g], up = highs[g];
        if (learned) {
            GLOBAL const f32 *p = ROW(phi, GROUP) + 2 * g;
            down /= 1.0f + f_exp(-p[0]);
            up /= 1.0f + f_exp(-p[1]);
        }
        const float h = f_max((up - down) / (float)most, SCALE_LEAST);
        scales[g] = h;
        zeros[g] = (0.0f - down / h + 12582912.0f) - 12582912.0f;
    }
}

#endif
