/* word_cache.h - ids of pieces that were encoded before: text repeats its words. Holds a bounded number of short pieces
 * and then takes no more. */
#ifndef LOP_CORE_IO_WORD_CACHE_H
#define LOP_CORE_IO_WORD_CACHE_H

#include "core/base/status.h"
#include "core/base/text.h"

#include <stdbool.h>
#include <stdint.h>

#define LOP_WORD_CACHE_BYTES 64 /* the longest piece kept */

typedef struct lop_cached_word {
    size_t text_at, ids_at;
    uint32_t hash;
    uint16_t text_size, ids_count; /* text_size 0: a free slot */
} lop_cached_word;

/* Zero-initialise; lop_word_cache_close frees. Without lop_word_cache_open it holds nothing. */
typedef struct lop_word_cache {
    lop_cached_word *slots;
    uint32_t slot_count, count;
    char *texts;
    int32_t *ids;
    size_t texts_used, texts_room, ids_used, ids_room;
} lop_word_cache;

/* Makes room for the words that a text of so many bytes may have. */
LOP_CHECKED lop_status lop_word_cache_open(lop_word_cache *c, size_t text_bytes);
void lop_word_cache_close(lop_word_cache *c);

/* *count is -1 when the piece is not there. The ids belong to the cache, until the next keep. */
const int32_t *lop_word_cache_find(const lop_word_cache *c, lop_text piece, int32_t *count);

LOP_CHECKED lop_status lop_word_cache_keep(lop_word_cache *c, lop_text piece, const int32_t *ids,
                                           int64_t count);

#endif
