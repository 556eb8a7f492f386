/* loss_end.cl - the state of cross-entropy before the first chunk of the vocabulary and after the last. */

/* state[t,:] = (minus infinity, 0, 0).  Group: all rows.  Shapes: state (T, 3) f32. */
KERNEL(cross_entropy_begin)(HERE OUT(f32, state), const int rows)
{
    EACH(t, rows) {
        GLOBAL f32 *now = ROW(state, t);
        now[0] = MINUS_INFINITY;
        now[1] = 0.0f;
        now[2] = 0.0f;
    }
}

/* nll[0,t] = -log softmax(target) in nats, 0 where target[0,t] is negative.  Group: all rows.  Shapes: state (T, 3) f32,
 * target (1, T) i32, nll (1, T) f32. */
KERNEL(cross_entropy_end)(HERE IN(f32, state), IN(i32, target), OUT(f32, nll), const int rows)
{
    EACH_TURN(t, rows) {
        GLOBAL const f32 *now = ROW(state, t);
        const float loss = f_log(now[1]) + (now[0] - now[2]);
        ROW(nll, 0)[t] = ROW(target, 0)[t] < 0 ? 0.0f : loss;
    }
}
