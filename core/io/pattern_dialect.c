/* pattern_dialect.c - what PCRE2 would read differently is rewritten, or refused where that is not simple:
 *
 *   \s       White_Space (PCRE2 counts U+180E too)          \w  Alphabetic, M, Nd, Pc (PCRE2: L, N, _)
 *   \p{Han}  the script (PCRE2: the script extensions)      \v  U+000B          \uHHHH  \x{HHHH}
 *
 * Refused: classes in classes and &&, verbs, \h \b \K \G and the like, flags but i and x, {,n}, and {n}+, which Ruby
 * reads as a repetition of a repetition. */
#include "core/io/pattern_dialect.h"

#include <ctype.h>
#include <string.h>

/* Oniguruma's: of the other numbers only those of Latin-1 are word characters. */
#define WORD_CLASS "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\x{B2}\\x{B3}\\x{B9}\\x{BC}-\\x{BE}"

typedef struct translation {
    lop_text source;
    size_t at;
    bool in_class;
    size_t class_from; /* of the first member: there a ] is itself */
    lop_string *out;
} translation;

static int peek(const translation *t, size_t ahead)
{
    return t->at + ahead < t->source.size ? (unsigned char)t->source.at[t->at + ahead] : -1;
}

static lop_status put(translation *t, const char *text)
{
    return lop_string_add(t->out, text, strlen(text));
}

static lop_status copy(translation *t, size_t count)
{
    const size_t left = t->source.size - t->at;
    if (count > left) count = left;
    LOP_TRY(lop_string_add(t->out, t->source.at + t->at, count));
    t->at += count;
    return LOP_OK;
}

static lop_status refuse(const translation *t, const char *why)
{
    const size_t left = t->source.size - t->at;
    return LOP_FAIL(LOP_E_UNSUPPORTED, "the pattern has %s at byte %zu (\"%.*s\"), which is not supported",
                    why, t->at, left < 8 ? (int)left : 8, t->source.at + t->at);
}

static size_t length_to(const translation *t, char end)
{
    const char *found = memchr(t->source.at + t->at, end, t->source.size - t->at);
    return found ? (size_t)(found - t->source.at) - t->at + 1 : 0;
}

/* True of names that PCRE2 takes as they are: general categories and what is no script. */
static bool is_plain_property(const char *name, size_t size)
{
    static const char *const known[] = {"Any", "Alphabetic", "White_Space", "Uppercase", "Lowercase"};
    if (size <= 2 || memchr(name, '=', size) || memchr(name, ':', size) || name[0] == '^') return true;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strlen(known[i]) == size && memcmp(known[i], name, size) == 0) return true;
    return false;
}

static lop_status put_property(translation *t)
{
    if (peek(t, 2) != '{') return copy(t, 3);
    const size_t size = length_to(t, '}');
    if (size < 5) return refuse(t, "a property without a name");
    if (is_plain_property(t->source.at + t->at + 3, size - 4)) return copy(t, size);
    LOP_TRY(copy(t, 3));
    LOP_TRY(put(t, "sc:"));
    return copy(t, size - 3);
}

static lop_status put_hex(translation *t)
{
    if (peek(t, 2) == '{') {
        const size_t size = length_to(t, '}');
        if (size == 0) return refuse(t, "an open \\u");
        LOP_TRY(put(t, "\\x"));
        t->at += 2;
        return copy(t, size - 2);
    }
    if (t->source.size - t->at < 6) return refuse(t, "a short \\u");
    LOP_TRY(lop_string_print(t->out, "\\x{%.4s}", t->source.at + t->at + 2));
    t->at += 6;
    return LOP_OK;
}

static lop_status replace(translation *t, const char *with)
{
    t->at += 2;
    return put(t, with);
}

static lop_status put_escape(translation *t)
{
    const int c = peek(t, 1);
    switch (c) {
    case 's':
        return replace(t, "\\p{White_Space}");
    case 'S':
        return replace(t, "\\P{White_Space}");
    case 'w':
        return replace(t, t->in_class ? WORD_CLASS : "[" WORD_CLASS "]");
    case 'v':
        return replace(t, "\\x0b");
    case 'W':
        if (t->in_class) return refuse(t, "\\W in a class");
        return replace(t, "[^" WORD_CLASS "]");
    case 'p':
    case 'P':
        return put_property(t);
    case 'u':
        return put_hex(t);
    case 'x':
        if (peek(t, 2) == '{' && length_to(t, '}') > 0) return copy(t, length_to(t, '}'));
        return copy(t, 2);
    case -1:
        return refuse(t, "a lone backslash");
    default:
        break;
    }
    if (isalpha(c) && strchr("dDnrtfeaAzZ", c) == NULL) return refuse(t, "an escape");
    return copy(t, c < 0x80 ? 2 : 1);
}

static lop_status put_in_class(translation *t)
{
    const int c = peek(t, 0);
    if (c == '[' && peek(t, 1) == ':') {
        const size_t size = length_to(t, ']');
        return size ? copy(t, size) : refuse(t, "an open class");
    }
    if (c == '[') return refuse(t, "a class in a class");
    if (c == '&' && peek(t, 1) == '&') return refuse(t, "an intersection of classes");
    if (c == ']' && t->at != t->class_from) t->in_class = false;
    return copy(t, 1);
}

static lop_status put_class(translation *t)
{
    LOP_TRY(copy(t, peek(t, 1) == '^' ? 2 : 1));
    t->in_class = true;
    t->class_from = t->at;
    return LOP_OK;
}

static lop_status put_group(translation *t)
{
    if (peek(t, 1) == '*') return refuse(t, "a verb");
    if (peek(t, 1) != '?') return copy(t, 1);
    for (size_t i = 2; isalpha(peek(t, i)) || peek(t, i) == '-'; i++)
        if (strchr("ix-", peek(t, i)) == NULL) return refuse(t, "a flag");
    return copy(t, 2);
}

static lop_status put_interval(translation *t)
{
    if (peek(t, 1) == ',') return refuse(t, "an interval without a lower end");
    const size_t size = isdigit(peek(t, 1)) ? length_to(t, '}') : 0;
    if (size == 0) return copy(t, 1);
    if (peek(t, size) == '+') return refuse(t, "a + after an interval");
    return copy(t, size);
}

lop_status lop_pattern_translate(lop_text source, lop_string *out)
{
    translation t = {source, 0, false, 0, out};
    while (t.at < source.size) {
        const int c = peek(&t, 0);
        if (c == '\\')
            LOP_TRY(put_escape(&t));
        else if (t.in_class)
            LOP_TRY(put_in_class(&t));
        else if (c == '[')
            LOP_TRY(put_class(&t));
        else if (c == '(')
            LOP_TRY(put_group(&t));
        else if (c == '{')
            LOP_TRY(put_interval(&t));
        else
            LOP_TRY(copy(&t, 1));
    }
    return LOP_OK;
}
