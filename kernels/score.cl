/* score.cl - how important a weight is, and what happens to those that are not. */

/* score[r,c] = |w[r,c]| sqrt(stat[0,c]), or without `stat` |w[r,c]|.  Shapes: w (R, cols) WORD, stat (1, cols) f32, score
 * (R, cols) f32.  Source: Wanda, eq. 1; magnitude pruning. */
KERNEL(score_row)(HERE IN(WORD, w), IN(f32, stat), OUT(f32, score), const int with_stat, const int cols)
{
    GLOBAL const WORD *wr = ROW(w, GROUP);
    GLOBAL f32 *sr = ROW(score, GROUP);
    if (with_stat) {
        GLOBAL const f32 *st = ROW(stat, 0);
        EACH_PACK(c, 0, cols) STORE_OF(f32, sr, c, f_abs(LOAD(wr, c)) * f_sqrt(LOAD_OF(f32, st, c)));
    } else {
        EACH_PACK(c, 0, cols) STORE_OF(f32, sr, c, f_abs(LOAD(wr, c)));
    }
}

/* score[r,c] = (w[r,c] / u[0,c])^2, or with `degree` 1 w[r,c]^2 / u[0,c].  Shapes: w (R, cols) WORD, u (1, cols) f32, score
 * (R, cols) f32. */
KERNEL(score_obs_row)(HERE IN(WORD, w), IN(f32, u), OUT(f32, score), const int degree, const int cols)
{
    GLOBAL const WORD *wr = ROW(w, GROUP);
    GLOBAL const f32 *ur = ROW(u, 0);
    GLOBAL f32 *sr = ROW(score, GROUP);
    EACH_PACK(c, 0, cols) {
        const PACK v = LOAD(wr, c), share = v / LOAD_OF(f32, ur, c);
        STORE_OF(f32, sr, c, share * (degree == 1 ? v : share));
    }
}

/* w[r,c] = +0 where the keep bit is 0; kept ones are not touched.  Shapes: keep (R, ceil(cols / 8)) u8, most significant
 * bit first; w (R, cols) WORD in place. */
KERNEL(zero_dropped)(HERE IN(u8, keep), OUT(WORD, w), const int cols)
{
    GLOBAL const u8 *kr = ROW(keep, GROUP);
    GLOBAL WORD *wr = ROW(w, GROUP);
    if (PACKS == 8) { /* a byte of bits is a pack */
        EACH_PACK(c, 0, cols) {
            const u32 kept = kr[c / 8];
            if (kept != 0xffu) STORE(wr, c, PACK_KEPT(LOAD(wr, c), kept));
        }
    } else {
        EACH_TURN(b, (cols + 7) / 8) {
            const u32 kept = kr[b];
            const int n = i_min(8, cols - 8 * b);
            for (int k = 0; k < n; k++)
                if ((kept & (0x80u >> k)) == 0u) STORE1(wr, 8 * b + k, 0.0f);
        }
    }
}
