/* dialect.h - the words in which every kernel is written. The same text is OpenCL C 1.2, CUDA C++ and C11.
 *
 * A kernel is a loop of ONE GROUP over ONE ROW (or one tile): the group's lanes stride over the contiguous dimension
 * and meet in GROUP_SUM, GROUP_MAX, GROUP_COUNT. On the CPU a group has one lane, so the text is an ordinary loop.
 *
 *   WORD        the storage word of this instance: f32, f16 or bf16. Arithmetic is always in float.
 *   PACKS, PACK how many neighbours a lane takes in one access, 1 or 8, and the type that holds them: `float`, or eight
 *               floats with the operators of one. Narrow and wide instances are the same text with another PACKS. The
 *               CPU has PACKS 1 alone: there `omp simd` makes vectors of whatever width the processor has.
 *   KERNEL(n)(HERE ...)  a kernel; HERE stands before its arguments for what a language adds to them.
 *   GROUP_SUM   of PACKs: a float given to it counts PACKS times, for it becomes a pack of equal ones first.
 *   LOCAL_ADD, GLOBAL_ADD  integers that several lanes, or several groups, add up: in any order the same sum.
 *   LOCAL_ROW(T, n)  local memory that the launch gives. A kernel that has it also has an array of its own in LOCAL
 *               memory: NVIDIA's OpenCL (driver 580) loses the device over one whose only local memory is an argument.
 *   NAME(n)     n with the instance's word and pack in it. Kernels get it by themselves, helper functions (FN) ask.
 *
 * What may not be in a kernel: float atomics, a return before a BARRIER, a LOCAL array outside the kernel's first scope,
 * recursion, an integer result that depends on LANES. Compile flags must not reassociate: EACH_PACK_SUM says where the
 * compiler may. */
#ifndef LOP_KERNELS_DIALECT_H
#define LOP_KERNELS_DIALECT_H

#define LOP_LANES_MAX 512 /* the widest group a launch asks for; a power of two */

#define LOP_CAT_(a, b)      a##b
#define LOP_CAT(a, b)       LOP_CAT_(a, b)
#define LOP_NAME__(n, w, p) n##_##w##_##p
#define LOP_NAME_(n, w, p)  LOP_NAME__(n, w, p)
#define NAME(n)             LOP_NAME_(n, WORD, PACKS)
#define PACK                LOP_CAT(pack, PACKS)

/* 1 in the instances whose storage loses nothing: what was stored may be read back instead of computed again. */
#define LOP_EXACT_f32  1
#define LOP_EXACT_f16  0
#define LOP_EXACT_bf16 0
#define STORE_EXACT    LOP_CAT(LOP_EXACT_, WORD)

#if defined(__OPENCL_C_VERSION__)
#include "kernels/dialect_opencl.h"
#elif defined(__CUDACC__)
#include "kernels/dialect_cuda.h"
#else
#include "kernels/dialect_c11.h"
#endif

#define MINUS_INFINITY f_from(0xff800000u)
#define PLUS_INFINITY  f_from(0x7f800000u)

/* A matrix argument: base, element offset, row stride. The launcher passes the three together. */
#define IN(T, m)  GLOBAL const T *restrict m, const i64 m##_at, const int m##_ld
#define OUT(T, m) GLOBAL T *restrict m, const i64 m##_at, const int m##_ld
#define ROW(m, r) ((m) + m##_at + (i64)(r)*m##_ld)

/* One PACK of storage words to floats and back, from element i of a row: in this instance's word, or in word T. */
#define LOAD_OF(T, p, i)     LOP_NAME_(load, T, PACKS)((p) + (i))
#define STORE_OF(T, p, i, v) LOP_NAME_(store, T, PACKS)((p) + (i), (v))
#define LOAD(p, i)           LOAD_OF(WORD, p, i)
#define STORE(p, i, v)       STORE_OF(WORD, p, i, v)
#define LOAD1(p, i)          LOP_NAME_(load, WORD, 1)((p) + (i))
#define STORE1(p, i, v)      LOP_NAME_(store, WORD, 1)((p) + (i), (v))

/* The elements of a pack at column i that lie in [from, to), and `other` for the rest. */
#define PACK_WHERE(v, i, from, to, other) LOP_CAT(lop_where_, PACKS)((v), (i), (from), (to), (other))
/* Which element of a pack is x, the first if several are; PACKS if none is. */
#define PACK_FIND(v, x) LOP_CAT(lop_find_, PACKS)((v), (x))

/* The bits of eight neighbouring floats, read at once: keys(p, key) fills u32 key[8]. Only where PACKS is 8. */

/* The elements of a pack whose keep bits are 1, the first the bit of value 128, and +0 for the rest. */
#define PACK_KEPT(v, bits) LOP_CAT(lop_kept_, PACKS)((v), (bits))
#define PACK_DOWN(i)       ((i) / PACKS * PACKS)
#define PACK_UP(i)         (((i) + PACKS - 1) / PACKS * PACKS)

/* Loops of lanes over columns [0, n): EACH where the turns are independent, EACH_TURN where they are not (a count in
 * local memory), EACH_MAX where they meet in a largest. */
#define LOP_EACH(i, n)      for (int i = LANE; i < (n); i += LANES)
#define EACH_TURN(i, n)     LOP_EACH(i, n)
#define EACH(i, n)          LOP_SIMD() LOP_EACH(i, n)
#define EACH_MAX(i, n, top) LOP_SIMD_MAX(top) LOP_EACH(i, n)

/* Loops of lanes over the packs of columns [from, to); `from` is rounded down to a whole pack, the last pack may reach
 * past `to`. _SUM, _MAX and _MIN: the turns meet in one accumulator, in any order. */
#define LOP_EACH_PACK(i, from, to)      for (int i = PACK_DOWN(from) + PACKS * LANE; i < (to); i += PACKS * LANES)
#define EACH_PACK(i, from, to)          LOP_SIMD() LOP_EACH_PACK(i, from, to)
#define EACH_PACK_MAX(i, from, to, top) LOP_SIMD_MAX(top) LOP_EACH_PACK(i, from, to)
#define EACH_PACK_MIN(i, from, to, low) LOP_SIMD_MIN(low) LOP_EACH_PACK(i, from, to)

/* Rows met one after the other, each lane keeping what is its own of them: EACH_SPAN goes over the columns [0, n), a pack
 * a lane at a time, EACH_OWN over what of a span is this lane's, and OWN is its place among the OWN_PACKS. A lane's own is
 * one pack in registers; the CPU's one lane owns all columns, in local memory. */

/* Rows of parts: the lanes form teams just wide enough for the packs of one part of `width` columns; EACH_TEAM shares
 * the parts among teams, EACH_TEAM_PACK one part among the lanes of a team, EACH_TEAM_PACK_TO its first n columns. */
#define LOP_TEAM(width) ((width) / PACKS < LANES ? (width) / PACKS : LANES)
#define EACH_TEAM(h, parts, width)                                                                           \
    for (int h = LANE / LOP_TEAM(width) < LANES / LOP_TEAM(width) ? LANE / LOP_TEAM(width) : (parts);        \
         h < (parts); h += LANES / LOP_TEAM(width))
#define EACH_TEAM_PACK_TO(i, n, width)                                                                       \
    LOP_SIMD() for (int i = PACKS * (LANE % LOP_TEAM(width)); i < (n); i += PACKS * LOP_TEAM(width))
#define EACH_TEAM_PACK(i, width) EACH_TEAM_PACK_TO(i, width, width)

/* UNROLLED(n) before a loop asks for n turns at a time where lanes share a row; ROLLED(n), before one of n turns within an
 * element, keeps it a loop there, for the sake of the code's size, and takes it apart on the CPU. */

#define i_min(a, b) ((a) < (b) ? (a) : (b))
#define i_max(a, b) ((a) > (b) ? (a) : (b))

#include "kernels/twofold.h"

#endif
