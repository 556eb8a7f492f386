/* softmax.cl - attention weights of one row of keys. */

/* s[r,:] = softmax(scale s[r,:]) over the keys that query r may see, 0 elsewhere.  Shapes: s (n * queries, keys) WORD in
 * place. Row r is query first_query + r % queries, column c is key first_key + c; seen are the keys up to the query, and
 * of these the last `window` if window > 0. Three passes over the seen part, which the group's cache holds. */
KERNEL(softmax_row)
(HERE OUT(WORD, s), const int queries, const int first_query, const int first_key, const int window,
 const float scale, const int keys)
{
    SCRATCH;
    GLOBAL WORD *row = ROW(s, GROUP);
    const int last = first_query + GROUP % queries - first_key; /* the query's own key, as a column */
    const int to = i_max(0, i_min(last + 1, keys));
    const int from = window > 0 ? i_min(i_max(0, last - window + 1), to) : 0;
    PACK top = (PACK)(MINUS_INFINITY), sum = (PACK)(0.0f);
    EACH_PACK_MAX(c, from, to, top) {
        top = f_max(top, PACK_WHERE(scale * LOAD(row, c), c, from, to, MINUS_INFINITY));
    }
    const float most = GROUP_MAX(top);
    EACH_PACK_SUM(c, from, to, sum) {
        const PACK e = PACK_WHERE(f_exp(scale * LOAD(row, c) - most), c, from, to, 0.0f);
        sum += e;
        if (STORE_EXACT && EXP_IS_DEAR) STORE(row, c, e);
    }
    const float share = 1.0f / GROUP_SUM(sum);
    if (STORE_EXACT && EXP_IS_DEAR) {
        EACH_PACK(c, from, to) STORE(row, c, share * LOAD(row, c));
    } else {
        EACH_PACK(c, from, to)
            STORE(row, c, PACK_WHERE(share * f_exp(scale * LOAD(row, c) - most), c, from, to, 0.0f));
    }
    EACH_PACK(c, 0, PACK_DOWN(from)) STORE(row, c, (PACK)(0.0f));
    EACH_PACK(c, PACK_UP(to), keys) STORE(row, c, (PACK)(0.0f));
}

/* ds[r,:] = scale p[r,:] (ds[r,:] - sum_c p[r,c] ds[r,c]): softmax backward. Shapes: p (rows, cols) WORD what softmax gave,
 * ds (rows, cols) WORD in place: the gradient with respect to p, then that with respect to what softmax took. */
KERNEL(softmax_back_row)(HERE IN(WORD, p), OUT(WORD, ds), const float scale, const int cols)
{
    SCRATCH;
    GLOBAL const WORD *share = ROW(p, GROUP);
    GLOBAL WORD *row = ROW(ds, GROUP);
    PACK sum = (PACK)(0.0f);
    EACH_PACK_SUM(c, 0, cols, sum) sum += LOAD(share, c) * LOAD(row, c);
    const float mean = GROUP_SUM(sum);
    EACH_PACK(c, 0, cols) STORE(row, c, scale * LOAD(share, c) * (LOAD(row, c) - mean));
}
