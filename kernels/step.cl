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

/* Prodigy's state, by place. Twofold numbers, the second floats five places on: 0 the distance d, 1 the largest estimate
 * of it, 2 d^2 / d0, 3 numerator, 4 denominator of the last estimate. Floats of the step that this estimate belongs to, with
 * its old d: 10 and 11 what g is multiplied by for m and g^2 for v, 12 the rate d lr, 13 the new d times eps.
 * The package keeps scalars in f64: a scalar is rounded where it meets a matrix and nowhere before.
 * Source: Mishchenko and Defazio 2023, Alg. 4, with what its package keeps apart: a factor of the estimate, a limit of its
 * growth, sums without correction. */

FN twofold NAME(prodigy_get)(GLOBAL const f32 *state, int place)
{
    return twofold_make(state[place], state[place + 5]);
}

FN void NAME(prodigy_put)(GLOBAL f32 *state, int place, twofold x)
{
    state[place] = x.hi;
    state[place + 5] = x.lo;
}

/* state = d0 everywhere that a distance lies, else 0.  One group.  Shapes: state (1, 14) f32. */
KERNEL(prodigy_begin)(HERE OUT(f32, state), const u64 d0)
{
    const twofold start = twofold_of(d0);
    EACH_TURN(i, 14) ROW(state, 0)[i] = i < 3 ? start.hi : i >= 5 && i < 8 ? start.lo : 0.0f;
}

/* With d as the state has it, pace = rate scale and t = scale g: s[r,:] = beta3 s[r,:] + d^2 / d0 rate t, and part[r,0] =
 * sum_c t x[r,c], part[r,1] = sum_c |s[r,c]|.  Shapes: x, g, s (R, cols) f32, part (R, 2) f32, state (1, 14) f32. */
KERNEL(prodigy_part_row)
(HERE IN(f32, x), IN(f32, g), OUT(f32, s), OUT(f32, part), IN(f32, state), const u64 pace, const float beta3,
 const float scale, const int cols)
{
    SCRATCH;
    GLOBAL const f32 *xr = ROW(x, GROUP);
    GLOBAL const f32 *gr = ROW(g, GROUP);
    GLOBAL f32 *sr = ROW(s, GROUP);
    const float share = twofold_times(NAME(prodigy_get)(ROW(state, 0), 2), twofold_of(pace)).hi;
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

/* Takes an estimate into the distance. What is no number becomes the distance: it would be lost in a maximum. The limit of
 * infinite growth is no number either, and limits nothing. */
FN void NAME(prodigy_grow)(GLOBAL f32 *state, twofold estimate, twofold d0, float growth)
{
    const twofold d = NAME(prodigy_get)(state, 0), before = NAME(prodigy_get)(state, 1);
    const bool kept = twofold_less(estimate, before), first = d.hi == d0.hi && d.lo == d0.lo;
    const twofold most = kept ? before : estimate, base = first && !twofold_less(estimate, d) ? estimate : d;
    const twofold limit = twofold_times(base, twofold_make(growth, 0.0f));
    const twofold next = twofold_less(limit, most) ? limit : most;
    NAME(prodigy_put)(state, 0, next);
    NAME(prodigy_put)(state, 1, most);
    NAME(prodigy_put)(state, 2, twofold_times(twofold_over(next, d0), next));
}

/* The new distance from all rows' parts; x began at 0, so that it has moved by itself. Nothing but the denominator changes
 * where that is 0. One group.
 *   Shapes   part (rows, 2) f32, state (1, 14) f32 */
KERNEL(prodigy_estimate)
(HERE IN(f32, part), OUT(f32, state), const u64 rate, const u64 d0, const u64 beta3, const u64 factor,
 const float growth, const u64 to_m, const u64 to_v, const u64 eps, const int rows)
{
    LOCAL f32 sums[2][LOP_LANES_MAX], lacks[2][LOP_LANES_MAX];
    float along = 0.0f, along_lack = 0.0f, size = 0.0f, size_lack = 0.0f;
    UNROLLED(8) EACH_TURN(r, rows)
    {
        GLOBAL const f32 *p = ROW(part, r);
        pair_add(&along, &along_lack, p[0]);
        pair_add(&size, &size_lack, p[1]);
    }
    sums[0][LANE] = along, lacks[0][LANE] = along_lack;
    sums[1][LANE] = size, lacks[1][LANE] = size_lack;
    BARRIER;
    if (LANE == 0) {
        GLOBAL f32 *now = ROW(state, 0);
        for (int l = 1; l < LANES; l++) {
            pair_add(&along, &along_lack, sums[0][l]);
            pair_add(&size, &size_lack, sums[1][l]);
            along_lack += lacks[0][l];
            size_lack += lacks[1][l];
        }
        const twofold total = twofold_make(size, size_lack), d = NAME(prodigy_get)(now, 0);
        NAME(prodigy_put)(now, 4, total);
        if (total.hi != 0.0f) {
            const twofold share = twofold_times(NAME(prodigy_get)(now, 2), twofold_of(rate));
            const twofold old = twofold_times(twofold_of(beta3), NAME(prodigy_get)(now, 3));
            const twofold moved = twofold_times(share, twofold_make(-along, -along_lack));
            const twofold numerator = twofold_sum(old, moved);
            const twofold estimate = twofold_over(twofold_times(twofold_of(factor), numerator), total);
            NAME(prodigy_put)(now, 3, numerator);
            NAME(prodigy_grow)(now, estimate, twofold_of(d0), growth);
            now[10] = twofold_times(d, twofold_of(to_m)).hi;
            now[11] = twofold_times(twofold_times(d, twofold_of(to_v)), d).hi;
            now[12] = twofold_times(d, twofold_of(rate)).hi;
            now[13] = twofold_times(NAME(prodigy_get)(now, 0), twofold_of(eps)).hi;
        }
    }
}

/* m[r,:] = beta1 m + (state 10) g, v[r,:] = beta2 v + (state 11) g^2, x[r,:] -= (state 12) (m / (sqrt(v) + (state 13)) +
 * decay x); nothing where the denominator is 0.  Shapes: x, g, m, v (R, cols) f32, state (1, 14) f32. */
KERNEL(prodigy_row)
(HERE OUT(f32, x), IN(f32, g), OUT(f32, m), OUT(f32, v), IN(f32, state), const float beta1, const float beta2,
 const float decay, const int cols)
{
    GLOBAL f32 *xr = ROW(x, GROUP);
    GLOBAL const f32 *gr = ROW(g, GROUP);
    GLOBAL f32 *mr = ROW(m, GROUP);
    GLOBAL f32 *vr = ROW(v, GROUP);
    GLOBAL const f32 *now = ROW(state, 0);
    const float to_m = now[10], to_v = now[11], pace = now[12], least = now[13];
    if (now[4] != 0.0f) {
        EACH_PACK(c, 0, cols) {
            const PACK t = LOAD_OF(f32, gr, c), at = LOAD_OF(f32, xr, c);
            const PACK mean = beta1 * LOAD_OF(f32, mr, c) + to_m * t;
            const PACK square = beta2 * LOAD_OF(f32, vr, c) + to_v * t * t;
            STORE_OF(f32, mr, c, mean);
            STORE_OF(f32, vr, c, square);
            STORE_OF(f32, xr, c, at - pace * (mean / (f_sqrt(square) + least) + decay * at));
        }
    }
}
