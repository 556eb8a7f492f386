/* words.c - elements of every lop_type to double and back. */
#include "tests/harness/words.h"

#include <math.h>
#include <string.h>

const ref_word *word_of(lop_type type)
{
    if (type == LOP_F32) return &ref_f32;
    if (type == LOP_F16) return &ref_f16;
    return type == LOP_BF16 ? &ref_bf16 : NULL;
}

static double f16_get(uint16_t bits)
{
    const int exponent = bits >> 10 & 31, fraction = bits & 1023;
    double value = 0.0;
    if (exponent == 31) {
        value = fraction == 0 ? (double)INFINITY : (double)NAN;
    } else {
        value = exponent == 0 ? ldexp(fraction, -24) : ldexp(1024 + fraction, exponent - 25);
    }
    return bits & 0x8000 ? -value : value;
}

static uint16_t f16_put(double value)
{
    const double r = fabs(ref_word_round(&ref_f16, value));
    const unsigned sign = signbit(value) ? 0x8000u : 0u;
    if (isnan(r)) return 0x7e00;
    if (isinf(r)) return (uint16_t)(sign | 0x7c00u);
    if (r < 0x1p-14) return (uint16_t)(sign | (unsigned)(r * 0x1p24));
    const int exponent = ilogb(r);
    return (uint16_t)(sign | (unsigned)(exponent + 15) << 10 | ((unsigned)ldexp(r, 10 - exponent) & 1023u));
}

static float bf16_get(uint16_t bits)
{
    const uint32_t wide = (uint32_t)bits << 16;
    float value = 0.0f;
    memcpy(&value, &wide, sizeof value);
    return value;
}

static uint16_t bf16_put(double value)
{
    const float rounded = (float)ref_word_round(&ref_bf16, value);
    uint32_t bits = 0;
    memcpy(&bits, &rounded, sizeof bits);
    return (uint16_t)(bits >> 16);
}

#define GET(T)                                                                                               \
    do {                                                                                                     \
        T value;                                                                                             \
        memcpy(&value, at, sizeof value);                                                                    \
        return (double)value;                                                                                \
    } while (0)

#define PUT(T, v)                                                                                            \
    do {                                                                                                     \
        const T stored = (T)(v);                                                                             \
        memcpy(at, &stored, sizeof stored);                                                                  \
        return;                                                                                              \
    } while (0)

double word_get(lop_type type, const void *at)
{
    uint16_t half = 0;
    switch (type) {
    case LOP_F32:
        GET(float);
    case LOP_F64:
        GET(double);
    case LOP_U8:
        GET(uint8_t);
    case LOP_U16:
        GET(uint16_t);
    case LOP_U32:
        GET(uint32_t);
    case LOP_I32:
        GET(int32_t);
    case LOP_I64:
        GET(int64_t);
    case LOP_F16:
        memcpy(&half, at, sizeof half);
        return f16_get(half);
    case LOP_BF16:
        break;
    }
    memcpy(&half, at, sizeof half);
    return (double)bf16_get(half);
}

void word_put(lop_type type, double value, void *at)
{
    switch (type) {
    case LOP_F32:
        PUT(float, value);
    case LOP_F64:
        PUT(double, value);
    case LOP_U8:
        PUT(uint8_t, value);
    case LOP_U16:
        PUT(uint16_t, value);
    case LOP_U32:
        PUT(uint32_t, value);
    case LOP_I32:
        PUT(int32_t, value);
    case LOP_I64:
        PUT(int64_t, value);
    case LOP_F16:
        PUT(uint16_t, f16_put(value));
    case LOP_BF16:
        PUT(uint16_t, bf16_put(value));
    }
}
