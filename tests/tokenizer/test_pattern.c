/* test_pattern.c - patterns: what is translated and what refused, matches across windows, and the limits. */
#include "core/io/pattern.h"
#include "core/io/pattern_dialect.h"
#include "tests/tokenizer/tokenizer_case.h"
#include "tests/tokenizer/tokenizer_groups.h"

#include <string.h>
#include <time.h>

static void dialects_are_translated(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"\\s+(?!\\S)|[^\\s\\p{L}]", "\\p{White_Space}+(?!\\P{White_Space})|[^\\p{White_Space}\\p{L}]"},
        {"\\p{Han}\\p{L}\\pN\\P{Greek}\\p{^Lu}", "\\p{sc:Han}\\p{L}\\pN\\P{sc:Greek}\\p{^Lu}"},
        {"\\v\\u0041\\u{1F600}[]\\]a]", "\\x0b\\x{0041}\\x{1F600}[]\\]a]"},
        {"(?i:'s)|a{1,3}|[[:alpha:]]\\{", "(?i:'s)|a{1,3}|[[:alpha:]]\\{"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lop_string out = {0};
        assert_ok(lop_pattern_translate(lop_text_of(cases[i][0]), &out));
        assert_string_equal(out.at, cases[i][1]);
        lop_string_close(&out);
    }
}

static void what_reads_differently_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"[a&&b]", "[a[bc]]", "(*ACCEPT)a", "\\h",       "\\bx",
                                      "a\\Kb",  "[\\W]",   "(?m:.)",     "a{,3}",     "\\p{N}{1,3}+",
                                      "(a",     "\\p{",    "\\u12",      "\\p{Nope}", "a\\"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        lop_pattern *p = NULL;
        assert_failed(lop_pattern_open(lop_text_of(bad[i]), false, &p), LOP_E_UNSUPPORTED, "pattern");
        assert_null(p);
    }
    lop_pattern *p = NULL;
    assert_failed(lop_pattern_open(lop_text_of(""), true, &p), LOP_E_FORMAT, "empty");
}

/* Counts matches and sums their ends. */
static lop_status search(const char *pattern, const lop_string *text, int64_t *count, size_t *longest)
{
    lop_pattern *p = NULL;
    lop_pattern_run run = {0};
    *count = 0;
    *longest = 0;
    LOP_TRY(lop_pattern_open(lop_text_of(pattern), false, &p));
    lop_status status = lop_pattern_run_open(p, text->size, &run);
    lop_pattern_start(&run, (lop_text){text->at, text->size});
    while (status == LOP_OK) {
        status = lop_pattern_next(p, &run);
        if (status != LOP_OK || !run.found) break;
        ++*count;
        if (run.to - run.from > *longest) *longest = run.to - run.from;
    }
    lop_pattern_run_close(&run);
    lop_pattern_close(p);
    return status;
}

static void repeat(lop_string *s, const char *text, int count)
{
    for (int i = 0; i < count; i++) assert_ok(lop_string_add(s, text, strlen(text)));
}

/* Windows start at 512 bytes: matches that end at, before and far behind their ends, in one- and three-byte characters. */
static void long_matches_are_whole(void **state)
{
    (void)state;
    static const int sizes[] = {1, 170, 511, 512, 513, 4096, 4097, 300000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        lop_string text = {0};
        int64_t count;
        size_t longest;
        repeat(&text, "x", sizes[i]);
        repeat(&text, " ", sizes[i]);
        repeat(&text, "日", sizes[i]);
        assert_ok(search(" ?\\p{L}+|\\s+(?!\\S)|\\s+", &text, &count, &longest));
        assert_int_equal(count, sizes[i] > 1 ? 3 : 2);
        assert_int_equal(longest, (size_t)sizes[i] * 3 + 1);
        lop_string_close(&text);
    }
}

static void hostile_patterns_end_soon(void **state)
{
    (void)state;
    static const char *const hostile[] = {"(a*)*b",   "a*b",       "(a|aa)+$b",
                                          "(?=a*b)a", "(a+)+\\1b", "((a{0,5}){0,5}){0,5}b"};
    lop_string text = {0};
    repeat(&text, "a", 1300000);
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        int64_t count;
        size_t longest;
        const time_t before = time(NULL);
        assert_failed(search(hostile[i], &text, &count, &longest), LOP_E_FORMAT,
                      "not one a tokenizer should have");
        assert_true(time(NULL) - before < 60);
    }
    lop_string_close(&text);
}

int test_pattern(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dialects_are_translated),
        cmocka_unit_test(what_reads_differently_is_refused),
        cmocka_unit_test(long_matches_are_whole),
        cmocka_unit_test(hostile_patterns_end_soon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
