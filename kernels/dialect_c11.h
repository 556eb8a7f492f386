/* dialect_c11.h - the dialect's words in C11: a group is one lane, `omp simd` makes its vectors.
 *
 * Nothing here calls libm in a loop: its exp and erf do not vectorise. The polynomials are fitted on Chebyshev points,
 * and tests/device holds them against double precision over all of their range. */
#ifndef LOP_KERNELS_DIALECT_C11_H
#define LOP_KERNELS_DIALECT_C11_H

#include <math.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t i32;
typedef int64_t i64;
typedef float f32;
typedef u16 f16;  /* bit pattern */
typedef u16 bf16; /* bit pattern */
typedef float pack1;

#define LOP_UNUSED   __attribute__((unused))
#define KERNEL(name) static void NAME(name)
#define HERE         const int lop_group LOP_UNUSED, void *lop_local LOP_UNUSED,
#define FN           static inline __attribute__((always_inline, unused))
#define GLOBAL
#define LOCAL
#define LOCAL_PTR(T)                       T *
#define LOCAL_ROW(T, name)                 T *const name = (T *)lop_local
#define LOCAL_ADD(p, v)                    ((void)(*(p) += (v)))
#define GLOBAL_ADD(p, v)                   ((void)__atomic_fetch_add((p), (v), __ATOMIC_RELAXED))
#define LANE                               0
#define LANES                              1
#define GROUP                              lop_group
#define BARRIER                            ((void)0)
#define SCRATCH                            u32 *const lop_scratch LOP_UNUSED = NULL
#define SCRATCH_ARG                        u32 *const lop_scratch LOP_UNUSED
#define LOP_PRAGMA(x)                      _Pragma(#x)
#define LOP_SIMD()                         LOP_PRAGMA(omp simd)
#define LOP_SIMD_MIN(m)                    LOP_PRAGMA(omp simd reduction(min : m))
#define LOP_SIMD_MAX(m)                    LOP_PRAGMA(omp simd reduction(max : m))
#define GROUP_SUM(v)                       (v)
#define GROUP_MAX(v)                       (v)
#define GROUP_MIN_INT(v)                   (v)
#define GROUP_COUNT(v)                     (v)
#define GROUP_BEFORE(v)                    ((void)(v), 0u)
#define lop_where_1(v, i, from, to, other) (v) /* a pack of one element never reaches past its loop */

/* Sums in runs of 1024 columns, so that what is lost to rounding grows with the run and the number of runs, not with
 * the row. */
#define EACH_PACK_SUM(i, from, to, sum)                                                                      \
    for (int lop_run = (from); lop_run < (to); lop_run += 1024)                                              \
    LOP_PRAGMA(omp simd reduction(+ : sum)) for (int i = lop_run; i < i_min(lop_run + 1024, to); i++)
#define EACH_SUM(i, n, sum) EACH_PACK_SUM(i, 0, n, sum)

#define OWN_PACKS(name)    LOCAL_ROW(PACK, name)
#define OWN(name, c)       (name)[c]
#define EACH_SPAN(at, n)   for (int at = 0; at == 0; at++)
#define EACH_OWN(c, at, n) LOP_SIMD() for (int c = 0; c < (n); c++)
#define UNROLLED(n)
#define ROLLED(n)   LOP_PRAGMA(GCC unroll n) /* what stands in a loop does not become vectors */
#define EXP_IS_DEAR 1 /* what was stored exactly is read back rather than computed again */

FN u32 f_bits(float x)
{
    u32 u;
    memcpy(&u, &x, sizeof u);
    return u;
}
FN float f_from(u32 u)
{
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}
FN float f_max(float a, float b) /* a when b is NaN */
{
    return b > a ? b : a;
}
FN float f_pick(float a, float b, float x, float y) /* x where a < b, else y */
{
    return a < b ? x : y;
}
FN float f_abs(float x)
{
    return f_from(f_bits(x) & 0x7fffffffu);
}
FN float f_is_zero(float x) /* 1 or 0 */
{
    return x == 0.0f ? 1.0f : 0.0f;
}
FN float f_is_not_finite(float x) /* 1 for NaN and infinities, else 0 */
{
    return (f_bits(x) & 0x7f800000u) == 0x7f800000u ? 1.0f : 0.0f;
}
FN float lop_kept_1(float x, u32 bits)
{
    return (bits & 0x80u) != 0u ? x : 0.0f;
}
FN int lop_find_1(float v, float x)
{
    return v == x ? 0 : 1;
}
FN void keys(const f32 *p, u32 *key)
{
    memcpy(key, p, 8 * sizeof *key);
}
FN float f_sqrt(float x)
{
    return sqrtf(x);
}
FN float f_log(float x) /* for a few values a row: libm's, which does not vectorise */
{
    return logf(x);
}
FN float f_rsqrt(float x)
{
    return 1.0f / sqrtf(x);
}

/* e^x to 2 ulp, over all floats: x = n ln 2 + r, |r| <= ln 2 / 2, e^r by a polynomial of degree 6, times 2^n in two
 * steps, so that subnormal results are rounded once. NaN stays NaN. */
FN float f_exp(float x)
{
    x = x > 89.0f ? 89.0f : x;
    x = x < -104.0f ? -104.0f : x;
    const float shifted =
        x * 1.44269504f + 12582912.0f; /* 1.5 * 2^23: the sum's low bits are the nearest integer */
    const float n = shifted - 12582912.0f;
    const float r =
        (x - n * 0.693359375f) + n * 2.12194440e-4f; /* ln 2 in two parts; the first product is exact */
    float p = 1.392625039e-3f;
    p = p * r + 8.363232948e-3f;
    p = p * r + 4.166655242e-2f;
    p = p * r + 1.666657627e-1f;
    p = p * r + 0.5f;
    p = (p * r) * r + r + 1.0f;
    const i32 power = (i32)(f_bits(shifted) - 0x4b400000u), half = power >> 1;
    return p * f_from((u32)(half + 127) << 23) * f_from((u32)(power - half + 127) << 23);
}

/* erf x to 4 ulp: x P(x^2) below 0.9, above 1 - e^-Q(|x|). NaN stays NaN. */
FN float f_erf(float x)
{
    const float s = x * x, size = f_abs(x),
                a = size > 4.0f ? 4.0f : size; /* 1 - erf(4) is below half an ulp of 1 */
    float p = -6.102686748e-4f;
    p = p * s + 5.014484283e-3f;
    p = p * s - 2.678071894e-2f;
    p = p * s + 1.128219441e-1f;
    p = p * s - 3.761252761e-1f;
    p = p * s + 1.128379107f;
    float q = -1.643063683e-6f;
    q = q * a + 4.616385922e-5f;
    q = q * a - 5.975857493e-4f;
    q = q * a + 4.762625787e-3f;
    q = q * a - 2.642763779e-2f;
    q = q * a + 1.100871637e-1f;
    q = q * a + 6.318238974e-1f;
    q = q * a + 1.130231023f;
    q = q * a - 3.185396490e-4f;
    const float tail = 1.0f - f_exp(-q);
    return size < 0.9f ? x * p : (x < 0.0f ? -tail : tail);
}

FN float lop_from_bf16(u16 b)
{
    return f_from((u32)b << 16);
}
FN u16 lop_to_bf16(float x) /* to nearest even; NaN stays NaN */
{
    const u32 u = f_bits(x), rounded = u + 0x7fffu + ((u >> 16) & 1u);
    return (u16)(((u & 0x7fffffffu) > 0x7f800000u ? u | 0x400000u : rounded) >> 16);
}
FN float lop_from_f16(u16 h)
{
    const u32 size = (u32)(h & 0x7fffu) << 13; /* the half's exponent and fraction in the float's places */
    const u32 bits = f_bits(f_from(size) * 0x1p112f) | (size >= 0x0f800000u ? 0x7f800000u : 0u);
    return f_from(bits | (u32)(h & 0x8000u) << 16);
}
FN u16 lop_to_f16(float x) /* to nearest even; NaN stays NaN; beyond 65504 infinity as IEEE 754 says */
{
    const u32 u = f_bits(x), size = u & 0x7fffffffu, sign = (u >> 16) & 0x8000u;
    const u32 most = size < 0x47800000u ? size : 0x47800000u;
    const u32 normal = (most + 0xfffu + ((most >> 13) & 1u) - 0x38000000u) >> 13;
    const u32 subnormal = f_bits(f_from(size < 0x38800000u ? size : 0u) + 0.5f) - 0x3f000000u;
    const u32 number = size < 0x38800000u ? subnormal : normal;
    return (u16)(sign | (size > 0x7f800000u ? 0x7e00u : number));
}

FN float load_f32_1(const f32 *p)
{
    return *p;
}
FN float load_f16_1(const f16 *p)
{
    return lop_from_f16(*p);
}
FN float load_bf16_1(const bf16 *p)
{
    return lop_from_bf16(*p);
}
FN void store_f32_1(f32 *p, float v)
{
    *p = v;
}
FN void store_f16_1(f16 *p, float v)
{
    *p = lop_to_f16(v);
}
FN void store_bf16_1(bf16 *p, float v)
{
    *p = lop_to_bf16(v);
}

#endif
