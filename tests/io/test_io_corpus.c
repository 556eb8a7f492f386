/* test_io_corpus.c - texts into windows: each kind of file, both samplers, what is too short or wrong, and what repeats. The
 * tokenizer is the byte one of synthetic models: an id is a byte, behind a beginning of text. */
#include "core/io/corpus.h"
#include "core/io/synth.h"
#include "tests/harness/shared_data.h"
#include "tests/io/io_groups.h"
#include "tests/io/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static scratch place;
static lop_tokenizer *bytes;

static int open_place(void **state)
{
    (void)state;
    scratch_open(&place);
    assert_ok(lop_synth_tokenizer(&bytes));
    return 0;
}

static int close_place(void **state)
{
    (void)state;
    lop_tokenizer_close(bytes);
    scratch_close(&place);
    return 0;
}

static lop_corpus_wish wish_of(const char *path, int32_t seqlen, int64_t windows)
{
    return (lop_corpus_wish){
        .path = path, .tokenizer = bytes, .vocab = 258, .seqlen = seqlen, .windows = windows};
}

/* Text of which no two places look the same for long. */
static void fill(char *text, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++) {
        seed = seed * 1664525u + 1013904223u;
        text[i] = (char)('a' + (seed >> 24) % 26);
    }
    text[size] = '\0';
}

static void documents_are_one_stream(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text, *field;
    } files[] = {{"d.jsonl", "{\"text\":\"ab\"}\n\n{\"x\":1,\"text\":\"c\\u00e9\"}", NULL},
                 {"e.jsonl", "{\"body\":\"ab\"}\r\n{\"body\":\"c\\u00e9\"}\n", "body"},
                 {"c4.json", " {\"text\":\"ab\"}\n{\"text\":\"c\\u00e9\"}\n", NULL},
                 {"d.json", "[\"ab\",\"c\\u00e9\"]", NULL}};
    static const int32_t expected[] = {256, 'a', 'b', 256, 'c', 0xc3, 0xa9};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        lop_ids ids = {0};
        lop_corpus_wish w = wish_of(scratch_path(&place, files[i].name), 0, 0);
        w.text_field = files[i].field;
        write_text(w.path, files[i].text);
        assert_ok(lop_corpus_ids(&w, &ids));
        assert_int_equal(ids.count, 7);
        for (int j = 0; j < 7; j++)
            assert_int_equal(ids.at[j], j == 0 || j == 3 ? LOP_SYNTH_BOS : expected[j]);
        lop_ids_close(&ids);
    }
}

static void a_text_is_one_document(void **state)
{
    (void)state;
    lop_corpus c;
    lop_corpus_wish w = wish_of(scratch_path(&place, "t.txt"), 4, 0);
    write_text(w.path, "abc\n\ndefghij");
    assert_ok(lop_corpus_cut(&w, &c));
    assert_int_equal(c.tokens, 13);
    assert_int_equal(c.windows, 3);
    static const int32_t expected[] = {256, 'a', 'b', 'c', '\n', '\n', 'd', 'e', 'f', 'g', 'h', 'i'};
    assert_memory_equal(c.ids, expected, sizeof expected);
    assert_string_equal(c.sha256, "9814f939aac1c837d3902d4f52f50c734ded6d587cbe58d94416293fed48b51b");
    lop_corpus_close(&c);
    w.windows = 2;
    assert_ok(lop_corpus_cut(&w, &c));
    assert_int_equal(c.windows, 2);
    lop_corpus_close(&c);
    w.windows = 4;
    assert_failed(lop_corpus_cut(&w, &c), LOP_E_FORMAT, "13 tokens, too few: 16 are needed");
}

/* Windows are pieces of the stream; the seed alone decides which; fewer windows are the first of more. */
static void draws_are_seeded(void **state)
{
    (void)state;
    char text[5001];
    lop_corpus a, b, other;
    lop_ids ids = {0};
    fill(text, 5000, 1);
    lop_corpus_wish w = wish_of(scratch_path(&place, "long.txt"), 50, 8);
    write_text(w.path, text);
    assert_ok(lop_corpus_draw(&w, &a));
    w.windows = 5;
    assert_ok(lop_corpus_draw(&w, &b));
    assert_memory_equal(a.ids, b.ids, (size_t)5 * 50 * sizeof *a.ids);
    w.seed = 1;
    assert_ok(lop_corpus_draw(&w, &other));
    assert_memory_not_equal(b.ids, other.ids, (size_t)5 * 50 * sizeof *a.ids);
    assert_ok(lop_corpus_ids(&w, &ids));
    for (int i = 0; i < 8; i++) {
        bool found = false;
        for (int64_t at = 0; at + 50 <= ids.count; at++)
            found = found || memcmp(ids.at + at, a.ids + i * 50, 50 * sizeof *a.ids) == 0;
        assert_true(found);
    }
    lop_ids_close(&ids);
    lop_corpus_close(&a);
    lop_corpus_close(&b);
    lop_corpus_close(&other);
}

static void a_stream_is_used_in_order(void **state)
{
    (void)state;
    int32_t ids[10] = {5, 6, 7, 8, 9, 10, 11, 12, 13, 14};
    lop_corpus c;
    lop_corpus_wish w = wish_of(scratch_path(&place, "s.i32"), 4, 2);
    write_bytes(w.path, ids, sizeof ids);
    w.tokenizer = NULL;
    assert_ok(lop_corpus_draw(&w, &c));
    assert_memory_equal(c.ids, ids, 8 * sizeof *ids);
    assert_int_equal(c.tokens, 10);
    lop_corpus_close(&c);
    w.windows = 3;
    assert_failed(lop_corpus_draw(&w, &c), LOP_E_FORMAT, "10 tokens, too few: 12 are needed");
    w.sampler = LOP_SAMPLER_WANDA;
    assert_failed(lop_corpus_draw(&w, &c), LOP_E_ARGUMENT, "stream of ids");
    w.sampler = LOP_SAMPLER_STREAM;
    ids[7] = 258;
    write_bytes(w.path, ids, sizeof ids);
    assert_failed(lop_corpus_draw(&w, &c), LOP_E_FORMAT,
                  "id 258 at place 7 is outside the model's vocabulary of 258");
    ids[7] = -1;
    write_bytes(w.path, ids, sizeof ids);
    assert_failed(lop_corpus_draw(&w, &c), LOP_E_FORMAT, "id -1");
    write_bytes(w.path, ids, 39);
    assert_failed(lop_corpus_draw(&w, &c), LOP_E_FORMAT, "multiple of 4");
}

/* Places from CPython's random module: seed 0, documents of 21 + 10 i ids; seed 3, one text of 1001 ids. */
static void wanda_draws_as_python_does(void **state)
{
    (void)state;
    static const int places[6][2] = {{6, 13}, {8, 31}, {6, 9}, {7, 11}, {9, 13}, {8, 8}};
    static const int offsets[5] = {243, 606, 557, 133, 378};
    char text[1001];
    lop_string list = {0};
    lop_corpus c;
    for (unsigned i = 0; i < 10; i++) {
        fill(text, 20 + 10 * i, i);
        assert_ok(lop_string_print(&list, "{\"text\":\"%s\"}\n", text));
    }
    lop_corpus_wish w = wish_of(scratch_path(&place, "w.jsonl"), 64, 6);
    w.sampler = LOP_SAMPLER_WANDA;
    write_text(w.path, list.at);
    lop_string_close(&list);
    assert_ok(lop_corpus_draw(&w, &c));
    for (int i = 0; i < 6; i++) {
        fill(text, 20 + 10 * (size_t)places[i][0], (unsigned)places[i][0]);
        for (int j = 0; j < 64; j++) {
            const int at = places[i][1] + j;
            assert_int_equal(c.ids[i * 64 + j], at == 0 ? LOP_SYNTH_BOS : text[at - 1]);
        }
    }
    lop_corpus_close(&c);
    w.seqlen = 111;
    assert_failed(lop_corpus_draw(&w, &c), LOP_E_FORMAT,
                  "its longest document has 111 and a window needs more than 111");

    fill(text, 1000, 5);
    w = wish_of(scratch_path(&place, "w.txt"), 64, 5);
    w.sampler = LOP_SAMPLER_WANDA;
    w.seed = 3;
    write_text(w.path, text);
    assert_ok(lop_corpus_draw(&w, &c));
    for (int i = 0; i < 5; i++) assert_int_equal(c.ids[i * 64 + 1], text[offsets[i]]);
    lop_corpus_close(&c);
    w.seqlen = 1001;
    assert_failed(lop_corpus_draw(&w, &c), LOP_E_FORMAT, "1001");
}

static void wrong_texts_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text, *words;
        lop_status status;
    } cases[] = {
        {"a.txt", "abc\xff\xfe", "byte 3 is 0xff", LOP_E_FORMAT},
        {"a.jsonl", "{\"text\":\"a\xc3\"}", "not UTF-8: byte 10", LOP_E_FORMAT},
        {"b.jsonl", "{\"text\":\"a\"}\n{\"txt\":\"b\"}", "line 2", LOP_E_FORMAT},
        {"c.jsonl", "{\"text\":7}", "\"text\"", LOP_E_FORMAT},
        {"d.jsonl", "[1]", "expected an object", LOP_E_FORMAT},
        {"e.jsonl", "\n\n", "no document", LOP_E_FORMAT},
        {"f.json", "[\"a\",7]", "an entry of the list", LOP_E_FORMAT},
        {"g.json", "[\"a\"", "JSON", LOP_E_FORMAT},
        {"h.json", "[]", "no document", LOP_E_FORMAT},
        {"i.txt", "short", "6 tokens, too few: 32 are needed", LOP_E_FORMAT},
        {"j.txt", "", "too few", LOP_E_FORMAT},
        {"k.json.gz", "x", "unpack", LOP_E_UNSUPPORTED},
    };
    lop_corpus c;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const lop_corpus_wish w = wish_of(scratch_path(&place, cases[i].name), 32, 2);
        write_text(w.path, cases[i].text);
        assert_failed(lop_corpus_draw(&w, &c), cases[i].status, cases[i].words);
    }
    const lop_corpus_wish w = wish_of(scratch_path(&place, "none.txt"), 32, 2);
    assert_failed(lop_corpus_draw(&w, &c), LOP_E_FILE, "none.txt");
    lop_corpus_wish small = wish_of(scratch_path(&place, "i.txt"), 2, 2);
    small.vocab = 100;
    assert_failed(lop_corpus_draw(&small, &c), LOP_E_FORMAT, "outside the model's vocabulary of 100");
}

typedef struct heard {
    int warnings, notes;
    char text[512];
} heard;

static void hear(const lop_event *event, void *user)
{
    heard *h = user;
    if (event->kind != LOP_EVENT_WARNING && event->kind != LOP_EVENT_NOTE) return;
    h->warnings += event->kind == LOP_EVENT_WARNING;
    h->notes += event->kind == LOP_EVENT_NOTE;
    (void)snprintf(h->text, sizeof h->text, "%s", event->text);
}

static void repeats_are_said(void **state)
{
    (void)state;
    heard h = {0};
    lop_log log = {.fn = hear, .user = &h};
    lop_corpus c;
    lop_corpus_wish w = wish_of(scratch_path(&place, "same.json"), 8, 1);
    w.log = &log;
    write_text(w.path, "[\"one document\",\"two document\",\"one document\"]");
    assert_ok(lop_corpus_draw(&w, &c));
    assert_true(c.repeated > 0.33 && c.repeated < 0.34);
    assert_int_equal(h.warnings, 1);
    assert_non_null(strstr(h.text, "33 % of its text"));
    lop_corpus_close(&c);

    char line[101], text[1011];
    fill(line, 100, 9);
    text[0] = '\0';
    for (int i = 0; i < 10; i++)
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), "%s\n", line);
    w.path = scratch_path(&place, "lines.txt");
    write_text(w.path, text);
    assert_ok(lop_corpus_draw(&w, &c));
    assert_true(c.repeated > 0.89);
    lop_corpus_close(&c);

    h = (heard){0};
    char unlike[201];
    fill(unlike, 200, 3);
    w = wish_of(scratch_path(&place, "tight.txt"), 100, 20);
    w.log = &log;
    write_text(w.path, unlike);
    assert_ok(lop_corpus_draw(&w, &c));
    assert_true(c.overlapping > 15);
    assert_int_equal(h.warnings, 1);
    assert_non_null(strstr(h.text, "overlap"));
    lop_corpus_close(&c);
}

/* The golden ids were made by another program: documents one by one, and a text as one string. */
static void real_text_is_cut_as_elsewhere(void **state)
{
    (void)state;
    static const char *const pairs[2][2] = {{"data/calib/tinystories_1000.json", "golden/calib_64x256.i32"},
                                            {"data/calib/tinystories_val.txt", "golden/eval_400x256.i32"}};
    shared_need(pairs[0][1]);
    lop_tokenizer *t = NULL;
    assert_ok(lop_tokenizer_open_folder(shared_path("data/models/TinyStories-656K"), &t));
    for (int i = 0; i < 2; i++) {
        lop_corpus ours, theirs;
        lop_corpus_wish w = {.path = shared_path(pairs[i][1]), .tokenizer = t, .vocab = 2048, .seqlen = 256};
        assert_ok(lop_corpus_cut(&w, &theirs));
        w.path = shared_path(pairs[i][0]);
        w.windows = theirs.windows;
        assert_ok(lop_corpus_cut(&w, &ours));
        assert_memory_equal(ours.ids, theirs.ids, (size_t)(theirs.windows * 256) * sizeof *ours.ids);
        lop_corpus_close(&ours);
        lop_corpus_close(&theirs);
    }
    lop_tokenizer_close(t);
}

int test_io_corpus(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents_are_one_stream),   cmocka_unit_test(a_text_is_one_document),
        cmocka_unit_test(draws_are_seeded),           cmocka_unit_test(a_stream_is_used_in_order),
        cmocka_unit_test(wanda_draws_as_python_does), cmocka_unit_test(wrong_texts_are_refused),
        cmocka_unit_test(repeats_are_said),           cmocka_unit_test(real_text_is_cut_as_elsewhere),
    };
    return cmocka_run_group_tests_name("corpora", tests, open_place, close_place);
}
