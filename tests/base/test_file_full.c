/* test_file_full.c - what happens when the disk is full or a file may not grow: the right fault, and nothing half-done. */
#include "core/base/file.h"
#include "core/base/memory.h"
#include "tests/base/base_groups.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#define TMPFS 0x01021994 /* statfs's word for a file system in memory */

static void full_device(void **state)
{
    (void)state;
    char name[] = "/dev/full";
    lop_file file = {.handle = open(name, O_WRONLY), .path = name};
    if (file.handle < 0) {
        print_message("skipped: %s cannot be opened\n", name);
        skip();
    }
    const lop_status status = lop_file_write_at(&file, 0, "x", 1);
    (void)close(file.handle);
    assert_failed(status, LOP_E_DISK, "/dev/full cannot be written");
}

/* More than the whole of a file system in memory is refused before a page is taken; on a disk, trying would fill it. */
static void full_disk_is_found_first(void **state)
{
    (void)state;
    struct statfs fs;
    char folder[] = "/dev/shm/lop-test-XXXXXX";
    if (statfs("/dev/shm", &fs) != 0 || fs.f_type != TMPFS || fs.f_blocks == 0 || mkdtemp(folder) == NULL) {
        print_message("skipped: /dev/shm is no file system in memory of a known size\n");
        skip();
    }
    const uint64_t wanted = (uint64_t)fs.f_blocks * (uint64_t)fs.f_bsize + 4096;
    const char *path = path_in(folder, "shard");
    lop_file file;
    lop_status status = lop_file_create(path, 5, &file);
    if (status == LOP_OK) status = lop_file_write_at(&file, 0, "first", 5);
    lop_file_close(&file);
    const lop_status refused = lop_file_create(path, wanted, &file);
    char sentence[1024];
    (void)snprintf(sentence, sizeof sentence, "%s", lop_error());
    struct stat st = {0};
    const int there = stat(path, &st);
    const lop_status removed = lop_folder_remove(folder);
    assert_int_equal(status, LOP_OK);
    assert_int_equal(refused, LOP_E_DISK);
    assert_int_equal(file.handle, -1);
    char words[64];
    (void)snprintf(words, sizeof words, "%llu bytes wanted", (unsigned long long)wanted);
    assert_non_null(strstr(sentence, words));
    assert_non_null(strstr(sentence, "free; make room or choose another folder"));
    assert_int_equal(there, 0);
    assert_int_equal(st.st_size, 5);
    assert_int_equal(removed, LOP_OK);
}

static void limit_files_to(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* Beyond the limit the kernel sends a signal, and once that is ignored an error. */
static int limit_open(void **state)
{
    (void)signal(SIGXFSZ, SIG_IGN);
    return folder_open(state);
}

static int limit_close(void **state)
{
    limit_files_to(RLIM_INFINITY);
    return folder_close(state);
}

static void limited_files_are_refused_whole(void **state)
{
    lop_file file;
    limit_files_to(4096);
    assert_failed(lop_file_create(path_in(*state, "shard"), 8192, &file), LOP_E_OUTPUT, "File too large");
    assert_int_equal(lop_file_create(path_in(*state, "shard"), 4096, &file), LOP_OK);
    assert_failed(lop_file_write_at(&file, 4090, "0123456789", 10), LOP_E_OUTPUT, "File too large");
    lop_file_close(&file);
}

static void half_a_file_is_taken_back(void **state)
{
    const char *path = path_in(*state, "config.json");
    assert_int_equal(lop_file_write_atomic(path, "old", 3), LOP_OK);
    char text[8192];
    memset(text, 'x', sizeof text);
    limit_files_to(4096);
    assert_failed(lop_file_write_atomic(path, text, sizeof text), LOP_E_OUTPUT, "File too large");
    char *found = NULL;
    size_t size = 0;
    assert_int_equal(lop_file_read(path, 100, &found, &size), LOP_OK);
    assert_string_equal(found, "old");
    lop_free(found);
    lop_names names;
    assert_int_equal(lop_folder_list(*state, &names), LOP_OK);
    assert_int_equal(names.count, 1);
    lop_names_close(&names);
}

static void half_a_line_is_taken_back(void **state)
{
    const char *path = path_in(*state, "journal");
    char line[3000];
    memset(line, 'x', sizeof line - 1);
    line[sizeof line - 1] = '\0';
    limit_files_to(4096);
    assert_int_equal(lop_file_append_synced(path, line), LOP_OK);
    assert_failed(lop_file_append_synced(path, line), LOP_E_OUTPUT, "File too large");
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, sizeof line);
    assert_int_equal(lop_file_append_synced(path, "short"), LOP_OK);
}

#define WITH_LIMIT(test) cmocka_unit_test_setup_teardown(test, limit_open, limit_close)

int test_file_full(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_device),
        cmocka_unit_test(full_disk_is_found_first),
        WITH_LIMIT(limited_files_are_refused_whole),
        WITH_LIMIT(half_a_file_is_taken_back),
        WITH_LIMIT(half_a_line_is_taken_back),
    };
    return cmocka_run_group_tests_name("file, full", tests, NULL, NULL);
}
