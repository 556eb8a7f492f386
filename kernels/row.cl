/* row.cl - rows that are moved, shifted or turned, one row a group. */

/* x[r,:] += bias[r % rows,:].  Shapes: x (R, cols) WORD in place, bias (rows, cols) f32. */
KERNEL(add_bias)(HERE OUT(WORD, x), IN(f32, bias), const int rows, const int cols)
{
    GLOBAL WORD *row = ROW(x, GROUP);
    GLOBAL const f32 *br = ROW(bias, GROUP % rows);
    EACH_PACK(c, 0, cols) STORE(row, c, LOAD(row, c) + LOAD_OF(f32, br, c));
}

/* to[r,:] = from[index[0,r],:].  Shapes: from (N, cols) WORD, index (1, R) i32 in [0, N), to (R, cols) WORD. */
KERNEL(gather_row)(HERE IN(WORD, from), IN(i32, index), OUT(WORD, to), const int cols)
{
    GLOBAL const WORD *source = ROW(from, ROW(index, 0)[GROUP]);
    GLOBAL WORD *target = ROW(to, GROUP);
    EACH_PACK(c, 0, cols) STORE(target, c, LOAD(source, c));
}

/* Turns the pairs (j, j + half) of every head by the row's angles, or with way -1 back by them.  Shapes: x (T, heads * 2 *
 * half) WORD in place, table (tokens or more, 2 * half) f32: cosines, then sines; row r has the angles of table row r %
 * tokens. */
KERNEL(rope_row)
(HERE OUT(WORD, x), IN(f32, table), const float way, const int half_head, const int heads, const int tokens)
{
    GLOBAL WORD *row = ROW(x, GROUP);
    GLOBAL const f32 *cosine = ROW(table, GROUP % tokens);
    GLOBAL const f32 *sine = cosine + half_head;
    EACH_TEAM(h, heads, half_head) {
        GLOBAL WORD *left = row + (i64)h * 2 * half_head;
        GLOBAL WORD *right = left + half_head;
        EACH_TEAM_PACK(j, half_head) {
            const PACK a = LOAD(left, j), b = LOAD(right, j);
            const PACK cosines = LOAD_OF(f32, cosine, j), sines = way * LOAD_OF(f32, sine, j);
            STORE(left, j, a * cosines - b * sines);
            STORE(right, j, b * cosines + a * sines);
        }
    }
}

/* best[0,r] = the first column of the largest value of row r; NaN is never it.  Shapes: x (R, cols) WORD, cols > 0;
 * best (1, R) i32. */
KERNEL(argmax_row)(HERE IN(WORD, x), OUT(i32, best), const int cols)
{
    SCRATCH;
    GLOBAL const WORD *row = ROW(x, GROUP);
    PACK top = (PACK)(MINUS_INFINITY);
    EACH_PACK_MAX(c, 0, cols, top) top = f_max(top, LOAD(row, c));
    const float most = GROUP_MAX(top);
    int first = cols;
    EACH_PACK_MIN(c, 0, cols, first)
    {
        const int at = PACK_FIND(LOAD(row, c), most);
        first = at < PACKS && c + at < first ? c + at : first;
    }
    first = GROUP_MIN_INT(first);
    if (LANE == 0) ROW(best, 0)[GROUP] = first < cols ? first : 0;
}
