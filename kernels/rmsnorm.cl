/* rmsnorm.cl - RMS normalisation, forward and backward. instance.h includes this once for each word FROM of x, which is
 * WORD or, for a stream kept in f32, f32: RMSNORM and RMSNORM_BACK are the kernels' names. */

/* y[r,:] = x[r,:] gain / sqrt(mean(x[r,:]^2) + eps).  Shapes: x (T, cols) FROM, gain (1, cols) f32, y (T, cols) WORD.
 * Source: Zhang and Sennrich 2019, eq. 4. */
KERNEL(RMSNORM)(HERE IN(FROM, x), IN(f32, gain), const float eps, OUT(WORD, y), const int cols)
{
    SCRATCH;
    GLOBAL const FROM *xr = ROW(x, GROUP);
    GLOBAL const f32 *gr = ROW(gain, 0);
    GLOBAL WORD *yr = ROW(y, GROUP);
    PACK sum = (PACK)(0.0f);
    EACH_PACK_SUM(c, 0, cols, sum) {
        const PACK v = LOAD_OF(FROM, xr, c);
        sum += v * v;
    }
    const float scale = f_rsqrt(GROUP_SUM(sum) / (float)cols + eps);
    EACH_PACK(c, 0, cols) STORE(yr, c, LOAD_OF(FROM, xr, c) * scale * LOAD_OF(f32, gr, c));
}

/* dx[r,:] += the gradient with respect to x[r,:] from dy[r,:], that with respect to y[r,:]: with s = 1 / sqrt(mean(x^2) +
 * eps) and t = dy gain it is s (t - x s^2 mean(x t)).  Shapes: x (T, cols) FROM, gain (1, cols) f32, dy (T, cols) WORD, dx
 * (T, cols) f32. Three passes over x, which the group's cache holds. */
KERNEL(RMSNORM_BACK)
(HERE IN(FROM, x), IN(f32, gain), const float eps, IN(WORD, dy), OUT(f32, dx), const int cols)
{
    SCRATCH;
    GLOBAL const FROM *xr = ROW(x, GROUP);
    GLOBAL const f32 *gr = ROW(gain, 0);
    GLOBAL const WORD *dyr = ROW(dy, GROUP);
    GLOBAL f32 *dxr = ROW(dx, GROUP);
    PACK squares = (PACK)(0.0f), shared = (PACK)(0.0f);
    EACH_PACK_SUM(c, 0, cols, squares) {
        const PACK v = LOAD_OF(FROM, xr, c);
        squares += v * v;
    }
    EACH_PACK_SUM(c, 0, cols, shared) shared += LOAD_OF(FROM, xr, c) * (LOAD(dyr, c) * LOAD_OF(f32, gr, c));
    const float scale = f_rsqrt(GROUP_SUM(squares) / (float)cols + eps);
    const float mean = GROUP_SUM(shared) / (float)cols * scale;
    EACH_PACK(c, 0, cols) {
        const PACK t = LOAD(dyr, c) * LOAD_OF(f32, gr, c);
        const PACK d = scale * (t - LOAD_OF(FROM, xr, c) * scale * mean);
        STORE_OF(f32, dxr, c, LOAD_OF(f32, dxr, c) + d);
    }
}
