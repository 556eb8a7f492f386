/* select.cl - exact selection on scores: they are >= 0, so they order as their bits do. A radix select finds the key of a
 * rank in three passes of 11 bits, the last of which sees one bit of the second again. Equal keys are told apart by their
 * column. */

/* found[0] = the bin that holds rank found[1], found[1] = the rank within it, found[2] = how many it holds. Each lane
 * takes neighbouring bins, 2048 together. */
FN void NAME(find_bin)(LOCAL_PTR(u32) bins, LOCAL_PTR(u32) found, SCRATCH_ARG)
{
    const int each = 2048 / LANES, first = LANE * each;
    const u32 rank = found[1];
    u32 mine = 0;
    for (int i = 0; i < each; i++) mine += bins[first + i];
    const u32 before = GROUP_BEFORE(mine);
    if (rank >= before && rank - before < mine) {
        u32 left = rank - before;
        int bin = first;
        while (left >= bins[bin]) left -= bins[bin++];
        found[0] = (u32)bin;
        found[1] = left;
        found[2] = bins[bin];
    }
    BARRIER;
}

/* The key of rank `rank` (0: the least) among the columns; found[1] its rank among the equal ones, found[2] their number.
 * rank < cols; bins has 2048 places, found 3. */
FN u32 NAME(select_key)(GLOBAL const f32 *row, const int cols, const u32 rank, LOCAL_PTR(u32) bins,
                        LOCAL_PTR(u32) found, SCRATCH_ARG)
{
    u32 prefix = 0, above = 0; /* the bits found so far, and which they are */
    if (LANE == 0) {
        found[0] = 0;
        found[1] = rank;
        found[2] = 0;
    }
    for (int shift = 21; shift >= 0; shift -= shift == 21 ? 11 : 10) {
        EACH(d, 2048) bins[d] = 0;
        BARRIER;
        EACH_TURN(c, cols) {
            const u32 key = f_bits(row[c]);
            if ((key & above) == prefix) LOCAL_ADD(&bins[key >> shift & 2047u], 1u);
        }
        BARRIER;
        NAME(find_bin)(bins, found, lop_scratch);
        prefix |= found[0] << shift;
        above = 0xffffffffu << shift;
        BARRIER;
    }
    return prefix;
}

/* Keep bits of one row: keys below `cut` are dropped, and of those equal to it the first `take` by column; TAKE_ALL: all.
 * Where equal keys are parted, lanes take neighbouring bytes, to know how many came before. */
#define TAKE_ALL 0xffffffffu
FN void NAME(write_kept)(GLOBAL const f32 *row, GLOBAL u8 *kept, const int cols, const u32 cut,
                         const u32 take, SCRATCH_ARG)
{
    const int bytes = (cols + 7) / 8;
    if (take == 0 || take == TAKE_ALL) {
        const u32 least = take == 0 ? cut : cut + 1u;
        if (PACKS == 8) {
            EACH_TURN(b, bytes) {
                u32 key[8], bits = 0;
                keys(row + 8 * b, key);
                UNROLLED(8) for (int k = 0; k < 8; k++) bits |= key[k] >= least ? 0x80u >> k : 0u;
                kept[b] = (u8)bits;
            }
        } else {
            EACH_TURN(b, bytes) {
                const int n = i_min(8, cols - 8 * b);
                u32 bits = 0;
                /* Unrolled, the last few of a row would cost keep_row a register more than sm_90 gives it. */
                UNROLLED(1)
                for (int k = 0; k < n; k++) bits |= f_bits(row[8 * b + k]) >= least ? 0x80u >> k : 0u;
                kept[b] = (u8)bits;
            }
        }
    } else {
        const int span = (bytes + LANES - 1) / LANES, first = i_min(LANE * span, bytes);
        const int last = i_min(first + span, bytes);
        u32 ties = 0;
        for (int c = 8 * first; c < i_min(8 * last, cols); c++) ties += f_bits(row[c]) == cut ? 1u : 0u;
        u32 before = GROUP_BEFORE(ties);
        for (int b = first; b < last; b++) {
            const int n = i_min(8, cols - 8 * b);
            u32 bits = 0;
            for (int k = 0; k < n; k++) {
                const u32 key = f_bits(row[8 * b + k]), tie = key == cut ? 1u : 0u;
                bits |= key > cut || (tie && before >= take) ? 0x80u >> k : 0u;
                before += tie;
            }
            kept[b] = (u8)bits;
        }
    }
}

/* Drops the drop[r,0] least scores of row r, the first of equal ones first.  Shapes: score (R, cols) f32, drop (R, 1) u32
 * <= cols, keep (R, ceil(cols / 8)) u8.  Source: Wanda, Alg. 1 with a stable sort. */
KERNEL(keep_row)(HERE IN(f32, score), IN(u32, drop), OUT(u8, keep), const int cols)
{
    SCRATCH;
    LOCAL u32 bins[2048];
    LOCAL u32 found[3];
    GLOBAL const f32 *row = ROW(score, GROUP);
    const u32 count = i_min(ROW(drop, GROUP)[0], (u32)cols);
    const u32 cut = NAME(select_key)(row, cols, count > 0 ? count - 1u : 0u, bins, found, lop_scratch);
    const u32 ties = count > 0 ? found[1] + 1u : 0u;
    NAME(write_kept)(row, ROW(keep, GROUP), cols, cut, ties == found[2] ? TAKE_ALL : ties, lop_scratch);
}

/* value[r,0] = the score of rank[r,0] in row r, plus infinity if there are no so many.  Shapes: score (R, cols) f32, rank
 * (R, 1) u32, value (R, 1) f32. */
KERNEL(rank_value_row)(HERE IN(f32, score), IN(u32, rank), OUT(f32, value), const int cols)
{
    SCRATCH;
    LOCAL u32 bins[2048];
    LOCAL u32 found[3];
    const u32 wanted = ROW(rank, GROUP)[0];
    const u32 key = NAME(select_key)(ROW(score, GROUP), cols, wanted, bins, found, lop_scratch);
    if (LANE == 0) ROW(value, GROUP)[0] = wanted < (u32)cols ? f_from(key) : PLUS_INFINITY;
}

/* The keep bits of eight keys, n of every m of them; m divides 8. */
FN u32 NAME(keep_of_8)(const u32 *key, const int n, const int m)
{
    u32 bits = 0;
    UNROLLED(8) for (int k = 0; k < 8; k++)
    {
        int below = 0; /* how many of the m are dropped before this one */
        UNROLLED(8) for (int j = 0; j < 8; j++)
        {
            if (j / m == k / m) below += key[j] < key[k] || (key[j] == key[k] && j < k) ? 1 : 0;
        }
        bits |= below >= m - n ? 0x80u >> k : 0u;
    }
    return bits;
}

/* Keeps the n largest of every m neighbours, of equal ones the later.  Shapes: score (R, cols) f32, cols a multiple of m,
 * keep (R, ceil(cols / 8)) u8. */
KERNEL(keep_n_of_m)(HERE IN(f32, score), OUT(u8, keep), const int n, const int m, const int cols)
{
    GLOBAL const f32 *row = ROW(score, GROUP);
    GLOBAL u8 *kept = ROW(keep, GROUP);
    if (PACKS == 8 && (m == 4 || m == 8)) {
        EACH_TURN(b, cols / 8) {
            u32 key[8];
            keys(row + 8 * b, key);
            kept[b] = (u8)(m == 4 ? NAME(keep_of_8)(key, n, 4) : NAME(keep_of_8)(key, n, 8));
        }
    } else {
        EACH_TURN(b, (cols + 7) / 8) {
            u32 bits = 0;
            for (int c = 8 * b; c < i_min(8 * b + 8, cols); c++) {
                const int first = c / m * m;
                const u32 key = f_bits(row[c]);
                int below = 0;
                for (int j = first; j < first + m; j++) {
                    const u32 other = f_bits(row[j]);
                    below += other < key || (other == key && j < c) ? 1 : 0;
                }
                bits |= below >= m - n ? 0x80u >> (c - 8 * b) : 0u;
            }
            kept[b] = (u8)bits;
        }
    }
}
