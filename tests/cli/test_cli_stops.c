/* test_cli_stops.c - runs that are interrupted by signals, what is said to those who go on, and what they find. */
#include "tests/cli/cli_groups.h"
#include "tests/cli/cli_kill.h"
#include "tests/cli/cli_model.h"
#include "tests/cli/cli_run.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* Long enough to be met in the middle. */
#define LONG(save)                                                                                           \
    "prune", TINY, "--method", "wanda", "--sparsity-ratio", "0.5", "--calib", CALIB, "--nsamples", "32",     \
        "--seqlen", "128", "--threads", "1", "--save-masks", "--json", "--save", (save)

/* Starts a run into `save` and stops it by `number` when its second block is done. */
static void interrupt(const char *save, int number)
{
    const char *const arguments[] = {LONG(save), NULL};
    char last[64];
    cli_run r;
    cli_start(&r, arguments, -1);
    if (!cli_wait_for(&r, "\"index\":1,\"of\":4,\"state\":\"computed\""))
        cli_fail_run(&r, "it ended by itself");
    assert_int_equal(kill(r.child, number), 0);
    cli_wait(&r);
    if (r.code != 128 + number) cli_fail_run(&r, "another exit code was expected");
    (void)snprintf(last, sizeof last, "{\"event\":\"error\",\"exit\":%d,", r.code);
    if (strstr(r.out, last) == NULL) cli_fail_run(&r, "no error event");
    cli_close(&r);
    assert_int_equal(access(path_in(save, ".lop"), F_OK), 0);
    assert_int_not_equal(access(path_in(save, "config.json"), F_OK), 0);
}

static void signals_leave_a_run_that_can_go_on(void **state)
{
    (void)state;
    const char *whole = scratch_path(&here, "whole");
    PASSES(LONG(whole));
    char *expected = folder_digest(whole);
    static const int numbers[] = {SIGINT, SIGTERM};
    for (int i = 0; i < 2; i++) {
        const char *save = scratch_path(&here, i == 0 ? "interrupted" : "terminated");
        cli_run r;
        interrupt(save, numbers[i]);
        REFUSES(2, save, LONG(save));
        RUN(&r, LONG(save), "--resume");
        cli_expect(&r, 0, NULL);
        if (strstr(r.out, "\"index\":0,\"of\":4,\"state\":\"replayed\"") == NULL ||
            strstr(r.out, "\"index\":0,\"of\":4,\"state\":\"computed\"") != NULL)
            cli_fail_run(&r, "block 0 was computed again");
        cli_close(&r);
        char *digest = folder_digest(save);
        assert_string_equal(digest, expected);
        free(digest);
    }
    free(expected);
}

static void another_run_may_not_go_on(void **state)
{
    (void)state;
    const char *save = scratch_path(&here, "out"), *model = scratch_path(&here, "model");
    copy_folder(TINY, model);
    tensor_fill(path_in(model, "model.safetensors"), Q_PROJ, 0, 1, 0x3f80);
    interrupt(save, SIGTERM);
    REFUSES(2, "--resume", LONG(save));
    REFUSES(2, "sparsity-ratio was 0.5 and is now 0.6", LONG(save), "--resume", "--sparsity-ratio", "0.6");
    REFUSES(2, "seed was 0 and is now 1", LONG(save), "--resume", "--seed", "1");
    REFUSES(2, "options.math was \"native\" and is now \"tf32\"", LONG(save), "--resume", "--math", "tf32");
    REFUSES(2, "calibration", LONG(save), "--resume", "--calib", HELD);
    REFUSES(2, "method was", LONG(save), "--resume", "--method", "magnitude");
    REFUSES(2, "model_sha256", "prune", model, "--method", "wanda", "--sparsity-ratio", "0.5", "--calib",
            CALIB, "--nsamples", "32", "--seqlen", "128", "--save-masks", "--json", "--save", save,
            "--resume");
    PASSES(LONG(save), "--resume", "--threads", "2");
    PASSES("verify", save, "--against", TINY);
}

static void two_runs_do_not_share_a_folder(void **state)
{
    (void)state;
    const char *save = scratch_path(&here, "out");
    const char *const arguments[] = {LONG(save), NULL};
    cli_run r;
    cli_start(&r, arguments, -1);
    assert_true(cli_wait_for(&r, "\"state\":\"computed\""));
    assert_int_equal(kill(r.child, SIGSTOP), 0); /* it would end before a second one has begun */
    REFUSES(2, "another run is writing", LONG(save));
    REFUSES(2, "another run is writing", LONG(save), "--resume");
    REFUSES(2, "another run is writing", LONG(save), "--force");
    assert_int_equal(kill(r.child, SIGCONT), 0);
    cli_wait(&r);
    cli_expect(&r, 0, NULL);
    cli_close(&r);
    PASSES("verify", save, "--against", TINY);
}

/* A run that died behind its last act: all is there, and no journal says so. */
static void a_finished_folder_is_known(void **state)
{
    (void)state;
    const char *save = scratch_path(&here, "out"), *work = path_in(save, ".lop");
    PASSES(LONG(save));
    char *before = folder_digest(save);
    for (int i = 0; i < 3; i++) {
        cli_run r;
        if (i > 0) assert_int_equal(mkdir(work, 0700), 0);
        if (i > 1) write_text(path_in(work, "lock"), "");
        RUN(&r, LONG(save), "--resume");
        cli_expect(&r, 0, NULL);
        if (strstr(r.out, "\"event\":\"block\"") != NULL) cli_fail_run(&r, "a block was computed");
        if (strstr(r.out, "nothing was computed") == NULL) cli_fail_run(&r, "it does not say so");
        cli_close(&r);
        assert_int_not_equal(access(work, F_OK), 0);
    }
    char *after = folder_digest(save);
    assert_string_equal(before, after);
    free(before);
    free(after);
    REFUSES(2, "not empty", LONG(save), "--resume", "--sparsity-ratio", "0.6");
    REFUSES(2, "not empty", LONG(save));
    file_cut(path_in(save, "model.safetensors"), 5000);
    REFUSES(3, "model.safetensors", LONG(save), "--resume");
}

/* What has no resume leaves nothing when it is stopped. */
static void other_commands_stop_too(void **state)
{
    (void)state;
    const char *save = scratch_path(&here, "synth");
    const char *const arguments[] = {"synth", "--shape", "smollm2-135m", "--save", save, "--json", NULL};
    cli_run r;
    cli_start(&r, arguments, -1);
    assert_true(cli_wait_for(&r, "\"done\":3,"));
    assert_int_equal(kill(r.child, SIGINT), 0);
    cli_wait(&r);
    if (r.code != 130) cli_fail_run(&r, "expected 130");
    cli_close(&r);
    assert_int_not_equal(access(save, F_OK), 0);
    cli_start(&r, arguments, -1);
    assert_true(cli_wait_for(&r, "\"done\":3,"));
    assert_int_equal(kill(r.child, SIGKILL), 0);
    cli_wait(&r);
    cli_close(&r);
    REFUSES(2, "--resume", "synth", "--shape", "smollm2-135m", "--save", save);
    REFUSES(2, "cannot be resumed", "synth", "--shape", "smollm2-135m", "--save", save, "--resume", "--dtype",
            "f16");
    PASSES("synth", "--shape", "smollm2-135m", "--save", save, "--resume");
}

static void kills_lose_nothing_that_was_published(void **state)
{
    (void)state;
    const char *const arguments[] = {"prune",    TINY,      "--method",  "wanda",      "--sparsity-ratio",
                                     "0.5",      "--calib", CALIB,       "--nsamples", "6",
                                     "--seqlen", "96",      "--threads", "1",          "--save-masks",
                                     "--json",   NULL};
    const char *seed = getenv("LOP_KILL_SEED");
    kill_until_done(here.path, arguments, 20, seed ? strtoull(seed, NULL, 10) : 1);
}

int cli_tests_stops(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(signals_leave_a_run_that_can_go_on, here_open, here_close),
        cmocka_unit_test_setup_teardown(another_run_may_not_go_on, here_open, here_close),
        cmocka_unit_test_setup_teardown(two_runs_do_not_share_a_folder, here_open, here_close),
        cmocka_unit_test_setup_teardown(a_finished_folder_is_known, here_open, here_close),
        cmocka_unit_test_setup_teardown(other_commands_stop_too, here_open, here_close),
        cmocka_unit_test_setup_teardown(kills_lose_nothing_that_was_published, here_open, here_close),
    };
    return cmocka_run_group_tests_name("stops", tests, NULL, NULL);
}
