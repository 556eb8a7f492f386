/* layernorm.cl - layer normalisation, forward and backward. instance.h includes this once for each word FROM of x, which is
 * WORD or, for a stream kept in f32, f32: LAYERNORM and LAYERNORM_BACK are the kernels' names. The variance is taken of what
 * is left behind the mean: sums of squares would lose it where the mean is large. */

/* y[r,:] = (x[r,:] - mean) / sqrt(variance + eps) gain + bias.  Shapes: x (T, cols) FROM, gain, bias (1, cols) f32, y (T,
 * cols) WORD. Three passes over x, which the group's cache holds.  Source: Ba, Kiros and Hinton 2016, eq. 4. */
KERNEL(LAYERNORM)
(HERE IN(FROM, x), IN(f32, gain), IN(f32, bias), const float eps, OUT(WORD, y), const int cols)
{
    SCRATCH;
    GLOBAL const FROM *xr = ROW(x, GROUP);
    GLOBAL const f32 *gr = ROW(gain, 0);
    GLOBAL const f32 *br = ROW(bias, 0);
    GLOBAL WORD *yr = ROW(y, GROUP);
    PACK sum = (PACK)(0.0f), squares = (PACK)(0.0f);
    EACH_PACK_SUM(c, 0, cols, sum) sum += LOAD_OF(FROM, xr, c);
    const float mean = GROUP_SUM(sum) / (float)cols;
    EACH_PACK_SUM(c, 0, cols, squares) {
        const PACK v = LOAD_OF(FROM, xr, c) - mean;
        squares += v * v;
    }
    const float scale = f_rsqrt(GROUP_SUM(squares) / (float)cols + eps);
    EACH_PACK(c, 0, cols) {
        const PACK n = (LOAD_OF(FROM, xr, c) - mean) * scale;
        STORE(yr, c, n * LOAD_OF(f32, gr, c) + LOAD_OF(f32, br, c));
    }
}

/* dx[r,:] += the gradient with respect to x[r,:] from dy[r,:], that with respect to y[r,:]: with s = 1 / sqrt(variance +
 * eps), n = (x - mean) s and t = dy gain it is s (t - mean(t) - n mean(n t)).  Shapes: x (T, cols) FROM, gain (1, cols) f32,
 * dy (T, cols) WORD, dx (T, cols) f32. */
KERNEL(LAYERNORM_BACK)
(HERE IN(FROM, x), IN(f32, gain), const float eps, IN(WORD, dy), OUT(f32, dx), const int cols)
{
    SCRATCH;
    GLOBAL const FROM *xr = ROW(x, GROUP);
    GLOBAL const f32 *gr = ROW(gain, 0);
    GLOBAL const WORD *dyr = ROW(dy, GROUP);
    GLOBAL f32 *dxr = ROW(dx, GROUP);
    PACK sum = (PACK)(0.0f), squares = (PACK)(0.0f), whole = (PACK)(0.0f), shared = (PACK)(0.0f);
    EACH_PACK_SUM(c, 0, cols, sum) sum += LOAD_OF(FROM, xr, c);
    EACH_PACK_SUM(c, 0, cols, whole) whole += LOAD(dyr, c) * LOAD_OF(f32, gr, c);
    const float mean = GROUP_SUM(sum) / (float)cols, level = GROUP_SUM(whole) / (float)cols;
    EACH_PACK_SUM(c, 0, cols, squares) {
        const PACK v = LOAD_OF(FROM, xr, c) - mean;
        squares += v * v;
    }
    EACH_PACK_SUM(c, 0, cols, shared)
        shared += (LOAD_OF(FROM, xr, c) - mean) * (LOAD(dyr, c) * LOAD_OF(f32, gr, c));
    const float scale = f_rsqrt(GROUP_SUM(squares) / (float)cols + eps);
    const float tilt = GROUP_SUM(shared) / (float)cols * scale;
    EACH_PACK(c, 0, cols) {
        const PACK n = (LOAD_OF(FROM, xr, c) - mean) * scale;
        const PACK d = scale * (LOAD(dyr, c) * LOAD_OF(f32, gr, c) - level - n * tilt);
        STORE_OF(f32, dxr, c, LOAD_OF(f32, dxr, c) + d);
    }
}
