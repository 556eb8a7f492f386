/* chol_end.cl - what a factorisation ends with: which pivot failed, where others factored and say no more than the column,
 * and what the factor looks like then. `bad` is as tile_factor leaves it, column j being `first` + `step` j, step 1 or -1. */

/* Looks over a factor h whose bad[0,0] holds 0, or 1 more than the first column whose pivot was not positive: an element of
 * the diagonal that is not positive and finite counts as well. The pivot is what the column had less what the factor's row
 * takes. One group.  Shapes: h (n, n) f32, lower triangle; diagonal (1, n) f32, of what was factored; bad (1, 2) i32. */
KERNEL(chol_look)
(HERE IN(f32, h), IN(f32, diagonal), OUT(i32, bad), const int first, const int step, const int n)
{
    SCRATCH;
    GLOBAL i32 *said = ROW(bad, 0);
    int column = said[0] > 0 ? said[0] - 1 : n;
    PACK sum = (PACK)(0.0f);
    EACH_TURN(i, n) {
        const float own = ROW(h, i)[i];
        if (!(own > 0.0f && own < PLUS_INFINITY)) column = i_min(column, i);
    }
    column = GROUP_MIN_INT(column);
    if (column < n) {
        GLOBAL const f32 *row = ROW(h, column);
        EACH_PACK_SUM(c, 0, column, sum) {
            const PACK v = PACK_WHERE(LOAD_OF(f32, row, c), c, 0, column, 0.0f);
            sum += v * v;
        }
    }
    const float taken = GROUP_SUM(sum);
    if (LANE == 0) {
        const float pivot = column < n ? ROW(diagonal, 0)[column] - taken : 0.0f;
        said[0] = column < n ? first + step * column : 0;
        said[1] = (i32)f_bits(pivot);
    }
}

/* h[r,c] = 0 for c > r, and NaN for c <= r from the column on whose pivot failed.  Shapes: h (cols, cols) f32 in place, bad
 * (1, 2) i32. */
KERNEL(chol_end_row)
(HERE OUT(f32, h), IN(i32, bad), const int first, const int step, const int cols)
{
    const int said = ROW(bad, 0)[0], failed = said == 0 ? cols : (said - first) * step;
    GLOBAL f32 *row = ROW(h, GROUP), *above = row + (GROUP + 1);
    EACH(c, cols - 1 - GROUP) above[c] = 0.0f;
    EACH(c, GROUP + 1 - failed) row[failed + c] = f_from(0x7fc00000u);
}
