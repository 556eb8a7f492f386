/* test_cli_models.c - model folders that are wrong in one way: the exit code, the sentence, and a target that is as it
 * was. */
#include "core/base/file.h"
#include "tests/cli/cli_groups.h"
#include "tests/cli/cli_model.h"
#include "tests/cli/cli_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define WEIGHTS "model.safetensors"
#define INDEX   "model.safetensors.index.json"
#define SECOND  "model-00002-of-00002.safetensors"
#define UP_PROJ "model.layers.1.mlp.up_proj.weight"

/* One damage: `build` is given a folder with a good model (in shards if `shards`). */
typedef struct damage {
    const char *what;
    bool shards;
    void (*build)(const char *folder);
    int code;
    const char *words;
} damage;

/* A conversion to GGUF reads all that a prune does, computes nothing, and leaves no file. */
static void no_file_is_left(const damage *d, const char *model)
{
    char file[300];
    cli_run r;
    lop_names names;
    if (d->code == 6) return;
    (void)snprintf(file, sizeof file, "%s/fresh.gguf", here.path);
    RUN(&r, "convert", model, "--save", file, "--json");
    if (r.code != d->code) print_error("%s:\n", d->what);
    cli_expect(&r, d->code, d->words);
    assert_int_equal(lop_folder_list(here.path, &names), LOP_OK);
    for (int i = 0; i < names.count; i++)
        if (strncmp(names.at[i], "fresh.gguf", 10) == 0) cli_fail_run(&r, "it left a file");
    lop_names_close(&names);
    cli_close(&r);
}

/* A prune that fails leaves no folder; one that may overwrite leaves what was there. */
static void target_stays(const damage *d, const char *model)
{
    char fresh[300], old[300];
    cli_run r;
    (void)snprintf(fresh, sizeof fresh, "%s/fresh", here.path);
    (void)snprintf(old, sizeof old, "%s/old", here.path);
    RUN(&r, SMALL(model, fresh), "--json");
    if (r.code != d->code) print_error("%s:\n", d->what);
    cli_expect(&r, d->code, d->words);
    if (access(fresh, F_OK) == 0) cli_fail_run(&r, "it left a folder");
    cli_close(&r);
    copy_folder(TINY, old);
    write_text(path_in(old, "notes.txt"), "mine");
    char *before = folder_digest(old);
    RUN(&r, SMALL(model, old), "--force");
    cli_expect(&r, d->code, d->words);
    char *after = folder_digest(old);
    if (strcmp(before, after) != 0) cli_fail_run(&r, "it changed a folder that was there");
    free(before);
    free(after);
    cli_close(&r);
}

static void check(const damage *damages, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char model[300];
        (void)snprintf(model, sizeof model, "%s/model%zu", here.path, i);
        if (damages[i].shards)
            write_shards(model);
        else
            copy_folder(TINY, model);
        damages[i].build(model);
        print_message("%s\n", damages[i].what);
        target_stays(&damages[i], model);
        no_file_is_left(&damages[i], model);
    }
}
#define CHECK(damages) check((damages), sizeof(damages) / sizeof(damages)[0])

/* ---- files that are missing or short */

static void no_second(const char *f)
{
    assert_int_equal(unlink(path_in(f, SECOND)), 0);
}

static void short_second(const char *f)
{
    file_cut(path_in(f, SECOND), file_size(path_in(f, SECOND)) - 1);
}

static void short_weights(const char *f)
{
    file_cut(path_in(f, WEIGHTS), file_size(path_in(f, WEIGHTS)) / 2);
}

static void short_header(const char *f)
{
    file_cut(path_in(f, WEIGHTS), 100);
}

static void no_bytes(const char *f)
{
    file_cut(path_in(f, WEIGHTS), 0);
}

static void no_config(const char *f)
{
    assert_int_equal(unlink(path_in(f, "config.json")), 0);
}

static void no_weights(const char *f)
{
    assert_int_equal(unlink(path_in(f, WEIGHTS)), 0);
}

static void outside(const char *f)
{
    tensor_file file;
    tensor_file_read(path_in(f, SECOND), &file);
    tensor_file_write(scratch_path(&here, "outside.safetensors"), &file);
    json_t *index = json_load_file(path_in(f, INDEX), 0, NULL), *map = json_find(index, "weight_map");
    const char *key;
    json_t *tensor;
    json_object_foreach(file.header, key, tensor)(void)
        json_object_set_new(map, key, json_string("../outside.safetensors"));
    assert_int_equal(json_dump_file(index, path_in(f, INDEX), 0), 0);
    json_decref(index);
    tensor_file_close(&file);
}

static void absolute(const char *f)
{
    char text[512];
    (void)snprintf(text, sizeof text, "{\"%s\":\"%s/%s\"}", Q_PROJ, f, SECOND);
    json_edit(path_in(f, INDEX), "weight_map", text);
}

static void in_the_other(const char *f)
{
    json_t *index = json_load_file(path_in(f, INDEX), 0, NULL), *map = json_find(index, "weight_map");
    const bool second = strcmp(json_string_value(json_object_get(map, Q_PROJ)), SECOND) == 0;
    (void)json_object_set_new(map, Q_PROJ, json_string(second ? "model-00001-of-00002.safetensors" : SECOND));
    assert_int_equal(json_dump_file(index, path_in(f, INDEX), 0), 0);
    json_decref(index);
}

static void files_that_are_missing_or_lead_outside(void **state)
{
    (void)state;
    static const damage damages[] = {
        {"a missing shard", true, no_second, 3, SECOND},
        {"a truncated shard", true, short_second, 3, SECOND},
        {"half a file", false, short_weights, 3, WEIGHTS},
        {"a file that ends in its header", false, short_header, 3, WEIGHTS},
        {"an empty file", false, no_bytes, 3, WEIGHTS},
        {"no weights", false, no_weights, 3, WEIGHTS},
        {"no config.json", false, no_config, 3, "config.json"},
        {"an index that leads to the parent", true, outside, 3, "outside"},
        {"an index with an absolute path", true, absolute, 3, "outside"},
        {"an index that names the other shard", true, in_the_other, 3, Q_PROJ},
    };
    CHECK(damages);
}

/* ---- headers */

static void set_tensor(const char *f, const char *key, const char *value)
{
    tensor_file file;
    tensor_file_read(path_in(f, WEIGHTS), &file);
    (void)json_object_set_new(json_object_get(file.header, Q_PROJ), key,
                              json_loads(value, JSON_DECODE_ANY, NULL));
    tensor_file_write(path_in(f, WEIGHTS), &file);
    tensor_file_close(&file);
}

/* Both ends two bytes before where they belong. */
static void overlapping(const char *f)
{
    tensor_file file;
    tensor_file_read(path_in(f, WEIGHTS), &file);
    json_t *offsets = json_object_get(json_object_get(file.header, Q_PROJ), "data_offsets");
    for (size_t i = 0; i < 2; i++)
        (void)json_integer_set(json_array_get(offsets, i),
                               json_integer_value(json_array_get(offsets, i)) - 2);
    tensor_file_write(path_in(f, WEIGHTS), &file);
    tensor_file_close(&file);
}

static void past_the_file(const char *f)
{
    set_tensor(f, "data_offsets", "[9000000, 9032768]");
}

static void overflowing_offsets(const char *f)
{
    set_tensor(f, "data_offsets", "[9223372036854775807, 9223372036854775807]");
}

static void negative_offsets(const char *f)
{
    set_tensor(f, "data_offsets", "[-32768, 0]");
}

static void overflowing_shape(const char *f)
{
    set_tensor(f, "shape", "[4611686018427387904, 8]");
}

static void other_shape(const char *f)
{
    set_tensor(f, "shape", "[64, 256]");
}

static void other_dtype(const char *f)
{
    set_tensor(f, "dtype", "\"I16\"");
}

static void unknown_dtype(const char *f)
{
    set_tensor(f, "dtype", "\"F8_E4M3\"");
}

static void long_header(const char *f)
{
    const uint64_t size = UINT64_MAX - 3;
    file_put(path_in(f, WEIGHTS), 0, &size, sizeof size);
}

static void nested_header(const char *f)
{
    const uint64_t size = 400000;
    char *text = malloc(size + 8);
    assert_non_null(text);
    memcpy(text, &size, 8);
    memset(text + 8, '[', size);
    write_bytes(path_in(f, WEIGHTS), text, size + 8);
    free(text);
}

static void headers_that_lie(void **state)
{
    (void)state;
    static const damage damages[] = {
        {"tensors that overlap", false, overlapping, 3, "overlap"},
        {"a tensor past the file", false, past_the_file, 3, Q_PROJ},
        {"offsets that overflow", false, overflowing_offsets, 3, Q_PROJ},
        {"offsets below zero", false, negative_offsets, 3, Q_PROJ},
        {"a shape that overflows", false, overflowing_shape, 3, Q_PROJ},
        {"another shape than config.json's", false, other_shape, 3, Q_PROJ},
        {"whole numbers for weights", false, other_dtype, 3, Q_PROJ},
        {"an unknown type", false, unknown_dtype, 3, "F8_E4M3"},
        {"a header longer than the file", false, long_header, 3, WEIGHTS},
        {"a header nested without end", false, nested_header, 3, WEIGHTS},
    };
    CHECK(damages);
}

/* ---- config.json and tokenizer.json */

static void edit_config(const char *f, const char *key, const char *value)
{
    json_edit(path_in(f, "config.json"), key, value);
}

static void more_blocks(const char *f)
{
    edit_config(f, "num_hidden_layers", "5");
}

static void wider_ffn(const char *f)
{
    edit_config(f, "intermediate_size", "400");
}

static void odd_heads(const char *f)
{
    edit_config(f, "num_attention_heads", "0");
}

static void huge_blocks(const char *f)
{
    edit_config(f, "num_hidden_layers", "2147483647");
}

static void text_size(const char *f)
{
    edit_config(f, "hidden_size", "\"128\"");
}

static void other_family(const char *f)
{
    edit_config(f, "model_type", "\"banana\"");
    edit_config(f, "architectures", "[\"BananaForCausalLM\"]");
}

static void other_rope(const char *f)
{
    edit_config(f, "rope_parameters", "{\"rope_type\": \"spiral\", \"rope_theta\": 10000.0}");
}

static void quantised(const char *f)
{
    edit_config(f, "quantization_config", "{\"quant_method\": \"gptq\", \"bits\": 4}");
}

static void nested_text(const char *path)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < 100000; i++) (void)fputs("{\"a\":[", file);
    assert_int_equal(fclose(file), 0);
}

static void nested_config(const char *f)
{
    nested_text(path_in(f, "config.json"));
}

static void nested_index(const char *f)
{
    nested_text(path_in(f, INDEX));
}

static void nested_tokenizer(const char *f)
{
    nested_text(path_in(f, "tokenizer.json"));
}

static void huge_config(const char *f)
{
    file_cut(path_in(f, "config.json"), (size_t)5 << 30);
}

static void twice(const char *f)
{
    write_text(path_in(f, "config.json"), "{\"model_type\":\"llama\",\"model_type\":\"llama\"}");
}

static void no_json(const char *f)
{
    write_text(path_in(f, "config.json"), "hidden_size: 128\n");
}

static void unigram(const char *f)
{
    json_edit(path_in(f, "tokenizer.json"), "model", "{\"type\": \"Unigram\", \"vocab\": [[\"a\", 0.0]]}");
}

static void no_tokenizer(const char *f)
{
    assert_int_equal(unlink(path_in(f, "tokenizer.json")), 0);
}

static void configs_and_tokenizers_that_do_not_fit(void **state)
{
    (void)state;
    static const damage damages[] = {
        {"a block that is not there", false, more_blocks, 3, "model.layers.4."},
        {"a width that the tensors do not have", false, wider_ffn, 3, "400"},
        {"no heads", false, odd_heads, 3, "num_attention_heads"},
        {"more blocks than memory", false, huge_blocks, 3, "num_hidden_layers"},
        {"a text for a number", false, text_size, 3, "hidden_size"},
        {"an unknown family", false, other_family, 3, "llama"},
        {"an unknown rope type", false, other_rope, 3, "linear"},
        {"quantised weights", false, quantised, 3, "quantization_config"},
        {"a nested config.json", false, nested_config, 3, "config.json"},
        {"a nested index", true, nested_index, 3, INDEX},
        {"a nested tokenizer.json", false, nested_tokenizer, 3, "tokenizer.json"},
        {"a config.json of 5 GiB", false, huge_config, 3, "config.json"},
        {"a key twice", false, twice, 3, "config.json"},
        {"no JSON", false, no_json, 3, "config.json"},
        {"a tokenizer of another kind", false, unigram, 3, "Unigram"},
        {"no tokenizer", false, no_tokenizer, 3, "tokenizer"},
    };
    CHECK(damages);
}

/* ---- numbers */

static void nan_weight(const char *f)
{
    tensor_fill(path_in(f, WEIGHTS), UP_PROJ, 777, 1, 0x7fc0);
}

static void infinite_weight(const char *f)
{
    tensor_fill(path_in(f, WEIGHTS), UP_PROJ, 0, 1, 0xff80);
}

static void nan_norm(const char *f)
{
    tensor_fill(path_in(f, WEIGHTS), "model.layers.2.input_layernorm.weight", 5, 1, 0x7fc0);
}

static void nan_embedding(const char *f)
{
    tensor_fill(path_in(f, WEIGHTS), "model.embed_tokens.weight", 128 * 2000, 1, 0x7fc0);
}

static void huge_weights(const char *f)
{
    tensor_fill(path_in(f, WEIGHTS), UP_PROJ, 0, 384 * 128, 0x7e96); /* 1e38 */
}

static void weights_and_activations_that_are_no_numbers(void **state)
{
    (void)state;
    static const damage damages[] = {
        {"a weight that is no number", false, nan_weight, 3, UP_PROJ},
        {"an infinite weight", false, infinite_weight, 3, UP_PROJ},
        {"a norm that is no number", false, nan_norm, 3, "model.layers.2.input_layernorm.weight"},
        {"an embedding that is no number", false, nan_embedding, 3, "model.embed_tokens.weight"},
        {"weights of 1e38", false, huge_weights, 6, "block 1"},
    };
    CHECK(damages);
    const char *model = scratch_path(&here, "model4"), *nan = scratch_path(&here, "model0");
    REFUSES(6, "block 1", "eval", model, "--text", HELD, "--windows", "2", "--seqlen", "32", "--threads", "1",
            "--json");
    REFUSES(6, "block 1", "generate", model, "--prompt", "The", "--threads", "1", "--json");
    REFUSES(3, UP_PROJ, "eval", nan, "--text", HELD, "--windows", "2", "--seqlen", "32", "--threads", "1",
            "--json");
    REFUSES(3, UP_PROJ, "prune", nan, "--method", "magnitude", "--sparsity", "0.5", "--save",
            scratch_path(&here, "x"));
    assert_int_not_equal(access(scratch_path(&here, "x"), F_OK), 0);
}

int cli_tests_models(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files_that_are_missing_or_lead_outside, here_open, here_close),
        cmocka_unit_test_setup_teardown(headers_that_lie, here_open, here_close),
        cmocka_unit_test_setup_teardown(configs_and_tokenizers_that_do_not_fit, here_open, here_close),
        cmocka_unit_test_setup_teardown(weights_and_activations_that_are_no_numbers, here_open, here_close),
    };
    return cmocka_run_group_tests_name("models", tests, NULL, NULL);
}
