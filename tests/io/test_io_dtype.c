/* test_io_dtype.c - element types against references in double precision, and quantised groups against vectors. */
#include "core/io/dtype.h"

#include "tests/io/io_groups.h"
#include "tests/io/quant_vectors.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* A 16-bit format by its field widths: what a word stands for, and the word nearest to a value. */
typedef struct format {
    int exponent_bits, mantissa_bits;
} format;
static const format half = {5, 10}, brain = {8, 7};

static double value_of(format f, uint16_t word)
{
    const int bias = (1 << (f.exponent_bits - 1)) - 1;
    const int exponent = word >> f.mantissa_bits & ((1 << f.exponent_bits) - 1);
    const int mantissa = word & ((1 << f.mantissa_bits) - 1);
    double value = exponent ? ldexp((1 << f.mantissa_bits) + mantissa, exponent - bias - f.mantissa_bits)
                            : ldexp(mantissa, 1 - bias - f.mantissa_bits);
    if (exponent == (1 << f.exponent_bits) - 1) value = mantissa ? NAN : INFINITY;
    return word >> 15 ? -value : value;
}

/* In steps of the last place that the value's own binade has, rounded to even by rint. NaN is not for this. */
static uint16_t word_of(format f, double value)
{
    const int bias = (1 << (f.exponent_bits - 1)) - 1;
    const uint16_t sign = signbit(value) ? 0x8000 : 0;
    const double size = fabs(value);
    const uint16_t infinite = (uint16_t)(((1 << f.exponent_bits) - 1) << f.mantissa_bits);
    if (isinf(size)) return sign | infinite;
    int exponent = size > 0 ? ilogb(size) : 1 - bias;
    if (exponent < 1 - bias) exponent = 1 - bias;
    const double steps = rint(ldexp(size, f.mantissa_bits - exponent));
    const double word =
        ldexp(exponent + bias - 1, f.mantissa_bits) + steps; /* the carry moves into the exponent */
    return (uint16_t)(sign | (word >= infinite ? infinite : (uint16_t)word));
}

static void every_word_widens(void **state)
{
    (void)state;
    for (uint32_t word = 0; word <= 0xffff; word++) {
        const double h = value_of(half, (uint16_t)word), b = value_of(brain, (uint16_t)word);
        const float h32 = lop_f16_to_f32((uint16_t)word), b32 = lop_bf16_to_f32((uint16_t)word);
        if (isnan(h) ? !isnan(h32) : bits_of(h32) != bits_of((float)h)) fail_msg("f16 %04x", word);
        if (isnan(b) ? !isnan(b32) : bits_of(b32) != bits_of((float)b)) fail_msg("bf16 %04x", word);
        if (!isnan(h)) assert_int_equal(lop_f32_to_f16(h32), word);
        if (!isnan(b)) assert_int_equal(lop_f32_to_bf16(b32), word);
    }
}

static void check_narrow(uint32_t bits)
{
    const float value = float_of(bits);
    const uint16_t h = lop_f32_to_f16(value), b = lop_f32_to_bf16(value);
    if (isnan(value)) {
        if (!isnan(value_of(half, h)) || !isnan(value_of(brain, b))) fail_msg("NaN %08x is lost", bits);
        if (h >> 15 != bits >> 31 || b >> 15 != bits >> 31) fail_msg("the sign of NaN %08x is lost", bits);
        return;
    }
    if (h != word_of(half, (double)value)) fail_msg("f32 %08x gives f16 %04x", bits, h);
    if (b != word_of(brain, (double)value)) fail_msg("f32 %08x gives bf16 %04x", bits, b);
}

/* Between every two neighbouring halves: their middle, and the floats just beside it. */
static void middles_round_to_even(void **state)
{
    (void)state;
    for (uint32_t word = 0; word < 0x7c00; word++) {
        const double next = word == 0x7bff ? 65536.0 : value_of(half, (uint16_t)(word + 1));
        const uint32_t middle = bits_of((float)((value_of(half, (uint16_t)word) + next) / 2));
        for (uint32_t sign = 0; sign <= 1; sign++)
            for (uint32_t d = 0; d < 3; d++) check_narrow((middle - 1 + d) | sign << 31);
    }
    for (uint32_t word = 0; word <= 0xffff; word++) /* of bf16: what rounds off is the low half of the f32 */
        for (uint32_t d = 0; d < 5; d++)
            check_narrow(word << 16 | (uint32_t[]){0, 1, 0x7fff, 0x8000, 0x8001}[d]);
}

static void random_floats_narrow(void **state)
{
    (void)state;
    uint32_t bits = 1;
    for (int i = 0; i < 2000000; i++) {
        bits = bits * 1664525u + 1013904223u;
        check_narrow(bits ^ bits >> 16);
    }
}

static void store(lop_dtype type, void *to, size_t i, float value)
{
    const uint16_t word = type == LOP_DTYPE_F16 ? lop_f32_to_f16(value) : lop_f32_to_bf16(value);
    if (type == LOP_DTYPE_F32)
        memcpy((char *)to + i * 4, &value, 4);
    else
        memcpy((char *)to + i * 2, &word, 2);
}

static float load(lop_dtype type, const void *from, size_t i)
{
    float value;
    uint16_t word;
    if (type == LOP_DTYPE_F32) {
        memcpy(&value, (const char *)from + i * 4, 4);
        return value;
    }
    memcpy(&word, (const char *)from + i * 2, 2);
    return type == LOP_DTYPE_F16 ? lop_f16_to_f32(word) : lop_bf16_to_f32(word);
}

/* Every pair of plain types, lengths around the pieces the loops work in, and a source at an odd address; the bytes
 * behind the target stay as they were. */
static void plain_types_convert(void **state)
{
    (void)state;
    static const lop_dtype types[] = {LOP_DTYPE_F32, LOP_DTYPE_F16, LOP_DTYPE_BF16};
    static const size_t lengths[] = {0, 1, 7, 8, 31, 1023, 1024, 1025, 5000};
    static char from[5000 * 4 + 1], want[5000 * 4];
    static union {
        float aligned;
        char at[5000 * 4 + 8];
    } to;
    for (int pair = 0; pair < 9; pair++) {
        const lop_dtype a = types[pair / 3], b = types[pair % 3];
        for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
            const size_t n = lengths[k], bytes = lop_dtype_bytes(b, n);
            for (size_t i = 0; i < n; i++) {
                store(a, from + 1, i, (float)sin((double)i) * float_of((uint32_t)(100 + i % 50) << 23));
                store(b, want, i, load(a, from + 1, i));
            }
            memset(&to, 0x5a, sizeof to);
            lop_dtype_convert(a, from + 1, b, to.at, n);
            assert_memory_equal(to.at, want, bytes);
            for (size_t i = 0; i < 8; i++) assert_int_equal(to.at[bytes + i], 0x5a);
        }
    }
}

static size_t from_hex(const char *hex, unsigned char *out)
{
    const size_t n = strlen(hex) / 2;
    for (size_t i = 0; i < n; i++) {
        const char byte[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        out[i] = (unsigned char)strtoul(byte, NULL, 16);
    }
    return n;
}

/* The vector's group, repeated so that conversion to 16 bits passes through more than one piece. */
static void groups_decode(void **state)
{
    (void)state;
    enum { REPEAT = 70 };
    static unsigned char groups[REPEAT * 256];
    static float floats[REPEAT * 256];
    static uint16_t halves[REPEAT * 256], brains[REPEAT * 256];
    for (size_t v = 0; v < sizeof quant_vectors / sizeof *quant_vectors; v++) {
        const quant_vector *q = &quant_vectors[v];
        const size_t bytes = from_hex(q->group, groups), n = lop_dtype_group_elements(q->type);
        assert_int_equal(bytes, lop_dtype_group_bytes(q->type));
        for (size_t i = 1; i < REPEAT; i++) memcpy(groups + i * bytes, groups, bytes);
        lop_dtype_convert(q->type, groups, LOP_DTYPE_F32, floats, n * REPEAT);
        lop_dtype_convert(q->type, groups, LOP_DTYPE_F16, halves, n * REPEAT);
        lop_dtype_convert(q->type, groups, LOP_DTYPE_BF16, brains, n * REPEAT);
        for (size_t i = 0; i < n * REPEAT; i++) {
            const float want = float_of(q->floats[i % n]);
            if (bits_of(floats[i]) != bits_of(want)) fail_msg("%s element %zu", lop_dtype_name(q->type), i);
            assert_int_equal(halves[i], lop_f32_to_f16(want));
            assert_int_equal(brains[i], lop_f32_to_bf16(want));
        }
    }
}

static void every_quantised_type_has_a_vector(void **state)
{
    (void)state;
    for (int type = 0; type < LOP_DTYPE_COUNT; type++) {
        bool found = !lop_dtype_is_quantised((lop_dtype)type);
        for (size_t v = 0; v < sizeof quant_vectors / sizeof *quant_vectors; v++)
            found |= quant_vectors[v].type == (lop_dtype)type;
        if (!found) fail_msg("%s", lop_dtype_name((lop_dtype)type));
    }
}

static void names_and_numbers(void **state)
{
    (void)state;
    lop_dtype type;
    assert_true(lop_dtype_from_gguf(3, &type) && type == LOP_DTYPE_Q4_1);
    assert_true(lop_dtype_from_gguf(30, &type) && type == LOP_DTYPE_BF16);
    assert_false(lop_dtype_from_gguf(10, &type));
    assert_false(lop_dtype_from_gguf(UINT32_MAX, &type)); /* -1 marks types that GGUF has not */
    assert_true(lop_dtype_from_safetensors("BF16", &type) && type == LOP_DTYPE_BF16);
    assert_true(lop_dtype_from_safetensors("BOOL", &type) && type == LOP_DTYPE_BOOL);
    assert_false(lop_dtype_from_safetensors("", &type)); /* quantised types have no name there */
    assert_false(lop_dtype_from_safetensors("bf16", &type));
    assert_string_equal(lop_dtype_name(LOP_DTYPE_Q6_K), "Q6_K");
    assert_int_equal(lop_dtype_bytes(LOP_DTYPE_Q6_K, 512), 420);
    assert_true(lop_dtype_is_float(LOP_DTYPE_Q8_0) && lop_dtype_is_float(LOP_DTYPE_F16));
    assert_false(lop_dtype_is_float(LOP_DTYPE_I32) || lop_dtype_is_float(LOP_DTYPE_F64));
}

int test_io_dtype(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_word_widens),    cmocka_unit_test(middles_round_to_even),
        cmocka_unit_test(random_floats_narrow), cmocka_unit_test(plain_types_convert),
        cmocka_unit_test(groups_decode),        cmocka_unit_test(every_quantised_type_has_a_vector),
        cmocka_unit_test(names_and_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
