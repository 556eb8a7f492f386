/* reduce_end.cl - adds up what the groups of reduce.cl and of other kernels left, in a fixed order. */

/* sum[0,c] += sum_p part[p,c].  Group: a tile of columns.  Shapes: part (parts, cols) f32, sum (1, cols) f32. */
KERNEL(colsum_add)(HERE IN(f32, part), OUT(f32, sum), const int parts, const int cols, const int tile)
{
    const int first = GROUP * tile, n = i_min(tile, cols - first);
    GLOBAL f32 *out = ROW(sum, 0) + first;
    EACH_PACK(c, 0, n) {
        PACK total = (PACK)(0.0f);
        UNROLLED(8) for (int p = 0; p < parts; p++) total += LOAD_OF(f32, ROW(part, p) + first, c);
        STORE_OF(f32, out, c, LOAD_OF(f32, out, c) + total);
    }
}

/* out[0,0] += sum_r part[r,0].  One group.  Shapes: part (rows, 1) f32, out (1, 1) f64. */
KERNEL(sum_add)(HERE IN(f32, part), OUT(f64, out), const int rows)
{
    LOCAL f64 lane_sums[LOP_LANES_MAX];
    f64 sum = 0.0;
    EACH_TURN(r, rows) sum += (f64)ROW(part, r)[0];
    lane_sums[LANE] = sum;
    BARRIER;
    if (LANE == 0) {
        for (int l = 1; l < LANES; l++) sum += lane_sums[l];
        ROW(out, 0)[0] += sum;
    }
}

/* out[0,0] += sum_r part[r,0].  One group.  Shapes: part (rows, 1) u32, out (1, 1) i64. */
KERNEL(count_add)(HERE IN(u32, part), OUT(i64, out), const int rows)
{
    LOCAL i64 lane_sums[LOP_LANES_MAX];
    i64 sum = 0;
    EACH_TURN(r, rows) sum += (i64)ROW(part, r)[0];
    lane_sums[LANE] = sum;
    BARRIER;
    if (LANE == 0) {
        for (int l = 1; l < LANES; l++) sum += lane_sums[l];
        ROW(out, 0)[0] += sum;
    }
}
