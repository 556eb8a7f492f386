/* test_io_crash.c - a run that dies at every call that changes the disk, and the run that goes on from there: what is under
 * final names is always nothing, the old model or the new one, and the end is always the same folder. */
#include "core/base/file.h"
#include "core/base/memory.h"
#include "core/io/output.h"
#include "tests/io/crash_points.h"
#include "tests/io/io_groups.h"
#include "tests/io/scratch.h"
#include "tests/io/small_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define CALLS_MOST 5000 /* a run that makes more does not end */
#define ELEMENTS   (48 * 32)

static scratch place;

static int open_place(void **state)
{
    (void)state;
    scratch_open(&place);
    small_folder(scratch_path(&place, "many"), false, LOP_DTYPE_F16, 30000);
    small_folder(scratch_path(&place, "old"), true, LOP_DTYPE_F32, 0);
    return 0;
}

static int close_place(void **state)
{
    (void)state;
    scratch_close(&place);
    return 0;
}

/* One unit of work: the block's matrix, and the journal's line. */
static lop_status do_block(lop_output *o, int block)
{
    char name[96], line[64];
    uint16_t values[ELEMENTS];
    for (size_t i = 0; i < ELEMENTS; i++) values[i] = (uint16_t)(0x3c00 + block);
    (void)snprintf(name, sizeof name, "model.layers.%d.mlp.up_proj.weight", block);
    (void)snprintf(line, sizeof line, "{\"block\":%d}", block);
    LOP_TRY(lop_output_write(o, name, values, sizeof values));
    return lop_output_commit(o, line);
}

/* A prune of two blocks, as the driver does it. */
static lop_status do_run(const char *folder, bool force, bool resume)
{
    lop_checkpoint *c = NULL;
    lop_output *o = NULL;
    char *masks = NULL;
    lop_status status = LOP_OK;
    LOP_TRY_DONE(lop_checkpoint_open(scratch_path(&place, "many"), &c));
    const lop_output_plan plan = {
        .source = c, .folder = folder, .fingerprint = "{\"run\":1}", .force = force, .resume = resume};
    LOP_TRY_DONE(lop_output_open(&plan, &o));
    if (!lop_output_published(o)) {
        for (int b = lop_output_done(o); b < 2; b++) LOP_TRY_DONE(do_block(o, b));
        LOP_TRY_DONE(lop_output_work_path(o, "masks.safetensors", true, &masks));
        LOP_TRY_DONE(lop_file_write_atomic(masks, "masks", 5));
        LOP_TRY_DONE(lop_output_add_file(o, "prune_report.json", "{}\n", 3));
    }
    LOP_TRY_DONE(lop_output_publish(o));
done:
    lop_free(masks);
    lop_output_close(o);
    lop_checkpoint_close(c);
    return status;
}

/* The same in a process of its own that dies at the n-th call; its exit code. */
static int run_and_die(const char *folder, bool force, bool resume, int n)
{
    (void)fflush(NULL);
    const pid_t child = fork();
    if (child == 0) {
        crash_at(n);
        const lop_status status = do_run(folder, force, resume);
        crash_at(0);
        if (status != LOP_OK) (void)fprintf(stderr, "%s\n", lop_error());
        _exit(status == LOP_OK ? 0 : 1);
    }
    int code = 0;
    assert_int_equal(waitpid(child, &code, 0), child);
    assert_true(WIFEXITED(code));
    return WEXITSTATUS(code);
}

/* A folder of which config.json is there is whole: the new model, or the old one. */
static void assert_whole(const char *folder, const char *right, const char *old, int n)
{
    char work[512];
    (void)snprintf(work, sizeof work, "%s/config.json", folder);
    if (!lop_path_is_file(work)) return;
    lop_names names;
    const char *model = same_file(work, path_in(right, "config.json")) ? right : old;
    if (model == NULL) fail_msg("after call %d: config.json is neither model's", n);
    assert_ok(lop_folder_list(model, &names));
    for (int i = 0; i < names.count; i++)
        if (!same_file(path_in(folder, names.at[i]), path_in(model, names.at[i])))
            fail_msg("after call %d: config.json is there and %s is not as it should be", n, names.at[i]);
    lop_names_close(&names);
}

static bool is_complete(const char *folder, const char *right)
{
    return !lop_path_is_folder(path_in(folder, ".lop")) && is_same_folder(folder, right);
}

static void copy_folder(const char *from, const char *to)
{
    lop_names names;
    assert_ok(lop_folder_make(to));
    assert_ok(lop_folder_list(from, &names));
    for (int i = 0; i < names.count; i++)
        assert_ok(lop_file_copy(path_in(from, names.at[i]), path_in(to, names.at[i])));
    lop_names_close(&names);
}

/* Where the lock file alone was left, everything was published, and the next run would be refused as onto a full folder. */
static bool is_published_but_for_the_lock(const char *folder, const char *right)
{
    char work[512];
    (void)snprintf(work, sizeof work, "%s/.lop", folder);
    if (lop_path_is_file(path_in(work, "journal.jsonl"))) return false;
    lop_names names;
    if (lop_folder_list(work, &names) != LOP_OK) return false;
    const bool none = names.count == 0 || (names.count == 1 && strcmp(names.at[0], "lock") == 0);
    lop_names_close(&names);
    if (!none || !lop_path_is_file(path_in(folder, "prune_report.json"))) return false;
    assert_ok(lop_folder_remove(work));
    return is_same_folder(folder, right);
}

/* Dies at call 1, 2, ...; each time the next run ends well. With `again`, that run dies too, at half the call. */
static void climb(const char *old, bool again)
{
    char right[512], folder[512];
    (void)snprintf(right, sizeof right, "%s", scratch_path(&place, "right"));
    (void)snprintf(folder, sizeof folder, "%s", scratch_path(&place, "folder"));
    assert_ok(lop_folder_remove(right));
    assert_ok(do_run(right, false, false));
    int n = 1;
    for (; n < CALLS_MOST; n++) {
        assert_ok(lop_folder_remove(folder));
        if (old != NULL) copy_folder(old, folder);
        int code = run_and_die(folder, old != NULL, false, n);
        if (code == 0) break;
        assert_int_equal(code, CRASH_EXIT);
        assert_whole(folder, right, old, n);
        if (is_complete(folder, right) || is_published_but_for_the_lock(folder, right)) continue;
        if (again) {
            code = run_and_die(folder, old != NULL, true, n / 2 + 1);
            assert_true(code == CRASH_EXIT || code == 0);
            assert_whole(folder, right, old, n);
        }
        if (is_complete(folder, right) || is_published_but_for_the_lock(folder, right)) continue;
        if (run_and_die(folder, old != NULL, true, 0) != 0) fail_msg("after call %d the run cannot go on", n);
        assert_same_folder(folder, right, NULL);
    }
    assert_true(n > 50 && n < CALLS_MOST);
    assert_same_folder(folder, right, NULL);
    print_message("%d calls\n", n - 1);
}

static void every_call_of_a_run(void **state)
{
    (void)state;
    climb(NULL, false);
}

static void every_call_and_another(void **state)
{
    (void)state;
    climb(NULL, true);
}

static void every_call_over_an_old_model(void **state)
{
    (void)state;
    char old[512];
    (void)snprintf(old, sizeof old, "%s", scratch_path(&place, "old"));
    climb(old, false);
}

int test_io_crash(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_of_a_run),
        cmocka_unit_test(every_call_and_another),
        cmocka_unit_test(every_call_over_an_old_model),
    };
    return cmocka_run_group_tests_name("crashes", tests, open_place, close_place);
}
