/* markup.c - text between tags, and what must be escaped there. */
#include "bench/markup.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void markup_add(markup *m, const char *format, ...)
{
    char piece[1024];
    va_list args;
    if (m->status != LOP_OK) return;
    va_start(args, format);
    const int size = vsnprintf(piece, sizeof piece, format, args);
    va_end(args);
    m->status = size < 0 || (size_t)size >= sizeof piece
                    ? LOP_FAIL(LOP_E_INTERNAL, "a piece of %d bytes for a page", size)
                    : lop_string_add(&m->text, piece, (size_t)size);
}

/* What stands for this byte; NULL: itself. */
static const char *escape(unsigned char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return c < ' ' || c == 0x7F ? " " : NULL;
    }
}

void markup_say(markup *m, const char *text)
{
    while (m->status == LOP_OK && *text != '\0') {
        const bool none = strncmp(text, "\xEF\xBF\xBE", 3) == 0 || strncmp(text, "\xEF\xBF\xBF", 3) == 0;
        const char *instead = none ? " " : escape((unsigned char)*text);
        m->status = lop_string_add(&m->text, instead ? instead : text, instead ? strlen(instead) : 1);
        text += none ? 3 : 1;
    }
}

void markup_element(markup *m, const char *tag, const char *text)
{
    markup_add(m, "<%s>", tag);
    markup_say(m, text);
    markup_add(m, "</%s>", tag);
}

void markup_close(markup *m)
{
    lop_string_close(&m->text);
}
