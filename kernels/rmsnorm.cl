/* rmsnorm.cl - RMS normalisation. instance.h includes this once for each kernel made of it: RMSNORM is the kernel's name
 * and FROM the word of x, which is WORD or, for a stream kept in f32, f32. */

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
