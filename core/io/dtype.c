/* dtype.c - the table of element types, and conversions between the plain ones. Quantised groups are decoded in
 * dtype_quant.c; here they only take part as a source.
 *
 * The loops compute every case of an element and choose by masks, so that a compiler turns them into vector code on the
 * plainest x86-64; no step meets a subnormal f32 product, which some processors do slowly and some modes flush. */
#include "core/io/dtype.h"

#include "core/io/dtype_quant.h"

#include <assert.h>
#include <string.h>

#define PIECE 1024 /* elements that pass through f32 at a time: a multiple of every group */

typedef struct dtype_row {
    const char *name;
    int32_t gguf; /* -1: none */
    const char *safetensors;
    size_t bytes, elements; /* of a group */
} dtype_row;

static const dtype_row rows[LOP_DTYPE_COUNT] = {
#define LOP_DTYPE_ROW(name, gguf, text, bytes, elements) {#name, gguf, text, bytes, elements},
    LOP_DTYPE_LIST(LOP_DTYPE_ROW)
#undef LOP_DTYPE_ROW
};

const char *lop_dtype_name(lop_dtype dtype)
{
    return rows[dtype].name;
}

size_t lop_dtype_group_bytes(lop_dtype dtype)
{
    return rows[dtype].bytes;
}

size_t lop_dtype_group_elements(lop_dtype dtype)
{
    return rows[dtype].elements;
}

bool lop_dtype_is_quantised(lop_dtype dtype)
{
    return rows[dtype].elements > 1;
}

bool lop_dtype_is_float(lop_dtype dtype)
{
    const bool plain = dtype == LOP_DTYPE_F32 || dtype == LOP_DTYPE_F16 || dtype == LOP_DTYPE_BF16;
    return plain || lop_dtype_is_quantised(dtype);
}

bool lop_dtype_from_gguf(uint32_t number, lop_dtype *out)
{
    for (int i = 0; i < LOP_DTYPE_COUNT; i++) {
        if (rows[i].gguf < 0 || (uint32_t)rows[i].gguf != number) continue;
        *out = (lop_dtype)i;
        return true;
    }
    return false;
}

uint32_t lop_dtype_gguf(lop_dtype dtype)
{
    return (uint32_t)rows[dtype].gguf;
}

lop_dtype lop_dtype_chosen(const char *choice)
{
    if (strcmp(choice, "f16") == 0) return LOP_DTYPE_F16;
    return strcmp(choice, "bf16") == 0 ? LOP_DTYPE_BF16 : LOP_DTYPE_F32;
}

bool lop_dtype_from_safetensors(const char *name, lop_dtype *out)
{
    for (int i = 0; i < LOP_DTYPE_COUNT; i++) {
        if (rows[i].safetensors[0] == '\0' || strcmp(rows[i].safetensors, name) != 0) continue;
        *out = (lop_dtype)i;
        return true;
    }
    return false;
}

size_t lop_dtype_bytes(lop_dtype dtype, uint64_t elements)
{
    assert(elements % rows[dtype].elements == 0);
    return (size_t)elements / rows[dtype].elements * rows[dtype].bytes;
}

static inline uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint32_t choose(bool first, uint32_t a, uint32_t b)
{
    const uint32_t mask = 0u - (uint32_t)first;
    return (a & mask) | (b & ~mask);
}

/* A subnormal half m * 2^-24 is (2^-14 + m * 2^-24) - 2^-14, both terms normal in f32 and the difference exact. */
static inline float half_to_float(uint16_t half)
{
    const uint32_t rest = (half & 0x7fffu)
                          << 13; /* exponent and mantissa where f32 has them, bias not yet moved */
    const uint32_t sign = (half & 0x8000u) << 16;
    const uint32_t normal = rest + ((127u - 15u) << 23);
    const uint32_t special = rest | 0x7f800000u; /* infinities, and NaN with its payload */
    const uint32_t small = bits_of(float_of(rest + ((128u - 15u) << 23)) - 0x1p-14f);
    const uint32_t finite = choose((int32_t)rest < 0x00800000, small, normal);
    return float_of(sign | choose((int32_t)rest >= 0x0f800000, special, finite));
}

/* Below 2^-14, adding 0.5 puts the half's last bit on the f32's last bit and the addition itself rounds to even. */
static inline uint16_t float_to_half(float value)
{
    const uint32_t bits = bits_of(value);
    const uint32_t sign = (bits >> 16) & 0x8000u;
    const uint32_t rest = bits & 0x7fffffffu;
    const uint32_t even = (rest >> 13) & 1u;
    const uint32_t normal =
        (rest - ((127u - 15u) << 23) + 0xfffu + even) >> 13; /* 65520 and more carry to infinity */
    const uint32_t small = bits_of(float_of(rest) + 0.5f) - 0x3f000000u;
    const uint32_t nan = 0x7e00u | ((rest >> 13) & 0x3ffu);
    const uint32_t special = choose((int32_t)rest > 0x7f800000, nan, 0x7c00u);
    const uint32_t finite = choose((int32_t)rest < 0x38800000, small, normal);
    return (uint16_t)(sign | choose((int32_t)rest >= 0x47800000, special, finite));
}

/* A NaN whose payload lies in the low half only would round to infinity, so NaN is made quiet instead of rounded. */
static inline uint16_t float_to_brain(float value)
{
    const uint32_t bits = bits_of(value);
    const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    const uint32_t nan = (bits >> 16) | 0x40u;
    return (uint16_t)choose((int32_t)(bits & 0x7fffffffu) > 0x7f800000, nan, rounded);
}

static inline float brain_to_float(uint16_t bits)
{
    return float_of((uint32_t)bits << 16);
}

float lop_f16_to_f32(uint16_t bits)
{
    return half_to_float(bits);
}

uint16_t lop_f32_to_f16(float value)
{
    return float_to_half(value);
}

float lop_bf16_to_f32(uint16_t bits)
{
    return brain_to_float(bits);
}

uint16_t lop_f32_to_bf16(float value)
{
    return float_to_brain(value);
}

static inline uint16_t load_word(const unsigned char *from, size_t i)
{
    uint16_t word;
    memcpy(&word, from + i * sizeof word, sizeof word);
    return word;
}

static inline float load_float(const unsigned char *from, size_t i)
{
    float value;
    memcpy(&value, from + i * sizeof value, sizeof value);
    return value;
}

static void widen_half(const unsigned char *restrict from, float *restrict to, size_t n)
{
    for (size_t i = 0; i < n; i++) to[i] = half_to_float(load_word(from, i));
}

static void widen_brain(const unsigned char *restrict from, float *restrict to, size_t n)
{
    for (size_t i = 0; i < n; i++) to[i] = brain_to_float(load_word(from, i));
}

static void narrow_half(const unsigned char *restrict from, uint16_t *restrict to, size_t n)
{
    for (size_t i = 0; i < n; i++) to[i] = float_to_half(load_float(from, i));
}

static void narrow_brain(const unsigned char *restrict from, uint16_t *restrict to, size_t n)
{
    for (size_t i = 0; i < n; i++) to[i] = float_to_brain(load_float(from, i));
}

static void to_floats(lop_dtype type, const unsigned char *from, float *to, size_t n)
{
    if (type == LOP_DTYPE_F16)
        widen_half(from, to, n);
    else if (type == LOP_DTYPE_BF16)
        widen_brain(from, to, n);
    else
        lop_dequantise(type, from, to, n / rows[type].elements);
}

static void from_floats(lop_dtype type, const unsigned char *from, void *to, size_t n)
{
    if (type == LOP_DTYPE_F16)
        narrow_half(from, to, n);
    else
        narrow_brain(from, to, n);
}

void lop_dtype_convert(lop_dtype from_type, const void *from, lop_dtype to_type, void *to, size_t elements)
{
    assert(lop_dtype_is_float(from_type) && lop_dtype_is_float(to_type) && !lop_dtype_is_quantised(to_type));
    assert(elements % rows[from_type].elements == 0);
    const unsigned char *source = from;
    unsigned char *target = to;
    if (elements == 0) return;
    if (from_type == to_type) {
        memcpy(to, from, elements * rows[to_type].bytes);
    } else if (to_type == LOP_DTYPE_F32) {
        to_floats(from_type, source, to, elements);
    } else if (from_type == LOP_DTYPE_F32) {
        from_floats(to_type, source, to, elements);
    } else {
        float piece[PIECE];
        for (size_t first = 0; first < elements; first += PIECE) {
            const size_t n = elements - first < PIECE ? elements - first : PIECE;
            to_floats(from_type, source + lop_dtype_bytes(from_type, first), piece, n);
            from_floats(to_type, (const unsigned char *)piece, target + lop_dtype_bytes(to_type, first), n);
        }
    }
}
