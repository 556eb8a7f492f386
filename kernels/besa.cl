/* besa.cl - a row's sparsity as the mean of candidate rates under learned weights: bucket sums of the mask's gradient, the
 * gradient of the logits, how many weights go, and weights put in and out as that number moves. Source: BESA, Xu et al.
 * 2024; LLMPrune-BESA models/sparse_layers.py.
 *
 * Candidates: rate q / B for q = 0 .. B. Sorted positions [C b / B, C (b + 1) / B) of a row of C weights, whole numbers
 * rounded down, are bucket b; rate q / B takes buckets 0 .. q - 1. */

/* The product of a column if it lies in local memory now: column `first` and n - 1 behind it do. */
FN float NAME(product_of)(const LOCAL_PTR(f32) products, const u16 column, const int first, const int n)
{
    const u32 at = (u32)column - (u32)first;
    return at < (u32)n ? products[at] : 0.0f;
}

/* h[r,b] = scale times the sum of dw[r,c] w[r,c] over the columns c = order[r,k] of bucket b: the gradient of the mask,
 * pruned weights included, summed by the positions that share a probability. Products lie in local memory, `chunk` columns
 * at a time; lanes share a bucket where there are more of them, and their sums are added in order. Two sums each, so that
 * an addition need not wait for the one before.
 *   Shapes   dw (R, cols <= 2^16) f32, w (R, cols) WORD, order (R, cols) u16, h (R, buckets <= LOP_LANES_MAX) f32
 *   Local    chunk floats, a multiple of 8 */
KERNEL(bucket_row)
(HERE IN(f32, dw), IN(WORD, w), IN(u16, order), OUT(f32, h), const float scale, const int buckets,
 const int chunk, const int cols)
{
    LOCAL f32 sums[LOP_LANES_MAX];
    LOCAL_ROW(PACK, packs);
    const LOCAL_PTR(f32) products = (const LOCAL_PTR(f32))packs;
    GLOBAL const f32 *dr = ROW(dw, GROUP);
    GLOBAL const WORD *wr = ROW(w, GROUP);
    GLOBAL const u16 *o = ROW(order, GROUP);
    const int share = i_max(LANES / buckets, 1), parts = buckets * share;
    EACH_TURN(t, parts) sums[t] = 0.0f;
    for (int first = 0; first < cols; first += chunk) {
        const int n = i_min(chunk, cols - first);
        BARRIER;
        EACH_PACK(i, 0, n) packs[i / PACKS] = LOAD_OF(f32, dr + first, i) * LOAD(wr + first, i);
        BARRIER;
        EACH_TURN(t, parts) {
            const int b = t / share, end = cols * (b + 1) / buckets; /* 2^25 at most before it is divided */
            int k = cols * b / buckets + t % share;
            float even = 0.0f, odd = 0.0f;
            for (; k + share < end; k += 2 * share) {
                even += NAME(product_of)(products, o[k], first, n);
                odd += NAME(product_of)(products, o[k + share], first, n);
            }
            if (k < end) even += NAME(product_of)(products, o[k], first, n);
            sums[t] += even + odd;
        }
    }
    BARRIER;
    EACH_TURN(b, buckets) {
        float sum = 0.0f;
        for (int t = b * share; t < (b + 1) * share; t++) sum += sums[t];
        ROW(h, GROUP)[b] = scale * sum;
    }
}

/* Of each row r the positions between was[r] and now[r / each] change sides: used[r,c] = w[r,c], or +0, for c = order[r,k];
 * then was[r] = now[r / each].
 *   Shapes   order (R, cols) u16, w, used (R, cols) WORD, was (R, 1) u32, now (ceil(R / each), 1) u32 */
KERNEL(flip_row)
(HERE IN(u16, order), IN(WORD, w), IN(u32, now), const int each, OUT(u32, was), OUT(WORD, used))
{
    GLOBAL const u16 *o = ROW(order, GROUP);
    GLOBAL const WORD *wr = ROW(w, GROUP);
    GLOBAL WORD *ur = ROW(used, GROUP);
    GLOBAL u32 *count = ROW(was, GROUP);
    const int from = (int)count[0], to = (int)ROW(now, GROUP / each)[0];
    BARRIER;
    EACH_TURN(i, to - from) STORE1(ur, o[from + i], 0.0f);
    EACH_TURN(i, from - to) STORE1(ur, o[to + i], LOAD1(wr, o[to + i]));
    if (LANE == 0) count[0] = (u32)to;
}

#if STORE_EXACT

#define RATES_MOST 512 /* candidates of a row of logits */

/* e^x - 1 with all its digits near 0: there by its series. */
FN float NAME(exp_less_one)(const float x)
{
    float p = 2.4801587e-5f;
    p = p * x + 1.9841270e-4f;
    p = p * x + 1.3888889e-3f;
    p = p * x + 8.3333333e-3f;
    p = p * x + 4.1666667e-2f;
    p = p * x + 1.6666667e-1f;
    p = p * x + 0.5f;
    return f_abs(x) < 0.35f ? (p * x) * x + x : f_exp(x) - 1.0f;
}

/* A logit's sigmoid less 1/2: near 0, where all logits may begin, a sigmoid has no digits for small moves, and would round
 * those of every row alike. */
FN float NAME(sigmoid_fine)(const float z)
{
    const float less = NAME(exp_less_one)(-f_abs(z)), side = z < 0.0f ? 0.5f : -0.5f;
    return side * less / (2.0f + less);
}

/* mean / unit, at most 1, in parts of 2^32; unit < 2^48. */
FN u64 NAME(part_of_one)(const u64 mean, const u64 unit)
{
    const u64 high = (mean << 16) / unit, rest = (mean << 16) % unit;
    return (high << 16) + (rest << 16) / unit;
}

/* From a row of logits that began at `first` and have moved by theta, which stands for `each` rows of R of `width` weights
 * (the last one for what is left): the mean rate alpha, that in parts of 2^32 times these weights, and how many of a row's
 * weights go: floor(alpha width + 1e-3) (rule 0), or those whose probability of going is at least alpha (rule 1). The
 * softmax over candidates sees first + theta (form 0), the sigmoid of that (form 1), or first + the sigmoid of theta
 * (form 2). Weights of candidates are 31-bit fractions of the largest, so that all sums are of integers, exact whatever the
 * lanes; rates^2 width < 2^33.
 *   Shapes   first (1, rates), theta (G, rates) f32, count (G, 1) u32, alpha (G, 1) f32, part (G, 1) i64 */
KERNEL(rate_count_row)
(HERE IN(f32, first), IN(f32, theta), OUT(u32, count), OUT(f32, alpha), OUT(i64, part), const int form,
 const int rule, const int each, const int rows, const int width, const int rates)
{
    SCRATCH;
    LOCAL f32 fine[RATES_MOST];
    LOCAL u32 weight[RATES_MOST];
    GLOBAL const f32 *start = ROW(first, 0), *row = ROW(theta, GROUP);
    float top = MINUS_INFINITY;
    EACH(q, rates) {
        const float z = form == 2 ? row[q] : start[q] + row[q], seen = form == 0 ? z : NAME(sigmoid_fine)(z);
        fine[q] = form == 2 ? start[q] + seen : seen;
    }
    EACH_MAX(q, rates, top) top = f_max(top, fine[q]);
    top = GROUP_MAX(top);
    EACH(q, rates) {
        const float less = NAME(exp_less_one)(fine[q] - top);
        weight[q] = 2147483648u - (u32)(less * -2147483648.0f);
    }
    BARRIER;
    if (LANE == 0) {
        u64 all = 0, mean = 0; /* of the weights; of the weights times q */
        for (int q = 0; q < rates; q++) {
            all += weight[q];
            mean += (u64)weight[q] * (u64)q;
        }
        const u64 unit = all * (u64)(rates - 1);
        const u64 rate = NAME(part_of_one)(mean, unit);
        u64 go = (mean * (u64)width + unit / 1000u) / unit, above = all;
        if (rule == 1) {
            int b = 0;
            while (b + 1 < rates && (above -= weight[b]) * (u64)(rates - 1) >= mean) b++;
            go = (u64)width * (u64)b / (u64)(rates - 1);
        }
        ROW(count, GROUP)[0] = (u32)go;
        ROW(alpha, GROUP)[0] = (float)rate * 0x1p-32f;
        ROW(part, GROUP)[0] = (i64)(rate * (u64)i_min(each, rows - GROUP * each) * (u64)width);
    }
}

/* mean[0,0] = sum_g part[g,0] / weights, parts of 2^32.  One group.  Shapes: part (G, 1) i64 >= 0, mean (1, 1) f32. */
KERNEL(rate_mean)(HERE IN(i64, part), OUT(f32, mean), const i64 weights, const int groups)
{
    LOCAL i64 sums[LOP_LANES_MAX];
    i64 sum = 0;
    EACH_TURN(g, groups) sum += ROW(part, g)[0];
    sums[LANE] = sum;
    BARRIER;
    if (LANE == 0) {
        for (int l = 1; l < LANES; l++) sum += sums[l];
        ROW(mean, 0)[0] = (float)(sum / weights) * 0x1p-32f;
    }
}

FN PACK NAME(sigmoid_of)(const PACK z)
{
    return (PACK)(1.0f) / ((PACK)(1.0f) + f_exp(-z));
}

/* What the softmax over candidates sees, a pack of them, by its form: see rate_count_row. */
FN PACK NAME(rate_score)(GLOBAL const f32 *first, GLOBAL const f32 *theta, const int q, const int form)
{
    const PACK start = LOAD_OF(f32, first, q), moved = LOAD_OF(f32, theta, q);
    if (form == 2) return start + NAME(sigmoid_of)(moved);
    return form == 1 ? NAME(sigmoid_of)(start + moved) : start + moved;
}

/* A gradient by what the softmax sees, `score`, as one by theta. */
FN PACK NAME(rate_chain)(const PACK g, const PACK score, GLOBAL const f32 *theta, const int q, const int form)
{
    if (form == 0) return g;
    const PACK z = form == 1 ? score : NAME(sigmoid_of)(LOAD_OF(f32, theta, q));
    return g * z * ((PACK)(1.0f) - z);
}

/* rises[q] = lift q less the sums of the buckets that candidate q takes: what its weight rises what is minimised by. */
FN void NAME(rises_of)(GLOBAL const f32 *h, const float lift, const int rates, LOCAL_PTR(f32) rises)
{
    float sum = 0.0f;
    rises[0] = 0.0f;
    for (int q = 1; q < rates; q++) {
        sum += h[q - 1];
        rises[q] = lift * (float)q - sum;
    }
}

/* slopes[g,:] = by how much the error and, `part` times the weight rows of g, their mean rate grow as what the softmax sees
 * grows by mu q / (rates - 1), at mu = 0: the covariance of the rates with what their candidates do to the error, and their
 * variance.
 *   Shapes   first (1, rates), theta (G, rates) f32, h (G, rates - 1) f32, slopes (G, 2) f32 */
KERNEL(rate_slope_row)
(HERE IN(f32, first), IN(f32, theta), IN(f32, h), OUT(f32, slopes), const float part, const int form,
 const int each, const int rows, const int rates)
{
    SCRATCH;
    LOCAL PACK weight[RATES_MOST / PACKS], rise[RATES_MOST / PACKS], rate[RATES_MOST / PACKS];
    LOCAL_PTR(f32) rated = (LOCAL_PTR(f32))rate;
    GLOBAL const f32 *start = ROW(first, 0), *row = ROW(theta, GROUP);
    PACK most = (PACK)(MINUS_INFINITY), all = (PACK)(0.0f), level = (PACK)(0.0f), mean = (PACK)(0.0f);
    PACK slope = (PACK)(0.0f), spread = (PACK)(0.0f);
    EACH_PACK(q, 0, rates) weight[q / PACKS] = NAME(rate_score)(start, row, q, form);
    EACH_PACK_MAX(q, 0, rates, most) most = f_max(most, weight[q / PACKS]);
    const float top = GROUP_MAX(most);
    EACH_PACK(q, 0, rates) weight[q / PACKS] = f_exp(weight[q / PACKS] - top);
    EACH(q, rates) rated[q] = (float)q / (float)(rates - 1);
    if (LANE == 0) NAME(rises_of)(ROW(h, GROUP), 0.0f, rates, (LOCAL_PTR(f32))rise);
    BARRIER;
    EACH_PACK_SUM(q, 0, rates, all) all += weight[q / PACKS];
    EACH_PACK_SUM(q, 0, rates, level) level += weight[q / PACKS] * rise[q / PACKS];
    EACH_PACK_SUM(q, 0, rates, mean) mean += weight[q / PACKS] * rate[q / PACKS];
    const float whole = GROUP_SUM(all), rise_mean = GROUP_SUM(level) / whole,
                rate_mean = GROUP_SUM(mean) / whole;
    EACH_PACK_SUM(q, 0, rates, slope) {
        slope += weight[q / PACKS] * (rate[q / PACKS] - rate_mean) * (rise[q / PACKS] - rise_mean);
    }
    EACH_PACK_SUM(q, 0, rates, spread) {
        const PACK off = rate[q / PACKS] - rate_mean;
        spread += weight[q / PACKS] * off * off;
    }
    const float by_error = GROUP_SUM(slope) / whole, by_rate = GROUP_SUM(spread) / whole;
    if (LANE == 0) {
        ROW(slopes, GROUP)[0] = by_error;
        ROW(slopes, GROUP)[1] = part * (float)i_min(each, rows - GROUP * each) * by_rate;
    }
}

/* The least mean variance of rates that is divided by: the square of what rounding puts their mean off at worst, 2^-24 for
 * each of 256 candidates. */
#define SPREAD_LEAST 0x1p-32f

/* price[0,0] = p + |p| (s - target) / width, p = -sum_g slopes[g,0] / max(sum_g slopes[g,1], SPREAD_LEAST): what the unit's
 * mean rate must be worth so that the error has no reason to move all rows one way, and, off the target, less or more.
 * price[0,1] = what is divided by.  One group.
 *   Shapes   slopes (G, 2), s (1, 1), price (1, 2) f32 */
KERNEL(rate_price)
(HERE IN(f32, slopes), IN(f32, s), OUT(f32, price), const float target, const float width, const int groups)
{
    LOCAL f32 errors[LOP_LANES_MAX], rates[LOP_LANES_MAX];
    float error = 0.0f, rate = 0.0f;
    EACH_TURN(g, groups) {
        error += ROW(slopes, g)[0];
        rate += ROW(slopes, g)[1];
    }
    errors[LANE] = error;
    rates[LANE] = rate;
    BARRIER;
    if (LANE == 0) {
        for (int l = 1; l < LANES; l++) {
            error += errors[l];
            rate += rates[l];
        }
        const float spread = f_max(rate, SPREAD_LEAST), p = -error / spread;
        ROW(price, 0)[0] = p + f_abs(p) * ((ROW(s, 0)[0] - target) / width);
        ROW(price, 0)[1] = spread;
    }
}

/* first[0,q] += mu q / (rates - 1), mu = (target - s) / price[0,1]: the line that all rows begin on is tilted so that their mean
 * rate, which grows by price[0,1] mu, comes to the target.  One group.
 *   Shapes   price (1, 2), s (1, 1), first (1, rates) f32 */
KERNEL(rate_tilt)
(HERE IN(f32, price), IN(f32, s), OUT(f32, first), const float target, const int rates)
{
    const float mu = (target - ROW(s, 0)[0]) / ROW(price, 0)[1];
    EACH(q, rates) ROW(first, 0)[q] += mu * ((float)q / (float)(rates - 1));
}

/* grad[g,:] = the gradient of a row of logits from the bucket sums h of its mask's gradient, -sum_{b<q} h[b] for candidate q,
 * and from the penalty, slope (s - target) q / (rates - 1) for each of its weight rows, through the softmax and the sigmoid
 * before it, if there is one. s is one float, as the authors have it: near the target its rounding weighs in s - target, and
 * moves counts later. With a price this stands for s, the target is 0 and slope the part of a row in the mean rate.
 *   Shapes   first (1, rates), theta, grad (G, rates) f32, h (G, rates - 1) f32, s (1, 1) f32 */
KERNEL(rate_grad_row)
(HERE IN(f32, first), IN(f32, theta), IN(f32, h), IN(f32, s), OUT(f32, grad), const float slope,
 const float target, const int form, const int each, const int rows, const int rates)
{
    SCRATCH;
    LOCAL PACK score[RATES_MOST / PACKS], weight[RATES_MOST / PACKS], rise[RATES_MOST / PACKS];
    GLOBAL const f32 *start = ROW(first, 0), *row = ROW(theta, GROUP);
    GLOBAL f32 *out = ROW(grad, GROUP);
    const float miss = ROW(s, 0)[0] - target;
    const float lift = slope * (float)i_min(each, rows - GROUP * each) * miss / (float)(rates - 1);
    PACK most = (PACK)(MINUS_INFINITY), all = (PACK)(0.0f), mean = (PACK)(0.0f);
    EACH_PACK(q, 0, rates) score[q / PACKS] = NAME(rate_score)(start, row, q, form);
    EACH_PACK_MAX(q, 0, rates, most) most = f_max(most, score[q / PACKS]);
    const float top = GROUP_MAX(most);
    EACH_PACK(q, 0, rates) weight[q / PACKS] = f_exp(score[q / PACKS] - top);
    if (LANE == 0) NAME(rises_of)(ROW(h, GROUP), lift, rates, (LOCAL_PTR(f32))rise);
    BARRIER;
    EACH_PACK_SUM(q, 0, rates, all) all += weight[q / PACKS];
    EACH_PACK_SUM(q, 0, rates, mean) mean += weight[q / PACKS] * rise[q / PACKS];
    const float whole = GROUP_SUM(all), middle = GROUP_SUM(mean) / whole;
    EACH_PACK(q, 0, rates) {
        const PACK g = weight[q / PACKS] / whole * (rise[q / PACKS] - middle);
        STORE_OF(f32, out, q, NAME(rate_chain)(g, score[q / PACKS], row, q, form));
    }
}

#endif
