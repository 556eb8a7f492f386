/* select_all.cl - exact selection over a whole matrix, in as many launches as a radix select has passes: counts of digits over
 * all of it, one group that finds the digit of the rank, and at the end how many ties each row drops.
 *
 * Between launches `state` holds what was found so far: [0] the bits, [1] the rank among the keys that begin with them, [2]
 * how many those are. */

/* count[0,d] += keys of a span that begin with the bits found and have digit d at `shift`.  Group: one of `spans` spans of
 * whole packs, row after row.  Shapes: score (rows, cols) f32, state (1, 3) u32, count (1, 2048) u32. */
KERNEL(all_count)
(HERE IN(f32, score), IN(u32, state), OUT(u32, count), const int rows, const int cols, const int spans,
 const int shift)
{
    LOCAL u32 digits[2048];
    const u32 above = shift == 21 ? 0u : 0xffffffffu << (shift == 10 ? 21 : 10);
    const u32 prefix = shift == 21 ? 0u : ROW(state, 0)[0];
    const i64 packs = (i64)rows * cols / PACKS;
    const i64 last = packs * (GROUP + 1) / spans * PACKS;
    GLOBAL u32 *out = ROW(count, 0);
    EACH(d, 2048) digits[d] = 0;
    BARRIER;
    for (i64 at = packs * GROUP / spans * PACKS; at < last;) {
        const int first = (int)(at % cols), n = (int)i_min((i64)(cols - first), last - at);
        GLOBAL const f32 *part = ROW(score, at / cols) + first;
        if (PACKS == 8) {
            EACH_TURN(b, n / 8) {
                u32 key[8];
                keys(part + 8 * b, key);
                UNROLLED(8)
                for (int k = 0; k < 8; k++)
                    if ((key[k] & above) == prefix) LOCAL_ADD(&digits[key[k] >> shift & 2047u], 1u);
            }
        } else {
            EACH_TURN(c, n) {
                const u32 key = f_bits(part[c]);
                if ((key & above) == prefix) LOCAL_ADD(&digits[key >> shift & 2047u], 1u);
            }
        }
        at += n;
    }
    BARRIER;
    EACH_TURN(d, 2048) {
        if (digits[d] != 0u) GLOBAL_ADD(&out[d], digits[d]);
    }
}

/* Adds the digit that holds the rank to the bits found, and leaves zeros in `count`. The first pass (shift 21) starts from
 * `rank`.  One group.  Shapes: count (1, 2048) u32, state (1, 3) u32. */
KERNEL(all_digit)(HERE OUT(u32, count), OUT(u32, state), const i64 rank, const int shift)
{
    SCRATCH;
    LOCAL u32 bins[2048];
    LOCAL u32 found[3];
    GLOBAL u32 *counted = ROW(count, 0);
    GLOBAL u32 *s = ROW(state, 0);
    EACH(d, 2048) {
        bins[d] = counted[d];
        counted[d] = 0;
    }
    if (LANE == 0) {
        found[0] = 0;
        found[1] = shift == 21 ? (u32)rank : s[1];
        found[2] = 0;
    }
    BARRIER;
    NAME(find_bin)(bins, found, lop_scratch);
    if (LANE == 0) {
        s[0] = (shift == 21 ? 0u : s[0]) | found[0] << shift;
        s[1] = found[1];
        s[2] = found[2];
    }
}

/* How many of the keys equal to the one found are dropped, of the whole matrix: those up to the rank, or TAKE_ALL, or with
 * drop = 0 none. */
FN u32 NAME(ties_dropped)(GLOBAL const u32 *state, const i64 drop, const int all)
{
    if (drop == 0 && !all) return 0;
    return all || state[1] + 1u == state[2] ? TAKE_ALL : state[1] + 1u;
}

/* ties[0,r] = keys of row r equal to the one found, where some of the matrix are dropped and others are not; else what
 * ties_dropped says.  Shapes: score (R, cols) f32, state (1, 3) u32, ties (1, R) u32. */
KERNEL(all_ties)
(HERE IN(f32, score), IN(u32, state), OUT(u32, ties), const i64 drop, const int all, const int cols)
{
    SCRATCH;
    GLOBAL const f32 *row = ROW(score, GROUP);
    GLOBAL const u32 *s = ROW(state, 0);
    const u32 cut = s[0], dropped = NAME(ties_dropped)(s, drop, all);
    u32 n = dropped;
    if (dropped != 0u && dropped != TAKE_ALL) {
        n = 0;
        EACH_SUM(c, cols, n) n += f_bits(row[c]) == cut ? 1u : 0u;
        n = GROUP_COUNT(n);
    }
    if (LANE == 0) ROW(ties, 0)[GROUP] = n;
}

/* ties[0,r] becomes how many of row r's ties are dropped: TAKE_ALL for all, else the first so many.  One group.  Shapes:
 * state (1, 3) u32, ties (1, rows) u32 from all_ties. */
KERNEL(all_share)(HERE IN(u32, state), OUT(u32, ties), const i64 drop, const int all, const int rows)
{
    SCRATCH;
    GLOBAL u32 *t = ROW(ties, 0);
    const u32 dropped = NAME(ties_dropped)(ROW(state, 0), drop, all);
    if (dropped != 0u && dropped != TAKE_ALL) {
        const int span = (rows + LANES - 1) / LANES, first = i_min(LANE * span, rows);
        const int last = i_min(first + span, rows);
        u32 mine = 0;
        for (int r = first; r < last; r++) mine += t[r];
        u32 before = GROUP_BEFORE(mine);
        for (int r = first; r < last; r++) {
            const u32 n = t[r], left = before < dropped ? dropped - before : 0u;
            t[r] = left >= n && n > 0u ? TAKE_ALL : left;
            before += n;
        }
    }
}

/* Keep bits of row r.  Shapes: score (R, cols) f32, state (1, 3) u32, ties (1, R) u32 from all_share, keep bits. */
KERNEL(all_keep)(HERE IN(f32, score), IN(u32, state), IN(u32, ties), OUT(u8, keep), const int cols)
{
    SCRATCH;
    NAME(write_kept)
    (ROW(score, GROUP), ROW(keep, GROUP), cols, ROW(state, 0)[0], ROW(ties, 0)[GROUP], lop_scratch);
}
