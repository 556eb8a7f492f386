/* tokenizer_state.h - what a tokenizer consists of, for the files that fill it and the one that runs it. Text goes
 * through added tokens, normalizer, pre-tokenizer and byte-pair encoding, and the template puts ids around the whole. */
#ifndef LOP_CORE_IO_TOKENIZER_STATE_H
#define LOP_CORE_IO_TOKENIZER_STATE_H

#include "core/io/added_tokens.h"
#include "core/io/bpe.h"
#include "core/io/normalize.h"
#include "core/io/pretokenize.h"
#include "core/io/token_decode.h"
#include "core/io/tokenizer.h"

#include <jansson.h>

/* U+2581, which stands for a blank in SentencePiece-like vocabularies. */
#define LOP_METASPACE "\xE2\x96\x81"

struct lop_tokenizer {
    lop_bpe bpe;
    lop_added_tokens added;
    lop_normalizer normalizer;
    lop_pretokenizer pretokenizer;
    lop_decoder decoder;
    lop_ids before, after;          /* what the template adds around a text */
    int32_t bos, eos, unknown, pad; /* the special tokens that the files name; -1: none */
    bool byte_level;
    json_t *
        description; /* the parts of a tokenizer.json but model and added_tokens, and what tokenizer_config.json says
                            more; NULL unless it came from GGUF */
};

/* A tokenizer with nothing in it: no unknown token, no ids. */
LOP_CHECKED lop_status lop_tokenizer_new(lop_tokenizer **out);

/* Checks and finishes what was filled in; once, at the end. */
LOP_CHECKED lop_status lop_tokenizer_seal(lop_tokenizer *t);

/* Adds a token under this id unless it is in the vocabulary (then the id must be its own, LOP_E_FORMAT). */
LOP_CHECKED lop_status lop_tokenizer_add_token(lop_tokenizer *t, lop_text content, lop_added_token token);

/* The id of a text: the added token's, else the vocabulary's; -1: none. */
int32_t lop_tokenizer_find(const lop_tokenizer *t, lop_text text);

/* Ids that a file gives must not make tables much larger than the file: the largest that `count` tokens may have. */
int64_t lop_tokenizer_id_limit(size_t count);

/* Reads a vocabulary object {"text": id}. */
LOP_CHECKED lop_status lop_tokenizer_read_vocabulary(const json_t *object, lop_vocabulary *out);

#endif
