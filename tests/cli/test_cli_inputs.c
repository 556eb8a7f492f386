/* test_cli_inputs.c - texts, ids, masks and places that are wrong, disks that are full, and files that shrink. */
#include "tests/cli/cli_groups.h"
#include "tests/cli/cli_model.h"
#include "tests/cli/cli_run.h"
#include "tests/io/gguf_image.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define WANDA(calib, seqlen)                                                                                 \
    "prune", TINY, "--method", "wanda", "--sparsity", "0.5", "--threads", "1", "--nsamples", "4",            \
        "--seqlen", (seqlen), "--calib", (calib)

static gguf_image image;

/* ---- calibration data */

static void texts_that_cannot_calibrate(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text, *words;
        size_t size;
    } files[] = {
        {"short.txt", "Hello, world.", "tokens", 0},
        {"empty.txt", "", "empty.txt", 0},
        {"latin.txt", "caf\xe9 caf\xe9", "UTF-8", 0},
        {"cut.txt", "caf\xc3", "UTF-8", 0},
        {"line.jsonl", "{\"text\": \"one\"}\n{\"text\": 2}\n", "text", 0},
        {"field.jsonl", "{\"words\": \"one\"}\n", "text", 0},
        {"half.jsonl", "{\"text\": \"one\"}\n{\"text\": \"tw", "line", 0},
        {"number.json", "7", "number.json", 0},
        {"deep.json", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "deep.json", 0},
        {"odd.i32", "\1\0\0\0\2\0\0", "odd.i32", 7},
        {"few.i32", "\1\0\0\0\2\0\0\0", "tokens", 8},
        {"none.i32", "", "none.i32", 0},
        {"what.parquet", "PAR1", "what.parquet", 0},
    };
    const char *save = scratch_path(&here, "never");
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        cli_run r;
        const char *path = scratch_path(&here, files[i].name);
        write_bytes(path, files[i].text, files[i].size ? files[i].size : strlen(files[i].text));
        RUN(&r, WANDA(path, "64"), "--save", save, "--json");
        cli_expect(&r, 3, files[i].words);
        cli_close(&r);
    }
    REFUSES(3, "no-such-file", WANDA("no-such-file.txt", "64"), "--save", save);
    REFUSES(3, here.path, WANDA(here.path, "64"), "--save", save);
    const char *pipe = scratch_path(&here, "pipe.txt");
    assert_int_equal(mkfifo(pipe, 0600), 0);
    REFUSES(3, "no regular file", WANDA(pipe, "64"), "--save", save);
    REFUSES(3, "latin.txt", "tokenize", TINY, "--text", scratch_path(&here, "latin.txt"));
    REFUSES(3, "tokens", "eval", TINY, "--text", scratch_path(&here, "short.txt"), "--json");
    assert_int_not_equal(access(save, F_OK), 0);
}

static void ids_outside_the_vocabulary(void **state)
{
    (void)state;
    const char *ids = scratch_path(&here, "ids.i32"), *save = scratch_path(&here, "never");
    static const int32_t wrong[] = {2048, -1, INT32_MAX};
    int32_t few[512];
    for (int i = 0; i < 3; i++) {
        for (int n = 0; n < 512; n++) few[n] = n;
        few[300] = wrong[i];
        write_bytes(ids, few, sizeof few);
        REFUSES(3, "2048", WANDA(ids, "128"), "--save", save, "--json");
        REFUSES(3, "2048", "eval", TINY, "--tokens", ids, "--seqlen", "128", "--json");
    }
    assert_int_not_equal(access(save, F_OK), 0);
}

static void choices_that_cannot_be_asked(void **state)
{
    (void)state;
    static const char good[] = "{\"doc_id\": 0, \"idx\": 0, \"label\": 0, \"request\": {\"context\": \"a\", "
                               "\"continuation\": \" b\"}}\n";
    static const struct {
        const char *name, *text, *words;
    } files[] = {
        {"empty.jsonl", "", "no question"},
        {"one.jsonl", good, "line 1: question 0 has one answer"},
        {"half.jsonl", "{\"doc_id\": 0", "line 1 of"},
        {"keys.jsonl", "{\"doc_id\": 0, \"idx\": 0, \"label\": 0}\n", "request"},
        {"latin.jsonl", "{\"doc_id\": 0, \"caf\xe9\": 0}\n", "not UTF-8"},
        {"cut.jsonl.gz", "\x1f\x8b\x08", "cut short"},
        {"junk.jsonl.gz", "\x1f\x8bjunk, not gzip", "cannot be unpacked"},
        {"deep.jsonl", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
         "nested"},
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        const char *path = scratch_path(&here, files[i].name);
        write_text(path, files[i].text);
        REFUSES(3, files[i].words, "eval", TINY, "--choices", path, "--json");
        REFUSES(3, files[i].name, "eval", TINY, "--choices", path);
    }
    REFUSES(3, "no-such-file", "eval", TINY, "--choices", "no-such-file.jsonl");
    REFUSES(3, "folder", "eval", TINY, "--choices", here.path);
    REFUSES(3, "line 7: the continuation has 29 tokens", "eval", TINY, "--choices", CHOICES, "--seqlen",
            "28");
}

/* ---- places */

static void nothing_is_saved_onto_the_model(void **state)
{
    (void)state;
    char ways[5][400];
    const char *model = scratch_path(&here, "model"), *link = scratch_path(&here, "link");
    copy_folder(TINY, model);
    assert_int_equal(symlink(model, link), 0);
    static const char *const forms[] = {"%s/model", "%s/model/", "%s/link", "%s/link/.", "%s/link/../model"};
    char *before = folder_digest(model);
    for (size_t i = 0; i < 5; i++) {
        (void)snprintf(ways[i], sizeof ways[i], forms[i], here.path);
        REFUSES(2, "is the model itself", SMALL(model, ways[i]));
        REFUSES(2, "is the model itself", SMALL(model, ways[i]), "--force");
        REFUSES(2, "is the model itself", "convert", model, "--save", ways[i], "--force");
    }
    REFUSES(2, "is the model itself", SMALL(link, model), "--force");
    char *after = folder_digest(model);
    assert_string_equal(before, after);
    free(before);
    free(after);
}

static void places_that_cannot_be_written(void **state)
{
    (void)state;
    const char *file = scratch_path(&here, "file");
    write_text(file, "mine");
    REFUSES(8, "file", SMALL(TINY, file));
    REFUSES(8, "file", SMALL(TINY, path_in(file, "below")));
    REFUSES(8, "/proc", SMALL(TINY, "/proc/lop-cannot-be-here"));
    REFUSES(8, "/proc", "convert", TINY, "--save", "/proc/lop.gguf");
    REFUSES(8, "/proc", "tokenize", TINY, "--text", CALIB, "--save", "/proc/lop.i32");
    REFUSES(2, "not empty", SMALL(TINY, here.path));
    REFUSES(2, "not empty", SMALL(TINY, here.path), "--resume");
    assert_int_equal(file_size(file), 4);
    assert_int_not_equal(access(path_in(here.path, ".lop"), F_OK), 0);
}

/* A file system of some KiB; false without the right to mount one. */
static bool mount_small(const char *folder, int kib)
{
    char room[64];
    (void)snprintf(room, sizeof room, "size=%dk", kib);
    return mount("lop-test", folder, "tmpfs", 0, room) == 0;
}

/* Too small for the weights, for the masks, for the files beside them, and large enough. */
static void full_disks_lose_nothing(void **state)
{
    (void)state;
    static const int kib[] = {64, 1024, 2056, 2080, 2200, 2300, 2328, 4096};
    const char *disk = scratch_path(&here, "disk");
    char save[300];
    int whole = 0;
    (void)snprintf(save, sizeof save, "%s/disk/out", here.path);
    assert_int_equal(mkdir(disk, 0700), 0);
    for (size_t i = 0; i < sizeof kib / sizeof kib[0]; i++) {
        cli_run r;
        if (!mount_small(disk, kib[i])) {
            print_message("skipped: a small file system cannot be mounted here (needs root)\n");
            skip();
        }
        RUN(&r, SMALL(TINY, save), "--save-masks", "--json");
        const bool config = access(path_in(save, "config.json"), F_OK) == 0;
        const bool right = r.code == 0 ? config : r.code == 4 && !config;
        if (right && r.code == 4) cli_expect(&r, 4, "disk");
        whole += r.code == 0;
        (void)umount(disk);
        if (!right) cli_fail_run(&r, "neither whole nor a full disk");
        cli_close(&r);
    }
    assert_true(whole >= 1 && whole < 8);
}

/* ---- files that shrink, GGUF */

/* A model of one block whose values, whatever their type, are small numbers. */
static void make_gguf(void)
{
    image_start(&image);
    image_model(&image, "llama", LOP_DTYPE_Q8_0);
    for (size_t i = 0; i < image.data; i++)
        image.at[image.size - image.data + i] = (unsigned char)(8 + i * 7 % 24);
}

static void a_model_that_shrinks_is_told(void **state)
{
    (void)state;
    const char *model = scratch_path(&here, "model"), *save = scratch_path(&here, "out");
    const char *weights = path_in(model, "model.safetensors");
    copy_folder(TINY, model);
    const char *const arguments[] = {SMALL(model, save), "--nsamples", "24", "--seqlen", "128",
                                     "--json",           NULL};
    cli_run r;
    cli_start(&r, arguments, -1);
    assert_true(cli_wait_for(&r, "\"event\":\"note\""));
    file_cut(weights, 4096);
    cli_wait(&r);
    if (r.code != 3 || strstr(r.out, "shrank while it was read") == NULL) cli_fail_run(&r, "expected 3");
    cli_close(&r);
    assert_int_not_equal(access(path_in(save, "config.json"), F_OK), 0);
}

/* Cuts a file and fills it again until it is killed. */
static pid_t start_cutting(const char *path, const void *bytes, size_t size)
{
    const pid_t child = fork();
    if (child != 0) return child;
    for (;;) {
        FILE *file = fopen(path, "r+b");
        if (file == NULL || ftruncate(fileno(file), 64) != 0) _exit(1);
        (void)usleep(200);
        (void)fwrite(bytes, 1, size, file);
        (void)fclose(file);
        (void)usleep(200);
    }
}

static void a_gguf_header_that_shrinks_kills_nobody(void **state)
{
    (void)state;
    const char *path = scratch_path(&here, "model.gguf");
    int told = 0;
    make_gguf();
    write_bytes(path, image.at, image.size);
    PASSES("info", path, "--json");
    const pid_t cutter = start_cutting(path, image.at, image.size);
    for (int i = 0; i < 60; i++) {
        cli_run r;
        RUN(&r, "info", path, "--json", "--zeros", i % 2 ? "on" : "off");
        told += r.code == 3;
        if (r.code != 0 && r.code != 3) cli_fail_run(&r, "expected 0 or 3");
        cli_close(&r);
    }
    (void)kill(cutter, SIGKILL);
    (void)waitpid(cutter, NULL, 0);
    print_message("%d of 60 runs met a file that was cut\n", told);
    assert_true(told > 0);
}

static void gguf_files_are_pruned_or_refused(void **state)
{
    (void)state;
    const char *path = scratch_path(&here, "model.gguf"), *ids = scratch_path(&here, "ids.i32"),
               *save = scratch_path(&here, "out"), *never = scratch_path(&here, "never");
    int32_t few[256];
    for (int n = 0; n < 256; n++) few[n] = n * 5 % 8;
    write_bytes(ids, few, sizeof few);
    make_gguf();
    write_bytes(path, image.at, image.size);
    PASSES("prune", path, "--method", "wanda", "--sparsity", "0.5", "--calib", ids, "--nsamples", "4",
           "--seqlen", "32", "--threads", "1", "--save-masks", "--save", save);
    PASSES("verify", save, "--against", path);
    PASSES("eval", save, "--tokens", ids, "--seqlen", "32", "--threads", "1");
    write_bytes(path, image.at, image.size - 1);
    REFUSES(3, "cut short", "prune", path, "--method", "magnitude", "--sparsity", "0.5", "--save", never);
    write_bytes(path, image.at, 100);
    REFUSES(3, "rest of the file", "info", path, "--json");
    write_bytes(path, "GGML", 4);
    REFUSES(3, "model.gguf", "info", path);
    assert_int_not_equal(access(never, F_OK), 0);
}

/* ---- masks */

static void masks_that_do_not_fit(void **state)
{
    (void)state;
    const char *out = scratch_path(&here, "out"), *masks = scratch_path(&here, "masks.safetensors"),
               *save = scratch_path(&here, "never");
    PASSES(SMALL(TINY, out), "--save-masks");
    copy_file(path_in(out, "masks.safetensors"), masks);
    file_cut(masks, file_size(masks) - 8);
    REFUSES(3, "masks.safetensors", "mask", "apply", TINY, "--masks", masks, "--save", save, "--json");
    REFUSES(3, "masks.safetensors", "mask", "diff", masks, path_in(out, "masks.safetensors"));
    REFUSES(3, "model.safetensors", "mask", "apply", TINY, "--masks", TINY "/model.safetensors", "--save",
            save);
    REFUSES(3, "no-such", "mask", "union", "no-such", masks, "--save", save);
    REFUSES(3, "no-such", "verify", out, "--masks", "no-such");
    REFUSES(3, "no-such", "verify", out, "--against", "no-such");
    REFUSES(3, "no-such", "verify", "no-such");
    assert_int_not_equal(access(save, F_OK), 0);
}

int cli_tests_inputs(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(texts_that_cannot_calibrate, here_open, here_close),
        cmocka_unit_test_setup_teardown(ids_outside_the_vocabulary, here_open, here_close),
        cmocka_unit_test_setup_teardown(choices_that_cannot_be_asked, here_open, here_close),
        cmocka_unit_test_setup_teardown(nothing_is_saved_onto_the_model, here_open, here_close),
        cmocka_unit_test_setup_teardown(places_that_cannot_be_written, here_open, here_close),
        cmocka_unit_test_setup_teardown(full_disks_lose_nothing, here_open, here_close),
        cmocka_unit_test_setup_teardown(a_model_that_shrinks_is_told, here_open, here_close),
        cmocka_unit_test_setup_teardown(a_gguf_header_that_shrinks_kills_nobody, here_open, here_close),
        cmocka_unit_test_setup_teardown(gguf_files_are_pruned_or_refused, here_open, here_close),
        cmocka_unit_test_setup_teardown(masks_that_do_not_fit, here_open, here_close),
    };
    return cmocka_run_group_tests_name("inputs", tests, NULL, NULL);
}
