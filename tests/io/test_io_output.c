/* test_io_output.c - folders written: byte-equal copies, other types, tied heads, files of a given size, folders that are
 * refused, runs that go on. */
#include "core/base/file.h"
#include "core/base/memory.h"
#include "core/io/checkpoint.h"
#include "core/io/convert.h"
#include "core/io/output.h"
#include "core/io/synth.h"
#include "tests/io/io_groups.h"
#include "tests/io/scratch.h"
#include "tests/io/small_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define TINY_LLAMA LOP_SOURCE_DIR "/tests/data/tiny-llama"
#define RUN        "{\"method\":\"none\",\"options\":{\"ratio\":0.5}}"

static lop_status convert(const char *from, const char *to, const lop_dtype *dtype, bool force)
{
    lop_checkpoint *c = must_open(from);
    lop_convert_result result;
    const lop_convert_plan plan = {.source = c,
                                   .save = to,
                                   .dtype_given = dtype != NULL,
                                   .force = force,
                                   .dtype = dtype ? *dtype : LOP_DTYPE_F32};
    const lop_status status = lop_convert_model(&plan, &result);
    lop_checkpoint_close(c);
    return status;
}

static lop_output_plan plan_of(const lop_checkpoint *c, const char *folder)
{
    return (lop_output_plan){.source = c, .folder = folder, .fingerprint = RUN};
}

static void an_unpruned_copy_is_byte_equal(void **state)
{
    (void)state;
    static const char *const sources[] = {"one", "many"};
    for (int i = 0; i < 2; i++) {
        const char *from = scratch_path(&here, sources[i]), *to = scratch_path(&here, "copy");
        assert_ok(convert(from, to, NULL, false));
        assert_same_folder(from, to, NULL);
        assert_ok(lop_folder_remove(to));
    }
    const char *to = scratch_path(&here, "tiny");
    assert_ok(convert(TINY_LLAMA, to, NULL, false));
    assert_same_folder(TINY_LLAMA, to, NULL);
}

static void same_values(const lop_checkpoint *a, const lop_checkpoint *b, lop_dtype as)
{
    for (int32_t i = 0; i < lop_checkpoint_count(a); i++) {
        const lop_tensor *t = lop_checkpoint_at(a, i), *u = lop_checkpoint_find(b, t->name);
        const size_t bytes = lop_dtype_bytes(as, (uint64_t)elements_of(t));
        void *x = NULL, *y = NULL;
        assert_non_null(u);
        assert_int_equal(u->dtype, as);
        assert_ok(lop_alloc(bytes, 1, &x));
        assert_ok(lop_alloc(bytes, 1, &y));
        assert_ok(lop_checkpoint_read(a, t, 0, t->shape[0], as, x));
        assert_ok(lop_checkpoint_read(b, u, 0, u->shape[0], as, y));
        assert_memory_equal(x, y, bytes);
        lop_free(x);
        lop_free(y);
    }
}

static void another_type_changes_values_and_config_only(void **state)
{
    (void)state;
    static const lop_dtype types[] = {LOP_DTYPE_F32, LOP_DTYPE_F16, LOP_DTYPE_BF16};
    static const char *const sources[] = {"one", "many"};
    for (int i = 0; i < 6; i++) {
        const char *from = scratch_path(&here, sources[i % 2]), *to = scratch_path(&here, "typed");
        assert_ok(convert(from, to, &types[i / 2], false));
        lop_checkpoint *a = must_open(from), *b = must_open(to);
        assert_int_equal(lop_checkpoint_config(b)->dtype, types[i / 2]);
        assert_int_equal(lop_checkpoint_files(a), lop_checkpoint_files(b));
        same_values(a, b, types[i / 2]);
        assert_true(same_file(path_in(from, "tokenizer.json"), path_in(to, "tokenizer.json")));
        lop_checkpoint_close(a);
        lop_checkpoint_close(b);
        assert_ok(lop_folder_remove(to));
    }
}

/* A single file that a wider type takes over the limit becomes several with an index. */
static void files_are_cut_at_their_size(void **state)
{
    (void)state;
    lop_checkpoint *c = must_open(scratch_path(&here, "one"));
    lop_convert_result result;
    const lop_convert_plan plan = {.source = c,
                                   .save = scratch_path(&here, "wide"),
                                   .dtype_given = true,
                                   .dtype = LOP_DTYPE_F32,
                                   .shard_bytes = 20000};
    assert_ok(lop_convert_model(&plan, &result));
    lop_checkpoint *wide = must_open(plan.save);
    assert_int_equal(result.tensors, lop_checkpoint_count(c));
    assert_true(lop_checkpoint_files(wide) > 2);
    assert_true(lop_path_is_file(path_in(plan.save, "model.safetensors.index.json")));
    same_values(c, wide, LOP_DTYPE_F32);
    lop_checkpoint_close(wide);
    lop_checkpoint_close(c);
}

/* The source stores the tied matrix twice; the copy stores it once. */
static void a_second_head_is_left_out(void **state)
{
    (void)state;
    const char *folder = scratch_path(&here, "twice");
    small_folder(folder, false, LOP_DTYPE_F16, 0);
    char *text = NULL;
    size_t size = 0;
    assert_ok(lop_file_read(path_in(folder, "config.json"), 10000, &text, &size));
    char *at = strstr(text, "\"tie_word_embeddings\": false");
    assert_non_null(at);
    memcpy(at, "\"tie_word_embeddings\": true ", 28);
    write_text(path_in(folder, "config.json"), text);
    lop_free(text);
    assert_ok(convert(folder, scratch_path(&here, "once"), NULL, false));
    lop_checkpoint *c = must_open(scratch_path(&here, "once"));
    assert_null(lop_checkpoint_find(c, "lm_head.weight"));
    assert_non_null(lop_checkpoint_find(c, "model.embed_tokens.weight"));
    lop_checkpoint_close(c);
    assert_true(same_file(path_in(folder, "config.json"), scratch_path(&here, "once/config.json")));
}

static void refused_folders_stay_as_they_are(void **state)
{
    (void)state;
    const char *from = scratch_path(&here, "one"), *full = scratch_path(&here, "full");
    assert_ok(lop_folder_make(full));
    write_text(path_in(full, "precious.txt"), "x");
    assert_failed(convert(from, full, NULL, false), LOP_E_ARGUMENT, "--force");
    assert_false(lop_path_is_folder(path_in(full, ".lop")));
    assert_failed(convert(from, from, NULL, true), LOP_E_ARGUMENT, "the model itself");
    assert_failed(convert(from, path_in(from, "../one/."), NULL, true), LOP_E_ARGUMENT, "the model itself");
    assert_false(lop_path_is_folder(path_in(from, ".lop")));
    write_text(scratch_path(&here, "a-file"), "x");
    assert_failed(convert(from, scratch_path(&here, "a-file"), NULL, false), LOP_E_OUTPUT, "a-file");
}

/* What an earlier model left, and would be loaded with the new one, goes; other people's files stay. */
static void force_replaces_a_model(void **state)
{
    (void)state;
    const char *to = scratch_path(&here, "old");
    small_folder(to, false, LOP_DTYPE_F16, 16000);
    write_text(path_in(to, "merges.txt"), "stale");
    write_text(path_in(to, "prune_report.json"), "{}");
    write_text(path_in(to, "notes.txt"), "mine");
    assert_ok(convert(scratch_path(&here, "one"), to, NULL, true));
    assert_same_folder(scratch_path(&here, "one"), to, "notes.txt");
    assert_true(lop_path_is_file(path_in(to, "notes.txt")));
}

/* ---- units, commits, resuming */

static const lop_tensor *up_proj(const lop_checkpoint *c, int block)
{
    char name[64];
    (void)snprintf(name, sizeof name, "model.layers.%d.mlp.up_proj.weight", block);
    return lop_checkpoint_find(c, name);
}

static void write_block(lop_output *o, const lop_checkpoint *c, int block, uint16_t value)
{
    char name[96];
    uint16_t values[48 * 32];
    for (size_t i = 0; i < 48 * 32; i++) values[i] = value;
    (void)snprintf(name, sizeof name, "model.layers.%d.mlp.up_proj.weight", block);
    assert_int_equal(lop_output_dtype(o, lop_checkpoint_find(c, name)), LOP_DTYPE_F16);
    assert_ok(lop_output_write(o, name, values, sizeof values));
}

static void a_run_goes_on(void **state)
{
    (void)state;
    lop_checkpoint *c = must_open(scratch_path(&here, "many"));
    lop_output_plan plan = plan_of(c, scratch_path(&here, "run"));
    lop_output *o = NULL;
    assert_ok(lop_output_open(&plan, &o));
    assert_int_equal(lop_output_done(o), 0);
    write_block(o, c, 0, 0x3c00);
    assert_ok(lop_output_commit(o, "{\"block\":0,\"loss\":1e-06}"));
    write_block(o, c, 1, 0x4000);
    lop_output_close(o);

    assert_failed(lop_output_open(&plan, &o), LOP_E_ARGUMENT, "--resume");
    plan.resume = true;
    plan.fingerprint = "{\"method\":\"none\",\"options\":{\"ratio\":0.6}}";
    assert_failed(lop_output_open(&plan, &o), LOP_E_ARGUMENT, "options.ratio was 0.5 and is now 0.6");
    plan.fingerprint = RUN;
    plan.dtype_given = true;
    plan.dtype = LOP_DTYPE_F32;
    assert_failed(lop_output_open(&plan, &o), LOP_E_ARGUMENT, "tensors are not the same");
    plan.dtype_given = false;
    assert_ok(lop_output_open(&plan, &o));
    assert_int_equal(lop_output_done(o), 1);
    assert_string_equal(lop_output_done_line(o, 0), "{\"block\":0,\"loss\":1e-06}");
    float values[48 * 32];
    assert_ok(lop_output_read(o, up_proj(c, 0), 0, 48, LOP_DTYPE_F32, values));
    assert_true(values[0] > 0.99f && values[48 * 32 - 1] < 1.01f);
    float some[3 * 32];
    assert_ok(lop_output_read(o, up_proj(c, 0), 45, 3, LOP_DTYPE_F32, some));
    assert_memory_equal(some, values + 45 * 32, sizeof some);
    assert_failed(lop_output_read(o, up_proj(c, 0), 46, 3, LOP_DTYPE_F32, some), LOP_E_ARGUMENT, "46 to 49");
    assert_failed(lop_output_read(o, up_proj(c, 1), 0, 48, LOP_DTYPE_F32, values), LOP_E_ARGUMENT,
                  "not written");
    write_block(o, c, 1, 0x4000);
    assert_ok(lop_output_commit(o, "{\"block\":1}"));
    assert_ok(lop_output_add_file(o, "prune_report.json", "{}", 2));
    assert_ok(lop_output_publish(o));
    assert_true(lop_output_published(o));
    assert_ok(lop_output_read(o, up_proj(c, 1), 0, 48, LOP_DTYPE_F32, values));
    assert_true(values[7] > 1.99f && values[7] < 2.01f);
    lop_output_close(o);

    assert_false(lop_path_is_folder(path_in(plan.folder, ".lop")));
    assert_true(lop_path_is_file(path_in(plan.folder, "prune_report.json")));
    lop_checkpoint *out = must_open(plan.folder);
    float *up = must_read(out, "model.layers.1.mlp.up_proj.weight"),
          *gate = must_read(out, "model.layers.1.mlp.gate_proj.weight");
    float *source = must_read(c, "model.layers.1.mlp.gate_proj.weight");
    assert_true(up[100] > 1.99f && up[100] < 2.01f);
    assert_memory_equal(gate, source, 48 * 32 * sizeof *gate);
    lop_free(up);
    lop_free(gate);
    lop_free(source);
    lop_checkpoint_close(out);
    lop_checkpoint_close(c);
}

/* Lines wait until the run says what it is; a run that dies before has begun nothing. */
static void lines_wait_for_the_run(void **state)
{
    (void)state;
    lop_checkpoint *c = must_open(scratch_path(&here, "many"));
    lop_output_plan plan = plan_of(c, scratch_path(&here, "unknown"));
    lop_output *o = NULL;
    for (int dies = 1; dies >= 0; dies--) {
        plan.fingerprint = NULL;
        plan.digests = true;
        assert_ok(lop_output_open(&plan, &o));
        for (int block = 0; block < 2; block++) {
            write_block(o, c, block, 0x3c00);
            assert_ok(lop_output_commit(o, block == 0 ? "{\"block\":0}" : "{\"block\":1}"));
        }
        assert_int_equal(lop_output_held_back(o), 2);
        assert_int_equal(lop_output_done(o), 0);
        assert_failed(lop_output_publish(o), LOP_E_INTERNAL, "before it is known");
        if (!dies) assert_ok(lop_output_identify(o, RUN));
        assert_int_equal(lop_output_done(o), dies ? 0 : 2);
        assert_int_equal(lop_output_committed(o), 2);
        lop_output_close(o);
    }
    plan.resume = true;
    plan.fingerprint = RUN;
    assert_ok(lop_output_open(&plan, &o));
    assert_int_equal(lop_output_done(o), 2);
    assert_string_equal(lop_output_done_line(o, 1), "{\"block\":1}");
    assert_failed(lop_output_identify(o, RUN), LOP_E_INTERNAL, "already");
    const lop_tensor *gate = lop_checkpoint_find(c, "model.layers.0.mlp.gate_proj.weight");
    char copied[65], read_back[65];
    assert_ok(lop_output_copy(o, gate));
    assert_ok(lop_output_sha256(o, gate->name, copied));
    assert_ok(lop_output_commit(o, "{\"block\":2}"));
    lop_output_close(o);
    assert_ok(lop_output_open(&plan, &o));
    assert_ok(lop_output_sha256(o, gate->name, read_back));
    assert_string_equal(copied, read_back);
    lop_output_close(o);
    lop_checkpoint_close(c);
}

/* The journal of a run whose identifying fails at any allocation has the first lines without a gap, or none. */
static void a_journal_without_gaps(void **state)
{
    (void)state;
    static const char *const lines[] = {"{\"block\":0}", "{\"block\":1}", "{\"block\":2}"};
    lop_checkpoint *c = must_open(scratch_path(&here, "many"));
    lop_output_plan plan = plan_of(c, scratch_path(&here, "gaps"));
    lop_output *o = NULL;
    lop_status status = LOP_E_MEMORY;
    for (int n = 1; status != LOP_OK; n++) {
        plan.resume = false;
        plan.fingerprint = NULL;
        assert_ok(lop_output_open(&plan, &o));
        assert_ok(lop_output_commit(o, lines[0]));
        assert_ok(lop_output_commit(o, lines[1]));
        lop_alloc_fail_at(n);
        status = lop_output_identify(o, RUN);
        lop_alloc_fail_at(0);
        assert_ok(lop_output_commit(o, lines[2]));
        lop_output_close(o);
        plan.resume = true;
        plan.fingerprint = RUN;
        assert_ok(lop_output_open(&plan, &o));
        for (int i = 0; i < lop_output_done(o); i++)
            assert_string_equal(lop_output_done_line(o, i), lines[i]);
        assert_true(status != LOP_OK || lop_output_done(o) == 3);
        lop_output_discard(o);
        lop_output_close(o);
    }
    lop_checkpoint_close(c);
}

/* The tail of the journal as crashes leave it: half a line, a line of zeros, nothing. */
static void a_torn_journal_is_read(void **state)
{
    (void)state;
    static const char *const tails[] = {"{\"tensors\":[1,2", "{\"tensors\":[1],\"done\":{\"a\":1}",
                                        "garbage\n", ""};
    lop_checkpoint *c = must_open(scratch_path(&here, "many"));
    lop_output_plan plan = plan_of(c, scratch_path(&here, "torn"));
    char journal[512];
    (void)snprintf(journal, sizeof journal, "%s", scratch_path(&here, "torn/.lop/journal.jsonl"));
    lop_output *o = NULL;
    assert_ok(lop_output_open(&plan, &o));
    write_block(o, c, 0, 0x3c00);
    assert_ok(lop_output_commit(o, "{\"block\":0}"));
    lop_output_close(o);
    plan.resume = true;
    for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++) {
        FILE *file = fopen(journal, "ab");
        assert_non_null(file);
        assert_true(fputs(tails[i], file) >= 0);
        assert_int_equal(fclose(file), 0);
        assert_ok(lop_output_open(&plan, &o));
        assert_int_equal(lop_output_done(o), 1 + (int)i);
        char line[32];
        (void)snprintf(line, sizeof line, "{\"again\":%d}", (int)i);
        assert_ok(lop_output_commit(o, line));
        lop_output_close(o);
    }
    char *text = NULL;
    size_t size = 0;
    assert_ok(lop_file_read(journal, 100000, &text, &size));
    text[10] = '!';
    write_text(journal, text);
    lop_free(text);
    assert_failed(lop_output_open(&plan, &o), LOP_E_FORMAT, "journal");
    plan.resume = false;
    plan.force = true;
    assert_ok(lop_output_open(&plan, &o));
    assert_int_equal(lop_output_done(o), 0);
    lop_output_close(o);
    lop_checkpoint_close(c);
}

static void one_run_at_a_time(void **state)
{
    (void)state;
    lop_checkpoint *c = must_open(scratch_path(&here, "one"));
    lop_output_plan plan = plan_of(c, scratch_path(&here, "locked"));
    lop_output *o = NULL, *second = NULL;
    assert_ok(lop_output_open(&plan, &o));
    plan.force = true;
    assert_failed(lop_output_open(&plan, &second), LOP_E_ARGUMENT, "another run is writing to");
    plan.resume = true;
    assert_failed(lop_output_open(&plan, &second), LOP_E_ARGUMENT, "lock");
    assert_ok(lop_output_publish(o));
    lop_output_close(o);
    assert_same_folder(scratch_path(&here, "one"), plan.folder, NULL);
    lop_checkpoint_close(c);
}

static void files_beside_the_model(void **state)
{
    (void)state;
    lop_checkpoint *c = must_open(scratch_path(&here, "one"));
    lop_output_plan plan = plan_of(c, scratch_path(&here, "beside"));
    lop_output *o = NULL;
    char *path = NULL;
    assert_ok(lop_output_open(&plan, &o));
    assert_failed(lop_output_add_file(o, "../x", "", 0), LOP_E_ARGUMENT, "free name");
    assert_failed(lop_output_add_file(o, "model.safetensors", "", 0), LOP_E_ARGUMENT, "free name");
    assert_failed(lop_output_work_path(o, "journal.jsonl", false, &path), LOP_E_ARGUMENT, "free name");
    assert_ok(lop_output_work_path(o, "masks.safetensors", true, &path));
    write_text(path, "masks");
    lop_free(path);
    assert_ok(lop_output_work_path(o, "working", false, &path));
    write_text(path, "work");
    lop_free(path);
    assert_failed(lop_output_write(o, "model.norm.weight", "", 1), LOP_E_ARGUMENT, "64 bytes");
    assert_failed(lop_output_write(o, "nothing", "", 1), LOP_E_ARGUMENT, "no tensor");
    assert_failed(lop_output_commit(o, "{\n}"), LOP_E_ARGUMENT, "one line");
    assert_failed(lop_output_commit(o, "[]"), LOP_E_ARGUMENT, "object");
    assert_false(lop_path_is_file(path_in(plan.folder, "config.json")));
    assert_ok(lop_output_publish(o));
    assert_ok(lop_output_publish(o));
    lop_output_close(o);
    assert_true(lop_path_is_file(path_in(plan.folder, "masks.safetensors")));
    assert_false(lop_path_is_file(path_in(plan.folder, "working")));
    lop_checkpoint_close(c);
}

/* F16 cannot hold 1e6: said, and nothing published. */
static void values_out_of_range_are_said(void **state)
{
    (void)state;
    const char *from = scratch_path(&here, "loud");
    small_folder(from, true, LOP_DTYPE_F32, 0);
    lop_checkpoint *c = must_open(from);
    const lop_tensor *t = lop_checkpoint_find(c, "model.norm.weight");
    lop_file file;
    const float loud = 1e6f;
    assert_ok(lop_file_create(lop_checkpoint_file_path(c, 0), (uint64_t)(t->at + t->bytes), &file));
    assert_ok(lop_file_write_at(&file, t->at + 8, &loud, sizeof loud));
    lop_file_close(&file);
    lop_checkpoint_close(c);
    const lop_dtype half = LOP_DTYPE_F16;
    assert_failed(convert(from, scratch_path(&here, "quiet"), &half, false), LOP_E_FORMAT, "element 2");
}

/* A disk that cannot hold the model is found before anything is begun, and nothing stays behind. */
static void a_full_disk_leaves_nothing(void **state)
{
    (void)state;
    if (access("/dev/shm", W_OK) != 0) skip();
    lop_config k = small_config(true);
    k.vocab = 1 << 26;
    k.hidden = 1 << 20;
    lop_checkpoint *c = NULL;
    lop_convert_result result;
    assert_ok(lop_synth_open(&k, LOP_DTYPE_F32, 1, &c));
    char folder[64];
    (void)snprintf(folder, sizeof folder, "/dev/shm/lop-full-%ld", (long)getpid());
    const lop_convert_plan plan = {.source = c, .save = folder};
    assert_failed(lop_convert_model(&plan, &result), LOP_E_DISK, "not enough disk");
    assert_false(lop_path_is_folder(folder));
    lop_checkpoint_close(c);
}

int test_io_output(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unpruned_copy_is_byte_equal),
        cmocka_unit_test(another_type_changes_values_and_config_only),
        cmocka_unit_test(files_are_cut_at_their_size),
        cmocka_unit_test(a_second_head_is_left_out),
        cmocka_unit_test(refused_folders_stay_as_they_are),
        cmocka_unit_test(force_replaces_a_model),
        cmocka_unit_test(a_run_goes_on),
        cmocka_unit_test(lines_wait_for_the_run),
        cmocka_unit_test(a_journal_without_gaps),
        cmocka_unit_test(a_torn_journal_is_read),
        cmocka_unit_test(one_run_at_a_time),
        cmocka_unit_test(files_beside_the_model),
        cmocka_unit_test(values_out_of_range_are_said),
        cmocka_unit_test(a_full_disk_leaves_nothing),
    };
    return cmocka_run_group_tests_name("output folders", tests, small_models_open, here_close);
}
