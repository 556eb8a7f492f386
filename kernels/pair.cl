/* pair.cl - rows whose matrices may differ in storage word: one is WORD, the other OTHER, which the name carries. */

/* to[r,:] = from[r,:], rounded to nearest even.  Shapes: from (R, cols) WORD, to (R, cols) OTHER. */
KERNEL(LOP_CAT(cast_, OTHER))(HERE IN(WORD, from), OUT(OTHER, to), const int cols)
{
    GLOBAL const WORD *source = ROW(from, GROUP);
    GLOBAL OTHER *target = ROW(to, GROUP);
    EACH_PACK(c, 0, cols) STORE_OF(OTHER, target, c, LOAD(source, c));
}

/* y[r,:] = a x[r,:] + b y[r,:]; b = 0 does not read y.  Shapes: x (R, cols) WORD, y (R, cols) OTHER. */
KERNEL(LOP_CAT(axpby_, OTHER))(HERE const float a, IN(WORD, x), const float b, OUT(OTHER, y), const int cols)
{
    GLOBAL const WORD *xr = ROW(x, GROUP);
    GLOBAL OTHER *yr = ROW(y, GROUP);
    if (b == 0.0f) {
        EACH_PACK(c, 0, cols) STORE_OF(OTHER, yr, c, a * LOAD(xr, c));
    } else {
        EACH_PACK(c, 0, cols) STORE_OF(OTHER, yr, c, a * LOAD(xr, c) + b * LOAD_OF(OTHER, yr, c));
    }
}

/* sum[r,0] = sum_c (a[r,c] - b[r,c])^2.  Shapes: a (T, cols) WORD, b (T, cols) OTHER, sum (T, 1) f32. */
KERNEL(LOP_CAT(sq_error_row_, OTHER))(HERE IN(WORD, a), IN(OTHER, b), OUT(f32, sum), const int cols)
{
    SCRATCH;
    GLOBAL const WORD *ar = ROW(a, GROUP);
    GLOBAL const OTHER *br = ROW(b, GROUP);
    PACK part = (PACK)(0.0f);
    EACH_PACK_SUM(c, 0, cols, part) {
        const PACK d = LOAD(ar, c) - LOAD_OF(OTHER, br, c);
        part += d * d;
    }
    const float total = GROUP_SUM(part);
    if (LANE == 0) ROW(sum, GROUP)[0] = total;
}
