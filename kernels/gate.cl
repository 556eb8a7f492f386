/* gate.cl - the gated activations of a feed-forward layer, forward and backward. Kinds as in lop_gate_kind (core/device/ops.h). */

FN PACK NAME(activate)(PACK x, int kind)
{
    if (kind == 0) return x / ((PACK)(1.0f) + f_exp(-x)); /* SiLU */
    if (kind == 1)
        return 0.5f * x * ((PACK)(1.0f) + f_erf(0.70710678f * x)); /* GELU, Hendrycks and Gimpel 2016 */
    if (kind == 2) {                                               /* its tanh form: (1 + tanh u) / 2 */
        const PACK u = 0.79788456f * (x + 0.044715f * x * x * x);  /* is the logistic function of 2 u */
        return x / ((PACK)(1.0f) + f_exp(-2.0f * u));
    }
    return f_max(x, (PACK)(0.0f));
}

/* One row; called with a constant kind, so that each loop holds one activation. */
FN void NAME(gate_one)(GLOBAL const WORD *gate, GLOBAL const WORD *up, GLOBAL WORD *y, int with_up, int cols,
                       int kind)
{
    if (with_up) {
        EACH_PACK(c, 0, cols) STORE(y, c, NAME(activate)(LOAD(gate, c), kind) * LOAD(up, c));
    } else {
        EACH_PACK(c, 0, cols) STORE(y, c, NAME(activate)(LOAD(gate, c), kind));
    }
}

/* y[r,:] = f(gate[r,:]) up[r,:], or without `up` f(gate[r,:]).  Shapes: gate, up, y (R, cols) WORD. */
KERNEL(gate_row)
(HERE IN(WORD, gate), IN(WORD, up), OUT(WORD, y), const int kind, const int with_up, const int cols)
{
    GLOBAL const WORD *gr = ROW(gate, GROUP);
    GLOBAL const WORD *ur = with_up ? ROW(up, GROUP) : gr;
    GLOBAL WORD *yr = ROW(y, GROUP);
    if (kind == 0) NAME(gate_one)(gr, ur, yr, with_up, cols, 0);
    if (kind == 1) NAME(gate_one)(gr, ur, yr, with_up, cols, 1);
    if (kind == 2) NAME(gate_one)(gr, ur, yr, with_up, cols, 2);
    if (kind == 3) NAME(gate_one)(gr, ur, yr, with_up, cols, 3);
}

FN PACK NAME(logistic)(PACK x)
{
    return (PACK)(1.0f) / ((PACK)(1.0f) + f_exp(-x));
}

/* The derivative of activate. 1 - logistic(x) is taken as logistic(-x), which loses nothing where it is small. */
FN PACK NAME(slope)(PACK x, int kind)
{
    if (kind == 0) return NAME(logistic)(x) * ((PACK)(1.0f) + x * NAME(logistic)(-x));
    if (kind == 1)
        return 0.5f * ((PACK)(1.0f) + f_erf(0.70710678f * x)) + 0.39894228f * x * f_exp(-0.5f * x * x);
    if (kind == 2) { /* beyond 100 it is 0 or 1, and powers of x would leave f32 */
        const PACK y = -f_max(-f_max(x, (PACK)(-100.0f)), (PACK)(-100.0f));
        const PACK v = 1.5957691f * (y + 0.044715f * y * y * y);
        const PACK rise = 1.5957691f * ((PACK)(1.0f) + 0.134145f * y * y);
        return NAME(logistic)(v) * ((PACK)(1.0f) + y * rise * NAME(logistic)(-v));
    }
    return (PACK)(1.0f) - f_is_zero(f_max(x, (PACK)(0.0f)));
}

/* One row; called with a constant kind, so that each loop holds one activation. */
FN void NAME(gate_back_one)(GLOBAL const WORD *dy, GLOBAL WORD *gate, GLOBAL WORD *up, int with_up, int cols,
                            int kind)
{
    if (with_up) {
        EACH_PACK(c, 0, cols) {
            const PACK d = LOAD(dy, c), x = LOAD(gate, c), u = LOAD(up, c);
            STORE(gate, c, d * u * NAME(slope)(x, kind));
            STORE(up, c, d * NAME(activate)(x, kind));
        }
    } else {
        EACH_PACK(c, 0, cols) STORE(gate, c, LOAD(dy, c) * NAME(slope)(LOAD(gate, c), kind));
    }
}

/* From dy[r,:], the gradient with respect to y = f(gate) up, those with respect to gate[r,:] and up[r,:], each in the place
 * of what it belongs to; without `up` that of gate alone.  Shapes: dy, gate, up (R, cols) WORD. */
KERNEL(gate_back_row)
(HERE IN(WORD, dy), OUT(WORD, gate), OUT(WORD, up), const int kind, const int with_up, const int cols)
{
    GLOBAL const WORD *dyr = ROW(dy, GROUP);
    GLOBAL WORD *gr = ROW(gate, GROUP);
    GLOBAL WORD *ur = with_up ? ROW(up, GROUP) : gr;
    if (kind == 0) NAME(gate_back_one)(dyr, gr, ur, with_up, cols, 0);
    if (kind == 1) NAME(gate_back_one)(dyr, gr, ur, with_up, cols, 1);
    if (kind == 2) NAME(gate_back_one)(dyr, gr, ur, with_up, cols, 2);
    if (kind == 3) NAME(gate_back_one)(dyr, gr, ur, with_up, cols, 3);
}
