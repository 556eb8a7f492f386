/* gguf_put.h - metadata and the tensor table of a GGUF file as bytes, in memory. Internal to core/io/gguf*.c. */
#ifndef LOP_CORE_IO_GGUF_PUT_H
#define LOP_CORE_IO_GGUF_PUT_H

#include "core/io/gguf_value.h"

/* Entries one after another, and how many. Zero-initialise; lop_string_close(&m.bytes) frees. */
typedef struct gguf_metadata {
    lop_string bytes;
    uint64_t count;
} gguf_metadata;

LOP_CHECKED lop_status lop_gguf_put_u32(gguf_metadata *m, const char *key, uint32_t value);
LOP_CHECKED lop_status lop_gguf_put_f32(gguf_metadata *m, const char *key, float value);
LOP_CHECKED lop_status lop_gguf_put_flag(gguf_metadata *m, const char *key, bool value);
LOP_CHECKED lop_status lop_gguf_put_text(gguf_metadata *m, const char *key, lop_text value);
LOP_CHECKED lop_status lop_gguf_put_texts(gguf_metadata *m, const char *key, const lop_text *at,
                                          int32_t count);

/* An array of four-byte numbers: I32 or F32. */
LOP_CHECKED lop_status lop_gguf_put_words(gguf_metadata *m, const char *key, gguf_type element,
                                          const void *at, int32_t count);

/* An entry of another file, byte for byte. */
LOP_CHECKED lop_status lop_gguf_put_entry(gguf_metadata *m, const gguf_entry *e);

/* Numbers and texts of the tensor table, and of the header. */
LOP_CHECKED lop_status lop_gguf_append_u32(lop_string *s, uint32_t value);
LOP_CHECKED lop_status lop_gguf_append_u64(lop_string *s, uint64_t value);
LOP_CHECKED lop_status lop_gguf_append_text(lop_string *s, lop_text text);

#endif
