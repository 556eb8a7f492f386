/* reduce.cl - sums and counts over rows and columns: what each group of many leaves for the one that adds them up. */

/* part[s,c] += sum of x[r,c]^2 over the rows r of slab s, `slab` rows each.  Group: a slab times a tile of columns, tiles
 * first.  Shapes: x (rows, cols) WORD, part (ceil(rows / slab), cols) f32.  Local: `tile` floats, a multiple of 8. */
KERNEL(colsum_sq_part)
(HERE IN(WORD, x), OUT(f32, part), const int rows, const int cols, const int slab, const int tile)
{
    OWN_PACKS(sum);
    const int tiles = (cols + tile - 1) / tile, s = GROUP / tiles;
    const int first = GROUP % tiles * tile, n = i_min(tile, cols - first);
    const int to = i_min(rows - s * slab, slab);
    GLOBAL f32 *sums = ROW(part, s) + first;
    EACH_SPAN(at, n)
    {
        EACH_OWN(c, at, n) OWN(sum, c) = (PACK)(0.0f);
        UNROLLED(8) for (int r = 0; r < to; r++)
        {
            GLOBAL const WORD *row = ROW(x, s * slab + r) + first;
            EACH_OWN(c, at, n)
            {
                const PACK v = LOAD(row, c);
                OWN(sum, c) += v * v;
            }
        }
        EACH_OWN(c, at, n) STORE_OF(f32, sums, c, LOAD_OF(f32, sums, c) + OWN(sum, c));
    }
}

/* count[r,0] = elements of x[r,:] that are zero (kind 0), or NaN or infinite (kind 1).  Shapes: x (R, cols) WORD, cols <=
 * 2^24, up to which floats count exactly; count (R, 1) u32. */
KERNEL(count_row)(HERE IN(WORD, x), OUT(u32, count), const int kind, const int cols)
{
    SCRATCH;
    GLOBAL const WORD *row = ROW(x, GROUP);
    PACK n = (PACK)(0.0f);
    if (kind == 0) {
        EACH_PACK_SUM(c, 0, cols, n) n += f_is_zero(LOAD(row, c));
    } else {
        EACH_PACK_SUM(c, 0, cols, n) n += f_is_not_finite(LOAD(row, c));
    }
    const float total = GROUP_SUM(n);
    if (LANE == 0) ROW(count, GROUP)[0] = (u32)total;
}
