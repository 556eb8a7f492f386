/* hash.h - SHA-256 by libcrypto: of memory, of files, and piece by piece. */
#ifndef LOP_CORE_BASE_HASH_H
#define LOP_CORE_BASE_HASH_H

#include "core/base/status.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define LOP_SHA256_TEXT 65 /* 64 hexadecimal digits and the end */

typedef struct lop_sha256 {
    void *impl;
} lop_sha256;

LOP_CHECKED lop_status lop_sha256_open(lop_sha256 *out);
LOP_CHECKED lop_status lop_sha256_add(lop_sha256 *h, const void *bytes, size_t size);
LOP_CHECKED lop_status lop_sha256_text(lop_sha256 *h, char out[LOP_SHA256_TEXT]); /* ends the digest */
void lop_sha256_close(lop_sha256 *h);

LOP_CHECKED lop_status lop_sha256_memory(const void *bytes, size_t size, char out[LOP_SHA256_TEXT]);

/* Of the contents of `count` files, one after the other. LOP_E_STOPPED soon after *stop; NULL: never. */
LOP_CHECKED lop_status lop_sha256_files(const char *const *paths, int count, const atomic_bool *stop,
                                        char out[LOP_SHA256_TEXT]);

#endif
