/* unicode.h - characters of text that is known to be UTF-8: stepping, writing, and the classes that tokenizers ask for,
 * as the regular expressions of Rust and Oniguruma define them. */
#ifndef LOP_CORE_IO_UNICODE_H
#define LOP_CORE_IO_UNICODE_H

#include "core/base/text.h"

#include <stdbool.h>
#include <stdint.h>

/* The character that starts at at[*i], i < size; *i moves to the next one. Never reads beyond size. */
uint32_t lop_char_next(const char *at, size_t size, size_t *i);

/* The start of the character that ends before `end`, end > 0. */
size_t lop_char_before(const char *at, size_t end);

/* Writes a character as 1 to 4 bytes and returns how many. */
int lop_char_put(uint32_t c, char out[4]);

bool lop_char_is_space(uint32_t c);  /* White_Space */
bool lop_char_is_number(uint32_t c); /* general category N */
bool lop_char_is_word(uint32_t c);   /* Alphabetic, M, Nd, Pc, Join_Control: \w */

#endif
