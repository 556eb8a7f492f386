/* file.c - reads and writes at offsets, mapped headers, and whole files that appear at once. Paths and folders are in
 * folder.c. */
#include "core/base/file.h"

#include "core/base/memory.h"
#include "core/base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define COPY_BYTES ((size_t)1 << 20) /* of one read when a file is copied */

static lop_status fail_read(const char *path, int code)
{
    return LOP_FAIL(LOP_E_FILE, "%s cannot be read: %s", path, strerror(code));
}

static lop_status fail_write(const char *path, int code)
{
    const bool full = code == ENOSPC || code == EDQUOT;
    return LOP_FAIL(full ? LOP_E_DISK : LOP_E_OUTPUT, "%s cannot be written: %s", path, strerror(code));
}

/* ---- opening and reading */

/* Takes over `handle`, also when it fails. */
static lop_status file_fill(const char *path, int handle, uint64_t size, lop_file *out)
{
    *out = (lop_file){.handle = handle, .size = size};
    const lop_status status = lop_strdup(path, &out->path);
    if (status != LOP_OK) lop_file_close(out);
    return status;
}

/* Opening without O_NONBLOCK would wait for ever on a pipe that nobody writes. */
lop_status lop_file_open(const char *path, lop_file *out)
{
    *out = (lop_file){.handle = -1};
    const int handle = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (handle < 0) return fail_read(path, errno);
    struct stat st;
    if (fstat(handle, &st) != 0) {
        const int code = errno;
        (void)close(handle);
        return fail_read(path, code);
    }
    if (!S_ISREG(st.st_mode)) {
        (void)close(handle);
        return LOP_FAIL(LOP_E_FILE, "%s is %s; expected a file", path,
                        S_ISDIR(st.st_mode) ? "a folder" : "no regular file");
    }
    return file_fill(path, handle, (uint64_t)st.st_size, out);
}

void lop_file_close(lop_file *file)
{
    if (file == NULL) return;
    if (file->handle >= 0) (void)close(file->handle);
    lop_free(file->path);
    *file = (lop_file){.handle = -1};
}

lop_status lop_file_read_at(const lop_file *file, uint64_t at, void *out, size_t bytes)
{
    size_t done = 0;
    while (done < bytes) {
        const ssize_t n = pread(file->handle, (char *)out + done, bytes - done, (off_t)(at + done));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_read(file->path, errno);
        if (n == 0 && at + bytes <= file->size)
            return LOP_FAIL(LOP_E_FILE, "%s shrank while it was read: it was %llu bytes and now ends at %llu",
                            file->path, (unsigned long long)file->size, (unsigned long long)(at + done));
        if (n == 0)
            return LOP_FAIL(LOP_E_FILE, "%s is too short: it has %llu bytes, expected at least %llu",
                            file->path, (unsigned long long)file->size, (unsigned long long)(at + bytes));
        done += (size_t)n;
    }
    return LOP_OK;
}

void lop_file_want(const lop_file *file, uint64_t at, uint64_t bytes)
{
    (void)posix_fadvise(file->handle, (off_t)at, (off_t)bytes, POSIX_FADV_WILLNEED);
}

lop_status lop_file_read(const char *path, uint64_t most, char **out, size_t *size)
{
    *out = NULL;
    *size = 0;
    lop_file file;
    LOP_TRY(lop_file_open(path, &file));
    lop_status status = LOP_OK;
    char *bytes = NULL;
    if (file.size > most || file.size > SIZE_MAX - 1) {
        status = LOP_FAIL(LOP_E_FILE, "%s is %llu bytes long; expected at most %llu", path,
                          (unsigned long long)file.size, (unsigned long long)most);
        goto done;
    }
    LOP_TRY_DONE(lop_alloc((size_t)file.size + 1, 1, &bytes));
    LOP_TRY_DONE(lop_file_read_at(&file, 0, bytes, (size_t)file.size));
    *out = bytes;
    *size = (size_t)file.size;
    bytes = NULL;
done:
    lop_free(bytes);
    lop_file_close(&file);
    return status;
}

/* A page beyond the end of a file kills who touches it, so the size is asked for again. */
lop_status lop_map_open(const lop_file *file, size_t bytes, lop_map *out)
{
    *out = (lop_map){0};
    struct stat st;
    if (fstat(file->handle, &st) != 0) return fail_read(file->path, errno);
    if (bytes > (uint64_t)st.st_size)
        return LOP_FAIL(LOP_E_FILE, "%s is too short: it has %llu bytes, expected at least %zu", file->path,
                        (unsigned long long)st.st_size, bytes);
    if (bytes == 0) {
        out->at = (const unsigned char *)"";
        return LOP_OK;
    }
    void *at = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, file->handle, 0);
    if (at == MAP_FAILED) return fail_read(file->path, errno);
    *out = (lop_map){.at = at, .bytes = bytes};
    return LOP_OK;
}

void lop_map_close(lop_map *map)
{
    if (map == NULL) return;
    if (map->bytes) (void)munmap((void *)map->at, map->bytes);
    *map = (lop_map){0};
}

/* ---- writing */

static uint64_t bytes_free(int handle)
{
    struct statvfs fs;
    return fstatvfs(handle, &fs) == 0 ? (uint64_t)fs.f_bavail * fs.f_frsize : UINT64_MAX;
}

/* The file system has no fallocate: free space is all that can be asked for. */
static int size_without_blocks(int handle, const struct stat *before, uint64_t bytes)
{
    const uint64_t held = (uint64_t)before->st_blocks * 512;
    if (bytes > held && bytes - held > bytes_free(handle)) return ENOSPC;
    return ftruncate(handle, (off_t)bytes) == 0 ? 0 : errno;
}

/* Gives the file exactly `bytes` bytes, backed by blocks. fallocate and not posix_fallocate: where a file system cannot
 * reserve, the latter writes into every block of it, which takes minutes for a model on a network disk. */
static int size_with_blocks(int handle, const struct stat *before, uint64_t bytes)
{
    if (bytes < (uint64_t)before->st_size && ftruncate(handle, (off_t)bytes) != 0) return errno;
    if (bytes == 0) return 0;
    int code = 0;
    do {
        code = fallocate(handle, 0, 0, (off_t)bytes) == 0 ? 0 : errno;
    } while (code == EINTR);
    if (code == EOPNOTSUPP || code == ENOSYS) code = size_without_blocks(handle, before, bytes);
    if (code != 0 && ftruncate(handle, before->st_size) != 0) return code;
    return code;
}

static lop_status fail_size(const char *path, int handle, uint64_t bytes, int code)
{
    if (code != ENOSPC && code != EDQUOT) return fail_write(path, code);
    return LOP_FAIL(
        LOP_E_DISK,
        "not enough disk for %s: %llu bytes wanted, %llu free%s; make room or choose another folder", path,
        (unsigned long long)bytes, (unsigned long long)bytes_free(handle),
        code == EDQUOT ? " but the quota is used up" : "");
}

lop_status lop_file_create(const char *path, uint64_t bytes, lop_file *out)
{
    *out = (lop_file){.handle = -1};
    if (bytes > INT64_MAX)
        return LOP_FAIL(LOP_E_ARGUMENT, "%s cannot have %llu bytes", path, (unsigned long long)bytes);
    const int handle = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666);
    if (handle < 0) return fail_write(path, errno);
    lop_status status = LOP_OK;
    struct stat before;
    if (fstat(handle, &before) != 0) {
        status = fail_write(path, errno);
    } else if (!S_ISREG(before.st_mode)) {
        status = LOP_FAIL(LOP_E_OUTPUT, "%s is no regular file", path);
    } else {
        const int code = size_with_blocks(handle, &before, bytes);
        if (code != 0) status = fail_size(path, handle, bytes, code);
    }
    if (status == LOP_OK) return file_fill(path, handle, bytes, out);
    (void)close(handle);
    return status;
}

lop_status lop_file_write_at(const lop_file *file, uint64_t at, const void *bytes, size_t size)
{
    size_t done = 0;
    while (done < size) {
        const ssize_t n = pwrite(file->handle, (const char *)bytes + done, size - done, (off_t)(at + done));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_write(file->path, errno);
        done += (size_t)n;
    }
    return LOP_OK;
}

lop_status lop_file_sync(const lop_file *file)
{
    return fdatasync(file->handle) == 0 ? LOP_OK : fail_write(file->path, errno);
}

void lop_file_push(const lop_file *file, uint64_t at, uint64_t bytes)
{
    (void)sync_file_range(file->handle, (off_t)at, (off_t)bytes, SYNC_FILE_RANGE_WRITE);
}

lop_status lop_file_rename(const char *from, const char *to)
{
    if (rename(from, to) == 0) return LOP_OK;
    return LOP_FAIL(LOP_E_OUTPUT, "%s cannot be renamed to %s: %s", from, to, strerror(errno));
}

/* ---- whole files that appear at once */

/* The process number keeps two runs apart. */
lop_status lop_file_beside_open(const char *path, uint64_t bytes, lop_file *out)
{
    lop_string name = {0};
    *out = (lop_file){.handle = -1};
    LOP_TRY(lop_string_print(&name, "%s.lop-%ld", path, (long)getpid()));
    const int handle = open(name.at, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
    const struct stat empty = {0};
    const int code = handle < 0 ? errno : size_with_blocks(handle, &empty, bytes);
    lop_status status = LOP_OK;
    if (code != 0)
        status = handle < 0 ? fail_write(path, code) : fail_size(path, handle, bytes, code);
    else
        status = file_fill(name.at, handle, bytes, out);
    if (handle >= 0 && status != LOP_OK) (void)unlink(name.at);
    if (handle >= 0 && code != 0) (void)close(handle);
    lop_string_close(&name);
    return status;
}

lop_status lop_file_beside_close(lop_file *file, const char *path, lop_status status)
{
    if (status == LOP_OK) status = lop_file_sync(file);
    if (status == LOP_OK) status = lop_file_rename(file->path, path);
    if (status != LOP_OK && file->path != NULL) (void)unlink(file->path);
    lop_file_close(file);
    if (status == LOP_OK) status = lop_folder_sync_of(path);
    return status;
}

lop_status lop_file_write_atomic(const char *path, const void *bytes, size_t size)
{
    lop_file file;
    LOP_TRY(lop_file_beside_open(path, size, &file));
    return lop_file_beside_close(&file, path, lop_file_write_at(&file, 0, bytes, size));
}

static lop_status copy_bytes(const lop_file *from, const lop_file *to)
{
    char *piece = NULL;
    LOP_TRY(lop_alloc(COPY_BYTES, 1, &piece));
    lop_status status = LOP_OK;
    for (uint64_t at = 0; status == LOP_OK && at < from->size; at += COPY_BYTES) {
        const uint64_t left = from->size - at;
        const size_t n = left < COPY_BYTES ? (size_t)left : COPY_BYTES;
        status = lop_file_read_at(from, at, piece, n);
        if (status == LOP_OK) status = lop_file_write_at(to, at, piece, n);
    }
    lop_free(piece);
    return status;
}

lop_status lop_file_copy(const char *from, const char *to)
{
    lop_file in, out;
    LOP_TRY(lop_file_open(from, &in));
    lop_status status = lop_file_beside_open(to, in.size, &out);
    if (status == LOP_OK) status = lop_file_beside_close(&out, to, copy_bytes(&in, &out));
    lop_file_close(&in);
    return status;
}

/* ---- the journal */

/* Where the last finished line ends: what follows it is a line whose writing was cut off, so that nobody relied on it. */
static lop_status finished_size(const lop_file *file, uint64_t *out)
{
    char piece[4096];
    uint64_t end = file->size;
    while (end > 0) {
        const size_t n = end < sizeof piece ? (size_t)end : sizeof piece;
        LOP_TRY(lop_file_read_at(file, end - n, piece, n));
        const char *found = memrchr(piece, '\n', n);
        if (found) {
            *out = end - n + (size_t)(found - piece) + 1;
            return LOP_OK;
        }
        end -= n;
    }
    *out = 0;
    return LOP_OK;
}

/* A line that could not be written whole is taken back: the next one must not be glued to half of it. */
static lop_status append_line(const lop_file *file, const char *line, size_t size)
{
    uint64_t end = 0;
    LOP_TRY(finished_size(file, &end));
    if (ftruncate(file->handle, (off_t)end) != 0) return fail_write(file->path, errno);
    lop_status status = lop_file_write_at(file, end, line, size);
    if (status == LOP_OK) status = lop_file_sync(file);
    if (status != LOP_OK && ftruncate(file->handle, (off_t)end) != 0) lop_note("half a line may stay behind");
    return status;
}

lop_status lop_file_append_synced(const char *path, const char *line)
{
    lop_status status = LOP_OK;
    lop_string text = {0};
    lop_file file = {.handle = -1};
    LOP_TRY_DONE(lop_string_print(&text, "%s\n", line));
    const int handle = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    struct stat st = {0};
    if (handle < 0 || fstat(handle, &st) != 0) {
        status = fail_write(path, errno);
        if (handle >= 0) (void)close(handle);
        goto done;
    }
    LOP_TRY_DONE(file_fill(path, handle, (uint64_t)st.st_size, &file));
    LOP_TRY_DONE(append_line(&file, text.at, text.size));
    if (st.st_size == 0) LOP_TRY_DONE(lop_folder_sync_of(path));
done:
    lop_file_close(&file);
    lop_string_close(&text);
    return status;
}
