/* token_decode.c - the decoding steps. */
#include "core/io/token_decode.h"

#include "core/base/memory.h"
#include "core/io/byte_alphabet.h"
#include "core/io/normalize.h"
#include "core/io/unicode.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define REPLACEMENT "\xEF\xBF\xBD" /* U+FFFD */

/* ---- what a decoder is made of */

lop_status lop_decoder_add(lop_decoder *d, lop_decode_kind kind, lop_decode_step **out)
{
    *out = NULL;
    if (d->count == LOP_DECODE_STEPS_MAX)
        return LOP_FAIL(LOP_E_UNSUPPORTED, "the tokenizer has more than %d decoders", LOP_DECODE_STEPS_MAX);
    *out = &d->steps[d->count++];
    (*out)->kind = kind;
    return LOP_OK;
}

lop_status lop_decoder_add_replace(lop_decoder *d, const char *from, const char *to)
{
    lop_decode_step *step;
    LOP_TRY(lop_decoder_add(d, LOP_DECODE_REPLACE, &step));
    LOP_TRY(lop_string_add(&step->text, to, strlen(to)));
    return lop_pattern_open(lop_text_of(from), true, &step->pattern);
}

void lop_decoder_close(lop_decoder *d)
{
    for (int i = 0; i < d->count; i++) {
        lop_pattern_close(d->steps[i].pattern);
        lop_string_close(&d->steps[i].text);
    }
    memset(d, 0, sizeof *d);
}

/* ---- lists of texts */

static lop_status end_text(lop_token_texts *t)
{
    if (t->count == t->room) {
        const size_t room = t->room ? t->room * 2 : 64;
        LOP_TRY(lop_realloc(room, sizeof *t->ends, &t->ends));
        t->room = room;
    }
    t->ends[t->count++] = t->bytes.size;
    return LOP_OK;
}

lop_status lop_token_texts_add(lop_token_texts *t, lop_text text)
{
    LOP_TRY(lop_string_add(&t->bytes, text.at, text.size));
    return end_text(t);
}

static lop_text text_at(const lop_token_texts *t, size_t i)
{
    const size_t from = i ? t->ends[i - 1] : 0;
    return (lop_text){t->bytes.at + from, t->ends[i] - from};
}

void lop_token_texts_close(lop_token_texts *t)
{
    lop_string_close(&t->bytes);
    lop_free(t->ends);
    memset(t, 0, sizeof *t);
}

/* ---- bytes that should be UTF-8 */

/* How many bytes at a bad place are the start of a character that could have been (Unicode 15, table 3-7); at least 1. */
static size_t broken_length(const unsigned char *at, size_t size)
{
    const unsigned char b = at[0];
    const size_t want = b >= 0xC2 && b <= 0xDF   ? 2
                        : b >= 0xE0 && b <= 0xEF ? 3
                        : b >= 0xF0 && b <= 0xF4 ? 4
                                                 : 1;
    const unsigned char low = b == 0xE0 ? 0xA0 : b == 0xF0 ? 0x90 : 0x80;
    const unsigned char high = b == 0xED ? 0x9F : b == 0xF4 ? 0x8F : 0xBF;
    size_t n = 1;
    if (want > 1 && size > 1 && at[1] >= low && at[1] <= high) n++;
    while (n > 1 && n < want && n < size && (at[n] & 0xC0) == 0x80) n++;
    return n;
}

static lop_status add_repaired(lop_text bytes, lop_string *out)
{
    for (size_t at = 0; at < bytes.size;) {
        size_t bad = bytes.size - at;
        const bool good = lop_utf8_valid(bytes.at + at, bytes.size - at, &bad);
        LOP_TRY(lop_string_add(out, bytes.at + at, good ? bytes.size - at : bad));
        if (good) return LOP_OK;
        LOP_TRY(lop_string_add(out, REPLACEMENT, 3));
        at += bad;
        at += broken_length((const unsigned char *)bytes.at + at, bytes.size - at);
    }
    return LOP_OK;
}

/* ---- steps: each appends what it makes of `from` to `to` */

/* A text with a character outside the alphabet (an added token's) stands as it is. */
static lop_status add_alphabet_bytes(lop_text text, lop_string *out)
{
    const size_t before = out->size;
    for (size_t i = 0; i < text.size;) {
        const int byte = lop_alphabet_byte(lop_char_next(text.at, text.size, &i));
        if (byte < 0) {
            out->size = before;
            return lop_string_add(out, text.at, text.size);
        }
        const char c = (char)byte;
        LOP_TRY(lop_string_add(out, &c, 1));
    }
    return LOP_OK;
}

static lop_status byte_level(const lop_token_texts *from, lop_token_texts *to)
{
    lop_string bytes = {0};
    lop_status status = LOP_OK;
    for (size_t i = 0; i < from->count && status == LOP_OK; i++)
        status = add_alphabet_bytes(text_at(from, i), &bytes);
    if (status == LOP_OK) status = add_repaired((lop_text){bytes.at, bytes.size}, &to->bytes);
    if (status == LOP_OK) status = end_text(to);
    lop_string_close(&bytes);
    return status;
}

/* The byte of "<0xNN>", or -1. */
static int fallback_byte(lop_text text)
{
    if (text.size != 6 || memcmp(text.at, "<0x", 3) != 0 || text.at[5] != '>') return -1;
    if (!isxdigit((unsigned char)text.at[3]) || !isxdigit((unsigned char)text.at[4])) return -1;
    const char digits[3] = {text.at[3], text.at[4], '\0'};
    return (int)strtol(digits, NULL, 16);
}

static lop_status end_fallback_run(lop_string *bytes, lop_token_texts *to)
{
    if (bytes->size == 0) return LOP_OK;
    if (lop_utf8_valid(bytes->at, bytes->size, NULL))
        LOP_TRY(lop_token_texts_add(to, (lop_text){bytes->at, bytes->size}));
    else
        for (size_t i = 0; i < bytes->size; i++) LOP_TRY(lop_token_texts_add(to, lop_text_of(REPLACEMENT)));
    bytes->size = 0;
    return LOP_OK;
}

static lop_status byte_fallback(const lop_token_texts *from, lop_token_texts *to)
{
    lop_string bytes = {0};
    lop_status status = LOP_OK;
    for (size_t i = 0; i < from->count; i++) {
        const lop_text text = text_at(from, i);
        const int byte = fallback_byte(text);
        const char c = (char)byte;
        if (byte >= 0) {
            LOP_TRY_DONE(lop_string_add(&bytes, &c, 1));
            continue;
        }
        LOP_TRY_DONE(end_fallback_run(&bytes, to));
        LOP_TRY_DONE(lop_token_texts_add(to, text));
    }
    LOP_TRY_DONE(end_fallback_run(&bytes, to));
done:
    lop_string_close(&bytes);
    return status;
}

static lop_text stripped(const lop_decode_step *step, lop_text text)
{
    const size_t size = step->text.size;
    for (int32_t i = 0; i < step->start && text.size >= size && memcmp(text.at, step->text.at, size) == 0;
         i++) {
        text.at += size;
        text.size -= size;
    }
    for (int32_t i = 0; i < step->stop && text.size >= size; i++) {
        if (memcmp(text.at + text.size - size, step->text.at, size) != 0) break;
        text.size -= size;
    }
    return text;
}

static lop_status decode_each(const lop_decode_step *step, const lop_token_texts *from, lop_token_texts *to)
{
    for (size_t i = 0; i < from->count; i++) {
        const lop_text text = text_at(from, i);
        if (step->kind == LOP_DECODE_STRIP) {
            LOP_TRY(lop_token_texts_add(to, stripped(step, text)));
            continue;
        }
        const bool vanishes = step->kind == LOP_DECODE_METASPACE && step->prefix && i == 0;
        const lop_text blank = {" ", vanishes ? 0 : 1};
        const lop_text with =
            step->kind == LOP_DECODE_REPLACE ? (lop_text){step->text.at, step->text.size} : blank;
        LOP_TRY(lop_replace_all(step->pattern, with, text, &to->bytes));
        LOP_TRY(end_text(to));
    }
    return LOP_OK;
}

static lop_status take_step(const lop_decode_step *step, lop_token_texts *from, lop_token_texts *to)
{
    switch (step->kind) {
    case LOP_DECODE_BYTE_LEVEL:
        return byte_level(from, to);
    case LOP_DECODE_BYTE_FALLBACK:
        return byte_fallback(from, to);
    case LOP_DECODE_FUSE:
        return lop_token_texts_add(to, (lop_text){from->bytes.at, from->bytes.size});
    case LOP_DECODE_REPLACE:
    case LOP_DECODE_STRIP:
    case LOP_DECODE_METASPACE:
        return decode_each(step, from, to);
    }
    return LOP_FAIL(LOP_E_INTERNAL, "decoder kind %d", (int)step->kind);
}

lop_status lop_decode_texts(const lop_decoder *d, lop_token_texts *texts, lop_string *out)
{
    lop_token_texts other = {0};
    lop_status status = LOP_OK;
    const size_t given = texts->bytes.size + texts->count;
    for (int i = 0; i < d->count; i++) {
        other.bytes.size = 0;
        other.count = 0;
        LOP_TRY_DONE(take_step(&d->steps[i], texts, &other));
        const lop_token_texts made = other;
        other = *texts;
        *texts = made;
        LOP_TRY_DONE(lop_growth_check(given, texts->bytes.size));
    }
    LOP_TRY_DONE(add_repaired((lop_text){texts->bytes.at, texts->bytes.size}, out));
done:
    lop_token_texts_close(&other);
    return status;
}
