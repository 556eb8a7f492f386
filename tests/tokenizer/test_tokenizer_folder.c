/* test_tokenizer_folder.c - model folders: tokenizer.json first, else vocab.json and merges.txt, with what
 * tokenizer_config.json says. A backtick stands for a quote. */
#include "core/base/file.h"
#include "core/base/memory.h"
#include "tests/harness/shared_data.h"
#include "tests/tokenizer/tokenizer_case.h"
#include "tests/tokenizer/tokenizer_groups.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define VOCAB  "{`a`:0,`b`:1,`ab`:2,`Ġ`:3,`</s>`:4,`<|endoftext|>`:5,`<pad>`:6}"
#define MERGES "#version: 0.2\na b\r\n\n"

static void put(const char *folder, const char *name, const char *text)
{
    char path[256];
    lop_string json = case_json(text);
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_ok(lop_file_write_atomic(path, json.at, json.size));
    lop_string_close(&json);
}

/* A new folder with vocab.json and merges.txt. */
static const char *gpt2_folder(void)
{
    static char path[128];
    static int turn;
    (void)snprintf(path, sizeof path, "%s/model%d", case_folder(), turn++);
    assert_ok(lop_folder_make(path));
    put(path, "vocab.json", VOCAB);
    put(path, "merges.txt", MERGES);
    return path;
}

static void vocabulary_and_merges_alone(void **state)
{
    (void)state;
    lop_tokenizer *t = NULL;
    assert_ok(lop_tokenizer_open_folder(gpt2_folder(), &t));
    case_ids(t, "ab a<|endoftext|></s>", true, (const int32_t[]){2, 3, 0, 5}, 4);
    assert_string_equal(lop_tokenizer_kind(t), "byte-level BPE");
    assert_int_equal(lop_tokenizer_bos(t), 5);
    assert_int_equal(lop_tokenizer_eos(t), 5);
    assert_int_equal(lop_tokenizer_size(t), 7);
    lop_tokenizer_close(t);
}

static void the_config_states_the_rule(void **state)
{
    (void)state;
    lop_tokenizer *t = NULL;
    const char *folder = gpt2_folder();
    put(folder, "tokenizer_config.json",
        "{`add_bos_token`:true,`bos_token`:{`content`:`</s>`},`eos_token`:`</s>`,`pad_token`:`<pad>`,"
        "`unk_token`:null,`model_max_length`:1000000000000000019884624838656}");
    assert_ok(lop_tokenizer_open_folder(folder, &t));
    case_ids(t, "ab</s>a<pad>", true, (const int32_t[]){4, 2, 4, 0, 6}, 5);
    case_ids(t, "ab", false, (const int32_t[]){2}, 1);
    assert_int_equal(lop_tokenizer_bos(t), 4);
    lop_tokenizer_close(t);
    put(folder, "tokenizer_config.json", "{`add_eos_token`:true,`eos_token`:`</s>`,`add_prefix_space`:true}");
    assert_ok(lop_tokenizer_open_folder(folder, &t));
    case_ids(t, "ab", true, (const int32_t[]){3, 2, 4}, 3);
    lop_tokenizer_close(t);
}

static void a_rule_without_its_token_is_refused(void **state)
{
    (void)state;
    lop_tokenizer *t = NULL;
    const char *folder = gpt2_folder();
    put(folder, "tokenizer_config.json", "{`add_bos_token`:true}");
    assert_failed(lop_tokenizer_open_folder(folder, &t), LOP_E_FORMAT, "add_bos_token");
    put(folder, "tokenizer_config.json", "{`add_bos_token`:true,`bos_token`:`none`}");
    assert_failed(lop_tokenizer_open_folder(folder, &t), LOP_E_FORMAT, "add_bos_token");
    put(folder, "tokenizer_config.json", "{");
    assert_failed(lop_tokenizer_open_folder(folder, &t), LOP_E_FORMAT, "tokenizer_config.json");
    assert_null(t);
}

static void tokenizer_json_comes_first(void **state)
{
    (void)state;
    lop_tokenizer *t = NULL;
    const char *folder = gpt2_folder();
    put(folder, "tokenizer.json", "{`model`:{`vocab`:{`a`:7,`</s>`:8},`merges`:[]}}");
    put(folder, "tokenizer_config.json", "{`add_bos_token`:true,`bos_token`:`</s>`,`eos_token`:`none`}");
    assert_ok(lop_tokenizer_open_folder(folder, &t));
    case_ids(t, "a", true, (const int32_t[]){7}, 1); /* its template rules, and it has none */
    assert_int_equal(lop_tokenizer_bos(t), 8);
    assert_int_equal(lop_tokenizer_eos(t), -1);
    lop_tokenizer_close(t);
}

static void wrong_files_are_named(void **state)
{
    (void)state;
    lop_tokenizer *t = NULL;
    const char *folder = gpt2_folder();
    put(folder, "merges.txt", "a b\nb c\n");
    assert_failed(lop_tokenizer_open_folder(folder, &t), LOP_E_FORMAT, "merge 1 names \"c\"");
    assert_non_null(strstr(lop_error(), "merges.txt"));
    put(folder, "merges.txt", "a b c\n");
    assert_failed(lop_tokenizer_open_folder(folder, &t), LOP_E_FORMAT, "one blank between");
    put(folder, "vocab.json", "[]");
    assert_failed(lop_tokenizer_open_folder(folder, &t), LOP_E_FORMAT, "vocab.json");
    char path[256];
    (void)snprintf(path, sizeof path, "%s/vocab.json", folder);
    assert_int_equal(unlink(path), 0);
    assert_failed(lop_tokenizer_open_folder(folder, &t), LOP_E_FILE, "has no tokenizer");
    assert_failed(lop_tokenizer_open_folder("/nowhere/at/all", &t), LOP_E_FILE, "/nowhere/at/all");
    assert_null(t);
}

/* OPT's own files: GPT-2's merges over other ids, and BOS, which is </s>, before each text. */
static void opt_starts_with_its_bos(void **state)
{
    (void)state;
    static const char *const names[] = {"vocab.json", "merges.txt"};
    shared_need("data/tokenizers/opt/vocab.json");
    char path[256], from[256];
    const char *folder = gpt2_folder();
    for (int i = 0; i < 2; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        (void)snprintf(from, sizeof from, "data/tokenizers/opt/%s", names[i]);
        assert_int_equal(unlink(path), 0);
        assert_ok(lop_file_copy(shared_path(from), path));
    }
    put(folder, "tokenizer_config.json",
        "{`add_bos_token`:true,`bos_token`:`</s>`,`eos_token`:`</s>`,`unk_token`:`</"
        "s>`,`pad_token`:`<pad>`}");
    lop_tokenizer *t = NULL;
    assert_ok(lop_tokenizer_open_folder(folder, &t));
    case_ids(t, "The the</s>", true, (const int32_t[]){2, 133, 5, 2}, 4);
    case_ids(t, "The the", false, (const int32_t[]){133, 5}, 2);
    assert_int_equal(lop_tokenizer_bos(t), 2);
    lop_tokenizer_close(t);
}

/* A vocabulary of raw bytes without merges, and one from a course on training. */
static void small_files_of_others_are_read(void **state)
{
    (void)state;
    shared_need("data/tokenizers/small/torchtitan_test_tokenizer.json");
    lop_tokenizer *t = NULL;
    assert_ok(
        lop_tokenizer_open_json(shared_path("data/tokenizers/small/torchtitan_test_tokenizer.json"), &t));
    assert_int_equal(lop_tokenizer_size(t), 2020);
    case_ids(t, "Hi", true, (const int32_t[]){72, 105}, 2);
    lop_tokenizer_close(t);
    assert_ok(lop_tokenizer_open_merges(
        shared_path("data/tokenizers/small/cs336-train-bpe-reference-vocab.json"),
        shared_path("data/tokenizers/small/cs336-train-bpe-reference-merges.txt"), &t));
    assert_int_equal(lop_tokenizer_size(t), 500);
    case_ids(t, "<|endoftext|>", true, (const int32_t[]){0}, 1);
    lop_tokenizer_close(t);
}

int test_tokenizer_folder(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vocabulary_and_merges_alone),
        cmocka_unit_test(the_config_states_the_rule),
        cmocka_unit_test(a_rule_without_its_token_is_refused),
        cmocka_unit_test(tokenizer_json_comes_first),
        cmocka_unit_test(wrong_files_are_named),
        cmocka_unit_test(opt_starts_with_its_bos),
        cmocka_unit_test(small_files_of_others_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
