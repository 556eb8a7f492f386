/* test_tokenizer_added.c - added tokens and their flags, and the templates that put ids around a text. What is expected
 * is what the Hugging Face `tokenizers` package 0.23 gives; a backtick stands for a quote of the JSON. */
#include "tests/tokenizer/tokenizer_case.h"
#include "tests/tokenizer/tokenizer_groups.h"

/* Ids 0 to 9: a b c < t > blank U+2581 e-acute x. */
#define VOCABULARY "{`a`:0,`b`:1,`c`:2,`<`:3,`t`:4,`>`:5,` `:6,`▁`:7,`é`:8,`x`:9}"

typedef struct added_case {
    const char *added, *normalizer, *text;
    int32_t ids[16];
    int64_t count;
} added_case;

static const added_case cases[] = {
    {"[{`id`:10,`content`:`<t>`,`normalized`:false}]", "null", "a<t>b", {0, 10, 1}, 3},
    {"[{`id`:10,`content`:`<t>`,`normalized`:false}]", "null", "<t><t>", {10, 10}, 2},
    {"[{`id`:10,`content`:`<t>`,`normalized`:false}]", "null", "<<t>>", {3, 10, 5}, 3},
    {"[{`id`:10,`content`:`<t>`,`lstrip`:true,`normalized`:false}]", "null", "a  <t> b", {0, 10, 6, 1}, 4},
    {"[{`id`:10,`content`:`<t>`,`lstrip`:true,`normalized`:false}]", "null", " <t>", {10}, 1},
    {"[{`id`:10,`content`:`<t>`,`rstrip`:true,`normalized`:false}]", "null", "a <t>  b", {0, 6, 10, 1}, 4},
    {"[{`id`:10,`content`:`<t>`,`rstrip`:true,`normalized`:false}]", "null", "<t> <t>", {10, 10}, 2},
    {"[{`id`:0,`content`:`a`,`single_word`:true,`normalized`:false}]",
     "null",
     "a ab a",
     {0, 6, 0, 1, 6, 0},
     6},
    {"[{`id`:0,`content`:`a`,`single_word`:true,`normalized`:false}]", "null", "xa a", {9, 0, 6, 0}, 4},
    {"[{`id`:0,`content`:`a`,`single_word`:true,`normalized`:false}]", "null", "éa a", {8, 0, 6, 0}, 4},
    {"[{`id`:10,`content`:`ab`,`normalized`:false},{`id`:11,`content`:`abc`,`normalized`:false},{`id`:12,`"
     "content`:`bc`,`normalized`:false}]",
     "null",
     "abca ab bc aab",
     {11, 0, 6, 10, 6, 12, 6, 0, 10},
     9},
    {"[{`id`:10,`content`:`a b`,`normalized`:true},{`id`:11,`content`:`b a`,`normalized`:false}]",
     "{`type`:`Replace`,`pattern`:{`String`:` `},`content`:`▁`}",
     "a b a",
     {0, 7, 11},
     3},
    {"[{`id`:10,`content`:`a b`,`normalized`:true},{`id`:11,`content`:`b a`,`normalized`:false}]",
     "{`type`:`Replace`,`pattern`:{`String`:` `},`content`:`▁`}",
     "b a b",
     {11, 7, 1},
     3},
    {"[{`id`:10,`content`:`a b`,`normalized`:true},{`id`:11,`content`:`b a`,`normalized`:false}]",
     "{`type`:`Replace`,`pattern`:{`String`:` `},`content`:`▁`}",
     "ca b",
     {2, 10},
     2},
    {"[{`id`:10,`content`:`É`,`normalized`:true}]", "{`type`:`Lowercase`}", "aéÉx", {0, 10, 10, 9}, 4},
    {"[{`id`:6,`content`:` `,`normalized`:false},{`id`:9,`content`:`x`,`rstrip`:true,`normalized`:false}]",
     "null",
     "x  a",
     {9, 6, 6, 0},
     4},
    {"[{`id`:6,`content`:` `,`normalized`:false},{`id`:9,`content`:`x`,`rstrip`:true,`normalized`:false}]",
     "null",
     "a x",
     {0, 6, 9},
     3},
};

static void added_tokens_are_found_as_the_package_finds_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const added_case *c = &cases[i];
        lop_tokenizer *t = NULL;
        assert_ok(case_open(&t,
                            "{`added_tokens`:%s,`normalizer`:%s,`model`:{`type`:`BPE`,`vocab`:" VOCABULARY
                            ",`merges`:[]}}",
                            c->added, c->normalizer));
        case_ids(t, c->text, false, c->ids, c->count);
        lop_tokenizer_close(t);
    }
}

#define TEMPLATE(single)                                                                                     \
    "{`type`:`TemplateProcessing`,`single`:" single                                                          \
    ",`pair`:[],`special_tokens`:{`x`:{`id`:`x`,`ids`:[9,8],"                                                \
    "`tokens`:[`x`,`é`]},`c`:{`id`:`c`,`ids`:[2],`tokens`:[`c`]}}}"
#define SPECIAL(name) "{`SpecialToken`:{`id`:`" name "`,`type_id`:0}}"
#define TEXT_HERE     "{`Sequence`:{`id`:`A`,`type_id`:0}}"

static lop_status open_with_template(lop_tokenizer **t, const char *processor)
{
    return case_open(t, "{`model`:{`vocab`:" VOCABULARY ",`merges`:[]},`post_processor`:%s}", processor);
}

static void templates_put_ids_around_the_text(void **state)
{
    (void)state;
    lop_tokenizer *t = NULL;
    assert_ok(open_with_template(&t, TEMPLATE("[" SPECIAL("x") "," TEXT_HERE "," SPECIAL("c") "]")));
    case_ids(t, "ab", true, (const int32_t[]){9, 8, 0, 1, 2}, 5);
    case_ids(t, "ab", false, (const int32_t[]){0, 1}, 2);
    case_ids(t, "", true, (const int32_t[]){9, 8, 2}, 3);
    assert_int_equal(lop_tokenizer_bos(t), 9);
    assert_int_equal(lop_tokenizer_eos(t), 2);
    lop_tokenizer_close(t);
}

static void a_sequence_of_processors_wraps_from_inside_out(void **state)
{
    (void)state;
    lop_tokenizer *t = NULL;
    assert_ok(open_with_template(&t, "{`type`:`Sequence`,`processors`:[{`type`:`ByteLevel`},"
                                     "{`type`:`RobertaProcessing`,`sep`:[`c`,2],`cls`:[`b`,1]}," TEMPLATE(
                                         "[" SPECIAL("x") "," TEXT_HERE "]") "]}"));
    case_ids(t, "a", true, (const int32_t[]){9, 8, 1, 0, 2}, 5);
    lop_tokenizer_close(t);
}

static void templates_that_cannot_be_are_refused(void **state)
{
    (void)state;
    lop_tokenizer *t = NULL;
    assert_failed(open_with_template(&t, TEMPLATE("[" SPECIAL("x") "]")), LOP_E_UNSUPPORTED,
                  "leaves out the text");
    assert_failed(open_with_template(&t, TEMPLATE("[" TEXT_HERE "," TEXT_HERE "]")), LOP_E_UNSUPPORTED,
                  "twice");
    assert_failed(open_with_template(&t, TEMPLATE("[" SPECIAL("q") "," TEXT_HERE "]")), LOP_E_FORMAT,
                  "\"q\"");
    assert_failed(open_with_template(&t, "{`type`:`RobertaProcessing`,`sep`:[`c`,99],`cls`:[`b`,1]}"),
                  LOP_E_FORMAT, "99");
    assert_failed(open_with_template(&t, "{`type`:`Mystery`}"), LOP_E_UNSUPPORTED, "Mystery");
}

int test_tokenizer_added(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(added_tokens_are_found_as_the_package_finds_them),
        cmocka_unit_test(templates_put_ids_around_the_text),
        cmocka_unit_test(a_sequence_of_processors_wraps_from_inside_out),
        cmocka_unit_test(templates_that_cannot_be_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
