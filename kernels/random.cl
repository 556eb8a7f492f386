/* random.cl - chance by counters: what is drawn depends on the seed and on which number it is, never on who draws it. */

/* Four random words for counter c under key k.  Source: Salmon et al., SC 2011, Philox 4x32-10. */
FN void NAME(philox)(u32 *c, u32 k0, u32 k1)
{
    for (int r = 0; r < 10; r++) {
        const u64 a = (u64)0xD2511F53u * c[0], b = (u64)0xCD9E8D57u * c[2];
        c[0] = (u32)(b >> 32) ^ c[1] ^ k0;
        c[1] = (u32)b;
        c[2] = (u32)(a >> 32) ^ c[3] ^ k1;
        c[3] = (u32)a;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}

/* keep[s,u] = 1 if word (unit & 3) of counter (unit >> 2, sample, step, tag) is below 4 p[0,u], else 0, for unit =
 * first_unit + u and sample = first_sample + s.  Group: a sample; lanes take four units of one counter.  Shapes: p (1,
 * cols) u32 <= 2^30, step (1, 1) u32, keep (S, cols) u8. */
KERNEL(bernoulli_row)
(HERE IN(u32, p), IN(u32, step), OUT(u8, keep), const u64 seed, const int tag, const int first_sample,
 const int first_unit, const int cols)
{
    GLOBAL const u32 *pr = ROW(p, 0);
    GLOBAL u8 *kr = ROW(keep, GROUP);
    const u32 now = ROW(step, 0)[0];
    const int first = first_unit / 4, counters = (first_unit + cols + 3) / 4 - first;
    EACH_TURN(i, counters) {
        u32 words[4];
        words[0] = (u32)(first + i), words[1] = (u32)(first_sample + GROUP), words[2] = now,
        words[3] = (u32)tag;
        NAME(philox)(words, (u32)seed, (u32)(seed >> 32));
        for (int k = 0; k < 4; k++) {
            const int u = 4 * (first + i) + k - first_unit;
            if (u >= 0 && u < cols) kr[u] = (u64)words[k] < (u64)pr[u] * 4u ? 1 : 0;
        }
    }
}
