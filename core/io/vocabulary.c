/* vocabulary.c - a table by id and a hash table by text over one run of bytes. */
#include "core/io/vocabulary.h"

#include "core/base/memory.h"

#include <inttypes.h>
#include <string.h>

/* Eight bytes a step, multiplied and folded; the constants are odd and have no other meaning. */
uint32_t lop_text_hash(lop_text text)
{
    uint64_t h = text.size * UINT64_C(0x9E3779B97F4A7C15);
    size_t i = 0;
    for (; i + 8 <= text.size; i += 8) {
        uint64_t word;
        memcpy(&word, text.at + i, 8);
        h = (h ^ word) * UINT64_C(0xD6E8FEB86659FD93);
        h ^= h >> 32;
    }
    uint64_t rest = 0;
    if (i < text.size) memcpy(&rest, text.at + i, text.size - i);
    h = (h ^ rest) * UINT64_C(0xD6E8FEB86659FD93);
    h ^= h >> 32;
    h *= UINT64_C(0xD6E8FEB86659FD93);
    return (uint32_t)(h >> 32);
}

static lop_text text_at(const lop_vocabulary *v, int32_t id)
{
    return (lop_text){v->bytes.at + v->entries[id].at, v->entries[id].size};
}

static uint32_t slot_of(const lop_vocabulary *v, lop_text text, uint32_t hash)
{
    uint32_t slot = hash & (v->slot_count - 1);
    for (; v->slots[slot] != 0; slot = (slot + 1) & (v->slot_count - 1)) {
        const int32_t id = v->slots[slot] - 1;
        if (v->entries[id].hash == hash && lop_text_equal(text_at(v, id), text)) break;
    }
    return slot;
}

int32_t lop_vocabulary_find(const lop_vocabulary *v, lop_text text)
{
    if (v->slot_count == 0) return -1;
    return v->slots[slot_of(v, text, lop_text_hash(text))] - 1;
}

bool lop_vocabulary_text(const lop_vocabulary *v, int32_t id, lop_text *out)
{
    if (id < 0 || id >= v->size || !v->entries[id].used) return false;
    *out = text_at(v, id);
    return true;
}

static lop_status grow_slots(lop_vocabulary *v)
{
    const uint32_t count = v->slot_count ? v->slot_count * 2 : 1024;
    int32_t *old = v->slots;
    int32_t *slots = NULL;
    LOP_TRY(LOP_NEW(&slots, count));
    v->slots = slots;
    v->slot_count = count;
    for (int32_t id = 0; id < v->size; id++)
        if (v->entries[id].used) v->slots[slot_of(v, text_at(v, id), v->entries[id].hash)] = id + 1;
    lop_free(old);
    return LOP_OK;
}

static lop_status grow_entries(lop_vocabulary *v, int32_t id)
{
    if (id >= v->room) {
        const int32_t room = id < 512 ? 1024 : id * 2;
        LOP_TRY(lop_realloc((size_t)room, sizeof *v->entries, &v->entries));
        memset(v->entries + v->room, 0, (size_t)(room - v->room) * sizeof *v->entries);
        v->room = room;
    }
    if (id >= v->size) v->size = id + 1;
    return LOP_OK;
}

lop_status lop_vocabulary_add(lop_vocabulary *v, lop_text text, int64_t id)
{
    const int shown = text.size < 64 ? (int)text.size : 64;
    if (id < 0 || id >= LOP_TOKENS_MAX || text.size > UINT32_MAX)
        return LOP_FAIL(LOP_E_FORMAT, "token \"%.*s\" has id %" PRId64 ", expected 0 to %d", shown, text.at,
                        id, LOP_TOKENS_MAX - 1);
    if (v->slot_count == 0 || (uint32_t)v->count >= v->slot_count / 2) LOP_TRY(grow_slots(v));
    LOP_TRY(grow_entries(v, (int32_t)id));
    if (v->entries[id].used)
        return LOP_FAIL(LOP_E_FORMAT, "id %" PRId64 " is given to two tokens, the second is \"%.*s\"", id,
                        shown, text.at);
    const uint32_t hash = lop_text_hash(text);
    const uint32_t slot = slot_of(v, text, hash);
    if (v->slots[slot] != 0)
        return LOP_FAIL(LOP_E_FORMAT, "token \"%.*s\" has two ids, %d and %" PRId64, shown, text.at,
                        v->slots[slot] - 1, id);
    v->entries[id] = (lop_vocabulary_entry){v->bytes.size, (uint32_t)text.size, hash, true};
    LOP_TRY(lop_string_add(&v->bytes, text.at, text.size));
    v->slots[slot] = (int32_t)id + 1;
    v->count++;
    return LOP_OK;
}

void lop_vocabulary_close(lop_vocabulary *v)
{
    lop_string_close(&v->bytes);
    lop_free(v->entries);
    lop_free(v->slots);
    memset(v, 0, sizeof *v);
}
