/* reduce.cl - sums and counts over rows and columns: what each group of many leaves for the one that adds them up. */

/* part[s,c] = sum of x[r,c]^2 over the rows r of slab s, `slab` rows each.  Group: a slab times a tile of columns, tiles
 * first.  Shapes: x (rows, cols) WORD, part (ceil(rows / slab), cols) f32.  Local: `tile` floats, a multiple of 8; each
 * lane adds in its own places. */
KERNEL(colsum_sq_part)
(HERE IN(WORD, x), OUT(f32, part), const int rows, const int cols, const int slab, const int tile)
{
    LOCAL_ROW(PACK, sum);
    const int tiles = (cols + tile - 1) / tile, s = GROUP / tiles;
    const int first = GROUP % tiles * tile, n = i_min(tile, cols - first);
    const int to = i_min(rows - s * slab, slab);
    GLOBAL f32 *sums = ROW(part, s) + first;
    EACH_PACK(c, 0, n) sum[c / PACKS] = (PACK)(0.0f);
    for (int r = 0; r < to; r++) {
        GLOBAL const WORD *row = ROW(x, s * slab + r) + first;
        EACH_PACK(c, 0, n) {
            const PACK v = LOAD(row, c);
            sum[c / PACKS] += v * v;
        }
    }
    EACH_PACK(c, 0, n) STORE_OF(f32, sums, c, sum[c / PACKS]);
}

/* count[r,0] = elements of x[r,:] that are zero (kind 0), or NaN or infinite (kind 1).  Shapes: x (R, cols) WORD, count
 * (R, 1) u32. */
KERNEL(count_row)(HERE IN(WORD, x), OUT(u32, count), const int kind, const int cols)
{
    SCRATCH;
    GLOBAL const WORD *row = ROW(x, GROUP);
    u32 n = 0;
    if (kind == 0) {
        EACH_SUM(c, cols, n) n += LOAD1(row, c) == 0.0f ? 1u : 0u;
    } else {
        EACH_SUM(c, cols, n) n += (f_bits(LOAD1(row, c)) & 0x7f800000u) == 0x7f800000u ? 1u : 0u;
    }
    n = GROUP_COUNT(n);
    if (LANE == 0) ROW(count, GROUP)[0] = n;
}
