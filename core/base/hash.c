/* hash.c - SHA-256 through libcrypto's EVP interface. */
#include "core/base/hash.h"

#include "core/base/file.h"
#include "core/base/memory.h"

#include <openssl/evp.h>

#define PIECE_BYTES ((size_t)1 << 20)    /* of one read when a file is hashed: stays in the cache */
#define AHEAD_BYTES ((uint64_t)16 << 20) /* that the disk is told of at a time */

static lop_status fail_digest(void)
{
    return LOP_FAIL(LOP_E_INTERNAL, "libcrypto gives no SHA-256 digest");
}

lop_status lop_sha256_open(lop_sha256 *out)
{
    out->impl = NULL;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (context == NULL) return LOP_FAIL(LOP_E_MEMORY, "not enough host memory for a digest");
    if (EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1) {
        EVP_MD_CTX_free(context);
        return fail_digest();
    }
    out->impl = context;
    return LOP_OK;
}

lop_status lop_sha256_add(lop_sha256 *h, const void *bytes, size_t size)
{
    return EVP_DigestUpdate(h->impl, bytes, size) == 1 ? LOP_OK : fail_digest();
}

lop_status lop_sha256_text(lop_sha256 *h, char out[LOP_SHA256_TEXT])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int n = 0;
    out[0] = '\0';
    if (EVP_DigestFinal_ex(h->impl, digest, &n) != 1 || n != 32) return fail_digest();
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[digest[i] >> 4];
        out[2 * i + 1] = digits[digest[i] & 15];
    }
    out[LOP_SHA256_TEXT - 1] = '\0';
    return LOP_OK;
}

void lop_sha256_close(lop_sha256 *h)
{
    if (h == NULL) return;
    EVP_MD_CTX_free(h->impl);
    h->impl = NULL;
}

lop_status lop_sha256_memory(const void *bytes, size_t size, char out[LOP_SHA256_TEXT])
{
    lop_sha256 h;
    LOP_TRY(lop_sha256_open(&h));
    lop_status status = lop_sha256_add(&h, bytes, size);
    if (status == LOP_OK) status = lop_sha256_text(&h, out);
    lop_sha256_close(&h);
    return status;
}

/* The disk has this stretch and the next to read while one is hashed. */
static void want_ahead(const lop_file *file, uint64_t at)
{
    if (at % AHEAD_BYTES != 0) return;
    lop_file_want(file, at == 0 ? 0 : at + AHEAD_BYTES, at == 0 ? 2 * AHEAD_BYTES : AHEAD_BYTES);
}

static lop_status add_file(lop_sha256 *h, const char *path, const atomic_bool *stop, void *piece)
{
    lop_file file;
    LOP_TRY(lop_file_open(path, &file));
    lop_status status = LOP_OK;
    for (uint64_t at = 0; status == LOP_OK && at < file.size; at += PIECE_BYTES) {
        const uint64_t left = file.size - at;
        const size_t n = left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;
        want_ahead(&file, at);
        status = stop != NULL && atomic_load(stop) ? LOP_FAIL(LOP_E_STOPPED, "stopped on request") : LOP_OK;
        if (status == LOP_OK) status = lop_file_read_at(&file, at, piece, n);
        if (status == LOP_OK) status = lop_sha256_add(h, piece, n);
    }
    lop_file_close(&file);
    return status;
}

lop_status lop_sha256_files(const char *const *paths, int count, const atomic_bool *stop,
                            char out[LOP_SHA256_TEXT])
{
    lop_sha256 h = {NULL};
    void *piece = NULL;
    lop_status status = LOP_OK;
    LOP_TRY_DONE(lop_sha256_open(&h));
    LOP_TRY_DONE(lop_alloc_aligned(PIECE_BYTES, 4096, &piece));
    for (int i = 0; i < count; i++) LOP_TRY_DONE(add_file(&h, paths[i], stop, piece));
    LOP_TRY_DONE(lop_sha256_text(&h, out));
done:
    lop_free(piece);
    lop_sha256_close(&h);
    return status;
}
