/* vocabulary.h - token texts by id and ids by text. Every text has one id and every id one text; ids may have gaps. */
#ifndef LOP_CORE_IO_VOCABULARY_H
#define LOP_CORE_IO_VOCABULARY_H

#include "core/base/status.h"
#include "core/base/text.h"

#include <stdint.h>

#define LOP_TOKENS_MAX (1 << 24) /* ids below this; the largest vocabularies in use have about 2^18 */

typedef struct lop_vocabulary_entry {
    size_t at;
    uint32_t size, hash;
    bool used;
} lop_vocabulary_entry;

/* Zero-initialise; lop_vocabulary_close frees. */
typedef struct lop_vocabulary {
    lop_string bytes;              /* the texts, one after another */
    lop_vocabulary_entry *entries; /* by id */
    int32_t size, room;            /* largest id + 1; entries allocated */
    int32_t count;
    int32_t *slots;      /* id + 1, or 0; open addressing */
    uint32_t slot_count; /* a power of two, at least twice count */
} lop_vocabulary;

/* LOP_E_FORMAT when the id or the text is taken, or the id is out of range. */
LOP_CHECKED lop_status lop_vocabulary_add(lop_vocabulary *v, lop_text text, int64_t id);
void lop_vocabulary_close(lop_vocabulary *v);

int32_t lop_vocabulary_find(const lop_vocabulary *v, lop_text text);          /* -1: no such token */
bool lop_vocabulary_text(const lop_vocabulary *v, int32_t id, lop_text *out); /* false: no such id */

uint32_t lop_text_hash(lop_text text);

#endif
