/* gguf_value.h - the values of GGUF metadata: their types, one entry's extent in the header, and nothing of what keys
 * mean. Internal to core/io/gguf*.c. */
#ifndef LOP_CORE_IO_GGUF_VALUE_H
#define LOP_CORE_IO_GGUF_VALUE_H

#include "core/io/gguf_cursor.h"

#include <stdbool.h>

/* Numbers as they stand in files. */
typedef enum gguf_type {
    GGUF_U8,
    GGUF_I8,
    GGUF_U16,
    GGUF_I16,
    GGUF_U32,
    GGUF_I32,
    GGUF_F32,
    GGUF_BOOL,
    GGUF_TEXT,
    GGUF_ARRAY,
    GGUF_U64,
    GGUF_I64,
    GGUF_F64,
    GGUF_TYPE_COUNT
} gguf_type;

typedef struct gguf_entry {
    lop_text key;
    gguf_type type;
    gguf_type element;          /* of an array; else `type` */
    uint64_t count;             /* elements of an array, bytes of a text; else 1 */
    const unsigned char *at;    /* the first element, the text, or the value; unaligned, in the header */
    const unsigned char *value; /* all that stands behind the type: lengths and element type too */
    size_t value_bytes;
} gguf_entry;

/* Reads one key and its value, whose whole extent is checked to lie in the file: LOP_E_FORMAT for what no GGUF file
 * may hold, arrays nested more than four deep included. */
LOP_CHECKED lop_status lop_gguf_take_entry(gguf_cursor *c, gguf_entry *out);

const char *lop_gguf_type_name(gguf_type type); /* "u32" */

/* The value of a scalar entry; false when it is of another type (or, for `uint`, negative). */
bool lop_gguf_entry_uint(const gguf_entry *e, uint64_t *out); /* of any whole type */
bool lop_gguf_entry_uint_at(const gguf_entry *e, uint64_t index,
                            uint64_t *out);                 /* of an array of U32 or I32 */
bool lop_gguf_entry_real(const gguf_entry *e, double *out); /* of F32 or F64 */

#endif
