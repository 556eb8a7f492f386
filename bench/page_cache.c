/* page_cache.c - dropped pages are asked for and then counted, because the system may keep them. */
#include "bench/page_cache.h"

#include "core/base/file.h"
#include "core/base/memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct pages {
    double resident, all;
} pages;

static lop_status count(const lop_file *file, pages *p)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), n = ((size_t)file->size + page - 1) / page;
    unsigned char *held = NULL;
    lop_map map = {0};
    LOP_TRY(LOP_NEW(&held, n));
    lop_status status = lop_map_open(file, (size_t)file->size, &map);
    const bool known = status == LOP_OK && mincore((void *)(uintptr_t)map.at, map.bytes, held) == 0;
    for (size_t i = 0; i < n; i++) p->resident += known ? held[i] & 1 : 1;
    p->all += (double)n;
    if (status == LOP_OK) lop_map_close(&map);
    lop_free(held);
    return status;
}

static lop_status drop(const char *path, pages *p)
{
    lop_file file;
    LOP_TRY(lop_file_open(path, &file));
    (void)fdatasync(file.handle); /* pages that are not written yet stay */
    (void)posix_fadvise(file.handle, 0, 0, POSIX_FADV_DONTNEED);
    const lop_status status = count(&file, p);
    lop_file_close(&file);
    return status;
}

lop_status page_cache_drop(const lop_checkpoint *model, double *resident)
{
    pages p = {0};
    for (int32_t i = 0; i < lop_checkpoint_files(model); i++)
        LOP_TRY(drop(lop_checkpoint_file_path(model, i), &p));
    *resident = p.all > 0 ? p.resident / p.all : 0.0;
    return LOP_OK;
}
