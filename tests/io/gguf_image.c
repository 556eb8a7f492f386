/* gguf_image.c - the writer of test files in GGUF. */
#include "tests/io/gguf_image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { TYPE_U32 = 4, TYPE_F32 = 6, TYPE_BOOL = 7, TYPE_TEXT = 8, TYPE_ARRAY = 9 };

void image_put(gguf_image *f, const void *bytes, size_t size)
{
    assert_true(size <= sizeof f->at - f->size);
    if (size > 0) memcpy(f->at + f->size, bytes, size);
    f->size += size;
}

void image_u32(gguf_image *f, uint32_t value)
{
    image_put(f, &value, sizeof value);
}

void image_u64(gguf_image *f, uint64_t value)
{
    image_put(f, &value, sizeof value);
}

void image_text(gguf_image *f, const char *text)
{
    image_u64(f, strlen(text));
    image_put(f, text, strlen(text));
}

static void count_up(gguf_image *f, size_t at)
{
    uint64_t count;
    memcpy(&count, f->at + at, sizeof count);
    count++;
    memcpy(f->at + at, &count, sizeof count);
}

void image_start(gguf_image *f)
{
    f->size = 0;
    f->data = 0;
    image_put(f, "GGUF", 4);
    image_u32(f, 3);
    image_u64(f, 0);
    image_u64(f, 0);
}

void image_key(gguf_image *f, const char *key, uint32_t type)
{
    count_up(f, GGUF_AT_ENTRIES);
    image_text(f, key);
    image_u32(f, type);
}

void image_key_u32(gguf_image *f, const char *key, uint32_t value)
{
    image_key(f, key, TYPE_U32);
    image_u32(f, value);
}

void image_key_f32(gguf_image *f, const char *key, float value)
{
    image_key(f, key, TYPE_F32);
    image_put(f, &value, sizeof value);
}

void image_key_bool(gguf_image *f, const char *key, int value)
{
    const unsigned char byte = (unsigned char)value;
    image_key(f, key, TYPE_BOOL);
    image_put(f, &byte, 1);
}

void image_key_text(gguf_image *f, const char *key, const char *value)
{
    image_key(f, key, TYPE_TEXT);
    image_text(f, value);
}

void image_key_array(gguf_image *f, const char *key, uint32_t element, uint64_t count)
{
    image_key(f, key, TYPE_ARRAY);
    image_u32(f, element);
    image_u64(f, count);
}

void image_key_texts(gguf_image *f, const char *key, const char *const *texts, uint64_t count)
{
    image_key_array(f, key, TYPE_TEXT, count);
    for (uint64_t i = 0; i < count; i++) image_text(f, texts[i]);
}

void image_tensor_at(gguf_image *f, const char *name, uint32_t type, uint64_t rows, uint64_t cols,
                     uint64_t offset)
{
    count_up(f, GGUF_AT_TENSORS);
    image_text(f, name);
    image_u32(f, rows > 0 ? 2 : 1);
    image_u64(f, cols);
    if (rows > 0) image_u64(f, rows);
    image_u32(f, type);
    image_u64(f, offset);
}

void image_tensor(gguf_image *f, const char *name, lop_dtype type, uint64_t rows, uint64_t cols)
{
    uint32_t number = 0;
    lop_dtype found = LOP_DTYPE_COUNT;
    while (!lop_dtype_from_gguf(number, &found) || found != type) number++;
    image_tensor_at(f, name, number, rows, cols, f->data);
    f->data += (lop_dtype_bytes(type, (rows > 0 ? rows : 1) * cols) + 31) / 32 * 32;
}

void image_end(gguf_image *f, size_t alignment)
{
    while (f->size % alignment != 0) image_put(f, "", 1);
    uint32_t noise = 1;
    for (uint64_t i = 0; i < f->data; i++) {
        noise = noise * 1664525u + 1013904223u;
        image_put(f, &(unsigned char){(unsigned char)(noise >> 24)}, 1);
    }
}

static const char *joined(const char *architecture, const char *name)
{
    static char key[96];
    (void)snprintf(key, sizeof key, "%s.%s", architecture, name);
    return key;
}

void image_model_metadata(gguf_image *f, const char *architecture)
{
    static const struct {
        const char *name;
        uint32_t value;
    } rows[] = {
        {"block_count", 1},           {"context_length", 128},     {"embedding_length", 256},
        {"feed_forward_length", 512}, {"attention.head_count", 4}, {"attention.head_count_kv", 2},
    };
    image_key_text(f, "general.architecture", architecture);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        image_key_u32(f, joined(architecture, rows[i].name), rows[i].value);
    image_key_f32(f, joined(architecture, "attention.layer_norm_rms_epsilon"), 1e-5f);
}

void image_model_tensors(gguf_image *f, lop_dtype type)
{
    image_tensor(f, "token_embd.weight", type, 8, 256);
    image_tensor(f, "blk.0.attn_norm.weight", LOP_DTYPE_F32, 0, 256);
    image_tensor(f, "blk.0.attn_q.weight", type, 256, 256);
    image_tensor(f, "blk.0.attn_k.weight", type, 128, 256);
    image_tensor(f, "blk.0.attn_v.weight", type, 128, 256);
    image_tensor(f, "blk.0.attn_output.weight", type, 256, 256);
    image_tensor(f, "blk.0.ffn_norm.weight", LOP_DTYPE_F32, 0, 256);
    image_tensor(f, "blk.0.ffn_gate.weight", type, 512, 256);
    image_tensor(f, "blk.0.ffn_up.weight", type, 512, 256);
    image_tensor(f, "blk.0.ffn_down.weight", type, 256, 512);
    image_tensor(f, "output_norm.weight", LOP_DTYPE_F32, 0, 256);
}

void image_model(gguf_image *f, const char *architecture, lop_dtype type)
{
    image_start(f);
    image_model_metadata(f, architecture);
    image_tokens(f);
    image_model_tensors(f, type);
    image_end(f, 32);
}

void image_tokens(gguf_image *f)
{
    static const char *const tokens[] = {"<s>", "</s>", "a", "b", "c", "ab", "abc", "!"};
    static const char *const merges[] = {"a b", "ab c"};
    static const int32_t types[] = {3, 3, 1, 1, 1, 1, 1, 1};
    image_key_text(f, "tokenizer.ggml.model", "gpt2");
    image_key_text(f, "tokenizer.ggml.pre", "gpt-2");
    image_key_texts(f, "tokenizer.ggml.tokens", tokens, 8);
    image_key_array(f, "tokenizer.ggml.token_type", 5, 8);
    image_put(f, types, sizeof types);
    image_key_texts(f, "tokenizer.ggml.merges", merges, 2);
    image_key_u32(f, "tokenizer.ggml.bos_token_id", 0);
    image_key_u32(f, "tokenizer.ggml.eos_token_id", 1);
}

void gguf_file_open(gguf_file *file)
{
    const char *folder = getenv("TMPDIR");
    (void)snprintf(file->path, sizeof file->path, "%.40s/lop_gguf_XXXXXX", folder ? folder : "/tmp");
    file->handle = mkstemp(file->path);
    assert_true(file->handle >= 0);
}

void gguf_file_write(const gguf_file *file, const void *bytes, size_t size)
{
    assert_int_equal(pwrite(file->handle, bytes, size, 0), size);
    assert_int_equal(ftruncate(file->handle, (off_t)size), 0);
}

void gguf_file_close(gguf_file *file)
{
    (void)close(file->handle);
    (void)unlink(file->path);
}
