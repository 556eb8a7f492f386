/* loss.cl - cross-entropy over a vocabulary that comes in chunks of columns. */

/* Takes the logits of tokens [first, first + cols) into a row's state.  Shapes: logits (T, cols) WORD, target (1, T) i32,
 * state (T, 3) f32: largest logit so far, sum of exponentials below it, the target's logit. */
KERNEL(cross_entropy_add)
(HERE IN(WORD, logits), IN(i32, target), OUT(f32, state), const int first, const int cols)
{
    SCRATCH;
    GLOBAL const WORD *row = ROW(logits, GROUP);
    GLOBAL f32 *now = ROW(state, GROUP);
    const float most_before = now[0], sum_before = now[1];
    PACK top = (PACK)(MINUS_INFINITY), sum = (PACK)(0.0f);
    EACH_PACK_MAX(c, 0, cols, top) top = f_max(top, LOAD(row, c));
    const float most = f_max(most_before, GROUP_MAX(top));
    const float base =
        most == MINUS_INFINITY ? 0.0f : most; /* all logits minus infinity: exponentials of it, not NaN */
    EACH_PACK_SUM(c, 0, cols, sum) sum += f_exp(LOAD(row, c) - base);
    const float total = GROUP_SUM(sum);
    if (LANE == 0) {
        const int column = ROW(target, 0)[GROUP] - first;
        if (column >= 0 && column < cols) now[2] = LOAD1(row, column);
        now[0] = most;
        now[1] = sum_before * f_exp(most_before - base) + total;
    }
}
