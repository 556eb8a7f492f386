/* char_pairs.c - the set, as a table that is at most half full. */
#include "core/io/char_pairs.h"

#include "core/base/memory.h"

#include <string.h>

static uint64_t key_of(uint32_t left, uint32_t right)
{
    return ((uint64_t)left << 32 | right) + 1;
}

static uint32_t slot_of(const lop_char_pairs *p, uint64_t key)
{
    uint64_t h = key * UINT64_C(0x9E3779B97F4A7C15);
    h ^= h >> 32;
    uint32_t at = (uint32_t)h & (p->slot_count - 1);
    while (p->slots[at] != 0 && p->slots[at] != key) at = (at + 1) & (p->slot_count - 1);
    return at;
}

static lop_status grow(lop_char_pairs *p)
{
    const lop_char_pairs old = *p;
    const uint32_t count = old.slot_count ? old.slot_count * 2 : 256;
    uint64_t *slots = NULL;
    LOP_TRY(LOP_NEW(&slots, count));
    p->slots = slots;
    p->slot_count = count;
    for (uint32_t i = 0; i < old.slot_count; i++)
        if (old.slots[i] != 0) p->slots[slot_of(p, old.slots[i])] = old.slots[i];
    lop_free(old.slots);
    return LOP_OK;
}

lop_status lop_char_pairs_add(lop_char_pairs *p, uint32_t left, uint32_t right)
{
    if (p->count >= p->slot_count / 2) LOP_TRY(grow(p));
    uint64_t *slot = &p->slots[slot_of(p, key_of(left, right))];
    p->count += *slot == 0;
    *slot = key_of(left, right);
    return LOP_OK;
}

bool lop_char_pairs_has(const lop_char_pairs *p, uint32_t left, uint32_t right)
{
    return p->slot_count != 0 && p->slots[slot_of(p, key_of(left, right))] != 0;
}

void lop_char_pairs_close(lop_char_pairs *p)
{
    lop_free(p->slots);
    memset(p, 0, sizeof *p);
}
