/* dialect_opencl.h - the dialect's words in OpenCL C 1.2 and no extension of it. */
#ifndef LOP_KERNELS_DIALECT_OPENCL_H
#define LOP_KERNELS_DIALECT_OPENCL_H

#pragma OPENCL FP_CONTRACT ON

typedef uchar u8;
typedef ushort u16;
typedef uint u32;
typedef ulong u64;
typedef int i32;
typedef long i64;
typedef float f32;
typedef half f16;
typedef ushort bf16; /* bit pattern */
typedef float pack1;
typedef float8 pack8;

#define KERNEL(name)       __kernel void NAME(name)
#define HERE               __local pack8 *lop_local __attribute__((unused)), /* the type says how it is aligned */
#define FN                 static inline
#define GLOBAL             __global
#define LOCAL              __local
#define LOCAL_PTR(T)       __local T *
#define LOCAL_ROW(T, name) __local T *const name = (__local T *)lop_local
#define LOCAL_ADD(p, v)    ((void)atomic_add((p), (v)))
#define GLOBAL_ADD(p, v)   ((void)atomic_add((p), (v)))
#define LANE               ((int)get_local_id(0))
#define LANES              ((int)get_local_size(0))
#define GROUP              ((int)get_group_id(0))
#define BARRIER            barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE)
#define SCRATCH            LOCAL u32 lop_scratch[LOP_LANES_MAX]
#define SCRATCH_ARG        LOCAL_PTR(u32) lop_scratch
#define LOP_SIMD()
#define LOP_SIMD_MIN(m)
#define LOP_SIMD_MAX(m)
#define f_exp                           exp
#define f_log                           log
#define f_erf                           erf
#define f_sqrt                          sqrt
#define f_rsqrt                         rsqrt
#define f_abs                           fabs
#define f_max                           fmax
#define f_bits                          as_uint
#define f_from                          as_float
#define EACH_PACK_SUM(i, from, to, sum) LOP_EACH_PACK(i, from, to)
#define EACH_SUM(i, n, sum)             LOP_EACH(i, n)
#define OWN_PACKS(name)                 PACK name
#define OWN(name, c)                    name
#define EACH_SPAN(at, n)                for (int at = PACKS * LANE; at < (n); at += PACKS * LANES)
#define EACH_OWN(c, at, n)              for (int c = (at); c == (at); c++)
#define UNROLLED(n)
#define ROLLED(n)
#define EXP_IS_DEAR 0

#define f_is_zero(v)       LOP_CAT(lop_is_zero_, PACKS)(v)
#define f_is_not_finite(v) LOP_CAT(lop_is_not_finite_, PACKS)(v)
FN float lop_is_zero_1(float v) /* 1 or 0 */
{
    return v == 0.0f ? 1.0f : 0.0f;
}
FN float8 lop_is_zero_8(float8 v)
{
    return select((float8)(0.0f), (float8)(1.0f), v == 0.0f);
}
FN float lop_is_not_finite_1(float v) /* 1 for NaN and infinities, else 0 */
{
    return (as_uint(v) & 0x7f800000u) == 0x7f800000u ? 1.0f : 0.0f;
}
FN float8 lop_is_not_finite_8(float8 v)
{
    return select((float8)(0.0f), (float8)(1.0f), (as_uint8(v) & 0x7f800000u) == 0x7f800000u);
}
#define f_pick(a, b, x, y) LOP_CAT(lop_pick_, PACKS)((a), (b), (x), (y))
FN float lop_pick_1(float a, float b, float x, float y) /* x where a < b, else y */
{
    return a < b ? x : y;
}
FN float8 lop_pick_8(float8 a, float8 b, float8 x, float8 y)
{
    return select(y, x, a < b);
}
FN float lop_kept_1(float v, u32 bits)
{
    return (bits & 0x80u) != 0u ? v : 0.0f;
}
FN float8 lop_kept_8(float8 v, u32 bits)
{
    return select((float8)(0.0f), v, (bits & (uint8)(0x80, 0x40, 0x20, 0x10, 8, 4, 2, 1)) != 0u);
}

#define lop_where_1(v, i, from, to, other) (v)
FN float8 lop_where_8(float8 v, int i, int from, int to, float other)
{
    const int8 at = i + (int8)(0, 1, 2, 3, 4, 5, 6, 7);
    return select((float8)(other), v, (at >= from) & (at < to));
}

#define load_f32_1(p)     (*(p))
#define load_f16_1(p)     vload_half(0, (p))
#define load_bf16_1(p)    as_float((u32) * (p) << 16)
#define store_f32_1(p, v) ((void)(*(p) = (v)))
#define store_f16_1(p, v) vstore_half_rte((v), 0, (p))
#define load_f16_8(p)     vload_half8(0, (p))
#define store_f16_8(p, v) vstore_half8_rte((v), 0, (p))

FN void store_bf16_1(GLOBAL bf16 *p, float v) /* to nearest even; NaN stays NaN */
{
    const u32 u = as_uint(v), rounded = u + 0x7fffu + ((u >> 16) & 1u);
    *p = (bf16)((isnan(v) ? u | 0x400000u : rounded) >> 16);
}
FN float8 load_f32_8(GLOBAL const f32 *p)
{
    return (float8)(((GLOBAL const float4 *)p)[0], ((GLOBAL const float4 *)p)[1]);
}
FN void store_f32_8(GLOBAL f32 *p, float8 v)
{
    ((GLOBAL float4 *)p)[0] = v.lo;
    ((GLOBAL float4 *)p)[1] = v.hi;
}
FN float8 load_bf16_8(GLOBAL const bf16 *p)
{
    return as_float8(convert_uint8(*(GLOBAL const ushort8 *)p) << 16);
}
FN void store_bf16_8(GLOBAL bf16 *p, float8 v)
{
    const uint8 u = as_uint8(v), rounded = u + 0x7fffu + ((u >> 16) & 1u);
    *(GLOBAL ushort8 *)p = convert_ushort8(select(rounded, u | 0x400000u, isnan(v)) >> 16);
}

FN int lop_find_1(float v, float x)
{
    return v == x ? 0 : 1;
}
FN int lop_find_8(float8 v, float x)
{
    const int8 at = select((int8)(8), (int8)(0, 1, 2, 3, 4, 5, 6, 7), v == x);
    const int4 h = min(at.lo, at.hi);
    return min(min(h.x, h.y), min(h.z, h.w));
}
FN void keys(GLOBAL const f32 *p, u32 *key)
{
    vstore8(as_uint8(load_f32_8(p)), 0, key);
}

#define lop_total_1(v) (v)
#define lop_top_1(v)   (v)
FN float lop_total_8(float8 v)
{
    const float4 h = v.lo + v.hi;
    return (h.x + h.y) + (h.z + h.w);
}
FN float lop_top_8(float8 v)
{
    const float4 h = fmax(v.lo, v.hi);
    return fmax(fmax(h.x, h.y), fmax(h.z, h.w));
}

/* Meetings of a group over a fixed tree: the same input gives the same bits on the same device. */
FN float lop_meet(float v, LOCAL_PTR(u32) s, bool top)
{
    s[LANE] = as_uint(v);
    BARRIER;
    for (int h = LANES / 2; h > 0; h /= 2) {
        if (LANE < h) {
            const float a = as_float(s[LANE]), b = as_float(s[LANE + h]);
            s[LANE] = as_uint(top ? fmax(a, b) : a + b);
        }
        BARRIER;
    }
    v = as_float(s[0]);
    BARRIER;
    return v;
}
FN int lop_least(int v, LOCAL_PTR(u32) s)
{
    s[LANE] = (u32)v;
    BARRIER;
    for (int h = LANES / 2; h > 0; h /= 2) {
        if (LANE < h) s[LANE] = (u32)min((int)s[LANE], (int)s[LANE + h]);
        BARRIER;
    }
    v = (int)s[0];
    BARRIER;
    return v;
}
/* The sum of v over the lanes before this one, or over all of them. */
FN u32 lop_prefix(u32 v, LOCAL_PTR(u32) s, bool all)
{
    s[LANE] = v;
    BARRIER;
    for (int h = 1; h < LANES; h *= 2) {
        const u32 before = LANE >= h ? s[LANE - h] : 0u;
        BARRIER;
        s[LANE] += before;
        BARRIER;
    }
    const u32 sum = all ? s[LANES - 1] : s[LANE] - v;
    BARRIER;
    return sum;
}
#define GROUP_SUM(v)     lop_meet(LOP_CAT(lop_total_, PACKS)(v), lop_scratch, false)
#define GROUP_MAX(v)     lop_meet(LOP_CAT(lop_top_, PACKS)(v), lop_scratch, true)
#define GROUP_MIN_INT(v) lop_least((v), lop_scratch)
#define GROUP_COUNT(v)   lop_prefix((v), lop_scratch, true)
#define GROUP_BEFORE(v)  lop_prefix((v), lop_scratch, false)

#endif
