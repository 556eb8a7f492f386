/* test_io_gguf_write.c - folders written as GGUF files and back: the same bytes, the same config, the same ids; rows where
 * llama.cpp looks for them; and what cannot be written, which leaves nothing. */
#include "core/base/file.h"
#include "core/base/memory.h"
#include "core/io/convert.h"
#include "core/io/gguf.h"
#include "core/io/synth.h"
#include "tests/io/crash_points.h"
#include "tests/io/gguf_image.h"
#include "tests/io/io_groups.h"
#include "tests/io/scratch.h"
#include "tests/io/small_model.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- models */

static lop_status convert_checkpoint(const lop_checkpoint *c, const char *to, const lop_dtype *dtype,
                                     bool force)
{
    lop_convert_result result;
    const lop_convert_plan plan = {.source = c,
                                   .save = to,
                                   .dtype_given = dtype != NULL,
                                   .dtype = dtype ? *dtype : LOP_DTYPE_F32,
                                   .force = force};
    return lop_convert_model(&plan, &result);
}

static lop_status convert(const char *from, const char *to, const lop_dtype *dtype, bool force)
{
    lop_checkpoint *c = must_open(from);
    const lop_status status = convert_checkpoint(c, to, dtype, force);
    lop_checkpoint_close(c);
    return status;
}

static const char *folder_of(const char *name, const lop_config *k, lop_dtype dtype)
{
    lop_checkpoint *made = NULL;
    const char *path = scratch_path(&here, name);
    assert_ok(lop_synth_open(k, dtype, 3, &made));
    assert_ok(convert_checkpoint(made, path, NULL, true));
    lop_checkpoint_close(made);
    return path;
}

static lop_config config_of(const char *family, bool tied)
{
    lop_config k = small_config(tied);
    (void)snprintf(k.family, sizeof k.family, "%s", family);
    return k;
}

/* ---- there and back */

static void there_and_back(const char *name, const lop_config *k, lop_dtype dtype)
{
    char file[64], back[64];
    (void)snprintf(file, sizeof file, "%s.gguf", name);
    (void)snprintf(back, sizeof back, "%s-back", name);
    const char *from = folder_of(name, k, dtype);
    assert_ok(convert(from, scratch_path(&here, file), NULL, false));
    assert_ok(convert(scratch_path(&here, file), scratch_path(&here, back), &dtype, false));
    lop_checkpoint *a = must_open(from), *b = must_open(scratch_path(&here, back));
    const lop_config x = *lop_checkpoint_config(a), y = *lop_checkpoint_config(b);
    assert_memory_equal(&x, &y, sizeof x);
    lop_checkpoint_close(a);
    lop_checkpoint_close(b);
    assert_true(same_file(path_in(from, "model.safetensors"),
                          scratch_path(&here, path_in(back, "model.safetensors"))));
    assert_true(same_file(path_in(from, "config.json"), scratch_path(&here, path_in(back, "config.json"))));
    assert_true(
        same_file(path_in(from, "tokenizer.json"), scratch_path(&here, path_in(back, "tokenizer.json"))) ||
        k->vocab > 258);
}

static void folders_come_back_byte_for_byte(void **state)
{
    (void)state;
    lop_config k = config_of("llama", true);
    there_and_back("tied", &k, LOP_DTYPE_BF16);
    k = config_of("llama", false);
    k.vocab = 258;
    k.rope = (lop_rope_spec){.kind = LOP_ROPE_LINEAR, .theta = 20000, .factor = 4};
    there_and_back("linear", &k, LOP_DTYPE_F32);
    k.rope = (lop_rope_spec){.kind = LOP_ROPE_LLAMA3,
                             .theta = 500000,
                             .factor = 8,
                             .low_freq_factor = 1,
                             .high_freq_factor = 4,
                             .original_positions = 8192};
    there_and_back("llama3", &k, LOP_DTYPE_BF16);
    k = config_of("mistral", false);
    k.window = 16;
    there_and_back("mistral", &k, LOP_DTYPE_BF16);
    k = config_of("qwen2", true);
    k.qkv_bias = true;
    there_and_back("qwen2", &k, LOP_DTYPE_BF16);
}

static lop_config uneven_config(int32_t blocks, const lop_widths *each)
{
    lop_config k = config_of("llama", true);
    k.blocks = blocks;
    for (int32_t b = 0; b < blocks; b++) k.each[b] = each[b];
    lop_config_settle(&k);
    assert_true(k.uneven);
    return k;
}

/* Architecture deci, a number for each block. */
static void blocks_may_differ_in_width(void **state)
{
    (void)state;
    static const lop_widths each[] = {{2, 1, 48}, {4, 2, 17}, {2, 1, 24}, {4, 2, 33}};
    lop_config k = uneven_config(4, each);
    lop_gguf *g = NULL;
    lop_text name = {"", 0};
    there_and_back("uneven", &k, LOP_DTYPE_BF16);
    assert_ok(lop_gguf_open(scratch_path(&here, "uneven.gguf"), &g));
    assert_true(lop_gguf_text(g, "general.architecture", &name) && lop_text_is(name, "deci"));
    lop_gguf_close(g);
}

/* A block that has lost both halves is not there; one without a feed-forward has 32 channels that add nothing, and the first
 * one heads that add nothing: llama.cpp's graph wants them. */
static void lost_halves_are_zeros_and_lost_blocks_are_gone(void **state)
{
    (void)state;
    static const lop_widths each[] = {{0, 0, 0}, {0, 0, 24}, {4, 2, 0}, {0, 0, 0}, {4, 2, 48}};
    lop_config k = uneven_config(5, each);
    const char *from = folder_of("lost", &k, LOP_DTYPE_F32), *to = scratch_path(&here, "lost.gguf");
    assert_ok(convert(from, to, NULL, false));
    lop_checkpoint *a = must_open(from), *b = must_open(to);
    const lop_config *c = lop_checkpoint_config(b);
    static const lop_widths kept[] = {{2, 1, 24}, {4, 2, 32}, {4, 2, 48}};
    assert_int_equal(c->blocks, 3);
    assert_memory_equal(c->each, kept, sizeof kept);
    float *x = must_read(a, "model.layers.2.self_attn.q_proj.weight");
    float *y = must_read(b, "model.layers.1.self_attn.q_proj.weight");
    assert_memory_equal(x, y, 32 * 32 * sizeof *x);
    lop_free(x);
    lop_free(y);
    static const char *const zeros[] = {"model.layers.0.self_attn.o_proj.weight",
                                        "model.layers.1.mlp.down_proj.weight",
                                        "model.layers.1.post_attention_layernorm.weight"};
    for (int i = 0; i < 3; i++) {
        float *z = must_read(b, zeros[i]);
        for (int64_t e = 0; e < elements_of(lop_checkpoint_find(b, zeros[i])); e++)
            assert_false(z[e] > 0 || z[e] < 0);
        lop_free(z);
    }
    lop_checkpoint_close(a);
    lop_checkpoint_close(b);
}

/* Row r of Hugging Face's (heads, 2, d/2) is row r of (heads, d/2, 2) in the file: convert_hf_to_gguf.py's permute. */
static void rows_lie_where_llama_cpp_looks(void **state)
{
    (void)state;
    lop_config k = config_of("llama", false);
    const char *from = folder_of("rows", &k, LOP_DTYPE_F32), *to = scratch_path(&here, "rows.gguf");
    assert_ok(convert(from, to, NULL, false));
    lop_checkpoint *a = must_open(from), *b = must_open(to);
    const char *const names[] = {"model.layers.1.self_attn.q_proj.weight",
                                 "model.layers.1.self_attn.k_proj.weight",
                                 "model.layers.1.self_attn.v_proj.weight"};
    for (int n = 0; n < 3; n++) {
        const lop_tensor *t = lop_checkpoint_find(b, names[n]);
        float *plain = must_read(a, names[n]), stored[32];
        for (int r = 0; r < (int)t->shape[0]; r++) {
            const int head = r / 8, half = r % 8 / 4, pair = r % 4;
            const int row = n == 2 ? r : head * 8 + pair * 2 + half;
            assert_ok(lop_checkpoint_read_stored(b, t, (uint64_t)row * sizeof stored, sizeof stored, stored));
            assert_memory_equal(stored, plain + (ptrdiff_t)r * 32, sizeof stored);
        }
        lop_free(plain);
    }
    lop_checkpoint_close(a);
    lop_checkpoint_close(b);
}

/* ---- types */

static void vectors_are_f32_and_matrices_as_asked(void **state)
{
    (void)state;
    static const lop_dtype types[] = {LOP_DTYPE_F32, LOP_DTYPE_F16, LOP_DTYPE_BF16};
    lop_config k = config_of("qwen2", true);
    k.qkv_bias = true;
    const char *from = folder_of("typed", &k, LOP_DTYPE_BF16), *to = scratch_path(&here, "typed.gguf");
    for (size_t i = 0; i < 3; i++) {
        assert_ok(convert(from, to, &types[i], true));
        lop_checkpoint *c = must_open(to);
        for (int32_t t = 0; t < lop_checkpoint_count(c); t++) {
            const lop_tensor *tensor = lop_checkpoint_at(c, t);
            assert_int_equal(tensor->dtype, tensor->rank == 1 ? LOP_DTYPE_F32 : types[i]);
            assert_int_equal(tensor->at % 32, 0);
        }
        lop_checkpoint_close(c);
    }
}

/* From one GGUF file to another: keys that nobody here knows stay, quantised values are decoded. */
static void a_file_becomes_a_file(void **state)
{
    (void)state;
    static gguf_image f;
    lop_gguf *g = NULL;
    lop_text author = {"", 0}, template = {"", 0};
    image_start(&f);
    image_model_metadata(&f, "llama");
    image_key_text(&f, "general.author", "nobody");
    image_key_text(&f, "tokenizer.chat_template", "{{ x }}");
    image_tokens(&f);
    image_model_tensors(&f, LOP_DTYPE_Q8_0);
    image_end(&f, 32);
    for (size_t i = f.size - (size_t)f.data; i < f.size; i++)
        f.at[i] = (unsigned char)(0x10 + f.at[i] % 0x28);
    write_bytes(scratch_path(&here, "q.gguf"), f.at, f.size);
    assert_ok(convert(scratch_path(&here, "q.gguf"), scratch_path(&here, "p.gguf"), NULL, false));
    assert_ok(lop_gguf_open(scratch_path(&here, "p.gguf"), &g));
    assert_true(lop_gguf_text(g, "general.author", &author) && lop_text_is(author, "nobody"));
    assert_true(lop_gguf_text(g, "tokenizer.chat_template", &template) && lop_text_is(template, "{{ x }}"));
    lop_gguf_close(g);
    lop_checkpoint *a = must_open(scratch_path(&here, "q.gguf")),
                   *b = must_open(scratch_path(&here, "p.gguf"));
    for (int32_t i = 0; i < lop_checkpoint_count(a); i++) {
        const lop_tensor *t = lop_checkpoint_at(a, i);
        assert_int_equal(lop_checkpoint_find(b, t->name)->dtype,
                         t->rank == 1 ? LOP_DTYPE_F32 : LOP_DTYPE_F16);
        float *x = must_read(a, t->name), *y = must_read(b, t->name);
        for (int64_t e = 0; e < elements_of(t); e++)
            if (x[e] < y[e] || x[e] > y[e]) assert_int_equal(lop_f32_to_f16(x[e]), lop_f32_to_f16(y[e]));
        lop_free(x);
        lop_free(y);
    }
    lop_checkpoint_close(a);
    lop_checkpoint_close(b);
}

/* ---- what is not written */

static bool is_left(const char *name)
{
    lop_names names;
    bool found = false;
    assert_ok(lop_folder_list(here.path, &names));
    for (int i = 0; i < names.count; i++) found = found || strncmp(names.at[i], name, strlen(name)) == 0;
    lop_names_close(&names);
    return found;
}

static void refuse(const lop_config *k, lop_status status, const char *words)
{
    const char *from = folder_of("refused", k, LOP_DTYPE_BF16);
    assert_failed(convert(from, scratch_path(&here, "bad.gguf"), NULL, false), status, words);
    assert_false(is_left("bad.gguf"));
}

static void what_gguf_has_no_words_for(void **state)
{
    (void)state;
    lop_config k = lop_synth_at(5)->config;
    for (int i = 0; i < lop_synth_count(); i++)
        if (strcmp(lop_synth_at(i)->name, "opt-125m") == 0) k = lop_synth_at(i)->config;
    k.hidden = 32;
    k.ffn = 48;
    k.heads = k.kv_heads = 4;
    k.head_dim = 8;
    k.blocks = 1;
    k.vocab = 300;
    refuse(&k, LOP_E_UNSUPPORTED, "the family opt");
    k = config_of("qwen2", true);
    k.qkv_bias = true;
    k.window = 16;
    k.window_from = 1;
    refuse(&k, LOP_E_UNSUPPORTED, "sliding window of 16");
    k = config_of("llama", true);
    k.vocab = 200;
    k.bos = k.eos = 0;
    refuse(&k, LOP_E_FORMAT, "ids up to 257, but the model embeds 200");
    k = config_of("llama", true);
    memcpy(k.activation, "gelu", sizeof "gelu");
    refuse(&k, LOP_E_UNSUPPORTED, "the activation is gelu");
    k = uneven_config(2, (const lop_widths[]){{4, 2, 48}, {4, 2, 40}});
    memcpy(k.family, "mistral", sizeof "mistral");
    k.window = 16;
    refuse(&k, LOP_E_UNSUPPORTED, "blocks of a mistral model differ in width");
}

static void places_are_looked_at_first(void **state)
{
    (void)state;
    const lop_config k = config_of("llama", true);
    const char *from = folder_of("placed", &k, LOP_DTYPE_BF16), *to = scratch_path(&here, "placed.gguf");
    assert_ok(convert(from, to, NULL, false));
    assert_failed(convert(from, to, NULL, false), LOP_E_ARGUMENT, "--force");
    assert_ok(convert(from, to, NULL, true));
    assert_failed(convert(to, to, NULL, true), LOP_E_ARGUMENT, "is the model itself");
    assert_ok(lop_folder_make(scratch_path(&here, "folder.gguf")));
    assert_failed(convert(from, scratch_path(&here, "folder.gguf"), NULL, true), LOP_E_ARGUMENT,
                  "is a folder");
    assert_failed(convert(from, scratch_path(&here, "none/x.gguf"), NULL, true), LOP_E_OUTPUT, "none/x.gguf");
}

static void failures_leave_what_was_there(void **state)
{
    (void)state;
    lop_config k = config_of("llama", true);
    const char *from = folder_of("whole", &k, LOP_DTYPE_F32), *to = scratch_path(&here, "whole.gguf");
    const lop_dtype half = LOP_DTYPE_F16;
    assert_ok(convert(from, to, NULL, false));
    assert_ok(lop_file_copy(to, scratch_path(&here, "kept.gguf")));

    lop_checkpoint *c = must_open(from);
    const lop_tensor *t = lop_checkpoint_find(c, "model.layers.1.mlp.down_proj.weight");
    const float large = 1e9f;
    FILE *file = fopen(path_in(from, "model.safetensors"), "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, (long)t->at + 40, SEEK_SET), 0);
    assert_int_equal(fwrite(&large, sizeof large, 1, file), 1);
    assert_int_equal(fclose(file), 0);
    lop_checkpoint_close(c);
    assert_failed(convert(from, to, &half, true), LOP_E_FORMAT, "down_proj.weight: element 10");
    assert_true(same_file(to, scratch_path(&here, "kept.gguf")));
    assert_false(is_left("whole.gguf."));

    lop_log log = {0};
    log.stop = true;
    lop_convert_result result;
    c = must_open(from);
    const lop_convert_plan plan = {.source = c, .save = to, .force = true, .log = &log};
    assert_int_equal(lop_convert_model(&plan, &result), LOP_E_STOPPED);
    lop_checkpoint_close(c);
    assert_true(same_file(to, scratch_path(&here, "kept.gguf")));
    assert_false(is_left("whole.gguf."));
}

static void a_full_disk_is_said_first(void **state)
{
    (void)state;
    char path[64];
    lop_config k = small_config(true);
    k.vocab = 1 << 26;
    k.hidden = 1 << 20;
    lop_checkpoint *c = NULL;
    if (access("/dev/shm", W_OK) != 0) skip();
    assert_ok(lop_synth_open(&k, LOP_DTYPE_F32, 1, &c));
    k.vocab = 300;
    (void)snprintf(path, sizeof path, "/dev/shm/lop-full-%ld.gguf", (long)getpid());
    const lop_status status = convert_checkpoint(c, path, NULL, false);
    lop_checkpoint_close(c);
    assert_failed(status, LOP_E_DISK, "not enough disk");
    assert_false(lop_path_is_file(path));
}

/* A process that dies at each call that changes the disk: under the name is the old file or the new one, whole. */
static void a_kill_at_every_call(void **state)
{
    (void)state;
    lop_config k = config_of("llama", true);
    const char *from = folder_of("killed", &k, LOP_DTYPE_BF16), *to = scratch_path(&here, "killed.gguf");
    const char *right = scratch_path(&here, "right.gguf"), *old = scratch_path(&here, "old.gguf");
    assert_ok(convert(from, right, NULL, false));
    write_text(old, "old");
    int n = 1, code = CRASH_EXIT;
    for (; code == CRASH_EXIT && n < 1000; n++) {
        assert_ok(lop_file_copy(old, to));
        (void)fflush(NULL);
        const pid_t child = fork();
        if (child == 0) {
            crash_at(n);
            const lop_status status = convert(from, to, NULL, true);
            crash_at(0);
            _exit(status == LOP_OK ? 0 : 1);
        }
        assert_int_equal(waitpid(child, &code, 0), child);
        code = WEXITSTATUS(code);
        assert_true(same_file(to, right) || same_file(to, old));
    }
    assert_int_equal(code, 0);
    assert_true(n > 20);
    assert_true(same_file(to, right));
}

int test_io_gguf_write(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folders_come_back_byte_for_byte),
        cmocka_unit_test(blocks_may_differ_in_width),
        cmocka_unit_test(lost_halves_are_zeros_and_lost_blocks_are_gone),
        cmocka_unit_test(rows_lie_where_llama_cpp_looks),
        cmocka_unit_test(vectors_are_f32_and_matrices_as_asked),
        cmocka_unit_test(a_file_becomes_a_file),
        cmocka_unit_test(what_gguf_has_no_words_for),
        cmocka_unit_test(places_are_looked_at_first),
        cmocka_unit_test(failures_leave_what_was_there),
        cmocka_unit_test(a_full_disk_is_said_first),
        cmocka_unit_test(a_kill_at_every_call),
    };
    return cmocka_run_group_tests_name("GGUF files written", tests, here_open, here_close);
}
