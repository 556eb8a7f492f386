/* fuzz_gguf.c - any bytes as a GGUF file: header, config, tokenizer, and the first group of every tensor. */
#include "core/io/gguf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The parsers take a path; a file in memory has one. */
static int memory_file(const uint8_t *data, size_t size, char path[32])
{
    static int handle = -1;
    if (handle < 0) handle = memfd_create("gguf", MFD_CLOEXEC);
    if (handle < 0 || ftruncate(handle, 0) != 0 || pwrite(handle, data, size, 0) != (ssize_t)size) abort();
    (void)snprintf(path, 32, "/proc/self/fd/%d", handle);
    return handle;
}

static void read_starts(const lop_gguf *g)
{
    unsigned char group[256];
    float values[256];
    for (int32_t i = 0; i < lop_gguf_count(g); i++) {
        const lop_tensor *t = lop_gguf_at(g, i);
        if (!lop_dtype_is_float(t->dtype)) continue;
        if (lop_file_read_at(lop_gguf_file(g), t->at, group, lop_dtype_group_bytes(t->dtype)) != LOP_OK)
            abort();
        lop_dtype_convert(t->dtype, group, LOP_DTYPE_F32, values, lop_dtype_group_elements(t->dtype));
    }
}

static void use_tokenizer(const lop_gguf *g)
{
    lop_tokenizer *t = NULL;
    lop_ids ids = {0};
    lop_string text = {0};
    if (lop_gguf_tokenizer(g, &t) != LOP_OK) return;
    if (lop_tokenizer_encode(t, lop_text_of("Hello, w\xc3\xb6rld! 123\n  ab"), true, &ids) == LOP_OK)
        (void)!lop_tokenizer_decode(t, ids.at, ids.count, &text);
    lop_string_close(&text);
    lop_ids_close(&ids);
    lop_tokenizer_close(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[32];
    lop_gguf *g = NULL;
    lop_config config;
    (void)memory_file(data, size, path);
    if (lop_gguf_open(path, &g) != LOP_OK) return 0;
    (void)!lop_gguf_config(g, &config);
    read_starts(g);
    use_tokenizer(g);
    lop_gguf_close(g);
    return 0;
}
