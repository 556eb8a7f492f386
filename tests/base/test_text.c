/* test_text.c - views, growing strings, numbers, UTF-8, and JSON strings. */
#include "core/base/memory.h"
#include "core/base/text.h"
#include "tests/base/base_groups.h"
#include "tests/harness/ladder.h"

#include <locale.h>
#include <string.h>

static void views_compare_by_bytes(void **state)
{
    (void)state;
    const lop_text a = {"gate_proj.weight", 9};
    assert_true(lop_text_is(a, "gate_proj"));
    assert_false(lop_text_is(a, "gate_pro"));
    assert_false(lop_text_is(a, "gate_proj."));
    assert_true(lop_text_equal(lop_text_of(""), (lop_text){NULL, 0}));
    assert_true(lop_text_equal((lop_text){"a\0b", 3}, (lop_text){"a\0b", 3}));
    assert_false(lop_text_equal((lop_text){"a\0b", 3}, (lop_text){"a\0c", 3}));
}

static void strings_grow(void **state)
{
    (void)state;
    lop_string s = {0};
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(lop_string_print(&s, "%d,", i), LOP_OK);
        assert_int_equal(strlen(s.at), s.size);
    }
    assert_int_equal(s.size, 10 * 2 + 90 * 3 + 900 * 4);
    assert_int_equal(lop_string_add(&s, "a\0b", 3), LOP_OK);
    assert_memory_equal(s.at + s.size - 3, "a\0b", 4);
    lop_string_close(&s);
    assert_null(s.at);
    assert_int_equal(lop_string_print(&s, "%s", ""), LOP_OK);
    assert_string_equal(s.at, "");
    lop_string_close(&s);
}

static void whole_numbers(void **state)
{
    (void)state;
    int64_t n = 0;
    assert_int_equal(lop_parse_int("-12", &n), LOP_OK);
    assert_int_equal(n, -12);
    assert_int_equal(lop_parse_int("9223372036854775807", &n), LOP_OK);
    assert_true(n == INT64_MAX);
    static const char *const bad[] = {
        "", " 1", "1 ", "+1", "-", "1.0", "1e3", "0x10", "one", "9223372036854775808", "- 1", "1\n"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_failed(lop_parse_int(bad[i], &n), LOP_E_ARGUMENT, "is not a whole number");
}

static void real_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double value;
    } good[] = {{"0.5", 0.5}, {"-.25", -0.25}, {"1e-3", 1e-3}, {"7", 7}, {"0", 0}, {"1.", 1}, {"1E2", 100}};
    double x = 0;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(lop_parse_real(good[i].text, &x), LOP_OK);
        assert_true(x == good[i].value);
    }
    static const char *const bad[] = {"",     " 0.5", "0.5 ", "0,5", "nan",   "inf", "-inf", "-nan", "0x1p3",
                                      "-0x1", ".",    "-",    "50%", "1e999", "1e",  "--1",  "+1",   "0.5.5"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_failed(lop_parse_real(bad[i], &x), LOP_E_ARGUMENT, "is not a number");
}

static void sizes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t value;
    } good[] = {{"0", 0},
                {"1048576", 1048576},
                {"4K", 4096},
                {"512M", 536870912},
                {"20G", 21474836480},
                {"20g", 21474836480},
                {"1.5GiB", 1610612736},
                {"2TB", 2199023255552}};
    uint64_t n = 0;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(lop_parse_bytes(good[i].text, &n), LOP_OK);
        assert_true(n == good[i].value);
    }
    static const char *const bad[] = {"",    "G",  "-1",   " 1G", "1 G",  "1GG",
                                      "1Gb", "1X", "1e30", "nan", "0x10", "99999999T"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_failed(lop_parse_bytes(bad[i], &n), LOP_E_ARGUMENT, "is not a size");
}

/* A host program may use a locale whose numbers have commas; ours do not follow it. */
static void locales_change_nothing(void **state)
{
    (void)state;
    if (setlocale(LC_ALL, "de_DE.UTF-8") == NULL && setlocale(LC_ALL, "fr_FR.UTF-8") == NULL)
        print_message("no locale with commas is installed; only the C locale is tried\n");
    double x = 0;
    uint64_t n = 0;
    lop_string s = {0};
    const lop_status parsed = lop_parse_real("0.5", &x), sized = lop_parse_bytes("1.5K", &n);
    const lop_status printed = lop_string_print(&s, "%.3f", 0.25);
    char cut[4];
    lop_text_print(cut, sizeof cut, "%.3f", 0.25);
    char letters[4];
    lop_text_print(letters, sizeof letters, "ab%s", "\xC3\xA9");
    (void)setlocale(LC_ALL, "C");
    assert_int_equal(parsed, LOP_OK);
    assert_int_equal(sized, LOP_OK);
    assert_int_equal(printed, LOP_OK);
    assert_true(x == 0.5 && n == 1536);
    assert_string_equal(cut, "0.2");
    assert_string_equal(letters, "ab");
    assert_string_equal(s.at, "0.250");
    lop_string_close(&s);
}

static void utf8(void **state)
{
    (void)state;
    static const char *const good[] = {"",
                                       "abc",
                                       "\xc2\xa2",
                                       "\xe2\x82\xac",
                                       "\xf0\x9f\x98\x80",
                                       "\xed\x9f\xbf",
                                       "\xef\xbf\xbf",
                                       "\xf4\x8f\xbf\xbf"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(lop_utf8_valid(good[i], strlen(good[i]), NULL));
    /* Lone continuation, overlong, surrogate, beyond 10FFFF, cut short, and bytes that never occur. */
    static const char *const bad[] = {
        "ab\x80",     "ab\xc0\xaf",     "ab\xe0\x80\xaf", "ab\xed\xa0\x80", "ab\xf4\x90\x80\x80",
        "ab\xe2\x82", "ab\xf0\x9f\x98", "ab\xff",         "ab\xc3(",        "ab\xf8\x88\x80\x80\x80"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        size_t at = 99;
        assert_false(lop_utf8_valid(bad[i], strlen(bad[i]), &at));
        assert_int_equal(at, 2);
    }
}

static void assert_json(const char *text, size_t size, const char *expected)
{
    lop_string s = {0};
    assert_int_equal(lop_string_add_json(&s, text, size), LOP_OK);
    assert_string_equal(s.at, expected);
    lop_string_close(&s);
}

static void json_strings(void **state)
{
    (void)state;
    assert_json("", 0, "\"\"");
    assert_json("plain / text", 12, "\"plain / text\"");
    assert_json("a\"b\\c", 5, "\"a\\\"b\\\\c\"");
    assert_json("\b\f\n\r\t", 5, "\"\\b\\f\\n\\r\\t\"");
    assert_json("\0\x01\x1f\x7f", 4, "\"\\u0000\\u0001\\u001f\x7f\"");
    assert_json("\xe2\x82\xac\xf0\x9f\x98\x80", 7, "\"\xe2\x82\xac\xf0\x9f\x98\x80\"");
    assert_json("a\x80z\xe2\x82", 5, "\"a\xef\xbf\xbdz\xef\xbf\xbd\xef\xbf\xbd\"");
}

static lop_status build_text(void *context)
{
    (void)context;
    lop_string s = {0};
    lop_status status = LOP_OK;
    for (int i = 0; status == LOP_OK && i < 40; i++) {
        status = lop_string_print(&s, "%d:", i);
        if (status == LOP_OK) status = lop_string_add_json(&s, "a\"\x80\n", 4);
    }
    lop_string_close(&s);
    return status;
}

static void strings_survive_the_ladder(void **state)
{
    (void)state;
    assert_true(ladder_climb(build_text, NULL) > 3);
}

int test_text(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(views_compare_by_bytes),
        cmocka_unit_test(strings_grow),
        cmocka_unit_test(whole_numbers),
        cmocka_unit_test(real_numbers),
        cmocka_unit_test(sizes),
        cmocka_unit_test(locales_change_nothing),
        cmocka_unit_test(utf8),
        cmocka_unit_test(json_strings),
        cmocka_unit_test(strings_survive_the_ladder),
    };
    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
