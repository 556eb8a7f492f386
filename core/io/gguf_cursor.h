/* gguf_cursor.h - reading a GGUF header byte by byte with every length checked. Internal to core/io/gguf*.c.
 *
 * Only the beginning of the file is in memory, as much as its header is likely to take. What lies in the file and beyond
 * that is no error of the file: `wanted` says how much must be there, and the header is read again from its start. */
#ifndef LOP_CORE_IO_GGUF_CURSOR_H
#define LOP_CORE_IO_GGUF_CURSOR_H

#include "core/base/status.h"
#include "core/base/text.h"

#include <stdint.h>

typedef struct gguf_cursor {
    const unsigned char *base; /* the beginning of the file */
    uint64_t at, end;          /* next byte, bytes of the file */
    uint64_t have, wanted;     /* bytes at base; bytes that must be there, 0 while `have` is enough */
    const char *path;          /* for messages */
} gguf_cursor;

/* Each takes the next bytes, or fails with LOP_E_FORMAT naming `what` was being read and where the file ends; with
 * `wanted` set when the bytes are in the file and not in memory. */
LOP_CHECKED lop_status lop_gguf_take(gguf_cursor *c, uint64_t bytes, const char *what,
                                     const unsigned char **out);
LOP_CHECKED lop_status lop_gguf_take_u32(gguf_cursor *c, const char *what, uint32_t *out);
LOP_CHECKED lop_status lop_gguf_take_u64(gguf_cursor *c, const char *what, uint64_t *out);

/* A text: its length in eight bytes, then its bytes. The view points into memory at base. */
LOP_CHECKED lop_status lop_gguf_take_text(gguf_cursor *c, const char *what, lop_text *out);

/* A text that names something: 1 to `most` printable characters of UTF-8, so that it can stand in messages. */
LOP_CHECKED lop_status lop_gguf_take_name(gguf_cursor *c, const char *what, uint64_t most, lop_text *out);

/* Unaligned loads; GGUF is little-endian and so are the machines this runs on. */
uint32_t lop_gguf_load_u32(const unsigned char *at);
uint64_t lop_gguf_load_u64(const unsigned char *at);

#endif
