/* markup.h - a growing text of HTML and SVG. The first failure stays and all that follows does nothing, so that drawing is
 * written without looking; whoever takes the text looks. */
#ifndef LOP_CORE_PAGE_MARKUP_H
#define LOP_CORE_PAGE_MARKUP_H

#include "core/base/text.h"

typedef struct lop_markup {
    lop_string text;
    lop_status status;
} lop_markup;

/* Adds markup of our own, in the C locale: no argument may be text from elsewhere. */
void lop_markup_add(lop_markup *m, const char *format, ...) LOP_PRINTF(2, 3);

/* Adds a text from elsewhere, escaped; what XML has no place for becomes a blank. */
void lop_markup_say(lop_markup *m, const char *text);

/* <tag>text</tag> */
void lop_markup_element(lop_markup *m, const char *tag, const char *text);

void lop_markup_close(lop_markup *m);

#endif
