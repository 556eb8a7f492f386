/* test_folder.c - paths and folders. */
#include "core/base/file.h"
#include "core/base/memory.h"
#include "tests/base/base_groups.h"
#include "tests/harness/ladder.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void put(const char *path)
{
    assert_int_equal(lop_file_write_atomic(path, "x", 1), LOP_OK);
}

static void assert_joined(const char *folder, const char *name, const char *expected)
{
    char *path = NULL;
    assert_int_equal(lop_path_join(folder, name, &path), LOP_OK);
    assert_string_equal(path, expected);
    lop_free(path);
}

static void paths_are_joined(void **state)
{
    (void)state;
    assert_joined("a", "b", "a/b");
    assert_joined("a/", "b", "a/b");
    assert_joined("/", "b", "/b");
    assert_joined("", "b", "b");
    assert_joined("a/b", "c/d", "a/b/c/d");
}

static void paths_that_leave_are_known(void **state)
{
    (void)state;
    static const char *const inside[] = {
        "a", "a/b", "model-00001-of-00002.safetensors", "a..b", "..a", "...", ".lop/x", "./a"};
    static const char *const outside[] = {"",     "/",      "/etc/passwd",  "..",    "../a",
                                          "a/..", "a/../b", "a/b/../../..", "a//..", "./.."};
    for (size_t i = 0; i < sizeof inside / sizeof inside[0]; i++)
        assert_true(lop_path_stays_inside(inside[i]));
    for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++)
        assert_false(lop_path_stays_inside(outside[i]));
}

static void kinds_are_told_apart(void **state)
{
    const char *file = path_in(*state, "file");
    put(file);
    assert_true(lop_path_is_file(file));
    assert_false(lop_path_is_folder(file));
    assert_true(lop_path_is_folder(*state));
    assert_false(lop_path_is_file(*state));
    assert_false(lop_path_is_file(path_in(*state, "none")));
    assert_false(lop_path_is_folder(path_in(*state, "none")));
}

static void same_places_are_known(void **state)
{
    put(path_in(*state, "file"));
    assert_int_equal(symlink("file", path_in(*state, "link")), 0);
    assert_true(lop_path_same(path_in(*state, "file"), path_in(*state, "./link")));
    assert_true(lop_path_same(*state, path_in(*state, ".")));
    assert_false(lop_path_same(*state, path_in(*state, "file")));
    assert_false(lop_path_same(path_in(*state, "none"), path_in(*state, "none")));
}

static void folders_are_listed_by_byte(void **state)
{
    static const char *const made[] = {"b", "a10", "a2", "B", ".lop", "\xc3\xa4"};
    static const char *const sorted[] = {".lop", "B", "a10", "a2", "b", "\xc3\xa4"};
    for (size_t i = 0; i < 6; i++) put(path_in(*state, made[i]));
    lop_names names;
    assert_int_equal(lop_folder_list(*state, &names), LOP_OK);
    assert_int_equal(names.count, 6);
    for (int i = 0; i < 6; i++) assert_string_equal(names.at[i], sorted[i]);
    lop_names_close(&names);
    lop_names_close(&names);
    assert_failed(lop_folder_list(path_in(*state, "none"), &names), LOP_E_FILE, "cannot be listed");
    assert_null(names.at);
    assert_failed(lop_folder_list(path_in(*state, "b"), &names), LOP_E_FILE, "cannot be listed");
}

static void folders_are_made_with_parents(void **state)
{
    const char *deep = path_in(*state, "a/b//c/");
    assert_int_equal(lop_folder_make(deep), LOP_OK);
    assert_int_equal(lop_folder_make(deep), LOP_OK);
    assert_true(lop_path_is_folder(path_in(*state, "a/b/c")));
    put(path_in(*state, "file"));
    assert_failed(lop_folder_make(path_in(*state, "file")), LOP_E_OUTPUT, "a file of that name is there");
    assert_failed(lop_folder_make(path_in(*state, "file/sub")), LOP_E_OUTPUT, "cannot be made");
    assert_int_equal(lop_folder_sync(deep), LOP_OK);
    assert_failed(lop_folder_sync(path_in(*state, "none")), LOP_E_OUTPUT, "cannot be synced");
}

static void folders_are_removed_and_links_not_followed(void **state)
{
    const char *tree = path_in(*state, "tree"), *kept = path_in(*state, "kept");
    assert_int_equal(lop_folder_make(path_in(*state, "tree/a/b")), LOP_OK);
    assert_int_equal(lop_folder_make(kept), LOP_OK);
    put(path_in(kept, "file"));
    put(path_in(*state, "tree/a/file"));
    assert_int_equal(symlink(kept, path_in(*state, "tree/a/link")), 0);
    assert_int_equal(lop_folder_remove(path_in(*state, "tree")), LOP_OK);
    assert_false(lop_path_is_folder(tree));
    assert_true(lop_path_is_file(path_in(*state, "kept/file")));
    assert_int_equal(lop_folder_remove(path_in(*state, "tree")), LOP_OK);
}

static void what_cannot_be_removed_is_named(void **state)
{
    if (geteuid() == 0) {
        print_message("skipped: the superuser may remove anything\n");
        skip();
    }
    assert_int_equal(lop_folder_make(path_in(*state, "tree/closed")), LOP_OK);
    put(path_in(*state, "tree/closed/file"));
    assert_int_equal(chmod(path_in(*state, "tree/closed"), 0500), 0);
    const lop_status status = lop_folder_remove(path_in(*state, "tree"));
    assert_int_equal(chmod(path_in(*state, "tree/closed"), 0700), 0);
    assert_failed(status, LOP_E_OUTPUT, "tree/closed/file cannot be removed");
}

static lop_status every_call(void *folder)
{
    char *path = NULL;
    lop_names names = {0};
    lop_status status = LOP_OK;
    LOP_TRY_DONE(lop_path_join(folder, "a/b", &path));
    LOP_TRY_DONE(lop_folder_make(path));
    LOP_TRY_DONE(lop_folder_sync_of(path));
    LOP_TRY_DONE(lop_folder_list(folder, &names));
    LOP_TRY_DONE(lop_folder_remove(path));
done:
    lop_names_close(&names);
    lop_free(path);
    return status;
}

static void folders_survive_the_ladder(void **state)
{
    for (int i = 0; i < 40; i++) {
        char name[8];
        (void)snprintf(name, sizeof name, "f%d", i);
        assert_int_equal(lop_folder_make(path_in(*state, name)), LOP_OK);
    }
    assert_true(ladder_climb(every_call, *state) > 40);
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_open, folder_close)

int test_folder(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_are_joined),
        cmocka_unit_test(paths_that_leave_are_known),
        WITH_FOLDER(kinds_are_told_apart),
        WITH_FOLDER(same_places_are_known),
        WITH_FOLDER(folders_are_listed_by_byte),
        WITH_FOLDER(folders_are_made_with_parents),
        WITH_FOLDER(folders_are_removed_and_links_not_followed),
        WITH_FOLDER(what_cannot_be_removed_is_named),
        WITH_FOLDER(folders_survive_the_ladder),
    };
    return cmocka_run_group_tests_name("folder", tests, NULL, NULL);
}
