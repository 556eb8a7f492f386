/* sparsellm.cl - the auxiliary outputs of a feed-forward layer's first linears, moved element by element to where they fit
 * both what those linears give and what the activation is to be; and targets of linears. Kinds as in lop_gate_kind
 * (core/device/ops.h), activate and slope as in gate.cl.
 *
 * In one element: m what the linear gives, p what the activation is to be, rho how much that counts. */

/* (x - m)^2 + rho (p - z f(x))^2. */
FN PACK NAME(misfit)(PACK x, PACK m, PACK z, PACK p, float rho, int kind)
{
    const PACK d = x - m, e = p - z * NAME(activate)(x, kind);
    return d * d + rho * (e * e);
}

/* x = at, where that has a lesser misfit than `least`, which follows. */
FN void NAME(better)(PACK *x, PACK *least, PACK at, PACK m, PACK z, PACK p, float rho, int kind)
{
    const PACK value = NAME(misfit)(at, m, z, p, rho, kind);
    *x = f_pick(value, *least, at, *x);
    *least = f_pick(value, *least, value, *least);
}

/* The best of a whole step of Gauss-Newton and of its halves down to an eighth, if any is better. */
FN void NAME(newton_step)(PACK *x, PACK *least, PACK m, PACK z, PACK p, float rho, int kind)
{
    const PACK from = *x, rise = z * NAME(slope)(from, kind);
    const PACK g = (from - m) - rho * (p - z * NAME(activate)(from, kind)) * rise;
    PACK step = g / ((PACK)(1.0f) + rho * rise * rise);
    ROLLED(4) for (int k = 0; k < 4; k++)
    {
        NAME(better)(x, least, from - step, m, z, p, rho, kind);
        step = 0.5f * step;
    }
}

/* x or m, whichever has the lesser misfit, and from there three steps, none of which makes it greater. */
FN PACK NAME(newton)(PACK x, PACK m, PACK z, PACK p, float rho, int kind)
{
    PACK least = NAME(misfit)(x, m, z, p, rho, kind);
    NAME(better)(&x, &least, m, m, z, p, rho, kind);
    ROLLED(3) for (int k = 0; k < 3; k++) NAME(newton_step)(&x, &least, m, z, p, rho, kind);
    return x;
}

/* A step down the gradient of the misfit. */
FN PACK NAME(descent_step)(PACK x, PACK m, PACK z, PACK p, float rho, float rate, int kind)
{
    const PACK e = p - z * NAME(activate)(x, kind);
    return x - rate * ((x - m) - rho * e * (z * NAME(slope)(x, kind)));
}

/* Two of them, as the authors' scripts have it. */
FN PACK NAME(descent)(PACK x, PACK m, PACK z, PACK p, float rho, float rate, int kind)
{
    x = NAME(descent_step)(x, m, z, p, rho, rate, kind);
    return NAME(descent_step)(x, m, z, p, rho, rate, kind);
}

FN PACK NAME(within)(PACK x, float most)
{
    return f_pick(x, (PACK)(-most), (PACK)(-most), f_pick((PACK)(most), x, (PACK)(most), x));
}

/* One row of a gated layer; called with a constant kind. Returns this lane's part of the misfits' sum. */
FN PACK NAME(gated_one)(GLOBAL WORD *z, GLOBAL WORD *s, GLOBAL WORD *up, GLOBAL WORD *gate,
                        GLOBAL const WORD *p, float rho, float rate, float most, int cols, int kind)
{
    PACK sum = (PACK)(0.0f);
    EACH_PACK_SUM(c, 0, cols, sum) {
        const PACK m = LOAD(up, c), n = LOAD(gate, c), want = LOAD(p, c), old = LOAD(s, c);
        const PACK f = NAME(activate)(old, kind);
        const PACK x = NAME(within)((m + rho * f * want) / ((PACK)(1.0f) + rho * f * f), most);
        PACK y = old;
        if (rate > 0.0f)
            y = NAME(descent)(old, n, x, want, rho, rate, kind);
        else
            y = NAME(newton)(old, n, x, want, rho, kind);
        y = NAME(within)(y, most);
        STORE(z, c, x);
        STORE(s, c, y);
        STORE(up, c, x - m);
        STORE(gate, c, y - n);
        sum += (x - m) * (x - m) + NAME(misfit)(y, n, x, want, rho, kind);
    }
    return sum;
}

/* A gated layer: z, the outputs of `up`, to the least of (z - m)^2 + rho (p - z f(s))^2; then s, those of `gate`, by
 * Gauss-Newton, or for a rate > 0 by two steps of it down the gradient. `up` and `gate` hold what their linears give, then
 * how far z and s lie from that. sum[r,0] = the row's misfits, those of z and s and rho times that of the activation.
 *
 *   Shapes   z, s, up, gate (T, cols) WORD in place; p (T, cols) WORD; sum (T, 1) f32
 *   Range    rho > 0; z and s are held within -most and most
 *   Source   SparseLLM, eq. 12 and 13; llama_main.py */
KERNEL(auxiliary_gated_row)
(HERE OUT(WORD, z), OUT(WORD, s), OUT(WORD, up), OUT(WORD, gate), IN(WORD, p), OUT(f32, sum), const float rho,
 const float rate, const float most, const int kind, const int cols)
{
    SCRATCH;
    GLOBAL WORD *zr = ROW(z, GROUP), *sr = ROW(s, GROUP), *ur = ROW(up, GROUP), *gr = ROW(gate, GROUP);
    GLOBAL const WORD *pr = ROW(p, GROUP);
    PACK part = (PACK)(0.0f);
    if (kind == 0) part = NAME(gated_one)(zr, sr, ur, gr, pr, rho, rate, most, cols, 0);
    if (kind == 1) part = NAME(gated_one)(zr, sr, ur, gr, pr, rho, rate, most, cols, 1);
    if (kind == 2) part = NAME(gated_one)(zr, sr, ur, gr, pr, rho, rate, most, cols, 2);
    if (kind == 3) part = NAME(gated_one)(zr, sr, ur, gr, pr, rho, rate, most, cols, 3);
    const float total = GROUP_SUM(part);
    if (LANE == 0) ROW(sum, GROUP)[0] = total;
}

/* The least of (z - m)^2 + rho (p - max(z, 0))^2, whose two branches meet below 0; edge = sqrt(1 + rho) - 1. */
FN PACK NAME(rectified)(PACK m, PACK p, float rho, float edge)
{
    const PACK none = (PACK)(0.0f), both = (m + rho * p) / ((PACK)(1.0f) + rho);
    return f_pick(m, none, f_pick(edge * p, -m, m, both), f_max(both, none));
}

/* One row of a layer without a gate, its kind constant. */
FN PACK NAME(plain_one)(GLOBAL WORD *z, GLOBAL WORD *up, GLOBAL const WORD *p, float rho, float edge,
                        float most, int cols, int kind)
{
    PACK sum = (PACK)(0.0f);
    EACH_PACK_SUM(c, 0, cols, sum) {
        const PACK m = LOAD(up, c), want = LOAD(p, c);
        PACK x = m;
        if (kind == 3)
            x = NAME(rectified)(m, want, rho, edge);
        else
            x = NAME(newton)(LOAD(z, c), m, (PACK)(1.0f), want, rho, kind);
        x = NAME(within)(x, most);
        STORE(z, c, x);
        STORE(up, c, x - m);
        sum += NAME(misfit)(x, m, (PACK)(1.0f), want, rho, kind);
    }
    return sum;
}

/* A layer without a gate: z to the least of (z - m)^2 + rho (p - f(z))^2, in one go where f is max(z, 0), else by
 * Gauss-Newton. The rest as in auxiliary_gated_row.
 *
 *   Shapes   z, up (T, cols) WORD in place; p (T, cols) WORD; sum (T, 1) f32
 *   Range    rho > 0, edge = sqrt(1 + rho) - 1
 *   Source   SparseLLM, eq. 8 to 10; opt_main.py */
KERNEL(auxiliary_row)
(HERE OUT(WORD, z), OUT(WORD, up), IN(WORD, p), OUT(f32, sum), const float rho, const float edge,
 const float most, const int kind, const int cols)
{
    SCRATCH;
    GLOBAL WORD *zr = ROW(z, GROUP), *ur = ROW(up, GROUP);
    GLOBAL const WORD *pr = ROW(p, GROUP);
    PACK part = (PACK)(0.0f);
    if (kind == 0) part = NAME(plain_one)(zr, ur, pr, rho, edge, most, cols, 0);
    if (kind == 1) part = NAME(plain_one)(zr, ur, pr, rho, edge, most, cols, 1);
    if (kind == 2) part = NAME(plain_one)(zr, ur, pr, rho, edge, most, cols, 2);
    if (kind == 3) part = NAME(plain_one)(zr, ur, pr, rho, edge, most, cols, 3);
    const float total = GROUP_SUM(part);
    if (LANE == 0) ROW(sum, GROUP)[0] = total;
}

/* b[r,c] -= d[c] (w[r,c] - anchor[r,c]), without an anchor d[c] w[r,c]; d[c] = fraction mean[0,0] where diagonal[0,c] is not
 * 0, and `dead` where it is: what damping adds to the diagonal of a Gram matrix.
 *
 *   Shapes   b (R, cols) f32 in place; w, anchor (R, cols) WORD; diagonal (1, cols), mean (1, 1) f32 */
KERNEL(target_row)
(HERE OUT(f32, b), IN(WORD, w), IN(WORD, anchor), IN(f32, diagonal), IN(f32, mean), const float fraction,
 const float dead, const int anchored, const int cols)
{
    GLOBAL f32 *br = ROW(b, GROUP);
    GLOBAL const WORD *wr = ROW(w, GROUP);
    GLOBAL const WORD *ar = anchored ? ROW(anchor, GROUP) : wr;
    GLOBAL const f32 *dr = ROW(diagonal, 0);
    const float living = fraction * ROW(mean, 0)[0], held = anchored ? 1.0f : 0.0f;
    EACH_PACK(c, 0, cols) {
        const PACK none = f_is_zero(LOAD_OF(f32, dr, c));
        const PACK d = living * ((PACK)(1.0f) - none) + dead * none;
        STORE_OF(f32, br, c, LOAD_OF(f32, br, c) - d * (LOAD(wr, c) - held * LOAD(ar, c)));
    }
}
