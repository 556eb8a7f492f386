/* reduce_end.cl - adds up what the groups of reduce.cl and of other kernels left, in a fixed order. */

/* y[g,:] = the sum of rows [g each, min((g + 1) each, rows)) of x, on top of what y[g,:] holds where `add` is 1.  Group: g
 * times a tile of columns, tiles first, whose rows teams of lanes share; then the teams' sums in order.  Shapes: x (rows,
 * cols) f32, y (ceil(rows / each), cols) f32; tile / PACKS at most LOP_LANES_MAX and, where a group has lanes, a power of
 * two. */
KERNEL(sum_rows)
(HERE IN(f32, x), OUT(f32, y), const int rows, const int cols, const int each, const int tile, const int add)
{
    LOCAL PACK sums[LOP_LANES_MAX];
    const int tiles = (cols + tile - 1) / tile, g = GROUP / tiles, from = g * each;
    const int first = GROUP % tiles * tile, n = i_min(tile, cols - first), packs = tile / PACKS;
    const int teams = LANES / LOP_TEAM(tile), team = LANE / LOP_TEAM(tile), own = i_min(each, rows - from);
    LOCAL_PTR(PACK) mine = sums + team * packs;
    EACH_TEAM_PACK(c, tile) mine[c / PACKS] = (PACK)(0.0f);
    UNROLLED(4) EACH_TEAM(p, own, tile)
    {
        GLOBAL const f32 *row = ROW(x, from + p);
        EACH_TEAM_PACK_TO(c, n, tile) mine[c / PACKS] += LOAD_OF(f32, row, first + c);
    }
    BARRIER;
    GLOBAL f32 *out = ROW(y, g) + first;
    EACH_PACK(c, 0, n) {
        PACK total = (PACK)(0.0f);
        if (add != 0) total = LOAD_OF(f32, out, c);
        for (int t = 0; t < teams; t++) total += sums[t * packs + c / PACKS];
        STORE_OF(f32, out, c, total);
    }
}

/* out[0,0] + out[0,1] += sum_r part[r,0], the second being what rounding takes from the first: twice the digits of a float
 * without a wider type, which not every device has. A sum that is not finite lacks nothing.  One group.  Shapes: part
 * (rows, 1) f32, out (1, 2) f32. */
KERNEL(sum_add)(HERE IN(f32, part), OUT(f32, out), const int rows)
{
    LOCAL f32 sums[LOP_LANES_MAX], lacks[LOP_LANES_MAX];
    float sum = 0.0f, lack = 0.0f;
    EACH_TURN(r, rows) pair_add(&sum, &lack, ROW(part, r)[0]);
    sums[LANE] = sum;
    lacks[LANE] = lack;
    BARRIER;
    if (LANE == 0) {
        for (int l = 1; l < LANES; l++) {
            pair_add(&sum, &lack, sums[l]);
            lack += lacks[l];
        }
        GLOBAL f32 *pair = ROW(out, 0);
        float rest = 0.0f;
        pair_add(&sum, &lack, pair[0]);
        pair_add(&sum, &rest, lack + pair[1]);
        pair[0] = sum;
        pair[1] = sum - sum == 0.0f ? rest : 0.0f;
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
