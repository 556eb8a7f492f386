/* test_bpe.c - byte-pair encoding against a plain loop that looks for the best merge again and again, on random merges
 * and texts; and its edges: unknown characters, byte fallback, whole pieces, one very long piece. */
#include "core/base/random.h"
#include "core/io/bpe.h"
#include "tests/tokenizer/tokenizer_case.h"
#include "tests/tokenizer/tokenizer_groups.h"

#include <string.h>
#include <time.h>

static uint32_t below(uint64_t *at, uint32_t limit)
{
    return (uint32_t)lop_random_below(7, 1, at, limit);
}

/* The letters a to d, then tokens that join two earlier ones, each with its merge. */
static void fill_random(lop_bpe *b, uint64_t *at)
{
    b->unknown = -1;
    for (int32_t id = 0; id < 4; id++)
        assert_ok(lop_vocabulary_add(&b->vocabulary, (lop_text){"abcd" + id, 1}, id));
    lop_bpe_seal(b);
    for (int32_t rank = 0; rank < 60; rank++) {
        lop_text left, right;
        const uint32_t count = (uint32_t)b->vocabulary.size;
        assert_true(lop_vocabulary_text(&b->vocabulary, (int32_t)below(at, count), &left));
        assert_true(lop_vocabulary_text(&b->vocabulary, (int32_t)below(at, count), &right));
        char both[64];
        if (left.size + right.size > 12) continue;
        memcpy(both, left.at, left.size);
        memcpy(both + left.size, right.at, right.size);
        const lop_text joined = {both, left.size + right.size};
        const lop_text first = {both, left.size}, second = {both + left.size, right.size};
        if (lop_vocabulary_find(&b->vocabulary, joined) < 0)
            assert_ok(lop_vocabulary_add(&b->vocabulary, joined, b->vocabulary.size));
        assert_ok(lop_bpe_merge_add_texts(b, first, second, rank));
    }
}

static const lop_merge *find(const lop_bpe *b, int32_t left, int32_t right)
{
    for (uint32_t i = 0; i < b->merge_slots; i++)
        if (b->merges[i].left == left && b->merges[i].right == right) return &b->merges[i];
    return NULL;
}

/* The leftmost merge of the lowest rank, until there is none. */
static int merge_plainly(const lop_bpe *b, int32_t *ids, int count)
{
    for (;;) {
        const lop_merge *best = NULL;
        int where = 0;
        for (int i = 0; i + 1 < count; i++) {
            const lop_merge *m = find(b, ids[i], ids[i + 1]);
            if (m == NULL || (best != NULL && m->rank >= best->rank)) continue;
            best = m;
            where = i;
        }
        if (best == NULL) return count;
        ids[where] = best->id;
        memmove(ids + where + 1, ids + where + 2, (size_t)(count - where - 2) * sizeof *ids);
        count--;
    }
}

static void check_text(const lop_bpe *b, uint64_t *at)
{
    char text[200];
    int32_t ids[200];
    const int size = 1 + (int)below(at, 199);
    for (int i = 0; i < size; i++) {
        ids[i] = (int32_t)below(at, 4);
        text[i] = "abcd"[ids[i]];
    }
    const int count = merge_plainly(b, ids, size);
    lop_bpe_run run = {0};
    lop_ids got = {0};
    assert_ok(lop_bpe_encode(b, &run, (lop_text){text, (size_t)size}, &got));
    assert_int_equal(got.count, count);
    assert_memory_equal(got.at, ids, (size_t)count * sizeof *ids);
    lop_ids_close(&got);
    lop_bpe_run_close(&run);
}

/* The two differ only where an outdated candidate comes before its time, which needs two ways to one token. */
static void the_heap_merges_as_the_plain_loop_does(void **state)
{
    (void)state;
    uint64_t at = 0;
    for (int round = 0; round < 60; round++) {
        lop_bpe b = {0};
        fill_random(&b, &at);
        for (int i = 0; i < 40; i++) check_text(&b, &at);
        lop_bpe_close(&b);
    }
}

static void characters_without_a_token(void **state)
{
    (void)state;
    static const char *const parts = "{`model`:{`vocab`:{`<unk>`:0,`a`:1,`<0xC3>`:2,`<0xA9>`:3,`aa`:4},"
                                     "`merges`:[`a a`],`byte_fallback`:%s,`fuse_unk`:%s,`unk_token`:%s}}";
    const struct {
        const char *fallback, *fuse, *unknown;
        int32_t ids[8];
        int count;
    } cases[] = {
        {"true", "true", "`<unk>`", {4, 2, 3, 0, 1}, 5}, /* a-a e-acute x-x a */
        {"true", "false", "`<unk>`", {4, 2, 3, 0, 0, 1}, 6}, {"false", "true", "`<unk>`", {4, 0, 1}, 3},
        {"false", "false", "`<unk>`", {4, 0, 0, 0, 1}, 5},   {"false", "false", "null", {4, 1}, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lop_tokenizer *t = NULL;
        assert_ok(case_open(&t, parts, cases[i].fallback, cases[i].fuse, cases[i].unknown));
        case_ids(t, "aaéxxa", false, cases[i].ids, cases[i].count);
        lop_tokenizer_close(t);
    }
}

static void whole_pieces_and_their_parts(void **state)
{
    (void)state;
    static const char *const model = "{`model`:{`vocab`:{`a`:0,`b`:1,`ab`:2,`aab`:3},`merges`:[[`a`,`b`]],"
                                     "`ignore_merges`:%s}}";
    lop_tokenizer *t = NULL;
    assert_ok(case_open(&t, model, "true"));
    case_ids(t, "aab", false, (const int32_t[]){3}, 1);
    lop_tokenizer_close(t);
    assert_ok(case_open(&t, model, "false"));
    case_ids(t, "aab", false, (const int32_t[]){0, 2}, 2);
    lop_tokenizer_close(t);
}

/* A megabyte that no place may be cut at. */
static void one_long_piece_takes_no_square(void **state)
{
    (void)state;
    enum { SIZE = 1 << 20 };
    lop_bpe b = {.unknown = -1};
    assert_ok(lop_vocabulary_add(&b.vocabulary, lop_text_of("a"), 0));
    assert_ok(lop_vocabulary_add(&b.vocabulary, lop_text_of("aa"), 1));
    assert_ok(lop_vocabulary_add(&b.vocabulary, lop_text_of("aaaa"), 2));
    lop_bpe_seal(&b);
    assert_ok(lop_bpe_merge_add_line(&b, lop_text_of("a a"), 0));
    assert_ok(lop_bpe_merge_add_line(&b, lop_text_of("aa aa"), 1));
    lop_string text = {0};
    for (int i = 0; i < SIZE; i++) assert_ok(lop_string_add(&text, "a", 1));
    lop_bpe_run run = {0};
    lop_ids ids = {0};
    const time_t before = time(NULL);
    assert_ok(lop_bpe_encode(&b, &run, (lop_text){text.at, text.size}, &ids));
    assert_true(time(NULL) - before < 30);
    assert_int_equal(ids.count, SIZE / 4);
    for (int i = 0; i < SIZE / 4; i++) assert_int_equal(ids.at[i], 2);
    lop_ids_close(&ids);
    lop_bpe_run_close(&run);
    lop_string_close(&text);
    lop_bpe_close(&b);
}

int test_bpe(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_heap_merges_as_the_plain_loop_does),
        cmocka_unit_test(characters_without_a_token),
        cmocka_unit_test(whole_pieces_and_their_parts),
        cmocka_unit_test(one_long_piece_takes_no_square),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
