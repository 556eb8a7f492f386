/* symmetric.cl - halves of square matrices, and their diagonals. */

#define EDGE 64 /* of a tile that is turned in local memory, 16 KiB, as core/device/ops_symmetric.c has it */

/* h[j,i] = h[i,j] for i > j.  Group: a tile of the lower triangle and the one it goes to, of `tiles` x `tiles`; groups of
 * tiles above the diagonal have nothing to do.  Shapes: h (cols, cols) f32 in place. */
KERNEL(mirror_tile)(HERE OUT(f32, h), const int tiles, const int cols)
{
    LOCAL f32 turned[EDGE * (EDGE + 1)];
    const int top = GROUP / tiles * EDGE, left = GROUP % tiles * EDGE;
    const int rows = i_min(EDGE, cols - top), width = i_min(EDGE, cols - left);
    const int team = i_min(LANES, EDGE), teams = LANES / team, first = LANE / team, at = LANE % team;
    if (left <= top) {
        for (int i = first; i < rows; i += teams)
            for (int j = at; j < width; j += team) turned[j * (EDGE + 1) + i] = ROW(h, top + i)[left + j];
        BARRIER;
        for (int j = first; j < width; j += teams)
            for (int i = at; i < rows; i += team)
                if (top + i > left + j) ROW(h, left + j)[top + i] = turned[j * (EDGE + 1) + i];
    }
}
#undef EDGE

/* x[r,c] and x[rows - 1 - r,cols - 1 - c] change places.  Group: a row and the one it changes with; the middle row with
 * itself.  Shapes: x (rows, cols) f32 in place; (rows + 1) / 2 groups. */
KERNEL(reverse_row)(HERE OUT(f32, x), const int rows, const int cols)
{
    const int other = rows - 1 - GROUP, n = other == GROUP ? cols / 2 : cols;
    GLOBAL f32 *a = ROW(x, GROUP), *b = ROW(x, other) + (cols - 1);
    EACH(c, n) {
        const float left = a[c], right = b[-c];
        a[c] = right;
        b[-c] = left;
    }
}

/* out[0,i] = h[i,i].  One group.  Shapes: h (n, n) f32, out (1, n) f32. */
KERNEL(diag_get)(HERE IN(f32, h), OUT(f32, out), const int n)
{
    EACH_TURN(i, n) ROW(out, 0)[i] = ROW(h, i)[i];
}

/* mean[0,0] = the mean of the h[i,i] that are not 0, or 0 if all are; sums in pairs of floats.  One group.  Shapes: h (n, n)
 * f32, mean (1, 1) f32. */
KERNEL(diag_mean)(HERE IN(f32, h), OUT(f32, mean), const int n)
{
    LOCAL f32 sums[LOP_LANES_MAX], lacks[LOP_LANES_MAX];
    LOCAL i32 counts[LOP_LANES_MAX];
    float sum = 0.0f, lack = 0.0f;
    i32 count = 0;
    EACH_TURN(i, n) {
        const float v = ROW(h, i)[i];
        pair_add(&sum, &lack, v);
        count += v != 0.0f ? 1 : 0;
    }
    sums[LANE] = sum;
    lacks[LANE] = lack;
    counts[LANE] = count;
    BARRIER;
    if (LANE == 0) {
        for (int l = 1; l < LANES; l++) {
            pair_add(&sum, &lack, sums[l]);
            lack += lacks[l];
            count += counts[l];
        }
        ROW(mean, 0)[0] = count > 0 ? (sum + lack) / (float)count : 0.0f;
    }
}

/* h[i,i] += x times[0,0], or without `times` += x; with `living` only where h[i,i] is not 0.  One group.  Shapes: h (n, n)
 * f32 in place, times (1, 1) f32. */
KERNEL(diag_add)
(HERE OUT(f32, h), const float x, IN(f32, times), const int with_times, const int living, const int n)
{
    const float more = with_times ? x * ROW(times, 0)[0] : x;
    EACH_TURN(i, n) {
        GLOBAL f32 *at = ROW(h, i) + i;
        const float v = at[0];
        if (!living || v != 0.0f) at[0] = v + more;
    }
}

/* h[i,i] = x where it is 0.  One group.  Shapes: h (n, n) f32 in place. */
KERNEL(diag_revive)(HERE OUT(f32, h), const float x, const int n)
{
    EACH_TURN(i, n) {
        GLOBAL f32 *at = ROW(h, i) + i;
        if (at[0] == 0.0f) at[0] = x;
    }
}
