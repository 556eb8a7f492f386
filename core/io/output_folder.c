/* output_folder.c - whose folder it is: the lock, what lies in it already, and whether a started run goes on. */
#include "core/base/memory.h"
#include "core/io/output_state.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_TRIES 8 /* a run that ends removes the lock file while the next one opens it */

/* ---- the lock */

/* True if the handle is still the file of that name. */
static bool is_current(int handle, const char *path)
{
    struct stat held, named;
    return fstat(handle, &held) == 0 && stat(path, &named) == 0 && held.st_dev == named.st_dev &&
           held.st_ino == named.st_ino;
}

static lop_status lock_once(lop_output *o, const char *path)
{
    o->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (o->lock < 0) return LOP_FAIL(LOP_E_OUTPUT, "%s cannot be opened: %s", path, strerror(errno));
    if (flock(o->lock, LOCK_EX | LOCK_NB) == 0) return LOP_OK;
    const int code = errno;
    (void)close(o->lock);
    o->lock = -1;
    if (code == EWOULDBLOCK)
        return LOP_FAIL(LOP_E_ARGUMENT,
                        "another run is writing to %s (it holds %s); wait for it or choose another folder",
                        o->folder, path);
    return LOP_FAIL(LOP_E_OUTPUT, "%s cannot be locked: %s", path, strerror(code));
}

static lop_status take_lock(lop_output *o)
{
    char *path = NULL;
    LOP_TRY(lop_path_join(o->work, LOP_LOCK_NAME, &path));
    lop_status status = LOP_OK;
    for (int i = 0; i < LOCK_TRIES; i++) {
        status = lop_folder_make(o->work);
        if (status == LOP_OK) status = lock_once(o, path);
        if (status != LOP_OK || is_current(o->lock, path)) break;
        (void)close(o->lock);
        o->lock = -1;
        status = LOP_FAIL(LOP_E_OUTPUT, "%s is taken and given back all the time by another run", path);
    }
    lop_free(path);
    return status;
}

/* ---- what is in the folder */

static lop_status is_empty(const char *folder, bool *out)
{
    lop_names names;
    LOP_TRY(lop_folder_list(folder, &names));
    *out = true;
    for (int i = 0; i < names.count; i++)
        if (strcmp(names.at[i], LOP_WORK_FOLDER) != 0) *out = false;
    lop_names_close(&names);
    return LOP_OK;
}

lop_status lop_output_clear(lop_output *o, bool folder)
{
    static const char *const last[] = {LOP_JOURNAL_NAME, LOP_LOCK_NAME};
    lop_names names = {0};
    lop_status status = lop_folder_list(o->work, &names);
    for (int i = 0; status == LOP_OK && i < names.count; i++) {
        char *path = NULL;
        if (strcmp(names.at[i], last[0]) == 0 || strcmp(names.at[i], last[1]) == 0) continue;
        status = lop_path_join(o->work, names.at[i], &path);
        if (status == LOP_OK) status = lop_folder_remove(path);
        lop_free(path);
    }
    for (int i = 0; status == LOP_OK && i < 2; i++) {
        char *path = NULL;
        status = lop_path_join(o->work, last[i], &path);
        if (status == LOP_OK && (i == 0 || folder) && unlink(path) != 0 && errno != ENOENT)
            status = LOP_FAIL(LOP_E_OUTPUT, "%s cannot be removed: %s", path, strerror(errno));
        lop_free(path);
    }
    lop_names_close(&names);
    if (status != LOP_OK || !folder) return status;
    if (rmdir(o->work) != 0 && errno != ENOENT && errno != ENOTEMPTY)
        return LOP_FAIL(LOP_E_OUTPUT, "%s cannot be removed: %s", o->work, strerror(errno));
    return LOP_OK;
}

/* ---- beginning or going on */

static lop_status read_journal(lop_output *o)
{
    char *path = NULL;
    LOP_TRY(lop_path_join(o->work, LOP_JOURNAL_NAME, &path));
    const lop_status status = lop_journal_open(path, &o->journal);
    lop_free(path);
    return status;
}

static lop_status decide(lop_output *o, const lop_output_plan *plan, const char *layout)
{
    if (o->journal.begin && plan->resume) {
        o->resumed = true;
        return lop_journal_match(&o->journal, plan->fingerprint, layout);
    }
    if (o->journal.begin && !plan->force)
        return LOP_FAIL(LOP_E_ARGUMENT,
                        "%s holds a started run; go on with --resume, or start again with --force",
                        o->folder);
    if (!o->journal.begin && plan->resume && plan->finished) {
        o->resumed = o->published = true;
        return lop_output_clear(o, true);
    }
    bool empty = true;
    LOP_TRY(is_empty(o->folder, &empty));
    if (!empty && !plan->force)
        return LOP_FAIL(LOP_E_ARGUMENT,
                        "%s is not empty; choose another folder, or overwrite it with --force", o->folder);
    lop_journal_close(&o->journal);
    LOP_TRY(lop_output_clear(o, false));
    return read_journal(o);
}

/* Before anything is made: a folder that will be refused stays untouched, without even a lock in it. */
static lop_status look_first(const lop_output *o, const lop_output_plan *plan)
{
    bool empty = true;
    if (lop_path_same(o->folder, lop_checkpoint_path(o->source)))
        return LOP_FAIL(LOP_E_ARGUMENT, "%s is the model itself; save to another folder", o->folder);
    if (!lop_path_is_folder(o->folder)) return LOP_OK;
    LOP_TRY(is_empty(o->folder, &empty));
    if (plan->resume && plan->finished) return LOP_OK;
    if (!empty && !plan->force && !lop_path_is_folder(o->work))
        return LOP_FAIL(LOP_E_ARGUMENT,
                        "%s is not empty; choose another folder, or overwrite it with --force", o->folder);
    return LOP_OK;
}

lop_status lop_output_claim(lop_output *o, const lop_output_plan *plan, const char *layout)
{
    LOP_TRY(look_first(o, plan));
    LOP_TRY(take_lock(o));
    const lop_status status = read_journal(o);
    if (status == LOP_E_FORMAT && plan->force && !plan->resume)
        lop_error_clear(); /* damaged, and to be thrown away */
    else
        LOP_TRY(status);
    return decide(o, plan, layout);
}
