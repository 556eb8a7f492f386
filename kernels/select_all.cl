/* select_all.cl - exact selection over a whole matrix, in as many launches as a radix select has passes: counts of bits by
 * slab of rows, one group that finds the bin, and at the end how many ties each row drops.
 *
 * Between launches `state` holds, in u32 halves of 64-bit numbers, low first: [0] the bits found so far, [1..2] the rank
 * among the keys that begin with them, [3..4] how many those are. */

/* count[g,d] = keys of slab g that begin with the bits found and have digit d at `shift`.  Group: one of `slabs` slabs of
 * rows.  Shapes: score (rows, cols) f32, state (1, 5) u32, count (slabs, 2048) u32. */
KERNEL(all_count)
(HERE IN(f32, score), IN(u32, state), OUT(u32, count), const int rows, const int cols, const int slabs,
 const int shift)
{
    LOCAL u32 digits[2048];
    const u32 above = shift == 21 ? 0u : 0xffffffffu << (shift == 10 ? 21 : 10);
    const u32 prefix = shift == 21 ? 0u : ROW(state, 0)[0];
    const int first = (int)((i64)rows * GROUP / slabs), last = (int)((i64)rows * (GROUP + 1) / slabs);
    GLOBAL u32 *out = ROW(count, GROUP);
    EACH(d, 2048) digits[d] = 0;
    BARRIER;
    for (int r = first; r < last; r++) {
        GLOBAL const f32 *row = ROW(score, r);
        EACH_TURN(c, cols) {
            const u32 key = f_bits(row[c]);
            if ((key & above) == prefix) LOCAL_ADD(&digits[key >> shift & 2047u], 1u);
        }
    }
    BARRIER;
    EACH(d, 2048) out[d] = digits[d];
}

/* Adds the digit that holds the rank to the bits found. The first pass (shift 21) starts from `rank`.  One group.  Shapes:
 * count (slabs, 2048) u32, state (1, 5) u32. */
KERNEL(all_digit)
(HERE IN(u32, count), OUT(u32, state), const i64 rank, const int slabs, const int shift)
{
    LOCAL u64 sums[2048];
    GLOBAL u32 *s = ROW(state, 0);
    EACH(d, 2048) sums[d] = 0;
    for (int g = 0; g < slabs; g++) {
        GLOBAL const u32 *row = ROW(count, g);
        EACH(d, 2048) sums[d] += row[d];
    }
    BARRIER;
    if (LANE == 0) {
        u64 left = shift == 21 ? (u64)rank : (u64)s[1] | (u64)s[2] << 32;
        int d = 0;
        while (d < 2047 && left >= sums[d]) left -= sums[d++];
        s[0] = (shift == 21 ? 0u : s[0]) | (u32)d << shift;
        s[1] = (u32)left;
        s[2] = (u32)(left >> 32);
        s[3] = (u32)sums[d];
        s[4] = (u32)(sums[d] >> 32);
    }
}

/* ties[0,r] = keys of row r equal to the one found.  Shapes: score (R, cols) f32, state (1, 5) u32, ties (1, R) u32. */
KERNEL(all_ties)(HERE IN(f32, score), IN(u32, state), OUT(u32, ties), const int cols)
{
    SCRATCH;
    GLOBAL const f32 *row = ROW(score, GROUP);
    const u32 cut = ROW(state, 0)[0];
    u32 n = 0;
    EACH_SUM(c, cols, n) n += f_bits(row[c]) == cut ? 1u : 0u;
    n = GROUP_COUNT(n);
    if (LANE == 0) ROW(ties, 0)[GROUP] = n;
}

/* ties[0,r] becomes how many of row r's ties are dropped: TAKE_ALL for all, else the first so many. In the whole matrix
 * the rank among the ties plus one are dropped, or all of them, or with drop = 0 none.  One group.  Shapes: state (1, 5)
 * u32, ties (1, rows) u32. */
KERNEL(all_share)(HERE IN(u32, state), OUT(u32, ties), const i64 drop, const int all, const int rows)
{
    LOCAL u64 lane_sums[LOP_LANES_MAX];
    GLOBAL const u32 *s = ROW(state, 0);
    GLOBAL u32 *t = ROW(ties, 0);
    const u64 rank = (u64)s[1] | (u64)s[2] << 32;
    const u64 take = drop == 0 ? 0u : rank + 1u;
    const int span = (rows + LANES - 1) / LANES, first = i_min(LANE * span, rows),
              last = i_min(first + span, rows);
    u64 mine = 0, before = 0;
    for (int r = first; r < last; r++) mine += t[r];
    lane_sums[LANE] = mine;
    BARRIER;
    for (int l = 0; l < LANE; l++) before += lane_sums[l];
    for (int r = first; r < last; r++) {
        const u32 n = t[r];
        const u64 left = before < take ? take - before : 0u;
        t[r] = all || (left >= n && n > 0) ? TAKE_ALL : (u32)left;
        before += n;
    }
}

/* Keep bits of row r.  Shapes: score (R, cols) f32, state (1, 5) u32, ties (1, R) u32 from all_share, keep bits. */
KERNEL(all_keep)(HERE IN(f32, score), IN(u32, state), IN(u32, ties), OUT(u8, keep), const int cols)
{
    SCRATCH;
    NAME(write_kept)
    (ROW(score, GROUP), ROW(keep, GROUP), cols, ROW(state, 0)[0], ROW(ties, 0)[GROUP], lop_scratch);
}
