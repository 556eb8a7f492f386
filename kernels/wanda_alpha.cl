/* wanda_alpha.cl - Wanda's variant: which part of a row's summed scores its least weights make up, and how many weights
 * stay within a given part. */

/* part[r,k] = (the sum of the k + 1 least scores of row r) / (the sum of all of them), 0 where all are 0. Each lane sums
 * a run of ranks; the runs are added in order.
 *   Shapes   score (R, cols) f32, order (R, cols) u16: columns by rank; part (R, cols) f32 */
KERNEL(wanda_part_row)(HERE IN(f32, score), IN(u16, order), OUT(f32, part), const int cols)
{
    LOCAL f32 before[LOP_LANES_MAX];
    GLOBAL const f32 *s = ROW(score, GROUP);
    GLOBAL const u16 *o = ROW(order, GROUP);
    GLOBAL f32 *p = ROW(part, GROUP);
    const int each = (cols + LANES - 1) / LANES;
    const int from = i_min(cols, LANE * each), to = i_min(cols, from + each);
    float sum = 0.0f;
    for (int k = from; k < to; k++) sum += s[o[k]];
    before[LANE] = sum;
    BARRIER;
    float start = 0.0f, all = 0.0f;
    for (int i = 0; i < LANES; i++) {
        start = i == LANE ? all : start;
        all += before[i];
    }
    const float share = all > 0.0f ? 1.0f / all : 0.0f;
    for (int k = from; k < to; k++) {
        start += s[o[k]];
        p[k] = start * share;
    }
}

/* drop[r,0] = how many ranks of row r have part <= alpha, and those after them whose score equals the last of these.
 *   Shapes   score (R, cols) f32, order (R, cols) u16, part (R, cols) f32, drop (R, 1) u32 */
KERNEL(wanda_within_row)
(HERE IN(f32, score), IN(u16, order), IN(f32, part), const float alpha, OUT(u32, drop), const int cols)
{
    SCRATCH;
    GLOBAL const f32 *s = ROW(score, GROUP);
    GLOBAL const u16 *o = ROW(order, GROUP);
    GLOBAL const f32 *p = ROW(part, GROUP);
    u32 count = 0;
    EACH_TURN(k, cols) count += p[k] <= alpha ? 1u : 0u;
    count = GROUP_COUNT(count);
    while (count > 0u && count < (u32)cols && s[o[count]] == s[o[count - 1u]]) count++;
    if (LANE == 0) ROW(drop, GROUP)[0] = count;
}
