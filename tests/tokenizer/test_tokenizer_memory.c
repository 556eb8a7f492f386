/* test_tokenizer_memory.c - opening, encoding, decoding and writing with the first, second, ... allocation failing: each
 * time LOP_E_MEMORY and nothing kept. */
#include "core/base/memory.h"
#include "tests/harness/ladder.h"
#include "tests/tokenizer/tokenizer_case.h"
#include "tests/tokenizer/tokenizer_groups.h"

static lop_status use(const lop_tokenizer *t)
{
    lop_ids ids = {0};
    lop_string text = {0};
    lop_status status = lop_tokenizer_encode(t, lop_text_of("ab e\xCC\x81 ABx<t>12"), true, &ids);
    if (status == LOP_OK) status = lop_tokenizer_decode(t, ids.at, ids.count, &text);
    lop_string_close(&text);
    lop_ids_close(&ids);
    return status;
}

static lop_status open_and_use(void *path)
{
    lop_tokenizer *t = NULL;
    LOP_TRY(lop_tokenizer_open_json(path, &t));
    const lop_status status = use(t);
    lop_tokenizer_close(t);
    return status;
}

static void climb(const char *text)
{
    lop_string json = case_json(text);
    char *path = NULL;
    assert_ok(lop_strdup(case_file("tokenizer.json", json.at, json.size), &path));
    assert_true(ladder_climb(open_and_use, path) > 20);
    lop_free(path);
    lop_string_close(&json);
}

static void byte_level_fails_cleanly(void **state)
{
    (void)state;
    climb(
        "{`added_tokens`:[{`id`:9,`content`:`<t>`,`special`:true},{`id`:8,`content`:`B`,`normalized`:true}],"
        "`normalizer`:{`type`:`Sequence`,`normalizers`:[{`type`:`NFC`},{`type`:`Lowercase`},{`type`:`Replace`"
        ","
        "`pattern`:{`Regex`:`x+`},`content`:`y`}]},`pre_tokenizer`:{`type`:`Sequence`,`pretokenizers`:["
        "{`type`:`Digits`,`individual_digits`:true},{`type`:`ByteLevel`}]},`post_processor`:{`type`:"
        "`RobertaProcessing`,`sep`:[`a`,0],`cls`:[`b`,1]},`decoder`:{`type`:`ByteLevel`},"
        "`model`:{`vocab`:{`a`:0,`b`:1,`ab`:2,`Ġ`:3},`merges`:[`a b`]}}");
}

static void sentencepiece_fails_cleanly(void **state)
{
    (void)state;
    climb("{`normalizer`:{`type`:`Prepend`,`prepend`:`▁`},`pre_tokenizer`:{`type`:`Metaspace`},`decoder`:"
          "{`type`:`Sequence`,`decoders`:[{`type`:`Replace`,`pattern`:{`String`:`▁`},`content`:` `},"
          "{`type`:`ByteFallback`},{`type`:`Fuse`},{`type`:`Strip`,`content`:` `,`start`:1}]},"
          "`model`:{`vocab`:{`a`:0,`b`:1,`ab`:2,`▁`:3,`<unk>`:4},`merges`:[[`a`,`b`]],`unk_token`:`<unk>`,"
          "`byte_fallback`:true}}");
}

static lop_status open_and_write(void *unused)
{
    (void)unused;
    const lop_text tokens[] = {lop_text_of("<s>"), lop_text_of("a"), lop_text_of("b"), lop_text_of("ab")};
    static const float scores[] = {0, -3, -2, -1};
    const lop_tokenizer_spec spec = {.model = lop_text_of("llama"),
                                     .tokens = tokens,
                                     .scores = scores,
                                     .count = 4,
                                     .eos = -1,
                                     .unknown = -1,
                                     .pad = -1,
                                     .add_bos = true,
                                     .add_space_prefix = true};
    lop_tokenizer *t = NULL;
    LOP_TRY(lop_tokenizer_open_spec(&spec, &t));
    lop_status status = use(t);
    if (status == LOP_OK) status = lop_tokenizer_write(t, case_folder());
    lop_tokenizer_close(t);
    return status;
}

static void specs_fail_cleanly(void **state)
{
    (void)state;
    (void)case_folder();
    assert_true(ladder_climb(open_and_write, NULL) > 20);
}

int test_tokenizer_memory(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(byte_level_fails_cleanly),
        cmocka_unit_test(sentencepiece_fails_cleanly),
        cmocka_unit_test(specs_fail_cleanly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
