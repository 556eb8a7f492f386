/* twofold.h - numbers of twice a float's digits, for the few scalars whose rounding would push every element the same way:
 * the sum of two floats, the second at most half a last place of the first, for f64 is not what every device has.
 *
 * A compiler may fuse a product with a sum. Here that changes nothing that counts: sums are of additions alone, and the
 * products in them are of halves of 12 bits, exact before anything is added. What is left to rounding is 2^-44 of a
 * result at most. What overflows becomes no number. Sources: Knuth's TwoSum,
 * Dekker 1971. */
#ifndef LOP_KERNELS_TWOFOLD_H
#define LOP_KERNELS_TWOFOLD_H

typedef struct twofold {
    float hi, lo;
} twofold;

/* sum += x, and what rounding took from it to `lack`: of additions alone. */
FN void pair_add(float *sum, float *lack, float x)
{
    const float before = *sum, after = before + x, taken = after - before;
    *lack += (before - (after - taken)) + (x - taken);
    *sum = after;
}

FN twofold twofold_make(float hi, float lo)
{
    twofold a;
    a.hi = hi;
    a.lo = 0.0f;
    pair_add(&a.hi, &a.lo, lo);
    return a;
}

/* From an argument of a launch: the bits of both floats, the first one's above. */
FN twofold twofold_of(u64 bits)
{
    return twofold_make(f_from((u32)(bits >> 32)), f_from((u32)(bits & 0xffffffffu)));
}

FN twofold twofold_sum(twofold a, twofold b)
{
    float lack = a.lo + b.lo;
    pair_add(&a.hi, &lack, b.hi);
    return twofold_make(a.hi, lack);
}

/* The upper 12 of a float's 24 bits; what is left has 12 too. */
FN float twofold_upper(float x)
{
    return f_from(f_bits(x) & 0xfffff000u);
}

FN twofold twofold_times(twofold a, twofold b)
{
    const float ah = twofold_upper(a.hi), al = a.hi - ah, bh = twofold_upper(b.hi), bl = b.hi - bh;
    float product = ah * bh, lack = al * bl + (a.hi * b.lo + a.lo * b.hi);
    pair_add(&product, &lack, ah * bl);
    pair_add(&product, &lack, al * bh);
    return twofold_make(product, lack);
}

/* a - b x */
FN twofold twofold_rest(twofold a, twofold b, float x)
{
    return twofold_sum(a, twofold_times(b, twofold_make(-x, 0.0f)));
}

/* The quotient of the floats, that of what it leaves, and once more, for a division of floats is to 2.5 ulp only. */
FN twofold twofold_over(twofold a, twofold b)
{
    const float first = a.hi / b.hi;
    const twofold rest = twofold_rest(a, b, first);
    const float second = rest.hi / b.hi;
    return twofold_make(first, second + twofold_rest(rest, b, second).hi / b.hi);
}

/* False where one is no number. */
FN bool twofold_less(twofold a, twofold b)
{
    return a.hi < b.hi || (a.hi == b.hi && a.lo < b.lo);
}

#endif
