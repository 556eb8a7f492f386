/* added_tokens.c - leftmost-longest search by narrowing a range of sorted texts byte by byte. */
#include "core/io/added_tokens.h"

#include "core/base/memory.h"
#include "core/io/unicode.h"

#include <stdlib.h>
#include <string.h>

const lop_added_token *lop_added_by_text(const lop_added_tokens *a, lop_text content)
{
    const int32_t index = lop_vocabulary_find(&a->contents, content);
    return index < 0 ? NULL : &a->at[index];
}

lop_status lop_added_add(lop_added_tokens *a, lop_text content, lop_added_token token)
{
    if (content.size > LOP_ADDED_BYTES_MAX)
        return LOP_FAIL(LOP_E_UNSUPPORTED, "an added token has %zu bytes, expected at most %d", content.size,
                        LOP_ADDED_BYTES_MAX);
    if (content.size == 0) return LOP_OK;
    LOP_TRY(lop_vocabulary_add(&a->contents, content, a->count));
    if (a->count == a->room) {
        const int32_t room = a->room ? a->room * 2 : 32;
        LOP_TRY(lop_realloc((size_t)room, sizeof *a->at, &a->at));
        a->room = room;
    }
    LOP_TRY(lop_memdup_text(content.at, content.size, &token.content));
    token.size = content.size;
    a->at[a->count++] = token;
    return LOP_OK;
}

static int compare_texts(const lop_added_pattern *a, const lop_added_pattern *b)
{
    const size_t shorter = a->size < b->size ? a->size : b->size;
    const int order = memcmp(a->at, b->at, shorter);
    if (order != 0 || a->size == b->size) return order;
    return a->size < b->size ? -1 : 1;
}

/* Texts become equal when normalizing makes them so. */
static int compare_patterns(const void *left, const void *right)
{
    const lop_added_pattern *a = left, *b = right;
    const int order = compare_texts(a, b);
    return order != 0 ? order : (a->order > b->order) - (a->order < b->order);
}

static void sort_patterns(lop_added_set *set)
{
    if (set->count == 0) return;
    qsort(set->patterns, (size_t)set->count, sizeof *set->patterns, compare_patterns);
    int32_t kept = 1;
    for (int32_t i = 1; i < set->count; i++) {
        if (compare_texts(&set->patterns[kept - 1], &set->patterns[i]) == 0)
            lop_free(set->patterns[i].at);
        else
            set->patterns[kept++] = set->patterns[i];
    }
    set->count = kept;
    for (int32_t i = 0; i < kept; i++) set->starts[(unsigned char)set->patterns[i].at[0] + 1]++;
    for (int b = 0; b < 256; b++) set->starts[b + 1] += set->starts[b];
}

static lop_status add_patterns(lop_added_tokens *a, const lop_normalizer *normalizer, bool special)
{
    lop_normal_run run = {0};
    lop_status status = LOP_OK;
    for (int32_t i = 0; i < a->count; i++) {
        const lop_added_token *token = &a->at[i];
        if (token->special != special) continue;
        lop_added_set *set = token->normalized ? &a->normalized : &a->plain;
        lop_text text = {token->content, token->size};
        if (token->normalized) LOP_TRY_DONE(lop_normalize(normalizer, &run, text, &text));
        if (text.size == 0) continue;
        lop_added_pattern *pattern = &set->patterns[set->count];
        LOP_TRY_DONE(lop_memdup_text(text.at, text.size, &pattern->at));
        pattern->size = text.size;
        pattern->token = i;
        pattern->order = set->count++;
    }
done:
    lop_normal_run_close(&run);
    return status;
}

static int compare_ids(const void *left, const void *right)
{
    const int64_t *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

/* Sorts (id, index) as one number each. */
static lop_status index_by_id(lop_added_tokens *a)
{
    int64_t *keys = NULL;
    LOP_TRY(LOP_NEW(&keys, a->count));
    lop_status status = LOP_NEW(&a->by_id, a->count);
    if (status == LOP_OK && a->count > 0) {
        for (int32_t i = 0; i < a->count; i++) keys[i] = (int64_t)a->at[i].id << 32 | i;
        qsort(keys, (size_t)a->count, sizeof *keys, compare_ids);
        for (int32_t i = 0; i < a->count; i++) a->by_id[i] = (int32_t)(keys[i] & 0x7FFFFFFF);
    }
    lop_free(keys);
    return status;
}

lop_status lop_added_seal(lop_added_tokens *a, const lop_normalizer *normalizer)
{
    LOP_TRY(LOP_NEW(&a->plain.patterns, a->count));
    LOP_TRY(LOP_NEW(&a->normalized.patterns, a->count));
    LOP_TRY(add_patterns(a, normalizer, true));
    LOP_TRY(add_patterns(a, normalizer, false));
    sort_patterns(&a->plain);
    sort_patterns(&a->normalized);
    return index_by_id(a);
}

static void set_close(lop_added_set *set)
{
    for (int32_t i = 0; i < set->count; i++) lop_free(set->patterns[i].at);
    lop_free(set->patterns);
}

void lop_added_tokens_close(lop_added_tokens *a)
{
    for (int32_t i = 0; i < a->count; i++) lop_free(a->at[i].content);
    lop_free(a->at);
    lop_free(a->by_id);
    lop_vocabulary_close(&a->contents);
    set_close(&a->plain);
    set_close(&a->normalized);
    memset(a, 0, sizeof *a);
}

const lop_added_token *lop_added_by_id(const lop_added_tokens *a, int32_t id)
{
    int32_t low = 0, high = a->count;
    while (low < high) {
        const int32_t middle = low + (high - low) / 2;
        if (a->at[a->by_id[middle]].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < a->count && a->at[a->by_id[low]].id == id ? &a->at[a->by_id[low]] : NULL;
}

/* The first pattern of [low, high) whose byte at `depth` is not below `byte`; all share what comes before it. */
static int32_t narrow(const lop_added_set *set, int32_t low, int32_t high, size_t depth, int byte)
{
    while (low < high) {
        const int32_t middle = low + (high - low) / 2;
        const lop_added_pattern *p = &set->patterns[middle];
        if (p->size <= depth || (unsigned char)p->at[depth] < byte)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int32_t longest_at(const lop_added_set *set, lop_text text, size_t at)
{
    const int first = (unsigned char)text.at[at];
    int32_t low = set->starts[first], high = set->starts[first + 1], best = -1;
    for (size_t depth = 1; low < high; depth++) {
        if (set->patterns[low].size == depth) best = low;
        if (at + depth >= text.size) break;
        const int byte = (unsigned char)text.at[at + depth];
        low = narrow(set, low, high, depth, byte);
        high = narrow(set, low, high, depth, byte + 1);
    }
    return best;
}

static bool stands_alone(lop_text text, size_t from, size_t to)
{
    if (from > 0) {
        size_t i = lop_char_before(text.at, from);
        if (lop_char_is_word(lop_char_next(text.at, from, &i))) return false;
    }
    if (to == text.size) return true;
    return !lop_char_is_word(lop_char_next(text.at, text.size, &to));
}

static size_t space_before(lop_text text, size_t from, size_t least)
{
    while (from > least) {
        const size_t before = lop_char_before(text.at, from);
        size_t i = before;
        if (!lop_char_is_space(lop_char_next(text.at, from, &i))) break;
        from = before;
    }
    return from;
}

static size_t space_after(lop_text text, size_t to)
{
    for (size_t next = to; to < text.size; to = next)
        if (!lop_char_is_space(lop_char_next(text.at, text.size, &next))) break;
    return to;
}

bool lop_added_next(const lop_added_tokens *a, const lop_added_set *set, lop_text text, size_t from,
                    size_t done, lop_added_match *out)
{
    for (size_t at = from; set->count > 0 && at < text.size; at++) {
        const int32_t found = longest_at(set, text, at);
        if (found < 0) continue;
        const lop_added_token *token = &a->at[set->patterns[found].token];
        const size_t to = at + set->patterns[found].size;
        if (token->single_word && !stands_alone(text, at, to)) {
            at = to - 1;
            continue;
        }
        out->id = token->id;
        out->end = to;
        out->from = token->lstrip ? space_before(text, at, done) : at;
        out->to = token->rstrip ? space_after(text, to) : to;
        return true;
    }
    return false;
}
