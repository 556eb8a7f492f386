/* unicode_form.h - the four Unicode normalization forms, by utf8proc's tables (Unicode 15). */
#ifndef LOP_CORE_IO_UNICODE_FORM_H
#define LOP_CORE_IO_UNICODE_FORM_H

#include "core/base/status.h"
#include "core/base/text.h"

#include <stdbool.h>

typedef struct lop_unicode_form {
    bool compose; /* NFC, NFKC */
    bool compat;  /* NFKC, NFKD */
} lop_unicode_form;

/* Appends the text, valid UTF-8, in that form. Linear in its length, however many marks follow one another. */
LOP_CHECKED lop_status lop_unicode_normalize(lop_unicode_form form, lop_text text, lop_string *out);

#endif
