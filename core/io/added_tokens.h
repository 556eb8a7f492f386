/* added_tokens.h - tokens that are found in the text as they stand, before anything is split: special ones and others,
 * with the flags of a tokenizer.json's added_tokens. */
#ifndef LOP_CORE_IO_ADDED_TOKENS_H
#define LOP_CORE_IO_ADDED_TOKENS_H

#include "core/base/status.h"
#include "core/base/text.h"
#include "core/io/normalize.h"
#include "core/io/vocabulary.h"

#include <stdbool.h>
#include <stdint.h>

#define LOP_ADDED_BYTES_MAX 1024 /* of one token: looking costs its length at every place of the text */

typedef struct lop_added_token {
    char *content;
    size_t size;
    int32_t id;
    bool special;        /* left out when decoding */
    bool single_word;    /* no word character may touch it */
    bool lstrip, rstrip; /* takes the White_Space before, after */
    bool normalized;     /* looked for in normalized text, itself normalized */
} lop_added_token;

/* A text to look for and the token it stands for. */
typedef struct lop_added_pattern {
    char *at;
    size_t size;
    int32_t token, order; /* of equal texts the lower order is meant */
} lop_added_pattern;

typedef struct lop_added_set {
    lop_added_pattern *patterns; /* by bytes; no two alike */
    int32_t count;
    int32_t starts[257]; /* patterns that start with byte b: [starts[b], starts[b + 1]) */
} lop_added_set;

/* Zero-initialise; lop_added_tokens_close frees. */
typedef struct lop_added_tokens {
    lop_added_token *at;
    int32_t count, room;
    lop_vocabulary contents; /* index into `at` by content */
    lop_added_set plain, normalized;
    int32_t *by_id; /* indices into `at`, by id */
} lop_added_tokens;

/* Copies the content. Empty ones are ignored; one that is there already is LOP_E_FORMAT. */
LOP_CHECKED lop_status lop_added_add(lop_added_tokens *a, lop_text content, lop_added_token token);

/* Makes the tables, once all are added. */
LOP_CHECKED lop_status lop_added_seal(lop_added_tokens *a, const lop_normalizer *normalizer);
void lop_added_tokens_close(lop_added_tokens *a);

const lop_added_token *lop_added_by_id(const lop_added_tokens *a, int32_t id); /* NULL: none */
const lop_added_token *lop_added_by_text(const lop_added_tokens *a,
                                         lop_text content); /* the same; before seal too */

typedef struct lop_added_match {
    size_t from, to; /* with what lstrip and rstrip take */
    size_t end;      /* where to look on */
    int32_t id;
} lop_added_match;

/* The first match at or after `from`, the longest there; `done` is where the last one's `to` was. False: none left. */
bool lop_added_next(const lop_added_tokens *a, const lop_added_set *set, lop_text text, size_t from,
                    size_t done, lop_added_match *out);

#endif
