/* fuzz_safetensors.c - any bytes as a safetensors file and as a config.json; a config that is read is written and must
 * be read again as the same. */
#include "core/io/config_json.h"
#include "core/io/safetensors.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The parser takes a path; a file in memory has one. */
static void memory_file(const uint8_t *data, size_t size, char path[32])
{
    static int handle = -1;
    if (handle < 0) handle = memfd_create("safetensors", MFD_CLOEXEC);
    if (handle < 0 || ftruncate(handle, 0) != 0 || pwrite(handle, data, size, 0) != (ssize_t)size) abort();
    (void)snprintf(path, 32, "/proc/self/fd/%d", handle);
}

static void open_tensors(const uint8_t *data, size_t size)
{
    char path[32];
    lop_safetensors s;
    lop_string metadata = {0};
    memory_file(data, size, path);
    if (lop_safetensors_open(path, &s) != LOP_OK) return;
    for (int32_t i = 0; i < s.count; i++)
        if (s.at[i].at > size || s.at[i].bytes > size - s.at[i].at) abort();
    (void)!lop_safetensors_metadata(s.header, &metadata);
    lop_string_close(&metadata);
    lop_safetensors_close(&s);
}

static void read_config(const uint8_t *data, size_t size)
{
    lop_config config, again;
    lop_string text = {0};
    if (lop_config_read((const char *)data, size, &config) != LOP_OK) return;
    const bool plain = config.rope.kind != LOP_ROPE_TABLE;
    if (plain && lop_config_write(&config, LOP_DTYPE_F32, &text) == LOP_OK) {
        const bool same = lop_config_read(text.at, text.size, &again) == LOP_OK &&
                          again.blocks == config.blocks && again.hidden == config.hidden &&
                          again.kv_heads == config.kv_heads && again.vocab == config.vocab &&
                          strcmp(again.family, config.family) == 0;
        if (!same) abort();
    }
    lop_string_close(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    open_tensors(data, size);
    read_config(data, size);
    return 0;
}
