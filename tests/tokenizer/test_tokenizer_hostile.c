/* test_tokenizer_hostile.c - tokenizer.json files that are wrong, each in one way, and texts that are. Each gives one
 * sentence that names what is wrong. A backtick stands for a quote. */
#include "core/io/added_tokens.h"
#include "tests/tokenizer/tokenizer_case.h"
#include "tests/tokenizer/tokenizer_groups.h"

#include <stdio.h>
#include <string.h>

#define MODEL(rest) "{`model`:{`type`:`BPE`," rest "}}"
#define AB          "`vocab`:{`a`:0,`b`:1,`ab`:2}"
#define WITH(part)  "{`model`:{" AB ",`merges`:[]}," part "}"

typedef struct hostile_case {
    const char *json;
    lop_status status;
    const char *part; /* of the sentence */
} hostile_case;

static const hostile_case cases[] = {
    {"", LOP_E_FORMAT, "not valid JSON"},
    {"[]", LOP_E_FORMAT, "\"model\" is missing"},
    {"{`model`:[]}", LOP_E_FORMAT, "expected an object"},
    {"{`model`:{`type`:`Unigram`,`vocab`:[]}}", LOP_E_UNSUPPORTED, "Unigram"},
    {"{`model`:{`type`:`WordPiece`}}", LOP_E_UNSUPPORTED, "WordPiece"},
    {MODEL("`merges`:[]"), LOP_E_FORMAT, "\"vocab\" is missing"},
    {MODEL("`vocab`:{}"), LOP_E_FORMAT, "the vocabulary is empty"},
    {MODEL("`vocab`:[1]"), LOP_E_FORMAT, "expected an object"},
    {MODEL("`vocab`:{`a`:`0`}"), LOP_E_FORMAT, "\"a\" is a string"},
    {MODEL("`vocab`:{`a`:-1}"), LOP_E_FORMAT, "\"a\" is -1"},
    {MODEL("`vocab`:{`a`:1.5}"), LOP_E_FORMAT, "expected a whole number"},
    {MODEL("`vocab`:{`a`:2147483647}"), LOP_E_FORMAT, "2147483647"},
    {MODEL("`vocab`:{`a`:99999999999999999999}"), LOP_E_FORMAT, "expected a whole number"},
    {MODEL("`vocab`:{`a`:0,`b`:0}"), LOP_E_FORMAT, "id 0 is given to two tokens"},
    {MODEL("`vocab`:{`a`:0,`a`:1}"), LOP_E_FORMAT, "duplicate"},
    {MODEL(AB ",`merges`:[`a c`]"), LOP_E_FORMAT, "merge 0 names \"c\""},
    {MODEL(AB ",`merges`:[`b a`]"), LOP_E_FORMAT, "merge 0 names \"ba\""},
    {MODEL(AB ",`merges`:[`a  b`]"), LOP_E_FORMAT, "one blank between"},
    {MODEL(AB ",`merges`:[`ab`]"), LOP_E_FORMAT, "one blank between"},
    {MODEL(AB ",`merges`:[[`a`]]"), LOP_E_FORMAT, "merge 0 has 1 parts"},
    {MODEL(AB ",`merges`:[[`a`,1]]"), LOP_E_FORMAT, "expected a string"},
    {MODEL(AB ",`merges`:[7]"), LOP_E_FORMAT, "expected a string"},
    {MODEL(AB ",`merges`:{}"), LOP_E_FORMAT, "expected an array"},
    {MODEL(AB ",`unk_token`:`?`"), LOP_E_FORMAT, "\"?\""},
    {MODEL(AB ",`dropout`:0.1"), LOP_E_UNSUPPORTED, "dropout"},
    {MODEL(AB ",`continuing_subword_prefix`:`##`"), LOP_E_UNSUPPORTED, "##"},
    {MODEL(AB ",`end_of_word_suffix`:`</w>`"), LOP_E_UNSUPPORTED, "</w>"},
    {WITH("`normalizer`:{`type`:`BertNormalizer`}"), LOP_E_UNSUPPORTED, "BertNormalizer"},
    {WITH("`normalizer`:{}"), LOP_E_FORMAT, "\"type\" is missing"},
    {WITH("`normalizer`:7"), LOP_E_FORMAT, "a normalizer is a whole number"},
    {WITH("`normalizer`:{`type`:`Replace`,`pattern`:{`String`:``},`content`:`x`}"), LOP_E_FORMAT, "empty"},
    {WITH("`normalizer`:{`type`:`Replace`,`pattern`:{`Regex`:`(`},`content`:`x`}"), LOP_E_UNSUPPORTED,
     "compiled"},
    {WITH("`normalizer`:{`type`:`Prepend`}"), LOP_E_FORMAT, "\"prepend\" is missing"},
    {WITH("`pre_tokenizer`:{`type`:`BertPreTokenizer`}"), LOP_E_UNSUPPORTED, "BertPreTokenizer"},
    {WITH("`pre_tokenizer`:{`type`:`Split`,`pattern`:{`String`:`a`},`behavior`:`Odd`}"), LOP_E_UNSUPPORTED,
     "Odd"},
    {WITH("`pre_tokenizer`:{`type`:`Metaspace`,`replacement`:`ab`}"), LOP_E_FORMAT, "one character"},
    {WITH("`pre_tokenizer`:{`type`:`Metaspace`,`prepend_scheme`:`odd`}"), LOP_E_FORMAT, "odd"},
    {WITH("`decoder`:{`type`:`WordPiece`}"), LOP_E_UNSUPPORTED, "WordPiece"},
    {WITH("`decoder`:{`type`:`Strip`,`content`:``,`start`:2147483647}"), LOP_E_FORMAT, "empty"},
    {WITH("`decoder`:{`type`:`Strip`,`content`:`a`,`start`:-1}"), LOP_E_FORMAT, "-1"},
    {WITH("`added_tokens`:[7]"), LOP_E_FORMAT, "an added token is a whole number"},
    {WITH("`added_tokens`:[{`id`:1,`content`:`a`}]"), LOP_E_FORMAT, "the vocabulary gives it 0"},
    {WITH("`added_tokens`:[{`id`:1,`content`:`z`}]"), LOP_E_FORMAT, "which the vocabulary gives to \"b\""},
    {WITH("`added_tokens`:[{`id`:5,`content`:`y`},{`id`:5,`content`:`z`}]"), LOP_E_FORMAT, "the same id 5"},
    {WITH("`added_tokens`:[{`id`:5,`content`:`z`},{`id`:6,`content`:`z`}]"), LOP_E_FORMAT, "two ids"},
    {WITH("`added_tokens`:[{`id`:-5,`content`:`z`}]"), LOP_E_FORMAT, "-5"},
    {WITH("`added_tokens`:[{`id`:2000000000,`content`:`z`}]"), LOP_E_FORMAT, "2000000000"},
    {WITH("`added_tokens`:[{`content`:`z`}]"), LOP_E_FORMAT, "\"id\" is missing"},
};

static void wrong_files_are_told_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lop_tokenizer *t = NULL;
        assert_failed(case_open(&t, "%s", cases[i].json), cases[i].status, cases[i].part);
        assert_null(t);
        assert_non_null(strstr(lop_error(), "tokenizer.json"));
    }
}

static void sequences_do_not_grow_without_end(void **state)
{
    (void)state;
    lop_string s = {0};
    lop_tokenizer *t = NULL;
    assert_ok(lop_string_print(&s, WITH("`normalizer`:{`type`:`Sequence`,`normalizers`:[")));
    s.size -= 1;
    for (int i = 0; i < 40; i++) assert_ok(lop_string_print(&s, "%s{`type`:`NFC`}", i ? "," : ""));
    assert_ok(lop_string_print(&s, "]}}"));
    assert_failed(case_open(&t, "%s", s.at), LOP_E_UNSUPPORTED, "more than 32 normalizers");
    lop_string_close(&s);
}

/* Doubling the text at each of thirty steps. */
static void little_text_does_not_become_much(void **state)
{
    (void)state;
    lop_string s = {0};
    lop_tokenizer *t = NULL;
    lop_ids ids = {0};
    for (int i = 0; i < 30; i++)
        assert_ok(lop_string_print(&s, "%s{`type`:`Replace`,`pattern`:{`String`:`a`},`content`:`aa`}",
                                   i ? "," : ""));
    assert_ok(case_open(&t, "{`model`:{" AB "},`normalizer`:{`type`:`Sequence`,`normalizers`:[%s]}}", s.at));
    assert_failed(lop_tokenizer_encode(t, lop_text_of("aaaa"), true, &ids), LOP_E_FORMAT, "times as much");
    assert_int_equal(ids.count, 0);
    lop_ids_close(&ids);
    lop_tokenizer_close(t);
    lop_string_close(&s);
}

static void a_token_may_be_too_long_to_look_for(void **state)
{
    (void)state;
    lop_string s = {0};
    lop_tokenizer *t = NULL;
    for (int i = 0; i <= LOP_ADDED_BYTES_MAX; i++) assert_ok(lop_string_add(&s, "z", 1));
    assert_failed(case_open(&t, WITH("`added_tokens`:[{`id`:5,`content`:`%s`}]"), s.at), LOP_E_UNSUPPORTED,
                  "1025 bytes");
    lop_string_close(&s);
}

static void text_must_be_utf8(void **state)
{
    (void)state;
    static const char *const bad[] = {"ab\xFF", "ab\xC3", "ab\xC0\x80", "ab\xED\xA0\x80",
                                      "ab\xF5\x80\x80\x80"};
    lop_tokenizer *t = NULL;
    lop_ids ids = {0};
    assert_ok(case_open(&t, WITH("`normalizer`:null")));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_failed(lop_tokenizer_encode(t, lop_text_of(bad[i]), true, &ids), LOP_E_FORMAT, "offset 2");
    assert_int_equal(ids.count, 0);
    lop_tokenizer_close(t);
}

/* Ids that no token has are left out, whatever they are. */
static void any_ids_may_be_decoded(void **state)
{
    (void)state;
    static const int32_t ids[] = {0, -1, 2147483647, -2147483647, 3, 2};
    lop_tokenizer *t = NULL;
    lop_string out = {0};
    assert_ok(case_open(&t, WITH("`normalizer`:null")));
    assert_ok(lop_tokenizer_decode(t, ids, 6, &out));
    assert_string_equal(out.at, "aab");
    lop_string_close(&out);
    lop_tokenizer_close(t);
}

/* Empty texts among tokens and merges, and a merge into itself. */
static void odd_merges_end(void **state)
{
    (void)state;
    lop_tokenizer *t = NULL;
    assert_ok(case_open(&t, MODEL("`vocab`:{``:0,`a`:1,`aa`:2},`merges`:[[``,``],[``,`a`],[`a`,``],[`a`,`a`],"
                                  "[`a`,`a`]],`unk_token`:``")));
    case_ids(t, "aaaxa", false, (const int32_t[]){2, 2}, 2);
    lop_tokenizer_close(t);
}

int test_tokenizer_hostile(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_files_are_told_apart),
        cmocka_unit_test(sequences_do_not_grow_without_end),
        cmocka_unit_test(little_text_does_not_become_much),
        cmocka_unit_test(a_token_may_be_too_long_to_look_for),
        cmocka_unit_test(text_must_be_utf8),
        cmocka_unit_test(any_ids_may_be_decoded),
        cmocka_unit_test(odd_merges_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
