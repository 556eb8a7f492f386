/* gguf_header.h - an open GGUF file as its parts see it. Internal to core/io/gguf*.c. */
#ifndef LOP_CORE_IO_GGUF_HEADER_H
#define LOP_CORE_IO_GGUF_HEADER_H

#include "core/io/gguf.h"
#include "core/io/gguf_value.h"

#define GGUF_NAME_MOST 64  /* bytes of a tensor's name in the file, as the format says */
#define GGUF_NAME_ROOM 128 /* a name in the file, lengthened by its Hugging Face spelling, and the zero */

struct lop_gguf {
    lop_file file;
    unsigned char *header; /* the beginning of the file; entries point into it */
    char family[32];
    gguf_entry *entries; /* sorted by key */
    int32_t entry_count;
    lop_tensor *tensors; /* sorted by offset */
    char (*names)[GGUF_NAME_ROOM];
    int32_t tensor_count;
};

/* NULL: absent. */
const gguf_entry *lop_gguf_find(const lop_gguf *g, const char *key);

/* The array under a key: *out is NULL when it is absent, LOP_E_FORMAT when it is there and no array of `element`. */
LOP_CHECKED lop_status lop_gguf_array(const lop_gguf *g, const char *key, gguf_type element,
                                      const gguf_entry **out);

/* A special token's id, 0 to `tokens` - 1, under "tokenizer.ggml." + name; `otherwise` when absent. */
LOP_CHECKED lop_status lop_gguf_token_id(const lop_gguf *g, const char *name, int64_t tokens,
                                         int32_t otherwise, int32_t *out);

/* Reads the tensor table into g->tensors; the cursor stands at its first entry. g->entries are known. */
LOP_CHECKED lop_status lop_gguf_take_tensors(lop_gguf *g, gguf_cursor *c, uint64_t count);

/* The Hugging Face name of a tensor called `name` in the file, or that name itself. Never longer than the room. */
void lop_gguf_rename(lop_text name, char out[GGUF_NAME_ROOM]);

/* The other way: the name in the file of a tensor that Hugging Face calls `name`; false when none is known. */
bool lop_gguf_spell(const char *name, char out[GGUF_NAME_ROOM]);

#endif
