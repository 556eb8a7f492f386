/* pattern.c - PCRE2 with a leash.
 *
 * A match is tried at one place after another, anchored, on a window of the text: first a short one, then, if the
 * matcher says that it looked at the window's end (a hard partial match), one eight times as long. So a pattern that
 * looks far ahead from every place, which no match limit counts, pays for it out of a budget, and backtracking is
 * limited in proportion to the window. The results are those of a search through the whole text. */
#include "core/io/pattern.h"

#include "core/base/memory.h"
#include "core/io/pattern_dialect.h"
#include "core/io/unicode.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

#define SOURCE_MAX    (1 << 16)
#define WINDOW_FIRST  512
#define WINDOW_GROWTH 8
/* Steps that a match may take: split patterns in use take fewer than 8 a byte, and some hundred to begin with. */
#define STEPS_BASE     10000
#define STEPS_PER_BYTE 32
/* A text may cost so many bytes of long windows: those that are then consumed cost about ten times their length. */
#define BUDGET_BASE     65536
#define BUDGET_PER_BYTE 64
#define HEAP_KIB        (64 * 1024)

struct lop_pattern {
    char *source; /* as it was given */
    size_t size;
    pcre2_general_context *memory;
    pcre2_code *code; /* NULL: the source is looked for as it stands */
};

static void *pcre_alloc(size_t bytes, void *unused)
{
    (void)unused;
    void *pointer = NULL;
    return lop_alloc(bytes, 1, &pointer) == LOP_OK ? pointer : NULL;
}

static void pcre_free(void *pointer, void *unused)
{
    (void)unused;
    lop_free(pointer);
}

static lop_status no_memory(void)
{
    return LOP_FAIL(LOP_E_MEMORY, "not enough host memory for a split pattern");
}

static lop_status compile_translated(lop_pattern *p, lop_text text)
{
    pcre2_compile_context *context = pcre2_compile_context_create(p->memory);
    if (context == NULL) return no_memory();
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    int error = 0;
    PCRE2_SIZE at = 0;
    /* Ruby's ^ and $ are those of lines. */
    const uint32_t options =
        PCRE2_UTF | PCRE2_UCP | PCRE2_ANCHORED | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C | PCRE2_DUPNAMES;
    p->code = pcre2_compile((PCRE2_SPTR)text.at, text.size, options, &error, &at, context);
    pcre2_compile_context_free(context);
    if (p->code == NULL && error == PCRE2_ERROR_HEAP_FAILED) return no_memory();
    if (p->code == NULL) {
        PCRE2_UCHAR words[160] = "";
        (void)pcre2_get_error_message(error, words, sizeof words);
        return LOP_FAIL(LOP_E_UNSUPPORTED, "a pattern cannot be compiled: %s (byte %zu of \"%.*s\")",
                        (const char *)words, (size_t)at, text.size < 200 ? (int)text.size : 200, text.at);
    }
    /* Without JIT (it may be off in this PCRE2) matching is slower and the same. */
    (void)pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE | PCRE2_JIT_PARTIAL_HARD);
    return LOP_OK;
}

static lop_status compile(lop_pattern *p, lop_text source)
{
    p->memory = pcre2_general_context_create(pcre_alloc, pcre_free, NULL);
    if (p->memory == NULL) return no_memory();
    lop_string text = {0};
    lop_status status = lop_pattern_translate(source, &text);
    if (status == LOP_OK) status = compile_translated(p, (lop_text){text.at, text.size});
    lop_string_close(&text);
    return status;
}

lop_status lop_pattern_open(lop_text source, bool literal, lop_pattern **out)
{
    *out = NULL;
    if (source.size == 0) return LOP_FAIL(LOP_E_FORMAT, "a pattern is empty");
    if (source.size > SOURCE_MAX)
        return LOP_FAIL(LOP_E_UNSUPPORTED, "a pattern has %zu bytes, expected at most %d", source.size,
                        SOURCE_MAX);
    LOP_TRY(LOP_NEW(out, 1));
    lop_pattern *p = *out;
    p->size = source.size;
    lop_status status = lop_memdup_text(source.at, source.size, &p->source);
    if (status == LOP_OK && !literal) status = compile(p, source);
    if (status == LOP_OK) return LOP_OK;
    lop_pattern_close(p);
    *out = NULL;
    return status;
}

void lop_pattern_close(lop_pattern *p)
{
    if (p == NULL) return;
    pcre2_code_free(p->code);
    pcre2_general_context_free(p->memory);
    lop_free(p->source);
    lop_free(p);
}

bool lop_pattern_equal(const lop_pattern *a, const lop_pattern *b)
{
    if (a == NULL || b == NULL) return a == b;
    return (a->code == NULL) == (b->code == NULL) && a->size == b->size &&
           memcmp(a->source, b->source, a->size) == 0;
}

lop_status lop_pattern_run_open(const lop_pattern *p, size_t bytes, lop_pattern_run *run)
{
    memset(run, 0, sizeof *run);
    run->budget = BUDGET_BASE + (uint64_t)bytes * BUDGET_PER_BYTE;
    if (p->code == NULL) return LOP_OK;
    run->match = pcre2_match_data_create(1, p->memory);
    run->context = pcre2_match_context_create(p->memory);
    if (run->match == NULL || run->context == NULL) {
        lop_pattern_run_close(run);
        return no_memory();
    }
    (void)pcre2_set_heap_limit(run->context, HEAP_KIB);
    return LOP_OK;
}

void lop_pattern_run_close(lop_pattern_run *run)
{
    pcre2_match_context_free(run->context);
    pcre2_match_data_free(run->match);
    memset(run, 0, sizeof *run);
}

void lop_pattern_start(lop_pattern_run *run, lop_text subject)
{
    run->subject = subject;
    run->at = 0;
    run->last = SIZE_MAX;
    run->found = false;
}

/* Tries to match at run->at with the text cut after `end`; the result is PCRE2's. */
static int try_window(const lop_pattern *p, const lop_pattern_run *run, size_t end)
{
    const uint32_t steps =
        STEPS_BASE + STEPS_PER_BYTE * (uint32_t)(end - run->at < (1U << 24) ? end - run->at : 1U << 24);
    const uint32_t options = PCRE2_NO_UTF_CHECK | (end < run->subject.size ? PCRE2_PARTIAL_HARD : 0);
    (void)pcre2_set_match_limit(run->context, steps);
    (void)pcre2_set_depth_limit(run->context, steps);
    const PCRE2_SPTR text = (PCRE2_SPTR)run->subject.at;
    const int result = pcre2_match(p->code, text, end, run->at, options, run->match, run->context);
    if (result != PCRE2_ERROR_JIT_STACKLIMIT) return result;
    return pcre2_match(p->code, text, end, run->at, options | PCRE2_NO_JIT, run->match, run->context);
}

/* The window's end: on a character's start, and never so near that it would be empty. */
static size_t window_end(const lop_pattern_run *run, size_t size)
{
    if (run->subject.size - run->at <= size) return run->subject.size;
    size_t end = run->at + size;
    while (((unsigned char)run->subject.at[end] & 0xC0) == 0x80) end--;
    return end;
}

static lop_status judge(int result)
{
    if (result >= 0 || result == PCRE2_ERROR_NOMATCH || result == PCRE2_ERROR_PARTIAL) return LOP_OK;
    if (result == PCRE2_ERROR_NOMEMORY) return no_memory();
    if (result == PCRE2_ERROR_MATCHLIMIT || result == PCRE2_ERROR_DEPTHLIMIT ||
        result == PCRE2_ERROR_HEAPLIMIT)
        return LOP_FAIL(LOP_E_FORMAT,
                        "a split pattern of the tokenizer backtracks too much on this text; the pattern "
                        "is not one a tokenizer should have");
    return LOP_FAIL(LOP_E_INTERNAL, "matching a split pattern failed with PCRE2 error %d", result);
}

static lop_status match_here(const lop_pattern *p, lop_pattern_run *run, bool *matched)
{
    size_t size = WINDOW_FIRST;
    for (;; size *= WINDOW_GROWTH) {
        const size_t end = window_end(run, size);
        const int result = try_window(p, run, end);
        LOP_TRY(judge(result));
        *matched = result >= 0;
        if (result != PCRE2_ERROR_PARTIAL) return LOP_OK;
        const size_t left = run->subject.size - run->at;
        const uint64_t cost = left < size * WINDOW_GROWTH ? left : size * WINDOW_GROWTH;
        if (cost > run->budget)
            return LOP_FAIL(LOP_E_FORMAT,
                            "a split pattern of the tokenizer looks too far ahead on this text; the "
                            "pattern is not one a tokenizer should have");
        run->budget -= cost;
    }
}

static lop_status next_by_code(const lop_pattern *p, lop_pattern_run *run)
{
    while (run->at < run->subject.size) {
        bool matched = false;
        LOP_TRY(match_here(p, run, &matched));
        const size_t *place = pcre2_get_ovector_pointer(run->match);
        if (matched && !(place[1] == run->at && run->last == run->at)) {
            run->found = true;
            run->from = run->at;
            run->to = run->at = run->last = place[1];
            return LOP_OK;
        }
        (void)lop_char_next(run->subject.at, run->subject.size, &run->at);
    }
    return LOP_OK;
}

lop_status lop_pattern_next(const lop_pattern *p, lop_pattern_run *run)
{
    run->found = false;
    if (p->code != NULL) return next_by_code(p, run);
    const char *start = run->subject.at + run->at;
    const char *place =
        run->at < run->subject.size ? memmem(start, run->subject.size - run->at, p->source, p->size) : NULL;
    if (place == NULL) return LOP_OK;
    run->found = true;
    run->from = (size_t)(place - run->subject.at);
    run->to = run->at = run->from + p->size;
    return LOP_OK;
}
