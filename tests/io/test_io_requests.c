/* test_io_requests.c - zero-shot sets and the lines they come in: plain and packed, and what is wrong with them. */
#include "core/base/memory.h"
#include "core/io/lines.h"
#include "core/io/requests.h"
#include "tests/harness/ladder.h"
#include "tests/io/io_groups.h"
#include "tests/io/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#define SET LOP_SOURCE_DIR "/tests/data/choices.jsonl"

/* A line of a set, whole but for what the test is about. */
#define LINE(doc, idx, label, more)                                                                          \
    "{\"doc_id\": " doc ", \"idx\": " idx ", \"label\": " label                                              \
    ", \"request\": {\"context\": \"c\", \"continuation\": \"x\"}" more "}\n"

static const char *packed(const char *name, const char *text, size_t size, const char *mode)
{
    const char *path = scratch_path(&here, name);
    gzFile f = gzopen(path, mode);
    assert_non_null(f);
    assert_int_equal(gzwrite(f, text, (unsigned)size), (int)size);
    assert_int_equal(gzclose(f), Z_OK);
    return path;
}

static char *whole_file(const char *path, size_t *size)
{
    static char bytes[65536];
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    *size = fread(bytes, 1, sizeof bytes, f);
    assert_true(*size > 0 && *size < sizeof bytes);
    (void)fclose(f);
    return bytes;
}

static void same_requests(const lop_requests *a, const lop_requests *b)
{
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->questions, b->questions);
    assert_int_equal(a->unconditional, b->unconditional);
    for (int64_t i = 0; i < a->count; i++) {
        assert_true(lop_text_equal(a->at[i].context, b->at[i].context));
        assert_true(lop_text_equal(a->at[i].continuation, b->at[i].continuation));
        assert_true(a->at[i].question == b->at[i].question && a->at[i].answer == b->at[i].answer);
        assert_true(a->at[i].label == b->at[i].label && a->at[i].line == b->at[i].line);
    }
}

static void a_set_is_read(void **state)
{
    (void)state;
    lop_requests plain, gz;
    size_t size;
    const char *text = whole_file(SET, &size);
    assert_ok(lop_requests_open(SET, &plain));
    assert_int_equal(plain.count, 12);
    assert_int_equal(plain.questions, 5);
    assert_int_equal(plain.unconditional, 2);
    assert_true(plain.at[5].answer == 0 && plain.at[5].line == 8 && plain.at[6].line == 7);
    assert_ptr_equal(plain.at[0].context.at, plain.at[1].context.at);
    assert_true(lop_text_is(plain.at[3].continuation, " the / directory"));
    /* One member, two of them cut inside a line, and under a name that does not say so. */
    assert_ok(lop_requests_open(packed("set.jsonl.gz", text, size, "wb9"), &gz));
    same_requests(&plain, &gz);
    assert_true(strcmp(plain.sha256, gz.sha256) != 0);
    lop_requests_close(&gz);
    (void)packed("set.jsonl", text, 1000, "wb1");
    assert_ok(lop_requests_open(packed("set.jsonl", text + 1000, size - 1000, "ab"), &gz));
    same_requests(&plain, &gz);
    lop_requests_close(&gz);
    lop_requests_close(&plain);
}

static void sets_that_are_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words;
    } sets[] = {
        {"", "no question"},
        {"\n\n", "no question"},
        {LINE("1000000", "0", "0", ""), "no question (1 unconditional requests)"},
        {LINE("0", "0", "0", "") "{\"doc_id\": 0,\n", "line 2"},
        {LINE("0", "0", "0", "") "[1]\n", "an array, expected an object"},
        {"{\"idx\": 0}\n", "doc_id"},
        {LINE("\"0\"", "0", "0", ""), "doc_id"},
        {LINE("-1", "0", "0", ""), "doc_id"},
        {LINE("0.5", "0", "0", ""), "doc_id"},
        {LINE("0", "-1", "0", ""), "idx"},
        {LINE("0", "9999999", "0", ""), "idx"},
        {LINE("0", "null", "0", ""), "idx"},
        {LINE("0", "0", "\"a\"", ""), "label"},
        {LINE("0", "0", "0", ", \"idx\": 1"), "line 1"},
        {"{\"doc_id\": 0, \"idx\": 0, \"label\": 0}\n", "request"},
        {"{\"doc_id\": 0, \"idx\": 0, \"label\": 0, \"request\": []}\n", "request"},
        {"{\"doc_id\": 0, \"idx\": 0, \"label\": 0, \"request\": {\"context\": \"\"}}\n", "continuation"},
        {"{\"doc_id\": 0, \"idx\": 0, \"label\": 0, \"request\": {\"continuation\": \"\"}}\n", "context"},
        {"{\"doc_id\": 0, \"idx\": 0, \"label\": 0, \"request\": {\"context\": \"\", \"continuation\": "
         "\"\"}}\n",
         "is empty"},
        {LINE("0", "0", "0", "") LINE("0", "1", "0", "") LINE("0", "1", "0", ""),
         "line 3: question 0 has its answer 1 on line 2 already"},
        {LINE("0", "0", "0", "") LINE("0", "2", "0", ""),
         "line 2: question 0 has an answer 2 and no answer 1"},
        {LINE("5", "0", "2", "") LINE("5", "1", "2", ""), "line 1: the label of question 5 is 2"},
        {LINE("0", "0", "0", "") LINE("0", "1", "1", ""), "line 2: the label of question 0 is 1, on line 1"},
        {LINE("0", "0", "0", ""), "one answer"},
        {LINE("0", "0", "0", "") "\"\xff\"\n", "line 2 of"},
        {LINE("0", "0", "0", ", \"more\": \"\xc3\""), "is not UTF-8: byte"},
    };
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        lop_requests r;
        const char *path = scratch_path(&here, "wrong.jsonl");
        write_text(path, sets[i].text);
        assert_failed(lop_requests_open(path, &r), LOP_E_FORMAT, sets[i].words);
        assert_null(r.at);
        assert_failed(lop_requests_open(packed("wrong.gz", sets[i].text, strlen(sets[i].text), "wb"), &r),
                      LOP_E_FORMAT, sets[i].words);
    }
    lop_requests r;
    assert_failed(lop_requests_open(scratch_path(&here, "none"), &r), LOP_E_FILE, "none");
    assert_failed(lop_requests_open(here.path, &r), LOP_E_FILE, "folder");
}

/* Cut at every length, and with every byte changed: refused, or (header fields that mean nothing) read as it was. */
static void packed_files_that_are_damaged(void **state)
{
    (void)state;
    static const char text[] = LINE("0", "0", "0", "") LINE("0", "1", "0", "");
    lop_requests whole, r;
    size_t size;
    const char *bad = scratch_path(&here, "bad.gz");
    const char *path = packed("good.gz", text, sizeof text - 1, "wb");
    char *bytes = whole_file(path, &size);
    assert_ok(lop_requests_open(path, &whole));
    for (size_t cut = 2; cut < size; cut++) {
        write_bytes(bad, bytes, cut);
        assert_failed(lop_requests_open(bad, &r), LOP_E_FORMAT, "cut short");
    }
    for (size_t i = 2; i < size; i++) {
        bytes[i] = (char)(bytes[i] ^ 0x55);
        write_bytes(bad, bytes, size);
        if (lop_requests_open(bad, &r) == LOP_OK) {
            assert_true(i < 10);
            same_requests(&whole, &r);
            lop_requests_close(&r);
        }
        bytes[i] = (char)(bytes[i] ^ 0x55);
    }
    bytes[size] = 'x';
    write_bytes(bad, bytes, size + 1);
    assert_failed(lop_requests_open(bad, &r), LOP_E_FORMAT, "unpacked");
    lop_requests_close(&whole);
}

/* Little files that unpack to much: one line beyond what a line may be; blank lines beyond what a text may be. */
static void bombs(void **state)
{
    (void)state;
    static char chunk[1 << 20];
    const char *line = scratch_path(&here, "line.gz"), *text = scratch_path(&here, "text.gz");
    lop_requests r;
    lop_host_peak before, after;
    const int lines = (int)(LOP_LINES_MOST / sizeof chunk) + 1;
    const struct {
        const char *path, *words;
        int count;
        char end;
    } files[] = {{line, "longer than", 40, ' '}, {text, "beyond", lines, '\n'}};
    lop_host_peak_read(&before);
    for (int f = 0; f < 2; f++) {
        memset(chunk, ' ', sizeof chunk);
        chunk[sizeof chunk - 1] = files[f].end;
        gzFile out = gzopen(files[f].path, "wb1");
        assert_non_null(out);
        for (int i = 0; i < files[f].count; i++)
            assert_int_equal(gzwrite(out, chunk, sizeof chunk), sizeof chunk);
        assert_int_equal(gzclose(out), Z_OK);
        assert_failed(lop_requests_open(files[f].path, &r), LOP_E_FORMAT, files[f].words);
    }
    lop_host_peak_read(&after);
    assert_true(after.anonymous - before.anonymous < (size_t)128 << 20);
    write_bytes(line, chunk, sizeof chunk); /* a blank line, not packed */
    assert_failed(lop_requests_open(line, &r), LOP_E_FORMAT, "no question");
}

static lop_status open_and_close(void *path)
{
    lop_requests r;
    const lop_status status = lop_requests_open(path, &r);
    lop_requests_close(&r);
    return status;
}

static void memory_that_runs_out(void **state)
{
    (void)state;
    char path[512];
    size_t size;
    const char *text = whole_file(SET, &size);
    (void)snprintf(path, sizeof path, "%s", packed("ladder.gz", text, size, "wb"));
    assert_true(ladder_climb(open_and_close, path) > 8);
}

int test_io_requests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_set_is_read, here_open, here_close),
        cmocka_unit_test_setup_teardown(sets_that_are_wrong, here_open, here_close),
        cmocka_unit_test_setup_teardown(packed_files_that_are_damaged, here_open, here_close),
        cmocka_unit_test_setup_teardown(bombs, here_open, here_close),
        cmocka_unit_test_setup_teardown(memory_that_runs_out, here_open, here_close),
    };
    return cmocka_run_group_tests_name("zero-shot sets", tests, NULL, NULL);
}
