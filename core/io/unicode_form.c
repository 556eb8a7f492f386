/* unicode_form.c - decomposition and composition by utf8proc, on the runs of text that are not ASCII.
 *
 * An ASCII character never decomposes, never moves and never composes with what stands before it, so text may be cut
 * before each; only the last one before other characters can compose, with what follows. The marks of a run are put in
 * order here, since utf8proc's own ordering takes quadratic time on long runs of marks. */
#include "core/io/unicode_form.h"

#include "core/base/memory.h"
#include "core/io/unicode.h"

#include <string.h>
#include <utf8proc.h>

#define SHORT_RUN 32 /* marks that are put in order by insertion */

typedef struct points {
    utf8proc_int32_t *at;
    size_t count, room;
} points;

static lop_status reserve(points *p, size_t more)
{
    if (p->count + more <= p->room) return LOP_OK;
    const size_t room = (p->count + more) * 2;
    LOP_TRY(lop_realloc(room, sizeof *p->at, &p->at));
    p->room = room;
    return LOP_OK;
}

static int class_of(utf8proc_int32_t c)
{
    return utf8proc_get_property(c)->combining_class;
}

static lop_status decompose(lop_text text, utf8proc_option_t options, points *out)
{
    out->count = 0;
    for (size_t i = 0; i < text.size;) {
        const utf8proc_int32_t c = (utf8proc_int32_t)lop_char_next(text.at, text.size, &i);
        LOP_TRY(reserve(out, 32)); /* the longest decomposition has 18 characters */
        int last_class = 0;
        const utf8proc_ssize_t n = utf8proc_decompose_char(
            c, out->at + out->count, (utf8proc_ssize_t)(out->room - out->count), options, &last_class);
        if (n < 0 || n > 32)
            return LOP_FAIL(LOP_E_INTERNAL, "utf8proc cannot decompose U+%04X: %s", (unsigned)c,
                            utf8proc_errmsg(n));
        out->count += (size_t)n;
    }
    return LOP_OK;
}

static void order_short(utf8proc_int32_t *at, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        const utf8proc_int32_t moved = at[i];
        size_t j = i;
        for (; j > 0 && class_of(at[j - 1]) > class_of(moved); j--) at[j] = at[j - 1];
        at[j] = moved;
    }
}

static lop_status order_long(utf8proc_int32_t *at, size_t count)
{
    size_t starts[257] = {0};
    utf8proc_int32_t *sorted = NULL;
    LOP_TRY(LOP_NEW(&sorted, count));
    for (size_t i = 0; i < count; i++) starts[(class_of(at[i]) & 255) + 1]++;
    for (int c = 0; c < 256; c++) starts[c + 1] += starts[c];
    for (size_t i = 0; i < count; i++) sorted[starts[class_of(at[i]) & 255]++] = at[i];
    memcpy(at, sorted, count * sizeof *at);
    lop_free(sorted);
    return LOP_OK;
}

/* Canonical ordering: marks between two starters by their class, equal ones as they come. */
static lop_status order_marks(points *p)
{
    for (size_t i = 0; i < p->count;) {
        size_t end = i;
        while (end < p->count && class_of(p->at[end]) != 0) end++;
        if (end - i > SHORT_RUN)
            LOP_TRY(order_long(p->at + i, end - i));
        else
            order_short(p->at + i, end - i);
        i = end + 1;
    }
    return LOP_OK;
}

static lop_status put_run(utf8proc_option_t options, lop_text text, points *scratch, lop_string *out)
{
    LOP_TRY(decompose(text, options, scratch));
    if (scratch->at == NULL) return LOP_OK;
    LOP_TRY(order_marks(scratch));
    const utf8proc_ssize_t count =
        utf8proc_normalize_utf32(scratch->at, (utf8proc_ssize_t)scratch->count, options);
    if (count < 0) return LOP_FAIL(LOP_E_INTERNAL, "utf8proc cannot compose: %s", utf8proc_errmsg(count));
    for (utf8proc_ssize_t i = 0; i < count; i++) {
        char bytes[4];
        const int size = lop_char_put((uint32_t)scratch->at[i], bytes);
        LOP_TRY(lop_string_add(out, bytes, (size_t)size));
    }
    return LOP_OK;
}

static size_t ascii_end(lop_text text, size_t from)
{
    while (from < text.size && (unsigned char)text.at[from] < 0x80) from++;
    return from;
}

static size_t other_end(lop_text text, size_t from)
{
    while (from < text.size && (unsigned char)text.at[from] >= 0x80) from++;
    return from;
}

lop_status lop_unicode_normalize(lop_unicode_form form, lop_text text, lop_string *out)
{
    const int options = UTF8PROC_STABLE | (form.compose ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE) |
                        (form.compat ? UTF8PROC_COMPAT : 0);
    points scratch = {0};
    lop_status status = LOP_OK;
    for (size_t at = 0; at < text.size && status == LOP_OK;) {
        size_t end = ascii_end(text, at);
        const size_t plain = end < text.size && end > at ? end - 1 : end;
        status = lop_string_add(out, text.at + at, plain - at);
        end = other_end(text, end);
        if (status == LOP_OK && end > plain)
            status =
                put_run((utf8proc_option_t)options, (lop_text){text.at + plain, end - plain}, &scratch, out);
        at = end;
    }
    lop_free(scratch.at);
    return status;
}
