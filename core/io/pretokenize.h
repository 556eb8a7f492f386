/* pretokenize.h - cutting text into the pieces that byte-pair encoding never joins. The pre-tokenizers of the Hugging
 * Face `tokenizers` package, taken apart into a few stages that follow one another. */
#ifndef LOP_CORE_IO_PRETOKENIZE_H
#define LOP_CORE_IO_PRETOKENIZE_H

#include "core/base/status.h"
#include "core/base/text.h"
#include "core/io/pattern.h"

#include <stdbool.h>

#define LOP_STAGES_MAX 32

/* GPT-2's split (encoder.py of its release): what ByteLevel with use_regex does. */
#define LOP_SPLIT_GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

typedef enum lop_stage_kind {
    LOP_STAGE_PREFIX,  /* `text` goes before a piece that does not start with it */
    LOP_STAGE_REPLACE, /* every blank becomes `text` */
    LOP_STAGE_SPLIT,   /* cuts at the matches of `pattern` */
    LOP_STAGE_NUMBERS, /* cuts between numbers (general category N) and the rest */
    LOP_STAGE_ALPHABET /* bytes become characters of the byte alphabet */
} lop_stage_kind;

/* What becomes of the matches of a split. */
typedef enum lop_split_behavior {
    LOP_SPLIT_ISOLATED, /* each is a piece */
    LOP_SPLIT_REMOVED,
    LOP_SPLIT_CONTIGUOUS,           /* neighbours are one piece */
    LOP_SPLIT_MERGED_WITH_PREVIOUS, /* joins the piece before, unless that is a match */
    LOP_SPLIT_MERGED_WITH_NEXT
} lop_split_behavior;

typedef struct lop_stage {
    lop_stage_kind kind;
    lop_split_behavior behavior; /* of SPLIT and NUMBERS */
    lop_pattern *pattern;
    lop_string text;
    bool invert;     /* SPLIT: what lies between the matches counts as matches */
    bool first_only; /* PREFIX: only the piece at the start of the whole text */
} lop_stage;

/* Zero-initialise; lop_pretokenizer_close frees. */
typedef struct lop_pretokenizer {
    lop_stage stages[LOP_STAGES_MAX];
    int count;
} lop_pretokenizer;

/* Adds a stage of this kind for the caller to fill. LOP_E_UNSUPPORTED when there are too many. */
LOP_CHECKED lop_status lop_pretokenizer_add(lop_pretokenizer *p, lop_stage_kind kind, lop_stage **out);
LOP_CHECKED lop_status lop_pretokenizer_add_text(lop_pretokenizer *p, lop_stage_kind kind, const char *text);
LOP_CHECKED lop_status lop_pretokenizer_add_split(lop_pretokenizer *p, const char *pattern, bool literal,
                                                  lop_split_behavior behavior);
LOP_CHECKED lop_status lop_pretokenizer_add_byte_level(lop_pretokenizer *p, bool prefix_space,
                                                       bool use_regex);
void lop_pretokenizer_close(lop_pretokenizer *p);

/* True if both are made of the same stages. */
bool lop_pretokenizer_equal(const lop_pretokenizer *a, const lop_pretokenizer *b);

/* Takes one piece, which is a view until it returns. */
typedef lop_status lop_piece_fn(void *user, lop_text piece);

/* Scratch of one encoding. */
typedef struct lop_pretokenize_run {
    const lop_pretokenizer *pretokenizer;
    lop_piece_fn *fn;
    void *user;
    lop_string texts[LOP_STAGES_MAX];
    lop_pattern_run searches[LOP_STAGES_MAX];
} lop_pretokenize_run;

/* `bytes`: of all the texts that will follow. */
LOP_CHECKED lop_status lop_pretokenize_run_open(const lop_pretokenizer *p, size_t bytes, lop_piece_fn *fn,
                                                void *user, lop_pretokenize_run *run);
void lop_pretokenize_run_close(lop_pretokenize_run *run);

/* Gives the pieces of a text to fn, in order; empty ones are left out. `first`: the whole text starts here. */
LOP_CHECKED lop_status lop_pretokenize(lop_pretokenize_run *run, lop_text text, bool first);

#endif
