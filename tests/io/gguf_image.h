/* gguf_image.h - GGUF files put together byte by byte, right or wrong, for tests. */
#ifndef LOP_TESTS_IO_GGUF_IMAGE_H
#define LOP_TESTS_IO_GGUF_IMAGE_H

#include "core/io/dtype.h"

#include <stddef.h>
#include <stdint.h>

#define GGUF_IMAGE_ROOM (4u << 20)

/* The file so far. The two counts in the header are kept by the verbs below; tests overwrite what they want wrong. */
typedef struct gguf_image {
    unsigned char at[GGUF_IMAGE_ROOM];
    size_t size;
    uint64_t data; /* the next tensor's offset */
} gguf_image;

/* Where things stand in the first 24 bytes. */
enum { GGUF_AT_VERSION = 4, GGUF_AT_TENSORS = 8, GGUF_AT_ENTRIES = 16 };

void image_put(gguf_image *f, const void *bytes, size_t size);
void image_u32(gguf_image *f, uint32_t value);
void image_u64(gguf_image *f, uint64_t value);
void image_text(gguf_image *f, const char *text);

/* Magic, version 3, no tensors, no metadata. */
void image_start(gguf_image *f);

/* A key and a value type, counted; the value is put by the caller. */
void image_key(gguf_image *f, const char *key, uint32_t type);
void image_key_u32(gguf_image *f, const char *key, uint32_t value);
void image_key_f32(gguf_image *f, const char *key, float value);
void image_key_bool(gguf_image *f, const char *key, int value);
void image_key_text(gguf_image *f, const char *key, const char *value);
void image_key_array(gguf_image *f, const char *key, uint32_t element, uint64_t count);
void image_key_texts(gguf_image *f, const char *key, const char *const *texts, uint64_t count);

/* A line of the tensor table, counted; rows 0: a vector of cols. Its data follow those of the last one. */
void image_tensor(gguf_image *f, const char *name, lop_dtype type, uint64_t rows, uint64_t cols);
void image_tensor_at(gguf_image *f, const char *name, uint32_t type, uint64_t rows, uint64_t cols,
                     uint64_t offset);

/* Ends the header: pads it to the alignment and appends the data of all tensors, a fixed noise. */
void image_end(gguf_image *f, size_t alignment);

/* The metadata and tensors of a model of one block: 8 tokens, 256 wide, 512 feed-forward, 4 heads of 64 over 2; its
 * matrices in `type`, `architecture` as GGUF says it. */
void image_model(gguf_image *f, const char *architecture, lop_dtype type);
void image_model_metadata(gguf_image *f, const char *architecture);
void image_model_tensors(gguf_image *f, lop_dtype type);
void image_tokens(gguf_image *f); /* tokenizer.ggml.*: eight tokens, byte-level, two merges */

/* A temporary file; write replaces its contents. */
typedef struct gguf_file {
    int handle;
    char path[64];
} gguf_file;
void gguf_file_open(gguf_file *file);
void gguf_file_write(const gguf_file *file, const void *bytes, size_t size);
void gguf_file_close(gguf_file *file);

#endif
