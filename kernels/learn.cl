/* learn.cl - from the error of a row to its gradient, against wanted values in any word. */

/* With d = y[r,:] - want[r,:]: sum[r,0] = sum_c d^2 weight[0,c], and in place y[r,:] = slope d weight.  Shapes: y (T, cols)
 * f32, want (T, cols) WORD, weight (1, cols) f32, sum (T, 1) f32. */
KERNEL(error_back_row)
(HERE OUT(f32, y), IN(WORD, want), IN(f32, weight), const float slope, OUT(f32, sum), const int cols)
{
    SCRATCH;
    GLOBAL f32 *yr = ROW(y, GROUP);
    GLOBAL const WORD *wanted = ROW(want, GROUP);
    GLOBAL const f32 *weights = ROW(weight, 0);
    PACK part = (PACK)(0.0f);
    EACH_PACK_SUM(c, 0, cols, part) {
        const PACK d = LOAD_OF(f32, yr, c) - LOAD(wanted, c), t = d * LOAD_OF(f32, weights, c);
        part += d * t;
        STORE_OF(f32, yr, c, slope * t);
    }
    const float total = GROUP_SUM(part);
    if (LANE == 0) ROW(sum, GROUP)[0] = total;
}
