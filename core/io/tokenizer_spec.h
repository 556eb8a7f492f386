/* tokenizer_spec.h - the steps from GGUF metadata to a tokenizer, in the files tokenizer_spec.c, tokenizer_describe.c
 * and tokenizer_scores.c; and back, in tokenizer_made.c, tokenizer_match.c and tokenizer_ranks.c. */
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

/* The values of tokenizer.ggml.pre that are written: one for each way to split that is known; empty behind the last. */
lop_text lop_spec_pre_name(int index);

/* Makes the merges that lead to each token by way of other tokens, ranked by falling score; equal scores have equal
 * ranks, so that the leftmost is merged first, as SentencePiece does. */
LOP_CHECKED lop_status lop_spec_score_merges(const lop_tokenizer_spec *spec, lop_bpe *out);

/* The other way: what GGUF metadata say of a tokenizer, whose texts the views point into. */
typedef struct lop_made_spec {
    lop_tokenizer_spec spec; /* its arrays are those below */
    lop_text *tokens, *merges;
    float *scores;
    int32_t *types;
    char *bytes;        /* of the texts that no token has: padding, merges */
    int32_t odd_tokens; /* added tokens that are looked for as no spec can say: with blanks, as words */
    bool
        prefix_differs; /* a blank goes before a text by a rule that differs beside blanks and special tokens */
} lop_made_spec;

/* For a model of `count` embeddings: ids without a token get one that no text becomes. Special tokens are the config's
 * where its ids are given (-1: the tokenizer's). LOP_E_UNSUPPORTED: a way to split, a template or merges that GGUF has no
 * words for; LOP_E_FORMAT: more tokens than embeddings. */
LOP_CHECKED lop_status lop_made_spec_open(const lop_tokenizer *t, int32_t count, int32_t bos, int32_t eos,
                                          lop_made_spec *out);
void lop_made_spec_close(lop_made_spec *m);

/* Parts of it. Model, pre and add_space_prefix: the spec that is read back as the same normalizer and pre-tokenizer. */
LOP_CHECKED lop_status lop_spec_match(const lop_tokenizer *t, lop_made_spec *out);

/* Scores that order tokens as the tokenizer's merges do. LOP_E_UNSUPPORTED when merges by score would be others. */
LOP_CHECKED lop_status lop_spec_rank_scores(const lop_tokenizer *t, lop_made_spec *out);

#endif
