/* test_prune_same.c - what must not change a prune: threads, a second run, where hidden states lie, a budget, the order
 * of windows and the scale of a row. And what a stopped or killed run must come back to. */
#include "core/base/file.h"
#include "core/base/memory.h"
#include "core/prune/run_parts.h"
#include "tests/prune/groups.h"
#include "tests/prune/prune_bench.h"

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const made_shape small = {.blocks = 4, .dtype = LOP_DTYPE_BF16};
static const lop_setting half[] = {{"sparsity-ratio", "0.43"}, {"losses", "on"}, {NULL, NULL}};

/* The undisturbed run that others are held against, in b->save. */
static void first_run(const prune_bench *b, const char *method)
{
    const prune_try t = bench_try(b, method, half);
    json_decref(prune_report(&t));
}

static void threads(void **state)
{
    (void)state;
    static const int counts[] = {1, 2, 3, 8};
    prune_bench b;
    bench_open(
        &b, (made_shape){.blocks = 2, .hidden = 60, .ffn = 100, .heads = 3, .kv_heads = 3, .head_dim = 20});
    first_run(&b, "wanda");
    for (int i = 0; i < 4; i++) {
        prune_try t = bench_try(&b, "wanda", half);
        t.save = bench_other(&b, "threads");
        t.threads = counts[i];
        json_decref(prune_report(&t));
        assert_true(folders_equal(b.save, t.save));
    }
    bench_close(&b);
}

/* Hidden states on the host give the same bits; a budget that cannot be met is refused with the one that can. */
static void budgets(void **state)
{
    (void)state;
    prune_bench b;
    char *text = NULL;
    bench_open(&b, small);
    first_run(&b, "wanda");
    prune_try t = bench_try(&b, "wanda", half);
    t.save = bench_other(&b, "tight");
    t.device_bytes_most = prune_least_budget(t);
    assert_false(lop_path_is_folder(t.save));
    json_decref(prune_report(&t));
    assert_true(folders_equal(b.save, t.save));
    t.host_bytes_most = 1;
    prune_fails(prune_do(&t, &text), LOP_E_MEMORY, "fewer --nsamples");
    bench_close(&b);
}

/* ---- stopped and killed */

typedef struct watcher {
    lop_log log;
    int computed, replayed; /* blocks told of */
    int stop_after;         /* ask to stop when so many are computed; 0: never */
} watcher;

static void watch(const lop_event *event, void *user)
{
    watcher *w = user;
    w->computed += strstr(event->json, "\"state\":\"computed\"") != NULL;
    w->replayed += strstr(event->json, "\"state\":\"replayed\"") != NULL;
    if (w->stop_after > 0 && w->computed >= w->stop_after) atomic_store(&w->log.stop, true);
}

static void stop_and_resume(void **state)
{
    (void)state;
    static const char *const methods[] = {"wanda", "magnitude", "besa", "sparsellm"};
    for (int i = 0; i < 9; i++) {
        prune_bench b;
        char *text = NULL;
        const int method = i < 6 ? i % 2 : i < 8 ? 2 : 3;
        const bool dense = i == 4 || i == 5 || i == 7;
        bench_open(&b, small);
        first_run(&b, methods[method]);
        const lop_setting again[] = {
            half[0], half[1], {"resume", "on"}, {dense ? "propagate" : NULL, "dense"}, {NULL, NULL}};
        watcher w = {.stop_after = 1 + i / 2 % 3};
        w.log.fn = watch;
        w.log.user = &w;
        prune_try t = bench_try(&b, methods[method], again);
        if (dense) { /* the dense stream has its own undisturbed run */
            t.save = b.save;
            json_decref(prune_report(&t));
        }
        t.save = bench_other(&b, "stopped");
        t.log = &w.log;
        prune_fails(prune_do(&t, &text), LOP_E_STOPPED, "");
        watcher second = {.stop_after = 0};
        second.log.fn = watch;
        second.log.user = &second;
        t.log = &second.log;
        json_decref(prune_report(&t));
        assert_int_equal(second.replayed + second.computed, small.blocks);
        assert_true(second.replayed >= 1 && second.computed < small.blocks);
        assert_true(folders_equal(b.save, t.save));
        bench_close(&b);
    }
}

/* One prune in a program of its own that is killed after `microseconds`; false if it had ended before. */
static bool killed_run(const prune_try *t, unsigned microseconds)
{
    int code = 0;
    const pid_t child = prune_spawn(t);
    for (unsigned waited = 0; waited < microseconds; waited += 500) {
        if (waitpid(child, &code, WNOHANG) == child) {
            if (!WIFEXITED(code) || WEXITSTATUS(code) != 0) fail_msg("a run that was not killed failed");
            return false;
        }
        (void)usleep(500);
    }
    (void)kill(child, SIGKILL);
    assert_true(waitpid(child, &code, 0) == child);
    return WIFSIGNALED(code);
}

/* `rounds` folders, each killed three times at random moments. */
static void kill_rounds(const char *method, made_shape shape, int rounds)
{
    prune_bench b;
    unsigned seed = 12345;
    int kills = 0;
    bench_open(&b, shape);
    const lop_setting how[] = {{"sparsity-ratio", "0.43"}, {"resume", "on"}, {NULL, NULL}};
    prune_try t = bench_try(&b, method, how);
    assert_false(killed_run(&t, 60000000)); /* once for the disk's sake, once for the time it takes */
    prune_ok(lop_folder_remove(t.save));
    const double from = lop_clock_seconds();
    assert_false(killed_run(&t, 60000000));
    const unsigned whole = (unsigned)(1e6 * (lop_clock_seconds() - from));
    for (int i = 0; i < rounds; i++) {
        t.save = bench_other(&b, "killed");
        prune_ok(lop_folder_remove(t.save));
        for (int k = 0; k < 3; k++) {
            seed = seed * 1103515245u + 12345u;
            kills += killed_run(&t, whole / 10 + seed / 65536u * 7u % whole);
        }
        assert_false(killed_run(&t, 60000000));
        assert_true(folders_equal(b.save, t.save));
    }
    print_message("%s: %d of %d runs were killed\n", method, kills, 3 * rounds);
    bench_close(&b);
}

static void kill_and_resume(void **state)
{
    (void)state;
    kill_rounds("wanda", (made_shape){.blocks = 8, .hidden = 192, .ffn = 384, .head_dim = 48}, 12);
    kill_rounds("besa", (made_shape){.blocks = 3, .hidden = 96, .ffn = 200, .head_dim = 24}, 6);
    kill_rounds("sparsegpt", (made_shape){.blocks = 4, .hidden = 96, .ffn = 200, .head_dim = 24}, 6);
    kill_rounds("sparsellm", (made_shape){.blocks = 4, .hidden = 96, .ffn = 200, .head_dim = 24}, 4);
}

/* ---- runs that are not the same */

static void other_runs_refused(void **state)
{
    (void)state;
    static const struct {
        const char *method;
        lop_setting changed;
        const char *words;
    } cases[] = {{"wanda", {"sparsity-ratio", "0.44"}, "sparsity-ratio"},
                 {"wanda", {"forward-batch", "2"}, "forward-batch"},
                 {"wanda", {"dtype", "f32"}, "dtype"},
                 {"wanda", {"nsamples", "5"}, "nsamples"},
                 {"magnitude", {"losses", "on"}, "method"}};
    prune_bench b;
    char *text = NULL;
    bench_open(&b, small);
    watcher w = {.stop_after = 1};
    w.log.fn = watch;
    w.log.user = &w;
    prune_try t = bench_try(&b, "wanda", half);
    t.log = &w.log;
    prune_fails(prune_do(&t, &text), LOP_E_STOPPED, "");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const lop_setting how[] = {half[0], half[1], {"resume", "on"}, cases[i].changed, {NULL, NULL}};
        prune_try other = bench_try(&b, cases[i].method, how);
        prune_fails(prune_do(&other, &text), LOP_E_ARGUMENT, cases[i].words);
    }
    b.id[0] ^= 1;
    ids_write(b.ids, b.id, BENCH_WINDOWS * BENCH_SEQLEN);
    const lop_setting how[] = {half[0], half[1], {"resume", "on"}, {NULL, NULL}};
    prune_try other = bench_try(&b, "wanda", how);
    prune_fails(prune_do(&other, &text), LOP_E_ARGUMENT, "calibration");
    bench_close(&b);
}

/* A run that is stopped before its first block leaves nothing behind, and resuming it begins it. */
static void stopped_at_once(void **state)
{
    (void)state;
    prune_bench b;
    char *text = NULL;
    bench_open(&b, small);
    first_run(&b, "wanda");
    lop_log log = {.stop = true};
    prune_try t = bench_try(&b, "wanda", half);
    t.save = bench_other(&b, "at-once");
    t.log = &log;
    prune_fails(prune_do(&t, &text), LOP_E_STOPPED, "");
    assert_int_not_equal(access(t.save, F_OK), 0);
    const lop_setting again[] = {half[0], half[1], {"resume", "on"}, {NULL, NULL}};
    prune_try resumed = bench_try(&b, "wanda", again);
    resumed.save = t.save;
    json_decref(prune_report(&resumed));
    assert_true(folders_equal(b.save, t.save));
    bench_close(&b);
}

/* ---- theorems */

/* Sums over windows do not know their order, but for rounding: block 0 of a permuted run has the same masks nearly
 * everywhere. */
static void permuted_windows(void **state)
{
    (void)state;
    prune_bench b;
    bench_open(&b, (made_shape){.blocks = 1});
    first_run(&b, "wanda");
    int32_t turned[BENCH_WINDOWS * BENCH_SEQLEN];
    for (int w = 0; w < BENCH_WINDOWS; w++)
        memcpy(turned + w * BENCH_SEQLEN, b.id + (BENCH_WINDOWS - 1 - w) * BENCH_SEQLEN,
               BENCH_SEQLEN * sizeof *turned);
    ids_write(b.ids, turned, BENCH_WINDOWS * BENCH_SEQLEN);
    prune_try t = bench_try(&b, "wanda", half);
    t.save = bench_other(&b, "permuted");
    json_decref(prune_report(&t));
    assert_true(bench_masks_differ(b.save, t.save) < 2e-4);
    bench_close(&b);
}

/* The block's own objective: wanda leaves no more of it than magnitude. Block 0 of many random models. */
static void better_than_magnitude(void **state)
{
    (void)state;
    prune_bench b;
    double before = 0.0, after = 0.0;
    bench_open(&b, (made_shape){.blocks = 2});
    const prune_try t = bench_try(&b, "wanda", half);
    json_t *report = prune_report(&t);
    const json_t *blocks = json_object_get(report, "blocks");
    for (size_t i = 0; i < json_array_size(blocks); i++) {
        before += json_at(json_array_get(blocks, i), "loss_before");
        after += json_at(json_array_get(blocks, i), "loss_after");
    }
    print_message("loss before %g, after %g\n", before, after);
    assert_true(after > 0.0 && after <= before);
    json_decref(report);
    bench_close(&b);
}

int test_prune_same(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads),          cmocka_unit_test(budgets),
        cmocka_unit_test(stop_and_resume),  cmocka_unit_test(stopped_at_once),
        cmocka_unit_test(kill_and_resume),  cmocka_unit_test(other_runs_refused),
        cmocka_unit_test(permuted_windows), cmocka_unit_test(better_than_magnitude),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
