/* test_tokenizer_spec.c - tokenizers from GGUF metadata: both models, the pre-tokenizers, what is refused, and the files
 * that are written of them. */
#include "core/base/file.h"
#include "core/base/memory.h"
#include "core/io/json.h"
#include "tests/harness/shared_data.h"
#include "tests/tokenizer/tokenizer_case.h"
#include "tests/tokenizer/tokenizer_groups.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define COUNT(array) ((int32_t)(sizeof(array) / sizeof *(array)))

/* SentencePiece-like: ids 0 to 2 unknown, BOS, EOS; 3 and 4 the bytes of e-acute; then tokens by score. */
static const char *const piece_texts[] = {"<unk>", "<s>", "</s>", "<0xC3>", "<0xA9>", "▁",   "a",
                                          "b",     "▁a",  "ab",   "▁ab",    "bb",     "USER"};
static const float piece_scores[] = {0, 0, 0, 0, 0, -9, -9, -9, -2, -1, -3, -4, 0};
static const int32_t piece_types[] = {2, 3, 3, 6, 6, 1, 1, 1, 1, 1, 1, 1, 4};

static const char *const byte_texts[] = {"a",       "b", "ab", "Ġ", "1", "2", "12", "!", "Ċ",
                                         "<|end|>", "é", "Ì",  "ģ", "Ã", "©", "e",  "ĠA"};
static const int32_t byte_types[] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 3, 1, 1, 1, 1, 1, 1, 1};
static const char *const byte_merges[] = {"a b", "1 2"};

/* Views of the texts, valid until the next call. */
static lop_text *views_of(const char *const *texts, int32_t count)
{
    static lop_text views[64];
    for (int32_t i = 0; i < count; i++) views[i] = lop_text_of(texts[i]);
    return views;
}

static lop_tokenizer_spec piece_spec(void)
{
    return (lop_tokenizer_spec){.model = lop_text_of("llama"),
                                .pre = lop_text_of("default"),
                                .tokens = views_of(piece_texts, COUNT(piece_texts)),
                                .scores = piece_scores,
                                .types = piece_types,
                                .count = COUNT(piece_texts),
                                .bos = 1,
                                .eos = 2,
                                .unknown = 0,
                                .pad = -1,
                                .add_bos = true,
                                .add_space_prefix = true};
}

static lop_tokenizer_spec byte_spec(const char *pre)
{
    static lop_text merges[2];
    for (int i = 0; i < 2; i++) merges[i] = lop_text_of(byte_merges[i]);
    return (lop_tokenizer_spec){.model = lop_text_of("gpt2"),
                                .pre = lop_text_of(pre),
                                .tokens = views_of(byte_texts, COUNT(byte_texts)),
                                .types = byte_types,
                                .count = COUNT(byte_texts),
                                .merges = merges,
                                .merge_count = 2,
                                .bos = 9,
                                .eos = 9,
                                .unknown = -1,
                                .pad = -1};
}

/* The tokenizer, the one that its written files give, and that again from GGUF: all must give these ids. */
static void check_both(const lop_tokenizer_spec *spec, const char *text, const int32_t *ids, int64_t count)
{
    lop_tokenizer *t = NULL, *again = NULL, *back = NULL;
    assert_ok(lop_tokenizer_open_spec(spec, &t));
    case_ids(t, text, true, ids, count);
    assert_ok(lop_tokenizer_write(t, case_folder()));
    assert_ok(lop_tokenizer_open_folder(case_folder(), &again));
    case_ids(again, text, true, ids, count);
    assert_int_equal(lop_tokenizer_bos(again), spec->bos);
    assert_int_equal(lop_tokenizer_eos(again), spec->eos);
    assert_string_equal(lop_tokenizer_kind(again), lop_tokenizer_kind(t));
    assert_failed(lop_tokenizer_write(again, case_folder()), LOP_E_UNSUPPORTED, "copy its files");
    assert_ok(case_through_spec(again, &back));
    case_ids(back, text, true, ids, count);
    assert_int_equal(lop_tokenizer_bos(back), spec->bos);
    assert_int_equal(lop_tokenizer_eos(back), spec->eos);
    lop_tokenizer_close(back);
    lop_tokenizer_close(again);
    lop_tokenizer_close(t);
}

static void scores_rank_the_merges(void **state)
{
    (void)state;
    lop_tokenizer_spec spec = piece_spec();
    check_both(&spec, "ab", (const int32_t[]){1, 10}, 2);          /* _ ab, not _a b */
    check_both(&spec, "abb a", (const int32_t[]){1, 10, 7, 8}, 4); /* _ab b _a */
    check_both(&spec, "éUSER</s>x", (const int32_t[]){1, 5, 3, 4, 12, 2, 5, 0}, 8);
    spec.add_space_prefix = false;
    spec.add_eos = true;
    check_both(&spec, "ab", (const int32_t[]){1, 9, 2}, 3);
}

static void types_are_guessed_where_there_are_none(void **state)
{
    (void)state;
    lop_tokenizer_spec spec = piece_spec();
    spec.types = NULL;
    check_both(&spec, "ab<s>", (const int32_t[]){1, 10, 1}, 3);
}

static void pieces_are_decoded(void **state)
{
    (void)state;
    static const int32_t ids[] = {1, 10, 8, 3, 4, 3, 12, 2};
    const lop_tokenizer_spec spec = piece_spec();
    lop_tokenizer *t = NULL;
    lop_string out = {0};
    assert_ok(lop_tokenizer_open_spec(&spec, &t));
    assert_ok(lop_tokenizer_decode(t, ids, 5, &out));
    assert_string_equal(out.at, "ab aé");
    out.size = 0;
    assert_ok(lop_tokenizer_decode(t, ids + 3, 5, &out));
    assert_string_equal(out.at, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDUSER");
    lop_string_close(&out);
    lop_tokenizer_close(t);
}

static void pre_tokenizers_split_as_their_models_do(void **state)
{
    (void)state;
    lop_tokenizer_spec spec = byte_spec("gpt-2");
    check_both(&spec, "ab 12<|end|>!", (const int32_t[]){2, 3, 6, 9, 7}, 5);
    spec = byte_spec("default");
    check_both(&spec, "12", (const int32_t[]){6}, 1);
    spec = byte_spec("");
    check_both(&spec, "12", (const int32_t[]){6}, 1);
    spec = byte_spec("smollm");
    check_both(&spec, "ab12", (const int32_t[]){2, 4, 5}, 3);
    spec = byte_spec("starcoder");
    check_both(&spec, "12", (const int32_t[]){4, 5}, 2);
    spec = byte_spec("llama-bpe");
    spec.add_bos = true;
    check_both(&spec, "ab12!\n", (const int32_t[]){9, 2, 6, 7, 8}, 5);
    spec = byte_spec("qwen2");
    check_both(&spec, "12e\xCC\x81", (const int32_t[]){4, 5, 13, 14}, 4); /* composed by NFC */
}

static void what_is_not_known_is_named(void **state)
{
    (void)state;
    lop_tokenizer *t = NULL;
    lop_tokenizer_spec spec = byte_spec("falcon");
    assert_failed(lop_tokenizer_open_spec(&spec, &t), LOP_E_UNSUPPORTED, "falcon");
    spec = byte_spec("gpt-2|gpt2");
    assert_failed(lop_tokenizer_open_spec(&spec, &t), LOP_E_UNSUPPORTED, "gpt-2|gpt2");
    spec.model = lop_text_of("t5");
    assert_failed(lop_tokenizer_open_spec(&spec, &t), LOP_E_UNSUPPORTED, "\"t5\"");
    assert_null(t);
}

static void wrong_specs_are_refused(void **state)
{
    (void)state;
    lop_tokenizer *t = NULL;
    lop_tokenizer_spec spec = piece_spec();
    static float scores[COUNT(piece_scores)];
    spec.scores = NULL;
    assert_failed(lop_tokenizer_open_spec(&spec, &t), LOP_E_FORMAT, "no scores");
    scores[5] = NAN;
    spec.scores = scores;
    assert_failed(lop_tokenizer_open_spec(&spec, &t), LOP_E_FORMAT, "token 5");
    spec = piece_spec();
    spec.bos = COUNT(piece_texts);
    assert_failed(lop_tokenizer_open_spec(&spec, &t), LOP_E_FORMAT, "BOS");
    spec = piece_spec();
    lop_text *tokens = views_of(piece_texts, COUNT(piece_texts));
    tokens[6] = lop_text_of("b");
    assert_failed(lop_tokenizer_open_spec(&spec, &t), LOP_E_FORMAT, "two ids, 6 and 7");
    tokens[6] = lop_text_of("\xFF");
    assert_failed(lop_tokenizer_open_spec(&spec, &t), LOP_E_FORMAT, "token 6 is not UTF-8");
    spec.count = 0;
    assert_failed(lop_tokenizer_open_spec(&spec, &t), LOP_E_FORMAT, "no tokens");
    spec = byte_spec("gpt-2");
    const lop_text wrong = lop_text_of("a z");
    spec.merges = &wrong;
    spec.merge_count = 1;
    assert_failed(lop_tokenizer_open_spec(&spec, &t), LOP_E_FORMAT, "merge 0 names \"z\"");
    assert_null(t);
}

static void the_written_config_says_the_rest(void **state)
{
    (void)state;
    lop_tokenizer_spec spec = piece_spec();
    lop_tokenizer *t = NULL;
    char path[256];
    json_t *config = NULL;
    lop_text text = {"", 0};
    spec.chat_template = lop_text_of("{{ \"é\" }}\n");
    assert_ok(lop_tokenizer_open_spec(&spec, &t));
    assert_ok(lop_tokenizer_write(t, case_folder()));
    (void)snprintf(path, sizeof path, "%s/tokenizer_config.json", case_folder());
    assert_ok(lop_json_read(path, 1 << 20, &config));
    assert_ok(lop_json_text(config, "chat_template", &text));
    assert_true(lop_text_is(text, "{{ \"é\" }}\n"));
    assert_ok(lop_json_text(config, "unk_token", &text));
    assert_true(lop_text_is(text, "<unk>"));
    assert_null(lop_json_find(config, "pad_token"));
    lop_json_close(config);
    lop_tokenizer_close(t);
}

/* A vocabulary of real size, with the scores that its merges' ranks mean. */
typedef struct scored_vocabulary {
    json_t *document;
    lop_text *tokens;
    float *scores;
    int32_t *types;
    int32_t count;
} scored_vocabulary;

static void open_scored(const char *path, scored_vocabulary *out)
{
    assert_ok(lop_json_read(path, 1 << 26, &out->document));
    json_t *model = json_object_get(out->document, "model"), *vocab = json_object_get(model, "vocab");
    out->count = (int32_t)json_object_size(vocab);
    assert_ok(LOP_NEW(&out->tokens, out->count));
    assert_ok(LOP_NEW(&out->scores, out->count));
    assert_ok(LOP_NEW(&out->types, out->count));
    const char *text;
    json_t *id;
    json_object_foreach(vocab, text, id)
    {
        const json_int_t i = json_integer_value(id);
        const bool byte = strlen(text) == 6 && strncmp(text, "<0x", 3) == 0;
        out->tokens[i] = lop_text_of(text);
        out->types[i] = i == 0 ? 2 : i < 3 ? 3 : byte ? 6 : 1;
        out->scores[i] = -(float)i;
    }
}

static void close_scored(scored_vocabulary *v)
{
    lop_free(v->types);
    lop_free(v->scores);
    lop_free(v->tokens);
    lop_json_close(v->document);
}

static void real_vocabularies_survive_being_written(void **state)
{
    (void)state;
    static const char *const files[] = {"data/tokenizers/trained/llama2-byte-fallback.json",
                                        "data/models/TinyStories-656K/tokenizer.json"};
    shared_need(files[0]);
    for (int f = 0; f < 2; f++) {
        scored_vocabulary v;
        open_scored(shared_path(files[f]), &v);
        lop_tokenizer_spec spec = piece_spec();
        spec.tokens = v.tokens;
        spec.scores = v.scores;
        spec.types = v.types;
        spec.count = v.count;
        lop_tokenizer *t = NULL, *again = NULL;
        lop_string text = {0};
        assert_ok(lop_tokenizer_open_spec(&spec, &t));
        assert_ok(lop_tokenizer_write(t, case_folder()));
        assert_ok(lop_tokenizer_open_folder(case_folder(), &again));
        assert_ok(
            lop_file_read(shared_path("data/wikitext2/wiki.test.hfjoin.txt"), 1 << 24, &text.at, &text.size));
        text.room = text.size + 1;
        for (size_t i = 0; i < 500; i++) assert_ok(lop_string_add(&text, "===       ...", 1 + i % 13));
        lop_ids a = case_encode(t, (lop_text){text.at, text.size}),
                b = case_encode(again, (lop_text){text.at, text.size});
        assert_int_equal(a.count, b.count);
        assert_memory_equal(a.at, b.at, (size_t)a.count * sizeof *a.at);
        lop_ids_close(&a);
        lop_ids_close(&b);
        lop_string_close(&text);
        lop_tokenizer_close(again);
        lop_tokenizer_close(t);
        close_scored(&v);
    }
}

int test_tokenizer_spec(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_rank_the_merges),
        cmocka_unit_test(types_are_guessed_where_there_are_none),
        cmocka_unit_test(pieces_are_decoded),
        cmocka_unit_test(pre_tokenizers_split_as_their_models_do),
        cmocka_unit_test(what_is_not_known_is_named),
        cmocka_unit_test(wrong_specs_are_refused),
        cmocka_unit_test(the_written_config_says_the_rest),
        cmocka_unit_test(real_vocabularies_survive_being_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
