/* dtype.h - what a file's elements are, plain or in quantised groups, and how they become f32, f16 or bf16.
 *
 * Conversions round to nearest, ties to even; NaN stays NaN, values over the range become infinite as IEEE says. */
#ifndef LOP_CORE_IO_DTYPE_H
#define LOP_CORE_IO_DTYPE_H

#include "core/base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* name, GGUF type number (-1: none), safetensors name, bytes of a group, elements of a group */
#define LOP_DTYPE_LIST(X)                                                                                    \
    X(F32, 0, "F32", 4, 1)                                                                                   \
    X(F16, 1, "F16", 2, 1)                                                                                   \
    X(BF16, 30, "BF16", 2, 1)                                                                                \
    X(Q4_0, 2, "", 18, 32)                                                                                   \
    X(Q4_1, 3, "", 20, 32)                                                                                   \
    X(Q5_0, 6, "", 22, 32)                                                                                   \
    X(Q5_1, 7, "", 24, 32)                                                                                   \
    X(Q8_0, 8, "", 34, 32)                                                                                   \
    X(Q4_K, 12, "", 144, 256)                                                                                \
    X(Q5_K, 13, "", 176, 256)                                                                                \
    X(Q6_K, 14, "", 210, 256)                                                                                \
    X(F64, 28, "F64", 8, 1)                                                                                  \
    X(I64, 27, "I64", 8, 1)                                                                                  \
    X(I32, 26, "I32", 4, 1)                                                                                  \
    X(I16, 25, "I16", 2, 1)                                                                                  \
    X(I8, 24, "I8", 1, 1)                                                                                    \
    X(U8, -1, "U8", 1, 1)                                                                                    \
    X(BOOL, -1, "BOOL", 1, 1)

typedef enum lop_dtype {
#define LOP_DTYPE_ENUM(name, gguf, text, bytes, elements) LOP_DTYPE_##name,
    LOP_DTYPE_LIST(LOP_DTYPE_ENUM)
#undef LOP_DTYPE_ENUM
        LOP_DTYPE_COUNT
} lop_dtype;

const char *lop_dtype_name(lop_dtype dtype); /* "Q4_1" */
size_t lop_dtype_group_bytes(lop_dtype dtype);
size_t lop_dtype_group_elements(lop_dtype dtype);
bool lop_dtype_is_quantised(lop_dtype dtype);
bool lop_dtype_is_float(lop_dtype dtype); /* F32, F16, BF16 or quantised: what a weight may be */
bool lop_dtype_from_gguf(uint32_t number, lop_dtype *out);
uint32_t lop_dtype_gguf(lop_dtype dtype); /* GGUF's number of a type that it has */
bool lop_dtype_from_safetensors(const char *name, lop_dtype *out);

/* The type that a setting with the choices f32|f16|bf16 names. */
lop_dtype lop_dtype_chosen(const char *choice);

/* Bytes of `elements` of a type; a multiple of the group's elements. */
size_t lop_dtype_bytes(lop_dtype dtype, uint64_t elements);

/* Converts `elements` (a multiple of both groups' elements) between F32, F16 and BF16, or from a quantised type to one
 * of these. `from` may be unaligned; `to` may not overlap it. */
void lop_dtype_convert(lop_dtype from_type, const void *from, lop_dtype to_type, void *to, size_t elements);

float lop_f16_to_f32(uint16_t bits);
uint16_t lop_f32_to_f16(float value);
float lop_bf16_to_f32(uint16_t bits);
uint16_t lop_f32_to_bf16(float value);

#endif
