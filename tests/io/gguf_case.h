/* gguf_case.h - a GGUF file that is wrong in one way, and what must come of it. */
#ifndef LOP_TESTS_IO_GGUF_CASE_H
#define LOP_TESTS_IO_GGUF_CASE_H

#include "core/base/status.h"
#include "tests/io/gguf_image.h"

/* Opening, or what is asked for after it. */
typedef enum gguf_stage { GGUF_OPEN, GGUF_CONFIG, GGUF_TOKENIZER } gguf_stage;

typedef struct gguf_case {
    void (*build)(void); /* puts the file together in the image that is handed to the check */
    gguf_stage stage;    /* where it comes out; opening succeeds when that is later */
    lop_status status;
    const char *words; /* part of the sentence */
} gguf_case;

/* Opens a file, asks for what `last` says, and closes all. */
lop_status gguf_run(const char *path, gguf_stage last);

/* Fails the running cmocka test, after all cases ran, if one came out otherwise. */
void gguf_cases_check(const gguf_case *cases, size_t count, const gguf_image *image);

#endif
