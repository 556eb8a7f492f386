/* safetensors.h - one safetensors file: its header read and checked, its tensors listed by offset. Internal to core/io;
 * others use checkpoint.h.
 *
 * A file is eight bytes (the header's length, little-endian), the header (one JSON object, padded with blanks), and the
 * tensors' bytes without holes. Source: the format's README in huggingface/safetensors. */
#ifndef LOP_CORE_IO_SAFETENSORS_H
#define LOP_CORE_IO_SAFETENSORS_H

#include "core/base/file.h"
#include "core/base/status.h"
#include "core/base/text.h"
#include "core/io/checkpoint.h"

#define LOP_SAFETENSORS_PREFIX 8 /* bytes before the header */

typedef struct lop_safetensors {
    lop_file file;
    lop_text header; /* without the eight length bytes; owned */
    lop_tensor *at;  /* by offset; names are owned, offsets count from the start of the file, `file` is 0 */
    int32_t count;
} lop_safetensors;

/* Reads and checks the header: every tensor of a known dtype, of at most LOP_RANK_MAX dimensions, as long as its shape
 * says, and all of them together covering the rest of the file once. LOP_E_FILE, LOP_E_FORMAT, LOP_E_UNSUPPORTED (a
 * dtype that is not read). */
LOP_CHECKED lop_status lop_safetensors_open(const char *path, lop_safetensors *out);
void lop_safetensors_close(lop_safetensors *s);

/* The value of the header's "__metadata__" as JSON text ("" when there is none). The caller closes *out. */
LOP_CHECKED lop_status lop_safetensors_metadata(lop_text header, lop_string *out);

#endif
