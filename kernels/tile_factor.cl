/* tile_factor.cl - the Cholesky factor of one diagonal tile and the inverse of that factor, in local memory; the inverses of
 * all such tiles of a factor that is there; and what puts inverses where they belong. */

#define SIDE 64 /* rows and columns of a tile, 16 KiB: core/device/factor.h has the same number */

/* Teams of lanes share the rows [from, to) of a tile, the lanes of a team its columns. */
#define EACH_TILE_ROW(i, from, to)                                                                           \
    for (int i = (from) + LANE / i_min(LANES, SIDE); i < (to); i += LANES / i_min(LANES, SIDE))
#define EACH_TILE_COL(j) LOP_SIMD() for (int j = LANE % i_min(LANES, SIDE); j < SIDE; j += i_min(LANES, SIDE))

/* The n rows of tile `from` as a symmetric one: what lies above its diagonal is not read. */
FN void NAME(tile_load)(GLOBAL const f32 *from, const int ld, const int n, LOCAL_PTR(f32) a)
{
    EACH_TILE_ROW(i, 0, SIDE) {
        for (int j = LANE % i_min(LANES, SIDE); j < SIDE; j += i_min(LANES, SIDE)) {
            const i64 at = j <= i ? (i64)i * ld + j : (i64)j * ld + i;
            a[i * SIDE + j] = i < n && j < n ? from[at] : 0.0f;
        }
    }
}

/* The factor from a, transposed and its diagonal from `root`, and its inverse, each with zeros above the diagonal. */
FN void NAME(tile_store)(LOCAL_PTR(f32) a, LOCAL_PTR(f32) root, const int n, GLOBAL f32 *l, const int l_ld,
                         GLOBAL f32 *inverse, const int inverse_ld)
{
    EACH_TILE_ROW(i, 0, n) {
        for (int j = LANE % i_min(LANES, SIDE); j < n; j += i_min(LANES, SIDE)) {
            const float below = a[j * SIDE + i], on = root[i];
            l[(i64)i * l_ld + j] = j < i ? below : (j == i ? on : 0.0f);
            inverse[(i64)i * inverse_ld + j] = j <= i ? a[i * SIDE + j] : 0.0f;
        }
    }
}

/* The tile H (n, n) becomes L with H = L L^T, and inverse (n, n) its inverse.  One group.
 *
 * Gauss' elimination of H beside the unit matrix: row k is divided by the root of its pivot and taken from the rows below.
 * H turns into L^T, the unit matrix into L^-1; the one is 0 where the other is not yet or no longer, so that both share the
 * square, L^T above the diagonal and the inverse on and below it.
 *
 *   Shapes   h (n, n) f32 in place, lower triangle, n <= SIDE; inverse (n, n) f32; bad (1, 2) i32
 *   bad      if [0,0] is 0 or `begins`: the first pivot that is not > 0 and finite, as `first` + step k in [0,0] and its
 *            bits in [0,1]; without one 0 stays. Nothing stands in for such a pivot: its column is NaN, and so is what needs
 *            it */
KERNEL(tile_factor)
(HERE OUT(f32, h), OUT(f32, inverse), OUT(i32, bad), const int n, const int begins, const int first,
 const int step)
{
    LOCAL f32 a[SIDE * SIDE], u[SIDE], root[SIDE];
    GLOBAL i32 *said = ROW(bad, 0);
    if (begins && LANE == 0) said[0] = 0, said[1] = 0;
    NAME(tile_load)(ROW(h, 0), h_ld, n, a);
    BARRIER;
    for (int k = 0; k < n; k++) {
        const float pivot = a[k * SIDE + k];
        const int good = pivot > 0.0f && pivot < PLUS_INFINITY;
        const float size = good ? f_sqrt(pivot) : f_from(0x7fc00000u), scale = 1.0f / size;
        if (LANE == 0 && !good && said[0] == 0) {
            said[0] = first + step * k;
            said[1] = (i32)f_bits(pivot);
        }
        if (LANE == 0) root[k] = size;
        EACH_TILE_ROW(i, k, k + 1) {
            EACH_TILE_COL(j) u[j] = j == k ? scale : a[i * SIDE + j] * scale;
        }
        for (int i = k + 1 + LANE; i < n; i += LANES) a[i * SIDE + k] = 0.0f;
        BARRIER;
        EACH_TILE_ROW(i, k + 1, n) {
            const float taken = u[i];
            EACH_TILE_COL(j) a[i * SIDE + j] -= taken * u[j];
        }
        EACH_TILE_ROW(i, k, k + 1) {
            EACH_TILE_COL(j) a[i * SIDE + j] = u[j];
        }
        BARRIER;
    }
    NAME(tile_store)(a, root, n, ROW(h, 0), h_ld, ROW(inverse, 0), inverse_ld);
}

/* tiles[r,:] = row r of the inverse of the tile of l's diagonal that r lies in, zeros above its own.  Group: a tile.  Row k of
 * the unit matrix is divided by l[k,k] and taken from the rows below, which need column k of l no more: both share the square,
 * the inverse left of column k.  Shapes: l (cols, cols) f32, lower triangle; tiles (cols, SIDE) f32. */
KERNEL(tile_inverse)(HERE IN(f32, l), OUT(f32, tiles), const int cols)
{
    LOCAL f32 a[SIDE * SIDE], u[SIDE], v[SIDE];
    const int at = GROUP * SIDE, n = i_min(SIDE, cols - at);
    EACH_TILE_ROW(i, 0, n) {
        GLOBAL const f32 *from = ROW(l, at + i) + at;
        EACH_TILE_COL(j) a[i * SIDE + j] = j <= i ? from[j] : 0.0f;
    }
    BARRIER;
    for (int k = 0; k < n; k++) {
        const float scale = 1.0f / a[k * SIDE + k];
        EACH_TILE_ROW(i, k, k + 1) {
            EACH_TILE_COL(j) u[j] = j < k ? a[i * SIDE + j] * scale : (j == k ? scale : 0.0f);
        }
        for (int i = k + 1 + LANE; i < n; i += LANES) {
            v[i] = a[i * SIDE + k];
            a[i * SIDE + k] = 0.0f;
        }
        BARRIER;
        EACH_TILE_ROW(i, k + 1, n) {
            const float taken = v[i];
            EACH_TILE_COL(j) a[i * SIDE + j] -= taken * u[j];
        }
        EACH_TILE_ROW(i, k, k + 1) {
            EACH_TILE_COL(j) a[i * SIDE + j] = u[j];
        }
        BARRIER;
    }
    EACH_TILE_ROW(i, 0, n) {
        GLOBAL f32 *to = ROW(tiles, at + i);
        for (int j = LANE % i_min(LANES, SIDE); j < n; j += i_min(LANES, SIDE)) to[j] = a[i * SIDE + j];
    }
}

/* h[r,:] = row r of the tiles on h's diagonal, 0 beside them up to the end of the tile.  Shapes: tiles (cols, SIDE) f32,
 * zeros above their diagonals; h (cols, cols) f32. */
KERNEL(tile_place_row)(HERE IN(f32, tiles), OUT(f32, h), const int cols)
{
    const int first = GROUP / SIDE * SIDE, n = i_min(SIDE, cols - first);
    GLOBAL const f32 *from = ROW(tiles, GROUP);
    GLOBAL f32 *to = ROW(h, GROUP) + first;
    EACH(j, n) to[j] = from[j];
}

#undef SIDE
#undef EACH_TILE_ROW
#undef EACH_TILE_COL
