/* fuzz_tokenizer.c - any bytes as a tokenizer.json, and what follows the last zero byte as a text for it: encoded,
 * decoded, and the same ids again as any ids. */
#include "core/io/tokenizer.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define TEXT_MOST 4096 /* bytes of text: patterns may take long on long ones, within their limits */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The parser takes a path; a file in memory has one. */
static void memory_file(const uint8_t *data, size_t size, char path[32])
{
    static int handle = -1;
    if (handle < 0) handle = memfd_create("tokenizer", MFD_CLOEXEC);
    if (handle < 0 || ftruncate(handle, 0) != 0 || pwrite(handle, data, size, 0) != (ssize_t)size) abort();
    (void)snprintf(path, 32, "/proc/self/fd/%d", handle);
}

static void decode(const lop_tokenizer *t, const int32_t *ids, int64_t count)
{
    lop_string out = {0};
    const lop_status status = lop_tokenizer_decode(t, ids, count, &out);
    if (status == LOP_OK && out.size > 0 && !lop_utf8_valid(out.at, out.size, NULL)) abort();
    lop_string_close(&out);
}

static void use(const lop_tokenizer *t, lop_text text)
{
    static const int32_t odd[] = {-1, 0, 1, 2, 3, 255, INT32_MAX, INT32_MIN};
    lop_ids ids = {0};
    if (lop_tokenizer_encode(t, text, true, &ids) == LOP_OK) {
        for (int64_t i = 0; i < ids.count; i++)
            if (ids.at[i] < 0 || ids.at[i] >= lop_tokenizer_size(t)) abort();
        decode(t, ids.at, ids.count);
    } else if (ids.count != 0) {
        abort();
    }
    lop_ids_close(&ids);
    decode(t, odd, (int64_t)(sizeof odd / sizeof *odd));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[32];
    lop_tokenizer *t = NULL;
    const uint8_t *zero = memrchr(data, 0, size);
    const size_t json = zero ? (size_t)(zero - data) : size;
    lop_text text = lop_text_of("Hello, w\xC3\xB6rld! 123\n  ab <s> ");
    if (zero != NULL) text = (lop_text){(const char *)zero + 1, size - json - 1};
    if (text.size > TEXT_MOST) text.size = TEXT_MOST;
    memory_file(data, json, path);
    if (lop_tokenizer_open_json(path, &t) != LOP_OK) return 0;
    use(t, text);
    use(t, lop_text_of("a"));
    lop_tokenizer_close(t);
    return 0;
}
