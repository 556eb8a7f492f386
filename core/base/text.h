/* text.h - views of text, growing strings, and numbers read from text with nothing forgiven. */
#ifndef LOP_CORE_BASE_TEXT_H
#define LOP_CORE_BASE_TEXT_H

#include "core/base/status.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A view of `size` bytes that somebody else owns; not zero-terminated. */
typedef struct lop_text {
    const char *at;
    size_t size;
} lop_text;

lop_text lop_text_of(const char *zero_terminated);
bool lop_text_equal(lop_text a, lop_text b);
bool lop_text_is(lop_text a, const char *b);

/* A string that grows; `at` is zero-terminated whenever it is not NULL. Zero-initialise it; lop_string_close frees. */
typedef struct lop_string {
    char *at;
    size_t size, room;
} lop_string;

LOP_CHECKED lop_status lop_string_add(lop_string *s, const char *text, size_t size);
LOP_CHECKED lop_status lop_string_print(lop_string *s, const char *format, ...)
    LOP_PRINTF(2, 3); /* in the C locale */
LOP_CHECKED lop_status lop_string_print_list(lop_string *s, const char *format, va_list args);

/* snprintf in the C locale: what does not fit is cut, between characters. */
void lop_text_print(char *out, size_t size, const char *format, ...) LOP_PRINTF(3, 4);

/* Adds the text as a JSON string, quoted and escaped; what is not UTF-8 becomes U+FFFD, byte for byte. */
LOP_CHECKED lop_status lop_string_add_json(lop_string *s, const char *text, size_t size);
void lop_string_close(lop_string *s);
bool lop_string_equal(const lop_string *a, const lop_string *b);

/* Whole-text decimal numbers, in the C locale: blanks, trailing characters, overflow, NaN and infinity are
 * LOP_E_ARGUMENT. */
LOP_CHECKED lop_status lop_parse_int(const char *text, int64_t *out);
LOP_CHECKED lop_status lop_parse_real(const char *text, double *out);

/* "20G", "512M", "4K" (binary units), or bytes. */
LOP_CHECKED lop_status lop_parse_bytes(const char *text, uint64_t *out);

/* True if the bytes are well-formed UTF-8; *bad receives the offset of the first that is not. bad may be NULL. */
bool lop_utf8_valid(const char *at, size_t size, size_t *bad);

#endif
