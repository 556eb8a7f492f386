/* bpe.c - the merge table, and encoding by a linked list of symbols with a heap of candidate merges. */
#include "core/io/bpe.h"

#include "core/base/memory.h"
#include "core/io/unicode.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

/* ---- the table */

static lop_merge *merge_slot(const lop_bpe *b, int32_t left, int32_t right)
{
    uint64_t h = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * UINT64_C(0x9E3779B97F4A7C15);
    h ^= h >> 32;
    uint32_t at = (uint32_t)h & (b->merge_slots - 1);
    while (b->merges[at].left >= 0 && (b->merges[at].left != left || b->merges[at].right != right))
        at = (at + 1) & (b->merge_slots - 1);
    return &b->merges[at];
}

/* NULL: the two do not merge. */
static const lop_merge *merge_find(const lop_bpe *b, int32_t left, int32_t right)
{
    if (b->merge_slots == 0) return NULL;
    const lop_merge *merge = merge_slot(b, left, right);
    return merge->left < 0 ? NULL : merge;
}

static lop_status grow_merges(lop_bpe *b)
{
    lop_merge *old = b->merges;
    const uint32_t old_slots = b->merge_slots, slots = old_slots ? old_slots * 2 : 1024;
    lop_merge *merges = NULL;
    LOP_TRY(LOP_NEW(&merges, slots));
    memset(merges, 0xFF, slots * sizeof *merges);
    b->merges = merges;
    b->merge_slots = slots;
    for (uint32_t i = 0; i < old_slots; i++)
        if (old[i].left >= 0) *merge_slot(b, old[i].left, old[i].right) = old[i];
    lop_free(old);
    return LOP_OK;
}

static lop_status add_joint(lop_bpe *b, int32_t left, int32_t right)
{
    lop_text a, z;
    if (!lop_vocabulary_text(&b->vocabulary, left, &a) || !lop_vocabulary_text(&b->vocabulary, right, &z))
        return LOP_FAIL(LOP_E_INTERNAL, "a merge of the ids %d and %d, which are not there", left, right);
    if (a.size == 0 || z.size == 0) return LOP_OK; /* no symbol is empty */
    size_t last = lop_char_before(a.at, a.size), first = 0;
    const uint32_t before = lop_char_next(a.at, a.size, &last);
    return lop_char_pairs_add(&b->joints, before, lop_char_next(z.at, z.size, &first));
}

lop_status lop_bpe_merge_add(lop_bpe *b, int32_t left, int32_t right, int32_t rank, int32_t id)
{
    LOP_TRY(add_joint(b, left, right));
    if (b->merge_count >= b->merge_slots / 2) LOP_TRY(grow_merges(b));
    lop_merge *slot = merge_slot(b, left, right);
    b->merge_count += slot->left < 0;
    *slot = (lop_merge){left, right, rank, id};
    return LOP_OK;
}

static lop_status need_token(const lop_bpe *b, lop_text text, int32_t rank, int32_t *id)
{
    *id = lop_vocabulary_find(&b->vocabulary, text);
    if (*id >= 0) return LOP_OK;
    return LOP_FAIL(LOP_E_FORMAT, "merge %d names \"%.*s\", which the vocabulary does not have", rank,
                    text.size < 64 ? (int)text.size : 64, text.at);
}

lop_status lop_bpe_merge_add_texts(lop_bpe *b, lop_text left, lop_text right, int32_t rank)
{
    int32_t left_id, right_id, id;
    LOP_TRY(need_token(b, left, rank, &left_id));
    LOP_TRY(need_token(b, right, rank, &right_id));
    char stack[256];
    char *both = stack;
    if (left.size + right.size > sizeof stack) LOP_TRY(lop_alloc(left.size + right.size, 1, &both));
    if (left.size) memcpy(both, left.at, left.size);
    if (right.size) memcpy(both + left.size, right.at, right.size);
    const lop_status status = need_token(b, (lop_text){both, left.size + right.size}, rank, &id);
    if (both != stack) lop_free(both);
    return status == LOP_OK ? lop_bpe_merge_add(b, left_id, right_id, rank, id) : status;
}

lop_status lop_bpe_merge_add_line(lop_bpe *b, lop_text line, int32_t rank)
{
    const char *space = line.size ? memchr(line.at, ' ', line.size) : NULL;
    const size_t left = space ? (size_t)(space - line.at) : 0;
    if (space == NULL || memchr(space + 1, ' ', line.size - left - 1) != NULL)
        return LOP_FAIL(LOP_E_FORMAT, "merge %d is \"%.*s\", expected two tokens with one blank between",
                        rank, line.size < 64 ? (int)line.size : 64, line.size ? line.at : "");
    const lop_text first = {line.at, left}, second = {space + 1, line.size - left - 1};
    return lop_bpe_merge_add_texts(b, first, second, rank);
}

void lop_bpe_seal(lop_bpe *b)
{
    for (int i = 0; i < 256; i++) {
        char text[8];
        const int size = snprintf(text, sizeof text, "<0x%02X>", (unsigned)i);
        b->byte_ids[i] = lop_vocabulary_find(&b->vocabulary, (lop_text){text, (size_t)size});
    }
    for (uint32_t c = 0; c < LOP_BPE_DIRECT_CHARS; c++) {
        char text[4];
        const int size = lop_char_put(c, text);
        b->char_ids[c] = lop_vocabulary_find(&b->vocabulary, (lop_text){text, (size_t)size});
    }
}

void lop_bpe_close(lop_bpe *b)
{
    lop_vocabulary_close(&b->vocabulary);
    lop_char_pairs_close(&b->joints);
    lop_free(b->merges);
    b->merges = NULL;
    b->merge_slots = b->merge_count = 0;
}

/* ---- characters to symbols */

static int32_t char_id(const lop_bpe *b, uint32_t c, lop_text character)
{
    return c < LOP_BPE_DIRECT_CHARS ? b->char_ids[c] : lop_vocabulary_find(&b->vocabulary, character);
}

static void symbol_add(lop_bpe_run *run, int32_t *count, int32_t id)
{
    run->symbols[*count] = (lop_bpe_symbol){id, *count - 1, *count + 1};
    ++*count;
}

static bool add_bytes(const lop_bpe *b, lop_bpe_run *run, lop_text character, int32_t *count)
{
    for (size_t i = 0; i < character.size; i++)
        if (b->byte_ids[(unsigned char)character.at[i]] < 0) return false;
    for (size_t i = 0; i < character.size; i++)
        symbol_add(run, count, b->byte_ids[(unsigned char)character.at[i]]);
    return true;
}

/* An unknown token waits until a known one comes, as the package has it: bytes may overtake it. */
static int32_t symbols_of(const lop_bpe *b, lop_bpe_run *run, lop_text piece)
{
    int32_t count = 0;
    bool waiting = false;
    for (size_t i = 0, from = 0; i < piece.size; from = i) {
        const uint32_t c = lop_char_next(piece.at, piece.size, &i);
        const lop_text character = {piece.at + from, i - from};
        const int32_t id = char_id(b, c, character);
        if (id >= 0) {
            if (waiting) symbol_add(run, &count, b->unknown);
            waiting = false;
            symbol_add(run, &count, id);
            continue;
        }
        if ((b->byte_fallback && add_bytes(b, run, character, &count)) || b->unknown < 0) continue;
        if (waiting && !b->fuse_unknown) symbol_add(run, &count, b->unknown);
        waiting = true;
    }
    if (waiting) symbol_add(run, &count, b->unknown);
    if (count > 0) run->symbols[count - 1].next = -1;
    return count;
}

/* ---- candidates, lowest rank and then leftmost first */

static bool comes_before(lop_bpe_candidate a, lop_bpe_candidate b)
{
    return a.rank != b.rank ? a.rank < b.rank : a.at < b.at;
}

static void sift_down(lop_bpe_candidate *heap, size_t count, size_t at)
{
    const lop_bpe_candidate moved = heap[at];
    for (size_t child = at * 2 + 1; child < count; child = at * 2 + 1) {
        child += child + 1 < count && comes_before(heap[child + 1], heap[child]);
        if (!comes_before(heap[child], moved)) break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moved;
}

static lop_bpe_candidate heap_take(lop_bpe_run *run)
{
    const lop_bpe_candidate top = run->heap[0];
    run->heap[0] = run->heap[--run->heap_count];
    if (run->heap_count > 1) sift_down(run->heap, run->heap_count, 0);
    return top;
}

static void heap_put(lop_bpe_run *run, lop_bpe_candidate candidate)
{
    size_t at = run->heap_count++;
    while (at > 0 && comes_before(candidate, run->heap[(at - 1) / 2])) {
        run->heap[at] = run->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    run->heap[at] = candidate;
}

/* A merge takes a candidate and adds at most two, and there are fewer merges than symbols: three times fits all. */
static lop_status reserve(lop_bpe_run *run, size_t symbols)
{
    if (symbols <= run->symbol_room) return LOP_OK;
    const size_t room = symbols + symbols / 4 + 64;
    LOP_TRY(lop_realloc(room, sizeof *run->symbols, &run->symbols));
    LOP_TRY(lop_realloc(room * 3, sizeof *run->heap, &run->heap));
    run->symbol_room = room;
    return LOP_OK;
}

static void find_candidates(const lop_bpe *b, lop_bpe_run *run, int32_t count)
{
    run->heap_count = 0;
    for (int32_t i = 0; i + 1 < count; i++) {
        const lop_merge *merge = merge_find(b, run->symbols[i].id, run->symbols[i + 1].id);
        if (merge) run->heap[run->heap_count++] = (lop_bpe_candidate){merge->rank, i, merge->id};
    }
    for (size_t i = run->heap_count / 2; i-- > 0;) sift_down(run->heap, run->heap_count, i);
}

static void offer(const lop_bpe *b, lop_bpe_run *run, int32_t left, int32_t right)
{
    if (left < 0 || right < 0) return;
    const lop_merge *merge = merge_find(b, run->symbols[left].id, run->symbols[right].id);
    if (merge) heap_put(run, (lop_bpe_candidate){merge->rank, left, merge->id});
}

static void merge_all(const lop_bpe *b, lop_bpe_run *run)
{
    lop_bpe_symbol *symbols = run->symbols;
    while (run->heap_count > 0) {
        const lop_bpe_candidate top = heap_take(run);
        lop_bpe_symbol *left = &symbols[top.at];
        if (left->id < 0 || left->next < 0) continue;
        lop_bpe_symbol *right = &symbols[left->next];
        /* Stale if what stands here now would merge into another token; an old rank does not make it stale. */
        const lop_merge *now = merge_find(b, left->id, right->id);
        if (now == NULL || now->id != top.id) continue;
        left->id = top.id;
        left->next = right->next;
        right->id = -1;
        if (left->next >= 0) symbols[left->next].prev = top.at;
        offer(b, run, left->prev, top.at);
        offer(b, run, top.at, left->next);
    }
}

static lop_status encode_new(const lop_bpe *b, lop_bpe_run *run, lop_text piece, lop_ids *out)
{
    if (piece.size > INT32_MAX / 2)
        return LOP_FAIL(LOP_E_UNSUPPORTED,
                        "one piece of text has %zu bytes, expected at most %d; split the text", piece.size,
                        INT32_MAX / 2);
    LOP_TRY(reserve(run, piece.size));
    const int32_t count = symbols_of(b, run, piece);
    if (count == 0) return LOP_OK;
    find_candidates(b, run, count);
    merge_all(b, run);
    int32_t kept = 0, ids[256];
    for (int32_t i = 0; i >= 0; i = run->symbols[i].next) {
        ids[kept++] = run->symbols[i].id;
        if (kept < 256 && run->symbols[i].next >= 0) continue;
        LOP_TRY(lop_ids_add(out, ids, kept));
        kept = 0;
    }
    return LOP_OK;
}

/* ---- pieces */

static lop_status encode_cached(const lop_bpe *b, lop_bpe_run *run, lop_text piece, lop_ids *out)
{
    int32_t count;
    const int32_t *known = lop_word_cache_find(&run->cache, piece, &count);
    if (count >= 0) return lop_ids_add(out, known, count);
    const int64_t before = out->count;
    const int32_t whole = b->ignore_merges ? lop_vocabulary_find(&b->vocabulary, piece) : -1;
    LOP_TRY(whole >= 0 ? lop_ids_add(out, &whole, 1) : encode_new(b, run, piece, out));
    const int32_t *ids = out->at ? out->at + before : NULL; /* null while no piece has given an id */
    return lop_word_cache_keep(&run->cache, piece, ids, out->count - before);
}

/* The first place after `from` that no merge can reach across: between two characters that are tokens, where no merge
 * has the one at the end of its left side and the other at the start of its right. */
static size_t part_end(const lop_bpe *b, lop_text piece, size_t from)
{
    size_t at = from;
    uint32_t left = lop_char_next(piece.at, piece.size, &at);
    bool left_known = char_id(b, left, (lop_text){piece.at + from, at - from}) >= 0;
    while (at < piece.size) {
        size_t next = at;
        const uint32_t right = lop_char_next(piece.at, piece.size, &next);
        const bool right_known = char_id(b, right, (lop_text){piece.at + at, next - at}) >= 0;
        if (left_known && right_known && !lop_char_pairs_has(&b->joints, left, right)) return at;
        left = right;
        left_known = right_known;
        at = next;
    }
    return at;
}

/* A long piece is encoded part by part: the ids are the same, and the parts repeat. Not where whole pieces may be
 * tokens, since then a part is not what a piece of the same text is. */
lop_status lop_bpe_encode(const lop_bpe *b, lop_bpe_run *run, lop_text piece, lop_ids *out)
{
    if (piece.size <= LOP_WORD_CACHE_BYTES || b->ignore_merges)
        return piece.size == 0 ? LOP_OK : encode_cached(b, run, piece, out);
    for (size_t from = 0; from < piece.size;) {
        const size_t end = part_end(b, piece, from);
        LOP_TRY(encode_cached(b, run, (lop_text){piece.at + from, end - from}, out));
        from = end;
    }
    return LOP_OK;
}

void lop_bpe_run_close(lop_bpe_run *run)
{
    lop_free(run->symbols);
    lop_free(run->heap);
    lop_word_cache_close(&run->cache);
    memset(run, 0, sizeof *run);
}
