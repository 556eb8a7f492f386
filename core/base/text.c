/* text.c - strings that grow and numbers that are checked. */
#include "core/base/text.h"

#include "core/base/memory.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

lop_text lop_text_of(const char *zero_terminated)
{
    return (lop_text){zero_terminated, strlen(zero_terminated)};
}

bool lop_text_equal(lop_text a, lop_text b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.at, b.at, a.size) == 0);
}

bool lop_text_is(lop_text a, const char *b)
{
    return lop_text_equal(a, lop_text_of(b));
}

static lop_status reserve(lop_string *s, size_t more)
{
    if (s->at != NULL && more < s->room - s->size) return LOP_OK;
    const size_t room = (s->size + more + 1) * 2;
    LOP_TRY(lop_realloc(room, 1, &s->at));
    s->room = room;
    s->at[s->size] = '\0';
    return LOP_OK;
}

lop_status lop_string_add(lop_string *s, const char *text, size_t size)
{
    LOP_TRY(reserve(s, size));
    if (size) memcpy(s->at + s->size, text, size);
    s->size += size;
    s->at[s->size] = '\0';
    return LOP_OK;
}

/* A host program may have set a locale that writes 0,5. For "C" newlocale hands out an object that is always there. */
static int print_in_c(char *out, size_t size, const char *format, va_list args)
{
    const locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (c_locale == (locale_t)0) return -1;
    const locale_t before = uselocale(c_locale);
    const int n = vsnprintf(out, size, format, args);
    (void)uselocale(before);
    freelocale(c_locale);
    return n;
}

lop_status lop_string_print_list(lop_string *s, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    const int n = print_in_c(NULL, 0, format, args);
    lop_status status =
        n < 0 ? LOP_FAIL(LOP_E_INTERNAL, "a message could not be formatted") : reserve(s, (size_t)n);
    if (status == LOP_OK) {
        (void)print_in_c(s->at + s->size, (size_t)n + 1, format, again);
        s->size += (size_t)n;
    }
    va_end(again);
    return status;
}

lop_status lop_string_print(lop_string *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const lop_status status = lop_string_print_list(s, format, args);
    va_end(args);
    return status;
}

void lop_text_print(char *out, size_t size, const char *format, ...)
{
    va_list args;
    size_t whole = 0;
    va_start(args, format);
    const int n = print_in_c(out, size, format, args);
    va_end(args);
    if (size == 0 || (n >= 0 && (size_t)n < size)) return;
    if (n < 0 || !lop_utf8_valid(out, size - 1, &whole)) out[whole] = '\0';
}

void lop_string_close(lop_string *s)
{
    lop_free(s->at);
    memset(s, 0, sizeof *s);
}

bool lop_string_equal(const lop_string *a, const lop_string *b)
{
    return lop_text_equal((lop_text){a->at, a->size}, (lop_text){b->at, b->size});
}

lop_status lop_parse_int(const char *text, int64_t *out)
{
    char *end = NULL;
    errno = 0;
    const long long value = strtoll(text, &end, 10);
    const bool starts = (text[0] >= '0' && text[0] <= '9') || text[0] == '-';
    if (!starts || *end != '\0' || errno == ERANGE)
        return LOP_FAIL(LOP_E_ARGUMENT, "\"%s\" is not a whole number", text);
    *out = value;
    return LOP_OK;
}

/* The decimal number that `text` begins with; *end is where it ends, `text` itself when there is none. */
static double decimal(const char *text, char **end)
{
    *end = (char *)text;
    const char *digits = text + (text[0] == '-');
    const bool starts = (digits[0] >= '0' && digits[0] <= '9') || digits[0] == '.';
    const bool hexadecimal = digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X');
    if (!starts || hexadecimal) return 0;
    const locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (c_locale == (locale_t)0) return 0;
    const double value = strtod_l(text, end, c_locale);
    freelocale(c_locale);
    return value;
}

lop_status lop_parse_real(const char *text, double *out)
{
    char *end = NULL;
    const double value = decimal(text, &end);
    if (end == text || *end != '\0' || !isfinite(value))
        return LOP_FAIL(LOP_E_ARGUMENT, "\"%s\" is not a number", text);
    *out = value;
    return LOP_OK;
}

static int unit_shift(const char *unit)
{
    static const char *const units[] = {"", "K", "M", "G", "T"};
    char head[2] = {unit[0], '\0'};
    if (head[0] >= 'a' && head[0] <= 'z') head[0] = (char)(head[0] - 'a' + 'A');
    const char *rest = unit[0] ? unit + 1 : unit;
    if (*rest != '\0' && strcmp(rest, "B") != 0 && strcmp(rest, "iB") != 0) return -1;
    for (int i = 0; i < 5; i++)
        if (strcmp(head, units[i]) == 0) return 10 * i;
    return -1;
}

lop_status lop_parse_bytes(const char *text, uint64_t *out)
{
    char *end = NULL;
    const double value = decimal(text, &end);
    const int shift = end == text ? -1 : unit_shift(end);
    const double bytes = shift < 0 ? -1 : value * (double)((uint64_t)1 << shift);
    if (!(bytes >= 0 && bytes < 9.0e18))
        return LOP_FAIL(LOP_E_ARGUMENT, "\"%s\" is not a size; write it like 20G, 512M or 1048576", text);
    *out = (uint64_t)bytes;
    return LOP_OK;
}

/* The length of the UTF-8 sequence at p, or 0: overlong forms, surrogates and values over 10FFFF are refused. */
static size_t sequence_length(const unsigned char *p, size_t left)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    const size_t n = p[0] < 0x80         ? 1
                     : (p[0] >> 5) == 6  ? 2
                     : (p[0] >> 4) == 14 ? 3
                     : (p[0] >> 3) == 30 ? 4
                                         : 0;
    if (n < 2) return n;
    if (n > left) return 0;
    uint32_t value = p[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) return 0;
        value = value << 6 | (p[i] & 0x3fu);
    }
    const bool surrogate = value >= 0xd800 && value <= 0xdfff;
    return value >= least[n] && value <= 0x10ffff && !surrogate ? n : 0;
}

bool lop_utf8_valid(const char *at, size_t size, size_t *bad)
{
    for (size_t i = 0; i < size;) {
        const size_t n = sequence_length((const unsigned char *)at + i, size - i);
        if (n == 0) {
            if (bad) *bad = i;
            return false;
        }
        i += n;
    }
    return true;
}

static lop_status add_escaped(lop_string *s, unsigned char byte)
{
    static const char from[] = "\"\\\b\f\n\r\t";
    static const char into[] = "\"\\bfnrt";
    const char *found = byte ? strchr(from, byte) : NULL;
    if (found) return lop_string_print(s, "\\%c", into[found - from]);
    if (byte < 0x20) return lop_string_print(s, "\\u%04x", (unsigned)byte);
    return lop_string_add(s, "\xef\xbf\xbd", 3);
}

/* How many bytes from p on may stand in a JSON string as they are. */
static size_t plain_length(const unsigned char *p, size_t size)
{
    size_t i = 0;
    while (i < size) {
        const size_t n = sequence_length(p + i, size - i);
        if (n == 0 || p[i] < 0x20 || p[i] == '"' || p[i] == '\\') break;
        i += n;
    }
    return i;
}

lop_status lop_string_add_json(lop_string *s, const char *text, size_t size)
{
    LOP_TRY(lop_string_add(s, "\"", 1));
    for (size_t i = 0; i < size;) {
        const size_t n = plain_length((const unsigned char *)text + i, size - i);
        LOP_TRY(lop_string_add(s, text + i, n));
        i += n;
        if (i < size) LOP_TRY(add_escaped(s, (unsigned char)text[i++]));
    }
    return lop_string_add(s, "\"", 1);
}
