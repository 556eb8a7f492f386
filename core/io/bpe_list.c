/* bpe_list.c - the merges of a table as the list that files have. */
#include "core/io/bpe.h"

#include "core/base/memory.h"

#include <stdlib.h>

/* A merge and what its place in the list depends on. */
typedef struct listed_merge {
    lop_merge merge;
    size_t left_size;
} listed_merge;

/* By rank. Scores give all splits of a token one rank, and the leftmost place is merged first; in a list each has its
 * own. The longest left side first comes to the same on runs of one character, which the leftmost merges make longest
 * at their start. */
static int compare_merges(const void *left, const void *right)
{
    const listed_merge *a = left, *b = right;
    if (a->merge.rank != b->merge.rank) return a->merge.rank < b->merge.rank ? -1 : 1;
    if (a->left_size != b->left_size) return a->left_size > b->left_size ? -1 : 1;
    if (a->merge.id != b->merge.id) return a->merge.id < b->merge.id ? -1 : 1;
    return (a->merge.left > b->merge.left) - (a->merge.left < b->merge.left);
}

lop_status lop_bpe_list(const lop_bpe *b, lop_merge **out)
{
    listed_merge *merges = NULL;
    uint32_t count = 0;
    lop_status status = LOP_OK;
    *out = NULL;
    LOP_TRY_DONE(LOP_NEW(&merges, b->merge_count));
    LOP_TRY_DONE(LOP_NEW(out, b->merge_count));
    for (uint32_t i = 0; i < b->merge_slots; i++) {
        lop_text left = {"", 0};
        if (b->merges[i].left < 0) continue;
        (void)lop_vocabulary_text(&b->vocabulary, b->merges[i].left, &left);
        merges[count++] = (listed_merge){b->merges[i], left.size};
    }
    if (count > 0) qsort(merges, count, sizeof *merges, compare_merges);
    for (uint32_t i = 0; i < count; i++) (*out)[i] = merges[i].merge;
done:
    lop_free(merges);
    return status;
}
