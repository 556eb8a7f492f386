/* tokenizer_spec.h - the steps from GGUF metadata to a tokenizer, in the files tokenizer_spec.c, tokenizer_describe.c
 * and tokenizer_scores.c. */
#ifndef LOP_CORE_IO_TOKENIZER_SPEC_H
#define LOP_CORE_IO_TOKENIZER_SPEC_H

#include "core/io/tokenizer_state.h"

#define LOP_SCORED_BYTES_MAX 256 /* of a token that merges are made for: the cost grows with the square */

typedef enum lop_token_type {
    LOP_TOKEN_NORMAL = 1,
    LOP_TOKEN_UNKNOWN,
    LOP_TOKEN_CONTROL,
    LOP_TOKEN_USER_DEFINED,
    LOP_TOKEN_UNUSED,
    LOP_TOKEN_BYTE
} lop_token_type;

/* The type that the spec states; without types, what id and text tell. */
lop_token_type lop_spec_type(const lop_tokenizer_spec *spec, int32_t id);

/* The JSON object lop_tokenizer.description: normalizer, pre_tokenizer, post_processor and decoder as a tokenizer.json
 * has them, "config" as tokenizer_config.json has it, and "model" without vocabulary and merges. LOP_E_UNSUPPORTED names
 * a model or a pre-tokenizer that is not known. The caller closes it. */
LOP_CHECKED lop_status lop_spec_describe(const lop_tokenizer_spec *spec, json_t **out);

/* Makes the merges that lead to each token by way of other tokens, ranked by falling score; equal scores have equal
 * ranks, so that the leftmost is merged first, as SentencePiece does. */
LOP_CHECKED lop_status lop_spec_score_merges(const lop_tokenizer_spec *spec, lop_bpe *out);

#endif
