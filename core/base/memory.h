/* memory.h - host memory: every allocation of the library goes through here, so that a test can fail the n-th and
 * a run can say what it took at its peak. */
#ifndef LOP_CORE_BASE_MEMORY_H
#define LOP_CORE_BASE_MEMORY_H

#include "core/base/status.h"

#include <stddef.h>
#include <stdint.h>

/* Allocates count * size zeroed bytes and stores the address in *out, a pointer to a pointer of any object type.
 *
 *   Errors   LOP_E_MEMORY (also when count * size overflows); *out is then NULL
 *   Owner    the caller frees with lop_free; count or size 0 gives a pointer that may be freed and not read */
LOP_CHECKED lop_status lop_alloc(size_t count, size_t size, void *out);

/* The same for `bytes` unset bytes at a multiple of `align` (a power of two): buffers for pread and for devices. */
LOP_CHECKED lop_status lop_alloc_aligned(size_t bytes, size_t align, void *out);

/* Grows *pointer (from lop_alloc) to count * size bytes, contents kept, new bytes unset. On failure it stays as is. */
LOP_CHECKED lop_status lop_realloc(size_t count, size_t size, void *pointer);

/* Frees what any of the three gave. NULL is allowed. */
void lop_free(void *pointer);

/* Allocates `count` objects of the type *out points to. */
#define LOP_NEW(out, count) lop_alloc((size_t)(count), sizeof **(out), (out))

/* Copies a string, or `size` bytes with a terminating zero. */
LOP_CHECKED lop_status lop_strdup(const char *text, char **out);
LOP_CHECKED lop_status lop_memdup_text(const char *text, size_t size, char **out);

/* The fault ladder for tests: the n-th allocation from now (1 is the next) and all after it fail; 0 turns it off. */
void lop_alloc_fail_at(int64_t n);

/* Peak memory of this process so far, in bytes: anonymous pages, and mapped file pages named apart. Read from the
 * kernel; `anonymous` is its high-water mark, `mapped` what is resident of files now. */
typedef struct lop_host_peak {
    size_t anonymous;
    size_t mapped;
} lop_host_peak;
void lop_host_peak_read(lop_host_peak *out);

#endif
