/* gguf_parts.h - the parts of a GGUF file in the making. Internal to core/io/gguf_*.c. */
#ifndef LOP_CORE_IO_GGUF_PARTS_H
#define LOP_CORE_IO_GGUF_PARTS_H

#include "core/io/gguf_put.h"
#include "core/io/gguf_write.h"

/* The architecture that a model of this config is written as; LOP_E_UNSUPPORTED when there is none. */
LOP_CHECKED lop_status lop_gguf_architecture(const lop_config *k, const char **out);

/* general.* and the architecture's own keys (gguf_describe.c). */
LOP_CHECKED lop_status lop_gguf_describe(const lop_gguf_plan *p, gguf_metadata *m);

/* tokenizer.* (gguf_vocabulary.c). */
LOP_CHECKED lop_status lop_gguf_put_tokenizer(const lop_checkpoint *source, lop_log *log, gguf_metadata *m);

/* The tensors, placed (gguf_layout.c). */
LOP_CHECKED lop_status lop_gguf_lay_out(lop_gguf_plan *p, const lop_dtype *dtype);

#endif
