/* pretokenize.c - the stages, depth first: a stage hands each of its pieces to the next one at once, so that a long text
 * takes the room of its longest piece and not of all of them. */
#include "core/io/pretokenize.h"

#include "core/io/byte_alphabet.h"
#include "core/io/normalize.h"
#include "core/io/unicode.h"

#include <string.h>

/* ---- what a pre-tokenizer is made of */

lop_status lop_pretokenizer_add(lop_pretokenizer *p, lop_stage_kind kind, lop_stage **out)
{
    *out = NULL;
    if (p->count == LOP_STAGES_MAX)
        return LOP_FAIL(LOP_E_UNSUPPORTED, "the tokenizer has more than %d pre-tokenizing stages",
                        LOP_STAGES_MAX);
    *out = &p->stages[p->count++];
    (*out)->kind = kind;
    return LOP_OK;
}

lop_status lop_pretokenizer_add_text(lop_pretokenizer *p, lop_stage_kind kind, const char *text)
{
    lop_stage *stage;
    LOP_TRY(lop_pretokenizer_add(p, kind, &stage));
    return lop_string_add(&stage->text, text, strlen(text));
}

lop_status lop_pretokenizer_add_split(lop_pretokenizer *p, const char *pattern, bool literal,
                                      lop_split_behavior behavior)
{
    lop_stage *stage;
    const lop_status status = lop_pretokenizer_add(p, LOP_STAGE_SPLIT, &stage);
    if (stage == NULL) return status;
    stage->behavior = behavior;
    return lop_pattern_open(lop_text_of(pattern), literal, &stage->pattern);
}

lop_status lop_pretokenizer_add_byte_level(lop_pretokenizer *p, bool prefix_space, bool use_regex)
{
    lop_stage *stage;
    if (prefix_space) LOP_TRY(lop_pretokenizer_add_text(p, LOP_STAGE_PREFIX, " "));
    if (use_regex) LOP_TRY(lop_pretokenizer_add_split(p, LOP_SPLIT_GPT2, false, LOP_SPLIT_ISOLATED));
    return lop_pretokenizer_add(p, LOP_STAGE_ALPHABET, &stage);
}

void lop_pretokenizer_close(lop_pretokenizer *p)
{
    for (int i = 0; i < p->count; i++) {
        lop_pattern_close(p->stages[i].pattern);
        lop_string_close(&p->stages[i].text);
    }
    memset(p, 0, sizeof *p);
}

bool lop_pretokenizer_equal(const lop_pretokenizer *a, const lop_pretokenizer *b)
{
    bool equal = a->count == b->count;
    for (int i = 0; equal && i < a->count; i++) {
        const lop_stage *x = &a->stages[i], *y = &b->stages[i];
        equal = x->kind == y->kind && x->behavior == y->behavior && x->invert == y->invert &&
                x->first_only == y->first_only && lop_string_equal(&x->text, &y->text) &&
                lop_pattern_equal(x->pattern, y->pattern);
    }
    return equal;
}

/* ---- one run */

void lop_pretokenize_run_close(lop_pretokenize_run *run)
{
    for (int i = 0; i < LOP_STAGES_MAX; i++) {
        lop_string_close(&run->texts[i]);
        lop_pattern_run_close(&run->searches[i]);
    }
}

lop_status lop_pretokenize_run_open(const lop_pretokenizer *p, size_t bytes, lop_piece_fn *fn, void *user,
                                    lop_pretokenize_run *run)
{
    memset(run, 0, sizeof *run);
    run->pretokenizer = p;
    run->fn = fn;
    run->user = user;
    lop_status status = LOP_OK;
    for (int i = 0; i < p->count && status == LOP_OK; i++)
        if (p->stages[i].pattern)
            status = lop_pattern_run_open(p->stages[i].pattern, bytes, &run->searches[i]);
    if (status != LOP_OK) lop_pretokenize_run_close(run);
    return status;
}

static lop_status run_from(lop_pretokenize_run *run, int stage, lop_text text, bool first);

/* Segments of one text, matches and what lies between, become pieces as the behaviour says; one is held back. */
typedef struct cutter {
    lop_pretokenize_run *run;
    const lop_stage *stage;
    lop_text text;
    int next;
    bool first;
    bool held, held_match; /* a segment waits; it is a match */
    bool after_match;      /* the segment before was a match */
    size_t from, to;       /* of the waiting one */
} cutter;

static lop_status emit_held(cutter *c)
{
    const bool due = c->held && c->to > c->from;
    c->held = false;
    if (!due) return LOP_OK;
    const lop_text piece = {c->text.at + c->from, c->to - c->from};
    return run_from(c->run, c->next, piece, c->first && c->from == 0);
}

static bool joins_held(const cutter *c, bool match)
{
    if (!c->held) return false;
    switch (c->stage->behavior) {
    case LOP_SPLIT_CONTIGUOUS:
        return match == c->after_match;
    case LOP_SPLIT_MERGED_WITH_PREVIOUS:
        return match && !c->after_match;
    case LOP_SPLIT_MERGED_WITH_NEXT:
        return !match && c->held_match;
    case LOP_SPLIT_ISOLATED:
    case LOP_SPLIT_REMOVED:
        break;
    }
    return false;
}

static lop_status cut(cutter *c, size_t from, size_t to, bool match)
{
    match = match != c->stage->invert;
    const bool joins = joins_held(c, match);
    c->after_match = match;
    if (joins) {
        c->to = to;
        c->held_match = false;
        return LOP_OK;
    }
    LOP_TRY(emit_held(c));
    if (match && c->stage->behavior == LOP_SPLIT_REMOVED) return LOP_OK;
    c->held = true;
    c->held_match = match;
    c->from = from;
    c->to = to;
    return LOP_OK;
}

static lop_status split(cutter *c, lop_pattern_run *search)
{
    size_t done = 0;
    lop_pattern_start(search, c->text);
    for (;;) {
        LOP_TRY(lop_pattern_next(c->stage->pattern, search));
        if (!search->found) break;
        if (search->from != done) LOP_TRY(cut(c, done, search->from, false));
        LOP_TRY(cut(c, search->from, search->to, true));
        done = search->to;
    }
    if (done != c->text.size) LOP_TRY(cut(c, done, c->text.size, false));
    return emit_held(c);
}

static lop_status split_numbers(cutter *c)
{
    size_t done = 0;
    for (size_t i = 0, from = 0; i < c->text.size; from = i) {
        if (!lop_char_is_number(lop_char_next(c->text.at, c->text.size, &i))) continue;
        if (from != done) LOP_TRY(cut(c, done, from, false));
        LOP_TRY(cut(c, from, i, true));
        done = i;
    }
    if (done != c->text.size) LOP_TRY(cut(c, done, c->text.size, false));
    return emit_held(c);
}

static bool starts_with(lop_text text, const lop_string *start)
{
    return text.size >= start->size && memcmp(text.at, start->at, start->size) == 0;
}

/* The stages that rewrite a text as a whole. */
static lop_status rewrite(const lop_stage *stage, lop_text text, lop_string *out)
{
    out->size = 0;
    if (stage->kind == LOP_STAGE_ALPHABET) return lop_alphabet_encode(text, out);
    if (stage->kind == LOP_STAGE_PREFIX) {
        LOP_TRY(lop_string_add(out, stage->text.at, stage->text.size));
        return lop_string_add(out, text.at, text.size);
    }
    for (size_t at = 0; at < text.size;) {
        const char *blank = memchr(text.at + at, ' ', text.size - at);
        const size_t size = blank ? (size_t)(blank - text.at) - at : text.size - at;
        LOP_TRY(lop_string_add(out, text.at + at, size));
        if (blank) LOP_TRY(lop_string_add(out, stage->text.at, stage->text.size));
        at += size + 1;
    }
    return LOP_OK;
}

static lop_status run_from(lop_pretokenize_run *run, int at, lop_text text, bool first)
{
    if (text.size == 0) return LOP_OK;
    if (at == run->pretokenizer->count) return run->fn(run->user, text);
    const lop_stage *stage = &run->pretokenizer->stages[at];
    cutter c = {.run = run, .stage = stage, .text = text, .next = at + 1, .first = first};
    if (stage->kind == LOP_STAGE_SPLIT) return split(&c, &run->searches[at]);
    if (stage->kind == LOP_STAGE_NUMBERS) return split_numbers(&c);
    if (stage->kind == LOP_STAGE_PREFIX && ((stage->first_only && !first) || starts_with(text, &stage->text)))
        return run_from(run, at + 1, text, first);
    lop_string *out = &run->texts[at];
    LOP_TRY(rewrite(stage, text, out));
    return run_from(run, at + 1, (lop_text){out->at, out->size}, first);
}

lop_status lop_pretokenize(lop_pretokenize_run *run, lop_text text, bool first)
{
    return run_from(run, 0, text, first);
}
