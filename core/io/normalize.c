/* normalize.c - the steps, one after another between two scratch texts. */
#include "core/io/normalize.h"

#include "core/io/unicode.h"
#include "core/io/unicode_form.h"

#include <string.h>
#include <utf8proc.h>

lop_status lop_normalizer_add(lop_normalizer *n, lop_normal_kind kind, lop_normal_step **out)
{
    *out = NULL;
    if (n->count == LOP_NORMAL_STEPS_MAX)
        return LOP_FAIL(LOP_E_UNSUPPORTED, "the tokenizer has more than %d normalizers",
                        LOP_NORMAL_STEPS_MAX);
    *out = &n->steps[n->count++];
    (*out)->kind = kind;
    return LOP_OK;
}

lop_status lop_normalizer_add_replace(lop_normalizer *n, const char *from, const char *to)
{
    lop_normal_step *step;
    LOP_TRY(lop_normalizer_add(n, LOP_NORMAL_REPLACE, &step));
    LOP_TRY(lop_string_add(&step->text, to, strlen(to)));
    return lop_pattern_open(lop_text_of(from), true, &step->pattern);
}

lop_status lop_normalizer_add_prepend(lop_normalizer *n, const char *text)
{
    lop_normal_step *step;
    LOP_TRY(lop_normalizer_add(n, LOP_NORMAL_PREPEND, &step));
    return lop_string_add(&step->text, text, strlen(text));
}

void lop_normalizer_close(lop_normalizer *n)
{
    for (int i = 0; i < n->count; i++) {
        lop_pattern_close(n->steps[i].pattern);
        lop_string_close(&n->steps[i].text);
    }
    memset(n, 0, sizeof *n);
}

bool lop_normalizer_equal(const lop_normalizer *a, const lop_normalizer *b)
{
    bool equal = a->count == b->count;
    for (int i = 0; equal && i < a->count; i++) {
        const lop_normal_step *x = &a->steps[i], *y = &b->steps[i];
        equal = x->kind == y->kind && x->left == y->left && x->right == y->right &&
                lop_string_equal(&x->text, &y->text) && lop_pattern_equal(x->pattern, y->pattern);
    }
    return equal;
}

void lop_normal_run_close(lop_normal_run *run)
{
    lop_string_close(&run->texts[0]);
    lop_string_close(&run->texts[1]);
}

/* A tokenizer's file must not make much memory of little text. */
lop_status lop_growth_check(size_t from, size_t to)
{
    if (to / LOP_GROWTH_MAX <= from + 16) return LOP_OK;
    return LOP_FAIL(LOP_E_FORMAT, "the tokenizer makes more than %d times as much of a text of %zu bytes",
                    LOP_GROWTH_MAX, from);
}

static lop_status replace_each(const lop_pattern *p, lop_pattern_run *run, lop_text with, lop_string *out)
{
    size_t copied = 0;
    const lop_text text = run->subject;
    const size_t before = out->size;
    for (;;) {
        LOP_TRY(lop_pattern_next(p, run));
        if (!run->found) return lop_string_add(out, text.at + copied, text.size - copied);
        LOP_TRY(lop_string_add(out, text.at + copied, run->from - copied));
        LOP_TRY(lop_string_add(out, with.at, with.size));
        LOP_TRY(lop_growth_check(text.size, out->size - before));
        copied = run->to;
    }
}

lop_status lop_replace_all(const lop_pattern *p, lop_text with, lop_text text, lop_string *out)
{
    lop_pattern_run run;
    LOP_TRY(lop_pattern_run_open(p, text.size, &run));
    lop_pattern_start(&run, text);
    const lop_status status = replace_each(p, &run, with, out);
    lop_pattern_run_close(&run);
    return status;
}

/* Character by character, as the package does: no final sigma; U+0130 is the one character that becomes two. */
static lop_status lowercase(lop_text text, lop_string *out)
{
    for (size_t i = 0; i < text.size;) {
        const uint32_t c = lop_char_next(text.at, text.size, &i);
        if (c == 0x130) {
            LOP_TRY(lop_string_add(out, "i\xCC\x87", 3));
            continue;
        }
        char bytes[4];
        const int size = lop_char_put((uint32_t)utf8proc_tolower((utf8proc_int32_t)c), bytes);
        LOP_TRY(lop_string_add(out, bytes, (size_t)size));
    }
    return LOP_OK;
}

static lop_status strip(const lop_normal_step *step, lop_text text, lop_string *out)
{
    size_t from = 0, to = text.size;
    for (size_t next = 0; step->left && from < to; from = next)
        if (!lop_char_is_space(lop_char_next(text.at, to, &next))) break;
    while (step->right && to > from) {
        const size_t before = lop_char_before(text.at, to);
        size_t i = before;
        if (!lop_char_is_space(lop_char_next(text.at, to, &i))) break;
        to = before;
    }
    return lop_string_add(out, text.at + from, to - from);
}

static lop_status apply(const lop_normal_step *step, lop_text text, lop_string *out)
{
    switch (step->kind) {
    case LOP_NORMAL_NFC:
        return lop_unicode_normalize((lop_unicode_form){true, false}, text, out);
    case LOP_NORMAL_NFD:
        return lop_unicode_normalize((lop_unicode_form){false, false}, text, out);
    case LOP_NORMAL_NFKC:
        return lop_unicode_normalize((lop_unicode_form){true, true}, text, out);
    case LOP_NORMAL_NFKD:
        return lop_unicode_normalize((lop_unicode_form){false, true}, text, out);
    case LOP_NORMAL_LOWERCASE:
        return lowercase(text, out);
    case LOP_NORMAL_REPLACE:
        return lop_replace_all(step->pattern, (lop_text){step->text.at, step->text.size}, text, out);
    case LOP_NORMAL_PREPEND:
        LOP_TRY(lop_string_add(out, step->text.at, step->text.size));
        return lop_string_add(out, text.at, text.size);
    case LOP_NORMAL_STRIP:
        return strip(step, text, out);
    }
    return LOP_FAIL(LOP_E_INTERNAL, "normalizer kind %d", (int)step->kind);
}

lop_status lop_normalize(const lop_normalizer *n, lop_normal_run *run, lop_text text, lop_text *out)
{
    const size_t given = text.size;
    for (int i = 0; i < n->count && text.size > 0; i++) {
        lop_string *to = &run->texts[i & 1];
        to->size = 0;
        LOP_TRY(apply(&n->steps[i], text, to));
        text = (lop_text){to->at, to->size};
        LOP_TRY(lop_growth_check(given, text.size));
    }
    *out = text;
    return LOP_OK;
}
