/* cli_model.h - the trained model of tests/data as tests want it: copied, cut into shards, and damaged in one place. */
#ifndef LOP_TESTS_CLI_CLI_MODEL_H
#define LOP_TESTS_CLI_CLI_MODEL_H

#include "tests/io/scratch.h"

#include <jansson.h>
#include <stdint.h>

#define TINY    LOP_SOURCE_DIR "/tests/data/tiny-llama"
#define CALIB   LOP_SOURCE_DIR "/tests/data/handbook-calib.txt"
#define HELD    LOP_SOURCE_DIR "/tests/data/handbook-heldout.txt"
#define CHOICES LOP_SOURCE_DIR "/tests/data/choices.jsonl"
#define Q_PROJ  "model.layers.1.self_attn.q_proj.weight"

/* The arguments of a small prune: two windows of 32 tokens on one thread. */
#define SMALL(model, save)                                                                                   \
    "prune", (model), "--method", "wanda", "--sparsity-ratio", "0.5", "--calib", CALIB, "--nsamples", "2",   \
        "--seqlen", "32", "--threads", "1", "--save", (save)

/* Copies all files of a folder, or one file, which exists. */
void copy_folder(const char *from, const char *to);
void copy_file(const char *from, const char *to);

/* Writes tiny-llama as two shards and their index. */
void write_shards(const char *folder);

/* A safetensors file in memory: header as JSON, tensor bytes. */
typedef struct tensor_file {
    json_t *header;
    unsigned char *data;
    size_t bytes;
    size_t data_at; /* where data begins in the file */
} tensor_file;
void tensor_file_read(const char *path, tensor_file *out);
void tensor_file_write(const char *path, const tensor_file *file);
void tensor_file_close(tensor_file *file);

/* Where the values of a tensor begin and end in the file. */
void tensor_place(const char *path, const char *name, size_t *at, size_t *bytes);

/* Puts `count` equal BF16 values at element `first` of a tensor. */
void tensor_fill(const char *path, const char *name, size_t first, size_t count, uint16_t value);
uint16_t tensor_value(const char *path, const char *name, size_t index);

/* Sets a key of a JSON file to a value given as JSON text; NULL takes it away. */
void json_edit(const char *path, const char *key, const char *value);

/* Changes bytes of a file in place, or its length. */
void file_put(const char *path, size_t at, const void *bytes, size_t size);
size_t file_size(const char *path);
void file_cut(const char *path, size_t size);

/* Two strings hold all of a folder's names and digests; the report's with what measures time set to null. The caller
 * frees. */
char *folder_digest(const char *folder);

#endif
