/* pattern.h - what Split and Replace look for: a literal text, or a regular expression written for Oniguruma (Ruby
 * syntax) or Rust's regex, carried by PCRE2.
 *
 * Words that mean something else in PCRE2 are translated (\s, \w, \p{Han}) or refused (LOP_E_UNSUPPORTED). A pattern from
 * a file is not trusted: what one match may cost is limited, and what a whole text may cost too. */
#ifndef LOP_CORE_IO_PATTERN_H
#define LOP_CORE_IO_PATTERN_H

#include "core/base/status.h"
#include "core/base/text.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct lop_pattern lop_pattern;

LOP_CHECKED lop_status lop_pattern_open(lop_text source, bool literal, lop_pattern **out);
void lop_pattern_close(lop_pattern *p);

/* True if both were opened from the same text, literal or not, or are NULL. */
bool lop_pattern_equal(const lop_pattern *a, const lop_pattern *b);

/* One search through one subject after another; what it allocates is reused. Zero-initialise. */
typedef struct lop_pattern_run {
    void *match, *context; /* PCRE2's */
    uint64_t budget;       /* bytes that far looks may still cost */
    lop_text subject;
    size_t at, last; /* where to look next; where the last match ended, SIZE_MAX: none yet */
    size_t from, to; /* the match found */
    bool found;
} lop_pattern_run;

/* Sets the budget for texts of `bytes` altogether. */
LOP_CHECKED lop_status lop_pattern_run_open(const lop_pattern *p, size_t bytes, lop_pattern_run *run);
void lop_pattern_run_close(lop_pattern_run *run);

/* Starts on a subject: UTF-8, which must outlive the search. */
void lop_pattern_start(lop_pattern_run *run, lop_text subject);

/* The next match from left to right, or found = false. An empty match right after another is none. LOP_E_FORMAT when the
 * limits are reached. */
LOP_CHECKED lop_status lop_pattern_next(const lop_pattern *p, lop_pattern_run *run);

#endif
