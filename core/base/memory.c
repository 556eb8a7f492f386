/* memory.c - host memory with a fault ladder, and the process's own peak as the kernel counts it. */
#include "core/base/memory.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static atomic_llong fail_countdown; /* 0: off; n: the n-th allocation from now fails, and all after it */

void lop_alloc_fail_at(int64_t n)
{
    atomic_store(&fail_countdown, (long long)n);
}

static int fault_due(void)
{
    long long left = atomic_load(&fail_countdown);
    if (left == 0) return 0;
    while (left > 1)
        if (atomic_compare_exchange_weak(&fail_countdown, &left, left - 1)) return 0;
    return left == 1;
}

static lop_status fail_bytes(size_t count, size_t size)
{
    return LOP_FAIL(LOP_E_MEMORY, "not enough host memory for %zu x %zu bytes", count, size);
}

static int overflows(size_t count, size_t size)
{
    return size != 0 && count > SIZE_MAX / size;
}

/* Every out parameter here is a pointer to some object pointer; memcpy stores it without assuming which. */
static void give(void *out, void *pointer)
{
    memcpy(out, &pointer, sizeof pointer);
}

lop_status lop_alloc(size_t count, size_t size, void *out)
{
    give(out, NULL);
    if (fault_due() || overflows(count, size)) return fail_bytes(count, size);
    void *pointer = calloc(count ? count : 1, size ? size : 1);
    if (pointer == NULL) return fail_bytes(count, size);
    give(out, pointer);
    return LOP_OK;
}

lop_status lop_alloc_aligned(size_t bytes, size_t align, void *out)
{
    give(out, NULL);
    if (fault_due() || bytes > SIZE_MAX - align) return fail_bytes(1, bytes);
    void *pointer = aligned_alloc(align, (bytes + align) / align * align);
    if (pointer == NULL) return fail_bytes(1, bytes);
    give(out, pointer);
    return LOP_OK;
}

lop_status lop_realloc(size_t count, size_t size, void *pointer)
{
    if (fault_due() || overflows(count, size)) return fail_bytes(count, size);
    void *old;
    memcpy(&old, pointer, sizeof old);
    const size_t bytes = count * size;
    void *grown = realloc(old, bytes > 0 ? bytes : 1);
    if (grown == NULL) return fail_bytes(count, size);
    give(pointer, grown);
    return LOP_OK;
}

void lop_free(void *pointer)
{
    free(pointer);
}

lop_status lop_memdup_text(const char *text, size_t size, char **out)
{
    LOP_TRY(lop_alloc(size + 1, 1, out));
    if (size) memcpy(*out, text, size);
    return LOP_OK;
}

lop_status lop_strdup(const char *text, char **out)
{
    return lop_memdup_text(text, strlen(text), out);
}

static size_t status_field(const char *line, const char *name)
{
    const size_t n = strlen(name);
    return strncmp(line, name, n) == 0 ? (size_t)strtoull(line + n, NULL, 10) * 1024 : 0;
}

/* The kernel keeps one high-water mark for all resident pages (VmHWM); what of it is files is known only for now. */
void lop_host_peak_read(lop_host_peak *out)
{
    memset(out, 0, sizeof *out);
    FILE *file = fopen("/proc/self/status", "r");
    if (file == NULL) return;
    size_t peak = 0;
    char line[256];
    while (fgets(line, sizeof line, file)) {
        peak += status_field(line, "VmHWM:");
        out->mapped += status_field(line, "RssFile:");
    }
    (void)fclose(file);
    out->anonymous = peak > out->mapped ? peak - out->mapped : 0;
}
