/* unicode.c - stepping through UTF-8, and character classes on utf8proc's categories. */
#include "core/io/unicode.h"

#include <utf8proc.h>

uint32_t lop_char_next(const char *at, size_t size, size_t *i)
{
    const unsigned char first = (unsigned char)at[(*i)++];
    if (first < 0x80) return first;
    uint32_t c = first & (first >= 0xF0 ? 0x07U : first >= 0xE0 ? 0x0FU : 0x1FU);
    while (*i < size && ((unsigned char)at[*i] & 0xC0) == 0x80)
        c = c << 6 | ((unsigned char)at[(*i)++] & 0x3FU);
    return c;
}

size_t lop_char_before(const char *at, size_t end)
{
    size_t i = end - 1;
    while (i > 0 && ((unsigned char)at[i] & 0xC0) == 0x80) i--;
    return i;
}

int lop_char_put(uint32_t c, char out[4])
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    const int size = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char mark[5] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (int i = size - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (c & 0x3F));
        c >>= 6;
    }
    out[0] = (char)(mark[size] | c);
    return size;
}

bool lop_char_is_space(uint32_t c)
{
    if (c <= 0x20) return c == 0x20 || (c >= 0x09 && c <= 0x0D);
    if (c < 0x1680) return c == 0x85 || c == 0xA0;
    return c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
           c == 0x205F || c == 0x3000;
}

bool lop_char_is_number(uint32_t c)
{
    if (c < 0x80) return c >= '0' && c <= '9';
    const utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)c);
    return category == UTF8PROC_CATEGORY_ND || category == UTF8PROC_CATEGORY_NL ||
           category == UTF8PROC_CATEGORY_NO;
}

/* Alphabetic is L, Nl and Other_Alphabetic; what of the last is not a mark already are these circled letters. */
static bool is_circled_letter(uint32_t c)
{
    return (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) || (c >= 0x1F150 && c <= 0x1F169) ||
           (c >= 0x1F170 && c <= 0x1F189);
}

bool lop_char_is_word(uint32_t c)
{
    if (c == 0x200C || c == 0x200D) return true;
    switch (utf8proc_category((utf8proc_int32_t)c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC:
        return true;
    default:
        return is_circled_letter(c);
    }
}
