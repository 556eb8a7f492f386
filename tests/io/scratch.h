/* scratch.h - a folder of its own for a test, small files in it, and folders compared byte for byte. What goes wrong
 * fails the running cmocka test. */
#ifndef LOP_TESTS_IO_SCRATCH_H
#define LOP_TESTS_IO_SCRATCH_H

#include "tests/harness/status_checks.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct scratch {
    char path[256];
} scratch;

void scratch_open(scratch *s);
void scratch_close(scratch *s); /* with all in it */

/* A folder for the group that runs, opened and closed by cmocka as the group's setup and teardown. */
extern scratch here;
int here_open(void **state);
int here_close(void **state);

/* "the scratch folder/name", valid until the 32nd call after this one. */
const char *scratch_path(const scratch *s, const char *name);

/* "folder/name", in the same places. */
const char *path_in(const char *folder, const char *name);

void write_bytes(const char *path, const void *bytes, size_t size);
void write_text(const char *path, const char *text);

bool same_file(const char *a, const char *b);

/* Fails with the name of the first file that is in one folder only or differs; `but` may name one that is let be. */
void assert_same_folder(const char *a, const char *b, const char *but);
bool is_same_folder(const char *a, const char *b);

#endif
