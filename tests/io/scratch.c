/* scratch.c - folders and files of tests. */
#include "tests/io/scratch.h"

#include "core/base/file.h"
#include "core/base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define FILE_BYTES_MOST ((uint64_t)1 << 30)

void scratch_open(scratch *s)
{
    const char *folder = getenv("TMPDIR");
    if (folder == NULL) folder = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    (void)snprintf(s->path, sizeof s->path, "%s/lop-test-XXXXXX", folder);
    if (mkdtemp(s->path) == NULL) fail_msg("no folder can be made at %s", s->path);
}

void scratch_close(scratch *s)
{
    assert_ok(lop_folder_remove(s->path));
}

scratch here;

int here_open(void **state)
{
    (void)state;
    scratch_open(&here);
    return 0;
}

int here_close(void **state)
{
    (void)state;
    scratch_close(&here);
    return 0;
}

const char *path_in(const char *folder, const char *name)
{
    static char paths[32][1024];
    static int next;
    char *out = paths[next++ % 32];
    (void)snprintf(out, sizeof paths[0], "%s/%s", folder, name);
    return out;
}

const char *scratch_path(const scratch *s, const char *name)
{
    return path_in(s->path, name);
}

void write_bytes(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    if (file == NULL) fail_msg("%s cannot be written", path);
    const size_t written = fwrite(bytes, 1, size, file);
    if (fclose(file) != 0 || written != size) fail_msg("%s cannot be written", path);
}

void write_text(const char *path, const char *text)
{
    write_bytes(path, text, strlen(text));
}

bool same_file(const char *a, const char *b)
{
    char *x = NULL, *y = NULL;
    size_t n = 0, m = 0;
    const bool read = lop_file_read(a, FILE_BYTES_MOST, &x, &n) == LOP_OK &&
                      lop_file_read(b, FILE_BYTES_MOST, &y, &m) == LOP_OK;
    const bool same = read && n == m && memcmp(x, y, n) == 0;
    lop_free(x);
    lop_free(y);
    return same;
}

/* The first name that differs, or NULL; *lists stay open for the caller. */
static const char *difference(const char *a, const char *b, const char *but, lop_names lists[2])
{
    if (lop_folder_list(a, &lists[0]) != LOP_OK || lop_folder_list(b, &lists[1]) != LOP_OK) return "a folder";
    for (int side = 0; side < 2; side++) {
        for (int i = 0; i < lists[side].count; i++) {
            const char *name = lists[side].at[i];
            if (but != NULL && strcmp(name, but) == 0) continue;
            char x[1024], y[1024];
            (void)snprintf(x, sizeof x, "%s/%s", a, name);
            (void)snprintf(y, sizeof y, "%s/%s", b, name);
            if (!same_file(x, y)) return name;
        }
    }
    return NULL;
}

void assert_same_folder(const char *a, const char *b, const char *but)
{
    lop_names lists[2] = {{0}};
    char name[256] = "";
    const char *found = difference(a, b, but, lists);
    if (found != NULL) (void)snprintf(name, sizeof name, "%s", found);
    lop_names_close(&lists[0]);
    lop_names_close(&lists[1]);
    if (name[0] != '\0') fail_msg("%s differs between %s and %s", name, a, b);
}

bool is_same_folder(const char *a, const char *b)
{
    lop_names lists[2] = {{0}};
    const bool same = difference(a, b, NULL, lists) == NULL;
    lop_names_close(&lists[0]);
    lop_names_close(&lists[1]);
    return same;
}
