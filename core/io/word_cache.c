/* word_cache.c - an open-addressed table over two growing runs, of bytes and of ids. */
#include "core/io/word_cache.h"

#include "core/base/memory.h"
#include "core/io/vocabulary.h"

#include <string.h>

#define SLOTS_MIN  64U
#define SLOTS_MAX  (1U << 17) /* 4 MiB of slots; English text of any length has fewer common words */
#define BYTES_SLOT 8          /* of text for one slot: fewer words than that are new */

lop_status lop_word_cache_open(lop_word_cache *c, size_t text_bytes)
{
    uint32_t count = SLOTS_MIN;
    while (count < SLOTS_MAX && count < text_bytes / BYTES_SLOT) count *= 2;
    LOP_TRY(LOP_NEW(&c->slots, count));
    c->slot_count = count;
    return LOP_OK;
}

static lop_cached_word *slot_of(const lop_word_cache *c, lop_text piece, uint32_t hash)
{
    for (uint32_t at = hash & (c->slot_count - 1);; at = (at + 1) & (c->slot_count - 1)) {
        lop_cached_word *word = &c->slots[at];
        if (word->text_size == 0) return word;
        if (word->hash == hash && word->text_size == piece.size &&
            memcmp(c->texts + word->text_at, piece.at, piece.size) == 0)
            return word;
    }
}

static bool fits(const lop_word_cache *c, lop_text piece)
{
    return c->slot_count != 0 && piece.size != 0 && piece.size <= LOP_WORD_CACHE_BYTES;
}

const int32_t *lop_word_cache_find(const lop_word_cache *c, lop_text piece, int32_t *count)
{
    *count = -1;
    if (!fits(c, piece)) return NULL;
    const lop_cached_word *word = slot_of(c, piece, lop_text_hash(piece));
    if (word->text_size == 0) return NULL;
    *count = word->ids_count;
    return c->ids + word->ids_at;
}

lop_status lop_word_cache_keep(lop_word_cache *c, lop_text piece, const int32_t *ids, int64_t count)
{
    if (!fits(c, piece) || count > LOP_WORD_CACHE_BYTES || c->count >= c->slot_count / 4 * 3) return LOP_OK;
    if (c->texts_used + piece.size > c->texts_room) {
        const size_t room = (c->texts_room + LOP_WORD_CACHE_BYTES) * 2;
        LOP_TRY(lop_realloc(room, 1, &c->texts));
        c->texts_room = room;
    }
    if (c->ids_used + (size_t)count > c->ids_room) {
        const size_t room = (c->ids_room + LOP_WORD_CACHE_BYTES) * 2;
        LOP_TRY(lop_realloc(room, sizeof *c->ids, &c->ids));
        c->ids_room = room;
    }
    const uint32_t hash = lop_text_hash(piece);
    *slot_of(c, piece, hash) =
        (lop_cached_word){c->texts_used, c->ids_used, hash, (uint16_t)piece.size, (uint16_t)count};
    memcpy(c->texts + c->texts_used, piece.at, piece.size);
    if (count) memcpy(c->ids + c->ids_used, ids, (size_t)count * sizeof *ids);
    c->texts_used += piece.size;
    c->ids_used += (size_t)count;
    c->count++;
    return LOP_OK;
}

void lop_word_cache_close(lop_word_cache *c)
{
    lop_free(c->slots);
    lop_free(c->texts);
    lop_free(c->ids);
    memset(c, 0, sizeof *c);
}
