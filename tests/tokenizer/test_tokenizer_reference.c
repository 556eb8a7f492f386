/* test_tokenizer_reference.c - real tokenizers on real text: the ids of WikiText-2's test split and of a thousand strings
 * of any characters, as the Hugging Face `tokenizers` package gives them (tokenizers/reference_ids.json of the shared
 * data), and llama.cpp's test vectors. */
#include "core/base/file.h"
#include "core/base/memory.h"
#include "core/io/gguf.h"
#include "core/io/json.h"
#include "tests/harness/shared_data.h"
#include "tests/tokenizer/tokenizer_case.h"
#include "tests/tokenizer/tokenizer_groups.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WIKITEXT   "data/wikitext2/wiki.test.hfjoin.txt"
#define REFERENCES "data/tokenizers/reference_ids.json"

static double seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static lop_string read_text(const char *name)
{
    lop_string out = {0};
    assert_ok(lop_file_read(shared_path(name), UINT64_C(1) << 30, &out.at, &out.size));
    return out;
}

static void check_sha256(const json_t *reference, const char *key, const lop_ids *ids)
{
    char sha256[65];
    lop_text expected = {"", 0};
    case_sha256(ids, sha256);
    assert_ok(lop_json_text(reference, key, &expected));
    assert_string_equal(sha256, expected.at);
}

static void check_wikitext(const lop_tokenizer *t, const json_t *reference)
{
    int64_t count = 0;
    lop_string text = read_text(WIKITEXT);
    lop_ids ids = case_encode(t, (lop_text){text.at, text.size});
    assert_ok(lop_json_int(reference, "wikitext2_ids", 0, INT32_MAX, &count));
    assert_int_equal(ids.count, count);
    check_sha256(reference, "wikitext2_sha256", &ids);
    lop_ids_close(&ids);
    lop_string_close(&text);
}

/* The ids of each string, and -1 after each. */
static void check_unicode(const lop_tokenizer *t, const json_t *reference)
{
    static const int32_t end = -1;
    json_t *strings = NULL;
    lop_ids ids = {0};
    int64_t count = 0;
    assert_ok(lop_json_read(shared_path("data/tokenizers/unicode_1000.json"), 1 << 24, &strings));
    for (size_t i = 0; i < json_array_size(strings); i++) {
        lop_text text;
        assert_ok(lop_json_value_text(json_array_get(strings, i), "string", &text));
        assert_ok(lop_tokenizer_encode(t, text, true, &ids));
        assert_ok(lop_ids_add(&ids, &end, 1));
    }
    assert_ok(lop_json_int(reference, "unicode_total", 0, INT32_MAX, &count));
    assert_int_equal(ids.count, count + (int64_t)json_array_size(strings));
    check_sha256(reference, "unicode_sha256", &ids);
    lop_ids_close(&ids);
    lop_json_close(strings);
}

static void check_reference(const char *name, const lop_tokenizer *t)
{
    json_t *references = NULL, *reference = NULL;
    assert_ok(lop_json_read(shared_path(REFERENCES), 1 << 24, &references));
    assert_ok(lop_json_object(references, name, &reference));
    assert_non_null(reference);
    const double before = seconds();
    check_wikitext(t, reference);
    printf("  %s: WikiText-2 in %.2f s\n", name, seconds() - before);
    check_unicode(t, reference);
    lop_json_close(references);
}

/* The same ids from what GGUF metadata say of it; `refused`: words of why they cannot, NULL when they can. */
static void check_through_spec(const char *name, const char *refused, const lop_tokenizer *t)
{
    lop_tokenizer *back = NULL;
    const lop_status status = case_through_spec(t, &back);
    if (refused != NULL) {
        assert_failed(status, LOP_E_UNSUPPORTED, refused);
        return;
    }
    assert_ok(status);
    check_reference(name, back);
    lop_tokenizer_close(back);
}

static void tokenizer_json_gives_the_reference_ids(void **state)
{
    (void)state;
    /* The two with byte fallback were learned as lists of merges: by scores other merges would follow. */
    static const char *const cases[][3] = {
        {"smollm2", "data/tokenizers/smollm2/tokenizer.json", NULL},
        {"tinystories-656k", "data/models/TinyStories-656K/tokenizer.json", "1967 merges"},
        {"trained/llama3-split", "data/tokenizers/trained/llama3-split.json", NULL},
        {"trained/qwen2-split-nfc", "data/tokenizers/trained/qwen2-split-nfc.json", NULL},
        {"trained/llama2-byte-fallback", "data/tokenizers/trained/llama2-byte-fallback.json", "7482 merges"},
    };
    shared_need(REFERENCES);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lop_tokenizer *t = NULL;
        assert_ok(lop_tokenizer_open_json(shared_path(cases[i][1]), &t));
        check_reference(cases[i][0], t);
        check_through_spec(cases[i][0], cases[i][2], t);
        lop_tokenizer_close(t);
    }
}

static void gpt2s_files_give_the_reference_ids(void **state)
{
    (void)state;
    lop_tokenizer *t = NULL;
    shared_need(REFERENCES);
    assert_ok(lop_tokenizer_open_folder(shared_path("data/tokenizers/gpt2"), &t));
    check_reference("gpt2 (vocab.json + merges.txt)", t);
    check_through_spec("gpt2 (vocab.json + merges.txt)", NULL, t);
    lop_tokenizer_close(t);
}

/* Decoding gives the text back, but for the characters that became unknown. */
static void decoding_gives_the_text_back(void **state)
{
    (void)state;
    lop_tokenizer *t = NULL;
    lop_string out = {0};
    shared_need(REFERENCES);
    assert_ok(lop_tokenizer_open_folder(shared_path("data/tokenizers/smollm2"), &t));
    lop_string text = read_text(WIKITEXT);
    lop_ids ids = case_encode(t, (lop_text){text.at, text.size});
    assert_ok(lop_tokenizer_decode(t, ids.at, ids.count, &out));
    assert_int_equal(out.size, text.size);
    assert_memory_equal(out.at, text.at, text.size);
    lop_string_close(&out);
    lop_ids_close(&ids);
    lop_string_close(&text);
    lop_tokenizer_close(t);
}

/* ---- llama.cpp's vectors: cases parted by a line, one line of ids for each, without BOS */

#define CASE_END "\n__ggml_vocab_test__\n"

static void check_case(const lop_tokenizer *t, lop_text text, const char *line)
{
    lop_ids got = {0}, expected = {0};
    for (char *end; *line != '\n' && *line != '\0'; line = end) {
        const int32_t id = (int32_t)strtol(line, &end, 10);
        if (end == line) break;
        assert_ok(lop_ids_add(&expected, &id, 1));
    }
    assert_ok(lop_tokenizer_encode(t, text, false, &got));
    assert_int_equal(got.count, expected.count);
    if (got.count > 0) assert_memory_equal(got.at, expected.at, (size_t)got.count * sizeof *got.at);
    lop_ids_close(&got);
    lop_ids_close(&expected);
}

static int check_vectors(const lop_tokenizer *t, const char *name)
{
    char path[128];
    int count = 0;
    (void)snprintf(path, sizeof path, "data/tokenizers/vectors/%s.inp", name);
    lop_string in = read_text(path);
    (void)snprintf(path, sizeof path, "data/tokenizers/vectors/%s.out", name);
    lop_string out = read_text(path);
    const char *line = out.at;
    for (const char *at = in.at; at != NULL && line != NULL; count++) {
        const char *end = strstr(at, CASE_END);
        check_case(t, (lop_text){at, end ? (size_t)(end - at) : strlen(at)}, line);
        at = end ? end + strlen(CASE_END) : NULL;
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    lop_string_close(&in);
    lop_string_close(&out);
    return count;
}

static void llama_cpps_vectors_for_gpt2(void **state)
{
    (void)state;
    shared_need("data/tokenizers/vectors/ggml-vocab-gpt-2.gguf.inp");
    lop_tokenizer *t = NULL;
    lop_gguf *g = NULL;
    assert_ok(lop_tokenizer_open_folder(shared_path("data/tokenizers/gpt2"), &t));
    assert_int_equal(check_vectors(t, "ggml-vocab-gpt-2.gguf"), 47);
    lop_tokenizer_close(t);
    assert_ok(lop_gguf_open(shared_path("data/tokenizers/vectors/ggml-vocab-gpt-2.gguf"), &g));
    assert_ok(lop_gguf_tokenizer(g, &t));
    assert_int_equal(check_vectors(t, "ggml-vocab-gpt-2.gguf"), 47);
    check_reference("gpt2 (vocab.json + merges.txt)", t);
    lop_tokenizer_close(t);
    lop_gguf_close(g);
}

/* SmolLM2's GGUF is not in the shared data; LOP_SMOLLM2 names it. */
static void smollm2s_gguf_is_its_tokenizer_json(void **state)
{
    (void)state;
    const char *path = getenv("LOP_SMOLLM2");
    shared_need(REFERENCES);
    if (path == NULL || !lop_path_is_file(path)) {
        printf("  skipped: LOP_SMOLLM2 does not name a GGUF file of SmolLM2\n");
        skip();
    }
    lop_tokenizer *t = NULL;
    lop_gguf *g = NULL;
    assert_ok(lop_gguf_open(path, &g));
    assert_ok(lop_gguf_tokenizer(g, &t));
    check_reference("smollm2", t);
    assert_ok(lop_tokenizer_write(t, case_folder()));
    lop_tokenizer_close(t);
    assert_ok(lop_tokenizer_open_folder(case_folder(), &t));
    check_reference("smollm2", t);
    lop_tokenizer_close(t);
    lop_gguf_close(g);
}

int test_tokenizer_reference(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokenizer_json_gives_the_reference_ids),
        cmocka_unit_test(gpt2s_files_give_the_reference_ids),
        cmocka_unit_test(decoding_gives_the_text_back),
        cmocka_unit_test(llama_cpps_vectors_for_gpt2),
        cmocka_unit_test(smollm2s_gguf_is_its_tokenizer_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
