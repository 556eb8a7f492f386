/* test_io_checkpoint.c - folders opened: names, shapes, shards and their index, rows in either order, files that are wrong
 * or change, and the time it takes. */
#include "core/base/file.h"
#include "core/base/memory.h"
#include "core/io/checkpoint.h"
#include "core/io/checkpoint_parts.h"
#include "tests/harness/shared_data.h"
#include "tests/io/io_groups.h"
#include "tests/io/scratch.h"
#include "tests/io/small_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define TINY_LLAMA LOP_SOURCE_DIR "/tests/data/tiny-llama"

/* A copy of the sharded model to be damaged. */
static const char *copy_many(const char *name)
{
    lop_names names;
    char from[512], to[512];
    (void)snprintf(from, sizeof from, "%s", scratch_path(&here, "many"));
    (void)snprintf(to, sizeof to, "%s", scratch_path(&here, name));
    assert_ok(lop_folder_make(to));
    assert_ok(lop_folder_list(from, &names));
    for (int i = 0; i < names.count; i++)
        assert_ok(lop_file_copy(path_in(from, names.at[i]), path_in(to, names.at[i])));
    lop_names_close(&names);
    return scratch_path(&here, name);
}

static void a_folder_is_a_table(void **state)
{
    (void)state;
    lop_checkpoint *c = must_open(TINY_LLAMA);
    const lop_config *k = lop_checkpoint_config(c);
    assert_int_equal(k->hidden, 128);
    assert_int_equal(k->blocks, 4);
    assert_int_equal(lop_checkpoint_files(c), 1);
    assert_false(lop_checkpoint_is_gguf(c));
    const lop_tensor *t = NULL;
    assert_ok(lop_checkpoint_need(c, "model.layers.3.self_attn.k_proj.weight", 64, 128, &t));
    assert_int_equal(lop_checkpoint_word(t), LOP_DTYPE_BF16);
    for (int32_t i = 0; i < lop_checkpoint_count(c); i++)
        assert_ptr_equal(lop_checkpoint_find(c, lop_checkpoint_at(c, i)->name), lop_checkpoint_at(c, i));
    char sha[65];
    assert_ok(lop_checkpoint_sha256(c, NULL, sha));
    assert_int_equal(strlen(sha), 64);
    lop_checkpoint_close(c);
}

static void names_are_found_with_and_without_model(void **state)
{
    (void)state;
    lop_checkpoint *c = must_open(scratch_path(&here, "one"));
    const lop_tensor *t = lop_checkpoint_find(c, "model.norm.weight");
    assert_non_null(t);
    assert_ptr_equal(lop_checkpoint_find(c, "norm.weight"), t);
    assert_null(lop_checkpoint_find(c, "lm_head.weight"));
    lop_checkpoint_close(c);
}

static void needs_are_checked(void **state)
{
    (void)state;
    lop_checkpoint *c = must_open(scratch_path(&here, "one"));
    const lop_tensor *t = NULL;
    const char *q = "model.layers.0.self_attn.q_proj.weight";
    assert_ok(lop_checkpoint_need(c, q, 32, 32, &t));
    assert_failed(lop_checkpoint_need(c, q, 16, 32, &t), LOP_E_FORMAT,
                  "(32, 32) in the file but the config says (16, 32)");
    assert_failed(lop_checkpoint_need(c, q, 0, 32, &t), LOP_E_FORMAT, "config says (32)");
    assert_failed(lop_checkpoint_need(c, "model.layers.2.mlp.up_proj.weight", 48, 32, &t), LOP_E_FORMAT,
                  "no tensor");
    assert_null(t);
    assert_ok(lop_checkpoint_need(c, "model.norm.weight", 0, 32, &t));
    lop_checkpoint_close(c);
}

static void rows_are_the_file_s_bytes(void **state)
{
    (void)state;
    lop_checkpoint *c = must_open(scratch_path(&here, "many"));
    const lop_tensor *t = lop_checkpoint_find(c, "model.layers.1.mlp.gate_proj.weight");
    float *all = must_read(c, t->name);
    uint16_t stored[5 * 32], as[5 * 32];
    float some[5 * 32];
    assert_ok(lop_checkpoint_read(c, t, 40, 5, LOP_DTYPE_F32, some));
    assert_memory_equal(some, all + 40 * 32, sizeof some);
    assert_ok(lop_checkpoint_read_stored(c, t, 40 * 32 * 2, sizeof stored, stored));
    assert_ok(lop_checkpoint_read(c, t, 40, 5, LOP_DTYPE_F16, as));
    assert_memory_equal(as, stored, sizeof as);
    assert_failed(lop_checkpoint_read(c, t, 46, 5, LOP_DTYPE_F32, some), LOP_E_ARGUMENT, "48 rows");
    assert_failed(lop_checkpoint_read(c, t, 0, 1, LOP_DTYPE_Q8_0, some), LOP_E_ARGUMENT, "Q8_0");
    lop_free(all);
    lop_checkpoint_close(c);
}

/* A tensor said to be woven for rope gives Hugging Face's row j of a head from row 2 j or 2 (j - half) + 1. */
static void woven_rows_are_put_back(void **state)
{
    (void)state;
    lop_checkpoint *c = must_open(scratch_path(&here, "one"));
    lop_tensor t = *lop_checkpoint_find(c, "model.layers.0.self_attn.q_proj.weight");
    float *stored = must_read(c, t.name);
    t.rope_heads = 4;
    for (int64_t first = 0; first < 32; first++) {
        for (int64_t rows = 1; rows <= 32 - first; rows++) {
            float got[32 * 32];
            assert_ok(lop_checkpoint_read(c, &t, first, rows, LOP_DTYPE_F32, got));
            for (int64_t r = 0; r < rows; r++) {
                const int64_t head = (first + r) / 8, j = (first + r) % 8;
                const int64_t from = head * 8 + (j < 4 ? 2 * j : 2 * (j - 4) + 1);
                assert_memory_equal(got + r * 32, stored + from * 32, 32 * sizeof *got);
            }
        }
    }
    t.rope_heads = 5;
    assert_failed(lop_checkpoint_read(c, &t, 0, 32, LOP_DTYPE_F32, stored), LOP_E_FORMAT, "5 heads");
    lop_free(stored);
    lop_checkpoint_close(c);
}

static void shards_are_one_table(void **state)
{
    (void)state;
    lop_checkpoint *c = must_open(scratch_path(&here, "many"));
    assert_true(lop_checkpoint_files(c) > 3);
    int32_t file = 0;
    uint64_t at = 0;
    for (int32_t i = 0; i < lop_checkpoint_count(c); i++) {
        const lop_tensor *t = lop_checkpoint_at(c, i);
        assert_true(t->file == file || t->file == file + 1);
        assert_true(t->file != file || t->at >= at);
        file = t->file;
        at = t->at;
    }
    assert_int_equal(file, lop_checkpoint_files(c) - 1);
    assert_non_null(lop_checkpoint_find(c, "lm_head.weight"));
    lop_checkpoint_close(c);
}

static void fails_with(const char *folder, lop_status status, const char *words)
{
    lop_checkpoint *c = NULL;
    assert_failed(lop_checkpoint_open(folder, &c), status, words);
    assert_null(c);
}

static void damaged_folders_are_refused(void **state)
{
    (void)state;
    const char *folder = copy_many("missing");
    lop_checkpoint *c = must_open(folder);
    assert_int_equal(unlink(lop_checkpoint_file_path(c, 1)), 0);
    lop_checkpoint_close(c);
    fails_with(folder, LOP_E_FILE, "cannot be read");

    folder = copy_many("cut");
    c = must_open(folder);
    char last[512];
    (void)snprintf(last, sizeof last, "%s", lop_checkpoint_file_path(c, lop_checkpoint_files(c) - 1));
    lop_checkpoint_close(c);
    assert_int_equal(truncate(last, 2000), 0);
    fails_with(folder, LOP_E_FORMAT, "truncated");

    const char *index = "model.safetensors.index.json";
    folder = copy_many("outside");
    write_text(path_in(folder, index), "{\"weight_map\":{\"a\":\"../one/model.safetensors\"}}");
    fails_with(folder, LOP_E_FORMAT, "leads outside");
    write_text(path_in(folder, index), "{\"weight_map\":{\"a\":\"/etc/passwd\"}}");
    fails_with(folder, LOP_E_FORMAT, "leads outside");
    write_text(path_in(folder, index), "{\"weight_map\":{\"a\":\"config.json\"}}");
    fails_with(folder, LOP_E_FORMAT, ".safetensors file");
    write_text(path_in(folder, index), "{\"weight_map\":{}}");
    fails_with(folder, LOP_E_FORMAT, "names no tensor");
    write_text(path_in(folder, index), "{\"weight_map\":[]}");
    fails_with(folder, LOP_E_FORMAT, "weight_map");
    write_text(path_in(folder, index), "{\"weight_map\":{\"a\":7}}");
    fails_with(folder, LOP_E_FORMAT, "no file name");
    assert_int_equal(unlink(path_in(folder, index)), 0);
    fails_with(folder, LOP_E_FILE, "neither model.safetensors");
    assert_int_equal(unlink(path_in(folder, "config.json")), 0);
    fails_with(folder, LOP_E_FILE, "config.json");
    fails_with(scratch_path(&here, "nowhere"), LOP_E_FILE, "is not there");
    fails_with(TINY_LLAMA "/model.safetensors", LOP_E_FORMAT, "the folder");
}

/* The index and the files must agree, and no tensor be in two of them. */
static void an_index_that_lies_is_refused(void **state)
{
    (void)state;
    const char *folder = copy_many("lies");
    lop_checkpoint *c = must_open(folder);
    char first[512], second[512];
    (void)snprintf(first, sizeof first, "%s", lop_checkpoint_file_path(c, 0));
    (void)snprintf(second, sizeof second, "%s", lop_checkpoint_file_path(c, 1));
    lop_checkpoint_close(c);
    assert_ok(lop_file_copy(first, path_in(folder, "swap")));
    assert_ok(lop_file_rename(second, first));
    assert_ok(lop_file_rename(path_in(folder, "swap"), second));
    fails_with(folder, LOP_E_FORMAT, "the index puts");
    assert_ok(lop_file_copy(first, second));
    fails_with(folder, LOP_E_FORMAT, "twice");
}

static void a_file_that_shrinks_is_said(void **state)
{
    (void)state;
    const char *folder = copy_many("shrinks");
    lop_checkpoint *c = must_open(folder);
    const lop_tensor *t = lop_checkpoint_at(c, lop_checkpoint_count(c) - 1);
    float values[300 * 32];
    assert_int_equal(truncate(lop_checkpoint_file_path(c, t->file), 100), 0);
    assert_failed(lop_checkpoint_read(c, t, 0, t->shape[0], LOP_DTYPE_F32, values), LOP_E_FILE, "shrank");
    lop_checkpoint_close(c);
}

/* Sparse files stand for 1 GB in 40 shards; the headers are real. */
static void a_big_folder_opens_fast(void **state)
{
    (void)state;
    char folder[512];
    lop_string index = {0};
    (void)snprintf(folder, sizeof folder, "%s", scratch_path(&here, "big"));
    assert_ok(lop_folder_make(folder));
    assert_ok(
        lop_file_copy(path_in(scratch_path(&here, "one"), "config.json"), path_in(folder, "config.json")));
    assert_ok(lop_string_print(&index, "{\"weight_map\":{"));
    for (int f = 0; f < 40; f++) {
        lop_string header = {0};
        char name[64];
        (void)snprintf(name, sizeof name, "model-%05d-of-00040.safetensors", f + 1);
        assert_ok(lop_string_print(&header, "12345678{"));
        for (int t = 0; t < 10; t++) {
            assert_ok(
                lop_string_print(&header,
                                 "%s\"t%d.%d\":{\"dtype\":\"F16\",\"shape\":[1024,1280],\"data_offsets\":"
                                 "[%d,%d]}",
                                 t ? "," : "", f, t, t * 2621440, (t + 1) * 2621440));
            assert_ok(lop_string_print(&index, "%s\"t%d.%d\":\"%s\"", f + t ? "," : "", f, t, name));
        }
        assert_ok(lop_string_print(&header, "}"));
        for (int i = 0; i < 8; i++) header.at[i] = (char)(unsigned char)((header.size - 8) >> (8 * i));
        write_bytes(path_in(folder, name), header.at, header.size);
        assert_int_equal(truncate(path_in(folder, name), (off_t)header.size + 26214400), 0);
        lop_string_close(&header);
    }
    assert_ok(lop_string_print(&index, "}}"));
    write_text(path_in(folder, "model.safetensors.index.json"), index.at);
    lop_string_close(&index);
    double best = 1e9;
    for (int i = 0; i < 5; i++) {
        struct timespec a, b;
        clock_gettime(CLOCK_MONOTONIC, &a);
        lop_checkpoint_close(must_open(folder));
        clock_gettime(CLOCK_MONOTONIC, &b);
        const double ms = (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) * 1e-6;
        if (ms < best) best = ms;
    }
    print_message("1 GB in 40 files opened in %.2f ms\n", best);
    assert_true(best < 50.0);
}

/* A real model whose only copy of the tied matrix is called lm_head.weight. */
static void a_head_alone_is_found(void **state)
{
    (void)state;
    shared_need("data/models/TinyStories-656K/model.safetensors");
    lop_checkpoint *c = must_open(shared_path("data/models/TinyStories-656K"));
    assert_true(lop_checkpoint_config(c)->tied);
    assert_null(lop_checkpoint_find(c, "model.embed_tokens.weight"));
    const lop_tensor *t = NULL;
    assert_ok(lop_checkpoint_need(c, "lm_head.weight", 2048, 128, &t));
    char sha[65];
    assert_ok(lop_checkpoint_sha256(c, NULL, sha));
    assert_string_equal(sha, "187d0d5e8360d9625e40e0b35ec57d1ef0eea1a60ddcf09412246bed3484852f");
    lop_checkpoint_close(c);
}

int test_io_checkpoint(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_folder_is_a_table),
        cmocka_unit_test(names_are_found_with_and_without_model),
        cmocka_unit_test(needs_are_checked),
        cmocka_unit_test(rows_are_the_file_s_bytes),
        cmocka_unit_test(woven_rows_are_put_back),
        cmocka_unit_test(shards_are_one_table),
        cmocka_unit_test(damaged_folders_are_refused),
        cmocka_unit_test(an_index_that_lies_is_refused),
        cmocka_unit_test(a_file_that_shrinks_is_said),
        cmocka_unit_test(a_big_folder_opens_fast),
        cmocka_unit_test(a_head_alone_is_found),
    };
    return cmocka_run_group_tests_name("checkpoints", tests, small_models_open, here_close);
}
