/* opencl_cache.c - built programs on disk, one file each: the digest of what follows, a line end, and the driver's binary.
 * The name of a file is its key. Nothing here fails a run: without a cache programs are built from their text. */
#include "backends/opencl/opencl_program.h"
#include "core/base/file.h"
#include "core/base/hash.h"
#include "core/base/memory.h"
#include "core/base/text.h"

#include <string.h>

enum { DIGEST = LOP_SHA256_TEXT - 1, BINARY_MOST = 256 << 20 };
_Static_assert(OPENCL_KEY == LOP_SHA256_TEXT, "a key is a digest");

lop_status opencl_cache_key(const opencl_device *device, const char *options, char out[OPENCL_KEY])
{
    lop_sha256 hash;
    lop_status status;
    LOP_TRY(lop_sha256_open(&hash));
    for (size_t i = 0; i < opencl_kernels.count; i++)
        LOP_TRY_DONE(lop_sha256_add(&hash, opencl_kernels.lines[i], strlen(opencl_kernels.lines[i])));
    LOP_TRY_DONE(lop_sha256_add(&hash, options, strlen(options) + 1));
    LOP_TRY_DONE(lop_sha256_add(&hash, device->made_by, strlen(device->made_by) + 1));
    status = lop_sha256_text(&hash, out);
done:
    lop_sha256_close(&hash);
    return status;
}

static lop_status path_of(const opencl_device *device, const char *key, char **out)
{
    lop_string name = {0};
    lop_status status = lop_string_print(&name, "opencl-%s.bin", key);
    if (status == LOP_OK) status = lop_path_join(device->cache, name.at, out);
    lop_string_close(&name);
    return status;
}

/* The binary inside a file's bytes, moved to their front; false if it is not what its digest says. */
static bool unwrap(char *bytes, size_t *size)
{
    char digest[LOP_SHA256_TEXT];
    if (*size <= DIGEST + 1 || bytes[DIGEST] != '\n') return false;
    const size_t rest = *size - DIGEST - 1;
    if (lop_sha256_memory(bytes + DIGEST + 1, rest, digest) != LOP_OK) return false;
    if (memcmp(bytes, digest, DIGEST) != 0) return false;
    memmove(bytes, bytes + DIGEST + 1, rest);
    *size = rest;
    return true;
}

lop_status opencl_cache_read(const opencl_device *device, const char *key, unsigned char **out, size_t *size)
{
    char *path = NULL, *bytes = NULL;
    *out = NULL;
    if (device->cache == NULL) return LOP_OK;
    LOP_TRY(path_of(device, key, &path));
    if (lop_path_is_file(path) && lop_file_read(path, BINARY_MOST, &bytes, size) == LOP_OK &&
        unwrap(bytes, size)) {
        *out = (unsigned char *)bytes;
    } else {
        lop_error_clear();
        lop_free(bytes);
    }
    lop_free(path);
    return LOP_OK;
}

/* Digest, line end, binary; the caller frees. */
static lop_status wrap(cl_program program, char **out, size_t *size)
{
    size_t bytes = 0; /* one: a program of one device has one binary */
    OPENCL_TRY(clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof bytes, &bytes, NULL));
    if (bytes == 0) return LOP_FAIL(LOP_E_DEVICE, "the driver gives no binary");
    LOP_TRY(LOP_NEW(out, DIGEST + 1 + bytes));
    unsigned char *binaries[] = {(unsigned char *)*out + DIGEST + 1};
    OPENCL_TRY(clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof binaries, binaries, NULL));
    char digest[LOP_SHA256_TEXT];
    LOP_TRY(lop_sha256_memory(binaries[0], bytes, digest));
    memcpy(*out, digest, DIGEST);
    (*out)[DIGEST] = '\n';
    *size = DIGEST + 1 + bytes;
    return LOP_OK;
}

void opencl_cache_write(const opencl_device *device, const char *key, cl_program program)
{
    char *path = NULL, *bytes = NULL;
    size_t size = 0;
    if (device->cache == NULL) return;
    if (wrap(program, &bytes, &size) != LOP_OK || lop_folder_make(device->cache) != LOP_OK ||
        path_of(device, key, &path) != LOP_OK || lop_file_write_atomic(path, bytes, size) != LOP_OK)
        lop_error_clear();
    lop_free(path);
    lop_free(bytes);
}
