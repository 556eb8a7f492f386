/* tokenizer_json.h - the parts of a tokenizer.json, each read into what runs it. A type that is not known is
 * LOP_E_UNSUPPORTED and named. JSON null is a part that does nothing. */
#ifndef LOP_CORE_IO_TOKENIZER_JSON_H
#define LOP_CORE_IO_TOKENIZER_JSON_H

#include "core/io/json.h"
#include "core/io/tokenizer_state.h"

#define LOP_TOKENIZER_FILE_MAX (UINT64_C(256) << 20) /* bytes; the largest tokenizer.json in use has 33 MiB */

/* {"String": "..."} or {"Regex": "..."} under "pattern". */
LOP_CHECKED lop_status lop_json_pattern(const json_t *object, lop_pattern **out);

/* "type", which must be there. */
LOP_CHECKED lop_status lop_json_type(const json_t *object, const char *what, lop_text *out);

LOP_CHECKED lop_status lop_json_normalizer(const json_t *value, lop_normalizer *out);
LOP_CHECKED lop_status lop_json_pretokenizer(const json_t *value, lop_pretokenizer *out);
LOP_CHECKED lop_status lop_json_decoder(const json_t *value, lop_decoder *out);

/* The post-processor: fills before and after. The vocabulary and the added tokens are there already. */
LOP_CHECKED lop_status lop_json_template(const json_t *value, lop_tokenizer *out);

/* Fills everything but model and added_tokens from a document's parts. */
LOP_CHECKED lop_status lop_json_parts(const json_t *document, lop_tokenizer *out);

#endif
