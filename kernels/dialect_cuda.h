/* dialect_cuda.h - the dialect's words in CUDA C++. A pack of eight is a struct with the operators of a float, which
 * the compiler keeps in registers. */
#ifndef LOP_KERNELS_DIALECT_CUDA_H
#define LOP_KERNELS_DIALECT_CUDA_H

#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t i32;
typedef int64_t i64;
typedef float f32;
typedef float pack1;
struct f16 { /* bit pattern; a type of its own, so that overloads tell it from bf16 */
    u16 bits;
};
struct bf16 {
    u16 bits;
};

#define KERNEL(name) extern "C" __global__ void __launch_bounds__(LOP_LANES_MAX) NAME(name)
#define HERE
#define FN static __device__ __forceinline__
#define GLOBAL
#define LOCAL        __shared__
#define LOCAL_PTR(T) T *
#define LOCAL_ROW(T, name)                                                                                   \
    extern __shared__ uint4 lop_local[];                                                                     \
    T *const name = (T *)lop_local
#define LOCAL_ADD(p, v)  ((void)atomicAdd((p), (v)))
#define GLOBAL_ADD(p, v) ((void)atomicAdd((p), (v)))
#define restrict __restrict__
#define LANE        ((int)threadIdx.x)
#define LANES       ((int)blockDim.x)
#define GROUP       ((int)blockIdx.x)
#define BARRIER     __syncthreads()
#define SCRATCH     LOCAL u32 lop_scratch[LOP_LANES_MAX]
#define SCRATCH_ARG LOCAL_PTR(u32) lop_scratch
#define LOP_SIMD()
#define LOP_SIMD_MIN(m)
#define LOP_SIMD_MAX(m)
#define EACH_PACK_SUM(i, from, to, sum) LOP_EACH_PACK(i, from, to)
#define EACH_SUM(i, n, sum)             LOP_EACH(i, n)
#define OWN_PACKS(name)                 PACK name
#define OWN(name, c)                    name
#define EACH_SPAN(at, n)                for (int at = PACKS * LANE; at < (n); at += PACKS * LANES)
#define EACH_OWN(c, at, n)              for (int c = (at); c == (at); c++)
#define UNROLLED(n)                     LOP_PRAGMA(unroll n)
#define ROLLED(n)                       LOP_PRAGMA(unroll 1)
#define LOP_PRAGMA(x)                   _Pragma(#x)
#define EXP_IS_DEAR                     0
#define LOP_EACH_OF_8(k)                _Pragma("unroll") for (int k = 0; k < 8; k++)

struct pack8 {
    float v[8];
    __device__ __forceinline__ pack8()
    {
    }
    __device__ __forceinline__ pack8(float x)
    {
        LOP_EACH_OF_8(k) v[k] = x;
    }
};
#define LOP_PACK_OPERATOR(op, step)                                                                          \
    FN pack8 operator op(pack8 a, pack8 b)                                                                   \
    {                                                                                                        \
        LOP_EACH_OF_8(k) a.v[k] = a.v[k] op b.v[k];                                                          \
        return a;                                                                                            \
    }                                                                                                        \
    FN void operator step(pack8 &a, pack8 b)                                                                 \
    {                                                                                                        \
        LOP_EACH_OF_8(k) a.v[k] = a.v[k] op b.v[k];                                                          \
    }
LOP_PACK_OPERATOR(+, +=)
LOP_PACK_OPERATOR(-, -=)
LOP_PACK_OPERATOR(*, *=)
LOP_PACK_OPERATOR(/, /=)
FN pack8 operator-(pack8 a)
{
    return pack8(0.0f) - a;
}
#define LOP_PACK_FUNCTION(name, call)                                                                        \
    FN float name(float x)                                                                                   \
    {                                                                                                        \
        return call(x);                                                                                      \
    }                                                                                                        \
    FN pack8 name(pack8 x)                                                                                   \
    {                                                                                                        \
        LOP_EACH_OF_8(k) x.v[k] = call(x.v[k]);                                                              \
        return x;                                                                                            \
    }
LOP_PACK_FUNCTION(f_exp, expf)
LOP_PACK_FUNCTION(f_log, logf)
LOP_PACK_FUNCTION(f_erf, erff)
LOP_PACK_FUNCTION(f_sqrt, sqrtf)
LOP_PACK_FUNCTION(f_rsqrt, rsqrtf)
LOP_PACK_FUNCTION(f_abs, fabsf)
#define f_bits __float_as_uint
#define f_from __uint_as_float
FN float lop_is_zero(float x)
{
    return x == 0.0f ? 1.0f : 0.0f;
}
FN float lop_is_not_finite(float x)
{
    return (f_bits(x) & 0x7f800000u) == 0x7f800000u ? 1.0f : 0.0f;
}
LOP_PACK_FUNCTION(f_is_zero, lop_is_zero)
LOP_PACK_FUNCTION(f_is_not_finite, lop_is_not_finite)
FN float f_max(float a, float b)
{
    return fmaxf(a, b);
}
FN pack8 f_max(pack8 a, pack8 b)
{
    LOP_EACH_OF_8(k) a.v[k] = fmaxf(a.v[k], b.v[k]);
    return a;
}
FN float f_pick(float a, float b, float x, float y) /* x where a < b, else y */
{
    return a < b ? x : y;
}
FN pack8 f_pick(pack8 a, pack8 b, pack8 x, pack8 y)
{
    LOP_EACH_OF_8(k) x.v[k] = a.v[k] < b.v[k] ? x.v[k] : y.v[k];
    return x;
}

#define lop_where_1(v, i, from, to, other) (v)
FN float lop_kept_1(float v, u32 bits)
{
    return (bits & 0x80u) != 0u ? v : 0.0f;
}
FN pack8 lop_kept_8(pack8 v, u32 bits)
{
    LOP_EACH_OF_8(k) v.v[k] = (bits & (0x80u >> k)) != 0u ? v.v[k] : 0.0f;
    return v;
}
FN pack8 lop_where_8(pack8 v, int i, int from, int to, float other)
{
    if (i >= from && i + 8 <= to) return v; /* most packs: two comparisons instead of sixteen */
    LOP_EACH_OF_8(k) v.v[k] = i + k >= from && i + k < to ? v.v[k] : other;
    return v;
}

FN float lop_float(f16 x)
{
    float y;
    asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x.bits));
    return y;
}
FN float lop_float(bf16 x)
{
    return f_from((u32)x.bits << 16);
}
FN u32 lop_bits(float x, f16)
{
    u16 y;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y) : "f"(x));
    return y;
}
FN u32 lop_bits(float x, bf16)
{
    u16 y;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y) : "f"(x));
    return y;
}
FN u32 lop_pair(float low, float high, f16) /* two neighbours rounded in one instruction */
{
    u32 y;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(y) : "f"(high), "f"(low));
    return y;
}
FN u32 lop_pair(float low, float high, bf16)
{
    u32 y;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(y) : "f"(high), "f"(low));
    return y;
}
template <typename T> FN pack8 lop_load8(const T *p)
{
    const uint4 q = *(const uint4 *)p;
    const u32 w[4] = {q.x, q.y, q.z, q.w};
    pack8 r;
    LOP_EACH_OF_8(k) r.v[k] = lop_float(T{(u16)(w[k / 2] >> (16 * (k % 2)))});
    return r;
}
template <typename T> FN void lop_store8(T *p, pack8 x)
{
    *(uint4 *)p = make_uint4(lop_pair(x.v[0], x.v[1], T()), lop_pair(x.v[2], x.v[3], T()),
                             lop_pair(x.v[4], x.v[5], T()), lop_pair(x.v[6], x.v[7], T()));
}
#define load_f32_1(p)      (*(p))
#define load_f16_1(p)      lop_float(*(p))
#define load_bf16_1(p)     lop_float(*(p))
#define store_f32_1(p, v)  ((void)(*(p) = (v)))
#define store_f16_1(p, v)  ((void)((p)->bits = (u16)lop_bits((v), f16())))
#define store_bf16_1(p, v) ((void)((p)->bits = (u16)lop_bits((v), bf16())))
#define load_f16_8         lop_load8<f16>
#define load_bf16_8        lop_load8<bf16>
#define store_f16_8        lop_store8<f16>
#define store_bf16_8       lop_store8<bf16>
FN pack8 load_f32_8(const f32 *p)
{
    const float4 a = ((const float4 *)p)[0], b = ((const float4 *)p)[1];
    pack8 r;
    r.v[0] = a.x, r.v[1] = a.y, r.v[2] = a.z, r.v[3] = a.w;
    r.v[4] = b.x, r.v[5] = b.y, r.v[6] = b.z, r.v[7] = b.w;
    return r;
}
FN void store_f32_8(f32 *p, pack8 x)
{
    ((float4 *)p)[0] = make_float4(x.v[0], x.v[1], x.v[2], x.v[3]);
    ((float4 *)p)[1] = make_float4(x.v[4], x.v[5], x.v[6], x.v[7]);
}

FN int lop_find_1(float v, float x)
{
    return v == x ? 0 : 1;
}
FN int lop_find_8(pack8 v, float x)
{
    int at = 8;
    _Pragma("unroll") for (int k = 7; k >= 0; k--) at = v.v[k] == x ? k : at;
    return at;
}
FN void keys(const f32 *p, u32 *key)
{
    const uint4 a = ((const uint4 *)p)[0], b = ((const uint4 *)p)[1];
    key[0] = a.x, key[1] = a.y, key[2] = a.z, key[3] = a.w;
    key[4] = b.x, key[5] = b.y, key[6] = b.z, key[7] = b.w;
}

#define lop_total_1(v) (v)
#define lop_top_1(v)   (v)
FN float lop_total_8(pack8 x)
{
    return ((x.v[0] + x.v[4]) + (x.v[1] + x.v[5])) + ((x.v[2] + x.v[6]) + (x.v[3] + x.v[7]));
}
FN float lop_top_8(pack8 x)
{
    float top = x.v[0];
    LOP_EACH_OF_8(k) top = fmaxf(top, x.v[k]);
    return top;
}

/* Meetings of a group, whose lanes are a power of two of at least 32: shuffles within a warp, then local memory, in a
 * fixed tree, so that the same input gives the same bits on the same device. */
enum lop_meeting { LOP_MEET_SUM, LOP_MEET_MAX };
FN float lop_join(float a, float b, lop_meeting how)
{
    return how == LOP_MEET_MAX ? fmaxf(a, b) : a + b;
}
FN float lop_meet(float v, u32 *s, lop_meeting how)
{
    for (int h = 16; h > 0; h >>= 1) v = lop_join(v, __shfl_xor_sync(0xffffffffu, v, h), how);
    if ((LANE & 31) == 0) s[LANE >> 5] = f_bits(v);
    BARRIER;
    v = f_from(s[0]);
    for (int w = 1; w < LANES >> 5; w++) v = lop_join(v, f_from(s[w]), how);
    BARRIER;
    return v;
}
FN int lop_least(int v, u32 *s)
{
    for (int h = 16; h > 0; h >>= 1) v = min(v, __shfl_xor_sync(0xffffffffu, v, h));
    if ((LANE & 31) == 0) s[LANE >> 5] = (u32)v;
    BARRIER;
    for (int w = 0; w < LANES >> 5; w++) v = min(v, (int)s[w]);
    BARRIER;
    return v;
}
/* The sum of v over the lanes before this one, or over all of them. */
FN u32 lop_prefix(u32 v, u32 *s, bool all)
{
    u32 upto = v;
    for (int h = 1; h < 32; h *= 2) {
        const u32 other = __shfl_up_sync(0xffffffffu, upto, h);
        if ((LANE & 31) >= h) upto += other;
    }
    if ((LANE & 31) == 31) s[LANE >> 5] = upto;
    BARRIER;
    u32 sum = all ? 0u : upto - v;
    for (int w = 0; w < (all ? LANES >> 5 : LANE >> 5); w++) sum += s[w];
    BARRIER;
    return sum;
}
#define GROUP_SUM(v)     lop_meet(LOP_CAT(lop_total_, PACKS)(v), lop_scratch, LOP_MEET_SUM)
#define GROUP_MAX(v)     lop_meet(LOP_CAT(lop_top_, PACKS)(v), lop_scratch, LOP_MEET_MAX)
#define GROUP_MIN_INT(v) lop_least((v), lop_scratch)
#define GROUP_COUNT(v)   lop_prefix((v), lop_scratch, true)
#define GROUP_BEFORE(v)  lop_prefix((v), lop_scratch, false)

#endif
