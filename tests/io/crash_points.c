/* crash_points.c - the C library's calls that change a disk, under their own names: the linker takes these first. Each
 * counts and then makes the system call itself. */
#include "tests/io/crash_points.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static int countdown; /* 0: off */

void crash_at(int n)
{
    countdown = n;
}

static void step(void)
{
    if (countdown > 0 && --countdown == 0) _exit(CRASH_EXIT);
}

int rename(const char *from, const char *to)
{
    step();
    return (int)syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);
}

int unlink(const char *path)
{
    step();
    return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

int rmdir(const char *path)
{
    step();
    return (int)syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR);
}

int mkdir(const char *path, mode_t mode)
{
    step();
    return (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}

int fsync(int handle)
{
    step();
    return fcntl(handle, F_GETFD) < 0 ? -1 : 0;
}

int fdatasync(int handle)
{
    step();
    return fcntl(handle, F_GETFD) < 0 ? -1 : 0;
}

int ftruncate(int handle, off_t size)
{
    step();
    return (int)syscall(SYS_ftruncate, handle, size);
}

/* Half of what is written arrives before the crash. */
ssize_t pwrite(int handle, const void *bytes, size_t size, off_t at)
{
    if (countdown == 1 && size > 1) (void)syscall(SYS_pwrite64, handle, bytes, size / 2, at);
    step();
    return (ssize_t)syscall(SYS_pwrite64, handle, bytes, size, at);
}
