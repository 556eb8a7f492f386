/* file.h - files: sizes, whole reads, mapped headers, reads and writes at an offset, and writes that are atomic.
 * Reading failures are LOP_E_FILE, writing failures LOP_E_OUTPUT (LOP_E_DISK when the disk is full). */
#ifndef LOP_CORE_BASE_FILE_H
#define LOP_CORE_BASE_FILE_H

#include "core/base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool lop_path_is_folder(const char *path);
bool lop_path_is_file(const char *path);

/* "folder/name" in new memory; the caller frees with lop_free. */
LOP_CHECKED lop_status lop_path_join(const char *folder, const char *name, char **out);

/* True if `name` is one plain path element or a relative path that stays inside its folder: no "..", not absolute. */
bool lop_path_stays_inside(const char *name);

/* True if both paths exist and name the same file or folder. */
bool lop_path_same(const char *a, const char *b);

/* Names in a folder, sorted by byte, without "." and "..". Free each and the array with lop_names_close. */
typedef struct lop_names {
    char **at;
    int count;
} lop_names;
LOP_CHECKED lop_status lop_folder_list(const char *path, lop_names *out);
void lop_names_close(lop_names *names);

LOP_CHECKED lop_status lop_folder_make(const char *path);   /* parents too; already there is no error */
LOP_CHECKED lop_status lop_folder_remove(const char *path); /* with all in it; not there is no error */
LOP_CHECKED lop_status lop_folder_sync(const char *path);
LOP_CHECKED lop_status lop_folder_sync_of(const char *path); /* the folder that `path` lies in */

/* Reads a whole file of at most `most` bytes, zero-terminated. The caller frees *out with lop_free. */
LOP_CHECKED lop_status lop_file_read(const char *path, uint64_t most, char **out, size_t *size);

/* A file open for reads at offsets. `size` is what it was when opened; a read beyond what the file still has is
 * LOP_E_FILE "shrank while it was read". */
typedef struct lop_file {
    int handle; /* -1: closed */
    uint64_t size;
    char *path;
} lop_file;
LOP_CHECKED lop_status lop_file_open(const char *path, lop_file *out);
LOP_CHECKED lop_status lop_file_read_at(const lop_file *file, uint64_t at, void *out, size_t bytes);
void lop_file_close(lop_file *file);

/* Says that these bytes are read soon; a hint. */
void lop_file_want(const lop_file *file, uint64_t at, uint64_t bytes);

/* Maps [0, bytes) of a file for reading: for headers. */
typedef struct lop_map {
    const unsigned char *at;
    size_t bytes;
} lop_map;
LOP_CHECKED lop_status lop_map_open(const lop_file *file, size_t bytes, lop_map *out);
void lop_map_close(lop_map *map);

/* Opens (creating it) a file to be written at offsets and gives it its full size at once, so that a full disk is found
 * before any work is done. Close with lop_file_close. */
LOP_CHECKED lop_status lop_file_create(const char *path, uint64_t bytes, lop_file *out);
LOP_CHECKED lop_status lop_file_write_at(const lop_file *file, uint64_t at, const void *bytes, size_t size);
LOP_CHECKED lop_status lop_file_sync(const lop_file *file); /* fdatasync */

/* Lets the disk begin to write these bytes, so that a sync later has less to wait for; a hint. */
void lop_file_push(const lop_file *file, uint64_t at, uint64_t bytes);

/* A file that appears under `path` whole or not at all: a new one beside it, of `bytes` bytes from the beginning so that a
 * full disk is found first, is written at offsets. Closing syncs it and renames it over `path` if `status`, how the writing
 * went, is LOP_OK, and removes it if not; what is returned is the first failure. */
LOP_CHECKED lop_status lop_file_beside_open(const char *path, uint64_t bytes, lop_file *out);
LOP_CHECKED lop_status lop_file_beside_close(lop_file *file, const char *path, lop_status status);

/* Writes a whole file so. */
LOP_CHECKED lop_status lop_file_write_atomic(const char *path, const void *bytes, size_t size);

/* Appends one line and syncs it before returning: the journal. What follows the last line end of the file, a line whose
 * writing was cut off, is removed first; a line that cannot be written whole is taken back. */
LOP_CHECKED lop_status lop_file_append_synced(const char *path, const char *line);

LOP_CHECKED lop_status lop_file_copy(const char *from, const char *to); /* so, too */
LOP_CHECKED lop_status lop_file_rename(const char *from, const char *to);

#endif
