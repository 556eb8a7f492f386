/* markup.c - text between tags, and what must be escaped there. */
#include "core/page/markup.h"

#include <string.h>

void lop_markup_add(lop_markup *m, const char *format, ...)
{
    va_list args;
    if (m->status != LOP_OK) return;
    va_start(args, format);
    m->status = lop_string_print_list(&m->text, format, args);
    va_end(args);
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

void lop_markup_say(lop_markup *m, const char *text)
{
    while (m->status == LOP_OK && *text != '\0') {
        const bool none = strncmp(text, "\xEF\xBF\xBE", 3) == 0 || strncmp(text, "\xEF\xBF\xBF", 3) == 0;
        const char *instead = none ? " " : escape((unsigned char)*text);
        m->status = lop_string_add(&m->text, instead ? instead : text, instead ? strlen(instead) : 1);
        text += none ? 3 : 1;
    }
}

void lop_markup_element(lop_markup *m, const char *tag, const char *text)
{
    lop_markup_add(m, "<%s>", tag);
    lop_markup_say(m, text);
    lop_markup_add(m, "</%s>", tag);
}

void lop_markup_close(lop_markup *m)
{
    lop_string_close(&m->text);
}
