/* dtype_quant.c - GGUF's quantised groups to f32, one function a type.
 *
 * A group of the plain kinds (Q4_0 ... Q8_0) is 32 elements: f16 scale d, then an f16 minimum m where the name ends in
 * _1, then 32 high bits where elements have five, then the low bits. Elements 0 to 15 lie in the low halves of the 16
 * bytes, elements 16 to 31 in the high halves.
 * A group of the K kinds is 256 elements with one pair of f16 scales and, per 32 (Q6_K: 16) elements, small integer
 * scales that multiply them. Products are taken in f32 in the order written here, so that results are the same bits as
 * those of ggml's own plain code.
 *
 * Source: ggml's block layouts (block_q4_0 ... block_q6_K), derived again here. */
#include "core/io/dtype_quant.h"

#include <assert.h>
#include <string.h>

typedef void group_fn(const unsigned char *restrict g, float *restrict to);

static inline float scale_at(const unsigned char *g, size_t at)
{
    uint16_t half;
    memcpy(&half, g + at, sizeof half);
    return lop_f16_to_f32(half);
}

static inline uint32_t word_at(const unsigned char *g, size_t at)
{
    uint32_t word;
    memcpy(&word, g + at, sizeof word);
    return word;
}

/* d f16, 16 bytes of q: d (q - 8) */
static void group_q4_0(const unsigned char *restrict g, float *restrict to)
{
    const float d = scale_at(g, 0);
    for (int i = 0; i < 16; i++) {
        to[i] = d * (float)((g[2 + i] & 15) - 8);
        to[i + 16] = d * (float)((g[2 + i] >> 4) - 8);
    }
}

/* d f16, m f16, 16 bytes of q: d q + m */
static void group_q4_1(const unsigned char *restrict g, float *restrict to)
{
    const float d = scale_at(g, 0), m = scale_at(g, 2);
    for (int i = 0; i < 16; i++) {
        to[i] = d * (float)(g[4 + i] & 15) + m;
        to[i + 16] = d * (float)(g[4 + i] >> 4) + m;
    }
}

/* d f16, 32 fifth bits, 16 bytes of q: d (q - 16) */
static void group_q5_0(const unsigned char *restrict g, float *restrict to)
{
    const float d = scale_at(g, 0);
    const uint32_t high = word_at(g, 2);
    for (int i = 0; i < 16; i++) {
        const int low_fifth = (int)(high >> i & 1) << 4, high_fifth = (int)(high >> (i + 16) & 1) << 4;
        to[i] = d * (float)(((g[6 + i] & 15) | low_fifth) - 16);
        to[i + 16] = d * (float)(((g[6 + i] >> 4) | high_fifth) - 16);
    }
}

/* d f16, m f16, 32 fifth bits, 16 bytes of q: d q + m */
static void group_q5_1(const unsigned char *restrict g, float *restrict to)
{
    const float d = scale_at(g, 0), m = scale_at(g, 2);
    const uint32_t high = word_at(g, 4);
    for (int i = 0; i < 16; i++) {
        const int low_fifth = (int)(high >> i & 1) << 4, high_fifth = (int)(high >> (i + 16) & 1) << 4;
        to[i] = d * (float)((g[8 + i] & 15) | low_fifth) + m;
        to[i + 16] = d * (float)((g[8 + i] >> 4) | high_fifth) + m;
    }
}

/* d f16, 32 signed bytes: d q */
static void group_q8_0(const unsigned char *restrict g, float *restrict to)
{
    const float d = scale_at(g, 0);
    for (int i = 0; i < 32; i++) to[i] = (float)(int8_t)g[2 + i] * d;
}

/* Eight 6-bit scales and eight 6-bit minima lie in 12 bytes: those of runs 0 to 3 in the low six bits of bytes 0 to 3
 * and 4 to 7; of runs 4 to 7 the low four bits in bytes 8 to 11 and the high two on top of bytes 0 to 7. */
static void scales_of_run(const unsigned char *s, int run, int *scale, int *minimum)
{
    if (run < 4) {
        *scale = s[run] & 63;
        *minimum = s[run + 4] & 63;
    } else {
        *scale = (s[run + 4] & 15) | (s[run - 4] >> 6) << 4;
        *minimum = (s[run + 4] >> 4) | (s[run] >> 6) << 4;
    }
}

/* Runs 2k and 2k + 1 are the low and high halves of the k-th 32 bytes of q. The fifth bit of element i of run r is bit
 * r of byte i of `high`; Q4_K has none and passes NULL. */
static void runs_of_32(const unsigned char *restrict g, const unsigned char *restrict high,
                       const unsigned char *restrict q, float *restrict to)
{
    const float d = scale_at(g, 0), d_minimum = scale_at(g, 2);
    for (size_t run = 0; run < 8; run++) {
        int scale, minimum;
        scales_of_run(g + 4, (int)run, &scale, &minimum);
        const float step = d * (float)scale, base = d_minimum * (float)minimum;
        const unsigned char *low = q + run / 2 * 32;
        const int shift = (int)run % 2 * 4;
        if (high == NULL)
            for (size_t i = 0; i < 32; i++) to[run * 32 + i] = step * (float)(low[i] >> shift & 15) - base;
        else
            for (size_t i = 0; i < 32; i++)
                to[run * 32 + i] = step * (float)((low[i] >> shift & 15) | (high[i] >> run & 1) << 4) - base;
    }
}

/* d f16, d_minimum f16, 12 bytes of scales, 128 bytes of q */
static void group_q4_k(const unsigned char *restrict g, float *restrict to)
{
    runs_of_32(g, NULL, g + 16, to);
}

/* d f16, d_minimum f16, 12 bytes of scales, 32 bytes of fifth bits, 128 bytes of q */
static void group_q5_k(const unsigned char *restrict g, float *restrict to)
{
    runs_of_32(g, g + 16, g + 48, to);
}

/* 128 bytes of low four bits, 64 bytes of high two bits, 16 signed scales, d f16: d scale (q - 32).
 * Each half of 128 elements is four runs of 32: low bits from the low halves of two stretches of 32 bytes, then from
 * their high halves; high bits of run r are bits 2r and 2r + 1 of the half's 32 bytes. */
static void group_q6_k(const unsigned char *restrict g, float *restrict to)
{
    const float d = scale_at(g, 208);
    for (size_t run = 0; run < 8; run++) {
        const size_t half = run / 4, quarter = run % 4;
        const unsigned char *low = g + half * 64 + quarter % 2 * 32, *high = g + 128 + half * 32;
        const float step[2] = {d * (float)(int8_t)g[192 + run * 2], d * (float)(int8_t)g[193 + run * 2]};
        for (size_t i = 0; i < 32; i++) {
            const int q = (low[i] >> (quarter / 2 * 4) & 15) | (high[i] >> (quarter * 2) & 3) << 4;
            to[run * 32 + i] = step[i / 16] * (float)(q - 32);
        }
    }
}

static group_fn *group_of(lop_dtype type)
{
    switch (type) {
    case LOP_DTYPE_Q4_0:
        return group_q4_0;
    case LOP_DTYPE_Q4_1:
        return group_q4_1;
    case LOP_DTYPE_Q5_0:
        return group_q5_0;
    case LOP_DTYPE_Q5_1:
        return group_q5_1;
    case LOP_DTYPE_Q8_0:
        return group_q8_0;
    case LOP_DTYPE_Q4_K:
        return group_q4_k;
    case LOP_DTYPE_Q5_K:
        return group_q5_k;
    case LOP_DTYPE_Q6_K:
        return group_q6_k;
    default:
        return NULL;
    }
}

void lop_dequantise(lop_dtype type, const unsigned char *from, float *to, size_t groups)
{
    const size_t bytes = lop_dtype_group_bytes(type), elements = lop_dtype_group_elements(type);
    group_fn *decode = group_of(type);
    assert(decode != NULL);
    for (size_t i = 0; i < groups; i++) decode(from + i * bytes, to + i * elements);
}
