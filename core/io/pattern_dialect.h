/* pattern_dialect.h - a regular expression of Oniguruma (Ruby syntax) or Rust in the words of PCRE2. */
#ifndef LOP_CORE_IO_PATTERN_DIALECT_H
#define LOP_CORE_IO_PATTERN_DIALECT_H

#include "core/base/status.h"
#include "core/base/text.h"

/* Appends the translation. LOP_E_UNSUPPORTED names a construct that the two read differently. */
LOP_CHECKED lop_status lop_pattern_translate(lop_text source, lop_string *out);

#endif
