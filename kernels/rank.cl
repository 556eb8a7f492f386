/* rank.cl - a row's columns in the order of their scores: a stable radix sort, least digit first. */

/* Where a column stands before pass p: in place before the first, then in scratch and order by turns. */
FN u32 NAME(column_at)(const int p, const int i, GLOBAL const u32 *scratch, GLOBAL const u16 *order)
{
    return p == 0 ? (u32)i : (p % 2 == 1 ? scratch[i] : (u32)order[i]);
}

/* order[r,k] = the column of the k-th least score of row r; equal scores in order of columns.  Shapes: score (R, cols) f32
 * >= 0, cols <= 65536, scratch (R, cols) u32, order (R, cols) u16.  `digit_bits` divides 32 an even number of times.
 * Local: LANES << digit_bits counts; each lane counts and moves neighbouring places, so equal digits keep their order. */
KERNEL(rank_row)
(HERE IN(f32, score), OUT(u32, scratch), OUT(u16, order), const int digit_bits, const int cols)
{
    SCRATCH;
    LOCAL_ROW(u32, counts);
    GLOBAL const f32 *row = ROW(score, GROUP);
    GLOBAL u32 *sr = ROW(scratch, GROUP);
    GLOBAL u16 *orow = ROW(order, GROUP);
    const int digits = 1 << digit_bits, span = (cols + LANES - 1) / LANES;
    const int first = i_min(LANE * span, cols), last = i_min(first + span, cols);
    for (int p = 0; p < 32 / digit_bits; p++) {
        const int shift = p * digit_bits;
        for (int d = 0; d < digits; d++) counts[d * LANES + LANE] = 0;
        for (int i = first; i < last; i++) {
            const u32 key = f_bits(row[NAME(column_at)(p, i, sr, orow)]);
            counts[(int)(key >> shift & (u32)(digits - 1)) * LANES + LANE]++;
        }
        BARRIER;
        u32 sum = 0;
        for (int j = LANE * digits; j < (LANE + 1) * digits; j++) sum += counts[j];
        u32 before = GROUP_BEFORE(sum);
        for (int j = LANE * digits; j < (LANE + 1) * digits; j++) {
            const u32 n = counts[j];
            counts[j] = before;
            before += n;
        }
        BARRIER;
        for (int i = first; i < last; i++) {
            const u32 column = NAME(column_at)(p, i, sr, orow), key = f_bits(row[column]);
            const u32 to = counts[(int)(key >> shift & (u32)(digits - 1)) * LANES + LANE]++;
            if (p % 2 == 0)
                sr[to] = column;
            else
                orow[to] = (u16)column;
        }
        BARRIER;
    }
}
