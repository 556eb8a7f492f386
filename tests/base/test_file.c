/* test_file.c - files read and written, mapped, replaced at once, copied, and the journal. */
#include "core/base/file.h"
#include "core/base/memory.h"
#include "tests/base/base_groups.h"
#include "tests/harness/ladder.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void put(const char *path, const char *text)
{
    assert_int_equal(lop_file_write_atomic(path, text, strlen(text)), LOP_OK);
}

static void assert_holds(const char *path, const char *text)
{
    char *found = NULL;
    size_t size = 0;
    assert_int_equal(lop_file_read(path, 1 << 24, &found, &size), LOP_OK);
    assert_int_equal(size, strlen(text));
    assert_string_equal(found, text);
    lop_free(found);
}

static int count_in(const char *folder)
{
    lop_names names;
    assert_int_equal(lop_folder_list(folder, &names), LOP_OK);
    const int count = names.count;
    lop_names_close(&names);
    return count;
}

static void whole_files(void **state)
{
    const char *path = path_in(*state, "a.txt");
    put(path, "first");
    assert_holds(path, "first");
    put(path, "");
    assert_holds(path, "");
    put(path, "second, longer");
    assert_holds(path, "second, longer");
    assert_int_equal(count_in(*state), 1);
}

static void what_cannot_be_read(void **state)
{
    char *text = (char *)1;
    size_t size = 1;
    assert_failed(lop_file_read(path_in(*state, "none"), 10, &text, &size), LOP_E_FILE, "No such file");
    assert_null(text);
    assert_failed(lop_file_read(*state, 10, &text, &size), LOP_E_FILE, "is a folder");
    put(path_in(*state, "long"), "eleven byte");
    assert_failed(lop_file_read(path_in(*state, "long"), 10, &text, &size), LOP_E_FILE,
                  "is 11 bytes long; expected at most 10");
    assert_int_equal(mkfifo(path_in(*state, "pipe"), 0600), 0);
    assert_failed(lop_file_read(path_in(*state, "pipe"), 10, &text, &size), LOP_E_FILE, "no regular file");
    lop_file file;
    assert_failed(lop_file_open(path_in(*state, "none"), &file), LOP_E_FILE, "none");
    assert_int_equal(file.handle, -1);
    lop_file_close(&file);
}

static void reads_at_offsets(void **state)
{
    const char *path = path_in(*state, "a");
    put(path, "0123456789");
    lop_file file;
    char piece[8] = {0};
    assert_int_equal(lop_file_open(path, &file), LOP_OK);
    assert_int_equal(file.size, 10);
    assert_int_equal(lop_file_read_at(&file, 6, piece, 4), LOP_OK);
    assert_memory_equal(piece, "6789", 4);
    assert_int_equal(lop_file_read_at(&file, 10, piece, 0), LOP_OK);
    assert_failed(lop_file_read_at(&file, 7, piece, 4), LOP_E_FILE, "has 10 bytes, expected at least 11");
    assert_int_equal(truncate(path, 5), 0);
    assert_failed(lop_file_read_at(&file, 3, piece, 4), LOP_E_FILE, "shrank while it was read");
    lop_file_close(&file);
    lop_file_close(&file);
    lop_file_close(NULL);
}

static void maps(void **state)
{
    const char *path = path_in(*state, "a");
    put(path, "header");
    lop_file file;
    lop_map map;
    assert_int_equal(lop_file_open(path, &file), LOP_OK);
    assert_int_equal(lop_map_open(&file, 6, &map), LOP_OK);
    assert_memory_equal(map.at, "header", 6);
    lop_map_close(&map);
    lop_map_close(&map);
    assert_int_equal(lop_map_open(&file, 0, &map), LOP_OK);
    assert_non_null(map.at);
    lop_map_close(&map);
    assert_failed(lop_map_open(&file, 7, &map), LOP_E_FILE, "has 6 bytes, expected at least 7");
    assert_int_equal(truncate(path, 3), 0);
    assert_failed(lop_map_open(&file, 6, &map), LOP_E_FILE, "has 3 bytes, expected at least 6");
    lop_file_close(&file);
}

static void writes_at_offsets(void **state)
{
    const char *path = path_in(*state, "shard");
    const uint64_t size = (uint64_t)1 << 20;
    lop_file file;
    assert_int_equal(lop_file_create(path, size, &file), LOP_OK);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, size);
    assert_true((uint64_t)st.st_blocks * 512 >= size);
    assert_int_equal(lop_file_write_at(&file, size - 3, "end", 3), LOP_OK);
    assert_int_equal(lop_file_write_at(&file, 0, "begin", 5), LOP_OK);
    assert_int_equal(lop_file_sync(&file), LOP_OK);
    char back[3];
    assert_int_equal(lop_file_read_at(&file, size - 3, back, 3), LOP_OK);
    assert_memory_equal(back, "end", 3);
    lop_file_close(&file);
}

/* A resumed run finds what it wrote, at the same size or another. */
static void creating_keeps_what_is_there(void **state)
{
    const char *path = path_in(*state, "shard");
    put(path, "0123456789");
    static const struct {
        uint64_t size;
        const char *holds;
    } steps[] = {{10, "0123456789"}, {4, "0123"}, {4, "0123"}, {0, ""}};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        lop_file file;
        assert_int_equal(lop_file_create(path, steps[i].size, &file), LOP_OK);
        assert_int_equal(file.size, steps[i].size);
        lop_file_close(&file);
        assert_holds(path, steps[i].holds);
    }
    lop_file file;
    assert_failed(lop_file_create(path, UINT64_MAX, &file), LOP_E_ARGUMENT, "cannot have");
    assert_failed(lop_file_create(*state, 10, &file), LOP_E_OUTPUT, "cannot be written");
    assert_failed(lop_file_create(path_in(*state, "no/shard"), 10, &file), LOP_E_OUTPUT, "cannot be written");
}

static void replacing_is_all_or_nothing(void **state)
{
    const char *path = path_in(*state, "a");
    assert_int_equal(lop_folder_make(path), LOP_OK);
    put(path_in(path, "inside"), "kept");
    assert_failed(lop_file_write_atomic(path, "x", 1), LOP_E_OUTPUT, "cannot be renamed");
    assert_holds(path_in(path, "inside"), "kept");
    assert_int_equal(count_in(*state), 1);
    assert_failed(lop_file_write_atomic(path_in(*state, "no/a"), "x", 1), LOP_E_OUTPUT, "cannot be written");
}

static void journal_lines(void **state)
{
    const char *path = path_in(*state, "journal");
    assert_int_equal(lop_file_append_synced(path, "{\"block\":0}"), LOP_OK);
    assert_int_equal(lop_file_append_synced(path, "{\"block\":1}"), LOP_OK);
    assert_holds(path, "{\"block\":0}\n{\"block\":1}\n");
    put(path, "whole\ntorn, as by a crash");
    assert_int_equal(lop_file_append_synced(path, "next"), LOP_OK);
    assert_holds(path, "whole\nnext\n");
    put(path, "only torn");
    assert_int_equal(lop_file_append_synced(path, "first"), LOP_OK);
    assert_holds(path, "first\n");
}

/* The last line end is looked for in pieces, from the end. */
static void journal_with_a_long_torn_line(void **state)
{
    const char *path = path_in(*state, "journal");
    for (size_t torn = 4094; torn <= 8194; torn += torn == 4098 ? 4092 : 1) {
        char text[8200] = "ok\n";
        memset(text + 3, 'x', torn);
        put(path, text);
        assert_int_equal(lop_file_append_synced(path, "next"), LOP_OK);
        assert_holds(path, "ok\nnext\n");
    }
}

static void copies_and_renames(void **state)
{
    const char *from = path_in(*state, "from"), *to = path_in(*state, "to"), *at = path_in(*state, "at");
    const size_t size = ((size_t)2 << 20) + 17;
    char *big = NULL;
    assert_int_equal(lop_alloc(size + 1, 1, &big), LOP_OK);
    for (size_t i = 0; i < size; i++) big[i] = (char)('a' + i % 23);
    put(from, big);
    assert_int_equal(lop_file_copy(from, to), LOP_OK);
    char *found = NULL;
    size_t found_size = 0;
    assert_int_equal(lop_file_read(to, size, &found, &found_size), LOP_OK);
    assert_int_equal(found_size, size);
    assert_memory_equal(found, big, size);
    lop_free(found);
    assert_int_equal(lop_file_copy(from, from), LOP_OK);
    assert_int_equal(lop_file_rename(to, at), LOP_OK);
    assert_false(lop_path_is_file(to));
    assert_holds(path_in(*state, "from"), big);
    assert_failed(lop_file_copy(to, at), LOP_E_FILE, "to");
    assert_failed(lop_file_rename(to, at), LOP_E_OUTPUT, "cannot be renamed");
    assert_int_equal(count_in(*state), 2);
    lop_free(big);
}

static lop_status every_call(void *folder)
{
    char *text = NULL;
    size_t size = 0;
    lop_file file = {.handle = -1};
    lop_status status = LOP_OK;
    LOP_TRY_DONE(lop_file_write_atomic(path_in(folder, "a"), "text", 4));
    LOP_TRY_DONE(lop_file_copy(path_in(folder, "a"), path_in(folder, "b")));
    LOP_TRY_DONE(lop_file_append_synced(path_in(folder, "c"), "line"));
    LOP_TRY_DONE(lop_file_create(path_in(folder, "d"), 100, &file));
    LOP_TRY_DONE(lop_file_read(path_in(folder, "b"), 100, &text, &size));
done:
    lop_free(text);
    lop_file_close(&file);
    return status;
}

/* No failure leaves a temporary file behind. */
static void files_survive_the_ladder(void **state)
{
    assert_true(ladder_climb(every_call, *state) >= 8);
    assert_int_equal(count_in(*state), 4);
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_open, folder_close)

int test_file(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(whole_files),
        WITH_FOLDER(what_cannot_be_read),
        WITH_FOLDER(reads_at_offsets),
        WITH_FOLDER(maps),
        WITH_FOLDER(writes_at_offsets),
        WITH_FOLDER(creating_keeps_what_is_there),
        WITH_FOLDER(replacing_is_all_or_nothing),
        WITH_FOLDER(journal_lines),
        WITH_FOLDER(journal_with_a_long_torn_line),
        WITH_FOLDER(copies_and_renames),
        WITH_FOLDER(files_survive_the_ladder),
    };
    return cmocka_run_group_tests_name("file", tests, NULL, NULL);
}
