/* byte_alphabet.c - bytes to printable characters and back. */
#include "core/io/byte_alphabet.h"

#include "core/io/unicode.h"

/* The 68 bytes that are not printable: 0 to 32, 127 to 160, 173. */
uint32_t lop_alphabet_char(unsigned char byte)
{
    if (byte <= 32) return 256U + byte;
    if (byte >= 127 && byte <= 160) return 256U + 33U + (byte - 127U);
    if (byte == 173) return 256U + 67U;
    return byte;
}

int lop_alphabet_byte(uint32_t c)
{
    if (c < 256) return lop_alphabet_char((unsigned char)c) == c ? (int)c : -1;
    if (c <= 256 + 32) return (int)(c - 256);
    if (c <= 256 + 66) return (int)(c - 256 - 33 + 127);
    return c == 256 + 67 ? 173 : -1;
}

lop_status lop_alphabet_encode(lop_text bytes, lop_string *out)
{
    char buffer[512];
    size_t used = 0;
    for (size_t i = 0; i < bytes.size; i++) {
        used += (size_t)lop_char_put(lop_alphabet_char((unsigned char)bytes.at[i]), buffer + used);
        if (used + 4 <= sizeof buffer) continue;
        LOP_TRY(lop_string_add(out, buffer, used));
        used = 0;
    }
    return lop_string_add(out, buffer, used);
}
