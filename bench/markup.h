/* markup.h - a growing text of HTML and SVG. The first failure stays and all that follows does nothing, so that drawing is
 * written without looking; whoever takes the text looks. Internal to bench. */
#ifndef LOP_BENCH_MARKUP_H
#define LOP_BENCH_MARKUP_H

#include "core/base/text.h"

typedef struct markup {
    lop_string text;
    lop_status status;
} markup;

/* Adds markup of our own: no argument may be text from elsewhere. */
void markup_add(markup *m, const char *format, ...) LOP_PRINTF(2, 3);

/* Adds a text from elsewhere, escaped; what XML has no place for becomes a blank. */
void markup_say(markup *m, const char *text);

/* <tag>text</tag> */
void markup_element(markup *m, const char *tag, const char *text);

void markup_close(markup *m);

#endif
