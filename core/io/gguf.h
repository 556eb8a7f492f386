/* gguf.h - GGUF version 3, reading: metadata, tensor table, tokenizer. Internal to core/io; others use checkpoint.h. */
#ifndef LOP_CORE_IO_GGUF_H
#define LOP_CORE_IO_GGUF_H

#include "core/base/file.h"
#include "core/base/status.h"
#include "core/base/text.h"
#include "core/io/checkpoint.h"
#include "core/io/config_json.h"

typedef struct lop_gguf lop_gguf;

/* Opens and checks the whole header: counts, lengths, nesting, alignment, and that every tensor lies in the file. */
LOP_CHECKED lop_status lop_gguf_open(const char *path, lop_gguf **out);
void lop_gguf_close(lop_gguf *g);

/* Config from metadata (`ARCH.embedding_length`, ...), family = general.architecture. */
LOP_CHECKED lop_status lop_gguf_config(const lop_gguf *g, lop_config *out);

/* Tensors under Hugging Face names, shapes outermost first, rope_heads set for q and k of `llama`; names belong to g.
 * A tensor whose name is not known keeps its own. */
int32_t lop_gguf_count(const lop_gguf *g);
const lop_tensor *lop_gguf_at(const lop_gguf *g, int32_t index);
const lop_file *lop_gguf_file(const lop_gguf *g);

/* Metadata by key; false when absent or of another type. */
bool lop_gguf_text(const lop_gguf *g, const char *key, lop_text *out);
bool lop_gguf_uint(const lop_gguf *g, const char *key, uint64_t *out);
bool lop_gguf_real(const lop_gguf *g, const char *key, double *out);
bool lop_gguf_flag(const lop_gguf *g, const char *key, bool *out);

LOP_CHECKED lop_status lop_gguf_tokenizer(const lop_gguf *g, lop_tokenizer **out);

#endif
