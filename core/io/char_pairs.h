/* char_pairs.h - a set of pairs of characters: between which of them a merge may ever join two symbols. */
#ifndef LOP_CORE_IO_CHAR_PAIRS_H
#define LOP_CORE_IO_CHAR_PAIRS_H

#include "core/base/status.h"

#include <stdbool.h>
#include <stdint.h>

/* Zero-initialise; lop_char_pairs_close frees. */
typedef struct lop_char_pairs {
    uint64_t *slots; /* left << 32 | right, plus one; 0 is free; open addressing */
    uint32_t slot_count, count;
} lop_char_pairs;

LOP_CHECKED lop_status lop_char_pairs_add(lop_char_pairs *p, uint32_t left, uint32_t right);
bool lop_char_pairs_has(const lop_char_pairs *p, uint32_t left, uint32_t right);
void lop_char_pairs_close(lop_char_pairs *p);

#endif
