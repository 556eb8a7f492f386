/* gate.cl - the gated activations of a feed-forward layer. Kinds as in lop_gate_kind (core/device/ops.h). */

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
