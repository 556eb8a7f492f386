/* test_tokenizer_parts.c - normalizers, pre-tokenizers and decoders of a tokenizer.json, each on a line of text. What is
 * expected is what the Hugging Face `tokenizers` package 0.23 gives. In the tables a backtick stands for a quote of the
 * JSON, and a bar parts pieces. */
#include "core/io/json.h"
#include "core/io/tokenizer_json.h"
#include "tests/tokenizer/tokenizer_case.h"
#include "tests/tokenizer/tokenizer_groups.h"

#include <string.h>

typedef struct part_case {
    const char *json, *text, *expected;
} part_case;

static const part_case pretokenizers[] = {
    {"{`type`:`Split`,`pattern`:{`String`:` `},`behavior`:`Isolated`,`invert`:false}", "ab  c1 22, d",
     "ab| | |c1| |22,| |d"},
    {"{`type`:`Split`,`pattern`:{`String`:` `},`behavior`:`Isolated`,`invert`:true}", "ab  c1 22, d",
     "ab| | |c1| |22,| |d"},
    {"{`type`:`Split`,`pattern`:{`Regex`:`[0-9]|\\\\s`},`behavior`:`Isolated`,`invert`:false}",
     "ab  c1 22, d", "ab| | |c|1| |2|2|,| |d"},
    {"{`type`:`Split`,`pattern`:{`String`:` `},`behavior`:`Removed`,`invert`:false}", "ab  c1 22, d",
     "ab|c1|22,|d"},
    {"{`type`:`Split`,`pattern`:{`String`:` `},`behavior`:`Removed`,`invert`:true}", "ab  c1 22, d",
     " | | | "},
    {"{`type`:`Split`,`pattern`:{`Regex`:`[0-9]|\\\\s`},`behavior`:`Removed`,`invert`:false}", "ab  c1 22, d",
     "ab|c|,|d"},
    {"{`type`:`Split`,`pattern`:{`String`:` `},`behavior`:`Contiguous`,`invert`:false}", "ab  c1 22, d",
     "ab|  |c1| |22,| |d"},
    {"{`type`:`Split`,`pattern`:{`String`:` `},`behavior`:`Contiguous`,`invert`:true}", "ab  c1 22, d",
     "ab|  |c1| |22,| |d"},
    {"{`type`:`Split`,`pattern`:{`Regex`:`[0-9]|\\\\s`},`behavior`:`Contiguous`,`invert`:false}",
     "ab  c1 22, d", "ab|  |c|1 22|,| |d"},
    {"{`type`:`Split`,`pattern`:{`String`:` `},`behavior`:`MergedWithPrevious`,`invert`:false}",
     "ab  c1 22, d", "ab | |c1 |22, |d"},
    {"{`type`:`Split`,`pattern`:{`String`:` `},`behavior`:`MergedWithPrevious`,`invert`:true}",
     "ab  c1 22, d", "ab| | c1| 22,| d"},
    {"{`type`:`Split`,`pattern`:{`Regex`:`[0-9]|\\\\s`},`behavior`:`MergedWithPrevious`,`invert`:false}",
     "ab  c1 22, d", "ab | |c1| |2|2|, |d"},
    {"{`type`:`Split`,`pattern`:{`String`:` `},`behavior`:`MergedWithNext`,`invert`:false}", "ab  c1 22, d",
     "ab| | c1| 22,| d"},
    {"{`type`:`Split`,`pattern`:{`String`:` `},`behavior`:`MergedWithNext`,`invert`:true}", "ab  c1 22, d",
     "ab | |c1 |22, |d"},
    {"{`type`:`Split`,`pattern`:{`Regex`:`[0-9]|\\\\s`},`behavior`:`MergedWithNext`,`invert`:false}",
     "ab  c1 22, d", "ab| | c|1| |2|2,| d"},
    {"{`type`:`Split`,`pattern`:{`Regex`:`x*`},`behavior`:`Isolated`,`invert`:false}", "axxb", "a|xx|b"},
    {"{`type`:`Split`,`pattern`:{`Regex`:`(?<=a)b|\\\\w(?=,)`},`behavior`:`Isolated`,`invert`:false}",
     "ab b,", "a|b| |b|,"},
    {"{`type`:`Digits`,`individual_digits`:true}", "a12\xD9\xA1½b", "a|1|2|\xD9\xA1|½|b"},
    {"{`type`:`Digits`,`individual_digits`:false}", "a12\xD9\xA1½b", "a|12\xD9\xA1½|b"},
    {"{`type`:`ByteLevel`,`add_prefix_space`:false,`use_regex`:true,`trim_offsets`:true}",
     "Hello you'll  see\n\n 12é x  ", "Hello|Ġyou|'ll|Ġ|Ġsee|ĊĊ|Ġ12|Ã©|Ġx|ĠĠ"},
    {"{`type`:`ByteLevel`,`add_prefix_space`:true,`trim_offsets`:true,`use_regex`:true}", "it's", "Ġit|'s"},
    {"{`type`:`ByteLevel`,`add_prefix_space`:true,`use_regex`:false,`trim_offsets`:true}",
     " it's\x01\x7F\xC2\xAD", "Ġit'sāġÂŃ"},
    {"{`type`:`Metaspace`,`replacement`:`▁`,`prepend_scheme`:`always`,`split`:true}", "a b  c", "▁a|▁b|▁|▁c"},
    {"{`type`:`Metaspace`,`replacement`:`▁`,`prepend_scheme`:`first`,`split`:true}", " a b", "▁a|▁b"},
    {"{`type`:`Metaspace`,`replacement`:`_`,`prepend_scheme`:`never`,`split`:false}", "a b", "a_b"},
    {"{`type`:`Metaspace`,`replacement`:`▁`,`add_prefix_space`:true}", "a b", "▁a|▁b"},
    {"{`type`:`Sequence`,`pretokenizers`:[{`type`:`Digits`,`individual_digits`:true},{`type`:`ByteLevel`,`"
     "add_prefix_space`:false,`use_regex`:true,`trim_offsets`:true}]}",
     " 42 x7", "Ġ|4|2|Ġx|7"},
    {"{`type`:`Sequence`,`pretokenizers`:[{`type`:`Split`,`pattern`:{`Regex`:`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^"
     "\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}{1,3}| "
     "?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+`},`behavior`:`"
     "Isolated`,`invert`:false},{`type`:`ByteLevel`,`add_prefix_space`:false,`use_regex`:false,`trim_offsets`"
     ":true}]}",
     "I'LL pay $12345.67!!\n\n  (ok)\xE1\xA0\x8Ex ſ's",
     "I|'LL|Ġpay|Ġ$|123|45|.|67|!!ĊĊ|Ġ|Ġ(|ok|)áłİ|x|ĠÅ¿|'s"},
    {"{`type`:`Split`,`pattern`:{`Regex`:`\\\\p{Han}+|\\\\w+|\\\\W`},`behavior`:`Removed`,`invert`:true}",
     "漢字ab½、cⅠ", "漢字|ab½|、|cⅠ"},
};

static const part_case normalizers[] = {
    {"{`type`:`NFC`}", "e\xCC\x81 \xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB Å a\xCC\x95\xCC\x80\xD6\xAE",
     "é 한 Å à\xD6\xAE\xCC\x95"},
    {"{`type`:`NFD`}", "é 한 Å", "e\xCC\x81 \xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB A\xCC\x8A"},
    {"{`type`:`NFKC`}", "\xEF\xAC\x81 ½ ① \xEF\xB7\xBA e\xCC\x81",
     "fi 1\xE2\x81\x84"
     "2 1 \xD8\xB5\xD9\x84\xD9\x89 \xD8\xA7\xD9\x84\xD9\x84\xD9\x87 \xD8\xB9\xD9\x84\xD9\x8A\xD9\x87 "
     "\xD9\x88\xD8\xB3\xD9\x84\xD9\x85 é"},
    {"{`type`:`NFKD`}", "\xEF\xAC\x81é \xEF\xBD\xB6\xEF\xBE\x9E", "fie\xCC\x81 カ\xE3\x82\x99"},
    {"{`type`:`Lowercase`}", "ÀBC ΣΑΣ İ ẞ", "àbc σασ i\xCC\x87 ß"},
    {"{`type`:`Replace`,`pattern`:{`String`:` `},`content`:`▁`}", "a b  c", "a▁b▁▁c"},
    {"{`type`:`Replace`,`pattern`:{`Regex`:`[aeiou]+`},`content`:`-`}", "queueing on", "q-ng -n"},
    {"{`type`:`Prepend`,`prepend`:`▁`}", "a", "▁a"},
    {"{`type`:`Prepend`,`prepend`:`▁`}", "", ""},
    {"{`type`:`Strip`,`strip_left`:true,`strip_right`:false}",
     " \t\xE3\x80\x80"
     "a b\xC2\xA0 ",
     "a b\xC2\xA0 "},
    {"{`type`:`Strip`,`strip_left`:false,`strip_right`:true}", " \ta b\xC2\xA0 ", " \ta b"},
    {"{`type`:`Strip`,`strip_left`:true,`strip_right`:true}", " \xE2\x80\x83 ", ""},
    {"{`type`:`Sequence`,`normalizers`:[{`type`:`Prepend`,`prepend`:`▁`},{`type`:`Replace`,`pattern`:{`"
     "String`:` `},`content`:`▁`},{`type`:`NFKC`}]}",
     "a \xEF\xAC\x81", "▁a▁fi"},
};

static const part_case decoders[] = {
    {"{`type`:`ByteLevel`,`add_prefix_space`:true,`trim_offsets`:true,`use_regex`:true}",
     "ĠHe|llo|Ã|©|ð|Ł|x|<é>", " Helloé\xEF\xBF\xBDx<\xEF\xBF\xBD>"},
    {"{`type`:`Sequence`,`decoders`:[{`type`:`Replace`,`pattern`:{`String`:`▁`},`content`:` "
     "`},{`type`:`ByteFallback`},{`type`:`Fuse`},{`type`:`Strip`,`content`:` `,`start`:1,`stop`:0}]}",
     "▁▁a|▁b|<0xE2>|<0x82>|<0xAC>|<0xE2>|<0x82>|c|<0x4g>|<0x41>",
     " a b\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"
     "c<0x4g>A"},
    {"{`type`:`Metaspace`,`replacement`:`▁`,`prepend_scheme`:`always`,`split`:true}", "▁a▁|▁b", "a b"},
    {"{`type`:`Metaspace`,`replacement`:`▁`,`prepend_scheme`:`never`,`split`:true}", "▁a|▁b", " a b"},
    {"{`type`:`Sequence`,`decoders`:[{`type`:`Strip`,`content`:`_`,`start`:2,`stop`:0},{`type`:`Fuse`}]}",
     "___a|_b", "_ab"},
};

static json_t *parse(const char *json)
{
    json_t *out = NULL;
    lop_string text = case_json(json);
    assert_ok(lop_json_parse(text.at, text.size, &out));
    lop_string_close(&text);
    return out;
}

static lop_status collect(void *user, lop_text piece)
{
    lop_string *out = user;
    if (out->size > 0) LOP_TRY(lop_string_add(out, "|", 1));
    return lop_string_add(out, piece.at, piece.size);
}

static void pretokenizers_cut_as_the_package_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof pretokenizers / sizeof *pretokenizers; i++) {
        const part_case *c = &pretokenizers[i];
        json_t *json = parse(c->json);
        lop_pretokenizer p = {0};
        lop_pretokenize_run run;
        lop_string out = {0};
        assert_ok(lop_json_pretokenizer(json, &p));
        assert_ok(lop_pretokenize_run_open(&p, strlen(c->text), collect, &out, &run));
        assert_ok(lop_pretokenize(&run, lop_text_of(c->text), true));
        assert_string_equal(out.at, c->expected);
        lop_string_close(&out);
        lop_pretokenize_run_close(&run);
        lop_pretokenizer_close(&p);
        lop_json_close(json);
    }
}

static void normalizers_give_what_the_package_gives(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof normalizers / sizeof *normalizers; i++) {
        const part_case *c = &normalizers[i];
        json_t *json = parse(c->json);
        lop_normalizer n = {0};
        lop_normal_run run = {0};
        lop_text out;
        assert_ok(lop_json_normalizer(json, &n));
        assert_ok(lop_normalize(&n, &run, lop_text_of(c->text), &out));
        assert_int_equal(out.size, strlen(c->expected));
        if (out.size > 0) assert_memory_equal(out.at, c->expected, out.size);
        lop_normal_run_close(&run);
        lop_normalizer_close(&n);
        lop_json_close(json);
    }
}

static void add_parted(const char *text, lop_token_texts *out)
{
    for (const char *at = text; at != NULL;) {
        const char *bar = strchr(at, '|');
        assert_ok(lop_token_texts_add(out, (lop_text){at, bar ? (size_t)(bar - at) : strlen(at)}));
        at = bar ? bar + 1 : NULL;
    }
}

static void decoders_give_what_the_package_gives(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof decoders / sizeof *decoders; i++) {
        const part_case *c = &decoders[i];
        json_t *json = parse(c->json);
        lop_decoder d = {0};
        lop_token_texts texts = {0};
        lop_string out = {0};
        add_parted(c->text, &texts);
        assert_ok(lop_json_decoder(json, &d));
        assert_ok(lop_decode_texts(&d, &texts, &out));
        assert_string_equal(out.at, c->expected);
        lop_string_close(&out);
        lop_token_texts_close(&texts);
        lop_decoder_close(&d);
        lop_json_close(json);
    }
}

/* More marks after one another than any text has: in order, and not in the square of their number. */
static void long_runs_of_marks_are_ordered(void **state)
{
    (void)state;
    enum { PAIRS = 100000 };
    lop_string text = {0}, out = {0};
    for (int i = 0; i < PAIRS; i++)
        assert_ok(lop_string_print(&text, "\xCC\x80\xCC\xA7")); /* classes 230, 202 */
    lop_normalizer n = {0};
    lop_normal_step *step;
    lop_normal_run run = {0};
    lop_text made;
    assert_ok(lop_normalizer_add(&n, LOP_NORMAL_NFD, &step));
    assert_ok(lop_normalize(&n, &run, (lop_text){text.at, text.size}, &made));
    for (int i = 0; i < PAIRS; i++) assert_ok(lop_string_print(&out, "\xCC\xA7"));
    for (int i = 0; i < PAIRS; i++) assert_ok(lop_string_print(&out, "\xCC\x80"));
    assert_int_equal(made.size, out.size);
    assert_memory_equal(made.at, out.at, out.size);
    lop_normal_run_close(&run);
    lop_normalizer_close(&n);
    lop_string_close(&text);
    lop_string_close(&out);
}

int test_tokenizer_parts(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pretokenizers_cut_as_the_package_does),
        cmocka_unit_test(normalizers_give_what_the_package_gives),
        cmocka_unit_test(decoders_give_what_the_package_gives),
        cmocka_unit_test(long_runs_of_marks_are_ordered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
