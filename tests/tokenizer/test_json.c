/* test_json.c - the checked layer over JSON: limits, duplicates, kinds and ranges. */
#include "core/io/json.h"
#include "tests/tokenizer/tokenizer_case.h"
#include "tests/tokenizer/tokenizer_groups.h"

#include <string.h>

static lop_status parse(const char *text, json_t **out)
{
    lop_string json = case_json(text);
    const lop_status status = lop_json_parse(json.at, json.size, out);
    lop_string_close(&json);
    return status;
}

static void values_are_read_by_kind(void **state)
{
    (void)state;
    json_t *j = NULL;
    lop_text text = {"", 0};
    bool flag = false;
    int64_t whole = 0;
    double real = 0.0;
    json_t *object = NULL, *array = NULL;
    assert_ok(parse("{`t`:`é`,`f`:true,`i`:-7,`r`:1.5,`o`:{},`a`:[1],`n`:null,`w`:3.0}", &j));
    assert_ok(lop_json_text(j, "t", &text));
    assert_ok(lop_json_flag(j, "f", &flag));
    assert_ok(lop_json_int(j, "i", -7, 7, &whole));
    assert_ok(lop_json_real(j, "r", &real));
    assert_ok(lop_json_object(j, "o", &object));
    assert_ok(lop_json_array(j, "a", &array));
    assert_true(lop_text_is(text, "é") && flag && whole == -7 && object && array);
    assert_true(real > 1.4 && real < 1.6);
    assert_ok(lop_json_int(j, "w", 0, 9, &whole));
    assert_int_equal(whole, 3);
    assert_ok(lop_json_int(j, "n", 0, 0, &whole)); /* null is absent */
    assert_int_equal(whole, 3);
    assert_null(lop_json_find(j, "n"));
    lop_json_close(j);
}

static void wrong_kinds_and_ranges_are_told(void **state)
{
    (void)state;
    json_t *j = NULL, *out = NULL;
    lop_text text;
    int64_t whole = 0;
    bool flag;
    double real;
    assert_ok(parse("{`t`:`x`,`i`:8,`r`:1.5}", &j));
    assert_failed(lop_json_int(j, "t", 0, 9, &whole), LOP_E_FORMAT,
                  "\"t\" is a string, expected a whole number");
    assert_failed(lop_json_int(j, "i", 0, 7, &whole), LOP_E_FORMAT,
                  "\"i\" is 8, expected a whole number in [0, 7]");
    assert_failed(lop_json_int(j, "r", 0, 7, &whole), LOP_E_FORMAT, "a whole number");
    assert_failed(lop_json_text(j, "i", &text), LOP_E_FORMAT, "expected a string");
    assert_failed(lop_json_flag(j, "i", &flag), LOP_E_FORMAT, "expected true or false");
    assert_failed(lop_json_real(j, "t", &real), LOP_E_FORMAT, "expected a number");
    assert_failed(lop_json_object(j, "t", &out), LOP_E_FORMAT, "expected an object");
    assert_failed(lop_json_array(j, "t", &out), LOP_E_FORMAT, "expected an array");
    assert_failed(lop_json_need(j, "gone"), LOP_E_FORMAT, "\"gone\" is missing");
    assert_null(out);
    lop_json_close(j);
}

static void numbers_beyond_64_bits_do_not_stop_a_document(void **state)
{
    (void)state;
    json_t *j = NULL;
    int64_t whole = 0;
    assert_ok(parse("{`model_max_length`:1000000000000000019884624838656,`i`:5}", &j));
    assert_ok(lop_json_int(j, "i", 0, 9, &whole));
    assert_int_equal(whole, 5);
    assert_failed(lop_json_int(j, "model_max_length", 0, INT64_MAX, &whole), LOP_E_FORMAT,
                  "model_max_length");
    lop_json_close(j);
}

static void nul_stands_as_a_noncharacter(void **state)
{
    (void)state;
    json_t *j = NULL;
    int64_t whole = 0;
    assert_ok(parse("{`a\\u0000`:1,`b\\\\u0000`:2}", &j)); /* the second is a backslash and u0000 */
    assert_ok(lop_json_int(j, "a" LOP_JSON_NUL, 0, 9, &whole));
    assert_int_equal(whole, 1);
    assert_ok(lop_json_int(j, "b\\u0000", 0, 9, &whole));
    assert_int_equal(whole, 2);
    lop_json_close(j);
}

static void nesting_is_bounded(void **state)
{
    (void)state;
    enum { BOMB = 1000000 };
    json_t *j = NULL;
    lop_string s = {0};
    for (int i = 0; i < BOMB; i++) assert_ok(lop_string_add(&s, "[", 1));
    assert_failed(lop_json_parse(s.at, s.size, &j), LOP_E_FORMAT, "nested 1000000 deep");
    lop_string_close(&s);
    for (int i = 0; i < LOP_JSON_NESTING_MAX; i++) assert_ok(lop_string_add(&s, "[", 1));
    for (int i = 0; i < LOP_JSON_NESTING_MAX; i++) assert_ok(lop_string_add(&s, "]", 1));
    assert_ok(lop_json_parse(s.at, s.size, &j));
    lop_json_close(j);
    lop_string_close(&s);
    assert_ok(lop_string_print(&s, "[\"\\\""));
    for (int i = 0; i < BOMB; i++) assert_ok(lop_string_add(&s, "[", 1)); /* in a string they do not count */
    assert_ok(lop_string_print(&s, "\"]"));
    assert_ok(lop_json_parse(s.at, s.size, &j));
    lop_string_close(&s);
    lop_json_close(j);
}

static void bad_documents_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",  "{",           "{`a`:1,`a`:2}", "[1,]",  "{`a`:tru}",
                                      "1", "[`\\ud800`]", "[`\xFF`]",      "[1] 2", "{`a`:1e999}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        json_t *j = NULL;
        assert_failed(parse(bad[i], &j), LOP_E_FORMAT, "not valid JSON: line");
        assert_null(j);
    }
}

static void files_are_bounded_and_named(void **state)
{
    (void)state;
    json_t *j = NULL;
    const char *path = case_file("document.json", "{\"a\":", 5);
    assert_failed(lop_json_read(path, 100, &j), LOP_E_FORMAT, path);
    assert_int_not_equal(lop_json_read(path, 4, &j), LOP_OK);
    assert_failed(lop_json_read("/nowhere/at/all.json", 100, &j), LOP_E_FILE, "/nowhere/at/all.json");
}

int test_json(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_read_by_kind),
        cmocka_unit_test(wrong_kinds_and_ranges_are_told),
        cmocka_unit_test(numbers_beyond_64_bits_do_not_stop_a_document),
        cmocka_unit_test(nul_stands_as_a_noncharacter),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(bad_documents_are_refused),
        cmocka_unit_test(files_are_bounded_and_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
