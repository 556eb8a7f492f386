/* byte_alphabet.h - the 256 printable characters that byte-level vocabularies write bytes with.
 *
 * Source: bytes_to_unicode in GPT-2's encoder.py: printable bytes of Latin-1 stand for themselves, the others, in order,
 * for U+0100 and on. */
#ifndef LOP_CORE_IO_BYTE_ALPHABET_H
#define LOP_CORE_IO_BYTE_ALPHABET_H

#include "core/base/text.h"

#include <stdint.h>

uint32_t lop_alphabet_char(unsigned char byte);

/* The byte that a character stands for, or -1. */
int lop_alphabet_byte(uint32_t c);

/* Appends the alphabet's text of bytes. */
LOP_CHECKED lop_status lop_alphabet_encode(lop_text bytes, lop_string *out);

#endif
