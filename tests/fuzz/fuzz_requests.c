/* fuzz_requests.c - any bytes as a zero-shot set, plain or packed. */
#include "core/io/requests.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The parser takes a path; a file in memory has one. */
static void memory_file(const uint8_t *data, size_t size, char path[32])
{
    static int handle = -1;
    if (handle < 0) handle = memfd_create("requests", MFD_CLOEXEC);
    if (handle < 0 || ftruncate(handle, 0) != 0 || pwrite(handle, data, size, 0) != (ssize_t)size) abort();
    (void)snprintf(path, 32, "/proc/self/fd/%d", handle);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[32];
    lop_requests r;
    memory_file(data, size, path);
    if (lop_requests_open(path, &r) != LOP_OK) return 0;
    for (int64_t i = 0; i < r.count; i++) {
        const lop_request *a = &r.at[i];
        if (!lop_utf8_valid(a->context.at, a->context.size, NULL)) abort();
        if (!lop_utf8_valid(a->continuation.at, a->continuation.size, NULL)) abort();
        if (a->continuation.size == 0 || a->answer < 0 || a->label < 0) abort();
        if (i == 0 ? a->answer != 0 : a->answer != 0 && a->question != r.at[i - 1].question) abort();
    }
    if (r.questions < 1 || r.count < 2 * r.questions) abort();
    lop_requests_close(&r);
    return 0;
}
