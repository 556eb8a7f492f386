/* tokenizer_case.h - what the tests of tokenizers share: cmocka, and small tokenizers from JSON written in a test.
 * In JSON written in a test a backtick stands for a quote. */
#ifndef LOP_TESTS_TOKENIZER_TOKENIZER_CASE_H
#define LOP_TESTS_TOKENIZER_TOKENIZER_CASE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/text.h"
#include "core/io/tokenizer.h"
#include "tests/harness/status_checks.h"

#include <stdbool.h>

/* The text with quotes for backticks; the caller closes it. */
lop_string case_json(const char *text);

/* A folder for files of this program, made on first use and removed at the end. */
const char *case_folder(void);

/* Writes a file of that folder and gives its path, valid until the fourth call after this one. */
const char *case_file(const char *name, const char *bytes, size_t size);

/* Opens tokenizer.json printed from a format, backticks and all. */
lop_status case_open(lop_tokenizer **out, const char *format, ...) LOP_PRINTF(2, 3);

/* The tokenizer encodes the text into exactly these ids. */
void case_ids(const lop_tokenizer *t, const char *text, bool special, const int32_t *ids, int64_t count);

/* What GGUF metadata say of the tokenizer, read back. */
lop_status case_through_spec(const lop_tokenizer *t, lop_tokenizer **out);

/* The ids of a text; the caller closes them. */
lop_ids case_encode(const lop_tokenizer *t, lop_text text);

/* sha256 of ids as little-endian int32. */
void case_sha256(const lop_ids *ids, char out[65]);

#endif
