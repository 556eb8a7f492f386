/* sparsegpt.cl - a panel of columns of a linear, pruned from left to right: each weight that goes is made up for by those to
 * its right. */

/* Which of the m columns from c on go: the m - n least by (left / u_cc)^2, of equal ones the first.  The diagonal of u is
 * positive. */
FN void NAME(choose_n_of_m)(LOCAL_PTR(f32) left, LOCAL_PTR(f32) dropped, GLOBAL const f32 *u, const int u_ld,
                            const int c, const int n, const int m)
{
    EACH_TURN(k, m) {
        const int at = c + k;
        const float own = f_abs(left[at]) / u[(i64)at * u_ld + at];
        int below = 0;
        for (int j = c; j < c + m; j++) {
            const float other = f_abs(left[j]) / u[(i64)j * u_ld + j];
            below += other < own || (other == own && j < at) ? 1 : 0;
        }
        dropped[at] = below < m - n ? 1.0f : 0.0f;
    }
}

/* Row r of a panel: column after column, what is dropped leaves e = w / u_cc, and the columns to its right lose e u[c,:].
 * What stays has e = 0. Without a pattern (m 0) the keep bits say what is dropped; with one n of every m columns are kept,
 * chosen when the first of them is reached, and their bits written.
 *
 *   Shapes   w (R, cols) f32 in place, receives +0 where a weight is dropped; u (cols, cols) f32, upper triangle, its
 *            diagonal positive; keep (R, ceil(cols / 8)) u8; e (R, cols) f32; error (R, 1) f32, += sum of e^2
 *   Range    cols a multiple of m
 *   Local    2 cols f32
 *   Source   SparseGPT, Alg. 1; sparsegpt.py fasterprune */
KERNEL(sparsegpt_row)
(HERE OUT(f32, w), IN(f32, u), OUT(u8, keep), OUT(f32, e), OUT(f32, error), const int n, const int m,
 const int cols)
{
    SCRATCH;
    LOCAL_ROW(f32, left);
    LOCAL_PTR(f32) dropped = left + cols; /* 1 or 0 */
    GLOBAL f32 *wr = ROW(w, GROUP);
    GLOBAL f32 *er = ROW(e, GROUP);
    GLOBAL u8 *kr = ROW(keep, GROUP);
    PACK sum = (PACK)(0.0f);
    EACH(c, cols) left[c] = wr[c];
    if (m == 0)
        EACH_TURN(c, cols) dropped[c] = (kr[c / 8] & (0x80u >> (c % 8))) == 0u ? 1.0f : 0.0f;
    BARRIER;
    for (int c = 0; c < cols; c++) {
        GLOBAL const f32 *ur = ROW(u, c);
        if (m > 0 && c % m == 0) {
            NAME(choose_n_of_m)(left, dropped, ROW(u, 0), u_ld, c, n, m);
            BARRIER;
        }
        if (dropped[c] != 0.0f) {
            const float lost = left[c] / ur[c];
            LOP_SIMD() for (int j = c + 1 + LANE; j < cols; j += LANES) left[j] -= lost * ur[j];
            BARRIER;
        }
    }
    EACH_TURN(c, cols) {
        const int gone = dropped[c] != 0.0f ? 1 : 0;
        er[c] = gone != 0 ? left[c] / ROW(u, c)[c] : 0.0f;
        wr[c] = gone != 0 ? 0.0f : left[c];
    }
    if (m > 0) {
        EACH_TURN(b, (cols + 7) / 8) {
            u32 bits = 0;
            for (int k = 0; k < i_min(8, cols - 8 * b); k++)
                bits |= dropped[8 * b + k] == 0.0f ? 0x80u >> k : 0u;
            kr[b] = (u8)bits;
        }
    }
    BARRIER;
    EACH_PACK_SUM(c, 0, cols, sum) {
        const PACK v = LOAD_OF(f32, er, c);
        sum += v * v;
    }
    const float total = GROUP_SUM(sum);
    if (LANE == 0) ROW(error, GROUP)[0] += total;
}
