/* normalize.h - what is done to text before it is split: Unicode forms, lower case, replacements, a prefix, stripping.
 * The semantics are those of the normalizers of the Hugging Face `tokenizers` package. */
#ifndef LOP_CORE_IO_NORMALIZE_H
#define LOP_CORE_IO_NORMALIZE_H

#include "core/base/status.h"
#include "core/base/text.h"
#include "core/io/pattern.h"

#include <stdbool.h>

#define LOP_NORMAL_STEPS_MAX 32

typedef enum lop_normal_kind {
    LOP_NORMAL_NFC,
    LOP_NORMAL_NFD,
    LOP_NORMAL_NFKC,
    LOP_NORMAL_NFKD,
    LOP_NORMAL_LOWERCASE,
    LOP_NORMAL_REPLACE, /* every match of `pattern` by `text` */
    LOP_NORMAL_PREPEND, /* `text`, unless there is none to prepend to */
    LOP_NORMAL_STRIP    /* White_Space at the sides named */
} lop_normal_kind;

typedef struct lop_normal_step {
    lop_normal_kind kind;
    lop_pattern *pattern;
    lop_string text;
    bool left, right;
} lop_normal_step;

/* Zero-initialise; lop_normalizer_close frees. */
typedef struct lop_normalizer {
    lop_normal_step steps[LOP_NORMAL_STEPS_MAX];
    int count;
} lop_normalizer;

/* Adds a step of this kind for the caller to fill. LOP_E_UNSUPPORTED when there are too many. */
LOP_CHECKED lop_status lop_normalizer_add(lop_normalizer *n, lop_normal_kind kind, lop_normal_step **out);

/* Adds: every `from` (literal) becomes `to`. */
LOP_CHECKED lop_status lop_normalizer_add_replace(lop_normalizer *n, const char *from, const char *to);
LOP_CHECKED lop_status lop_normalizer_add_prepend(lop_normalizer *n, const char *text);
void lop_normalizer_close(lop_normalizer *n);

/* True if both are made of the same steps. */
bool lop_normalizer_equal(const lop_normalizer *a, const lop_normalizer *b);

/* Scratch, reused. Zero-initialise; lop_normal_run_close frees. */
typedef struct lop_normal_run {
    lop_string texts[2];
} lop_normal_run;
void lop_normal_run_close(lop_normal_run *run);

/* *out is a view of `text`, or of the scratch until its next use. */
LOP_CHECKED lop_status lop_normalize(const lop_normalizer *n, lop_normal_run *run, lop_text text,
                                     lop_text *out);

/* LOP_E_FORMAT when `to` bytes were made of `from` bytes and that is too many. */
#define LOP_GROWTH_MAX 64
LOP_CHECKED lop_status lop_growth_check(size_t from, size_t to);

/* Appends `text` with every match of the pattern replaced. */
LOP_CHECKED lop_status lop_replace_all(const lop_pattern *p, lop_text with, lop_text text, lop_string *out);

#endif
