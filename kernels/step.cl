/* step.cl - what learns in f32 alone: reciprocals of statistics, and the steps of optimisers. */

/* x[r,:] = numerator / max(x[r,:], least); NaN stays NaN.  Shapes: x (R, cols) f32 in place. */
KERNEL(reciprocal_row)(HERE OUT(f32, x), const float numerator, const float least, const int cols)
{
    GLOBAL f32 *row = ROW(x, GROUP);
    EACH(c, cols) row[c] = numerator / (row[c] < least ? least : row[c]);
}

/* 1 - (1 - rest)^t, for which 1 - a b = (1 - a) + (1 - b) a: sums of positive terms, where 1 - pow(1 - rest, t) would
 * leave a small difference of numbers near 1. */
FN float NAME(power_rest)(float rest, u32 t)
{
    float sum = 0.0f;
    for (; t > 0u; t >>= 1) {
        if ((t & 1u) != 0u) sum += rest * (1.0f - sum);
        rest *= 2.0f - rest;
    }
    return sum;
}

/* One step of AdamW, the step[0,0] + 1st: with rest1 = 1 - beta1, rest2 = 1 - beta2 (a beta follows from its rest without
 * loss, not the other way round), t = scale g and keep = 1 - rate * decay
 *     m = beta1 m + rest1 t, v = beta2 v + rest2 t^2
 *     x = keep x - rate m / (1 - beta1^n) / (sqrt(v / (1 - beta2^n)) + eps)
 * Shapes: x, g, m, v (R, cols) f32, step (1, 1) u32. Source: Loshchilov and Hutter 2019, Alg. 2. */
KERNEL(adam_row)
(HERE OUT(f32, x), IN(f32, g), OUT(f32, m), OUT(f32, v), IN(u32, step), const float rate, const float rest1,
 const float rest2, const float eps, const float keep, const float scale, const int cols)
{
    GLOBAL f32 *xr = ROW(x, GROUP);
    GLOBAL const f32 *gr = ROW(g, GROUP);
    GLOBAL f32 *mr = ROW(m, GROUP);
    GLOBAL f32 *vr = ROW(v, GROUP);
    const u32 n = ROW(step, 0)[0] + 1u;
    const float beta1 = 1.0f - rest1, beta2 = 1.0f - rest2;
    const float pace = rate / NAME(power_rest)(rest1, n), spread = f_rsqrt(NAME(power_rest)(rest2, n));
    EACH_PACK(c, 0, cols) {
        const PACK t = scale * LOAD_OF(f32, gr, c);
        const PACK mean = beta1 * LOAD_OF(f32, mr, c) + rest1 * t;
        const PACK square = beta2 * LOAD_OF(f32, vr, c) + rest2 * (t * t);
        STORE_OF(f32, mr, c, mean);
        STORE_OF(f32, vr, c, square);
        const PACK move = mean / (spread * f_sqrt(square) + eps);
        STORE_OF(f32, xr, c, keep * LOAD_OF(f32, xr, c) - pace * move);
    }
}

/* count[0,0] += 1.  One group.  Shapes: count (1, 1) u32. */
KERNEL(count_up)(HERE OUT(u32, count))
{
    if (LANE == 0) ROW(count, 0)[0] += 1u;
}

/* Prodigy's state, by place: 0 the distance d, 1 the largest estimate of it, 2 numerator, 3 denominator of the last
 * estimate; of the step that this estimate belongs to, with its old d: 4 and 5 what g is multiplied by for m and, to be
 * squared, for v, 6 the rate d lr, 7 the new d times eps.
 * Source: Mishchenko and Defazio 2023, Alg. 4, with what its package keeps apart: a factor of the estimate, a limit of its
 * growth, sums without correction. */

/* state = d0 everywhere that a distance lies, else 0.  One group.  Shapes: state (1, 8) f32. */
KERNEL(prodigy_begin)(HERE OUT(f32, state), const float d0)
{
    EACH_TURN(i, 8) ROW(state, 0)[i] = i < 2 ? d0 : 0.0f;
}

/* With d as the state has it and t = scale g: s[r,:] = beta3 s[r,:] + d / d0 d rate t, and part[r,0] = sum_c t x[r,c],
 * part[r,1] = sum_c |s[r,c]|.  Shapes: x, g, s (R, cols) f32, part (R, 2) f32, state (1, 8) f32. */
KERNEL(prodigy_part_row)
(HERE IN(f32, x), IN(f32, g), OUT(f32, s), OUT(f32, part), IN(f32, state), const float rate, const float d0,
 const float beta3, const float scale, const int cols)
{
    SCRATCH;
    GLOBAL const f32 *xr = ROW(x, GROUP);
    GLOBAL const f32 *gr = ROW(g, GROUP);
    GLOBAL f32 *sr = ROW(s, GROUP);
    const float d = ROW(state, 0)[0], share = d / d0 * (d * rate) * scale;
    PACK along = (PACK)(0.0f), size = (PACK)(0.0f);
    EACH_PACK_SUM(c, 0, cols, along) along += LOAD_OF(f32, gr, c) * LOAD_OF(f32, xr, c);
    EACH_PACK_SUM(c, 0, cols, size) {
        const PACK sum = beta3 * LOAD_OF(f32, sr, c) + share * LOAD_OF(f32, gr, c);
        STORE_OF(f32, sr, c, sum);
        size += f_abs(sum);
    }
    const float product = scale * GROUP_SUM(along), total = GROUP_SUM(size);
    if (LANE == 0) {
        ROW(part, GROUP)[0] = product;
        ROW(part, GROUP)[1] = total;
    }
}

/* The new distance from all rows' parts; x began at 0, so that it has moved by itself. Nothing but the denominator changes
 * where that is 0. What is no number becomes the distance: it would be lost in a maximum. One group.
 *   Shapes   part (rows, 2) f32, state (1, 8) f32 */
KERNEL(prodigy_estimate)
(HERE IN(f32, part), OUT(f32, state), const float rate, const float d0, const float beta3, const float factor,
 const float growth, const float to_m, const float to_v, const float eps, const int rows)
{
    LOCAL f32 sums[2][LOP_LANES_MAX], lacks[2][LOP_LANES_MAX];
    float along = 0.0f, along_lack = 0.0f, size = 0.0f, size_lack = 0.0f;
    UNROLLED(8) EACH_TURN(r, rows)
    {
        GLOBAL const f32 *p = ROW(part, r);
        NAME(pair_add)(&along, &along_lack, p[0]);
        NAME(pair_add)(&size, &size_lack, p[1]);
    }
    sums[0][LANE] = along, lacks[0][LANE] = along_lack;
    sums[1][LANE] = size, lacks[1][LANE] = size_lack;
    BARRIER;
    if (LANE == 0) {
        GLOBAL f32 *now = ROW(state, 0);
        for (int l = 1; l < LANES; l++) {
            NAME(pair_add)(&along, &along_lack, sums[0][l]);
            NAME(pair_add)(&size, &size_lack, sums[1][l]);
            along_lack += lacks[0][l];
            size_lack += lacks[1][l];
        }
        const float total = size + size_lack, d = now[0];
        now[3] = total;
        if (total != 0.0f) {
            const float numerator = beta3 * now[2] - d / d0 * (d * rate) * (along + along_lack);
            const float estimate = factor * numerator / total;
            const float most = estimate <= now[1] ? now[1] : estimate;
            const float base = d == d0 && !(estimate <= d) ? estimate : d, limit = base * growth;
            now[0] = limit < most ? limit : most;
            now[1] = most;
            now[2] = numerator;
            now[4] = d * to_m;
            now[5] = d * to_v;
            now[6] = d * rate;
            now[7] = now[0] * eps;
        }
    }
}

/* m[r,:] = beta1 m + (state 4) g, v[r,:] = beta2 v + ((state 5) g)^2, x[r,:] -= (state 6) (m / (sqrt(v) + (state 7)) +
 * decay x); nothing where the denominator is 0.  Shapes: x, g, m, v (R, cols) f32, state (1, 8) f32. */
KERNEL(prodigy_row)
(HERE OUT(f32, x), IN(f32, g), OUT(f32, m), OUT(f32, v), IN(f32, state), const float beta1, const float beta2,
 const float decay, const int cols)
{
    GLOBAL f32 *xr = ROW(x, GROUP);
    GLOBAL const f32 *gr = ROW(g, GROUP);
    GLOBAL f32 *mr = ROW(m, GROUP);
    GLOBAL f32 *vr = ROW(v, GROUP);
    GLOBAL const f32 *now = ROW(state, 0);
    const float to_m = now[4], to_v = now[5], pace = now[6], least = now[7];
    if (now[3] != 0.0f) {
        EACH_PACK(c, 0, cols) {
            const PACK t = LOAD_OF(f32, gr, c), root = to_v * t, at = LOAD_OF(f32, xr, c);
            const PACK mean = beta1 * LOAD_OF(f32, mr, c) + to_m * t;
            const PACK square = beta2 * LOAD_OF(f32, vr, c) + root * root;
            STORE_OF(f32, mr, c, mean);
            STORE_OF(f32, vr, c, square);
            STORE_OF(f32, xr, c, at - pace * (mean / (f_sqrt(square) + least) + decay * at));
        }
    }
}
