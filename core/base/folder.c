/* folder.c - paths and folders: joined, compared, listed, made, removed, synced. The other half of file.h. */
#include "core/base/file.h"
#include "core/base/memory.h"
#include "core/base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WALK_HANDLES 16 /* folders held open at once while a tree is removed */

bool lop_path_is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool lop_path_is_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

bool lop_path_same(const char *a, const char *b)
{
    struct stat sa, sb;
    return stat(a, &sa) == 0 && stat(b, &sb) == 0 && sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

/* An empty folder means here, not the root. */
lop_status lop_path_join(const char *folder, const char *name, char **out)
{
    *out = NULL;
    const size_t n = strlen(folder);
    const bool parted = n == 0 || folder[n - 1] == '/';
    lop_string path = {0};
    LOP_TRY(lop_string_print(&path, "%s%s%s", folder, parted ? "" : "/", name));
    *out = path.at;
    return LOP_OK;
}

bool lop_path_stays_inside(const char *name)
{
    if (name[0] == '\0' || name[0] == '/') return false;
    while (*name) {
        const size_t n = strcspn(name, "/");
        if (n == 2 && name[0] == '.' && name[1] == '.') return false;
        name += n;
        name += *name == '/';
    }
    return true;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static lop_status names_add(lop_names *names, int *room, const char *name)
{
    if (names->count == *room) {
        const int more = *room ? *room * 2 : 16;
        LOP_TRY(lop_realloc((size_t)more, sizeof *names->at, &names->at));
        *room = more;
    }
    LOP_TRY(lop_strdup(name, &names->at[names->count]));
    names->count++;
    return LOP_OK;
}

static lop_status names_read(DIR *folder, const char *path, lop_names *out)
{
    int room = 0;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(folder);
        if (entry == NULL && errno != 0)
            return LOP_FAIL(LOP_E_FILE, "%s cannot be listed: %s", path, strerror(errno));
        if (entry == NULL) return LOP_OK;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        LOP_TRY(names_add(out, &room, entry->d_name));
    }
}

lop_status lop_folder_list(const char *path, lop_names *out)
{
    *out = (lop_names){0};
    DIR *folder = opendir(path);
    if (folder == NULL) return LOP_FAIL(LOP_E_FILE, "%s cannot be listed: %s", path, strerror(errno));
    const lop_status status = names_read(folder, path, out);
    (void)closedir(folder);
    if (status != LOP_OK) lop_names_close(out);
    if (out->count > 1) qsort(out->at, (size_t)out->count, sizeof *out->at, compare_names);
    return status;
}

void lop_names_close(lop_names *names)
{
    if (names == NULL) return;
    for (int i = 0; i < names->count; i++) lop_free(names->at[i]);
    lop_free(names->at);
    *names = (lop_names){0};
}

static lop_status make_one(const char *path)
{
    if (mkdir(path, 0777) == 0 || lop_path_is_folder(path)) return LOP_OK;
    const int code = errno;
    const bool full = code == ENOSPC || code == EDQUOT;
    return LOP_FAIL(full ? LOP_E_DISK : LOP_E_OUTPUT, "folder %s cannot be made: %s", path,
                    code == EEXIST ? "a file of that name is there" : strerror(code));
}

lop_status lop_folder_make(const char *path)
{
    char *copy = NULL;
    LOP_TRY(lop_strdup(path, &copy));
    lop_status status = LOP_OK;
    for (char *at = copy; status == LOP_OK && *at; at++) {
        if (*at != '/' || at == copy) continue;
        *at = '\0';
        status = make_one(copy);
        *at = '/';
    }
    if (status == LOP_OK) status = make_one(copy);
    lop_free(copy);
    return status;
}

/* Children come before their folder; links are removed and not followed. */
static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
    (void)st;
    (void)kind;
    (void)walk;
    if (remove(path) == 0 || errno == ENOENT) return 0;
    return LOP_FAIL(LOP_E_OUTPUT, "%s cannot be removed: %s", path, strerror(errno));
}

lop_status lop_folder_remove(const char *path)
{
    const int result = nftw(path, remove_one, WALK_HANDLES, FTW_DEPTH | FTW_PHYS);
    if (result == 0 || (result == -1 && errno == ENOENT)) return LOP_OK;
    if (result == LOP_E_OUTPUT) return LOP_E_OUTPUT;
    return LOP_FAIL(LOP_E_OUTPUT, "%s cannot be removed: %s", path, strerror(errno));
}

/* Some file systems have nothing to sync in a folder and say EINVAL. */
lop_status lop_folder_sync(const char *path)
{
    const int handle = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int code = handle < 0 || fsync(handle) != 0 ? errno : 0;
    if (handle >= 0) (void)close(handle);
    if (code == 0 || code == EINVAL) return LOP_OK;
    return LOP_FAIL(LOP_E_OUTPUT, "folder %s cannot be synced: %s", path, strerror(code));
}

lop_status lop_folder_sync_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL) return lop_folder_sync(".");
    if (slash == path) return lop_folder_sync("/");
    char *folder = NULL;
    LOP_TRY(lop_memdup_text(path, (size_t)(slash - path), &folder));
    const lop_status status = lop_folder_sync(folder);
    lop_free(folder);
    return status;
}
